//! A node: its tasks, its state, its life.

use crate::admission::Door;
use crate::alarm::Alarm;
use crate::budget::Budget;
use crate::builder::NodeBuilder;
use crate::clock::Clock;
use crate::error::StartError;
use crate::life::{Life, Stage};
use crate::membership::{self, Membership};
use crate::outbox::{self, Outbox};
use crate::pool::Pool;
use crate::runtime::Runtime;
use crate::shards::SharedCache;
use crate::{accept, entropy};
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use zerocache_proto::cache::{self, Shards as _};
use zerocache_proto::cluster::{self, Cluster, Event, Me, PeerInfo};
use zerocache_proto::http::{ClientLimits, Limits};
use zerocache_proto::op::Ack;
use zerocache_proto::service::{self, Facts};
use zerocache_proto::{Duration, NodeId, Region, Rng, mdns};

/// Connections that wait to be accepted: std's 128 loses SYNs under a burst.
const BACKLOG: i32 = 1024;
/// How long [`Node::shutdown`] lets requests finish.
const GRACE: Duration = Duration::from_secs(2);
/// How often idle outbound connections are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// The least pause between two rounds of freeing what has expired.
const EXPIRE_EVERY: Duration = Duration::from_millis(100);
/// What one round frees of each shard, so that no request waits long for its lock.
const EXPIRE_BUDGET: usize = 256;

/// A running node. Clones share it; when the last one is dropped it leaves.
pub struct Node<R: Runtime> {
    handle: Arc<Handle<R>>,
}

struct Handle<R: Runtime> {
    shared: Arc<Shared<R>>,
}

/// What all tasks of a node share.
pub(crate) struct Shared<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) clock: Clock,
    pub(crate) region: Region,
    pub(crate) addr: SocketAddr,
    pub(crate) cache: SharedCache,
    pub(crate) membership: Arc<Membership>,
    pub(crate) pool: Pool<R>,
    pub(crate) outbox: Outbox,
    pub(crate) limits: Limits,
    pub(crate) ack: Ack,
    pub(crate) door: Arc<Door>,
    pub(crate) bodies: Arc<Budget>,
    pub(crate) life: Life,
    pub(crate) counters: Counters,
    /// Announced, and the static peers asked.
    ready: AtomicBool,
    seeds: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) spreading: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) failed: AtomicU64,
}

impl<R: Runtime> Node<R> {
    /// What a node can be told before it starts.
    #[must_use]
    pub fn builder(region: &str) -> NodeBuilder<R> {
        NodeBuilder::new(region)
    }

    pub(crate) fn start(builder: NodeBuilder<R>, runtime: R) -> Result<Self, StartError> {
        let region = builder.region.clone()?;
        let wanted = builder.listen_addr();
        let refused = |source| StartError::Listen {
            addr: wanted,
            source,
        };
        let socket = listen(wanted).map_err(refused)?;
        let addr = socket.local_addr().map_err(refused)?;
        let listener = runtime.listener(socket).map_err(StartError::Runtime)?;

        let shared = Arc::new(Shared::new(&builder, runtime.clone(), region, addr));
        let links = builder.discovery.links(&runtime);
        let observer = shared.clone();
        let task = membership::Task::new(
            runtime.clone(),
            shared.pool.clone(),
            shared.membership.clone(),
            links,
            move |event| observer.observe(event),
        );
        let listening = shared.door.listen();
        runtime.spawn(accept::run(shared.clone(), listening, listener));
        runtime.spawn(outbox::run(shared.clone()));
        runtime.spawn(tidy(shared.clone()));
        // Not before it listens: who hears of this node may ask it at once. Before the task runs: its
        // first words to a static peer tell of this node.
        shared.membership.with(Cluster::announce);
        runtime.spawn(task.run());
        Ok(Self {
            handle: Arc::new(Handle { shared }),
        })
    }

    fn shared(&self) -> &Arc<Shared<R>> {
        &self.handle.shared
    }

    /// The node's id: another one than it was given if that was taken on the network.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.shared()
            .membership
            .look(Cluster::id)
            .unwrap_or(NodeId::from_bits(0))
    }

    /// Its region.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.shared().region
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.shared().addr
    }

    /// The other nodes, with their health and round-trip times.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.shared()
            .membership
            .look(|cluster| cluster.peers().collect())
    }

    /// The node as it is now: what its status page is drawn from.
    #[must_use]
    pub fn status(&self) -> Facts {
        self.shared().facts()
    }

    /// Waits until the node is announced and has asked its static peers, or is leaving.
    pub async fn ready(&self) {
        let shared = self.shared();
        let ready = || shared.membership.look(Cluster::is_ready);
        let done = || (ready() || shared.membership.is_shut()).then_some(());
        shared.membership.changed.wait(done).await;
    }

    /// Says goodbye at once, lets requests finish for up to two seconds, and ends.
    pub async fn shutdown(&self) {
        let shared = self.shared();
        shared.leave();
        let mut alarm = Alarm::new(shared.runtime.clone(), shared.clock);
        let deadline = shared.clock.mono() + GRACE;
        poll_fn(|cx| {
            let left = || shared.membership.is_over().then_some(());
            if shared.membership.changed.poll(cx, left).is_ready() {
                shared.life.advance(Stage::Closing);
                shared.door.wake_all();
                if shared.door.poll_closed(cx).is_ready() {
                    return Poll::Ready(());
                }
            }
            alarm.poll(cx, Some(deadline))
        })
        .await;
        self.kill();
    }

    /// Ends at once, with no goodbye and no answer to what is under way: as a crash would.
    pub fn kill(&self) {
        self.shared().end();
    }
}

impl<R: Runtime> Shared<R> {
    fn new(builder: &NodeBuilder<R>, runtime: R, region: Region, addr: SocketAddr) -> Self {
        let clock = Clock::new();
        let mut rng = Rng::new(builder.seed.unwrap_or_else(entropy::seed));
        let announced = builder
            .discovery
            .address
            .map(|ip| SocketAddr::new(ip, addr.port()));
        let id = builder
            .id
            .unwrap_or_else(|| identity(&region, announced, addr));
        let me = Me {
            id,
            addr: announced,
            port: addr.port(),
        };
        let mdns = builder.discovery.mdns.then(|| mdns::Config {
            service: Some(mdns::Service {
                id,
                region: region.clone(),
                port: addr.port(),
                address: announced.and_then(|addr| match addr {
                    SocketAddr::V4(v4) => Some(*v4.ip()),
                    SocketAddr::V6(_) => None,
                }),
            }),
            ..mdns::Config::default()
        });
        let config = cluster::Config {
            region: region.clone(),
            me: Some(me),
            peers: builder.discovery.peers.clone(),
            mdns,
        };
        let cluster = Cluster::new(clock.mono(), config, rng.next_u64());
        let cache = cache::Config {
            local: builder.local,
            remote: builder.remote,
            max_value: builder.max_value,
            seed: rng.next_u64(),
            ..cache::Config::new(region.clone(), id)
        };
        let mut limits = builder.limits;
        limits.max_body = builder.max_value;
        Self {
            pool: Pool::new(runtime.clone(), clock, ClientLimits::default()),
            runtime,
            clock,
            region,
            addr,
            cache: SharedCache::new(&cache, builder.shards),
            membership: Arc::new(Membership::new(clock, cluster)),
            outbox: Outbox::new(clock, rng.next_u64()),
            limits,
            ack: builder.ack,
            door: Door::new(builder.admission),
            bodies: Budget::new(builder.bodies),
            life: Life::default(),
            counters: Counters::default(),
            ready: AtomicBool::new(false),
            seeds: AtomicU64::new(rng.next_u64()),
        }
    }

    /// A generator for one task, drawn from the node's seed.
    pub(crate) fn rng(&self) -> Rng {
        Rng::new(
            self.seeds
                .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed),
        )
    }

    /// What the rest of the node has to know of the cluster's events.
    fn observe(&self, event: &Event) {
        match event {
            Event::PeerUp(peer) => self.outbox.with(|queue, now| queue.handle_up(now, peer.id)),
            Event::PeerGone(peer) => self.outbox.with(|queue, _| queue.handle_gone(peer.id)),
            Event::Ready => self.ready.store(true, Ordering::Release),
            Event::Renamed { new, .. } => self.cache.for_each(|shard| shard.set_node(*new)),
            _ => {}
        }
    }

    /// Where the node is in its life, as its pages say it.
    pub(crate) fn stage(&self) -> service::Stage {
        match self.life.stage() {
            Stage::Running if self.ready.load(Ordering::Acquire) => service::Stage::Ready,
            Stage::Running => service::Stage::Starting,
            _ => service::Stage::Leaving,
        }
    }

    fn leave(&self) {
        self.life.advance(Stage::Leaving);
        self.membership.leave();
    }

    fn end(&self) {
        self.life.advance(Stage::Ended);
        self.membership.end();
        self.door.wake_all();
        self.pool.close();
    }

    /// The node as it is now.
    pub(crate) fn facts(&self) -> Facts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let now = self.clock.now();
        let mut facts = Facts::new(self.region.clone());
        self.membership.look(|cluster| facts.observe(cluster));
        facts.stage = self.stage();
        facts.uptime = self.clock.uptime();
        facts.addresses = vec![self.addr];
        facts.shards = self.cache.len();
        self.cache.for_each(|shard| facts.cache += shard.stats(now));
        facts.connections.open = self.door.len() as u64;
        facts.connections.limit = self.door.bounds().connections as u64;
        facts.connections.accepted = read(&self.counters.accepted);
        facts.connections.refused = read(&self.counters.refused);
        facts.connections.requests = read(&self.counters.requests);
        facts.queues.spreading = read(&self.counters.spreading);
        facts.queues.delivered = read(&self.counters.delivered);
        facts.queues.failed = read(&self.counters.failed);
        self.outbox.with(|queue, _| {
            facts.queues.waiting = queue.len() as u64;
            facts.queues.dropped = queue.dropped();
        });
        facts
    }
}

/// The id that follows from region, address and port. A node that announces each interface's own
/// address has none to go by but the first the system would use.
fn identity(region: &Region, announced: Option<SocketAddr>, bound: SocketAddr) -> NodeId {
    let found = || {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        interfaces
            .iter()
            .map(if_addrs::Interface::ip)
            .filter(|ip| ip.is_ipv4())
            .find(|ip| !ip.is_loopback())
    };
    let addr = announced
        .unwrap_or_else(|| SocketAddr::new(found().unwrap_or_else(|| bound.ip()), bound.port()));
    NodeId::derive(region, addr)
}

/// A non-blocking listener that can take over the address of one just closed.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows it would let others steal the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Frees what has expired and closes idle connections to peers, until the node ends.
async fn tidy<R: Runtime>(node: Arc<Shared<R>>) {
    let mut alarm = Alarm::new(node.runtime.clone(), node.clock);
    let mut at = node.clock.mono() + EXPIRE_EVERY;
    let mut sweep_at = node.clock.mono() + SWEEP_EVERY;
    poll_fn(|cx| {
        loop {
            if node.life.poll(cx, Stage::Ended).is_ready() {
                return Poll::Ready(());
            }
            if alarm.poll(cx, Some(at)).is_pending() {
                return Poll::Pending;
            }
            let now = node.clock.now();
            let mut more = false;
            node.cache
                .for_each(|shard| more |= shard.expire(now, EXPIRE_BUDGET) == EXPIRE_BUDGET);
            at = now.mono
                + if more {
                    Duration::from_millis(1)
                } else {
                    EXPIRE_EVERY
                };
            if now.mono >= sweep_at {
                sweep_at = now.mono + SWEEP_EVERY;
                node.pool.sweep();
            }
        }
    })
    .await;
}

impl<R: Runtime> Drop for Handle<R> {
    fn drop(&mut self) {
        let shared = self.shared.clone();
        if shared.life.stage() != Stage::Running {
            return;
        }
        shared.leave();
        let runtime = shared.runtime.clone();
        // The goodbyes go out in the background; then everything ends.
        runtime.spawn(async move {
            let left = || shared.membership.is_over().then_some(());
            shared.membership.changed.wait(left).await;
            shared.end();
        });
    }
}

impl<R: Runtime> Clone for Node<R> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
        }
    }
}

impl<R: Runtime> fmt::Debug for Node<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id())
            .field("region", self.region())
            .field("addr", &self.addr())
            .finish_non_exhaustive()
    }
}
