//! Keys whose latest write a peer has not got yet, kept until it is back.
//!
//! ```text
//! a key:  Waiting --poll_transmit--> Flying --ok--> (forgotten)
//!            ^                         | failure, or written again meanwhile
//!            +-------------------------+
//! a peer: Ready --failure--> Backing off 1 s .. 60 s --time, or back up--> Ready
//! ```
//! Only keys are kept: whoever sends one sends what the store then holds, so the newest version wins
//! and a key waits once. When a queue is full the oldest store is dropped before any removal, since a
//! lost removal would let the value live on.

use super::Pace;
use super::patience::way;
use crate::cluster::MAX_PEERS;
use crate::count::Count;
use crate::{Buggify, Duration, Failure, Instant, NodeId, Rng};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

/// What a write did to the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Change {
    /// Stored a value.
    Put,
    /// Removed it.
    Delete,
}

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HandoffLimits {
    /// Peers that can have a queue; the writes for others are dropped and counted.
    pub peers: usize,
    /// Keys waiting for one peer.
    pub keys: usize,
    /// Bytes of keys waiting for one peer, each with [`Handoff::KEY_OVERHEAD`].
    pub bytes: usize,
    /// Keys on their way to one peer at a time.
    pub window: usize,
}

impl Default for HandoffLimits {
    fn default() -> Self {
        Self {
            peers: 256,
            keys: 16_384,
            bytes: 1 << 20,
            window: 4,
        }
    }
}

/// A key to send again: what the store now holds for it, or nothing if it holds nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resend {
    /// To whom.
    pub peer: NodeId,
    /// The key.
    pub key: Arc<[u8]>,
    /// What the last write did to it.
    pub change: Change,
    /// Whether the peer is to spread it in its region.
    pub recurse: bool,
    /// When it counts as failed.
    pub deadline: Instant,
}

/// Judges the answer to a key sent again, for [`Handoff::handle_result`].
///
/// # Errors
/// [`Failure::Malformed`] for a refusal that may pass.
pub const fn taken(status: u16) -> Result<(), Failure> {
    if status >= 500 {
        Err(Failure::Malformed)
    } else {
        Ok(())
    }
}

/// The queues of all peers.
#[derive(Debug)]
pub struct Handoff {
    limits: HandoffLimits,
    rng: Rng,
    queues: BTreeMap<NodeId, Queue>,
    /// When each peer with a key that may go has its next turn.
    ready: BTreeSet<(Instant, NodeId)>,
    deadlines: BTreeSet<(Instant, NodeId, Arc<[u8]>)>,
    serial: u64,
    dropped: u64,
    /// Peers of which keys were dropped, until that is told.
    owed: BTreeSet<NodeId>,
}

#[derive(Debug, Default)]
struct Queue {
    keys: BTreeMap<Arc<[u8]>, Item>,
    /// The keys not on their way, oldest first: stores, then removals.
    puts: BTreeMap<u64, Arc<[u8]>>,
    deletes: BTreeMap<u64, Arc<[u8]>>,
    bytes: usize,
    flying: usize,
    failures: u32,
    not_before: Instant,
    /// The entry in `Handoff::ready`.
    turn: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    serial: u64,
    change: Change,
    recurse: bool,
    /// The deadline of the copy on its way, and whether it is out of date.
    flying: Option<(Instant, bool)>,
}

impl Handoff {
    /// What a waiting key is counted as, beside its own length: bytes.
    pub const KEY_OVERHEAD: usize = 96;
    /// How long a peer may take with a key that holds next to nothing.
    pub const DEADLINE: Duration = Duration::from_secs(1);
    const BACKOFF_MIN: Duration = Duration::from_secs(1);
    /// The longest back-off, before chance makes it a fifth shorter or longer.
    const BACKOFF_MAX: Duration = Duration::from_secs(50);

    /// No queues.
    #[must_use]
    pub const fn new(limits: HandoffLimits, seed: u64) -> Self {
        Self {
            limits,
            rng: Rng::new(seed),
            queues: BTreeMap::new(),
            ready: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            serial: 0,
            dropped: 0,
            owed: BTreeSet::new(),
        }
    }

    /// Decides with these points from now on.
    pub fn set_buggify(&mut self, buggify: &Buggify) {
        self.rng.set_buggify(buggify);
    }

    /// `peer` has not got the latest write of `key`.
    pub fn push(
        &mut self,
        now: Instant,
        peer: NodeId,
        key: &Arc<[u8]>,
        change: Change,
        recurse: bool,
    ) {
        if !self.queues.contains_key(&peer) && self.queues.len() >= self.limits.peers {
            return self.drop_one(peer);
        }
        self.serial.grow(1);
        let not_before = now + self.rng.jitter(Self::BACKOFF_MIN, 20);
        let fresh = || Queue {
            not_before,
            failures: 1,
            ..Queue::default()
        };
        let queue = self.queues.entry(peer).or_insert_with(fresh);
        queue.insert(
            key,
            Item {
                serial: self.serial,
                change,
                recurse,
                flying: None,
            },
        );
        let mut dropped = 0_usize;
        while queue.keys.len() > self.limits.keys || queue.bytes > self.limits.bytes {
            if !queue.drop_oldest() {
                break;
            }
            dropped.grow(1);
        }
        (0..dropped).for_each(|_| self.drop_one(peer));
        self.schedule(peer);
    }

    /// `peer` answers again: its keys need not wait any longer.
    pub fn handle_up(&mut self, now: Instant, peer: NodeId) {
        if let Some(queue) = self.queues.get_mut(&peer) {
            queue.failures = 0;
            queue.not_before = queue.not_before.min(now);
        }
        self.schedule(peer);
    }

    /// `peer` is no longer known: nothing is sent to it any more.
    pub fn handle_gone(&mut self, peer: NodeId) {
        if let Some(queue) = self.queues.remove(&peer) {
            self.owe(peer);
            self.ready.extract(queue.turn, peer);
            for (key, item) in queue.keys {
                if let Some((deadline, _)) = item.flying {
                    self.deadlines.remove(&(deadline, peer, key));
                }
            }
        }
    }

    /// How the key sent to `peer` went. `Ok` also says that there was nothing to send.
    pub fn handle_result(
        &mut self,
        now: Instant,
        peer: NodeId,
        key: &[u8],
        result: Result<(), Failure>,
    ) {
        let Some(queue) = self.queues.get_mut(&peer) else {
            return;
        };
        let Some((key, deadline)) = queue.land(key, result.is_ok()) else {
            return;
        };
        self.deadlines.remove(&(deadline, peer, key));
        if result.is_ok() {
            queue.failures = 0;
            queue.not_before = queue.not_before.min(now);
        } else if queue.not_before <= now {
            // One back-off a round: the window's other copies fail with it.
            let wait = Self::BACKOFF_MIN.saturating_mul(1 << queue.failures.min(6));
            queue.failures = queue.failures.saturating_add(1);
            queue.not_before = now + self.rng.jitter(wait.min(Self::BACKOFF_MAX), 20);
        }
        self.schedule(peer);
    }

    /// The key to send next; poll until there is none, after `push` and after each `handle_*`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Resend> {
        let (_, peer) = self.ready.first().copied().filter(|(at, _)| *at <= now)?;
        let deadline = now + Self::DEADLINE;
        let (key, item) = self.queues.get_mut(&peer)?.launch(deadline)?;
        self.deadlines.insert((deadline, peer, key.clone()));
        self.schedule(peer);
        Some(Resend {
            peer,
            key,
            change: item.change,
            recurse: item.recurse,
            deadline,
        })
    }

    /// The key just sent to `peer`, to which it takes `latency` there and back, holds so many `bytes`: when
    /// it now counts as failed. Four times the way, at least [`DEADLINE`](Self::DEADLINE), and what
    /// [`Pace::LEAST`] allows for the bytes.
    pub fn prolong(
        &mut self,
        now: Instant,
        peer: NodeId,
        key: &[u8],
        bytes: usize,
        latency: Duration,
    ) -> Instant {
        let deadline = now + way(Self::DEADLINE, latency) + Pace::LEAST.time_for(bytes);
        let queue = self.queues.get_mut(&peer);
        if let Some((key, old)) = queue.and_then(|queue| queue.prolong(key, deadline)) {
            self.deadlines.remove(&(old, peer, key.clone()));
            self.deadlines.insert((deadline, peer, key));
        }
        deadline
    }

    /// A peer that misses what its queue no longer tells: it is to compare with this node
    /// ([`AntiEntropy::handle_owing`](crate::sync::AntiEntropy::handle_owing)). Poll until there is none,
    /// after `push` and [`handle_gone`](Self::handle_gone).
    pub fn poll_owed(&mut self) -> Option<NodeId> {
        self.owed.pop_first()
    }

    /// When [`handle_timeout`](Self::handle_timeout) or [`poll_transmit`](Self::poll_transmit) has work.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ready = self.ready.first().map(|(at, _)| *at);
        let overdue = self.deadlines.first().map(|(at, _, _)| *at);
        ready.into_iter().chain(overdue).min()
    }

    /// Takes back keys nobody reported on.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, peer, key)) = self
            .deadlines
            .first()
            .cloned()
            .filter(|(at, ..)| *at <= now)
        {
            self.deadlines.remove(&(at, peer, key.clone()));
            self.handle_result(now, peer, &key, Err(Failure::TimedOut));
        }
    }

    /// Keys that wait or are on their way, of all peers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queues.values().map(|queue| queue.keys.len()).sum()
    }

    /// Keys kept for this peer, those under way among them.
    #[must_use]
    pub fn queued(&self, peer: NodeId) -> usize {
        self.queues.get(&peer).map_or(0, |queue| queue.keys.len())
    }

    /// Whether no key waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Keys given up for lack of room, ever.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn drop_one(&mut self, peer: NodeId) {
        self.dropped.grow(1);
        self.owe(peer);
    }

    fn owe(&mut self, peer: NodeId) {
        if self.owed.len() < MAX_PEERS {
            self.owed.insert(peer);
        }
    }

    /// Puts the peer where `ready` has to have it; forgets its queue when that is empty.
    fn schedule(&mut self, peer: NodeId) {
        let Some(queue) = self.queues.get_mut(&peer) else {
            return;
        };
        let turn = queue.has_waiting().then_some(queue.not_before);
        // With a copy of a failing peer on its way, the next one waits for its fate.
        let room = if queue.failures == 0 {
            self.limits.window
        } else {
            1
        };
        let turn = turn.filter(|_| queue.flying < room);
        let old = core::mem::replace(&mut queue.turn, turn);
        let empty = queue.keys.is_empty();
        self.ready.extract(old, peer);
        self.ready.extend(turn.map(|at| (at, peer)));
        if empty {
            self.queues.remove(&peer);
        }
    }
}

trait Extract {
    fn extract(&mut self, at: Option<Instant>, peer: NodeId);
}

impl Extract for BTreeSet<(Instant, NodeId)> {
    fn extract(&mut self, at: Option<Instant>, peer: NodeId) {
        if let Some(at) = at {
            self.remove(&(at, peer));
        }
    }
}

impl Queue {
    fn cost(key: &[u8]) -> usize {
        key.len().saturating_add(Handoff::KEY_OVERHEAD)
    }

    fn has_waiting(&self) -> bool {
        !(self.puts.is_empty() && self.deletes.is_empty())
    }

    fn waiting(&mut self, change: Change) -> &mut BTreeMap<u64, Arc<[u8]>> {
        match change {
            Change::Put => &mut self.puts,
            Change::Delete => &mut self.deletes,
        }
    }

    fn insert(&mut self, key: &Arc<[u8]>, item: Item) {
        match self.keys.get(key).copied() {
            Some(Item {
                flying: Some((deadline, _)),
                ..
            }) => {
                let stale = Item {
                    flying: Some((deadline, true)),
                    ..item
                };
                self.keys.insert(key.clone(), stale);
                return;
            }
            Some(old) => {
                self.waiting(old.change).remove(&old.serial);
            }
            None => self.bytes.grow(Self::cost(key)),
        }
        self.keys.insert(key.clone(), item);
        self.waiting(item.change).insert(item.serial, key.clone());
    }

    fn drop_oldest(&mut self) -> bool {
        let oldest = self.puts.pop_first().or_else(|| self.deletes.pop_first());
        if let Some((_, key)) = &oldest {
            self.keys.remove(key);
            self.bytes.shrink(Self::cost(key));
        }
        oldest.is_some()
    }

    /// The next key to go: removals first, each kind in the order of the writes.
    fn launch(&mut self, deadline: Instant) -> Option<(Arc<[u8]>, Item)> {
        let (_, key) = self.deletes.pop_first().or_else(|| self.puts.pop_first())?;
        self.flying.grow(1);
        let item = self.keys.get_mut(&key)?;
        item.flying = Some((deadline, false));
        Some((key, *item))
    }

    /// The key's copy has until then; its deadline before that, `None` if none is on its way.
    fn prolong(&mut self, key: &[u8], deadline: Instant) -> Option<(Arc<[u8]>, Instant)> {
        let (key, item) = self.keys.get_key_value(key)?;
        let (key, item) = (key.clone(), *item);
        let (old, stale) = item.flying?;
        let flying = Some((deadline, stale));
        self.keys.insert(key.clone(), Item { flying, ..item });
        Some((key, old))
    }

    /// The key's copy has come to its end; `None` if none was on its way.
    fn land(&mut self, key: &[u8], delivered: bool) -> Option<(Arc<[u8]>, Instant)> {
        let (key, item) = self.keys.get_key_value(key)?;
        let (key, item) = (key.clone(), *item);
        let (deadline, stale) = item.flying?;
        self.flying.shrink(1);
        if delivered && !stale {
            self.keys.remove(&key);
            self.bytes.shrink(Self::cost(&key));
        } else {
            self.keys.insert(
                key.clone(),
                Item {
                    flying: None,
                    ..item
                },
            );
            self.waiting(item.change).insert(item.serial, key.clone());
        }
        Some((key, deadline))
    }
}
