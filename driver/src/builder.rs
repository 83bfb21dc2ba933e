//! What a node can be told before it starts.

use crate::admission::Admission;
use crate::discovery::{Discovery, common_settings};
use crate::error::StartError;
use crate::node::Node;
use crate::runtime::{Ambient, Runtime};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use zerocache_proto::cache::Bounds;
use zerocache_proto::cluster::StaticPeer;
use zerocache_proto::http::Limits;
use zerocache_proto::op::Ack;
use zerocache_proto::{InvalidRegion, NodeId, Region};

/// The port of a zerocache node.
pub const DEFAULT_PORT: u16 = 6789;

/// The bounds of one of a node's two caches by default: entries and bytes.
pub const DEFAULT_BOUNDS: Bounds = Bounds {
    entries: 1 << 20,
    weight: 256 << 20,
};

/// A node to be. Every setting has a default but the region.
#[derive(Clone, Debug)]
pub struct NodeBuilder<R> {
    pub(crate) region: Result<Region, InvalidRegion>,
    pub(crate) discovery: Discovery,
    pub(crate) port: u16,
    pub(crate) id: Option<NodeId>,
    pub(crate) local: Bounds,
    pub(crate) remote: Bounds,
    pub(crate) max_value: usize,
    pub(crate) bodies: usize,
    pub(crate) shards: Option<usize>,
    pub(crate) ack: Ack,
    pub(crate) limits: Limits,
    pub(crate) admission: Admission,
    pub(crate) seed: Option<u64>,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Runtime> NodeBuilder<R> {
    /// A node of `region`.
    #[must_use]
    pub fn new(region: &str) -> Self {
        let limits = Limits::default();
        Self {
            region: Region::new(region),
            discovery: Discovery::default(),
            port: DEFAULT_PORT,
            id: None,
            local: DEFAULT_BOUNDS,
            remote: DEFAULT_BOUNDS,
            max_value: limits.max_body,
            bodies: 64 << 20,
            shards: None,
            ack: Ack::default(),
            limits,
            admission: Admission::default(),
            seed: None,
            runtime: PhantomData,
        }
    }

    /// The address to listen on and to announce. If not set: listen on all, and announce on each
    /// interface its own.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.discovery.address = Some(address);
        self
    }

    /// The TCP port ([`DEFAULT_PORT`] if not set; 0 lets the system choose).
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The node's identity. If not set, it follows from region, address and port, so that a node
    /// started again is the same one.
    #[must_use]
    pub fn id(mut self, id: NodeId) -> Self {
        self.id = Some(id);
        self
    }

    /// The bounds of what was written in the node's own region ([`DEFAULT_BOUNDS`] if not set).
    #[must_use]
    pub fn local(mut self, bounds: Bounds) -> Self {
        self.local = bounds;
        self
    }

    /// The bounds of what was written in other regions ([`DEFAULT_BOUNDS`] if not set).
    #[must_use]
    pub fn remote(mut self, bounds: Bounds) -> Self {
        self.remote = bounds;
        self
    }

    /// The largest value taken, in bytes (16 MiB if not set); a larger one is answered 413.
    #[must_use]
    pub fn max_value(mut self, bytes: usize) -> Self {
        self.max_value = bytes;
        self
    }

    /// The memory of all request bodies in flight, in bytes (64 MiB if not set); beyond it no more
    /// is read until some are done.
    #[must_use]
    pub fn bodies_in_flight(mut self, bytes: usize) -> Self {
        self.bodies = bytes;
        self
    }

    /// The number of shards, rounded up to a power of two. If not set: as many as suit the bounds.
    #[must_use]
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// When a write is answered ([`Ack::Region`] if not set).
    #[must_use]
    pub fn ack(mut self, ack: Ack) -> Self {
        self.ack = ack;
        self
    }

    /// Bounds and deadlines of a connection.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Bounds on the number of connections.
    #[must_use]
    pub fn admission(mut self, admission: Admission) -> Self {
        self.admission = admission;
        self
    }

    common_settings! {
        /// The seed of all random choices and of the key hash. If not set it is drawn from the
        /// system, which is what keeps strangers from choosing keys that collide.
    }

    /// Starts the node on the runtime around this task: listens, answers, then announces itself.
    ///
    /// # Errors
    /// [`StartError`]; nothing was announced then.
    pub fn start(self) -> Result<Node<R>, StartError>
    where
        R: Ambient,
    {
        self.start_on(R::current().map_err(StartError::Runtime)?)
    }

    /// Starts the node on `runtime`.
    ///
    /// # Errors
    /// [`StartError`]; nothing was announced then.
    pub fn start_on(self, runtime: R) -> Result<Node<R>, StartError> {
        Node::start(self, runtime)
    }

    /// What to bind: the address, or the wildcard one.
    pub(crate) fn listen_addr(&self) -> SocketAddr {
        let address = self
            .discovery
            .address
            .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        SocketAddr::new(address, self.port)
    }
}
