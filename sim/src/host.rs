//! One host: its clock, its way to the network, and the process on it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use zerocache_proto::cluster::View;
use zerocache_proto::node::{Config, ConnId, Input, Node, Output};
use zerocache_proto::{Failure, Instant, NodeId, Now, Region, Rng};

use crate::checked::Checked;
use crate::client::Client;
use crate::clock::Clock;
use crate::dns::Parcel;
use crate::invariants::Talk;

/// The port every node listens on.
pub(crate) const PORT: u16 = 6789;

/// What runs on a host.
pub(crate) enum Process {
    Node(Box<Node>),
    Checked(Box<Checked<Node>>),
    Client(Box<Client>),
}

impl Process {
    pub(crate) fn node(now: Now, config: Config, checked: bool) -> Self {
        let node = Node::new(now, config);
        if checked {
            Self::Checked(Box::new(Checked::new(node)))
        } else {
            Self::Node(Box::new(node))
        }
    }

    pub(crate) fn handle(&mut self, now: Now, input: Input<'_>) {
        match self {
            Self::Node(node) => node.handle(now, input),
            Self::Checked(node) => node.handle(now, input),
            Self::Client(client) => client.handle(now, input),
        }
    }

    /// A timer is due.
    pub(crate) fn tick(&mut self, now: Now) {
        match self {
            Self::Node(node) => node.handle(now, Input::Tick),
            Self::Checked(node) => node.handle_timeout(now.mono),
            Self::Client(client) => client.handle(now, Input::Tick),
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        match self {
            Self::Node(node) => node.poll_output(),
            Self::Checked(node) => node.poll_output(),
            Self::Client(client) => client.poll_output(),
        }
    }

    pub(crate) fn write_buf(&self, conn: ConnId) -> &[u8] {
        match self {
            Self::Node(node) => node.write_buf(conn),
            Self::Checked(node) => node.write_buf(conn),
            Self::Client(client) => client.write_buf(conn),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Node(node) => node.poll_timeout(),
            Self::Checked(node) => node.poll_timeout(),
            Self::Client(client) => client.poll_timeout(),
        }
    }

    pub(crate) fn view(&self) -> &Arc<View> {
        match self {
            Self::Node(node) => node.view(),
            Self::Checked(node) => node.view(),
            Self::Client(client) => client.view(),
        }
    }

    pub(crate) fn as_node(&self) -> Option<&Node> {
        match self {
            Self::Node(node) => Some(node),
            Self::Checked(node) => Some(node),
            Self::Client(_) => None,
        }
    }

    pub(crate) fn as_client(&mut self) -> Option<&mut Client> {
        match self {
            Self::Client(client) => Some(client),
            _ => None,
        }
    }
}

/// Whether a host can be talked to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    /// It has no power: nothing comes back.
    Off,
    /// No process listens: connections are refused.
    Vacant,
    /// Its process runs, or is paused.
    Up,
}

/// Something that happens to a process; kept by the host while that is paused.
#[derive(Debug)]
pub(crate) enum Happening {
    Accepted(u64),
    Bytes(ConnId, Bytes),
    Closed(ConnId),
    Connected(u64),
    Failed(u64, Failure),
    Datagram(Arc<Parcel>),
    Resolved(u64, SocketAddr),
    LinkUp,
    LinkDown,
}

pub(crate) struct Host {
    pub(crate) region: usize,
    pub(crate) name: Region,
    pub(crate) addr: SocketAddr,
    pub(crate) is_server: bool,
    pub(crate) clock: Clock,
    /// The noise of what it sends.
    pub(crate) rng: Rng,
    pub(crate) life: Life,
    pub(crate) process: Option<Process>,
    /// Grows with each start of a process.
    pub(crate) incarnation: u32,
    pub(crate) id: NodeId,
    /// Entries its node has room for.
    pub(crate) entries: usize,
    /// Since when.
    pub(crate) resized_at: u64,
    /// When the process goes on.
    pub(crate) paused_until: Option<u64>,
    /// Since when it has not been paused.
    pub(crate) running_since: u64,
    pub(crate) inbox: VecDeque<Happening>,
    /// When it accepts connections again.
    pub(crate) accepts_at: u64,
    /// It is leaving, and ends once that is said.
    pub(crate) leaving: bool,
    /// Since when its process is dead or gone.
    pub(crate) down_since: Option<u64>,
    /// Since when its process runs.
    pub(crate) up_since: u64,
    /// When it left in good order, if it did last.
    pub(crate) left_at: Option<u64>,
    /// The time of the wake-up under way, and which of them counts.
    pub(crate) armed: Option<u64>,
    pub(crate) generation: u64,
    /// By the process's number of it: its connections to others.
    pub(crate) outs: BTreeMap<u64, u64>,
    /// The view it had last.
    pub(crate) seen: Option<Arc<View>>,
    /// GETs of keys that this incarnation has read.
    pub(crate) gets: u64,
    /// Whether that is all of them: it read nothing that had waited on a connection lost meanwhile.
    pub(crate) gets_known: bool,
    /// What it says and hears by multicast.
    pub(crate) talk: Talk,
    /// Wake-ups in a row that brought nothing, at about one time.
    pub(crate) idle_wakes: (u64, u32),
}

impl Host {
    pub(crate) fn is_up(&self) -> bool {
        self.life == Life::Up && self.process.is_some()
    }

    /// Whether it is a node that others should see.
    pub(crate) fn is_serving(&self) -> bool {
        self.is_server && self.is_up() && !self.leaving
    }

    pub(crate) fn node(&self) -> Option<&Node> {
        self.process.as_ref().and_then(Process::as_node)
    }

    pub(crate) fn view(&self) -> Option<&Arc<View>> {
        self.process.as_ref().map(Process::view)
    }
}
