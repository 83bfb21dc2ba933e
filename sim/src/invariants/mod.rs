//! What must hold at each step, and what once all is quiet: violations are collected, not thrown.

mod bounds;
mod manners;
mod membership;
mod operations;
mod timers;
mod values;

use std::collections::BTreeMap;
use std::fmt;

use zerocache_proto::{NodeId, Version};

pub(crate) use manners::Talk;

/// Something that must not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The invariant's name.
    pub id: &'static str,
    /// When it was seen, in nanoseconds from the beginning.
    pub at: u64,
    /// What was seen.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.at / 1_000_000;
        write!(
            f,
            "{} at {}.{:03} s: {}",
            self.id,
            ms / 1000,
            ms % 1000,
            self.text
        )
    }
}

/// What the invariants remember from one step to the next.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Since when nothing but deaths disturbs anybody.
    pub(crate) calm_since: u64,
    /// All faults are over: from now on nobody is put out who lives.
    pub(crate) quiet: bool,
    /// What each node has held under each key: version, expiry by its clock, start of the node.
    held: BTreeMap<(usize, u32), Held>,
    /// When somebody last probed for a name.
    probed_at: u64,
    /// When each process last multicast each record.
    said: BTreeMap<(usize, u32, Vec<u8>), u64>,
    /// When a process last read what had waited on a connection lost meanwhile: nobody knows what that was.
    pub(crate) unseen_at: u64,
    /// Copies sent since counting began: to how many each version went, by receiver.
    pub(crate) copies: Option<BTreeMap<Version, BTreeMap<usize, u32>>>,
    /// Whom each client asked first, while that is counted.
    pub(crate) first: Option<BTreeMap<usize, Vec<NodeId>>>,
    /// Reads that gave an older value than was acknowledged, and their ages in milliseconds.
    pub(crate) stale_reads: Vec<u64>,
    /// All operations that were answered.
    pub(crate) timed: Vec<Timed>,
}

/// An operation of a client that was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timed {
    /// Whether it read; else it stored or removed.
    pub reads: bool,
    /// Whether it read a value. A read that finds none has asked on all rungs.
    pub found: bool,
    /// When it began, in nanoseconds from the beginning.
    pub begun: u64,
    /// How long it took, in nanoseconds.
    pub took: u64,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    incarnation: u32,
    version: Version,
    expires: zerocache_proto::Instant,
    /// The true time at which it was seen.
    at: u64,
}
