//! From hashes to places: a table of buckets, each a chain of entries through their links.
//!
//! A look-up reads the bucket, four bytes, and then the link it needs anyway. Adding an entry or
//! taking one out writes a word or two, and leaves nothing behind that would have to be swept. There
//! are never more places than buckets, so chains are short: 1.5 links on average where there is any.

use alloc::vec;
use alloc::vec::Vec;

use crate::links::{Links, SENTINEL};

/// The first place of each bucket. A power of two of them, or none yet.
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

    /// Has as many buckets as there are places, at least.
    pub(crate) fn extend(&mut self, links: &mut Links) {
        self.reserve(links, links.places());
    }

    /// Has so many buckets, at least.
    pub(crate) fn reserve(&mut self, links: &mut Links, places: usize) {
        let buckets = places.next_power_of_two();
        if buckets <= self.0.len() {
            return;
        }
        self.0 = vec![SENTINEL; buckets];
        for (place, link) in links.in_use() {
            let bucket = link.hash as usize & (buckets - 1);
            link.chained = self.0[bucket];
            self.0[bucket] = place;
        }
    }

    #[inline]
    fn bucket(&self, hash: u32) -> usize {
        hash as usize & self.0.len().wrapping_sub(1)
    }
}
