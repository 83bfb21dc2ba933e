//! Winning and announcing the names, on each interface for itself, and saying goodbye.
//!
//! ```text
//!         start, interface up              3 probes, 250 ms apart
//!  Idle ──────────────────────▶ Probing ──────────────────────────▶ Announcing
//!                               ▲  ▲  │ lost a tie-break: 1 s          │ 3 announcements:
//!      conflict: a new id, all  │  └──┘ conflict: new id              │ 0, +1, +3 s
//!      interfaces probe for it  │                                     ▼
//!                               └───────────────────────────────  Established
//!                                  conflict: defend by probing
//! ```

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use simple_dns::rdata::RData;
use simple_dns::{Packet, ResourceRecord};

use super::common::Common;
use super::link::Link;
use super::packet;
use super::schedule::after;
use super::zone::{Record, Zone};
use super::{Destination, Event};
use crate::{Duration, Instant};

/// Before the first probe, at random up to this (RFC 6762 §8.1).
pub(super) const PROBE_WAIT: Duration = Duration::from_millis(250);
const PROBE_INTERVAL: Duration = Duration::from_millis(250);
const PROBES: u8 = 3;
/// After a tie-break was lost (RFC 6762 §8.2).
const DEFERRAL: Duration = Duration::from_secs(1);
/// Between an announcement and the next (RFC 6762 §8.3).
const ANNOUNCE_INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// Before the first of them after somebody else said goodbye in our name.
const REASSERT_WAIT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(120));
/// Between a goodbye and the next; many a one is lost on Wi-Fi.
const GOODBYE_INTERVAL: Duration = Duration::from_millis(125);
pub(super) const GOODBYES: u8 = 3;
/// Names being taken leave of at a time.
const MAX_FAREWELLS: usize = 4;

/// How far the names are on an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Nothing to announce, or no address to announce here.
    Idle,
    /// Asking whether the names are free.
    Probing {
        /// Probes sent.
        sent: u8,
        next: Instant,
    },
    /// The names are ours; not all announcements are out.
    Announcing {
        /// Announcements sent.
        sent: u8,
        next: Instant,
    },
    /// The names are ours.
    Established,
}

impl Phase {
    pub(super) const fn deadline(self) -> Option<Instant> {
        match self {
            Self::Probing { next, .. } | Self::Announcing { next, .. } => Some(next),
            Self::Idle | Self::Established => None,
        }
    }

    /// Whether questions are answered.
    pub(super) const fn is_ours(self) -> bool {
        matches!(self, Self::Announcing { .. } | Self::Established)
    }
}

/// A goodbye under way.
#[derive(Debug)]
pub(super) struct Farewell {
    payload: Vec<u8>,
    sent: u8,
    pub(super) next: Instant,
}

impl Link {
    /// Begins to probe, after `wait`.
    pub(super) fn probe(&mut self, now: Instant, wait: Duration) {
        self.responder.clear();
        self.phase = match self.home {
            Some(_) => Phase::Probing {
                sent: 0,
                next: after(now, wait),
            },
            None => Phase::Idle,
        };
    }

    /// Sends the probe or announcement that is due.
    pub(super) fn advance(&mut self, now: Instant, common: &mut Common) {
        let (Some(zone), Some(home)) = (&common.zone, self.home) else {
            return;
        };
        match self.phase {
            Phase::Probing { sent, next } if next <= now => {
                if sent >= PROBES {
                    self.phase = Phase::Announcing { sent: 0, next: now };
                    return self.advance(now, common);
                }
                let payload = packet::probe(zone, home);
                self.phase = Phase::Probing {
                    sent: sent.saturating_add(1),
                    next: after(now, PROBE_INTERVAL),
                };
                common.send(now, self.index, Destination::Multicast, payload);
            }
            Phase::Announcing { sent, next } if next <= now => {
                // What has just been told to somebody who asked waits its second.
                let allowed = self.responder.allowed(zone.announced());
                if let Some(next) = allowed.filter(|allowed| *allowed > now) {
                    self.phase = Phase::Announcing { sent, next };
                    return;
                }
                let payload = packet::announcement(zone, home, false);
                let id = zone.service().id;
                self.responder.multicast(now, zone.announced());
                self.phase = match ANNOUNCE_INTERVALS.get(usize::from(sent)) {
                    Some(interval) => Phase::Announcing {
                        sent: sent.saturating_add(1),
                        next: after(now, *interval),
                    },
                    None => Phase::Established,
                };
                common.send(now, self.index, Destination::Multicast, payload);
                common.homes.insert(self.index, home);
                if common.visible != Some(id) {
                    common.visible = Some(id);
                    common.report(Event::Announced { id });
                }
            }
            _ => {}
        }
    }

    /// Somebody has taken our records back in our name: those who believed it are to have them again.
    pub(super) fn reassert(&mut self, now: Instant, common: &mut Common) {
        let (Some(zone), Phase::Established) = (&common.zone, self.phase) else {
            // Announcements are on their way anyway.
            return;
        };
        let (from, to) = REASSERT_WAIT;
        let soon = after(now, common.rng.between(from, to));
        let allowed = self.responder.allowed(zone.announced());
        self.phase = Phase::Announcing {
            sent: 0,
            next: allowed.map_or(soon, |allowed| allowed.max(soon)),
        };
    }

    /// Somebody probes for a name that is probed for here: who has the lower records waits, then asks
    /// again, and learns that the name is taken (RFC 6762 §8.2).
    pub(super) fn tie_break(&mut self, now: Instant, packet: &Packet<'_>, common: &mut Common) {
        let (Some(zone), Some(home), Phase::Probing { .. }) = (&common.zone, self.home, self.phase)
        else {
            return;
        };
        for own in [Record::Srv, Record::A, Record::AliasSrv] {
            if !zone.unique().contains(own) {
                continue;
            }
            let name = zone.record(own, home).name;
            let theirs: Vec<_> = packet
                .name_servers
                .iter()
                .filter(|record| record.name == name)
                .collect();
            if theirs.is_empty() || theirs.iter().all(|r| is_identical(zone, r, &common.own)) {
                continue;
            }
            let mut theirs: Vec<_> = theirs.into_iter().map(packet::rank).collect();
            let mut ours: Vec<_> = zone
                .unique()
                .iter()
                .map(|record| zone.record(record, home))
                .filter(|record| record.name == name)
                .map(|record| packet::rank(&record))
                .collect();
            theirs.sort_unstable();
            ours.sort_unstable();
            if ours < theirs {
                self.phase = Phase::Probing {
                    sent: 0,
                    next: after(now, DEFERRAL),
                };
                common.stats.conflicts = common.stats.conflicts.saturating_add(1);
                return;
            }
        }
    }

    /// Begins to take leave of what was announced here under the present id, if anything was; the
    /// first goodbye is sent now.
    pub(super) fn part(&mut self, now: Instant, common: &mut Common) {
        let (Some(zone), Some(home)) = (&common.zone, common.homes.get(&self.index)) else {
            return;
        };
        if self.farewells.len() >= MAX_FAREWELLS {
            self.farewells.remove(0);
        }
        self.farewells.push(Farewell {
            payload: packet::announcement(zone, *home, true),
            sent: 0,
            next: now,
        });
        self.bid_farewell(now, common);
    }

    /// Sends the goodbyes that are due.
    pub(super) fn bid_farewell(&mut self, now: Instant, common: &mut Common) {
        let index = self.index;
        // A stand-in leaves while its node stays: the others have time enough to hear it.
        let interval = match common.browses {
            true => GOODBYE_INTERVAL,
            false => PROBE_INTERVAL,
        };
        self.farewells.retain_mut(|farewell| {
            if farewell.next > now {
                return true;
            }
            common.send(now, index, Destination::Multicast, farewell.payload.clone());
            farewell.sent = farewell.sent.saturating_add(1);
            farewell.next = after(now, interval);
            farewell.sent < GOODBYES
        });
    }
}

/// Whether `theirs`, of one of our unique names, says just what we say ourselves, here or on another
/// interface: a copy of our own, or a reflection (RFC 6762 §6.6).
pub(super) fn is_identical(
    zone: &Zone,
    theirs: &ResourceRecord<'_>,
    own: &alloc::collections::BTreeSet<Ipv4Addr>,
) -> bool {
    match (zone.rival(theirs), &theirs.rdata) {
        (Some(Record::A), RData::A(a)) => own.contains(&Ipv4Addr::from_bits(a.address)),
        (Some(record), data) => zone.record(record, Ipv4Addr::UNSPECIFIED).rdata == *data,
        // What we do not have ourselves may be there, if it denies others.
        (None, RData::NSEC(_)) => true,
        (None, _) => false,
    }
}
