//! Goodbyes for nodes that died without one, which stock peers would keep for as long as a PTR lives.
//!
//! ```text
//!            bury                      its first announcement          3 goodbyes
//!  silent ────────▶ the stand-in probes ────────▶ waits 1 s ────────▶ buried: the stand-in stays
//!                          │                          │                  │
//!                          └── heard of again, or somebody else's goodbye┴──▶ the stand-in says goodbye
//! ```
//! A stock client takes its nodes in turn by an index that it never checks: when its list becomes shorter
//! than that, it asks no node of its region again until another one appears. So before one goes, another
//! has to come: a *stand-in*, a second instance at the address of a node that lives. Nodes of ours take no
//! notice of it. It goes when the dead one probes for its name, a moment before that is announced again.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use simple_dns::Packet;
use simple_dns::rdata::RData;

use super::names::Known;
use super::packet;
use super::prober::GOODBYES;
use super::schedule::after;
use super::zone::Zone;
use super::{Config, Datagram, Destination, Event, Interface, Mdns, Service, Transmit};
use crate::{Duration, Instant, NodeId};

/// Nodes one may stand in for at a time; further ones are not buried.
const MAX_BURIALS: usize = 4;
/// From the stand-in's first announcement to the goodbye: a second one is out by then.
const MOURNING: Duration = Duration::from_millis(1_200);

/// Between a goodbye and the next: nobody waits for them, and a record is multicast once a second.
const INTERVAL: Duration = Duration::from_secs(1);

/// A dead node, and the stand-in that takes its place in the lists of others.
#[derive(Debug)]
pub(super) struct Burial {
    dead: NodeId,
    stand_in: Box<Mdns>,
    /// What it would have said itself, on each interface it was seen on.
    goodbyes: BTreeMap<u32, Vec<u8>>,
    sent: u8,
    /// When the next goodbye is due; none before the stand-in is announced and after the last.
    next: Option<Instant>,
    /// The stand-in is leaving.
    over: bool,
}

impl Burial {
    /// The dead one lives, or others have said goodbye for it: nobody is to be stood in for.
    fn end(&mut self, now: Instant) {
        self.next = None;
        self.over = true;
        self.stand_in.goodbye(now);
    }
}

impl Mdns {
    /// Whether a node of ours did not answer [`verify`](Self::verify), and has not been heard of since.
    #[must_use]
    pub fn is_silent(&self, id: NodeId) -> bool {
        self.browser.cache.silent(id).next().is_some()
    }

    /// Says goodbye for a [silent](Self::is_silent) node that is known to be dead, where it was announced,
    /// after another instance has been announced at the address of this node; nothing if there is no room
    /// for one more. If the node lives after all it announces itself again, and the other one leaves.
    pub fn bury(&mut self, now: Instant, id: NodeId) {
        let Some(zone) = self.common.zone.as_ref().filter(|_| self.announcing) else {
            return;
        };
        let known = self.burials.iter().any(|burial| burial.dead == id);
        if known || self.burials.len() >= MAX_BURIALS {
            return;
        }
        let mut goodbyes = BTreeMap::new();
        for (interface, seen) in self.browser.cache.silent(id) {
            let own = self.links.get(&interface);
            if own.is_some_and(|link| link.phase.is_ours()) && seen.region == zone.service().region
            {
                let service = Service {
                    id,
                    region: seen.region.clone(),
                    port: seen.address.port(),
                    address: None,
                };
                let theirs = Zone::new(service, zone.has_alias());
                let payload = packet::announcement(&theirs, *seen.address.ip(), true);
                goodbyes.insert(interface, payload);
            }
        }
        if goodbyes.is_empty() {
            return;
        }
        let service = Service {
            id: NodeId::from_bits(self.common.rng.next_u32()),
            ..zone.service().clone()
        };
        let seed = self.common.rng.next_u64();
        let mut stand_in = Box::new(Self::new(now, Config::default(), seed));
        stand_in.stand_in(service, id);
        for interface in goodbyes.keys() {
            if let Some(link) = self.links.get(interface) {
                stand_in.handle_interface(now, link.interface());
            }
        }
        stand_in.announce(now);
        self.common.stats.buried = self.common.stats.buried.saturating_add(1);
        self.burials.push(Burial {
            dead: id,
            stand_in,
            goodbyes,
            sent: 0,
            next: None,
            over: false,
        });
    }

    /// A node answers. If it was buried it may not have heard that: it is told, and announces itself again.
    pub fn rouse(&mut self, now: Instant, id: NodeId) {
        let mut burials = self.burials.iter_mut();
        let buried = burials.find(|burial| burial.dead == id && burial.sent == GOODBYES);
        if let Some(burial) = buried.filter(|burial| !burial.over) {
            burial.sent = GOODBYES.saturating_sub(1);
            burial.next = Some(now);
        }
    }

    /// Becomes the stand-in of a node: announces `service` as such, and looks for nobody.
    fn stand_in(&mut self, service: Service, dead: NodeId) {
        self.common.zone = Some(Zone::standing_in(service, dead));
        self.common.browses = false;
        self.own_addresses();
    }

    /// A datagram that stand-ins have to hear, too.
    pub(super) fn stand_ins_hear(&mut self, now: Instant, datagram: Datagram<'_>) {
        for burial in &mut self.burials {
            burial.stand_in.handle_datagram(now, datagram);
        }
    }

    /// An interface has changed, or is gone.
    pub(super) fn stand_ins_move(&mut self, now: Instant, index: u32, new: Option<&Interface>) {
        for burial in &mut self.burials {
            match new {
                Some(new) if burial.goodbyes.contains_key(&index) => {
                    burial.stand_in.handle_interface(now, new.clone());
                }
                Some(_) => {}
                None => burial.stand_in.handle_interface_down(now, index),
            }
        }
    }

    /// Somebody asks, perhaps before taking a name: the dead one's may be its own again.
    pub(super) fn is_probed_for(&mut self, now: Instant, query: &Packet<'_>) {
        for burial in &mut self.burials {
            let name = Known::Instance(burial.dead);
            let mut wanted = query.name_servers.iter();
            if wanted.any(|record| Known::of(&record.name) == name) {
                burial.end(now);
            }
        }
    }

    /// Somebody tells of the dead one, or says goodbye for it before it was said here.
    pub(super) fn is_told_of(&mut self, now: Instant, response: &Packet<'_>) {
        for burial in &mut self.burials {
            let name = Known::Instance(burial.dead);
            let mut records = response.answers.iter().chain(&response.additional_records);
            let told = records.any(|record| match &record.rdata {
                RData::PTR(target) => {
                    Known::of(target) == name && (record.ttl > 0 || burial.sent == 0)
                }
                _ => false,
            });
            if told {
                burial.end(now);
            }
        }
    }

    /// Sends the goodbyes that are due.
    pub(super) fn tend_burials(&mut self, now: Instant) {
        for burial in &mut self.burials {
            burial.stand_in.handle_timeout(now);
            while let Some(event) = burial.stand_in.poll_event() {
                if matches!(event, Event::Announced { .. }) && burial.sent == 0 && !burial.over {
                    burial.next = Some(after(now, MOURNING));
                }
            }
            if burial.next.is_none_or(|next| next > now) {
                continue;
            }
            for (interface, payload) in &burial.goodbyes {
                let to = Destination::Multicast;
                self.common.send(now, *interface, to, payload.clone());
            }
            burial.sent = burial.sent.saturating_add(1);
            let more = burial.sent < GOODBYES;
            burial.next = more.then(|| after(now, INTERVAL));
        }
        self.burials.retain(|burial| !burial.stand_in.is_closed());
    }

    /// All of them say goodbye.
    pub(super) fn end_burials(&mut self, now: Instant) {
        for burial in &mut self.burials {
            burial.end(now);
        }
    }

    pub(super) fn poll_stand_in(&mut self) -> Option<Transmit> {
        let transmit = self
            .burials
            .iter_mut()
            .find_map(|burial| burial.stand_in.poll_transmit());
        if transmit.is_none() {
            self.burials.retain(|burial| !burial.stand_in.is_closed());
        }
        transmit
    }

    pub(super) fn burials_due(&self) -> Option<Instant> {
        let due = self
            .burials
            .iter()
            .flat_map(|burial| [burial.next, burial.stand_in.poll_timeout()]);
        due.flatten().min()
    }
}
