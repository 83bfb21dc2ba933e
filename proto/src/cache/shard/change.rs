//! What every change of the stores takes along: counters and digest.

use zerocache_store::{Cause, Evicted, NewValue, Put, Removed};

use super::{Place, Shard};
use crate::Version;
use crate::cache::digest::{Digest, key_hash};
use crate::cache::meta::Meta;
use crate::cache::{CacheStats, Displaced};

impl Shard {
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
        let takes = cache.takes(key, value.as_slice());
        let put = takes.then(|| cache.put(hash, key, value, meta, expires, now))?;
        let put = put.ok()?;
        counters.count(&put);
        self.digest.count(key, meta.version(), &put);
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
        let tombstones = &mut self.tombstones;
        let put = tombstones.takes(key, &[]).then(|| {
            let tombstone = NewValue::Copy(&[]);
            tombstones.put(hash, key, tombstone, meta, expires, now)
        });
        let Some(Ok(put)) = put else {
            // A budget too small for this one: it counts as dropped at once.
            self.counters.tombstones.evictions += 1;
            self.forgotten = self.forgotten.max(Some(meta.version()));
            return Displaced::default();
        };
        self.digest.count(key, meta.version(), &put);
        for gone in put.evicted.iter().filter(|gone| is_evicted(gone)) {
            self.counters.tombstones.evictions += 1;
            self.forgotten = self.forgotten.max(Some(gone.meta().version()));
        }
        put.into()
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
    /// A put of `key` was done.
    pub(super) fn count(&mut self, key: &[u8], version: Version, put: &Put<Meta>) {
        let hash = key_hash(key);
        if put.stored {
            self.toggle(hash, version);
        }
        if let Some(before) = put.before {
            self.toggle(hash, before.version());
        }
        for gone in &put.evicted {
            self.forget(gone);
        }
    }

    /// A record is gone.
    pub(super) fn forget(&mut self, gone: &Removed<Meta>) {
        self.toggle(key_hash(gone.key()), gone.meta().version());
    }
}

impl CacheStats {
    fn count(&mut self, put: &Put<Meta>) {
        self.evictions += causes(&put.evicted, Cause::Evicted);
        self.expirations += causes(&put.evicted, Cause::Expired);
    }
}

/// How many of `evicted` went for `cause`.
fn causes(evicted: &Evicted<Meta>, cause: Cause) -> u64 {
    evicted
        .iter()
        .filter(|removed| removed.cause() == cause)
        .count() as u64
}

/// Whether it went for want of room.
fn is_evicted(removed: &Removed<Meta>) -> bool {
    removed.cause() == Cause::Evicted
}
