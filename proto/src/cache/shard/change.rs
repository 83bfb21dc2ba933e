//! What every change of the stores takes along: counters and digest.

use crate::count::Count;
use zerocache_store::{Bounds, Cause, Evicted, NewValue, Put, Removed};

use super::{Place, Shard};
use crate::cache::digest::{Digest, key_hash};
use crate::cache::meta::Meta;
use crate::cache::{CacheStats, Displaced};
use crate::{Now, Version};

impl Shard {
    /// Keeps the values of the own region, and those of others, to these bounds from now on. Answers what
    /// of each had to go for it, the least recently used first, to be freed where no lock is held.
    pub fn set_bounds(&mut self, now: Now, local: Bounds, remote: Bounds) -> [Displaced; 2] {
        let (now, digest) = (now.mono.as_millis(), &mut self.digest);
        let caches = [
            (&mut self.local, &mut self.counters.local, local),
            (&mut self.remote, &mut self.counters.remote, remote),
        ];
        caches.map(|(cache, counters, bounds)| {
            let evicted = cache.set_bounds(bounds, now);
            counters.count(&evicted);
            digest.forget_all(&evicted);
            evicted.into()
        })
    }

    /// Stores a value; `None` if it is too large, and nothing has changed.
    #[inline]
    #[expect(clippy::too_many_arguments, reason = "all that a store is told")]
    pub(super) fn keep(
        &mut self,
        place: Place,
        now: u64,
        hash: u64,
        key: &[u8],
        value: NewValue<'_>,
        meta: Meta,
        expires: u64,
    ) -> Option<Displaced> {
        let (cache, counters) = match place {
            Place::Local => (&mut self.local, &mut self.counters.local),
            _ => (&mut self.remote, &mut self.counters.remote),
        };
        // Asked first, since a put that fails does not say what it has removed.
        if !cache.takes(key, value.as_slice()) {
            return None;
        }
        let Ok(put) = cache.put(hash, key, value, meta, expires, now) else {
            return None;
        };
        self.digest.count(key, meta.version(), &put);
        if !put.evicted.is_empty() {
            counters.count(&put.evicted);
            self.digest.forget_all(&put.evicted);
        }
        Some(put.into())
    }

    pub(super) fn bury(
        &mut self,
        now: u64,
        hash: u64,
        key: &[u8],
        meta: Meta,
        expires: u64,
    ) -> Displaced {
        if self.tombstones.takes(key, &[]) {
            let tombstones = &mut self.tombstones;
            let tombstone = NewValue::Copy(&[]);
            if let Ok(put) = tombstones.put(hash, key, tombstone, meta, expires, now) {
                self.digest.count(key, meta.version(), &put);
                if !put.evicted.is_empty() {
                    self.count_buried(&put.evicted);
                    self.digest.forget_all(&put.evicted);
                }
                return put.into();
            }
        }
        // A budget too small for this one: it counts as dropped at once.
        self.counters.tombstones.evictions.grow(1);
        self.forgotten = self.forgotten.max(Some(meta.version()));
        Displaced::default()
    }

    /// Remembers how new the tombstones are that had to go.
    #[cold]
    fn count_buried(&mut self, evicted: &Evicted<Meta>) {
        for gone in evicted.iter().filter(|gone| gone.cause() == Cause::Evicted) {
            self.counters.tombstones.evictions.grow(1);
            self.forgotten = self.forgotten.max(Some(gone.meta().version()));
        }
    }

    /// Takes the record of `key` out of one of the stores, where it is live.
    pub(super) fn remove(
        &mut self,
        place: Place,
        now: u64,
        hash: u64,
        key: &[u8],
    ) -> Option<Removed<Meta>> {
        let removed = self.store_mut(place).remove(hash, key, now);
        if let Some(gone) = &removed {
            self.digest.forget(gone);
        }
        removed
    }
}

impl Digest {
    /// A put of `key` was done; what it drove out is another matter.
    #[inline]
    fn count(&mut self, key: &[u8], version: Version, put: &Put<Meta>) {
        let hash = key_hash(key);
        match put.before {
            Some(before) if put.stored => self.replace(hash, before.version(), version),
            Some(before) => self.toggle(hash, before.version()),
            None if put.stored => self.toggle(hash, version),
            None => {}
        }
    }

    /// These records are gone.
    #[inline(never)]
    fn forget_all(&mut self, evicted: &Evicted<Meta>) {
        evicted.iter().for_each(|gone| self.forget(gone));
    }

    /// A record is gone.
    pub(super) fn forget(&mut self, gone: &Removed<Meta>) {
        self.toggle(key_hash(gone.key()), gone.meta().version());
    }
}

impl CacheStats {
    fn count(&mut self, evicted: &Evicted<Meta>) {
        self.evictions.grow(causes(evicted, Cause::Evicted));
        self.expirations.grow(causes(evicted, Cause::Expired));
    }
}

/// How many of `evicted` went for `cause`.
fn causes(evicted: &Evicted<Meta>, cause: Cause) -> u64 {
    evicted
        .iter()
        .filter(|removed| removed.cause() == cause)
        .count() as u64
}
