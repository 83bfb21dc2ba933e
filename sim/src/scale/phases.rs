//! What is done to a cluster, and what is measured of it, one thing after the other.

use super::plan::{Deployment, Who};
use super::report::{Quantiles, Report};
use super::traffic::{Tally, Topic, Totals, Traffic};
use super::watch::{STAGES, Watch};
use super::world::{Event, World};
use crate::swarm::{MS, SECOND};

/// Nodes that join one by one, and nodes that die while nothing is asked.
const TURNS: usize = 3;
/// Above so many nodes there is one of each: it tells enough.
const MANY: usize = 500;
/// All begin within this time.
const START: u64 = SECOND;
/// How long anything is waited for.
const LIMIT: u64 = 120 * SECOND;
/// How long a cluster is left alone once it is complete: questions of multicast DNS become rare.
const SETTLE: u64 = 10 * SECOND;
/// How closely it is waited for: the world stops only then; what is measured is exact.
const STEP: u64 = 20 * MS;
/// Writes that find a dead node.
const FINDERS: u64 = 20;

/// How far a simulation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// What is going on.
    pub phase: &'static str,
    /// The simulated time, in milliseconds.
    pub at_ms: u64,
    /// When it ends at the latest if nothing takes longer from here on.
    pub end_ms: u64,
}

/// A simulation.
pub(super) struct Run<'a> {
    world: World,
    turns: usize,
    report: Report,
    phase: &'static str,
    tell: &'a mut dyn FnMut(Progress),
}

fn turns(plan: &Deployment) -> usize {
    if plan.nodes > MANY { 1 } else { TURNS }
}

/// What had been said before.
struct Before(Totals, u64);

impl<'a> Run<'a> {
    pub(super) fn new(plan: &Deployment, tell: &'a mut dyn FnMut(Progress)) -> Self {
        Self {
            world: World::new(plan, turns(plan)),
            turns: turns(plan),
            report: Report::default(),
            phase: "",
            tell,
        }
    }

    pub(super) fn play(mut self) -> Report {
        self.cold_start();
        self.idle();
        self.writes();
        self.join();
        self.death_by_probe();
        self.death_by_request();
        self.partition();
        let report = &mut self.report;
        report.simulated_us = self.world.now / 1_000;
        report.events = self.world.events;
        self.report
    }

    fn begin(&mut self, phase: &'static str) -> Before {
        self.phase = phase;
        for host in &mut self.world.hosts {
            host.traffic = Traffic::default();
        }
        Before(self.world.totals, self.world.now)
    }

    /// Lets time pass, and tells.
    fn pass(&mut self, time: u64) {
        let until = self.world.now + time;
        while self.world.now < until {
            let next = until.min(self.world.now + 10 * STEP);
            self.world.run_until(next);
            self.told();
        }
    }

    /// Waits for something to hold; whether it does.
    fn until(&mut self, limit: u64, holds: impl Fn(&World) -> bool) -> bool {
        let until = self.world.now + limit;
        while self.world.now < until && !holds(&self.world) {
            self.world.run_until(self.world.now + STEP);
            self.told();
        }
        holds(&self.world)
    }

    fn told(&mut self) {
        let plan = &self.world.plan;
        // About as long as all takes that is waited for.
        let waits = 60
            + if plan.partition.who == Who::Nobody {
                0
            } else {
                plan.partition.seconds + 60
            };
        let end = (waits + 2 * plan.seconds) * 1_000;
        (self.tell)(Progress {
            phase: self.phase,
            at_ms: self.world.now / MS,
            end_ms: end,
        });
    }

    fn nodes(&self) -> u64 {
        self.world.watch.living() as u64
    }

    /// When each stage was complete, since then; `None` if it is not.
    fn complete(&self, since: u64) -> [Option<u64>; STAGES] {
        let watch = &self.world.watch;
        std::array::from_fn(|stage| {
            let all = watch.complete[stage] == watch.living();
            all.then(|| watch.complete_at[stage].saturating_sub(since) / 1_000)
        })
    }

    fn client(&self, region: usize) -> usize {
        self.world.hosts.len() - self.world.plan.regions + region
    }

    fn any_client(&mut self) -> usize {
        let region = self.world.rng.below(self.world.plan.regions);
        self.client(region)
    }

    fn cold_start(&mut self) {
        let Before(_, since) = self.begin("cold start");
        let nodes = self.world.plan.nodes;
        for node in 0..nodes {
            let wait = self.world.rng.below(START as usize) as u64;
            self.world.post(wait, Event::Start(node as u32));
        }
        for region in 0..self.world.plan.regions {
            let client = self.client(region) as u32;
            self.world.post(START, Event::Start(client));
        }
        self.pass(START);
        self.until(LIMIT, |world| {
            let watch = &world.watch;
            watch.complete.iter().all(|complete| *complete == nodes)
        });
        [
            self.report.cold_region_us,
            self.report.cold_regions_us,
            self.report.cold_all_us,
        ] = self.complete(since);
        let tcp = self.world.totals.tcp();
        self.report.cold_tcp = per(tcp, self.nodes());
        self.report.cold_mdns = per(self.world.totals.cast, self.nodes());
        self.pass(SETTLE);
    }

    fn idle(&mut self) {
        let Before(totals, _) = self.begin("idle");
        let seconds = self.world.plan.seconds;
        self.pass(seconds * SECOND);
        let living = self.nodes();
        let per = |tally| a_minute(tally, living, seconds);
        let since = |topic| minus(self.world.totals.of(topic), totals.of(topic));
        let report = &mut self.report;
        report.idle_tcp = per(minus(self.world.totals.tcp(), totals.tcp()));
        report.idle_ping = per(since(Topic::Ping));
        report.idle_members = per(since(Topic::Members));
        report.idle_sync = per(since(Topic::Sync));
        report.idle_mdns = per(minus(self.world.totals.cast, totals.cast));
        let nodes = &self.world.hosts[..self.world.plan.nodes];
        let busiest = nodes.iter().map(|host| host.traffic.tcp.bytes).max();
        report.idle_busiest = busiest.unwrap_or(0) * 60 / seconds;
        let heard = nodes
            .iter()
            .map(|host| host.traffic.heard.messages)
            .sum::<u64>();
        report.idle_heard = heard * 60 / (living * seconds).max(1);
        let seen = nodes.iter().map(|host| host.seen.total as u64).sum::<u64>();
        report.known = seen / living.max(1);
        report.connections = 2 * self.world.conns.len() as u64 / living.max(1);
    }

    fn writes(&mut self) {
        let Before(totals, _) = self.begin("writes");
        let count = (self.world.plan.writes * self.world.plan.seconds).div_ceil(60);
        let pause = 60 * SECOND / self.world.plan.writes.max(1);
        for turn in 0..count {
            self.write_and_read(turn > 0);
            self.pass(pause);
        }
        self.until(LIMIT, |world| world.watch.pending.is_empty());
        let put = minus(self.world.totals.of(Topic::Put), totals.of(Topic::Put));
        self.report.put = per(put, count);
        self.report.unfinished = self.world.watch.pending.len() as u64;
        let watch = &mut self.world.watch;
        self.report.ack = Quantiles::of(&mut watch.acks);
        self.report.get = Quantiles::of(&mut watch.reads);
        (self.report.failed, self.report.missed) = (watch.failed, watch.missed);
        let late = |at: fn(&super::watch::Write) -> Option<u64>, watch: &Watch| {
            let late = watch
                .writes
                .iter()
                .filter_map(|write| Some(at(write)?.saturating_sub(write.acked?)));
            Quantiles::of(&mut late.collect::<Vec<_>>())
        };
        self.report.stale_region = late(|write| write.home_at, watch);
        self.report.stale_all = late(|write| write.all_at, watch);
        watch.pending.clear();
    }

    /// One client writes; another one, of any region, reads what was written before.
    fn write_and_read(&mut self, reads: bool) {
        if reads {
            let key = self.world.watch.writes.len() as u32 - 1;
            let reader = self.any_client();
            self.world.ask(reader, super::watch::Asked::Far(key));
        }
        let writer = self.any_client();
        self.world.put(writer);
    }

    fn join(&mut self) {
        let mut took = Vec::new();
        let (mut tcp, mut mdns) = (Tally::default(), Tally::default());
        for joiner in self.world.plan.nodes..self.world.plan.nodes + self.turns {
            let Before(totals, since) = self.begin("joins");
            self.world.start(joiner);
            if self.until(LIMIT / 2, |world| world.watch.is_complete()) {
                let watch = &self.world.watch;
                took.push(watch.complete_at[0].max(watch.complete_at[1]) - since);
            }
            let traffic = &self.world.hosts[joiner].traffic;
            add(&mut tcp, traffic.tcp);
            let link = minus(self.world.totals.cast, totals.cast);
            add(&mut mdns, link);
            self.report.join_unaware += self.world.unaware(joiner) as u64;
            self.pass(5 * SECOND);
        }
        self.report.join = Quantiles::of(&mut took);
        self.report.join_tcp = per(tcp, self.turns as u64);
        self.report.join_mdns = per(mdns, self.turns as u64);
    }

    /// A node that nothing else depends on: no static peer, and not the only one of its region.
    fn victim(&mut self) -> Option<usize> {
        let plan = &self.world.plan;
        let (nodes, seeds) = (plan.nodes, plan.seeds.min(plan.nodes));
        let fit = |world: &World, node: usize| {
            let host = &world.hosts[node];
            host.process.is_some() && world.watch.live[host.region] > 2
        };
        let fit: Vec<usize> = (seeds..nodes)
            .filter(|node| fit(&self.world, *node))
            .collect();
        self.world.rng.choose(&fit).copied()
    }

    fn death_by_probe(&mut self) {
        let mut noticed = Vec::new();
        for _ in 0..self.turns {
            self.begin("deaths, nothing asked");
            let Some(victim) = self.victim() else {
                continue;
            };
            self.world.kill(victim);
            self.world.expect_all_to_notice();
            self.until(LIMIT, unnoticed_by_nobody);
            self.take_deaths(&mut noticed);
        }
        self.report.probe = Quantiles::of(&mut noticed);
    }

    fn death_by_request(&mut self) {
        self.begin("a death, with writes");
        let mut noticed = Vec::new();
        if let Some(victim) = self.victim() {
            let client = self.client(self.world.hosts[victim].region);
            self.world.kill(victim);
            self.world.expect_writers_to_notice();
            for _ in 0..FINDERS {
                self.world.put(client);
                self.pass(10 * MS);
            }
            self.pass(STEP);
            self.until(LIMIT, unnoticed_by_nobody);
            self.take_deaths(&mut noticed);
        }
        self.report.request = Quantiles::of(&mut noticed);
        self.world.watch.pending.clear();
    }

    fn take_deaths(&mut self, noticed: &mut Vec<u64>) {
        for death in self.world.watch.deaths.drain(..) {
            self.report.unnoticed += death.unnoticed() as u64;
            noticed.extend(death.noticed);
        }
    }

    fn partition(&mut self) {
        let plan = self.world.plan.clone();
        if plan.partition.who == Who::Nobody {
            return;
        }
        self.begin("partition");
        let (regions, first) = (plan.regions, self.client(0));
        let lone = (0..plan.nodes)
            .rev()
            .find(|node| self.world.hosts[*node].process.is_some());
        for (index, host) in self.world.hosts.iter_mut().enumerate() {
            let place = if index < first { index } else { index - first };
            host.apart = match plan.partition.who {
                Who::Nobody => false,
                Who::Node => Some(index) == lone,
                Who::Region => host.region == regions - 1,
                Who::Half => place / regions % 2 == 1,
            };
        }
        self.world.cut = true;
        for _ in 0..plan.partition.seconds {
            let writer = self.any_client();
            self.world.put(writer);
            self.pass(SECOND);
        }
        let Before(_, since) = self.begin("healed");
        self.world.cut = false;
        let healed = self.until(LIMIT, |world| world.watch.is_complete());
        let watch = &self.world.watch;
        let at = watch.complete_at[0].max(watch.complete_at[1]);
        self.report.heal_us = healed.then(|| at.saturating_sub(since) / 1_000);
        self.until(LIMIT, |world| world.watch.pending.is_empty());
        let watch = &self.world.watch;
        let last = watch.writes.iter().filter_map(|write| write.all_at).max();
        let values = last.filter(|_| watch.pending.is_empty());
        self.report.heal_values_us = values.map(|at| at.saturating_sub(since) / 1_000);
        self.report.heal_missing = watch.pending.len() as u64;
    }
}

fn unnoticed_by_nobody(world: &World) -> bool {
    world
        .watch
        .deaths
        .iter()
        .all(|death| death.unnoticed() == 0)
}

const fn minus(after: Tally, before: Tally) -> Tally {
    Tally {
        messages: after.messages - before.messages,
        bytes: after.bytes - before.bytes,
    }
}

const fn add(sum: &mut Tally, tally: Tally) {
    sum.messages += tally.messages;
    sum.bytes += tally.bytes;
}

/// Of one node in a minute, of so many in so many seconds.
fn a_minute(tally: Tally, nodes: u64, seconds: u64) -> Tally {
    let sixty = Tally {
        messages: tally.messages * 60,
        bytes: tally.bytes * 60,
    };
    per(sixty, nodes * seconds)
}

fn per(tally: Tally, count: u64) -> Tally {
    let count = count.max(1);
    Tally {
        messages: (tally.messages + count / 2) / count,
        bytes: (tally.bytes + count / 2) / count,
    }
}
