//! One node as seen on one interface: its records, and when to ask for them again.
//!
//! ```text
//!  PTR heard ──▶ chased ── SRV, TXT and A known ──▶ whole (Seen) ── goodbye ──▶ parting ── 1 s ──▶ gone
//!                  ▲                                 │   ▲                         │
//!                  └────── one ran out (Doubted) ────┘   └───── announced again ───┘
//! ```

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use super::Sighting;
use super::life::Life;
use super::names::Host;
use super::packet::Ask;
use super::schedule::after;
use crate::{Duration, Instant, NodeId, Region};

/// Addresses of one host.
const MAX_ADDRESSES: usize = 16;
/// Before the first question for missing records; then doubled, up to the longest.
const FIRST_CHASE: Duration = Duration::from_millis(20);
const CHASE_INTERVAL: Duration = Duration::from_secs(1);
const MAX_CHASE_INTERVAL: Duration = Duration::from_secs(3_600);
/// A node that is doubted answers one of two queries within this, or is forgotten (RFC 6762 §10.4).
const VERIFY_TIME: Duration = Duration::from_secs(10);
const VERIFY_INTERVAL: Duration = Duration::from_secs(1);
const VERIFY_QUERIES: u8 = 2;
/// A node that answered is not doubted again for this long.
const VERIFY_PAUSE: Duration = Duration::from_secs(5);

/// An instance on an interface.
pub(super) type Key = (NodeId, u32);

/// Where an instance is.
#[derive(Debug)]
pub(super) struct Location {
    pub(super) life: Life,
    /// `None` if it is none to believe.
    pub(super) port: Option<u16>,
    pub(super) host: Host,
}

/// What it is.
#[derive(Debug)]
pub(super) struct Attributes {
    pub(super) life: Life,
    /// `None` if it is none to believe.
    pub(super) region: Option<Region>,
    pub(super) capable: bool,
    /// It is there for stock peers alone, in place of a dead node.
    pub(super) stands_in: bool,
}

/// Queries with a growing pause between them.
#[derive(Clone, Copy, Debug)]
struct Chase {
    next: Instant,
    interval: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Verify {
    started: Instant,
    next: Instant,
    sent: u8,
}

/// What was last said of an instance.
#[derive(Debug)]
struct Reported {
    sighting: Sighting,
    at: Instant,
}

/// One node, as seen on one interface. It lives as long as its PTR record.
#[derive(Debug)]
pub(super) struct Instance {
    source: IpAddr,
    pointer: Life,
    location: Option<Location>,
    attributes: Option<Attributes>,
    addresses: Vec<(Ipv4Addr, Life)>,
    reported: Option<Reported>,
    /// It said goodbye; another announcement rescues it.
    parting: bool,
    chase: Option<Chase>,
    verify: Option<Verify>,
    /// When it was last asked to prove itself.
    verified: Option<Instant>,
}

/// What became of an instance.
pub(super) enum Change {
    /// Nothing worth a word.
    None,
    /// It appeared, changed, or was renewed.
    Seen(Sighting),
    /// It was reported, and is no longer whole.
    Lost,
}

impl Instance {
    pub(super) fn new(source: IpAddr, pointer: Life) -> Self {
        Self {
            source,
            pointer,
            location: None,
            attributes: None,
            addresses: Vec::new(),
            reported: None,
            parting: false,
            chase: None,
            verify: None,
            verified: None,
        }
    }

    /// The node, if all its records are known and good.
    pub(super) fn sighting(&self, (id, interface): Key) -> Option<Sighting> {
        let location = self.location.as_ref()?;
        let attributes = self.attributes.as_ref()?;
        let before = self.reported.as_ref().map(|r| *r.sighting.address.ip());
        // Of several, the one reported stays for as long as it is there.
        let address = self.addresses.iter().find(|(ip, _)| Some(*ip) == before);
        let (ip, life) = address.or_else(|| self.addresses.first())?;
        let lives = [self.pointer, location.life, attributes.life, *life];
        if self.parting {
            return None;
        }
        Some(Sighting {
            id,
            region: attributes.region.clone()?,
            address: SocketAddrV4::new(*ip, location.port?),
            capable: attributes.capable,
            interface,
            expires: lives.iter().map(|l| l.expires).min()?,
        })
    }

    /// Drops what has run out; `false` if that is all of it.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        self.attributes.take_if(|a| a.life.is_over(now));
        self.addresses.retain(|(_, life)| !life.is_over(now));
        if self.location.as_ref().is_some_and(|l| l.life.is_over(now)) {
            // Addresses are those of the host it named.
            self.addresses.clear();
            self.location = None;
        }
        !self.is_unverified(now) && !self.pointer.is_over(now)
    }

    /// Whether it was asked to prove itself and has not.
    fn is_unverified(&self, now: Instant) -> bool {
        self.verify
            .is_some_and(|v| after(v.started, VERIFY_TIME) <= now)
    }

    /// What was last said of it, if it is a node of ours that has not proved itself.
    pub(super) fn silent(&self, now: Instant) -> Option<&Sighting> {
        let reported = self.reported.as_ref().filter(|_| self.is_unverified(now))?;
        Some(&reported.sighting).filter(|sighting| sighting.capable)
    }

    /// Its PTR record was heard.
    pub(super) fn renew(&mut self, pointer: Life) {
        self.pointer = pointer;
        self.parting = false;
    }

    /// It said goodbye; whether it had been reported.
    pub(super) fn part(&mut self, now: Instant) -> bool {
        self.parting = true;
        self.chase = None;
        self.verify = None;
        self.pointer.end(now);
        self.reported.take().is_some()
    }

    /// Its SRV record was heard; the addresses known of another host are no longer its own.
    pub(super) fn locate(&mut self, location: Location) {
        if self
            .location
            .as_ref()
            .is_none_or(|l| l.host != location.host)
        {
            self.addresses.clear();
        }
        self.location = Some(location);
        self.verify = None;
    }

    /// An A record of its host was heard.
    pub(super) fn address(&mut self, now: Instant, ip: Ipv4Addr, life: Life, flush: bool) {
        if flush {
            for (_, other) in &mut self.addresses {
                other.flush(now);
            }
        }
        let room = self.addresses.len() < MAX_ADDRESSES && !life.ttl.is_zero();
        match self.addresses.iter_mut().find(|(known, _)| *known == ip) {
            Some((_, known)) => *known = life,
            None if room => self.addresses.push((ip, life)),
            None => {}
        }
        self.verify = None;
    }

    /// Asks it to prove itself, unless it just did.
    pub(super) fn doubt(&mut self, now: Instant) {
        let lately = self
            .verified
            .is_some_and(|at| now < after(at, VERIFY_PAUSE));
        if self.verify.is_none() && !lately && !self.parting {
            self.verified = Some(now);
            self.verify = Some(Verify {
                started: now,
                next: now,
                sent: 0,
            });
        }
    }

    /// Whether there is something new to report, and if so, takes it as reported. `silent`: it is
    /// reported from another interface already.
    pub(super) fn report(&mut self, now: Instant, key: Key, silent: bool) -> Change {
        let Some(sighting) = self.sighting(key) else {
            return match self.reported.take() {
                Some(_) => Change::Lost,
                None => Change::None,
            };
        };
        let news = match &self.reported {
            None => !silent,
            Some(Reported { sighting: old, at }) => {
                // News is a renewal of the lease by a twentieth, so that one between the last
                // refresh and the end always is.
                let lease = old.expires.saturating_since(*at);
                let gain = sighting.expires.saturating_since(old.expires);
                let renewed = !gain.is_zero() && gain.saturating_mul(20) >= lease;
                renewed
                    || (old.address, &old.region, old.capable)
                        != (sighting.address, &sighting.region, sighting.capable)
            }
        };
        if !news {
            return Change::None;
        }
        self.reported = Some(Reported {
            sighting: sighting.clone(),
            at: now,
        });
        Change::Seen(sighting)
    }

    /// Its TXT record was heard; the region it had before.
    pub(super) fn describe(&mut self, attributes: Attributes) -> Option<Region> {
        self.attributes.replace(attributes)?.region
    }

    /// Takes over what is known of its host.
    pub(super) fn adopt(&mut self, addresses: Vec<(Ipv4Addr, Life)>) {
        self.addresses = addresses;
    }

    /// Who told of it first.
    pub(super) const fn source(&self) -> IpAddr {
        self.source
    }

    pub(super) fn host(&self) -> Option<&Host> {
        self.location.as_ref().map(|l| &l.host)
    }

    pub(super) fn region(&self) -> Option<&Region> {
        self.attributes.as_ref()?.region.as_ref()
    }

    pub(super) fn addresses(&self) -> &[(Ipv4Addr, Life)] {
        &self.addresses
    }

    pub(super) const fn is_reported(&self) -> bool {
        self.reported.is_some()
    }

    pub(super) const fn expires(&self) -> Instant {
        self.pointer.expires
    }

    /// Seconds its PTR record has left, if more than half of its life.
    pub(super) fn known(&self, now: Instant) -> Option<u32> {
        self.pointer.fresh(now).filter(|_| !self.parting)
    }

    fn is_whole(&self) -> bool {
        self.location.is_some() && self.attributes.is_some() && !self.addresses.is_empty()
    }

    /// Starts or stops the search for missing records.
    pub(super) fn chase(&mut self, now: Instant, jitter: u8) {
        if self.is_whole() || self.parting {
            self.chase = None;
        } else if self.chase.is_none() {
            let wait = Duration::from_millis(u64::from(jitter).saturating_mul(5));
            self.chase = Some(Chase {
                next: after(now, FIRST_CHASE.saturating_add(wait)),
                interval: CHASE_INTERVAL,
            });
        }
    }

    /// What to ask now, with what falls due until `until`.
    pub(super) fn asks(
        &mut self,
        id: NodeId,
        now: Instant,
        until: Instant,
        asks: &mut BTreeSet<Ask>,
    ) {
        if self.parting {
            return;
        }
        let verifying = self.verify.as_mut().is_some_and(|verify| {
            let due = verify.sent < VERIFY_QUERIES && verify.next <= now;
            if due {
                verify.sent = verify.sent.saturating_add(1);
                verify.next = after(now, VERIFY_INTERVAL);
            }
            due
        });
        let chasing = self.chase.as_mut().is_some_and(|chase| {
            let due = chase.next <= now;
            if due {
                chase.next = after(now, chase.interval);
                chase.interval = chase.interval.saturating_mul(2).min(MAX_CHASE_INTERVAL);
            }
            due
        });
        if self.pointer.refresh(until) {
            asks.insert(Ask::Service);
        }
        match &mut self.location {
            Some(location) => {
                let address_due = self
                    .addresses
                    .iter_mut()
                    .fold(false, |due, (_, life)| life.refresh(until) || due);
                if location.life.refresh(until) || verifying {
                    asks.insert(Ask::Srv(id));
                }
                if address_due || verifying || (chasing && self.addresses.is_empty()) {
                    asks.insert(Ask::A(location.host.clone()));
                }
            }
            None if chasing || verifying => {
                asks.insert(Ask::Srv(id));
            }
            None => {}
        }
        let attributes_due = match &mut self.attributes {
            Some(attributes) => attributes.life.refresh(until),
            None => chasing,
        };
        if attributes_due {
            asks.insert(Ask::Txt(id));
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        let lives = [
            self.location.as_ref().map(|l| l.life.deadline()),
            self.attributes.as_ref().map(|a| a.life.deadline()),
            self.addresses.iter().map(|(_, l)| l.deadline()).min(),
            self.chase.map(|c| c.next),
            self.verify.map(|v| match v.sent {
                VERIFY_QUERIES.. => after(v.started, VERIFY_TIME),
                _ => v.next.min(after(v.started, VERIFY_TIME)),
            }),
        ];
        if self.parting {
            return self.pointer.expires;
        }
        let lives = lives.into_iter().flatten();
        lives.fold(self.pointer.deadline(), Instant::min)
    }
}
