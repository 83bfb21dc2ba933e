//! What the pages are drawn from: plain data that whoever runs the node fills in.

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::cache;
use crate::cluster::{Cluster, PeerInfo, RegionView, Source, State};
use crate::op::Handoff;
use crate::sync::SyncFacts;
use crate::{Duration, NodeId, Region};

/// A node as it is at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Facts {
    /// The node's id, once it has one.
    pub id: Option<NodeId>,
    /// Its region.
    pub region: Region,
    /// The version of the program.
    pub version: &'static str,
    /// How long it has been running.
    pub uptime: Duration,
    /// Where it is in its life.
    pub stage: Stage,
    /// The addresses it answers HTTP on.
    pub addresses: Vec<SocketAddr>,
    /// What its cache holds and has done: all shards together.
    pub cache: cache::Stats,
    /// The shards of the cache.
    pub shards: usize,
    /// The other regions, best first.
    pub regions: Vec<RegionFacts>,
    /// The other nodes, in order of discovery.
    pub peers: Vec<PeerFacts>,
    /// Connections of clients and peers to this node.
    pub connections: ConnectionFacts,
    /// Writes not yet at every peer.
    pub queues: QueueFacts,
    /// How far it is in comparing with others.
    pub sync: SyncFacts,
}

impl Facts {
    /// A node that has only just begun.
    #[must_use]
    pub fn new(region: Region) -> Self {
        Self {
            id: None,
            region,
            version: env!("CARGO_PKG_VERSION"),
            uptime: Duration::ZERO,
            stage: Stage::Starting,
            addresses: Vec::new(),
            cache: cache::Stats::default(),
            shards: 1,
            regions: Vec::new(),
            peers: Vec::new(),
            connections: ConnectionFacts::default(),
            queues: QueueFacts::default(),
            sync: SyncFacts::default(),
        }
    }
}

impl Facts {
    /// Takes over what the cluster knows: the own id, the regions and the peers.
    pub fn observe(&mut self, cluster: &Cluster) {
        self.id = cluster.id();
        let regions = &cluster.view().regions;
        self.regions = regions.iter().map(RegionFacts::from).collect();
        self.peers = cluster.peers().map(PeerFacts::from).collect();
    }

    /// Takes over what waits for the peers [observed](Self::observe) before.
    pub fn observe_handoff(&mut self, handoff: &Handoff) {
        self.queues.waiting = handoff.len() as u64;
        self.queues.dropped = handoff.dropped();
        for peer in &mut self.peers {
            peer.queued = handoff.queued(peer.id);
        }
    }
}

impl From<&RegionView> for RegionFacts {
    fn from(region: &RegionView) -> Self {
        Self {
            name: region.name.clone(),
            latency: Some(region.latency),
            routable: region.peers.len(),
        }
    }
}

impl From<PeerInfo> for PeerFacts {
    fn from(info: PeerInfo) -> Self {
        let source = |source: Source| match source {
            Source::Mdns => "mdns",
            Source::Static => "static",
            Source::Learned => "learned",
            Source::Hello => "hello",
        };
        Self {
            id: info.peer.id,
            region: info.peer.region.clone(),
            addr: info.peer.addr,
            capable: info.peer.capable,
            routable: info.routable,
            health: match info.health {
                State::Unproven => "unproven",
                State::Healthy => "healthy",
                State::Suspect => "suspect",
                State::Out => "out",
            },
            rtt: info.srtt,
            sources: info.sources.into_iter().map(source).collect(),
            queued: 0,
        }
    }
}

/// Where a node is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Stage {
    /// It answers, but others have not been told.
    #[default]
    Starting,
    /// It is announced: send it requests.
    Ready,
    /// It has said goodbye and finishes what it has begun.
    Leaving,
}

impl Stage {
    /// In one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Leaving => "leaving",
        }
    }
}

/// Another region.
#[derive(Clone, Debug)]
pub struct RegionFacts {
    /// Its name.
    pub name: Region,
    /// Its nodes' mean smoothed round-trip time, if any has answered.
    pub latency: Option<Duration>,
    /// Its nodes that are routable.
    pub routable: usize,
}

/// Another node.
#[derive(Clone, Debug)]
pub struct PeerFacts {
    /// Its id.
    pub id: NodeId,
    /// Its region.
    pub region: Region,
    /// Where it answers HTTP.
    pub addr: SocketAddr,
    /// Whether it is one of ours rather than a stock node.
    pub capable: bool,
    /// Whether requests and copies are sent to it.
    pub routable: bool,
    /// What is thought of its health, in a word.
    pub health: &'static str,
    /// Its smoothed round-trip time, once it has answered.
    pub rtt: Option<Duration>,
    /// Who told of it: `mdns`, `static`, ...
    pub sources: Vec<&'static str>,
    /// Keys waiting to be copied to it.
    pub queued: usize,
}

/// Connections from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ConnectionFacts {
    /// Open now.
    pub open: u64,
    /// The most that may be open.
    pub limit: u64,
    /// Accepted so far.
    pub accepted: u64,
    /// Turned away for want of room.
    pub refused: u64,
    /// Requests answered so far.
    pub requests: u64,
    /// Bytes of memory that the request bodies in flight take now, those beside read buffers.
    pub body_bytes: u64,
}

/// Copies on their way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueFacts {
    /// Writes being spread now.
    pub spreading: u64,
    /// Copies delivered so far.
    pub delivered: u64,
    /// Copies that failed so far, each attempt counted.
    pub failed: u64,
    /// Keys waiting for a peer to come back, all peers together.
    pub waiting: u64,
    /// The most that may wait.
    pub limit: u64,
    /// Keys given up for want of room, or because their peer is gone.
    pub dropped: u64,
}

impl PeerFacts {
    /// Whose program it runs, in a word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        if self.capable { "zc" } else { "stock" }
    }
}
