//! The peer table: one row a node id, merged from all sources; who is believed, who is put out.

use super::config::{
    CLIENT_SPACING, DEPARTED_FOR, FAR, FAR_PING_DEADLINE, FEW, FEW_OF_MANY, GOODBYE_CHECK, HASTE,
    LEASE, MAX_PEERS, MAX_PINGS, PING_AT_LEAST, PING_DEADLINE, PING_EVERY, PING_SPACING,
    PINGED_OFTEN, RARE, RECHECK, SECOND_THOUGHT,
};
use super::event::Down;
use super::health::State;
use super::peer::{Entry, Observation, Peer, Rival, Source};
use super::rumours::Rumours;
use super::sample::Regions;
use crate::count::Count;
use crate::{Duration, Failure, Instant, NodeId, Region, Rng};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// What the table has to tell.
#[derive(Debug)]
pub(super) enum Change {
    Up(Arc<Peer>),
    Down(Arc<Peer>, Down),
    Recovered(Arc<Peer>),
    Gone(Arc<Peer>),
    /// Multicast DNS should ask for the node's records again.
    Verify(NodeId),
}

/// A ping to make; with a rival, one to it too.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) id: NodeId,
    pub(super) addr: SocketAddr,
    pub(super) rival: Option<SocketAddr>,
    /// How long it may take.
    pub(super) patience: Duration,
    /// Whom the peer is told to be missed.
    pub(super) missing: Vec<NodeId>,
    /// Whether the peer, of which others have told, is to be told of this node in turn.
    pub(super) greets: bool,
    /// Whether a connection made for it is worth keeping.
    pub(super) lasting: bool,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) own: Region,
    /// Whether this is a node, so that its region is never without one.
    pub(super) node: bool,
    pub(super) rng: Rng,
    pub(super) entries: BTreeMap<NodeId, Entry>,
    /// The rows by region, and which of another one stay.
    pub(super) regions: Regions,
    pub(super) rumours: Rumours,
    /// How many rows are of peers that have answered.
    pub(super) proven: usize,
    /// One entry a row: when it has work.
    pub(super) timers: BTreeSet<(Instant, NodeId)>,
    /// Rows whose ping is due: routable ones, new ones, the rest.
    pub(super) waiting: [VecDeque<NodeId>; 3],
    /// Who said goodbye, and until when others' word of it is not taken.
    pub(super) departed: BTreeMap<NodeId, Instant>,
    pub(super) serial: u64,
    pub(super) changes: VecDeque<Change>,
    /// The routable peers have changed.
    pub(super) dirty: bool,
    /// Only their times have.
    pub(super) remeasured: bool,
}

impl Table {
    pub(super) fn new(own: Region, node: bool, rng: Rng) -> Self {
        // Its own, so that it shifts no draw of the others.
        let order = rng.clone().next_u64();
        Self {
            regions: Regions::new(own.clone(), order),
            rumours: Rumours::default(),
            proven: 0,
            own,
            node,
            rng,
            entries: BTreeMap::new(),
            timers: BTreeSet::new(),
            waiting: Default::default(),
            departed: BTreeMap::new(),
            serial: 0,
            changes: VecDeque::new(),
            dirty: false,
            remeasured: false,
        }
    }

    pub(super) fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.values()
    }

    pub(super) fn entry(&self, id: NodeId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The routable rows in the order of discovery.
    pub(super) fn routable(&self) -> Vec<&Entry> {
        let mut routable: Vec<&Entry> = self.entries().filter(|entry| entry.routable()).collect();
        routable.sort_unstable_by_key(|entry| entry.serial);
        routable
    }

    pub(super) fn holder(&self, addr: SocketAddr) -> Option<NodeId> {
        self.regions.at(addr).next()
    }

    pub(super) fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// A source tells of a peer.
    pub(super) fn observe(&mut self, now: Instant, seen: Observation) {
        let id = seen.peer.id;
        if seen.source.first_hand() {
            self.departed.remove(&id);
        } else if self.departed.get(&id).is_some_and(|until| *until > now) {
            return;
        }
        let fits = self.regions.may_have(&seen.peer.region);
        let Some(entry) = self.entries.get_mut(&id) else {
            if fits {
                self.insert(now, seen);
            }
            return;
        };
        if seen.peer.addr != entry.peer.addr {
            if (seen.source.first_hand() || !entry.routable()) && fits {
                Self::challenge(now, entry, seen);
            }
        } else {
            let news = entry.lease(seen.source).is_none();
            entry.hold(seen.source, seen.until);
            let told = seen.certain || (entry.hearsay && seen.source.first_hand());
            let told = told && fits;
            let region = if told {
                seen.peer.region
            } else {
                entry.peer.region.clone()
            };
            let capable = seen.peer.capable || (entry.peer.capable && !seen.certain);
            if region != entry.peer.region || capable != entry.peer.capable {
                let Peer { id, addr, .. } = *entry.peer;
                let peer = Arc::new(Peer {
                    id,
                    region,
                    addr,
                    capable,
                });
                self.regions.replace(&entry.peer, &peer);
                entry.peer = peer;
                self.dirty |= entry.routable();
            }
            if seen.source.first_hand() {
                entry.hearsay = false;
                if !entry.routable() {
                    entry.health.hope();
                }
            }
            // Others tell of a peer as long as it answers them, and it answers them again.
            if (news || seen.source.first_hand()) && !entry.routable() {
                Self::hasten(now, entry);
            }
        }
        self.reschedule(id);
    }

    /// Has `entry` pinged soon.
    pub(super) fn hasten(now: Instant, entry: &mut Entry) {
        let earliest = entry.pinged.map_or(now, |pinged| now.max(pinged + HASTE));
        entry.ping_at = entry.ping_at.min(earliest);
    }

    fn challenge(now: Instant, entry: &mut Entry, seen: Observation) {
        if entry
            .rival
            .as_ref()
            .is_some_and(|rival| rival.token.is_some())
        {
            return;
        }
        entry.rival = Some(Rival {
            peer: Arc::new(seen.peer),
            source: seen.source,
            until: seen.until,
            token: None,
            proof: None,
            incumbent: None,
        });
        Self::hasten(now, entry);
    }

    /// Whether no more than a few routable peers of the region are known.
    pub(super) fn sees_few_of(&self, region: &Region) -> bool {
        let few = if self.is_crowded() { FEW_OF_MANY } else { FEW };
        let there = self.regions.of(region).filter_map(|id| self.entry(id));
        there.filter(|entry| entry.routable()).nth(few).is_none()
    }

    fn insert(&mut self, now: Instant, seen: Observation) {
        if !self.is_wanted(now, &seen) {
            return;
        }
        if self.entries.len() >= MAX_PEERS && !self.evict(now) {
            let needed = seen.peer.region == self.own;
            if !(needed && self.displace(now)) {
                return;
            }
        }
        self.serial.grow(1);
        let id = seen.peer.id;
        self.regions.add(&seen.peer);
        let waits = self.may_wait(&seen);
        let mut entry = Entry::new(now, self.serial, seen);
        if waits {
            entry.ping_at = now + self.rng.jitter(SECOND_THOUGHT, 20);
        }
        self.entries.insert(id, entry);
        self.reschedule(id);
    }

    /// Makes room: somebody who has never answered, or does not any more; hearsay first.
    fn evict(&mut self, now: Instant) -> bool {
        let idle = |entry: &&Entry| !entry.routable() && (entry.pinged.is_some() || entry.hearsay);
        let worth = |entry: &&Entry| (entry.heard.is_some(), !entry.hearsay, entry.serial);
        let id = self
            .entries()
            .filter(idle)
            .min_by_key(worth)
            .map(|entry| entry.peer.id);
        id.is_some_and(|id| {
            self.forget(now, id, Down::Evicted);
            true
        })
    }

    /// Makes room for a node of the own region, which must get every write of it: the newest peer of
    /// the other region most of whose nodes are known goes.
    fn displace(&mut self, now: Instant) -> bool {
        let mut regions: BTreeMap<&Region, (usize, u64, NodeId)> = BTreeMap::new();
        for entry in self.entries().filter(|e| e.peer.region != self.own) {
            let newest = (1, entry.serial, entry.peer.id);
            let known = regions.entry(&entry.peer.region).or_insert(newest);
            let (_, serial, id) = newest.max((1, known.1, known.2));
            *known = (known.0.saturating_add(1), serial, id);
        }
        let id = regions.into_values().max().map(|(_, _, id)| id);
        id.is_some_and(|id| {
            self.forget(now, id, Down::Evicted);
            true
        })
    }

    /// A source no longer vouches for a peer.
    pub(super) fn release(&mut self, now: Instant, id: NodeId, source: Source) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.release(source);
            if entry.lapse(now) {
                self.reschedule(id);
            } else {
                self.forget(now, id, Down::Expired);
            }
        }
    }

    /// Multicast DNS no longer vouches for a peer. One that answers is kept for a while on its own word.
    pub(super) fn doubt(&mut self, now: Instant, id: NodeId) {
        let lease = self.lease();
        if let Some(entry) = self.entries.get_mut(&id) {
            if entry.health.state() == State::Healthy && entry.lease(Source::Learned).is_none() {
                entry.hold(Source::Learned, now + lease);
            }
            self.release(now, id, Source::Mdns);
        }
    }

    /// A goodbye in a peer's name: believed from its own address, checked from elsewhere.
    pub(super) fn goodbye(&mut self, now: Instant, id: NodeId, from: IpAddr) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if entry.peer.addr.ip() == from {
            self.depart(now, id);
        } else if entry.goodbye.is_none_or(|at| at + GOODBYE_CHECK < now) {
            entry.goodbye = Some(now);
            entry.ping_at = entry.pinged.map_or(now, |pinged| now.max(pinged + RECHECK));
            self.reschedule(id);
        }
    }

    pub(super) fn depart(&mut self, now: Instant, id: NodeId) {
        self.departed.retain(|_, until| *until > now);
        if self.departed.len() < MAX_PEERS {
            self.departed.insert(id, now + DEPARTED_FOR);
        }
        self.forget(now, id, Down::Goodbye);
    }

    /// Takes a row out.
    pub(super) fn forget(&mut self, _now: Instant, id: NodeId, why: Down) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        self.regions.remove(&entry.peer);
        if let Some(at) = entry.wake {
            self.timers.remove(&(at, id));
        }
        if entry.queued {
            for waiting in &mut self.waiting {
                waiting.retain(|waiting| *waiting != id);
            }
        }
        if entry.routable() {
            self.dirty = true;
            self.changes
                .push_back(Change::Down(entry.peer.clone(), why));
        }
        if entry.heard.is_some() {
            self.proven.shrink(1);
            self.changes.push_back(Change::Gone(entry.peer));
        }
    }

    /// Ends what is due: leases, patience, pauses between pings.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, id));
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            entry.wake = None;
            if !entry.lapse(now) {
                self.forget(now, id, Down::Expired);
                continue;
            }
            if entry
                .health
                .deadline()
                .is_some_and(|deadline| deadline <= now)
            {
                self.judge_health(now, id, Failure::TimedOut);
            }
            self.queue_ping(now, id);
            self.reschedule(id);
        }
    }

    fn queue_ping(&mut self, now: Instant, id: NodeId) {
        let every = self.ping_every();
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if entry.ping.is_some() || entry.queued || entry.ping_at > now {
            return;
        }
        let quiet = entry.health.state() == State::Healthy
            && entry.rival.is_none()
            && entry.goodbye.is_none()
            && !entry.urgent
            && entry.next_lapse().is_none_or(|lapse| lapse > now + every)
            && entry
                .pinged
                .is_some_and(|pinged| pinged + PING_AT_LEAST.max(every) > now);
        let swing = swing(every);
        let measured = entry
            .heard
            .map(|heard| heard + self.rng.jitter(every, swing));
        match measured.filter(|next| quiet && *next > now) {
            Some(next) => entry.ping_at = next,
            None => {
                entry.queued = true;
                let new = entry.pinged.is_none();
                let [routable, fresh, rest] = &mut self.waiting;
                match entry.goodbye {
                    Some(_) => routable.push_front(id),
                    None if entry.urgent => routable.push_front(id),
                    None if entry.routable() => routable.push_back(id),
                    None if new => fresh.push_back(id),
                    None => rest.push_back(id),
                }
            }
        }
    }

    /// How often a peer that is well is pinged: less and less often beyond some number of them.
    pub(super) fn ping_every(&self) -> Duration {
        // Made-up names are not among them.
        let times = |peers| u32::try_from(peers).unwrap_or(u32::MAX);
        if self.node {
            let more = times(self.proven.saturating_sub(PINGED_OFTEN));
            PING_EVERY.saturating_add(PING_SPACING.saturating_mul(more))
        } else {
            PING_EVERY.max(CLIENT_SPACING.saturating_mul(times(self.proven)))
        }
    }

    /// Whether there are more peers than can be pinged often.
    pub(super) fn is_crowded(&self) -> bool {
        self.entries.len() > PINGED_OFTEN
    }

    /// How long a peer is kept on another node's word, or its own: no ping's answer that would renew
    /// it comes later.
    pub(super) fn lease(&self) -> Duration {
        LEASE.max(self.ping_every().saturating_mul(6))
    }

    /// The next ping due, with so many under way; the caller starts it and says so by
    /// [`started`](Self::started). However many names are made up, there is room for those that answer.
    pub(super) fn next_round(&mut self, under_way: usize) -> Option<Round> {
        let (crowded, lasting) = (self.is_crowded(), self.ping_every() < RARE);
        let shares = [MAX_PINGS, MAX_PINGS * 3 / 4, MAX_PINGS / 2];
        let mut open = self.waiting.iter_mut().zip(shares);
        let id = open.find_map(|(waiting, share)| {
            // A ping, and one to a rival.
            let room = under_way.saturating_add(2) <= share;
            room.then(|| waiting.pop_front()).flatten()
        })?;
        let entry = self.entries.get_mut(&id)?;
        entry.queued = false;
        let missing = core::mem::take(&mut entry.news);
        let new = entry.is_stranger() && entry.heard.is_none();
        let greets = crowded && new && entry.peer.region == self.own;
        let rival = entry.rival.as_ref().map(|rival| rival.peer.addr);
        // One that has not answered in a short time yet may answer in a longer one.
        let far = match entry.srtt.value() {
            Some(srtt) => srtt >= FAR || !entry.routable(),
            None => entry.health.failures() > 0,
        };
        Some(Round {
            id,
            addr: entry.peer.addr,
            rival,
            patience: if far {
                FAR_PING_DEADLINE
            } else {
                PING_DEADLINE
            },
            missing,
            greets,
            lasting,
        })
    }

    pub(super) fn started(&mut self, now: Instant, id: NodeId, token: u64, rival: Option<u64>) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.ping = Some((token, now));
            entry.pinged = Some(now);
            entry.urgent = false;
            if let Some(held) = &mut entry.rival {
                held.token = rival;
            }
        }
        self.reschedule(id);
    }

    /// Puts the row's next work into the timers.
    pub(super) fn reschedule(&mut self, id: NodeId) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let ping = (entry.ping.is_none() && !entry.queued).then_some(entry.ping_at);
        let wake = ping
            .into_iter()
            .chain(entry.health.deadline())
            .chain(entry.next_lapse())
            .min();
        if wake == entry.wake {
            return;
        }
        if let Some(at) = entry.wake {
            self.timers.remove(&(at, id));
        }
        entry.wake = wake;
        self.timers.extend(wake.map(|at| (at, id)));
    }
}

/// By how much pauses of this length differ, in percent: where they are long, so much that the pings of
/// all peers do not come at once for ever because they once did.
pub(super) fn swing(every: Duration) -> u32 {
    if every > PING_EVERY { 100 } else { 10 }
}
