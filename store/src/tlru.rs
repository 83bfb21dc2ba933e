//! The cache itself: index, slab and wheel kept in step.

use core::fmt;
use core::hash::BuildHasher;

use hashbrown::HashTable;

use crate::block::{Block, NewValue, Value};
use crate::bounds::{Bounds, Expiry, TooLarge, Weigher, by_size};
use crate::evicted::{Cause, Evicted, Removed};
use crate::hash::{SeededState, hash_key};
use crate::slab::{Node, Slab};
use crate::wheel::{Order, Wheel};

/// A bounded cache whose entries leave when their time is over, else least recently used first.
///
/// Times are `u64` milliseconds from any origin the caller likes, handed in with each call and
/// never going back (if they do, entries may be kept longer, no more). Hashes are those of
/// [`Tlru::hash`], handed in too, so that they are computed once and outside of any lock.
///
/// `M` is the caller's own note on each entry.
pub struct Tlru<M, S = SeededState> {
    index: HashTable<u32>,
    slab: Slab<M>,
    wheel: Wheel,
    weight: u64,
    bounds: Bounds,
    weigher: Weigher,
    expiry: Expiry,
    hasher: S,
}

/// An entry a look-up lends.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a, M> {
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: Value<'a>,
    /// What the caller keeps with it.
    pub meta: &'a M,
    /// When it expires, in milliseconds; `u64::MAX`: never.
    pub expires: u64,
}

/// What a put did.
#[derive(Debug)]
pub struct Put<M> {
    /// Whether the value is stored. It is not if its time was over already; an older value under
    /// the key is gone then all the same.
    pub stored: bool,
    /// Whether a live value under the key had to go for it.
    pub replaced: bool,
    /// What it drove out. Drop it where no lock is held.
    pub evicted: Evicted<M>,
}

impl<M: Copy> Tlru<M> {
    /// An empty store whose hashes depend on `seed`: draw that at random where keys come from
    /// strangers. Weighs [`by_size`], expires as [`Expiry::default`].
    #[must_use]
    pub fn new(bounds: Bounds, seed: u64) -> Self {
        Self::with_hasher(bounds, SeededState::new(seed))
    }
}

impl<M: Copy, S> Tlru<M, S> {
    /// An empty store with a hasher of the caller's.
    #[must_use]
    pub fn with_hasher(bounds: Bounds, hasher: S) -> Self {
        Self {
            index: HashTable::new(),
            slab: Slab::new(),
            wheel: Wheel::new(),
            weight: 0,
            bounds: bounds.clamped(),
            weigher: by_size,
            expiry: Expiry::default(),
            hasher,
        }
    }

    /// Weighs with `weigher` from now on.
    #[must_use]
    pub fn with_weigher(mut self, weigher: Weigher) -> Self {
        self.weigher = weigher;
        self
    }

    /// Expires as `expiry` says from now on.
    #[must_use]
    pub fn with_expiry(mut self, expiry: Expiry) -> Self {
        self.expiry = expiry;
        self
    }

    /// Makes the index ready for `entries` in all, so that no later put pays for its growth.
    pub fn reserve(&mut self, entries: usize) {
        let more = entries.saturating_sub(self.slab.len());
        let slab = &self.slab;
        self.index
            .reserve(more, |&place| spread(slab.node(place).hash));
    }

    /// The hasher, for computing hashes away from the store with [`hash_key`].
    pub fn hasher(&self) -> &S {
        &self.hasher
    }

    /// The live entry under `key`, made the most recent one.
    #[inline]
    pub fn get(&mut self, hash: u64, key: &[u8], now: u64) -> Option<Entry<'_, M>> {
        let place = self.live(hash, key, now)?;
        self.slab.promote(place);
        Some(entry(self.slab.node(place)))
    }

    /// The live entry under `key`, its recency left alone.
    #[inline]
    pub fn peek(&self, hash: u64, key: &[u8], now: u64) -> Option<Entry<'_, M>> {
        let place = self.live(hash, key, now)?;
        Some(entry(self.slab.node(place)))
    }

    /// Makes the live entry under `key`, if there is one, the most recent one.
    pub fn touch(&mut self, hash: u64, key: &[u8], now: u64) -> bool {
        let live = self.live(hash, key, now);
        if let Some(place) = live {
            self.slab.promote(place);
        }
        live.is_some()
    }

    /// Stores `value` under `key` until `expires` (`u64::MAX`: for ever) as the most recent entry,
    /// in the place of an older one. Makes room by removing expired entries first, then the least
    /// recent ones.
    ///
    /// With `expires` at or before `now` nothing is stored, and the old entry is removed.
    ///
    /// # Errors
    /// [`TooLarge`]: nothing is stored, the old entry stays as it was.
    pub fn put(
        &mut self,
        hash: u64,
        key: &[u8],
        value: NewValue<'_>,
        meta: M,
        expires: u64,
        now: u64,
    ) -> Result<Put<M>, TooLarge> {
        let mut evicted = Evicted::new();
        if self.wheel.is_turn(now) {
            self.tidy(now, &mut evicted);
        }
        let found = self.find(hash, key);
        let replaced = found.is_some_and(|place| !is_over(self.slab.node(place).expires, now));
        if is_over(expires, now) {
            if let Some(place) = found {
                evicted.keep(self.take(place, Cause::Taken).block);
            }
            return Ok(Put {
                stored: false,
                replaced,
                evicted,
            });
        }
        let weight = self.weigh(key, value.as_slice())?;
        match found {
            Some(place) => {
                self.renew(place, key, value, weight, now, &mut evicted);
                let node = self.slab.node_mut(place);
                node.meta = meta;
                node.expires = expires;
                self.wheel.link(&mut self.slab, place);
            }
            None => {
                self.make_room(1, weight, now, &mut evicted);
                self.insert(hash, key, value, weight, meta, expires);
            }
        }
        self.weight += u64::from(weight);
        Ok(Put {
            stored: true,
            replaced,
            evicted,
        })
    }

    /// Takes the entry under `key` out. An expired one goes too, but is not answered.
    pub fn remove(&mut self, hash: u64, key: &[u8], now: u64) -> Option<Removed<M>> {
        let place = self.find(hash, key)?;
        let removed = self.take(place, Cause::Taken);
        (!is_over(removed.expires, now)).then_some(removed)
    }

    /// Takes the least recent live entry out.
    pub fn pop_oldest(&mut self, now: u64) -> Option<Removed<M>> {
        loop {
            let place = self.slab.oldest()?;
            let removed = self.take(place, Cause::Taken);
            if !is_over(removed.expires, now) {
                return Some(removed);
            }
        }
    }

    /// Removes entries that have expired, looking at no more than `budget`; answers how many went.
    ///
    /// Fewer than `budget` does not mean that none is left, since some are looked at only to be
    /// sorted: [`Tlru::next_expiry`] at or before `now` means there is more to do.
    pub fn expire(&mut self, now: u64, budget: usize) -> usize {
        self.expire_with(now, budget, drop)
    }

    /// As [`Tlru::expire`], handing over what goes, in order of expiry in [`Expiry::Exact`] mode.
    pub fn expire_with(
        &mut self,
        now: u64,
        mut budget: usize,
        mut each: impl FnMut(Removed<M>),
    ) -> usize {
        let mut count = 0;
        let order = self.order();
        while let Some(place) = self.wheel.pop(&mut self.slab, now, order, &mut budget) {
            each(self.take(place, Cause::Expired));
            count += 1;
        }
        count
    }

    /// When to call [`Tlru::expire`] next: nothing expires before. Often earlier than the next
    /// entry does, for sorting; `None` if nothing ever expires.
    pub fn next_expiry(&self) -> Option<u64> {
        self.wheel.next_turn()
    }

    /// Live entries. O(1) once [`Tlru::expire`] has done its work at `now`, else in proportion to
    /// what it has left undone.
    pub fn len(&self, now: u64) -> usize {
        self.held() - self.wheel.count_due(&self.slab, now)
    }

    /// Whether there is no live entry; costs what [`Tlru::len`] does.
    pub fn is_empty(&self, now: u64) -> bool {
        self.len(now) == 0
    }

    /// Entries in memory: the live ones and those expired but not yet removed.
    pub fn held(&self) -> usize {
        self.slab.len()
    }

    /// The weight of all entries in memory, expired ones not yet removed included.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// The bounds kept to.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Keeps to `bounds` from now on; answers what had to go for it.
    pub fn set_bounds(&mut self, bounds: Bounds, now: u64) -> Evicted<M> {
        let mut evicted = Evicted::new();
        self.bounds = bounds.clamped();
        self.make_room(0, 0, now, &mut evicted);
        evicted
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.index = HashTable::new();
        self.slab = Slab::new();
        self.wheel = Wheel::new();
        self.weight = 0;
    }

    /// The live entries, most recent first.
    pub fn iter(&self, now: u64) -> impl Iterator<Item = Entry<'_, M>> {
        core::iter::successors(self.slab.newest(), |&place| self.slab.older(place))
            .map(|place| entry(self.slab.node(place)))
            .filter(move |entry| !is_over(entry.expires, now))
    }

    #[inline]
    fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let hash = hash as u32;
        self.index
            .find(spread(hash), |&place| {
                let node = self.slab.node(place);
                node.hash == hash && node.key() == key
            })
            .copied()
    }

    #[inline]
    fn live(&self, hash: u64, key: &[u8], now: u64) -> Option<u32> {
        let place = self.find(hash, key)?;
        (!is_over(self.slab.node(place).expires, now)).then_some(place)
    }

    /// The weight of a new entry, if there may be such a one.
    fn weigh(&self, key: &[u8], value: &[u8]) -> Result<u32, TooLarge> {
        let weight = (self.weigher)(key, value);
        let limit = match self.bounds.entries {
            0 => 0,
            _ => self.bounds.weight.min(u64::from(u32::MAX)),
        };
        match u32::try_from(weight) {
            Ok(small)
                if weight <= limit && self.bounds.entries > 0 && key.len() <= u32::MAX as usize =>
            {
                Ok(small)
            }
            _ => Err(TooLarge { weight, limit }),
        }
    }

    /// Stores a new entry; there is room.
    fn insert(
        &mut self,
        hash: u64,
        key: &[u8],
        value: NewValue<'_>,
        weight: u32,
        meta: M,
        expires: u64,
    ) {
        let hash = hash as u32;
        let block = Block::new(key, value);
        let place = self
            .slab
            .insert(hash, key.len() as u32, block, weight, meta, expires);
        let slab = &self.slab;
        self.index
            .insert_unique(spread(hash), place, |&place| spread(slab.node(place).hash));
        self.wheel.link(&mut self.slab, place);
    }

    /// Gives an entry another value and makes it the most recent one. Leaves it off the wheel, its
    /// weight not yet in the sum.
    fn renew(
        &mut self,
        place: u32,
        key: &[u8],
        value: NewValue<'_>,
        weight: u32,
        now: u64,
        evicted: &mut Evicted<M>,
    ) {
        // Off the wheel, most recent and weightless, it cannot be driven out by its own growth.
        self.wheel.unlink(&mut self.slab, place);
        self.slab.promote(place);
        let node = self.slab.node_mut(place);
        let old_weight = core::mem::replace(&mut node.weight, weight);
        if !node.block.overwrite(node.key_len, value.as_slice()) {
            evicted.keep(core::mem::replace(&mut node.block, Block::new(key, value)));
        }
        self.weight -= u64::from(old_weight);
        self.make_room(0, weight, now, evicted);
    }

    /// Removes until there is room for `entries` more that weigh `weight` in all.
    #[inline]
    fn make_room(&mut self, entries: usize, weight: u32, now: u64, evicted: &mut Evicted<M>) {
        while self.slab.len() + entries > self.bounds.entries
            || self.weight + u64::from(weight) > self.bounds.weight
        {
            match self.victim(now) {
                Some(removed) => evicted.push(removed),
                None => return,
            }
        }
    }

    /// The entry to go first: an expired one, else the least recent.
    fn victim(&mut self, now: u64) -> Option<Removed<M>> {
        if self.wheel.is_due(now) {
            let (order, mut budget) = (self.order(), usize::MAX);
            if let Some(place) = self.wheel.pop(&mut self.slab, now, order, &mut budget) {
                return Some(self.take(place, Cause::Expired));
            }
        }
        let place = self.slab.oldest()?;
        Some(self.take(place, Cause::Evicted))
    }

    /// Removes expired entries at a put: all, or a few.
    #[cold]
    fn tidy(&mut self, now: u64, evicted: &mut Evicted<M>) {
        let budget = match self.expiry {
            Expiry::Exact => usize::MAX,
            Expiry::Bounded { per_put } => per_put,
        };
        self.expire_with(now, budget, |removed| evicted.push(removed));
    }

    /// Takes an entry out of all three structures.
    fn take(&mut self, place: u32, cause: Cause) -> Removed<M> {
        self.wheel.unlink(&mut self.slab, place);
        let hash = spread(self.slab.node(place).hash);
        if let Ok(found) = self.index.find_entry(hash, |&other| other == place) {
            found.remove();
        }
        let removed = self.slab.remove(place, cause);
        self.weight -= u64::from(removed.weight);
        removed
    }

    fn order(&self) -> Order {
        match self.expiry {
            Expiry::Exact => Order::Sorted,
            Expiry::Bounded { .. } => Order::Any,
        }
    }
}

impl<M, S: BuildHasher> Tlru<M, S> {
    /// The hash of `key`, which every other call asks for.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        hash_key(&self.hasher, key)
    }
}

impl<M, S> fmt::Debug for Tlru<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tlru")
            .field("held", &self.index.len())
            .field("weight", &self.weight)
            .field("bounds", &self.bounds)
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

/// Whether the time of what expires at `expires` is over.
#[inline]
fn is_over(expires: u64, now: u64) -> bool {
    expires <= now && expires != u64::MAX
}

/// The index's hash, made of the half that is kept: it looks at the lowest bits and the highest.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[inline]
fn entry<M: Copy>(node: &Node<M>) -> Entry<'_, M> {
    Entry {
        key: node.key(),
        value: node.block.value(node.key_len),
        meta: &node.meta,
        expires: node.expires,
    }
}
