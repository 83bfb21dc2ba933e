//! The machine as its driver sees it.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use simple_dns::Packet;

use super::browser::Browser;
use super::burial::Burial;
use super::common::Common;
use super::guard::Sources;
use super::link::Link;
use super::packet::{self, Ask};
use super::prefilter::prefilter;
use super::prober::Phase;
use super::responder::{Asker, PORT, is_own};
use super::zone::Zone;
use super::{Config, Datagram, Destination, Event, Interface, Service, Stats, Transmit};
use crate::{Buggify, Instant, NodeId, Point};

/// Interfaces served; more are ignored.
const MAX_INTERFACES: usize = 64;
/// Multicast DNS with service discovery, on any number of interfaces.
///
/// After any call, poll transmits and events until there are none, and the timeout anew.
#[derive(Debug)]
pub struct Mdns {
    pub(super) links: BTreeMap<u32, Link>,
    pub(super) browser: Browser,
    sources: Sources,
    pub(super) common: Common,
    /// The latest conflicts over a name probed for.
    pub(super) conflicts: VecDeque<Instant>,
    /// There were too many, and no name was won since.
    pub(super) throttled: bool,
    /// Whether the service may be announced.
    pub(super) announcing: bool,
    leaving: bool,
    /// Goodbyes for others.
    pub(super) burials: Vec<Burial>,
}

impl Mdns {
    /// A machine on no interface yet. It listens from the first [`handle_interface`] on, and announces
    /// nothing before [`announce`]. Same `seed`, same behaviour.
    ///
    /// [`handle_interface`]: Self::handle_interface
    /// [`announce`]: Self::announce
    #[must_use]
    pub fn new(_now: Instant, config: Config, seed: u64) -> Self {
        let browser = Browser::new(&config);
        let alias = config.alias;
        let zone = config.service.map(|service| Zone::new(service, alias));
        let mut mdns = Self {
            links: BTreeMap::new(),
            browser,
            sources: Sources::default(),
            common: Common::new(zone, seed),
            conflicts: VecDeque::new(),
            throttled: false,
            announcing: false,
            leaving: false,
            burials: Vec::new(),
        };
        mdns.own_addresses();
        mdns
    }

    /// Decides with these points from now on.
    pub fn set_buggify(&mut self, buggify: &Buggify) {
        self.common.rng.set_buggify(buggify);
    }

    /// The service announced, with its id of the moment.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        self.common.zone.as_ref().map(Zone::service)
    }

    /// Counters since the start.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.common.stats
    }

    /// Whether all goodbyes are sent and nothing is left to do.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let said = self.common.is_flushed() && self.burials.is_empty();
        self.leaving && said && self.poll_timeout().is_none()
    }

    /// An interface is up, or its addresses changed; the same again is fine.
    ///
    /// Another address than the one announced here wants another id, for stock peers ignore updates of
    /// a name they know: the machine says goodbye everywhere, draws an id and reports
    /// [`Event::Renamed`]. Whoever derives ids from addresses calls [`replace`](Self::replace) first.
    pub fn handle_interface(&mut self, now: Instant, interface: Interface) {
        if self.leaving {
            return;
        }
        let index = interface.index;
        self.stand_ins_move(now, index, Some(&interface));
        let new = !self.links.contains_key(&index);
        if new {
            if self.links.len() >= MAX_INTERFACES {
                self.common.stats.overflowed = self.common.stats.overflowed.saturating_add(1);
                return;
            }
            let link = Link::new(now, interface, &mut self.common);
            self.links.insert(index, link);
        } else if let Some(link) = self.links.get_mut(&index) {
            if link.is(&interface) {
                return;
            }
            link.update(interface);
            link.restart_browsing(now, &mut self.common);
        }
        self.own_addresses();
        self.rehome(now, index);
    }

    /// The interface with this index is gone.
    pub fn handle_interface_down(&mut self, now: Instant, index: u32) {
        if self.links.remove(&index).is_none() || self.leaving {
            return;
        }
        self.stand_ins_move(now, index, None);
        // Whether its address is another one when it comes back.
        if self.common.homes.len() > MAX_INTERFACES {
            self.common.homes.remove(&index);
        }
        self.own_addresses();
        self.browser.forget(now, index, &mut self.common);
    }

    /// A datagram arrived.
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        if self.leaving {
            return;
        }
        self.stand_ins_hear(now, datagram);
        let stats = &mut self.common.stats;
        stats.received = stats.received.saturating_add(1);
        let Some(link) = self.links.get(&datagram.interface) else {
            stats.strange = stats.strange.saturating_add(1);
            return;
        };
        let source = datagram.source.ip();
        let on_link = link.is_on_link(source);
        let neighbour = is_own(&self.common, source);
        if neighbour
            && self
                .common
                .loops
                .returned(now, datagram.interface, datagram.payload)
        {
            let stats = &mut self.common.stats;
            stats.looped = stats.looped.saturating_add(1);
            return;
        }
        let stats = &mut self.common.stats;
        // RFC 6762 §11: not from elsewhere.
        if !on_link && !datagram.multicast {
            stats.strange = stats.strange.saturating_add(1);
            return;
        }
        // Many nodes may live on this host, and the outside can not send in its name.
        if !neighbour && !self.sources.admit(now, source) {
            stats.flooded = stats.flooded.saturating_add(1);
            return;
        }
        let Some(bytes) = prefilter(datagram.payload) else {
            stats.malformed = stats.malformed.saturating_add(1);
            return;
        };
        // RFC 6762 §18.3, §18.11: opcode and rcode 0, else silence.
        let flags = [bytes.get(2), bytes.get(3)].map(|byte| byte.copied().unwrap_or_default());
        if flags[0] & 0x78 != 0 || flags[1] & 0x0f != 0 {
            stats.strange = stats.strange.saturating_add(1);
            return;
        }
        let Ok(packet) = Packet::parse(&bytes) else {
            stats.malformed = stats.malformed.saturating_add(1);
            return;
        };
        if flags[0] & 0x80 == 0 {
            self.handle_query(now, &datagram, &packet, on_link, neighbour);
        } else if datagram.source.port() == PORT {
            self.handle_response(now, &datagram, &packet, neighbour);
        } else {
            // RFC 6762 §6: a response comes from port 5353.
            stats.strange = stats.strange.saturating_add(1);
        }
    }

    /// The service is ready (HTTP listens): probe for its name, then announce it.
    pub fn announce(&mut self, now: Instant) {
        if !self.announcing && !self.leaving && self.common.zone.is_some() {
            self.announcing = true;
            self.probe(now, None);
        }
    }

    /// Announce `service` from now on, after a goodbye to the former one (stock peers ignore updates of
    /// a name they know, so it should come with another id). Before [`announce`](Self::announce) it
    /// only takes the former one's place. Reported by [`Event::Announced`] alone.
    pub fn replace(&mut self, now: Instant, service: Service) {
        if self.leaving || self.service() == Some(&service) {
            return;
        }
        self.part(now);
        let alias = self.common.zone.as_ref().is_some_and(Zone::has_alias);
        self.settle_zone(now, Zone::new(service, alias), None);
    }

    /// Leave: goodbyes now, 125 and 250 ms later, then [`is_closed`](Self::is_closed). Events not polled
    /// by now are dropped.
    pub fn goodbye(&mut self, now: Instant) {
        if self.leaving {
            return;
        }
        // A node killed and started again may be remembered, though it has not announced itself yet.
        for link in self.links.values() {
            if let (Phase::Probing { .. }, Some(home)) = (link.phase, link.home) {
                self.common.homes.entry(link.index).or_insert(home);
            }
        }
        self.part(now);
        self.end_burials(now);
        self.leaving = true;
        self.announcing = false;
        self.browser.cache.clear();
        self.common.forget_events();
        for link in self.links.values_mut() {
            link.phase = Phase::Idle;
            link.responder.clear();
        }
    }

    /// Requests to this node fail: ask for its records again, and without an answer in 10 s forget
    /// them and report [`Event::Doubted`] (RFC 6762 §10.4); at once if it is not known here.
    pub fn verify(&mut self, now: Instant, id: NodeId) {
        if self.leaving {
            return;
        }
        if !self.browser.cache.doubt(now, id) {
            self.common.report(Event::Doubted { id });
        }
        self.ask(now);
    }

    /// The next datagram to send.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let own = self.common.poll_transmit();
        own.or_else(|| self.poll_stand_in())
    }

    /// The next event.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.common.poll_event()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let links = self.links.values();
        let links = links.filter_map(|link| link.deadline(self.leaving)).min();
        let cache = self.browser.cache.deadline();
        let burials = self.burials_due();
        [links, cache, burials].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        for link in self.links.values_mut() {
            link.bid_farewell(now, &mut self.common);
            if !self.leaving {
                link.advance(now, &mut self.common);
                link.flush(now, &mut self.common);
            }
        }
        self.tend_burials(now);
        if !self.leaving {
            self.ask(now);
        }
    }
}

impl Mdns {
    fn handle_query(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        query: &Packet<'_>,
        on_link: bool,
        neighbour: bool,
    ) {
        let source = datagram.source.ip();
        if !query.name_servers.is_empty() {
            self.is_probed_for(now, query);
        }
        let Some(link) = self.links.get_mut(&datagram.interface) else {
            return;
        };
        if !query.name_servers.is_empty() {
            link.tie_break(now, query, &mut self.common);
        }
        // Only from the group: a hint costs everybody who takes it a packet.
        let misses = || {
            let misses = self.browser.misses(query, datagram.interface, &self.common);
            misses && !self.common.rng.hits(Point::HintIgnored)
        };
        if datagram.multicast && misses() {
            link.take_hint(now, &mut self.common);
        }
        // Few questions are to this node and want it; it is a look at all instances.
        let zone = self.common.zone.as_ref();
        let mut questions = query.questions.iter().filter(|q| q.unicast_response);
        let direct =
            questions.any(|q| zone.is_some_and(|zone| !zone.answers(&q.qname, q.qtype).is_empty()));
        let at_home = || self.browser.cache.is_home(datagram.interface, source);
        let asker = Asker {
            on_link,
            crowded: neighbour || (direct && at_home()),
        };
        link.answer(
            now,
            datagram,
            query,
            asker,
            &mut self.sources,
            &mut self.common,
        );
    }

    fn handle_response(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        response: &Packet<'_>,
        neighbour: bool,
    ) {
        if self.conflicts_with(datagram.interface, response) {
            self.resolve(now, datagram.interface);
        }
        let denied = self.is_bidden_farewell(response);
        self.is_told_of(now, response);
        if let Some(link) = self.links.get_mut(&datagram.interface) {
            let common = &mut self.common;
            if denied {
                link.reassert(now, common);
            }
            if !common.browses {
                return;
            }
            let found = self
                .browser
                .learn(now, datagram, neighbour, response, link, common);
            if found {
                link.found();
            }
            self.ask(now);
        }
    }

    /// Asks what is due to be asked, and brings the instances concerned up to date.
    fn ask(&mut self, now: Instant) {
        let (due, mut asks) = self.browser.cache.due(now);
        for link in self.links.values_mut() {
            if link.browse_due(now) {
                asks.entry(link.index).or_default().insert(Ask::Service);
            }
        }
        for (interface, asks) in asks {
            let lists = !self.common.rng.hits(Point::KnownAnswersLeftOut);
            let known = if lists && asks.contains(&Ask::Service) {
                self.browser.cache.known(now, interface)
            } else {
                Vec::new()
            };
            let asks: Vec<_> = asks.into_iter().collect();
            for payload in packet::queries(&asks, &known) {
                self.common.stats.queries = self.common.stats.queries.saturating_add(1);
                let to = Destination::Multicast;
                self.common.send(now, interface, to, payload);
            }
        }
        for key in due {
            self.browser.settle(now, key, 0, &mut self.common);
        }
    }
}
