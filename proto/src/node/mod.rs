//! A whole node on one thread: cache, connections, spread and membership behind one [`Input`] and
//! one [`Output`], for simulators, fuzzers and small embedders.
//!
//! ```text
//! Input --+--> Cluster ----- pings, members ---> exchanges --+--> Output
//!         |       | view                            ^   ^    |
//!         +--> ServerConn --> service::call --> Fanout  |    |
//!         |                        |      undelivered | |    |
//!         |                      cache <---------- Handoff   |
//!         +--> ClientConn (an exchange each) <---------------+
//! ```
//! It decides nothing: all that can be decided is decided by those parts. Sockets are the
//! embedder's, who names the connections it accepts ([`ConnId::In`]) and makes those the node asks
//! for ([`ConnId::Out`]).
//!
//! After each [`Node::handle`], poll [`Node::poll_output`] until it gives nothing, and come back
//! with [`Input::Tick`] at [`Node::poll_timeout`].
//!
//! ```
//! use zerocache_proto::node::{Config, ConnId, Input, Node, Output};
//! use zerocache_proto::{Instant, Now, Region, cluster};
//!
//! let region = Region::new("london").expect("a valid name");
//! let addr = "10.0.0.1:6789".parse().expect("an address");
//! let cluster = cluster::Config::node(region, addr);
//! let now = Now { mono: Instant::from_millis(1), unix_ms: 1_700_000_000_000 };
//! let mut node = Node::new(now, Config::new(cluster, 42));
//! node.handle(now, Input::Announce);
//!
//! // A client connects, and this has arrived from it.
//! let from = "10.0.0.9:50000".parse().expect("an address");
//! node.handle(now, Input::Accepted { conn: 1, from });
//! let bytes = b"PUT /london/key?expiry=60 HTTP/1.1\r\nContent-Length: 5\r\n\r\nvalue\
//!               GET /london/key HTTP/1.1\r\n\r\n";
//! let conn = ConnId::In(1);
//! node.handle(now, Input::Received { conn, bytes });
//!
//! // Both answers wait to be written. A socket may take a part only: say how much it took.
//! let outputs: Vec<_> = core::iter::from_fn(|| node.poll_output()).collect();
//! assert!(outputs.contains(&Output::Write(conn)));
//! assert!(node.write_buf(conn).ends_with(b"\r\n\r\nvalue"));
//! let count = node.write_buf(conn).len();
//! node.handle(now, Input::Written { conn, count });
//! assert!(node.write_buf(conn).is_empty());
//! ```

mod exchange;
mod inbound;
mod spread;
mod timers;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use core::net::SocketAddr;

use crate::cache::{self, Bounds, Shards, Unsharded};
use crate::cluster::{self, Cluster, Event, View};
use crate::http::{ClientLimits, HttpDate, Limits};
use crate::op::{Ack, Freight, Handoff, HandoffLimits};
use crate::service::{Facts, Stage};
use crate::sync::{self, AntiEntropy};
use crate::{Buggify, Duration, Failure, Instant, NodeId, Now, Point, Rng, mdns};

use exchange::Exchanges;
use inbound::Inbound;
use spread::Spread;
use timers::{Timer, Timers};

/// Expired records freed in one go.
const EXPIRE_BUDGET: usize = 256;

/// Time between two goes.
const EXPIRE_PAUSE: Duration = Duration::from_millis(1);

/// What a node is built from.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who the node is, and how it finds others.
    pub cluster: cluster::Config,
    /// What it may hold.
    pub cache: cache::Config,
    /// Limits of connections to it.
    pub limits: Limits,
    /// Limits of connections from it.
    pub client: ClientLimits,
    /// How much is kept for peers that are away.
    pub handoff: HandoffLimits,
    /// What comparing with another node may cost.
    pub sync: sync::Limits,
    /// Which copies a write's answer waits for.
    pub ack: Ack,
    /// What all its chance follows from.
    pub seed: u64,
    /// Which rare branches it is made to take.
    pub buggify: Buggify,
}

impl Config {
    /// The defaults of everything but who it is.
    #[must_use]
    pub fn new(cluster: cluster::Config, seed: u64) -> Self {
        let id = cluster.me.map_or(NodeId::from_bits(0), |me| me.id);
        Self {
            cache: cache::Config {
                seed,
                ..cache::Config::new(cluster.region.clone(), id)
            },
            cluster,
            limits: Limits::default(),
            client: ClientLimits::default(),
            handoff: HandoffLimits::default(),
            sync: sync::Limits::default(),
            ack: Ack::default(),
            seed,
            buggify: Buggify::OFF,
        }
    }

    /// Some of its bounds are as small as they can be.
    fn shrink(&mut self) {
        let hits = |point| self.buggify.hits(point);
        if hits(Point::TwoTombstones) {
            self.cache.tombstones.entries = 2;
        }
        if hits(Point::HandoffOnePeer) {
            self.handoff.peers = 1;
        }
        if hits(Point::HandoffTwoKeys) {
            self.handoff.keys = 2;
        }
        if hits(Point::HandoffWindow) {
            self.handoff.window = 1;
        }
        if hits(Point::SyncRoundShort) {
            self.sync.records = 5;
        }
    }
}

/// A connection's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConnId {
    /// One the embedder has accepted, and numbered.
    In(u64),
    /// One the node has asked for by [`Output::Connect`].
    Out(u64),
}

/// Something has happened. Unknown connections and tokens are ignored.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A connection was accepted; a number is never used twice.
    Accepted {
        /// Its number.
        conn: u64,
        /// Who is at its other end.
        from: SocketAddr,
    },
    /// Bytes arrived; none mean that no more will.
    Received {
        /// On which connection.
        conn: ConnId,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The socket took bytes of [`Node::write_buf`].
    Written {
        /// Of which connection.
        conn: ConnId,
        /// So many.
        count: usize,
    },
    /// A connection has broken.
    Closed(ConnId),
    /// A connection asked for is there.
    Connected(u64),
    /// A connection asked for could not be made.
    ConnectFailed {
        /// Its number.
        conn: u64,
        /// Why.
        why: Failure,
    },
    /// A datagram of multicast DNS arrived.
    Datagram(mdns::Datagram<'a>),
    /// An interface is up, or has changed.
    Interface(mdns::Interface),
    /// The interface of this index is gone.
    InterfaceDown(u32),
    /// The answer to [`Output::Resolve`]; no addresses if there is none.
    Resolved {
        /// The question's token.
        token: u64,
        /// The addresses.
        addrs: &'a [SocketAddr],
    },
    /// HTTP listens: make the node known.
    Announce,
    /// Keep the values of the own region, and those of others, to these bounds from now on: what has to go
    /// for it, the least recently used first, goes at once.
    Resize {
        /// Of what was written in the node's own region.
        local: Bounds,
        /// Of what was written in other regions.
        remote: Bounds,
    },
    /// Say goodbye. The node still answers, until the embedder ends it.
    Leave,
    /// Nothing but time has passed.
    Tick,
}

/// Something to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Write what [`Node::write_buf`] holds for this connection, as the socket takes it, and report
    /// [`Input::Written`] until it holds nothing; said again when there is more after that.
    Write(ConnId),
    /// All is written: shut the write half of the connection down and read on, or a reset could
    /// overtake the answer (RFC 9112 §9.6).
    HalfClose(ConnId),
    /// Close a connection; the node has forgotten it.
    Close(ConnId),
    /// Make a connection and report [`Input::Connected`] or [`Input::ConnectFailed`]; unless
    /// [`Output::Close`] comes first.
    Connect {
        /// Its number.
        conn: u64,
        /// Where to.
        addr: SocketAddr,
    },
    /// Send a datagram of multicast DNS.
    Datagram(mdns::Transmit),
    /// Look a name up and report [`Input::Resolved`].
    Resolve {
        /// Names the question in the report.
        token: u64,
        /// The name.
        host: String,
        /// The port to put into the addresses.
        port: u16,
    },
}

/// Something that may have to be looked at again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Work {
    Inbound(u64),
    Spread(u64),
}

/// A node.
#[derive(Debug)]
pub struct Node {
    cluster: Cluster,
    view: Arc<View>,
    shards: Unsharded,
    handoff: Handoff,
    sync: AntiEntropy,
    inbound: BTreeMap<u64, Inbound>,
    exchanges: Exchanges,
    spreads: BTreeMap<u64, Spread>,
    freight: Freight,
    next_spread: u64,
    timers: Timers,
    work: VecDeque<Work>,
    output: VecDeque<Output>,
    facts: Facts,
    started: Instant,
    /// When expired records were last freed.
    expired_at: Instant,
    leaving: bool,
    /// The date of answers, and its second.
    date: (u64, HttpDate),
    limits: Limits,
    ack: Ack,
    rng: Rng,
}

impl Node {
    /// A node that has just begun and knows nobody.
    #[must_use]
    pub fn new(now: Now, mut config: Config) -> Self {
        config.shrink();
        let mut rng = Rng::new(config.seed);
        rng.set_buggify(&config.buggify);
        let region = config.cluster.region.clone();
        let mut facts = Facts::new(region);
        facts
            .addresses
            .extend(config.cluster.me.and_then(|me| me.addr));
        // As many as the embedder accepts.
        facts.connections.limit = u64::MAX;
        facts.queues.limit = config.handoff.peers.saturating_mul(config.handoff.keys) as u64;
        let mut cluster = Cluster::new(now.mono, config.cluster, rng.next_u64());
        cluster.set_buggify(&config.buggify);
        let mut handoff = Handoff::new(config.handoff, rng.next_u64());
        handoff.set_buggify(&config.buggify);
        let mut sync = AntiEntropy::new(cluster.view(), config.sync, rng.next_u64());
        sync.set_buggify(&config.buggify);
        let mut client = config.client;
        // What another node tells of one record must come through, however large that is.
        let record = config.cache.max_value.saturating_add(sync::PAGE_OVERHEAD);
        client.max_body = client.max_body.max(record);
        let mut node = Self {
            view: cluster.view(),
            shards: Unsharded::new(config.cache),
            handoff,
            sync,
            cluster,
            inbound: BTreeMap::new(),
            exchanges: Exchanges::new(client, config.buggify),
            spreads: BTreeMap::new(),
            freight: Freight::new(),
            next_spread: 0,
            timers: Timers::new(),
            work: VecDeque::new(),
            output: VecDeque::new(),
            facts,
            started: now.mono,
            expired_at: now.mono,
            leaving: false,
            date: (0, HttpDate::from_unix_seconds(0)),
            limits: config.limits,
            ack: config.ack,
            rng,
        };
        node.settle(now);
        node
    }

    /// The node's id of the moment.
    #[must_use]
    pub fn id(&self) -> Option<NodeId> {
        self.cluster.id()
    }

    /// The peers it sees.
    #[must_use]
    pub const fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Its cache.
    #[must_use]
    pub const fn shards(&self) -> &Unsharded {
        &self.shards
    }

    /// Where it is in its life.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match (self.leaving, self.cluster.is_ready()) {
            (true, _) => Stage::Leaving,
            (false, true) => Stage::Ready,
            (false, false) => Stage::Starting,
        }
    }

    /// Whether all goodbyes are said.
    #[must_use]
    pub fn is_left(&self) -> bool {
        self.cluster.is_left()
    }

    /// The node as its pages show it.
    #[must_use]
    pub fn facts(&self, now: Now) -> Facts {
        let mut facts = self.facts.clone();
        facts.observe(&self.cluster);
        facts.stage = self.stage();
        facts.uptime = now.mono.saturating_since(self.started);
        self.shards
            .for_each(|shard| facts.cache += shard.stats(now));
        facts.connections.open = self.inbound.len() as u64;
        facts.queues.spreading = self.spreads.len() as u64;
        facts.observe_handoff(&self.handoff);
        facts.sync = self.sync.facts();
        facts
    }

    /// Something has happened.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        let mono = now.mono;
        match input {
            Input::Accepted { conn, from } => self.accepted(now, conn, from),
            Input::Received {
                conn: ConnId::In(conn),
                bytes,
            } => self.received(now, conn, bytes),
            Input::Received {
                conn: ConnId::Out(conn),
                bytes,
            } => self.answered(now, conn, bytes),
            Input::Written { conn, count } => match conn {
                ConnId::In(conn) => self.written(now, conn, count),
                ConnId::Out(conn) => self.exchanges.written(mono, conn, count),
            },
            Input::Closed(ConnId::In(conn)) => self.forget(conn),
            Input::Closed(ConnId::Out(conn)) => self.broken(now, conn),
            Input::Connected(conn) => self.connected(now, conn),
            Input::ConnectFailed { conn, why } => self.failed(now, conn, why),
            Input::Datagram(datagram) => self.cluster.handle_datagram(mono, datagram),
            Input::Interface(interface) => self.cluster.handle_interface(mono, interface),
            Input::InterfaceDown(index) => self.cluster.handle_interface_down(mono, index),
            Input::Resolved { token, addrs } => self.cluster.handle_resolved(mono, token, addrs),
            Input::Announce => self.cluster.announce(mono),
            Input::Resize { local, remote } => self.shards.for_each(|shard| {
                shard.set_bounds(now, local, remote);
            }),
            Input::Leave => {
                self.leaving = true;
                self.sync.leave();
                self.cluster.leave(mono);
            }
            Input::Tick => {}
        }
        while let Some(timer) = self.timers.pop(mono) {
            self.fire(now, timer);
        }
        self.settle(now);
    }

    /// The next thing to do; poll until there is none, after `new` and each [`handle`](Self::handle).
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// What there is to write to a connection's socket; nothing to one the node does not know.
    #[must_use]
    pub fn write_buf(&self, conn: ConnId) -> &[u8] {
        match conn {
            ConnId::In(conn) => {
                let inbound = self.inbound.get(&conn);
                inbound.map_or(&[], |inbound| inbound.http.write_buf())
            }
            ConnId::Out(conn) => self.exchanges.write_buf(conn),
        }
    }

    /// Whether to read from a connection's socket. Not while who is at its other end is owed answers,
    /// or does not take them: what is read all the same is kept, up to a limit where it is closed.
    #[must_use]
    pub fn wants_read(&self, conn: ConnId) -> bool {
        match conn {
            ConnId::In(conn) => self.inbound.get(&conn).is_some_and(Inbound::wants_read),
            ConnId::Out(conn) => self.exchanges.is_open(conn),
        }
    }

    /// When to come back with [`Input::Tick`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn fire(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::Cluster => self.cluster.handle_timeout(now.mono),
            Timer::Handoff => self.handoff.handle_timeout(now.mono),
            Timer::Sync => self.sync.handle_timeout(now.mono),
            // `settle` does what is due, as it does after an input.
            Timer::Expiry => {}
            Timer::Inbound(conn) => {
                if let Some(inbound) = self.inbound.get_mut(&conn) {
                    inbound.http.handle_timeout(now.mono);
                    self.work.push_back(Work::Inbound(conn));
                }
            }
            Timer::Exchange(conn) => self.failed(now, conn, Failure::TimedOut),
            Timer::Spread(id) => {
                if let Some(spread) = self.spreads.get_mut(&id) {
                    spread.fanout.handle_timeout(now.mono);
                    self.work.push_back(Work::Spread(id));
                }
            }
        }
    }

    /// Lets every part do what the others have given it to do.
    fn settle(&mut self, now: Now) {
        loop {
            while let Some(event) = self.cluster.poll_event() {
                self.observe(now, event);
            }
            while let Some(action) = self.cluster.poll_action() {
                self.act(now, action);
            }
            while let Some(peer) = self.handoff.poll_owed() {
                self.sync.handle_owing(now.mono, peer);
            }
            while let Some(resend) = self.handoff.poll_transmit(now.mono) {
                self.resend(now, resend);
            }
            while let Some(question) = self.sync.poll_transmit(now.mono) {
                self.question(now, question);
            }
            match self.work.pop_front() {
                Some(Work::Inbound(conn)) => self.pump(now, conn),
                Some(Work::Spread(id)) => self.step(now, id),
                None => break,
            }
        }
        self.timers.set(Timer::Cluster, self.cluster.poll_timeout());
        self.timers.set(Timer::Handoff, self.handoff.poll_timeout());
        self.timers.set(Timer::Sync, self.sync.poll_timeout());
        let expiry = self.expire(now);
        self.timers.set(Timer::Expiry, expiry);
    }

    /// Frees what has expired, some at a time; when to go on, which is later than `now`.
    ///
    /// The store's next expiry is a lower bound, which any use of the store may bring down, even
    /// into the past: so it is looked at here, and not only when its timer fires.
    fn expire(&mut self, now: Now) -> Option<Instant> {
        let mut due = self.next_expiry()?;
        if due.max(self.expired_at + EXPIRE_PAUSE) <= now.mono {
            self.expired_at = now.mono;
            let one = self.rng.hits(Point::ExpireOne);
            let budget = if one { 1 } else { EXPIRE_BUDGET };
            self.shards.for_each(|shard| {
                shard.expire(now, budget);
            });
            due = self.next_expiry()?;
        }
        Some(due.max(self.expired_at + EXPIRE_PAUSE))
    }

    fn next_expiry(&self) -> Option<Instant> {
        let mut due = None;
        self.shards.for_each(|shard| due = shard.next_expiry());
        due
    }

    fn observe(&mut self, now: Now, event: Event) {
        self.sync.handle_event(now.mono, &event);
        match event {
            Event::ViewChanged(view) => self.view = view,
            Event::PeerUp(peer) | Event::PeerRecovered(peer) => {
                self.handoff.handle_up(now.mono, peer.id);
            }
            Event::PeerGone(peer) => self.handoff.handle_gone(peer.id),
            Event::Renamed { new, .. } => {
                self.shards.for_each(|shard| shard.set_node(new));
                for inbound in self.inbound.values_mut() {
                    inbound.http.set_node(Some(new));
                }
            }
            _ => {}
        }
    }
}
