//! Static peers: names to resolve, and the addresses behind them to ask for members.
//!
//! ```text
//! a name:     Due --Resolve--> Asked --addresses--> Known --60 s--> Due      (failed: keeps the last ones)
//! an address: Due --Members--> Asked --members----> Node  --10 s--> Due
//!                                |-----not ours----> Stock --60 s--> Due
//!                                +-----failure-----> 1 s .. 5 s --> Due
//! ```

use super::config::{
    MAX_SEED_ADDRS, MAX_SEEDS, POLL_AGAIN, POLL_EVERY, POLL_FIRST, RESOLVE_EVERY, StaticPeer,
};
use crate::{Buggify, Duration, Instant, NodeId, Region, Rng};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

#[derive(Debug)]
pub(super) struct Seeds {
    rng: Rng,
    seeds: Vec<Seed>,
    targets: BTreeMap<SocketAddr, Target>,
    /// What is due when: a name or an address.
    timers: BTreeSet<(Instant, Due)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Due {
    Resolve(usize),
    Poll(SocketAddr),
}

#[derive(Debug)]
struct Seed {
    peer: StaticPeer,
    addrs: Vec<SocketAddr>,
    resolved: bool,
    /// Its uselessness has been told.
    told: bool,
}

#[derive(Debug)]
struct Target {
    seed: usize,
    due: Option<Instant>,
    failures: u32,
    /// Answers of a node of ours so far.
    answers: u32,
    tried: bool,
    /// The id under which a stock node there is in the table.
    stock: Option<NodeId>,
}

impl Seeds {
    pub(super) fn new(now: Instant, mut peers: Vec<StaticPeer>, rng: Rng) -> Self {
        peers.truncate(MAX_SEEDS);
        let fresh = |peer| Seed {
            peer,
            addrs: Vec::new(),
            resolved: false,
            told: false,
        };
        let mut seeds = Self {
            rng,
            seeds: peers.into_iter().map(fresh).collect(),
            targets: BTreeMap::new(),
            timers: BTreeSet::new(),
        };
        for index in 0..seeds.seeds.len() {
            let literal = seeds.seeds.get(index).and_then(|seed| {
                let ip: IpAddr = seed.peer.host.parse().ok()?;
                Some(SocketAddr::new(ip, seed.peer.port))
            });
            match literal {
                Some(addr) => {
                    seeds.set_addrs(now, index, &[addr]);
                }
                None => {
                    seeds.timers.insert((now, Due::Resolve(index)));
                }
            }
        }
        seeds
    }

    pub(super) fn set_buggify(&mut self, buggify: &Buggify) {
        self.rng.set_buggify(buggify);
    }

    /// Whether each static peer has been tried once, with whatever result.
    pub(super) fn all_tried(&self) -> bool {
        self.seeds.iter().all(|seed| seed.resolved) && self.targets.values().all(|t| t.tried)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next thing due; it is not again before it is reported on.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<Due> {
        let (at, due) = self.timers.first().copied().filter(|(at, _)| *at <= now)?;
        self.timers.remove(&(at, due));
        if let Due::Poll(addr) = due {
            if let Some(target) = self.targets.get_mut(&addr) {
                target.due = None;
            }
        }
        Some(due)
    }

    /// The name to resolve, and the port behind it.
    pub(super) fn name(&self, index: usize) -> Option<(String, u16)> {
        self.seeds
            .get(index)
            .map(|seed| (seed.peer.host.clone(), seed.peer.port))
    }

    /// A name was resolved; to nothing, if that failed. Returns the ids of stock nodes that are no
    /// longer behind it.
    pub(super) fn handle_resolved(
        &mut self,
        now: Instant,
        index: usize,
        addrs: &[SocketAddr],
    ) -> Vec<NodeId> {
        let Some(seed) = self.seeds.get_mut(index) else {
            return Vec::new();
        };
        seed.resolved = true;
        let every = if addrs.is_empty() && seed.addrs.is_empty() {
            POLL_EVERY
        } else {
            RESOLVE_EVERY
        };
        let next = now + self.rng.jitter(every, 20);
        self.timers.insert((next, Due::Resolve(index)));
        if addrs.is_empty() {
            Vec::new()
        } else {
            self.set_addrs(now, index, addrs)
        }
    }

    fn set_addrs(&mut self, now: Instant, index: usize, addrs: &[SocketAddr]) -> Vec<NodeId> {
        let Some(seed) = self.seeds.get_mut(index) else {
            return Vec::new();
        };
        seed.resolved = true;
        let mut kept: Vec<SocketAddr> = Vec::new();
        for addr in addrs {
            let usable =
                addr.port() != 0 && !addr.ip().is_unspecified() && !addr.ip().is_multicast();
            if usable && kept.len() < MAX_SEED_ADDRS && !kept.contains(addr) {
                kept.push(*addr);
            }
        }
        let old = core::mem::replace(&mut seed.addrs, kept.clone());
        for addr in kept {
            let fresh = Target {
                seed: index,
                due: Some(now),
                failures: 0,
                answers: 0,
                tried: false,
                stock: None,
            };
            if let alloc::collections::btree_map::Entry::Vacant(vacant) = self.targets.entry(addr) {
                vacant.insert(fresh);
                self.timers.insert((now, Due::Poll(addr)));
            }
        }
        let mut gone = Vec::new();
        for addr in old {
            let held = self
                .seeds
                .iter()
                .position(|seed| seed.addrs.contains(&addr));
            match (held, self.targets.get_mut(&addr)) {
                (Some(holder), Some(target)) => target.seed = holder,
                (None, Some(_)) => gone.extend(self.drop_target(addr)),
                (_, None) => {}
            }
        }
        gone
    }

    fn drop_target(&mut self, addr: SocketAddr) -> Option<NodeId> {
        let target = self.targets.remove(&addr)?;
        if let Some(due) = target.due {
            self.timers.remove(&(due, Due::Poll(addr)));
        }
        target.stock
    }

    /// A node of ours answered there, and is to be asked as often as this; returns the id of the stock
    /// node that was thought to be there.
    pub(super) fn handle_members(
        &mut self,
        now: Instant,
        addr: SocketAddr,
        every: Duration,
    ) -> Option<NodeId> {
        let target = self.targets.get_mut(&addr)?;
        target.failures = 0;
        // Nodes that join at the same time are not in each other's first answers: ask soon again, and
        // less and less often.
        let wait = POLL_FIRST.saturating_mul(1 << target.answers.min(10));
        target.answers = target.answers.saturating_add(1);
        let next = now + self.rng.jitter(wait.min(every), 20);
        let stock = target.stock.take();
        self.again(addr, next);
        stock
    }

    /// Something else answered there. Returns the region configured for it, if any; else, the first
    /// time, the static peer to complain about.
    pub(super) fn handle_stock(
        &mut self,
        now: Instant,
        addr: SocketAddr,
    ) -> Option<Result<Region, StaticPeer>> {
        let next = now + self.rng.jitter(RESOLVE_EVERY, 20);
        let target = self.targets.get_mut(&addr)?;
        target.failures = 0;
        let seed = self.seeds.get_mut(target.seed)?;
        let told = core::mem::replace(&mut seed.told, true);
        let region = seed.peer.region.clone();
        let result = region.ok_or_else(|| seed.peer.clone());
        self.again(addr, next);
        Some(result).filter(|result| result.is_ok() || !told)
    }

    /// A stock node is in the table under this id on behalf of the address.
    pub(super) fn set_stock(&mut self, addr: SocketAddr, id: NodeId) {
        if let Some(target) = self.targets.get_mut(&addr) {
            target.stock = Some(id);
        }
    }

    /// Nobody answered there.
    pub(super) fn handle_failure(&mut self, now: Instant, addr: SocketAddr) {
        let Some(target) = self.targets.get_mut(&addr) else {
            return;
        };
        let wait = Duration::from_secs(1).saturating_mul(1 << target.failures.min(4));
        target.failures = target.failures.saturating_add(1);
        let next = now + self.rng.jitter(wait.min(POLL_AGAIN), 20);
        self.again(addr, next);
    }

    fn again(&mut self, addr: SocketAddr, next: Instant) {
        if let Some(target) = self.targets.get_mut(&addr) {
            target.tried = true;
            if let Some(old) = target.due.replace(next) {
                self.timers.remove(&(old, Due::Poll(addr)));
            }
            self.timers.insert((next, Due::Poll(addr)));
        }
    }
}
