//! Which peers of the other regions are kept: a few of each, for a node that knows all of them all
//! would cost the more the more there are.
//!
//! ```text
//! told of --there is room---------------------------------> kept
//!    |------one of them does not answer-------------------> kept, and that one is not
//!    |------better than one that was not pinged yet-------> kept, and that one is not
//!    +------better than one that answers--> on trial -ok--> kept, and that one is not
//! ```
//! Better is who speaks for itself, and then who is first in an order that each node and client draws
//! for itself, so that all nodes of a region are in use from another one. Of the own region, all are kept.

use super::config::{DRIFT, MAX_REGIONS, sample};
use super::event::Down;
use super::health::State;
use super::peer::{Entry, Observation, Peer};
use super::table::Table;
use crate::{Instant, NodeId, Region, Rng};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// The rows of the table by region, and by address.
#[derive(Debug)]
pub(super) struct Regions {
    own: Region,
    /// What the order of the peers follows from.
    order: u64,
    rows: BTreeMap<Region, BTreeSet<NodeId>>,
    /// Who is at which address.
    places: BTreeSet<(SocketAddr, NodeId)>,
    /// When another one may be put on trial.
    drift_at: Instant,
}

/// How little a peer is preferred.
type Rank = (bool, u64);

impl Regions {
    pub(super) const fn new(own: Region, order: u64) -> Self {
        Self {
            own,
            order,
            rows: BTreeMap::new(),
            places: BTreeSet::new(),
            drift_at: Instant::ORIGIN,
        }
    }

    pub(super) fn add(&mut self, peer: &Peer) {
        self.places.insert((peer.addr, peer.id));
        match self.rows.get_mut(&peer.region) {
            Some(rows) => {
                rows.insert(peer.id);
            }
            None => {
                let rows = BTreeSet::from([peer.id]);
                self.rows.insert(peer.region.clone(), rows);
            }
        }
    }

    pub(super) fn remove(&mut self, peer: &Peer) {
        self.places.remove(&(peer.addr, peer.id));
        if let Some(rows) = self.rows.get_mut(&peer.region) {
            rows.remove(&peer.id);
            if rows.is_empty() {
                self.rows.remove(&peer.region);
            }
        }
    }

    pub(super) fn replace(&mut self, old: &Peer, new: &Peer) {
        self.remove(old);
        self.add(new);
    }

    /// Who is at an address.
    pub(super) fn at(&self, addr: SocketAddr) -> impl Iterator<Item = NodeId> + '_ {
        let (first, last) = (NodeId::from_bits(0), NodeId::from_bits(u32::MAX));
        let places = self.places.range((addr, first)..=(addr, last));
        places.map(|(_, id)| *id)
    }

    /// The rows of a region.
    pub(super) fn of(&self, region: &Region) -> impl Iterator<Item = NodeId> + '_ {
        self.rows.get(region).into_iter().flatten().copied()
    }

    fn count(&self, region: &Region) -> usize {
        self.rows.get(region).map_or(0, BTreeSet::len)
    }

    /// How many other regions are known.
    fn others(&self) -> usize {
        let own = usize::from(self.rows.contains_key(&self.own));
        self.rows.len().saturating_sub(own)
    }

    /// Whether the region is known, or one more may be.
    pub(super) fn may_have(&self, region: &Region) -> bool {
        let known = *region == self.own || self.rows.contains_key(region);
        known || self.others() < MAX_REGIONS - 1
    }

    fn rank(&self, hearsay: bool, id: NodeId) -> Rank {
        let order = Rng::new(self.order ^ u64::from(id.to_bits())).next_u64();
        (hearsay, order)
    }

    fn rank_of(&self, entry: &Entry) -> Rank {
        self.rank(entry.hearsay, entry.peer.id)
    }
}

impl Table {
    /// Whether a peer nobody has told of yet gets a row; makes room for it.
    pub(super) fn is_wanted(&mut self, now: Instant, seen: &Observation) -> bool {
        let region = &seen.peer.region;
        let most = sample(self.regions.others());
        if *region == self.own || self.regions.count(region) < most {
            return true;
        }
        let rank = self.regions.rank(!seen.source.first_hand(), seen.peer.id);
        let worse = |entry: &&Entry| self.regions.rank_of(entry) > rank;
        let kin = || self.regions.of(region).filter_map(|id| self.entry(id));
        let worst = |entry: &&Entry| self.regions.rank_of(entry);
        // A region that is all cut off may come back, and there is something kept for its nodes.
        let reached = kin().any(|e| e.health.state() == State::Healthy);
        let silent = |e: &&Entry| {
            let idle = e.pinged.is_some() && e.ping.is_none() && !e.queued && e.ping_at > now;
            idle && !e.routable() && (reached || e.heard.is_none())
        };
        let fresh = |e: &&Entry| e.pinged.is_none();
        let other = kin().filter(silent).max_by_key(worst);
        let other = other.or_else(|| kin().filter(fresh).filter(worse).max_by_key(worst));
        if let Some(id) = other.map(|entry| entry.peer.id) {
            self.forget(now, id, Down::Evicted);
            return true;
        }
        let exchangeable = |e: &&Entry| e.routable() && (e.health.overdue() || worse(e));
        let trial = self.regions.count(region) == most
            && now >= self.regions.drift_at
            && kin().any(|entry| exchangeable(&entry));
        if trial {
            self.regions.drift_at = now + DRIFT;
        }
        trial
    }

    /// Whether the first ping of a peer nobody has told of yet can wait: there are others of its region
    /// to begin with, which may tell of better ones.
    pub(super) fn may_wait(&self, seen: &Observation) -> bool {
        let region = &seen.peer.region;
        let first = *region == self.own || seen.source.first_hand();
        !first && self.is_crowded() && self.regions.count(region) > 2
    }

    /// A peer answers again: the others of its region may, before their places are given away.
    pub(super) fn hope_for_kin(&mut self, now: Instant, id: NodeId) {
        let Some(entry) = self.entry(id).filter(|_| self.is_crowded()) else {
            return;
        };
        let kin: Vec<NodeId> = self.regions.of(&entry.peer.region).collect();
        for id in kin {
            let entry = self.entries.get_mut(&id);
            if let Some(entry) = entry.filter(|e| e.health.state() == State::Out) {
                entry.health.hope();
                Self::hasten(now, entry);
                self.reschedule(id);
            }
        }
    }

    /// A peer has proved itself: the one it takes the place of goes.
    pub(super) fn exchange(&mut self, now: Instant, region: &Region) {
        let most = sample(self.regions.others());
        while *region != self.own && self.regions.count(region) > most {
            let kin = self.regions.of(region).filter_map(|id| self.entry(id));
            let worst = |e: &&Entry| {
                let useless = (!e.routable(), e.health.overdue());
                (useless, self.regions.rank_of(e))
            };
            let Some(id) = kin.max_by_key(worst).map(|entry| entry.peer.id) else {
                return;
            };
            self.forget(now, id, Down::Evicted);
        }
    }
}
