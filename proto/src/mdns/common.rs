//! What the interfaces share: chance, the service, the ways out.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::guard::Loops;
use super::zone::Zone;
use super::{Destination, Event, Stats, Transmit};
use crate::{Instant, NodeId, Rng};

/// Datagrams that wait for the driver.
const MAX_TRANSMITS: usize = 1_024;
/// Events that wait for the application.
const MAX_EVENTS: usize = 4_096;

#[derive(Debug)]
pub(super) struct Common {
    pub(super) rng: Rng,
    pub(super) zone: Option<Zone>,
    pub(super) loops: Loops,
    pub(super) stats: Stats,
    /// Every address of this host, and the configured one.
    pub(super) own: BTreeSet<Ipv4Addr>,
    /// The address announced on each interface under the present id, also of one that is down.
    pub(super) homes: BTreeMap<u32, Ipv4Addr>,
    /// The id last reported as announced.
    pub(super) visible: Option<NodeId>,
    /// Whether others are looked for.
    pub(super) browses: bool,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

impl Common {
    pub(super) fn new(zone: Option<Zone>, seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            zone,
            loops: Loops::new(),
            stats: Stats::default(),
            own: BTreeSet::new(),
            homes: BTreeMap::new(),
            visible: None,
            browses: true,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    pub(super) fn send(&mut self, now: Instant, interface: u32, to: Destination, payload: Vec<u8>) {
        if self.transmits.len() >= MAX_TRANSMITS || payload.is_empty() {
            self.stats.overflowed = self.stats.overflowed.saturating_add(1);
            return;
        }
        if to == Destination::Multicast {
            self.loops.sent(now, interface, &payload);
        }
        self.stats.sent = self.stats.sent.saturating_add(1);
        self.transmits.push_back(Transmit {
            interface,
            to,
            payload,
        });
    }

    pub(super) fn report(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.stats.overflowed = self.stats.overflowed.saturating_add(1);
        }
        self.events.push_back(event);
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What nobody has asked for yet is not told any more.
    pub(super) fn forget_events(&mut self) {
        self.events.clear();
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.transmits.is_empty()
    }

    /// Whether `id` is the own one.
    pub(super) fn is_own(&self, id: NodeId) -> bool {
        self.zone.as_ref().is_some_and(|z| z.service().id == id)
    }
}
