//! Word of peers that do not answer, passed on so that whoever knows them looks for itself.
//!
//! ```text
//! a peer fails twice in a row ----------------+
//!                                             +--> told to a few nodes, by the next ping of each
//! told of by a node, or fails after that -----+       each pings the peer, and tells a few nodes
//! ```
//! Where there are many peers a node pings each of them rarely, but some node pings each of them often.
//! So one notices a death soon, and all look a moment later. A rumour decides nothing: it only brings a
//! ping forward. Whoever makes them up causes one ping a second of each peer that is known, and a few of
//! others: a rumour is passed on once in a while, and so many at a time.

use super::config::MAX_PINGS;
use super::health::State;
use super::peer::Entry;
use super::table::Table;
use crate::{Duration, Instant, NodeId};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// The most ids a ping carries.
pub const MAX_MISSING: usize = 8;
/// How long a rumour is not passed on again.
const STALE: Duration = Duration::from_secs(10);
/// Rumours remembered.
const MAX_RUMOURS: usize = 64;
/// Of them, those of peers that are not known here: there are others who do.
const MAX_STRANGE: usize = 16;
/// How many nodes of the own region are told, and of other ones.
const TOLD: (usize, usize) = (4, 2);

/// What has been told lately.
#[derive(Debug, Default)]
pub(super) struct Rumours(BTreeMap<NodeId, Rumour>);

#[derive(Debug)]
struct Rumour {
    until: Instant,
    strange: bool,
    /// This node has missed the peer itself.
    sure: bool,
}

impl Rumours {
    /// Whether this one is news; it is not any more.
    fn note(&mut self, now: Instant, id: NodeId, strange: bool, sure: bool) -> bool {
        self.0.retain(|_, rumour| rumour.until > now);
        if let Some(rumour) = self.0.get_mut(&id) {
            let surer = sure && !rumour.sure;
            rumour.sure |= sure;
            return surer;
        }
        let strangers = || self.0.values().filter(|rumour| rumour.strange).count();
        let room = self.0.len() < MAX_RUMOURS && !(strange && strangers() >= MAX_STRANGE);
        if room {
            let until = now + STALE;
            let rumour = Rumour {
                until,
                strange,
                sure,
            };
            self.0.insert(id, rumour);
        }
        room
    }

    fn knows(&self, now: Instant, id: NodeId) -> bool {
        self.0.get(&id).is_some_and(|rumour| rumour.until > now)
    }
}

impl Table {
    /// Another node misses this peer.
    pub(super) fn hear_missing(&mut self, now: Instant, id: NodeId) {
        let entry = self.entries.get_mut(&id);
        let strange = entry.is_none();
        if let Some(entry) = entry.filter(|entry| entry.health.state() == State::Healthy) {
            entry.urgent |= entry.ping.is_none();
            Self::hasten(now, entry);
            self.reschedule(id);
        }
        if self.node && self.rumours.note(now, id, strange, false) {
            self.tell_missing(now, id);
        }
    }

    /// A request to the peer has failed.
    pub(super) fn miss(&mut self, now: Instant, id: NodeId, failures: u32) {
        let told = failures == 1 && self.rumours.knows(now, id);
        let worth = self.node && self.is_crowded() && (told || failures == 2);
        if worth && self.rumours.note(now, id, false, true) {
            self.tell_missing(now, id);
        }
    }

    fn tell_missing(&mut self, now: Instant, id: NodeId) {
        let able = |entry: &&Entry| {
            let well = entry.health.state() == State::Healthy && entry.peer.capable;
            well && entry.peer.id != id && entry.news.len() < MAX_MISSING
        };
        let able = self.entries().filter(able);
        let (here, there): (Vec<&Entry>, Vec<&Entry>) =
            able.partition(|entry| entry.peer.region == self.own);
        let ids = |entries: Vec<&Entry>| entries.iter().map(|e| e.peer.id).collect::<Vec<_>>();
        for (mut ids, count) in [(ids(here), TOLD.0), (ids(there), TOLD.1)] {
            for _ in 0..count.min(ids.len()) {
                let to = ids.swap_remove(self.rng.below(ids.len()));
                if let Some(entry) = self.entries.get_mut(&to) {
                    entry.news.push(id);
                    entry.urgent = true;
                    entry.ping_at = now;
                }
                self.reschedule(to);
            }
        }
    }

    /// So many peers fail that the fault may be here: others, not heard since, are asked at once.
    pub(super) fn ask_around(&mut self, now: Instant, since: Instant, failing: usize) {
        if !self.is_crowded() {
            return;
        }
        let well = |entry: &&Entry| {
            let idle = entry.ping.is_none() && !entry.urgent;
            let unheard = entry.heard.is_some_and(|heard| heard <= since);
            idle && unheard && entry.health.state() == State::Healthy
        };
        let mut ids: Vec<NodeId> = self.entries().filter(well).map(|e| e.peer.id).collect();
        for _ in 0..failing.saturating_mul(2).min(MAX_PINGS).min(ids.len()) {
            let id = ids.swap_remove(self.rng.below(ids.len()));
            if let Some(entry) = self.entries.get_mut(&id) {
                (entry.urgent, entry.ping_at) = (true, now);
            }
            self.reschedule(id);
        }
    }
}

/// The path of a ping that tells of these.
pub(super) fn path(missing: &[NodeId]) -> String {
    let mut path = String::from("/ping");
    for (place, id) in missing.iter().take(MAX_MISSING).enumerate() {
        let before = if place == 0 { "?missing=" } else { "." };
        // Writing to a string does not fail.
        let _ = write!(path, "{before}{id}");
    }
    path
}

/// Whom a ping with this query tells of; nobody if it is another one.
pub(crate) fn missing(query: &[u8]) -> Vec<NodeId> {
    let Some(ids) = query.strip_prefix(b"missing=") else {
        return Vec::new();
    };
    let ids = ids.split(|byte| *byte == b'.').take(MAX_MISSING);
    ids.filter_map(NodeId::read).collect()
}
