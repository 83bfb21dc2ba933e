//! The machine at work: what answers mean, what has become due, what is published.

use super::config::{
    MAX_EVENTS, MAX_PEERS, PEERS_A_POLL, POLL_DEADLINE, POLL_EVERY, POLL_OTHERS, PUBLISH_EVERY,
    RESOLVE_DEADLINE, VIEW_SPACING,
};
use super::event::{Action, Event};
use super::machine::{Cluster, Stage};
use super::peer::{Entry, Observation, Peer, Source};
use super::probe::Exchange;
use super::seeds::Due;
use super::table::Change;
use super::view::View;
use super::{members, rank};
use crate::mdns::{self, Mdns};
use crate::{Duration, Failure, Instant, NodeId, Point};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

impl Cluster {
    /// An action came to nothing.
    pub(super) fn abandon(&mut self, now: Instant, token: u64, exchange: Exchange) {
        match exchange {
            Exchange::Ping(id) => self.table.pong(now, id, token, Err(Failure::TimedOut)),
            Exchange::Seed(addr) => self.seeds.handle_failure(now, addr),
            Exchange::Resolve(index) => {
                self.seeds.handle_resolved(now, index, &[]);
            }
            Exchange::Witness(id) => self.testify(now, id, Err(Failure::TimedOut)),
            Exchange::Poll(_) | Exchange::Goodbye => {}
        }
    }

    pub(super) fn seed_answered(
        &mut self,
        now: Instant,
        addr: SocketAddr,
        result: Result<&[u8], Failure>,
    ) {
        let list = match result {
            Ok(body) => members::parse(body),
            Err(Failure::Malformed) => {
                self.seed_is_stock(now, addr);
                return;
            }
            Err(_) => None,
        };
        let Some((first, others)) = list else {
            self.seeds.handle_failure(now, addr);
            return;
        };
        let id = first.id;
        self.learn(now, addr, Source::Static, first, others);
        let poll_every = self.poll_every();
        if let Some(stock) = self
            .seeds
            .handle_members(now, addr, poll_every)
            .filter(|stock| *stock != id)
        {
            self.table.release(now, stock, Source::Static);
        }
    }

    /// A static peer answers, but is no node of ours: with a region configured it is a stock one.
    fn seed_is_stock(&mut self, now: Instant, addr: SocketAddr) {
        match self.seeds.handle_stock(now, addr) {
            Some(Ok(region)) => {
                let id = NodeId::derive(&region, addr);
                if self.table.holder(addr).is_none_or(|holder| holder == id) {
                    self.seeds.set_stock(addr, id);
                    let peer = Peer {
                        id,
                        region,
                        addr,
                        capable: false,
                    };
                    self.observe(now, peer, Source::Static, Instant::FAR_FUTURE, true);
                }
            }
            Some(Err(peer)) => self.push_event(Event::SeedUnusable(peer)),
            None => {}
        }
    }

    /// Takes in the members another node, asked at `addr`, has told.
    pub(super) fn learn(
        &mut self,
        now: Instant,
        addr: SocketAddr,
        source: Source,
        first: Peer,
        others: impl Iterator<Item = Peer>,
    ) {
        let until = now + self.table.lease();
        // The node may tell its address, or only know that it was asked at a right one. While the one it
        // is known at answers, that one does; else the two are tried in turn.
        let known = self
            .table
            .entry(first.id)
            .map(|e| (e.peer.addr, e.routable()));
        let told = members::plausible(first.addr, addr.ip());
        let at = match known {
            Some((known, true)) => known,
            Some((known, false)) if known != addr || !told => addr,
            _ if told => first.addr,
            _ => addr,
        };
        let certain = at == addr;
        self.observe(now, Peer { addr: at, ..first }, source, until, certain);
        for peer in others {
            if members::plausible(peer.addr, addr.ip()) {
                self.observe(now, peer, Source::Learned, until, false);
            }
        }
    }

    pub(super) fn observe(
        &mut self,
        now: Instant,
        peer: Peer,
        source: Source,
        until: Instant,
        certain: bool,
    ) {
        let mine = self.me.is_some_and(|me| me.id == peer.id) || self.is_mine(peer.addr);
        if !mine {
            self.table.observe(
                now,
                Observation {
                    peer,
                    source,
                    until,
                    certain,
                },
            );
        }
    }

    /// Whether this node itself listens there.
    fn is_mine(&self, addr: SocketAddr) -> bool {
        let Some(me) = self.me.filter(|me| me.port == addr.port()) else {
            return false;
        };
        match me.addr {
            Some(own) => own == addr,
            None => {
                let host = |ip: &Ipv4Addr| addr.ip() == *ip;
                self.interfaces.values().flatten().any(host)
            }
        }
    }

    /// Does what has become due by all that was told, and publishes what has changed.
    pub(super) fn settle(&mut self, now: Instant) {
        match self.stage {
            Stage::Left => return,
            Stage::Leaving { until } => {
                if now >= until {
                    self.exchanges.clear();
                    self.actions.clear();
                    self.stage = Stage::Left;
                }
                self.check_left();
                return;
            }
            _ => {}
        }
        self.drain_mdns(now);
        self.table.handle_timeout(now);
        self.ping(now);
        self.poll_seeds(now);
        self.poll_others(now);
        self.mourn(now);
        while let Some(change) = self.table.poll_change() {
            match change {
                Change::Up(peer) => {
                    self.meet(&peer);
                    if let Some(mdns) = &mut self.mdns {
                        mdns.rouse(now, peer.id);
                    }
                    self.push_event(Event::PeerUp(peer));
                }
                Change::Down(peer, why) => self.push_event(Event::PeerDown { peer, why }),
                Change::Recovered(peer) => self.push_event(Event::PeerRecovered(peer)),
                Change::Gone(peer) => self.push_event(Event::PeerGone(peer)),
                Change::Verify(id) => {
                    if let Some(mdns) = &mut self.mdns {
                        mdns.verify(now, id);
                    }
                    // One that it does not know (any more) it doubts at once.
                    self.drain_mdns(now);
                }
            }
        }
        self.greet(now);
        self.publish(now);
        self.check_ready(now);
    }

    /// A node known by hearsay alone may not know this one: nobody else tells it soon. Of another
    /// region, a few that do are enough: each is answered with a list of all members.
    fn meet(&mut self, peer: &Peer) {
        let stranger = self.table.entry(peer.id).is_some_and(Entry::is_stranger);
        let greets = self.me.is_some() && !self.rng.hits(Point::StrangerUngreeted);
        // Where there are many, the ping has greeted it already.
        let wanted = match peer.region == self.own {
            true => !self.table.is_crowded(),
            false => self.table.sees_few_of(&peer.region),
        };
        if greets && stranger && wanted && self.strangers.len() < MAX_PEERS {
            self.strangers.push_back(peer.addr);
        }
    }

    /// Makes this node known to such nodes, a few at a time: a node that joins by one static peer is
    /// in use everywhere at once, not when members have come round.
    fn greet(&mut self, now: Instant) {
        while self.listening() && self.exchanges.may_poll() {
            let Some(addr) = self.strangers.pop_front() else {
                return;
            };
            self.ask_members(now, Exchange::Poll(addr), addr);
        }
    }

    pub(super) fn check_left(&mut self) {
        let said = self.exchanges.is_empty() && self.actions.is_empty();
        let closed = self.mdns.as_ref().is_none_or(Mdns::is_closed);
        if said && closed && matches!(self.stage, Stage::Leaving { .. }) {
            self.stage = Stage::Left;
        }
    }

    fn drain_mdns(&mut self, now: Instant) {
        while let Some(event) = self.mdns.as_mut().and_then(Mdns::poll_event) {
            match event {
                mdns::Event::Seen(seen) => {
                    let mdns::Sighting {
                        id,
                        region,
                        address,
                        capable,
                        expires,
                        ..
                    } = seen;
                    let peer = Peer {
                        id,
                        region,
                        addr: address.into(),
                        capable,
                    };
                    self.observe(now, peer, Source::Mdns, expires, false);
                }
                mdns::Event::Gone { id, from } => self.table.goodbye(now, id, from),
                mdns::Event::Doubted { id } => {
                    self.suspect_death(now, id);
                    self.table.doubt(now, id);
                }
                mdns::Event::Announced { id } => {
                    if let Stage::Announcing { announced, .. } = &mut self.stage {
                        *announced = true;
                    }
                    self.push_event(Event::Announced { id });
                }
                mdns::Event::Renamed { old, new } => {
                    if let Some(me) = &mut self.me {
                        me.id = new;
                        self.table.dirty = true;
                    }
                    self.push_event(Event::Renamed { old, new });
                }
            }
        }
    }

    fn ping(&mut self, now: Instant) {
        while let Some(round) = self.table.next_round(self.exchanges.pings()) {
            let deadline = now + round.patience;
            let hello = self.hello().filter(|_| round.greets && self.listening());
            let mut ask = |addr, hello, missing| {
                let token = self.exchanges.begin(Exchange::Ping(round.id), deadline);
                self.actions.push_back(Action::Ping {
                    token,
                    addr,
                    deadline,
                    hello,
                    missing,
                    lasting: round.lasting,
                });
                token
            };
            let token = ask(round.addr, hello, round.missing);
            let rival = round.rival.map(|addr| ask(addr, None, Vec::new()));
            self.table.started(now, round.id, token, rival);
        }
    }

    fn poll_seeds(&mut self, now: Instant) {
        while self.exchanges.may_poll() {
            match self.seeds.next_due(now) {
                Some(Due::Resolve(index)) => {
                    if let Some((host, port)) = self.seeds.name(index) {
                        let exchange = Exchange::Resolve(index);
                        let token = self.exchanges.begin(exchange, now + RESOLVE_DEADLINE);
                        self.actions
                            .push_back(Action::Resolve { token, host, port });
                    }
                }
                Some(Due::Poll(addr)) => self.ask_members(now, Exchange::Seed(addr), addr),
                None => return,
            }
        }
    }

    /// Asks a few other peers, chosen anew each time, so that what one node knows comes round.
    fn poll_others(&mut self, now: Instant) {
        if now < self.others_at || !self.exchanges.may_poll() {
            return;
        }
        let soon = self.rng.hits(Point::PollSoon);
        let wait = if soon {
            PUBLISH_EVERY
        } else {
            self.poll_every()
        };
        self.others_at = now + self.rng.jitter(wait, 20);
        let able = |entry: &&Entry| entry.routable() && entry.peer.capable;
        let mut able: Vec<SocketAddr> = self
            .table
            .entries()
            .filter(able)
            .map(|e| e.peer.addr)
            .collect();
        for _ in 0..POLL_OTHERS.min(able.len()) {
            let addr = able.swap_remove(self.rng.below(able.len()));
            if self.exchanges.may_poll() {
                self.ask_members(now, Exchange::Poll(addr), addr);
            }
        }
    }

    /// How often another peer's members are read: the longer the lists, the less often.
    pub(super) fn poll_every(&self) -> Duration {
        let peers = self.table.entries().len() / PEERS_A_POLL;
        POLL_EVERY.saturating_mul(u32::try_from(peers.saturating_add(1)).unwrap_or(u32::MAX))
    }

    fn listening(&self) -> bool {
        matches!(self.stage, Stage::Announcing { .. } | Stage::Ready)
    }

    pub(super) fn ask_members(&mut self, now: Instant, exchange: Exchange, addr: SocketAddr) {
        let deadline = now + POLL_DEADLINE;
        let token = self.exchanges.begin(exchange, deadline);
        let says = self.listening() && !self.rng.hits(Point::HelloLeftOut);
        let hello = self.hello().filter(|_| says);
        self.actions.push_back(Action::Members {
            token,
            addr,
            hello,
            deadline,
        });
    }

    /// When the next view may be published, if not at once: of very many peers that come at the same
    /// time each would make a view of all the others.
    pub(super) fn may_publish(&self) -> Option<Instant> {
        let waits = self.table.is_crowded();
        waits.then(|| self.published_at + VIEW_SPACING)
    }

    /// Publishes a view if the routable peers have changed, or, now and then, their latencies.
    fn publish(&mut self, now: Instant) {
        let latencies = self.table.remeasured && now >= self.remeasure_at;
        let dirty = self.table.dirty && self.may_publish().is_none_or(|at| at <= now);
        if !dirty && !latencies {
            return;
        }
        let routable = self.table.routable();
        let elsewhere = routable
            .iter()
            .copied()
            .filter(|entry| entry.peer.region != self.own);
        let regions = rank::rank(elsewhere);
        if self.table.dirty || rank::differ(&self.view.regions, &regions) {
            let here = routable
                .iter()
                .filter(|entry| entry.peer.region == self.own);
            let absent = self.table.entries().filter(|entry| {
                let known = entry.heard.is_some() && entry.peer.region == self.own;
                known && !entry.routable()
            });
            self.view = Arc::new(View {
                own: self.own.clone(),
                me: self.me.map(|me| me.id),
                local: here.map(|entry| entry.peer.clone()).collect(),
                absent: absent.map(|entry| entry.peer.clone()).collect(),
                regions,
                generation: self.view.generation.saturating_add(1),
            });
            self.view_changed = true;
        }
        self.published_at = now;
        self.table.dirty = false;
        self.table.remeasured = false;
        self.remeasure_at = now + PUBLISH_EVERY;
    }

    fn check_ready(&mut self, now: Instant) {
        let ready = match self.stage {
            Stage::New if self.me.is_none() => !self.view.is_empty(),
            Stage::Announcing { until, announced } => {
                (announced && self.seeds.all_tried()) || now >= until
            }
            _ => false,
        };
        if ready {
            self.stage = Stage::Ready;
            self.push_event(Event::Ready);
        }
    }

    fn push_event(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}
