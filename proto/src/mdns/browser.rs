//! Learning of other nodes from responses.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use simple_dns::rdata::{RData, TXT};
use simple_dns::{Packet, ResourceRecord, TYPE};

use super::cache::{Cache, Full};
use super::common::Common;
use super::instance::{Attributes, Change, Key, Location};
use super::life::Life;
use super::link::Link;
use super::names::{Host, Known};
use super::responder::is_own;
use super::{Cidr, Config, Datagram, Event, Service};
use crate::{Instant, NodeId, Region};

/// Thousandths of its TTL that a record's refresh is late at most.
const MAX_JITTER: usize = 20;
/// The first port that needs no privilege.
const FIRST_HIGH_PORT: u16 = 1_024;
/// Allowed ranges of addresses used; more are ignored.
const MAX_ALLOWED: usize = 64;

/// Other nodes, on all interfaces.
#[derive(Debug)]
pub(super) struct Browser {
    pub(super) cache: Cache,
    low_ports: bool,
    allowed: Vec<Cidr>,
}

impl Browser {
    pub(super) fn new(config: &Config) -> Self {
        // Who has such a port expects that of others.
        let low = |service: &Service| service.port < FIRST_HIGH_PORT;
        Self {
            cache: Cache::new(),
            low_ports: config.low_ports || config.service.as_ref().is_some_and(low),
            allowed: config.allowed.iter().take(MAX_ALLOWED).copied().collect(),
        }
    }

    /// Takes in a response; whether it tells of a new instance. `trusted` are those of this very host.
    pub(super) fn learn(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        trusted: bool,
        packet: &Packet<'_>,
        link: &Link,
        common: &mut Common,
    ) -> bool {
        let from = datagram.source.ip();
        let jitter = u8::try_from(common.rng.below(MAX_JITTER)).unwrap_or_default();
        let records = || packet.answers.iter().chain(&packet.additional_records);
        let mut touched = BTreeSet::new();
        let mut found = false;
        // A record makes sense of the ones after it, and they may come in any order.
        for record in records() {
            if let Some(id) = pointed_at(record, common) {
                let key = (id, link.index);
                found |= self.point(now, key, record.ttl, from, trusted, jitter, common);
                touched.insert(id);
            }
        }
        for record in records() {
            if let Known::Instance(id) = Known::of(&record.name) {
                let key = (id, link.index);
                if !common.is_own(id) && self.cache.contains(key) {
                    self.detail(now, key, record, jitter, common);
                    touched.insert(id);
                }
            }
        }
        for record in records() {
            if let RData::A(a) = &record.rdata {
                let ip = Ipv4Addr::from_bits(a.address);
                let host = Host::of(&record.name);
                let life = Life::new(now, record.ttl, jitter);
                // Of what is on this host only this host may tell.
                let believed =
                    self.believes(ip, link) && (trusted || !is_own(common, IpAddr::V4(ip)));
                for id in self.cache.on_host(link.index, &host) {
                    let key = (id, link.index);
                    if believed {
                        self.cache.address(now, key, ip, life, record.cache_flush);
                        touched.insert(id);
                    } else {
                        common.stats.invalid = common.stats.invalid.saturating_add(1);
                    }
                }
            }
        }
        for id in touched {
            self.settle(now, (id, link.index), jitter, common);
        }
        found
    }

    /// Whether a node may be at `address`, told of on `link`: on that link, or where it is allowed.
    fn believes(&self, address: Ipv4Addr, link: &Link) -> bool {
        let allowed = || self.allowed.iter().any(|range| range.contains(address));
        link.is_sane(address) && (link.is_on_link(IpAddr::V4(address)) || allowed())
    }

    /// Whether a query's known answers tell of an instance that is not known here. No more than a
    /// hint: they must not be cached (RFC 6762 §7.1).
    pub(super) fn misses(&self, query: &Packet<'_>, interface: u32, common: &Common) -> bool {
        query.answers.iter().any(|record| match &record.rdata {
            RData::PTR(target) if Known::of(&record.name) == Known::Service => {
                let Known::Instance(id) = Known::of(target) else {
                    return false;
                };
                !common.is_own(id) && !self.cache.contains((id, interface))
            }
            _ => false,
        })
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all of them belong to one record"
    )]
    fn point(
        &mut self,
        now: Instant,
        key: Key,
        ttl: u32,
        from: IpAddr,
        trusted: bool,
        jitter: u8,
        common: &mut Common,
    ) -> bool {
        if ttl == 0 {
            // One that was never heard of here may be known otherwise.
            let unknown = !self.cache.contains(key);
            if self.cache.part(now, key) || unknown {
                common.report(Event::Gone { id: key.0, from });
                self.hand_over(now, key, jitter, common);
            }
            return false;
        }
        let pointer = Life::new(now, ttl, jitter);
        self.cache
            .point(key, from, trusted, pointer)
            .unwrap_or_else(|Full| {
                common.stats.overflowed = common.stats.overflowed.saturating_add(1);
                false
            })
    }

    /// An SRV or TXT record of a known instance.
    fn detail(
        &mut self,
        now: Instant,
        key: Key,
        record: &ResourceRecord<'_>,
        jitter: u8,
        common: &mut Common,
    ) {
        let life = Life::new(now, record.ttl, jitter);
        let stats = &mut common.stats;
        match &record.rdata {
            RData::SRV(srv) => {
                let believed = srv.port >= FIRST_HIGH_PORT || (self.low_ports && srv.port != 0);
                if !believed {
                    stats.invalid = stats.invalid.saturating_add(1);
                }
                let location = Location {
                    life,
                    port: believed.then_some(srv.port),
                    host: Host::of(&srv.target),
                };
                if let Err(Full) = self.cache.locate(key, location) {
                    stats.overflowed = stats.overflowed.saturating_add(1);
                }
            }
            RData::TXT(txt) => {
                let attributes = attributes(life, txt);
                if attributes.region.is_none() && !attributes.stands_in {
                    stats.invalid = stats.invalid.saturating_add(1);
                }
                if let Err(Full) = self.cache.describe(key, attributes) {
                    stats.overflowed = stats.overflowed.saturating_add(1);
                }
            }
            // No strings at all.
            RData::Empty(TYPE::TXT) => {
                stats.invalid = stats.invalid.saturating_add(1);
                // Cannot be full: it has no region.
                let _ = self.cache.describe(key, attributes(life, &TXT::new()));
            }
            // NSEC among them: what it denies may be cached from before, and python-zeroconf up to
            // 0.150 lists in it what is missing.
            _ => {}
        }
    }

    /// Brings an instance up to date, and reports what became of it.
    pub(super) fn settle(&mut self, now: Instant, key: Key, jitter: u8, common: &mut Common) {
        match self.cache.settle(now, key, jitter) {
            Change::None => {}
            Change::Seen(sighting) => {
                if is_ourselves(&sighting, common) {
                    self.cache.remove(key);
                    common.stats.invalid = common.stats.invalid.saturating_add(1);
                } else {
                    common.report(Event::Seen(sighting));
                }
            }
            Change::Lost => {
                if !self.hand_over(now, key, jitter, common) {
                    common.report(Event::Doubted { id: key.0 });
                }
            }
        }
    }

    /// An instance is no longer reported from `key`'s interface: maybe another one sees it too.
    pub(super) fn hand_over(
        &mut self,
        now: Instant,
        key: Key,
        jitter: u8,
        common: &mut Common,
    ) -> bool {
        let others = self.cache.interfaces(key.0).into_iter();
        for interface in others.filter(|i| *i != key.1) {
            if let Change::Seen(sighting) = self.cache.settle(now, (key.0, interface), jitter) {
                common.report(Event::Seen(sighting));
                return true;
            }
        }
        false
    }

    /// Forgets an interface: what was seen on it alone is in doubt.
    pub(super) fn forget(&mut self, now: Instant, interface: u32, common: &mut Common) {
        self.cache.forget_silent(interface);
        for id in self.cache.on(interface) {
            let key = (id, interface);
            if self.cache.remove(key) && !self.hand_over(now, key, 0, common) {
                common.report(Event::Doubted { id });
            }
        }
    }
}

/// The instance a PTR record of the service names.
fn pointed_at(record: &ResourceRecord<'_>, common: &mut Common) -> Option<NodeId> {
    let RData::PTR(target) = &record.rdata else {
        return None;
    };
    if Known::of(&record.name) != Known::Service {
        return None;
    }
    match Known::of(target) {
        Known::Instance(id) => (!common.is_own(id)).then_some(id),
        _ => {
            common.stats.invalid = common.stats.invalid.saturating_add(1);
            None
        }
    }
}

/// Another id at our own address and port: ourselves, from before a change of id.
fn is_ourselves(sighting: &super::Sighting, common: &Common) -> bool {
    let port = common.zone.as_ref().map(|zone| zone.service().port);
    let home = |home: &Ipv4Addr| home == sighting.address.ip();
    port == Some(sighting.address.port()) && common.homes.values().any(home)
}

/// Keys are compared without case, and the first of a key counts (RFC 6763 §6.4).
fn attributes(life: Life, txt: &TXT<'_>) -> Attributes {
    let value = |wanted: &[u8]| {
        let mut all = txt.iter_raw();
        all.find(|(key, _)| key.eq_ignore_ascii_case(wanted))
            .and_then(|(_, value)| value)
    };
    let region = value(b"region").and_then(|name| core::str::from_utf8(name).ok());
    // Another name of a node that has one.
    let stands_in = value(b"for").is_some();
    let region = region.filter(|_| !stands_in);
    Attributes {
        life,
        stands_in,
        region: region.and_then(|name| Region::new(name).ok()),
        capable: value(b"zc") == Some(b"1"),
    }
}
