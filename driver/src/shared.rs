//! What all tasks of a node share.

use crate::admission::Door;
use crate::budget::Budget;
use crate::builder::NodeBuilder;
use crate::clock::Clock;
use crate::courier::Couriers;
use crate::entropy;
use crate::life::{Life, Stage};
use crate::membership::Membership;
use crate::outbox::Outbox;
use crate::pool::Pool;
use crate::runtime::Runtime;
use crate::shards::SharedCache;
use crate::syncing::Syncing;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use zerocache_proto::cache::{self, Shards as _};
use zerocache_proto::cluster::{self, Cluster, Event, Me};
use zerocache_proto::http::{ClientLimits, Limits};
use zerocache_proto::op::Ack;
use zerocache_proto::service::{self, Facts};
use zerocache_proto::{NodeId, Region, Rng, mdns, sync};

/// What all tasks of a node share.
pub(crate) struct Shared<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) clock: Clock,
    pub(crate) region: Region,
    pub(crate) addr: SocketAddr,
    pub(crate) cache: SharedCache,
    pub(crate) membership: Arc<Membership>,
    pub(crate) pool: Pool<R>,
    pub(crate) couriers: Couriers<R>,
    pub(crate) outbox: Outbox,
    pub(crate) syncing: Syncing,
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
    pub(crate) spreading: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) failed: AtomicU64,
}

impl<R: Runtime> Shared<R> {
    pub(crate) fn new(
        builder: &NodeBuilder<R>,
        runtime: R,
        region: Region,
        addr: SocketAddr,
    ) -> Self {
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
        let mdns = builder.discovery.mdns(Some(mdns::Service {
            id,
            region: region.clone(),
            port: addr.port(),
            address: announced.and_then(|addr| match addr {
                SocketAddr::V4(v4) => Some(*v4.ip()),
                SocketAddr::V6(_) => None,
            }),
        }));
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
        let mut client = ClientLimits::default();
        // What another node tells of one record must come through, however large that is.
        let record = builder.max_value.saturating_add(sync::PAGE_OVERHEAD);
        client.max_body = client.max_body.max(record);
        let view = cluster.view();
        Self {
            pool: Pool::new(runtime.clone(), clock, client),
            runtime,
            clock,
            region,
            addr,
            cache: SharedCache::new(&cache, builder.shards),
            membership: Arc::new(Membership::new(clock, cluster)),
            couriers: Couriers::default(),
            outbox: Outbox::new(clock, rng.next_u64()),
            syncing: Syncing::new(clock, view, rng.next_u64()),
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
    pub(crate) fn observe(&self, event: &Event) {
        self.syncing.observe(event);
        match event {
            Event::PeerUp(peer) | Event::PeerRecovered(peer) => {
                self.outbox.with(|queue, now| queue.handle_up(now, peer.id));
            }
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

    pub(crate) fn leave(&self) {
        self.life.advance(Stage::Leaving);
        self.syncing.leave();
        self.membership.leave();
    }

    pub(crate) fn end(&self) {
        self.life.advance(Stage::Ended);
        self.membership.end();
        self.door.wake_all();
        self.couriers.close();
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
        facts.connections.requests = self.door.requests();
        facts.connections.body_bytes = self.bodies.bytes() as u64;
        facts.queues.spreading = read(&self.counters.spreading);
        facts.queues.delivered = read(&self.counters.delivered);
        facts.queues.failed = read(&self.counters.failed);
        self.outbox.look(|handoff| facts.observe_handoff(handoff));
        facts.sync = self.syncing.facts();
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
