//! What is done to the nodes, and when: drawn from a seed before anything runs.
//!
//! Two lanes run side by side. *Outages* take one node away at a time, and the next one waits until the
//! last node is whole again: so a write that its region has acknowledged is never on dead nodes only.
//! *Abuse* comes from strangers and goes on meanwhile.

use std::time::Duration;
use zerocache_proto::{self as proto, Rng};

/// A node goes away for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outage {
    /// How long after the last one was over.
    pub(super) after: Duration,
    pub(super) node: usize,
    /// Killed and started again; else stopped (SIGSTOP) and continued.
    pub(super) kill: bool,
    pub(super) lasts: Duration,
}

/// A stranger comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abuse {
    /// How long after the last one was over.
    pub(super) after: Duration,
    pub(super) node: usize,
    pub(super) kind: Kind,
}

/// What strangers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Bytes of no protocol.
    Garbage,
    /// HTTP that breaks its rules.
    Malformed,
    /// Asks for large values, and does not read them.
    SlowReader,
    /// A head, a byte at a time.
    Drip,
    /// Half a body, then silence.
    HalfOpen,
    /// More connections than a node takes from one address.
    Flood,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [
        Self::Garbage,
        Self::Malformed,
        Self::SlowReader,
        Self::Drip,
        Self::HalfOpen,
        Self::Flood,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::Malformed => "malformed HTTP",
            Self::SlowReader => "slow readers",
            Self::Drip => "header drips",
            Self::HalfOpen => "half-open bodies",
            Self::Flood => "connection floods",
        }
    }
}

/// Which region a node is in.
pub(super) const fn region_of(node: usize, regions: usize) -> usize {
    node % regions
}

/// The first node of each region is never killed, so that its memory can be watched for the whole time;
/// where regions have one node each, only that of the first is spared.
pub(super) const fn is_spared(node: usize, nodes: usize, regions: usize) -> bool {
    node == 0 || (nodes > regions && node < regions)
}

/// Outages without end.
pub(super) fn outages(seed: u64, nodes: usize, regions: usize) -> impl Iterator<Item = Outage> {
    let mut rng = Rng::new(seed);
    let mut kill = false;
    std::iter::repeat_with(move || {
        kill = !kill;
        let mortal = |node: &usize| !is_spared(*node, nodes, regions);
        let all: Vec<usize> = (0..nodes).filter(|node| !kill || mortal(node)).collect();
        Outage {
            after: between(&mut rng, 1_000, 4_000),
            node: rng.choose(&all).copied().unwrap_or(0),
            kill,
            lasts: between(&mut rng, 1_000, 5_000),
        }
    })
}

/// Abuse without end: each kind once, in an order that is drawn, then again.
pub(super) fn abuse(seed: u64, nodes: usize) -> impl Iterator<Item = Abuse> {
    let mut rng = Rng::new(!seed);
    let mut deck = Vec::new();
    std::iter::repeat_with(move || {
        if deck.is_empty() {
            deck.extend(Kind::ALL);
        }
        Abuse {
            after: between(&mut rng, 100, 1_000),
            node: rng.below(nodes),
            kind: deck.swap_remove(rng.below(deck.len())),
        }
    })
}

fn between(rng: &mut Rng, from: u64, to: u64) -> Duration {
    rng.between(
        proto::Duration::from_millis(from),
        proto::Duration::from_millis(to),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_same_seed_is_the_same_plan() {
        let plan = |seed| outages(seed, 6, 3).take(50).collect::<Vec<_>>();
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
        let plan = |seed| abuse(seed, 6).take(50).collect::<Vec<_>>();
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn kills_spare_those_whose_memory_is_watched_and_reach_all_others() {
        for (nodes, regions) in [(6, 3), (7, 3), (3, 3), (2, 1)] {
            let killed: BTreeSet<usize> = outages(1, nodes, regions)
                .take(500)
                .filter(|outage| outage.kill)
                .map(|outage| outage.node)
                .collect();
            let mortal = (0..nodes).filter(|node| !is_spared(*node, nodes, regions));
            assert_eq!(killed, mortal.collect(), "{nodes} in {regions}");
            let stopped = outages(1, nodes, regions).take(500).filter(|o| !o.kill);
            let stopped: BTreeSet<usize> = stopped.map(|outage| outage.node).collect();
            assert_eq!(stopped, (0..nodes).collect(), "{nodes} in {regions}");
        }
    }

    #[test]
    fn each_kind_of_abuse_comes_before_any_comes_again() {
        let plan: Vec<Abuse> = abuse(3, 6).take(60).collect();
        for round in plan.chunks(Kind::ALL.len()) {
            let kinds: BTreeSet<Kind> = round.iter().map(|abuse| abuse.kind).collect();
            assert_eq!(kinds.len(), Kind::ALL.len());
        }
    }
}
