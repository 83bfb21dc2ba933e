//! One peer: what others see of it, and what the table keeps.

use super::health::{Health, State};
use super::rank::Smoothed;
use crate::{Duration, Instant, NodeId, Region};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// A node requests may be sent to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Peer {
    /// Its id.
    pub id: NodeId,
    /// Its region.
    pub region: Region,
    /// Where its HTTP listens.
    pub addr: SocketAddr,
    /// Whether it is one of ours, not a stock node.
    pub capable: bool,
}

impl Peer {
    /// One of ours that is reached at this address, under the id that follows from it.
    #[must_use]
    pub fn at(region: Region, addr: SocketAddr) -> Self {
        Self {
            id: NodeId::derive(&region, addr),
            region,
            addr,
            capable: true,
        }
    }
}

/// Who told of a peer. Each holds a lease of its own on the entry, which leaves with the last one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// Its announcement by multicast.
    Mdns,
    /// The configuration.
    Static,
    /// Another node's list of members.
    Learned,
    /// Itself, with its header on a request to this node.
    Hello,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Mdns, Self::Static, Self::Learned, Self::Hello];

    /// Whether the peer speaks for itself.
    pub(super) const fn first_hand(self) -> bool {
        !matches!(self, Self::Learned)
    }
}

/// What `/status` shows of a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerInfo {
    /// Identity and address.
    pub peer: Arc<Peer>,
    /// How it does.
    pub health: State,
    /// Whether requests are sent to it.
    pub routable: bool,
    /// Its smoothed round-trip time; `None` before the first answer.
    pub srtt: Option<Duration>,
    /// Who vouches for it.
    pub sources: Vec<Source>,
}

/// What a source says of a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Observation {
    pub(super) peer: Peer,
    pub(super) source: Source,
    pub(super) until: Instant,
    /// Whether the peer itself said it over the very address, so that nothing is left to doubt.
    pub(super) certain: bool,
}

/// How well an address was shown to be a certain node's, by its answer to a ping.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Proof {
    /// No answer, or another node's.
    None,
    /// An answer without a name: a stock node's.
    Unnamed,
    /// An answer with the node's id.
    Named,
}

/// Somebody else's claim to be the peer, at another address.
#[derive(Debug)]
pub(super) struct Rival {
    pub(super) peer: Arc<Peer>,
    pub(super) source: Source,
    pub(super) until: Instant,
    /// The token of the ping that tests it; `None` before the round begins.
    pub(super) token: Option<u64>,
    pub(super) proof: Option<Proof>,
    /// What the peer's own address answered in the same round.
    pub(super) incumbent: Option<Proof>,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) peer: Arc<Peer>,
    /// Grows in the order of discovery.
    pub(super) serial: u64,
    leases: [Option<Instant>; Source::ALL.len()],
    /// Whether only other nodes have told its region and address.
    pub(super) hearsay: bool,
    pub(super) rival: Option<Rival>,
    /// Another address it has answered at under its id.
    pub(super) also: Option<IpAddr>,
    pub(super) health: Health,
    pub(super) srtt: Smoothed,
    /// When the next ping is due; ignored while one is under way.
    pub(super) ping_at: Instant,
    /// The ping under way: its token, and when it left.
    pub(super) ping: Option<(u64, Instant)>,
    /// A ping was due and found no room.
    pub(super) queued: bool,
    /// It is to be pinged though it has just been heard.
    pub(super) urgent: bool,
    /// Who is missed, to be told it by its next ping.
    pub(super) news: Vec<NodeId>,
    /// When the last ping left.
    pub(super) pinged: Option<Instant>,
    /// When it last answered anything.
    pub(super) heard: Option<Instant>,
    /// When somebody else said goodbye in its name.
    pub(super) goodbye: Option<Instant>,
    /// The time under which the table has it in its timers.
    pub(super) wake: Option<Instant>,
}

impl Entry {
    pub(super) fn new(now: Instant, serial: u64, seen: Observation) -> Self {
        let mut entry = Self {
            peer: Arc::new(seen.peer),
            serial,
            leases: [None; Source::ALL.len()],
            hearsay: !seen.source.first_hand(),
            rival: None,
            also: None,
            health: Health::new(),
            srtt: Smoothed::default(),
            ping_at: now,
            ping: None,
            queued: false,
            urgent: false,
            news: Vec::new(),
            pinged: None,
            heard: None,
            goodbye: None,
            wake: None,
        };
        entry.hold(seen.source, seen.until);
        entry
    }

    /// `source` vouches for the peer until then.
    pub(super) fn hold(&mut self, source: Source, until: Instant) {
        if let Some(lease) = self.leases.get_mut(source as usize) {
            *lease = Some(until);
        }
    }

    /// `source` no longer does.
    pub(super) fn release(&mut self, source: Source) {
        if let Some(lease) = self.leases.get_mut(source as usize) {
            *lease = None;
        }
    }

    pub(super) fn lease(&self, source: Source) -> Option<Instant> {
        self.leases.get(source as usize).copied().flatten()
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        Source::ALL
            .into_iter()
            .filter(|source| self.lease(*source).is_some())
    }

    /// When the first of its leases ends.
    pub(super) fn next_lapse(&self) -> Option<Instant> {
        self.leases.iter().flatten().min().copied()
    }

    /// Ends the leases that have run out; says whether any is left.
    pub(super) fn lapse(&mut self, now: Instant) -> bool {
        for lease in &mut self.leases {
            *lease = lease.filter(|until| *until > now);
        }
        self.leases.iter().any(Option::is_some)
    }

    /// It has just shown who it is: what rests on word of mouth holds for another while.
    pub(super) fn renew(&mut self, until: Instant) {
        for source in [Source::Static, Source::Learned, Source::Hello] {
            if let Some(held) = self.lease(source) {
                self.hold(source, held.max(until));
            }
        }
    }

    /// Whether it is one of ours that is known by hearsay alone, and so may not know of this node.
    pub(super) fn is_stranger(&self) -> bool {
        self.peer.capable && self.sources().eq([Source::Learned])
    }

    pub(super) fn routable(&self) -> bool {
        self.health.routable()
    }

    pub(super) fn info(&self) -> PeerInfo {
        PeerInfo {
            peer: self.peer.clone(),
            health: self.health.state(),
            routable: self.routable(),
            srtt: self.srtt.value(),
            sources: self.sources().collect(),
        }
    }
}
