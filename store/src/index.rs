//! From hashes to places: a table of buckets, each a chain of entries through their links.
//!
//! A look-up reads the bucket, four bytes, and then the link it needs anyway. Adding an entry or
//! taking one out writes a word or two, and leaves nothing behind that would have to be swept. There
//! are seven buckets for four places, so that three keys of four lie first in theirs, and most that
//! are not held meet an empty one. In a large store each link of another's is memory waited for.

use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use crate::links::{Links, SENTINEL};

/// The first place of each bucket.
pub(crate) struct Index(Vec<u32>);

impl Index {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The first of the entries among which one of this hash would be. The others follow as
    /// `chained`, up to the sentinel.
    #[inline]
    pub(crate) fn first(&self, hash: u32) -> u32 {
        self.0.get(self.bucket(hash)).copied().unwrap_or(SENTINEL)
    }

    /// Adds an entry, whose link has its hash.
    #[inline]
    pub(crate) fn insert(&mut self, links: &mut Links, place: u32) {
        let link = &mut links[place];
        let bucket = self.bucket(link.hash);
        link.chained = self.0[bucket];
        self.0[bucket] = place;
    }

    /// Takes an entry out.
    #[inline]
    pub(crate) fn remove(&mut self, links: &mut Links, place: u32) {
        let link = &links[place];
        let (bucket, after) = (self.bucket(link.hash), link.chained);
        let mut before = self.0[bucket];
        if before == place {
            self.0[bucket] = after;
            return;
        }
        while links[before].chained != place {
            before = links[before].chained;
        }
        links[before].chained = after;
    }

    /// Has buckets enough for all places. Grows by halves, but for no more places than `most`.
    pub(crate) fn extend(&mut self, links: &mut Links, most: usize) {
        let places = links.places();
        if buckets(places) > self.0.len() {
            self.reserve(links, most.clamp(places, places + places / 2));
        }
    }

    #[cfg(test)]
    pub(crate) fn buckets(&self) -> usize {
        self.0.len()
    }

    /// Has buckets enough for so many places.
    pub(crate) fn reserve(&mut self, links: &mut Links, places: usize) {
        let buckets = buckets(places);
        if buckets <= self.0.len() {
            return;
        }
        self.0 = vec![SENTINEL; buckets];
        for (place, link) in links.in_use() {
            let bucket = self.bucket(link.hash);
            link.chained = mem::replace(&mut self.0[bucket], place);
        }
    }

    /// The hash as a fraction of the buckets (Lemire), so that there may be any number of them.
    #[inline]
    fn bucket(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.0.len() as u64) >> 32) as usize
    }
}

/// How many buckets so many places ask for.
fn buckets(places: usize) -> usize {
    places.saturating_mul(7) / 4
}
