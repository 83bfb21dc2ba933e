//! The machine as its driver sees it.

use super::config::{
    Config, LEAVE_DEADLINE, MAX_MEMBERS, MAX_PINGS, Me, POLL_EVERY, READY_WITHOUT_MDNS,
};
use super::event::{Action, Event, Outcome, Pong};
use super::members;
use super::mourning::Mourning;
use super::peer::{Entry, Peer, PeerInfo, Source};
use super::probe::{Exchange, Exchanges};
use super::rumours::MAX_MISSING;
use super::seeds::Seeds;
use super::table::Table;
use super::view::View;
use crate::mdns::{self, Mdns};
use crate::{Buggify, Failure, Instant, NodeId, Point, Region, Rng};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The machine.
#[derive(Debug)]
pub struct Cluster {
    pub(super) own: Region,
    pub(super) me: Option<Me>,
    pub(super) rng: Rng,
    pub(super) mdns: Option<Mdns>,
    /// This host's addresses, by interface.
    pub(super) interfaces: BTreeMap<u32, Vec<Ipv4Addr>>,
    pub(super) table: Table,
    pub(super) seeds: Seeds,
    pub(super) mourning: Mourning,
    pub(super) exchanges: Exchanges,
    /// When a few other peers are next asked for their members.
    pub(super) others_at: Instant,
    /// Nodes that are to be told of this one.
    pub(super) strangers: VecDeque<SocketAddr>,
    pub(super) actions: VecDeque<Action>,
    pub(super) events: VecDeque<Event>,
    pub(super) view: Arc<View>,
    pub(super) view_changed: bool,
    pub(super) published_at: Instant,
    /// When latencies alone may next be published.
    pub(super) remeasure_at: Instant,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// A client, or a node that does not listen yet.
    New,
    /// Not ready before multicast DNS says so; at the latest then.
    Announcing {
        until: Instant,
        announced: bool,
    },
    Ready,
    Leaving {
        until: Instant,
    },
    Left,
}

impl Cluster {
    /// A machine that begins to look for others `now`.
    #[must_use]
    pub fn new(now: Instant, config: Config, seed: u64) -> Self {
        let Config {
            region,
            me,
            peers,
            mdns,
        } = config;
        let mut rng = Rng::new(seed);
        let mdns = mdns.map(|config| Mdns::new(now, config, rng.next_u64()));
        Self {
            table: Table::new(region.clone(), me.is_some(), rng.fork()),
            seeds: Seeds::new(now, peers, rng.fork()),
            view: Arc::new(View::empty(region.clone(), me.map(|me| me.id))),
            own: region,
            me,
            mdns,
            interfaces: BTreeMap::new(),
            exchanges: Exchanges::default(),
            mourning: Mourning::default(),
            others_at: now + rng.jitter(POLL_EVERY, 20),
            strangers: VecDeque::new(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
            view_changed: false,
            published_at: Instant::ORIGIN,
            remeasure_at: now,
            stage: Stage::New,
            rng,
        }
    }

    /// Decides with these points from now on.
    pub fn set_buggify(&mut self, buggify: &Buggify) {
        self.rng.set_buggify(buggify);
        self.table.rng.set_buggify(buggify);
        self.seeds.set_buggify(buggify);
        if let Some(mdns) = &mut self.mdns {
            mdns.set_buggify(buggify);
        }
    }

    /// The latest view.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.clone()
    }

    /// This node's id of the moment; `None` for a client.
    #[must_use]
    pub fn id(&self) -> Option<NodeId> {
        self.me.map(|me| me.id)
    }

    /// What this node says of itself in the `Zc-Node` header of what it asks other nodes; `None` for a
    /// client.
    #[must_use]
    pub fn hello(&self) -> Option<String> {
        self.me.map(|me| members::hello(me.id, &self.own, me.port))
    }

    /// All peers known, in the order of their ids.
    pub fn peers(&self) -> impl Iterator<Item = PeerInfo> + '_ {
        self.table.entries().map(Entry::info)
    }

    /// Whether a peer is known, routable or not.
    #[must_use]
    pub fn knows(&self, id: NodeId) -> bool {
        self.table.entry(id).is_some()
    }

    /// Whether a node that has answered a ping is at this address, on whatever port: what is held here
    /// is told only there. Of one that is not, [`handle_hello`](Self::handle_hello) makes sure.
    #[must_use]
    pub fn has_shown(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        let there = |ip: IpAddr| ip.to_canonical() == source;
        self.table.entries().any(|entry| {
            entry.heard.is_some() && (there(entry.peer.addr.ip()) || entry.also.is_some_and(there))
        })
    }

    /// The counters of multicast DNS, if it is used.
    #[must_use]
    pub fn mdns_stats(&self) -> Option<mdns::Stats> {
        self.mdns.as_ref().map(Mdns::stats)
    }

    /// Whether [`Event::Ready`] has come, and [`leave`](Self::leave) has not been called.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// Whether the machine has left, said its goodbyes, and has nothing more to do.
    #[must_use]
    pub fn is_left(&self) -> bool {
        self.stage == Stage::Left
    }

    /// The body of `/_zc/1/members`: this node, then the peers it finds routable and does not doubt, in
    /// the order of discovery, at most [`MAX_MEMBERS`] lines. Empty for a client and for a node that is leaving.
    #[must_use]
    pub fn members(&self) -> String {
        let mut body = String::new();
        let leaving = matches!(self.stage, Stage::Leaving { .. } | Stage::Left);
        if let Some(me) = self.me.filter(|_| !leaving) {
            // Whoever asks knows the address it asked at.
            let unspecified = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), me.port);
            let addr = me.addr.unwrap_or(unspecified);
            let region = self.own.clone();
            members::write(
                &mut body,
                &Peer {
                    id: me.id,
                    region,
                    addr,
                    capable: true,
                },
            );
            // One that is only kept for want of another is not vouched for: nodes would go on telling
            // each other of it for ever.
            let sound = |entry: &&Entry| !entry.health.overdue();
            let routable = self.table.routable().into_iter().filter(sound);
            let most = match self.rng.hits(Point::MembersShort) {
                true => 1,
                false => MAX_MEMBERS - 1,
            };
            for entry in routable.take(most) {
                members::write(&mut body, &entry.peer);
            }
        }
        body
    }

    /// HTTP listens: make this node known. Nothing for a client.
    pub fn announce(&mut self, now: Instant) {
        if self.me.is_none() || self.stage != Stage::New {
            return;
        }
        self.stage = Stage::Announcing {
            until: now + READY_WITHOUT_MDNS,
            announced: self.mdns.is_none(),
        };
        if let Some(mdns) = &mut self.mdns {
            mdns.announce(now);
        }
        self.settle(now);
    }

    /// Says goodbye, by multicast and to the peers that only know this node otherwise; nothing else is
    /// done from now on, nor told: events not polled by now are dropped. [`is_left`](Self::is_left) within half a second.
    pub fn leave(&mut self, now: Instant) {
        if matches!(self.stage, Stage::Leaving { .. } | Stage::Left) {
            return;
        }
        let known = matches!(self.stage, Stage::Announcing { .. } | Stage::Ready);
        let deadline = now + LEAVE_DEADLINE;
        self.stage = Stage::Leaving {
            until: deadline + LEAVE_DEADLINE,
        };
        self.exchanges.clear();
        self.actions.clear();
        self.events.clear();
        self.view_changed = false;
        if let Some(mdns) = &mut self.mdns {
            mdns.goodbye(now);
        }
        if let Some(me) = self.me.filter(|_| known) {
            let hello = members::hello(me.id, &self.own, 0);
            let deaf = |entry: &&&Entry| entry.peer.capable && entry.lease(Source::Mdns).is_none();
            for entry in self.table.routable().iter().filter(deaf).take(MAX_PINGS) {
                let token = self.exchanges.begin(Exchange::Goodbye, deadline);
                let (addr, hello) = (entry.peer.addr, Some(hello.clone()));
                self.actions.push_back(Action::Members {
                    token,
                    addr,
                    hello,
                    deadline,
                });
            }
        }
        self.settle(now);
    }

    /// An interface is up, or has changed.
    pub fn handle_interface(&mut self, now: Instant, interface: mdns::Interface) {
        let addresses = interface
            .addresses
            .iter()
            .map(|(address, _)| *address)
            .collect();
        self.interfaces.insert(interface.index, addresses);
        if let Some(mdns) = &mut self.mdns {
            mdns.handle_interface(now, interface);
        }
        self.settle(now);
    }

    /// An interface is gone.
    pub fn handle_interface_down(&mut self, now: Instant, index: u32) {
        self.interfaces.remove(&index);
        if let Some(mdns) = &mut self.mdns {
            mdns.handle_interface_down(now, index);
        }
        self.settle(now);
    }

    /// A datagram of multicast DNS arrived.
    pub fn handle_datagram(&mut self, now: Instant, datagram: mdns::Datagram<'_>) {
        if let Some(mdns) = &mut self.mdns {
            mdns.handle_datagram(now, datagram);
        }
        self.settle(now);
    }

    /// [`Action::Ping`] was answered, or failed. The first report by a token counts.
    pub fn handle_pong(&mut self, now: Instant, token: u64, result: Result<Pong, Failure>) {
        if let Some(exchange) = self.exchanges.end(token) {
            if let Exchange::Ping(id) = exchange {
                self.table.pong(now, id, token, result);
            } else {
                self.abandon(now, token, exchange);
            }
        }
        self.settle(now);
    }

    /// [`Action::Members`] was answered, or failed; [`Failure::Malformed`] if something answered that
    /// has no such path (see [`members_body`](super::members_body)).
    pub fn handle_members(&mut self, now: Instant, token: u64, result: Result<&[u8], Failure>) {
        match self.exchanges.end(token) {
            Some(Exchange::Seed(addr)) => self.seed_answered(now, addr, result),
            Some(Exchange::Poll(_)) if self.rng.hits(Point::MembersUnread) => {}
            Some(Exchange::Poll(addr)) => {
                if let Some((first, others)) = result.ok().and_then(members::parse) {
                    self.learn(now, addr, Source::Learned, first, others);
                }
            }
            Some(Exchange::Witness(id)) => self.testify(now, id, result),
            Some(exchange) => self.abandon(now, token, exchange),
            None => {}
        }
        self.settle(now);
    }

    /// [`Action::Resolve`] found these addresses; none if it failed, which keeps the last ones.
    pub fn handle_resolved(&mut self, now: Instant, token: u64, addrs: &[SocketAddr]) {
        match self.exchanges.end(token) {
            Some(Exchange::Resolve(index)) => {
                for id in self.seeds.handle_resolved(now, index, addrs) {
                    self.table.release(now, id, Source::Static);
                }
            }
            Some(exchange) => self.abandon(now, token, exchange),
            None => {}
        }
        self.settle(now);
    }

    /// A request to `/_zc/1/members` came from `source` with this `Zc-Node` header.
    pub fn handle_hello(&mut self, now: Instant, source: IpAddr, hello: &[u8]) {
        let source = source.to_canonical();
        match members::parse_hello(hello) {
            Some((id, _, 0)) => self.table.goodbye(now, id, source),
            Some((id, region, port)) => {
                let addr = SocketAddr::new(source, port);
                let peer = Peer {
                    id,
                    region,
                    addr,
                    capable: true,
                };
                if members::plausible(addr, source) {
                    let until = now + self.table.lease();
                    self.observe(now, peer, Source::Hello, until, false);
                }
            }
            None => {}
        }
        self.settle(now);
    }

    /// Who asked for `/ping` from `source` has told that it misses these, of which [`MAX_MISSING`] are
    /// read. Peers known here are pinged soon, and a few other nodes told; of others they are only told if
    /// a node [has shown](Self::has_shown) to be at `source`.
    pub fn handle_missing(&mut self, now: Instant, source: IpAddr, ids: &[NodeId]) {
        let (shown, own) = (self.has_shown(source), self.id());
        for id in ids.iter().take(MAX_MISSING) {
            if Some(*id) != own && (shown || self.knows(*id)) {
                self.table.hear_missing(now, *id);
            }
        }
        self.settle(now);
    }

    /// A request to peer `id` went so. Unknown ids are ignored.
    ///
    /// Says whether there is something to poll for on account of it. Usually there is not: a node
    /// that answers as it did before costs a look-up here and no more.
    pub fn handle_outcome(&mut self, now: Instant, id: NodeId, outcome: Outcome) -> bool {
        let news = self.table.outcome(now, id, outcome);
        if news {
            self.settle(now);
        }
        news
    }

    /// What to do next; poll until there is nothing, after each other call but getters.
    pub fn poll_action(&mut self) -> Option<Action> {
        if self.stage == Stage::Left {
            return None;
        }
        let datagram = self
            .mdns
            .as_mut()
            .and_then(Mdns::poll_transmit)
            .map(Action::Datagram);
        let action = datagram.or_else(|| self.actions.pop_front());
        // The last goodbye may just have gone out.
        self.check_left();
        action
    }

    /// What has happened; poll until there is nothing, after each other call but getters.
    pub fn poll_event(&mut self) -> Option<Event> {
        if core::mem::take(&mut self.view_changed) {
            return Some(Event::ViewChanged(self.view.clone()));
        }
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let mdns = self.mdns.as_ref().and_then(Mdns::poll_timeout);
        let exchange = self.exchanges.poll_timeout();
        let own = match self.stage {
            Stage::Left => return None,
            Stage::Leaving { until } => {
                return [mdns, exchange, Some(until)].into_iter().flatten().min();
            }
            Stage::Announcing { until, .. } => Some(until),
            _ => None,
        };
        let polls = self.exchanges.may_poll();
        let seeds = self.seeds.poll_timeout().filter(|_| polls);
        let others = Some(self.others_at).filter(|_| polls);
        let latencies = self.table.remeasured.then_some(self.remeasure_at);
        let view = self.may_publish().filter(|_| self.table.dirty);
        let table = self.table.poll_timeout();
        let mourning = self.mourning.poll_timeout();
        [
            mdns, exchange, own, seeds, others, latencies, view, table, mourning,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.stage == Stage::Left {
            return;
        }
        if let Some(mdns) = &mut self.mdns {
            mdns.handle_timeout(now);
        }
        while let Some((token, exchange)) = self.exchanges.overdue(now) {
            self.exchanges.end(token);
            self.abandon(now, token, exchange);
        }
        self.settle(now);
    }
}
