//! The half of each place that every operation touches, and the recency list threaded through it.
//!
//! Place 0 is the list's sentinel: its `next` is the most recent entry, its `prev` the least
//! recent, so no link is ever at an end. Free places form a list of their own through `next`.
//!
//! These lie in one vector, two to a cache line, apart from the bulk of the nodes: moving an entry
//! to the front touches its neighbours' links and nothing else of theirs.
//! The index threads its buckets through them too: see [`crate::index`].

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

/// The sentinel's place, and "no place" in the list of free ones.
pub(crate) const SENTINEL: u32 = 0;

/// In `earlier`: not on the wheel.
pub(crate) const UNTIMED: u32 = u32::MAX;

/// In `chained`: a free place, in no bucket.
const FREE: u32 = u32::MAX;

/// Half a cache line, and never parts of two.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Link {
    /// When the entry expires; `u64::MAX`: never.
    pub(crate) expires: u64,
    /// The low half of its key's hash: the index goes by it, and most keys are told apart by it.
    pub(crate) hash: u32,
    /// The next entry in the same bucket of the index.
    pub(crate) chained: u32,
    /// Towards the most recent.
    prev: u32,
    /// Towards the least recent.
    next: u32,
    /// Neighbours in the wheel's slot: see [`crate::wheel`].
    pub(crate) earlier: u32,
    pub(crate) later: u32,
}

pub(crate) struct Links {
    all: Vec<Link>,
    free: u32,
    used: usize,
}

impl Links {
    pub(crate) const fn new() -> Self {
        Self {
            all: Vec::new(),
            free: SENTINEL,
            used: 0,
        }
    }

    /// How many entries there are.
    #[inline]
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// How many entries there may be without growth, and the sentinel.
    pub(crate) fn places(&self) -> usize {
        self.all.len()
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.free == SENTINEL
    }

    /// Adds `count` free places to a full list. Grows by halves, but to no more than `limit`
    /// entries unless it must.
    pub(crate) fn extend(&mut self, count: u32, limit: usize) {
        let begin = self.all.len() as u32;
        let end = begin + count;
        if self.all.capacity() < end as usize {
            let spare = limit.saturating_add(1).saturating_sub(begin as usize);
            let half = spare.min(begin as usize / 2);
            self.all.reserve_exact(half.max(count as usize));
        }
        self.all.extend((begin..end).map(|place| Link {
            expires: 0,
            hash: 0,
            chained: FREE,
            prev: SENTINEL,
            next: match place + 1 {
                _ if place == SENTINEL => SENTINEL,
                next if next == end => SENTINEL,
                next => next,
            },
            earlier: UNTIMED,
            later: UNTIMED,
        }));
        // The first place of all is the sentinel's.
        self.free = begin.max(SENTINEL + 1);
    }

    /// Makes room for `entries` in all.
    pub(crate) fn reserve(&mut self, entries: usize) {
        let places = entries.saturating_add(1);
        self.all
            .reserve_exact(places.saturating_sub(self.all.len()));
    }

    /// Takes a free place, of which there must be one, for the most recent entry.
    #[inline]
    pub(crate) fn take(&mut self, hash: u32, expires: u64) -> u32 {
        let place = self.free;
        let link = &mut self[place];
        link.hash = hash;
        link.expires = expires;
        self.free = link.next;
        self.used += 1;
        self.link_first(place);
        place
    }

    /// Gives a place back, which must be off the wheel and out of the index.
    #[inline]
    pub(crate) fn give(&mut self, place: u32) {
        self.unlink(place);
        let free = self.free;
        let link = &mut self[place];
        link.next = free;
        link.chained = FREE;
        self.free = place;
        self.used -= 1;
    }

    /// Makes an entry the most recent one.
    #[inline]
    pub(crate) fn promote(&mut self, place: u32) {
        // The head again, which in a hot cache is often: nothing to write.
        if self[SENTINEL].next != place {
            self.unlink(place);
            self.link_first(place);
        }
    }

    /// Whether there is an entry at `place`, one of [`places`](Self::places).
    #[inline]
    pub(crate) fn is_used(&self, place: u32) -> bool {
        self[place].chained != FREE
    }

    /// The places in use, in the order they lie in memory, each with its link.
    pub(crate) fn in_use(&mut self) -> impl Iterator<Item = (u32, &mut Link)> {
        (0_u32..)
            .zip(&mut self.all)
            .filter(|(_, link)| link.chained != FREE)
    }

    /// The most recent entry.
    pub(crate) fn newest(&self) -> Option<u32> {
        self.older(SENTINEL)
    }

    /// The entry less recent than `place` by one; the most recent one after the sentinel.
    pub(crate) fn older(&self, place: u32) -> Option<u32> {
        let next = self.all.get(place as usize)?.next;
        (next != SENTINEL).then_some(next)
    }

    /// The least recent entry.
    pub(crate) fn oldest(&self) -> Option<u32> {
        let prev = self.all.first()?.prev;
        (prev != SENTINEL).then_some(prev)
    }

    #[inline]
    fn link_first(&mut self, place: u32) {
        let first = self[SENTINEL].next;
        self[SENTINEL].next = place;
        self[first].prev = place;
        let link = &mut self[place];
        link.prev = SENTINEL;
        link.next = first;
    }

    #[inline]
    fn unlink(&mut self, place: u32) {
        let Link { prev, next, .. } = self[place];
        self[prev].next = next;
        self[next].prev = prev;
    }
}

impl Index<u32> for Links {
    type Output = Link;

    #[inline]
    fn index(&self, place: u32) -> &Link {
        &self.all[place as usize]
    }
}

impl IndexMut<u32> for Links {
    #[inline]
    fn index_mut(&mut self, place: u32) -> &mut Link {
        &mut self.all[place as usize]
    }
}
