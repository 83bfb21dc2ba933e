//! What the machine asks for, what it tells, and what it is told.

use super::config::StaticPeer;
use super::peer::Peer;
use super::rumours;
use super::view::View;
use crate::http::{Options, Outgoing};
use crate::{Duration, Failure, Instant, NodeId, mdns};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Something the driver should do, and report on by the method named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send a datagram of multicast DNS. No report.
    Datagram(mdns::Transmit),
    /// `GET /ping`: [`Cluster::handle_pong`](super::Cluster::handle_pong).
    Ping {
        /// Names the action in the report.
        token: u64,
        /// Whom to ask.
        addr: SocketAddr,
        /// When it counts as failed.
        deadline: Instant,
        /// The value of the request's `Zc-Node` header, if it is to have one.
        hello: Option<String>,
        /// Whom to tell of, by [`Pong::request`]: nodes that this one misses.
        missing: Vec<NodeId>,
        /// Whether a connection made for it is worth keeping: not if the next ping comes in a long time.
        lasting: bool,
    },
    /// `GET /_zc/1/members`: [`Cluster::handle_members`](super::Cluster::handle_members).
    Members {
        /// Names the action in the report.
        token: u64,
        /// Whom to ask.
        addr: SocketAddr,
        /// The value of the request's `Zc-Node` header.
        hello: Option<String>,
        /// When it counts as failed.
        deadline: Instant,
    },
    /// Look up the addresses of a name: [`Cluster::handle_resolved`](super::Cluster::handle_resolved).
    Resolve {
        /// Names the action in the report.
        token: u64,
        /// The name.
        host: String,
        /// The port to put into the addresses.
        port: u16,
    },
}

/// What has happened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// There is a new view.
    ViewChanged(Arc<View>),
    /// A peer is routable from now on.
    PeerUp(Arc<Peer>),
    /// A peer is not routable any more.
    PeerDown {
        /// The peer.
        peer: Arc<Peer>,
        /// Why.
        why: Down,
    },
    /// A peer answers again that had failed for too long, and was only kept because it could not be spared:
    /// it may have missed what one that comes up has missed.
    PeerRecovered(Arc<Peer>),
    /// A peer that had answered is no longer known at all: nothing need be kept for it.
    PeerGone(Arc<Peer>),
    /// This node is visible to others by multicast.
    Announced {
        /// The id it has.
        id: NodeId,
    },
    /// Another node has the id; this one has taken a new one.
    Renamed {
        /// The id it had.
        old: NodeId,
        /// The id it has.
        new: NodeId,
    },
    /// A node: announced, and each static peer tried. A client: the first node is routable. Once.
    Ready,
    /// A static peer is no node of ours and no region is configured for it, so it cannot be used.
    SeedUnusable(StaticPeer),
}

/// Why a peer is not routable any more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Down {
    /// It fails; it is still pinged, and may come back.
    Failed(Failure),
    /// It said goodbye.
    Goodbye,
    /// Nobody vouches for it any more.
    Expired,
    /// Another node answers at its address.
    Superseded,
    /// It lives at another address now, and has to prove itself there.
    Moved,
    /// It had to make room.
    Evicted,
}

/// An answer to a ping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pong {
    /// The time from the request to the answer, on a connection that may have had to be opened.
    pub rtt: Duration,
    /// The `Zc-Node` header of the answer: the id of the node that answered.
    pub node: Option<NodeId>,
}

impl Pong {
    /// An answer known to be right.
    #[must_use]
    pub const fn new(rtt: Duration, node: Option<NodeId>) -> Self {
        Self { rtt, node }
    }

    /// `GET /ping`, whose answer [`read`](Self::read) judges; it tells who asks, and of nodes that
    /// are missed, if it is to.
    #[must_use]
    pub fn request(addr: SocketAddr, hello: Option<&str>, missing: &[NodeId]) -> Outgoing {
        let options = Options {
            node: hello,
            ..Options::default()
        };
        Outgoing::path(addr, &rumours::path(missing), &options)
    }

    /// Judges the answer to `GET /ping`: a node's is 200 and `pong`, an innocent bystander's is not.
    ///
    /// # Errors
    /// [`Failure::Malformed`] if it is another one.
    pub fn read(
        rtt: Duration,
        status: u16,
        body: &[u8],
        node: Option<NodeId>,
    ) -> Result<Self, Failure> {
        if status == 200 && body.trim_ascii() == b"pong" {
            Ok(Self { rtt, node })
        } else {
            Err(Failure::Malformed)
        }
    }
}

/// How a request of the data path to a peer went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It answered, the first byte after this time.
    Answered(Duration),
    /// It answered, after a time that says nothing of the way there: it had a copy to spread first, or
    /// much to read or to write.
    Alive,
    /// It did not.
    Failed(Failure),
}

impl Outcome {
    /// What a request that took that long, or failed, says of its peer; `measures` if the time is no
    /// more than the way there and back.
    #[must_use]
    pub const fn of(result: Result<Duration, Failure>, measures: bool) -> Self {
        match result {
            Ok(rtt) if measures => Self::Answered(rtt),
            Ok(_) => Self::Alive,
            Err(failure) => Self::Failed(failure),
        }
    }
}

/// `GET /_zc/1/members`, with the `hello` of [`Action::Members`]; [`members_body`] judges the answer.
#[must_use]
pub fn members_request(addr: SocketAddr, hello: Option<&str>) -> Outgoing {
    let options = Options {
        node: hello,
        ..Options::default()
    };
    Outgoing::path(addr, "/_zc/1/members", &options)
}

/// Judges the answer to `GET /_zc/1/members`, for [`Cluster::handle_members`](super::Cluster::handle_members).
///
/// # Errors
/// [`Failure::Malformed`] if the node does not know the path, as a stock one; [`Failure::Reset`] for a
/// refusal that may pass.
pub const fn members_body(status: u16, body: &[u8]) -> Result<&[u8], Failure> {
    match status {
        200 => Ok(body),
        404 | 405 => Err(Failure::Malformed),
        _ => Err(Failure::Reset),
    }
}
