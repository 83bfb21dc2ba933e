//! The cache itself: index, slab and wheel kept in step.

use core::fmt;
use core::hash::BuildHasher;

use hashbrown::HashTable;

use crate::block::{Block, NewValue, Value};
use crate::bounds::{Bounds, Expiry, TooLarge, Weigher, by_size};
use crate::evicted::{Cause, Evicted, Removed};
use crate::hash::{SeededState, hash_key};
use crate::links::{Link, Links, Tag};
use crate::nodes::{CHUNK, Node, Nodes};
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
    links: Links,
    nodes: Nodes<M>,
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

impl<'a, M> Entry<'a, M> {
    #[inline]
    fn new(node: &'a Node<M>, key_len: usize, expires: u64) -> Self {
        Self {
            key: node.block.key(key_len),
            value: node.block.value(key_len),
            meta: &node.meta,
            expires,
        }
    }
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
            links: Links::new(),
            nodes: Nodes::new(),
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
        let entries = entries.min(self.bounds.entries);
        self.links.reserve(entries);
        let (links, more) = (&self.links, entries.saturating_sub(self.links.used()));
        self.index.reserve(more, |&place| links[place].tag.hash());
    }

    /// The hasher, for computing hashes away from the store with [`hash_key`].
    pub fn hasher(&self) -> &S {
        &self.hasher
    }

    /// The live entry under `key`, made the most recent one.
    #[inline]
    pub fn get(&mut self, hash: u64, key: &[u8], now: u64) -> Option<Entry<'_, M>> {
        let is_live = |link: &Link| !is_over(link.expires, now);
        let (place, node) = find(&self.index, &self.links, &self.nodes, hash, key, is_live)?;
        self.links.promote(place);
        Some(Entry::new(node, key.len(), self.links[place].expires))
    }

    /// The live entry under `key`, its recency left alone.
    #[inline]
    pub fn peek(&self, hash: u64, key: &[u8], now: u64) -> Option<Entry<'_, M>> {
        let place = self.live(hash, key, now)?;
        Some(self.entry(place))
    }

    /// Makes the live entry under `key`, if there is one, the most recent one.
    pub fn touch(&mut self, hash: u64, key: &[u8], now: u64) -> bool {
        let live = self.live(hash, key, now);
        if let Some(place) = live {
            self.links.promote(place);
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
        let mut put = Put {
            stored: !is_over(expires, now),
            replaced: false,
            evicted: Evicted::new(),
        };
        if self.wheel.is_turn(now) {
            self.tidy(now, &mut put.evicted);
        }
        let found = self.find(hash, key);
        if let Some(place) = found {
            put.replaced = !is_over(self.links[place].expires, now);
        }
        match found {
            Some(place) if put.stored => {
                let weight = self.weigh(key, value.as_slice())?;
                self.wheel.renew(&mut self.links, place, expires);
                self.nodes[place].meta = meta;
                self.renew(place, key, value, weight, now, &mut put.evicted);
            }
            None if put.stored => {
                let weight = self.weigh(key, value.as_slice())?;
                self.make_room(1, weight, now, &mut put.evicted);
                self.insert(hash, key, value, weight, meta, expires);
            }
            Some(place) => put.evicted.keep(self.take(place, Cause::Taken).block),
            None => {}
        }
        Ok(put)
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
            let place = self.links.oldest()?;
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
        while let Some(place) = self.wheel.pop(&mut self.links, now, order, &mut budget) {
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
        self.held() - self.wheel.count_due(&self.links, now)
    }

    /// Whether there is no live entry; costs what [`Tlru::len`] does.
    pub fn is_empty(&self, now: u64) -> bool {
        self.len(now) == 0
    }

    /// Entries in memory: the live ones and those expired but not yet removed.
    pub fn held(&self) -> usize {
        self.links.used()
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
        self.links = Links::new();
        self.nodes = Nodes::new();
        self.wheel = Wheel::new();
        self.weight = 0;
    }

    /// The live entries, most recent first.
    pub fn iter(&self, now: u64) -> impl Iterator<Item = Entry<'_, M>> {
        let links = &self.links;
        core::iter::successors(links.newest(), |&place| links.older(place))
            .filter(move |&place| !is_over(links[place].expires, now))
            .map(|place| self.entry(place))
    }

    #[inline(never)]
    fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let any = |_: &Link| true;
        find(&self.index, &self.links, &self.nodes, hash, key, any).map(|(place, _)| place)
    }

    #[inline]
    fn live(&self, hash: u64, key: &[u8], now: u64) -> Option<u32> {
        let place = self.find(hash, key)?;
        (!is_over(self.links[place].expires, now)).then_some(place)
    }

    #[inline]
    fn entry(&self, place: u32) -> Entry<'_, M> {
        let link = &self.links[place];
        Entry::new(&self.nodes[place], link.tag.key_len(), link.expires)
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
        if self.links.is_full() {
            self.grow(meta);
        }
        let tag = Tag::new(hash, key);
        let place = self.links.take(tag, expires);
        self.nodes[place] = Node {
            block: Block::new(key, value),
            meta,
            weight,
        };
        let links = &self.links;
        self.index
            .insert_unique(tag.hash(), place, |&place| links[place].tag.hash());
        self.weight += u64::from(weight);
        self.wheel.link(&mut self.links, place);
    }

    #[cold]
    fn grow(&mut self, filler: M) {
        self.nodes.extend(filler);
        self.links.extend(CHUNK, self.bounds.entries);
    }

    /// Gives an entry, whose new time is set, another value and makes it the most recent one.
    fn renew(
        &mut self,
        place: u32,
        key: &[u8],
        value: NewValue<'_>,
        weight: u32,
        now: u64,
        evicted: &mut Evicted<M>,
    ) {
        // Live, most recent and weightless, it cannot be driven out by its own growth.
        self.links.promote(place);
        let node = &mut self.nodes[place];
        self.weight -= u64::from(node.weight);
        node.weight = weight;
        if !node.block.overwrite(key.len(), value.as_slice()) {
            evicted.keep(core::mem::replace(&mut node.block, Block::new(key, value)));
        }
        self.make_room(0, weight, now, evicted);
        self.weight += u64::from(weight);
    }

    /// Removes until there is room for `entries` more that weigh `weight` in all.
    #[inline(always)]
    fn make_room(&mut self, entries: usize, weight: u32, now: u64, evicted: &mut Evicted<M>) {
        while !self.has_room(entries, weight) {
            if !self.evict(now, evicted) {
                return;
            }
        }
    }

    #[inline(always)]
    fn has_room(&self, entries: usize, weight: u32) -> bool {
        self.links.used() + entries <= self.bounds.entries
            && self.weight + u64::from(weight) <= self.bounds.weight
    }

    /// Removes the entry that is to go first, if there is one: an expired one, else the least recent.
    #[inline(never)]
    fn evict(&mut self, now: u64, evicted: &mut Evicted<M>) -> bool {
        let Some((place, cause)) = self.victim(now) else {
            return false;
        };
        evicted.push(self.take(place, cause));
        true
    }

    #[inline(always)]
    fn victim(&mut self, now: u64) -> Option<(u32, Cause)> {
        if self.wheel.is_due(now) {
            let (order, mut budget) = (self.order(), usize::MAX);
            let expired = self.wheel.pop(&mut self.links, now, order, &mut budget);
            if let Some(place) = expired {
                return Some((place, Cause::Expired));
            }
        }
        Some((self.links.oldest()?, Cause::Evicted))
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
        self.wheel.unlink(&mut self.links, place);
        let link = &self.links[place];
        let (tag, expires) = (link.tag, link.expires);
        if let Ok(found) = self.index.find_entry(tag.hash(), |&other| other == place) {
            found.remove();
        }
        self.links.give(place);
        let node = &mut self.nodes[place];
        self.weight -= u64::from(node.weight);
        Removed {
            block: core::mem::replace(&mut node.block, Block::empty()),
            key_len: tag.key_len() as u32,
            weight: node.weight,
            expires,
            meta: node.meta,
            cause,
        }
    }

    /// Places there are for entries, and the sentinel's.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.links.places()
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
    // What expires at the end of time never does.
    expires <= now.min(u64::MAX - 1)
}

/// The place of `key`, and what is there, if it `is_wanted`. A function of the parts, so that the
/// others stay free; with a closure of each caller's own, so that the probe is inlined into each.
#[inline(always)]
fn find<'a, M>(
    index: &HashTable<u32>,
    links: &Links,
    nodes: &'a Nodes<M>,
    hash: u64,
    key: &[u8],
    is_wanted: impl Fn(&Link) -> bool,
) -> Option<(u32, &'a Node<M>)> {
    let tag = Tag::new(hash, key);
    let mut found = None;
    index.find(tag.hash(), |&place| {
        let link = &links[place];
        link.tag == tag && {
            let node = &nodes[place];
            found = Some((place, node));
            node.block.key(key.len()) == key && is_wanted(link)
        }
    })?;
    found
}
