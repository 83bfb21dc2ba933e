//! Which names and addresses are ours: conflicts over them, and what a change of them entails.

use simple_dns::Packet;
use simple_dns::rdata::RData;

use super::link::Link;
use super::names::Known;
use super::prober::{PROBE_WAIT, Phase, is_identical};
use super::schedule::after;
use super::zone::Zone;
use super::{Event, Mdns};
use crate::{Duration, Instant, NodeId};

/// So many conflicts within [`CONFLICT_TIME`], and the next name is tried after [`CONFLICT_PAUSE`]
/// (RFC 6762 §8.1).
const MAX_CONFLICTS: usize = 15;
const CONFLICT_TIME: Duration = Duration::from_secs(10);
const CONFLICT_PAUSE: Duration = Duration::from_secs(5);

impl Mdns {
    /// Whether a response claims a name of ours for something else (RFC 6762 §9). While probing any
    /// record of the name counts.
    pub(super) fn conflicts_with(&self, interface: u32, response: &Packet<'_>) -> bool {
        let link = self.links.get(&interface);
        let (Some(zone), Some(link)) = (&self.common.zone, link) else {
            return false;
        };
        let probing = match link.phase {
            Phase::Idle => return false,
            Phase::Probing { .. } => true,
            Phase::Announcing { .. } | Phase::Established => false,
        };
        let mut records = response.answers.iter().chain(&response.additional_records);
        records.any(|theirs| {
            theirs.ttl > 0
                && zone.owns(&theirs.name)
                && (probing || zone.rival(theirs).is_some())
                && !is_identical(zone, theirs, &self.common.own)
        })
    }

    /// Whether a response takes records of ours back, which we have not done.
    pub(super) fn is_bidden_farewell(&self, response: &Packet<'_>) -> bool {
        let Some(zone) = &self.common.zone else {
            return false;
        };
        let mut records = response.answers.iter().chain(&response.additional_records);
        records.any(|theirs| {
            let ours = match &theirs.rdata {
                RData::PTR(target) => Known::of(target) == Known::Instance(zone.service().id),
                _ => zone.owns(&theirs.name),
            };
            theirs.ttl == 0 && ours
        })
    }

    /// Resolves a conflict: an established name is probed for again, which the rightful owner
    /// answers; one that is probed for is taken, so another is drawn.
    pub(super) fn resolve(&mut self, now: Instant, interface: u32) {
        let stats = &mut self.common.stats;
        stats.conflicts = stats.conflicts.saturating_add(1);
        let Some(link) = self.links.get_mut(&interface) else {
            return;
        };
        if link.phase.is_ours() {
            let wait = self.common.rng.between(Duration::ZERO, PROBE_WAIT);
            link.probe(now, wait);
            return;
        }
        let recent = |at: &Instant| now <= after(*at, CONFLICT_TIME);
        self.conflicts.retain(recent);
        self.conflicts.push_back(now);
        let won = self.common.visible.is_some();
        self.throttled = (self.throttled && !won) || self.conflicts.len() >= MAX_CONFLICTS;
        let pause = if self.throttled {
            self.conflicts.pop_front();
            CONFLICT_PAUSE
        } else {
            Duration::ZERO
        };
        self.rename(now, Some(pause));
    }

    /// Draws another id.
    fn rename(&mut self, now: Instant, wait: Option<Duration>) {
        let Some(old) = self.service().map(|service| service.id) else {
            return;
        };
        let mut new = old;
        // Chance alone would do; a few draws spare a probe.
        for _ in 0..8 {
            new = NodeId::from_bits(self.common.rng.next_u32());
            if new != old && self.browser.cache.interfaces(new).is_empty() {
                break;
            }
        }
        if let Some(zone) = self.common.zone.as_ref().map(|zone| zone.renamed(new)) {
            self.common.report(Event::Renamed { old, new });
            self.settle_zone(now, zone, wait);
        }
    }

    /// Takes `zone` for the service's from now on.
    pub(super) fn settle_zone(&mut self, now: Instant, zone: Zone, wait: Option<Duration>) {
        let id = zone.service().id;
        self.common.zone = Some(zone);
        self.common.homes.clear();
        self.common.visible = None;
        // A peer of this name is none any more; one of the former name may be.
        for interface in self.browser.cache.interfaces(id) {
            self.browser.cache.remove((id, interface));
        }
        self.own_addresses();
        let configured = self.service().and_then(|service| service.address);
        for link in self.links.values_mut() {
            link.restart_browsing(now, &mut self.common);
            link.home = link.choose_home(configured);
        }
        if self.announcing {
            self.probe(now, wait);
        }
    }

    /// Probes on every interface, after `wait`, or a random while.
    pub(super) fn probe(&mut self, now: Instant, wait: Option<Duration>) {
        for link in self.links.values_mut() {
            let random = || self.common.rng.between(Duration::ZERO, PROBE_WAIT);
            link.probe(now, wait.unwrap_or_else(random));
        }
    }

    /// Says goodbye on every interface.
    pub(super) fn part(&mut self, now: Instant) {
        for link in self.links.values_mut() {
            link.part(now, &mut self.common);
        }
    }

    /// Finds the address to announce on an interface that is new or changed.
    pub(super) fn rehome(&mut self, now: Instant, index: u32) {
        let configured = self.service().and_then(|service| service.address);
        let Some(link) = self.links.get_mut(&index) else {
            return;
        };
        let before = self.common.homes.get(&index).copied();
        let home = link.choose_home(configured);
        let changed = link.home != home;
        link.home = home;
        if !self.announcing || !(changed || link.phase == Phase::Idle) {
            return;
        }
        if before.is_some() && home.is_some() && before != home {
            self.part(now);
            self.rename(now, None);
        } else {
            let wait = self.common.rng.between(Duration::ZERO, PROBE_WAIT);
            link.probe(now, wait);
        }
    }

    pub(super) fn own_addresses(&mut self) {
        let configured = self.service().and_then(|service| service.address);
        let addresses = self.links.values().flat_map(Link::addresses);
        self.common.own = addresses.chain(configured).collect();
    }
}
