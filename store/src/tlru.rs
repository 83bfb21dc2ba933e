//! The cache itself: index, links, nodes and wheel kept in step.

use core::fmt;
use core::hash::BuildHasher;

use crate::block::{NewValue, is_same};
use crate::bounds::{Bounds, Expiry, TooLarge, Weigher};
use crate::entry::{Entry, Put};
use crate::evicted::{Cause, Evicted, Removed};
use crate::hash::{SeededState, hash_key};
use crate::index::Index;
use crate::links::{Link, Links, SENTINEL};
use crate::nodes::{Nodes, places_for};
use crate::wheel::Wheel;

mod room;

/// A bounded cache whose entries leave when their time is over, else least recently used first.
///
/// Times are `u64` milliseconds from any origin the caller likes, handed in with each call and
/// never going back (if they do, entries may be kept longer, no more). Hashes are those of
/// [`Tlru::hash`], handed in too, so that they are computed once and outside of any lock.
///
/// `M` is the caller's own note on each entry.
pub struct Tlru<M, S = SeededState> {
    index: Index,
    links: Links,
    nodes: Nodes<M>,
    wheel: Wheel,
    weight: u64,
    bounds: Bounds,
    /// The most one entry may weigh.
    heaviest: u32,
    /// `None`: [`by_size`](crate::by_size), without a call.
    weigher: Option<Weigher>,
    expiry: Expiry,
    hasher: S,
}

impl<M: Copy> Tlru<M> {
    /// An empty store whose hashes depend on `seed`: draw that at random where keys come from
    /// strangers. Weighs [`by_size`](crate::by_size), expires as [`Expiry::default`].
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
            index: Index::new(),
            links: Links::new(),
            nodes: Nodes::new(),
            wheel: Wheel::new(),
            weight: 0,
            bounds: bounds.clamped(),
            heaviest: bounds.heaviest(),
            weigher: None,
            expiry: Expiry::default(),
            hasher,
        }
    }

    /// Weighs with `weigher` from now on.
    #[must_use]
    pub fn with_weigher(mut self, weigher: Weigher) -> Self {
        self.weigher = Some(weigher);
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
        self.index.reserve(&mut self.links, places_for(entries));
    }

    /// The hasher, for computing hashes away from the store with [`hash_key`].
    pub fn hasher(&self) -> &S {
        &self.hasher
    }

    /// The live entry under `key`, made the most recent one.
    #[inline(always)]
    pub fn get(&mut self, hash: u64, key: &[u8], now: u64) -> Option<Entry<'_, M>> {
        let is_live = |link: &Link| !is_over(link.expires, now);
        let (place, entry) = find(&self.index, &self.links, &self.nodes, hash, key, is_live)?;
        self.links.promote(place);
        Some(entry)
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
    /// [`TooLarge`]: nothing is stored, the old entry stays as it was. What had expired may have gone
    /// all the same, untold: one who has to know asks [`Tlru::takes`] first.
    #[inline(always)]
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
            before: None,
            evicted: Evicted::new(),
        };
        if self.wheel.is_turn(now) {
            self.tidy(now, &mut put.evicted);
        }
        let found = self.find(hash, key);
        if let Some(place) = found {
            put.replaced = !is_over(self.links[place].expires, now);
            put.before = Some(self.nodes[place].meta);
        }
        match found {
            Some(place) if put.stored => {
                let weight = self.weigh(key, value.as_slice())?;
                self.wheel.renew(&mut self.links, place, expires);
                self.renew(place, key, value, weight, meta, now, &mut put.evicted);
            }
            None if put.stored => {
                let weight = self.weigh(key, value.as_slice())?;
                self.make_room(1, weight, now, &mut put.evicted);
                self.insert(hash, key, value, weight, meta, expires);
            }
            Some(place) => put.evicted.push(self.take(place, None)),
            None => {}
        }
        Ok(put)
    }

    /// Whether a put of this would not be [`TooLarge`].
    #[inline]
    pub fn takes(&self, key: &[u8], value: &[u8]) -> bool {
        self.weigh(key, value).is_ok()
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
        self.heaviest = bounds.heaviest();
        self.make_room(0, 0, now, &mut evicted);
        evicted
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.index = Index::new();
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

    /// Hands the live entries at the next `budget` places, from place `from` on, to `each`, in the
    /// order they lie in memory, until that answers `false`: that entry is not counted as seen.
    /// Answers where to go on, or `None` at the end; the first place is 0.
    ///
    /// An entry keeps its place for as long as it is in the store, so that a walk in several calls
    /// meets each entry that is there throughout, once; and it may or may not meet the others.
    pub fn scan(
        &self,
        from: u32,
        budget: u32,
        now: u64,
        mut each: impl FnMut(u32, Entry<'_, M>) -> bool,
    ) -> Option<u32> {
        let places = self.links.places() as u32;
        let end = from.saturating_add(budget).min(places);
        for place in from..end {
            let live = self.links.is_used(place) && !is_over(self.links[place].expires, now);
            if live && !each(place, self.entry(place)) {
                return Some(place);
            }
        }
        (end < places).then_some(end)
    }

    #[inline]
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
        Entry::new(&self.nodes[place], self.links[place].expires)
    }

    #[cfg(test)]
    pub(crate) fn buckets(&self) -> usize {
        self.index.buckets()
    }

    /// Places there are for entries, and the sentinel's.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.links.places()
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
            .field("held", &self.links.used())
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
    index: &Index,
    links: &Links,
    nodes: &'a Nodes<M>,
    hash: u64,
    key: &[u8],
    is_wanted: impl Fn(&Link) -> bool,
) -> Option<(u32, Entry<'a, M>)> {
    let hash = hash as u32;
    let mut place = index.first(hash);
    while place != SENTINEL {
        let link = &links[place];
        if link.hash == hash && is_wanted(link) {
            let entry = Entry::new(&nodes[place], link.expires);
            if is_same(entry.key, key) {
                return Some((place, entry));
            }
        }
        place = link.chained;
    }
    None
}
