//! Peace: the faults end, and everything must come right within its bounds.

use std::collections::{BTreeMap, BTreeSet};

use zerocache_proto::op::Kind;
use zerocache_proto::{NodeId, Point, Region};

use crate::host::Life;
use crate::run::Figures;
use crate::swarm::{MS, SECOND};
use crate::transition::Hosts;
use crate::world::World;

/// Until all live hosts see all live nodes and nobody else: nothing is lost any more, or some is.
const CONVERGED: (u64, u64) = (120 * SECOND, 240 * SECOND);
/// How long nobody may be put out then.
const STABLE: u64 = 20 * SECOND;
/// Until nothing waits for anybody: the longest pause of a queue, and then some.
const DRAINED: u64 = 150 * SECOND;
/// How often it is looked.
const LOOK: u64 = 250 * MS;
/// Keys beyond those of the run.
const FRESH_KEY: u32 = 1_000_000;
/// Reads a client makes of each local node, in turn.
const ROUNDS: usize = 3;

impl World {
    /// Ends the faults, and holds the cluster to what it promises.
    pub(crate) fn quiet(&mut self) -> Figures {
        self.heal_all();
        let mut figures = Figures {
            lossless: self.net.loss == 0,
            ..Figures::default()
        };
        let healed = self.now;
        let bound = if figures.lossless {
            CONVERGED.0
        } else {
            CONVERGED.1
        };
        if !self.converge(bound) {
            return figures;
        }
        figures.converged_ms = Some((self.now - healed) / MS);
        // From here on the network is as good as it gets.
        (self.net.loss, self.net.duplicates, self.net.reorder) = (0, 0, 0);
        self.pass(5 * SECOND);
        if !self.converge(CONVERGED.0) {
            return figures;
        }
        self.watch.quiet = true;
        self.pass(STABLE);
        self.expect_familiar();
        self.converse();
        self.drain();
        self.expect_ranking();
        figures.diverged = self.compare();
        self.expect_over();
        figures.detected_ms = self.part();
        figures.stale_reads = std::mem::take(&mut self.watch.stale_reads);
        figures
    }

    pub(crate) fn pass(&mut self, time: u64) {
        let until = self.now + time;
        while self.violations.is_empty() && self.now < until {
            while self.run_until(until).is_some() {}
        }
    }

    fn heal_all(&mut self) {
        self.calm();
        self.net.heal();
        self.net.clogged = Hosts::default();
        self.net.slow.iter_mut().for_each(|rate| *rate = 0);
        self.net.resets = 0;
        self.disturbed();
        self.bury();
        self.resume_all();
        for host in 0..self.hosts.len() {
            self.link_up(host);
            self.hosts[host].accepts_at = 0;
            self.hosts[host].clock.set_skew(0);
        }
        // Some of the dead stay dead; those that others ask first do not, nor do all.
        let servers = self.knobs.servers.len();
        let seeds = if self.knobs.discovery.is_told() { 2 } else { 0 };
        for node in 0..servers {
            let comes_back = self.hosts[node].rng.below(2) == 0 || node < seeds;
            let dead = self.hosts[node].life != Life::Up;
            if dead && comes_back && !self.revive(node, false) {
                self.start(node);
            }
        }
        if !(0..servers).any(|node| self.hosts[node].is_serving()) {
            self.pass(2 * SECOND);
            if !self.revive(0, false) && !self.hosts[0].is_up() {
                self.start(0);
            }
        }
    }

    /// I1.
    fn converge(&mut self, bound: u64) -> bool {
        let until = self.now + bound;
        let mut met = BTreeSet::new();
        loop {
            if !self.violations.is_empty() {
                return false;
            }
            let mut strangers = self.strangers();
            // With loss, somebody is always just being doubted: each pair counts by itself, and who
            // was once unlucky is not tried again for a minute.
            if self.net.loss > 0 {
                met.extend(self.acquaintances());
                let pairs = self.pairs();
                if pairs.intersection(&met).count() * 20 >= pairs.len() * 19 && !self.dreams() {
                    strangers.clear();
                }
            }
            let leaving = self.hosts.iter().any(|host| host.leaving);
            if strangers.is_empty() && !leaving {
                return true;
            }
            if self.now >= until {
                let first: Vec<_> = strangers.into_iter().take(3).collect();
                let text = format!(
                    "not converged after {} s: {}",
                    bound / SECOND,
                    first.join("\n    ")
                );
                self.violate("I1", text);
                return false;
            }
            self.pass(LOOK);
        }
    }

    fn expect_familiar(&mut self) {
        let strangers = self.strangers();
        if let Some(first) = strangers.first() {
            self.violate("I1", format!("no longer as it was: {first}"));
        }
    }

    /// I10, I12, I18: clients talk to a cluster without faults.
    fn converse(&mut self) {
        let clients: Vec<usize> = (0..self.knobs.clients.len().min(3)).collect();
        for client in clients {
            // From far away, with nobody near, there may be no time to connect and to wait for copies.
            let host = self.knobs.servers.len() + client;
            if self.hosts[host]
                .view()
                .is_none_or(|view| view.local.is_empty())
            {
                continue;
            }
            let key = FRESH_KEY + client as u32;
            self.watch.copies = Some(BTreeMap::new());
            let put = self.operate(client, Kind::Put, key, 100, 300);
            self.pass(4 * SECOND);
            self.expect_done(put, Kind::Put);
            self.expect_shape(key);
            self.read_in_turn(client, key);
            let delete = self.operate(client, Kind::Delete, key, 0, 0);
            self.pass(4 * SECOND);
            self.expect_done(delete, Kind::Delete);
            let host = self.knobs.servers.len() + client;
            for node in 0..self.knobs.servers.len() {
                let found = self.record(node, key).and_then(|record| record.write);
                if let Some(write) = found {
                    let text =
                        format!("node {node} has write {write} of k{key}, deleted by host {host}");
                    self.violate("I5", text);
                }
            }
            self.watch.copies = None;
        }
    }

    fn expect_done(&mut self, op: u64, kind: Kind) {
        let done = self.model.operation(op).is_some_and(|op| op.acknowledged);
        if !done && self.violations.is_empty() {
            let text =
                format!("{kind:?} of operation {op} came to nothing, with no fault anywhere");
            self.violate("I18", text);
        }
    }

    /// I12: each live node got one copy, and only that.
    fn expect_shape(&mut self, key: u32) {
        let servers = 0..self.knobs.servers.len();
        let live: BTreeSet<usize> = servers
            .filter(|node| self.hosts[*node].is_serving())
            .collect();
        let holders: BTreeSet<usize> = live
            .iter()
            .copied()
            .filter(|node| self.record(*node, key).is_some())
            .collect();
        if holders != live {
            let text = format!("k{key} is at nodes {holders:?} of {live:?}");
            return self.violate("I12", text);
        }
        let copies = self.watch.copies.take().unwrap_or_default();
        let version = live
            .iter()
            .find_map(|node| self.record(*node, key))
            .map(|r| r.version);
        let Some(sent) = version.and_then(|version| copies.get(&version)) else {
            if live.len() > 1 {
                self.violate("I12", format!("no copies of k{key} were sent"));
            }
            return;
        };
        let twice = sent.values().any(|count| *count > 1);
        if twice || sent.len() != live.len() - 1 {
            let text = format!("copies of k{key} went to {sent:?} of {live:?}");
            self.violate("I12", text);
        }
    }

    /// I10, I18: each local node is asked first in turn, and has the value.
    fn read_in_turn(&mut self, client: usize, key: u32) {
        let host = self.knobs.servers.len() + client;
        let local: Vec<NodeId> = match self.hosts[host].view() {
            Some(view) => view.local.iter().map(|peer| peer.id).collect(),
            None => return,
        };
        self.watch.first = Some(BTreeMap::new());
        let reads = ROUNDS * local.len().max(1);
        let hits = self.coverage.count("hit");
        for _ in 0..reads {
            self.operate(client, Kind::Get, key, 0, 0);
            self.pass(3 * SECOND / 10);
        }
        self.pass(3 * SECOND);
        if !self.violations.is_empty() {
            return;
        }
        let found = self.coverage.count("hit") - hits;
        if found != reads as u64 {
            let text = format!("host {host} found k{key} {found} times of {reads}");
            self.violate("I18", text);
        }
        let first = self.watch.first.take().unwrap_or_default();
        let asked = first.get(&host).map_or(&[][..], Vec::as_slice);
        for id in &local {
            let times = asked.iter().filter(|asked| *asked == id).count();
            if times.abs_diff(ROUNDS) > 1 {
                let text = format!("host {host} asked {id} first {times} times of {reads}");
                self.violate("I10", text);
            }
        }
    }

    /// I9, I14, I17: what is left when nothing more is to be done.
    fn drain(&mut self) {
        let until = self.now + DRAINED;
        while self.violations.is_empty() {
            let busy = self.busy();
            if busy.is_empty() {
                break;
            }
            if self.now >= until {
                self.violate("I9", busy);
                break;
            }
            self.pass(SECOND);
        }
        for index in 0..self.knobs.servers.len() {
            self.expect_within_bounds(index);
            self.expect_caps(index);
            self.expect_rest(index);
        }
    }

    /// Who still has something to do.
    fn busy(&self) -> String {
        let mut busy = String::new();
        for (index, host) in self.hosts.iter().enumerate() {
            let now = self.clock(index);
            let Some(queues) = host.node().map(|node| node.facts(now).queues) else {
                continue;
            };
            if queues.spreading + queues.waiting > 0 {
                busy += &format!("host {index}: {queues:?}{} ", self.knows(index));
            }
        }
        busy
    }

    pub(crate) fn expect_within_bounds(&mut self, index: usize) {
        let now = self.clock(index);
        let Some(facts) = self.hosts[index].node().map(|node| node.facts(now)) else {
            return;
        };
        for (name, cache) in [("local", facts.cache.local), ("remote", facts.cache.remote)] {
            if cache.entries > cache.max_entries || cache.bytes > cache.max_bytes {
                self.violate("I14", format!("node {index}: {name} holds {cache:?}"));
            }
            self.coverage.add("eviction", cache.evictions);
            self.coverage.add("expiration", cache.expirations);
        }
        let cache = facts.cache;
        let answered = cache.local.hits + cache.remote.hits + cache.remote.misses;
        if answered != self.hosts[index].gets && self.hosts[index].gets_known {
            let text = format!(
                "node {index}: {answered} of {} GETs counted",
                self.hosts[index].gets
            );
            self.violate("I17", text);
        }
        self.coverage
            .add("tombstone evicted", cache.tombstones.evictions);
        self.coverage.add("stale copy", cache.stale);
        self.coverage.add("copy come twice", cache.duplicates);
        self.coverage
            .add("version from the future refused", cache.refused_skew);
        self.coverage
            .add("key given up by a queue", facts.queues.dropped);
    }

    /// Keys under which two live nodes hold different records, of all keys.
    fn compare(&mut self) -> (u64, u64) {
        let mut diverged = 0;
        for key in 0..self.knobs.keys {
            let held: BTreeSet<_> = (0..self.knobs.servers.len())
                .filter_map(|node| self.record(node, key))
                .map(|record| record.version)
                .collect();
            diverged += u64::from(held.len() > 1);
        }
        if diverged > 0 && self.is_mild() && self.violations.is_empty() {
            let text = format!("nodes differ on {diverged} keys, and nobody was ever away");
            self.violate("I5", text);
        }
        (diverged, self.knobs.keys.into())
    }

    /// Whether nothing happened in which a node may have missed a write for good: nobody was away for
    /// longer than writes are tried, no clock was wrong, nothing had to be dropped.
    fn is_mild(&self) -> bool {
        let away = [
            "leave",
            "kill",
            "power loss",
            "revive",
            "revive under a new name",
            "capacity change",
            "pause",
            "partition",
            "one-way partition",
            "TCP-only partition",
            "clog",
            "interface lost",
            "clock step",
            "no descriptors",
            "slow peer",
            "key given up by a queue",
            "eviction",
            "live peer put out",
            Point::TwoTombstones.name(),
            Point::HandoffOnePeer.name(),
            Point::SyncRoundShort.name(),
        ];
        away.iter().all(|what| self.coverage.count(what) == 0)
            && self.knobs.skew_ms <= 50
            && self.knobs.drift_ppm <= 100
    }

    /// I11: regions in the order of their distance, as far as that is beyond doubt.
    fn expect_ranking(&mut self) {
        for index in 0..self.hosts.len() {
            let Some(view) = self.hosts[index]
                .view()
                .filter(|_| self.hosts[index].is_up())
            else {
                continue;
            };
            let own = self.hosts[index].region;
            let delay = &self.knobs.delay_us;
            let far = |name: &Region| {
                let of = self.hosts.iter().find(|host| host.name == *name);
                of.map_or(0, |host| delay[own][host.region] + delay[host.region][own])
            };
            let distances: Vec<u64> = view
                .regions
                .iter()
                .map(|region| far(&region.name))
                .collect();
            let wrong = distances.windows(2).any(|two| two[0] > 3 * two[1] + 20_000);
            if wrong {
                let text = format!("host {index} ranks regions that are {distances:?} us away");
                self.violate("I11", text);
            }
        }
    }
}
