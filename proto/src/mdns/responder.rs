//! Answering questions about the own records, as seldom as can be (RFC 6762 §6, §7).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use simple_dns::{CLASS, Packet, PacketFlag, QCLASS, Question, ResourceRecord};

use super::common::Common;
use super::guard::Sources;
use super::link::Link;
use super::packet;
use super::schedule::after;
use super::zone::{Record, Records, Zone};
use super::{Datagram, Destination};
use crate::{Duration, Instant, Point};

/// Shared records wait, so that answers of many do not collide.
const SHARED_WAIT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(120));
/// More known answers follow (TC): wait for them.
const MORE_WAIT: (Duration, Duration) = (Duration::from_millis(400), Duration::from_millis(500));
/// Between two multicasts of a record.
const INTERVAL: Duration = Duration::from_secs(1);
/// The same when a name is defended against a probe.
const DEFENCE_INTERVAL: Duration = Duration::from_millis(250);
/// Askers whose further known answers are waited for; others get their answer without.
const MAX_DEFERRED: usize = 16;
/// Where mDNS queriers send from.
pub(super) const PORT: u16 = 5353;

const COUNT: usize = Record::ALL.len();

/// When each record was last multicast, and when it is to be.
#[derive(Debug)]
pub(super) struct Responder {
    slots: [Slot; COUNT],
    deferred: Vec<Deferred>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    last: Option<Instant>,
    due: Option<Instant>,
}

/// A question whose known answers come in several packets.
#[derive(Debug)]
struct Deferred {
    source: SocketAddr,
    due: Instant,
    wanted: Records,
    known: Records,
}

impl Responder {
    pub(super) fn new() -> Self {
        Self {
            slots: [Slot::default(); COUNT],
            deferred: Vec::new(),
        }
    }

    /// Forgets all questions and all that was sent.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = self.slots.iter().filter_map(|slot| slot.due);
        due.chain(self.deferred.iter().map(|d| d.due)).min()
    }

    /// When all of these records may be multicast again (RFC 6762 §6).
    pub(super) fn allowed(&self, records: Records) -> Option<Instant> {
        let slots = self.slots.iter().zip(Record::ALL);
        let told = slots.filter(|(_, record)| records.contains(*record));
        let last = told.filter_map(|(slot, _)| slot.last).max();
        last.map(|last| after(last, INTERVAL))
    }

    /// `records` are multicast now: whoever waited for one has it.
    pub(super) fn multicast(&mut self, now: Instant, records: Records) {
        for (slot, record) in self.slots.iter_mut().zip(Record::ALL) {
            if records.contains(record) {
                slot.last = Some(now);
                slot.due = None;
            }
        }
    }

    /// Queues `records` to be multicast at `at`, or as soon after as `interval` allows.
    fn queue(&mut self, at: Instant, records: Records, interval: Duration) {
        for (slot, record) in self.slots.iter_mut().zip(Record::ALL) {
            if records.contains(record) {
                let allowed = slot.last.map_or(at, |last| after(last, interval).max(at));
                slot.due = Some(slot.due.map_or(allowed, |due| due.min(allowed)));
            }
        }
    }

    fn take_due(&mut self, now: Instant) -> Records {
        let mut due = Records::NONE;
        for (slot, record) in self.slots.iter_mut().zip(Record::ALL) {
            if slot.due.is_some_and(|at| at <= now) {
                slot.due = None;
                due = due.with(record);
            }
        }
        due
    }

    /// What `source` asked for and does not have yet.
    fn waiting(&self, source: SocketAddr) -> Records {
        let deferred = self.deferred.iter().find(|d| d.source == source);
        deferred.map_or(Records::NONE, |d| d.wanted)
    }

    /// Whether all of `records` were multicast within a quarter of their TTL.
    fn is_fresh(&self, now: Instant, records: Records) -> bool {
        self.slots.iter().zip(Record::ALL).all(|(slot, record)| {
            !records.contains(record)
                || slot
                    .last
                    .is_some_and(|last| now <= after(last, record.recent()))
        })
    }
}

/// Who asks, and whether unicast would reach him.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) on_link: bool,
    /// More than one process of his host may listen on the port; the answer would reach one of them.
    pub(super) crowded: bool,
}

impl Link {
    /// Answers a query about the own records.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        query: &Packet<'_>,
        asker: Asker,
        sources: &mut Sources,
        common: &mut Common,
    ) {
        let (Some(zone), Some(home), true) = (&common.zone, self.home, self.phase.is_ours()) else {
            return;
        };
        let mut multicast = Records::NONE;
        let mut unicast = Records::NONE;
        let mut answered: Vec<&Question<'_>> = Vec::new();
        let legacy = datagram.source.port() != PORT;
        for question in &query.questions {
            if !matches!(question.qclass, QCLASS::ANY | QCLASS::CLASS(CLASS::IN)) {
                continue;
            }
            let records = zone.answers(&question.qname, question.qtype);
            if records.is_empty() {
                continue;
            }
            let direct = legacy
                || !datagram.multicast
                || (question.unicast_response
                    && asker.on_link
                    && !asker.crowded
                    && self.responder.is_fresh(now, records));
            if direct {
                unicast = unicast.and(records);
                answered.push(question);
            } else {
                multicast = multicast.and(records);
            }
        }
        let waiting = self.responder.waiting(datagram.source);
        let known = known(zone, home, query, unicast.and(multicast).and(waiting));
        unicast = unicast.without(known);

        if !unicast.is_empty() && asker.on_link {
            let payload = if !legacy {
                Some(packet::answer(zone, home, unicast))
            } else if sources.admit_legacy(now, datagram.source.ip()) {
                packet::legacy(zone, home, query.id(), &answered, unicast)
            } else {
                None
            };
            if let Some(payload) = payload {
                common.stats.answers = common.stats.answers.saturating_add(1);
                let to = Destination::Unicast(datagram.source);
                common.send(now, self.index, to, payload);
            }
        }
        let more = query.has_flags(PacketFlag::TRUNCATION);
        if !legacy {
            // Who probes for one of our names must learn at once that it is taken.
            let probed = common.zone.as_ref().is_some_and(|zone| {
                query
                    .name_servers
                    .iter()
                    .any(|theirs| zone.owns(&theirs.name))
            });
            if probed {
                self.responder.queue(now, multicast, DEFENCE_INTERVAL);
            } else {
                self.defer(now, datagram.source, multicast, known, more, common);
            }
        }
        self.flush(now, common);
    }

    /// Queues a multicast answer, or waits for more known answers first.
    fn defer(
        &mut self,
        now: Instant,
        source: SocketAddr,
        wanted: Records,
        known: Records,
        more: bool,
        common: &mut Common,
    ) {
        let waiting = self
            .responder
            .deferred
            .iter_mut()
            .find(|d| d.source == source);
        if let Some(waiting) = waiting {
            waiting.wanted = waiting.wanted.and(wanted);
            waiting.known = waiting.known.and(known);
        } else if more && !wanted.is_empty() && self.responder.deferred.len() < MAX_DEFERRED {
            let (from, to) = MORE_WAIT;
            let due = after(now, common.rng.between(from, to));
            self.responder.deferred.push(Deferred {
                source,
                due,
                wanted,
                known,
            });
        } else {
            self.queue_answers(now, wanted.without(known), common);
        }
    }

    fn queue_answers(&mut self, now: Instant, records: Records, common: &mut Common) {
        // As if another had just said it, or the asker knew.
        if !records.is_empty() && common.rng.hits(Point::KnownAnswerSuppressed) {
            return;
        }
        let (mut shared, mut unique) = (Records::NONE, Records::NONE);
        for record in records.iter() {
            if record.is_shared() {
                shared = shared.with(record);
            } else {
                unique = unique.with(record);
            }
        }
        self.responder.queue(now, unique, INTERVAL);
        if !shared.is_empty() {
            let (from, to) = SHARED_WAIT;
            let at = after(now, common.rng.between(from, to));
            self.responder.queue(at, shared, INTERVAL);
        }
    }

    /// Sends the answers that are due, all in one packet.
    pub(super) fn flush(&mut self, now: Instant, common: &mut Common) {
        let mut ready = Records::NONE;
        self.responder.deferred.retain(|d| {
            if d.due <= now {
                ready = ready.and(d.wanted.without(d.known));
            }
            d.due > now
        });
        self.responder.queue(now, ready, INTERVAL);
        let due = self.responder.take_due(now);
        let (Some(zone), Some(home), false) = (&common.zone, self.home, due.is_empty()) else {
            return;
        };
        let payload = packet::answer(zone, home, due);
        // What goes along is exempt from the one-second rule: a PTR without it would end a stock
        // peer's discovery.
        self.responder
            .multicast(now, due.and(zone.additionals(due)));
        common.stats.answers = common.stats.answers.saturating_add(1);
        common.send(now, self.index, Destination::Multicast, payload);
    }
}

/// Those of `wanted` the asker lists with at least half their TTL left (RFC 6762 §7.1).
fn known(zone: &Zone, home: Ipv4Addr, query: &Packet<'_>, wanted: Records) -> Records {
    if query.answers.is_empty() {
        return Records::NONE;
    }
    let ours = wanted.iter().map(|r| (r, zone.record(r, home)));
    ours.fold(Records::NONE, |known, (record, ours)| {
        let half = ours.ttl / 2;
        let listed = |theirs: &ResourceRecord<'_>| theirs.ttl >= half && *theirs == ours;
        if query.answers.iter().any(listed) {
            known.with(record)
        } else {
            known
        }
    })
}

/// Whether `ip` is one of this host's own addresses.
pub(super) fn is_own(common: &Common, ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => common.own.contains(&ip),
        IpAddr::V6(ip) => ip.is_loopback(),
    }
}
