//! All that can be done to a cluster from outside: faults, and what clients ask.

use std::fmt;

/// How a node dies without a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Death {
    /// The process is killed: its host ends its connections, and refuses new ones.
    Process,
    /// The host loses its power: it says nothing more at all.
    Power,
}

/// Which way nothing gets through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Neither.
    Both,
    /// Out of the set.
    Out,
    /// Into the set.
    In,
}

/// What does not get through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layer {
    /// Nothing does.
    All,
    /// Datagrams.
    Multicast,
    /// Connections.
    Tcp,
}

/// A set of hosts, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hosts(pub u128);

impl Hosts {
    /// One host.
    #[must_use]
    pub const fn one(host: usize) -> Self {
        Self(1 << host)
    }

    /// Whether `host` is one of them.
    #[must_use]
    pub const fn has(self, host: usize) -> bool {
        self.0 >> host & 1 == 1
    }

    /// With `host`.
    #[must_use]
    pub const fn with(self, host: usize) -> Self {
        Self(self.0 | 1 << host)
    }
}

/// A set of hosts that is cut off from all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    /// The set.
    pub hosts: Hosts,
    /// The direction, seen from the set.
    pub way: Way,
    /// What is cut.
    pub layer: Layer,
}

/// Something done to the cluster. What makes no sense at its time (to kill the dead) does nothing,
/// so that any part of a list is a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the fields are named after what they are")]
pub enum Transition {
    /// A node starts for the first time, or again after it left.
    Join { node: usize },
    /// A node leaves in good order.
    Leave { node: usize },
    /// A node dies.
    Kill { node: usize, death: Death },
    /// A dead node starts again, empty; under a new name if `fresh`.
    Revive { node: usize, fresh: bool },
    /// A node is told, while it runs, to hold so many entries.
    Capacity { node: usize, entries: usize },
    /// A process stands still for some milliseconds; its host does not.
    Pause { node: usize, ms: u64 },
    /// A part of the network is cut off, until `Heal`.
    Partition { cut: Cut },
    /// All cuts end.
    Heal,
    /// One host is cut off, as one of several one after the other.
    Clog { host: usize },
    /// That ends: in another order.
    Unclog { host: usize },
    /// A host's bytes come and go so slowly; 0 ends it.
    Slow { host: usize, bytes_per_second: u64 },
    /// A host's interface is lost.
    LinkDown { host: usize },
    /// It is back.
    LinkUp { host: usize },
    /// A host's wall clock is set.
    ClockStep { host: usize, skew_ms: i64 },
    /// All connections of a host are reset, as by a firewall that lost its state.
    Reset { host: usize },
    /// A node has no descriptors left and accepts nothing for some milliseconds.
    Exhaust { node: usize, ms: u64 },
    /// Somebody sends a datagram that is none, a lie, or from elsewhere; or connects and sends such bytes.
    Rogue { host: usize, lie: u64 },
    /// A client stores a value.
    Put {
        client: usize,
        key: u32,
        size: u32,
        ttl: u32,
    },
    /// A client reads one.
    Get { client: usize, key: u32 },
    /// A client removes one.
    Delete { client: usize, key: u32 },
}

impl Transition {
    /// Its kind, in a word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Join { .. } => "join",
            Self::Leave { .. } => "leave",
            Self::Kill {
                death: Death::Process,
                ..
            } => "kill",
            Self::Kill {
                death: Death::Power,
                ..
            } => "power loss",
            Self::Revive { fresh: false, .. } => "revive",
            Self::Revive { fresh: true, .. } => "revive under a new name",
            Self::Capacity { .. } => "capacity change",
            Self::Pause { .. } => "pause",
            Self::Partition { cut } => match (cut.layer, cut.way) {
                (Layer::All, Way::Both) => "partition",
                (Layer::Multicast, _) => "multicast-only partition",
                (Layer::Tcp, _) => "TCP-only partition",
                (Layer::All, _) => "one-way partition",
            },
            Self::Heal => "heal",
            Self::Clog { .. } => "clog",
            Self::Unclog { .. } => "unclog",
            Self::Slow {
                bytes_per_second: 0,
                ..
            } => "slow peer ends",
            Self::Slow { .. } => "slow peer",
            Self::LinkDown { .. } => "interface lost",
            Self::LinkUp { .. } => "interface back",
            Self::ClockStep { .. } => "clock step",
            Self::Reset { .. } => "connections reset",
            Self::Exhaust { .. } => "no descriptors",
            Self::Rogue { lie, .. } => crate::rogue::kind(*lie),
            Self::Put { .. } => "put",
            Self::Get { .. } => "get",
            Self::Delete { .. } => "delete",
        }
    }

    /// Whether it is what a client asks, and no fault.
    #[must_use]
    pub const fn is_operation(&self) -> bool {
        matches!(
            self,
            Self::Put { .. } | Self::Get { .. } | Self::Delete { .. }
        )
    }
}

/// A transition and its time, in nanoseconds from the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// When.
    pub at: u64,
    /// What.
    pub what: Transition,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.at / 1_000_000;
        write!(f, "{:5}.{:03} s  {:?}", ms / 1000, ms % 1000, self.what)
    }
}
