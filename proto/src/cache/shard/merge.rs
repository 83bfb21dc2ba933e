//! Records of other nodes', found by comparing.
//!
//! A write that is on its way to its copies is applied whatever it costs. What is found later by
//! comparing may be old: it comes in only where it does no harm.

use crate::count::Count;
use zerocache_store::by_size;

use super::{Held, Place, Shard};
use crate::cache::clock::Clock;
use crate::cache::digest::Digest;
use crate::cache::meta::Meta;
use crate::cache::{Claim, Merged, Offer};
use crate::{Now, Version};

/// A cache that has ever evicted is filled with old records but for one part in four. Else it would
/// fetch again what it has just evicted.
const SPARED: u64 = 4;

impl Shard {
    /// The digest of what is in memory: see [`Digest`].
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// How many records are in memory, and what they weigh: those expired and not yet removed
    /// included.
    #[must_use]
    pub fn held(&self) -> (u64, u64) {
        [&self.local, &self.remote, &self.tombstones]
            .into_iter()
            .fold((0, 0), |(records, weight), cache| {
                let records = records.saturating_add(cache.held() as u64);
                (records, weight.saturating_add(cache.weight()))
            })
    }

    /// Whether another node's record is wanted here: because it is newer than the one held, or because
    /// none is held and there is room, so that nothing has to go for it.
    ///
    /// It is not if its version is too far ahead of the time, as for any write; nor if none is held
    /// and a tombstone as new had to go before its time: that may have been this key's.
    #[must_use]
    pub fn wants(&self, now: Now, hash: u64, key: &[u8], claim: Claim<'_>) -> bool {
        let held = self.held_at(now, hash, key);
        self.wanted(now, key, claim, held.as_ref())
    }

    /// Takes another node's record in, if it is wanted. Its life ends when it says, whatever this node
    /// would have given it: copies of copies do not live longer.
    pub fn merge(&mut self, now: Now, hash: u64, key: &[u8], offer: Offer<'_>) -> Merged {
        let mono = now.mono.as_millis();
        let held = self.held_at(now, hash, key);
        if !self.wanted(now, key, offer.claim(), held.as_ref()) || offer.expires <= now.mono {
            return Merged::Declined;
        }
        let expires = offer.expires.as_millis().min(u64::MAX - 1);
        let meta = Meta::new(offer.version, self.origins.intern(offer.origin));
        let place = self.place_of(offer.claim());
        let put = match offer.value {
            Some(value) => self.keep(place, mono, hash, key, value, meta, expires),
            None => {
                // It outlives all copies of the value it takes away.
                let expires = held
                    .as_ref()
                    .map_or(expires, |held| held.expires.max(expires));
                Some(self.bury(mono, hash, key, meta, expires))
            }
        };
        let Some(mut displaced) = put else {
            return Merged::Declined;
        };
        match place {
            Place::Tombstone => self.counters.deletes.grow(1),
            Place::Local | Place::Remote => self.counters.puts.grow(1),
        }
        self.clock.observe(offer.version);
        if let Some(held) = held.filter(|held| held.place != place) {
            displaced.removed = self.remove(held.place, mono, hash, key);
        }
        Merged::Applied(displaced)
    }

    fn held_at(&self, now: Now, hash: u64, key: &[u8]) -> Option<Held> {
        self.held_now(now.mono.as_millis(), hash, key)
    }

    fn wanted(&self, now: Now, key: &[u8], claim: Claim<'_>, held: Option<&Held>) -> bool {
        if Clock::is_ahead(claim.version, now.unix_ms) {
            return false;
        }
        let size = size(key, claim);
        let bounds = self.store(self.place_of(claim)).bounds();
        if claim.value > Some(self.max_value) || size > bounds.weight || bounds.entries == 0 {
            return false;
        }
        match held {
            Some(held) => held.meta.version() < claim.version,
            None => !self.may_be_deleted(claim.version) && self.has_room(claim, size),
        }
    }

    fn may_be_deleted(&self, version: Version) -> bool {
        self.forgotten.is_some_and(|forgotten| version <= forgotten)
    }

    fn has_room(&self, claim: Claim<'_>, size: u64) -> bool {
        let place = self.place_of(claim);
        let evictions = match place {
            Place::Local => self.counters.local.evictions,
            Place::Remote => self.counters.remote.evictions,
            Place::Tombstone => self.counters.tombstones.evictions,
        };
        let cache = self.store(place);
        let bounds = cache.bounds();
        let (mut entries, mut weight) = (bounds.entries as u64, bounds.weight);
        if evictions > 0 {
            entries = entries.saturating_sub(entries.div_ceil(SPARED));
            weight = weight.saturating_sub(weight.div_ceil(SPARED));
        }
        (cache.held() as u64) < entries && cache.weight().saturating_add(size) <= weight
    }

    fn place_of(&self, claim: Claim<'_>) -> Place {
        match claim.value {
            None => Place::Tombstone,
            Some(_) if claim.origin == self.region() => Place::Local,
            Some(_) => Place::Remote,
        }
    }
}

/// What a record would weigh.
fn size(key: &[u8], claim: Claim<'_>) -> u64 {
    by_size(key, &[]).saturating_add(claim.value.unwrap_or(0) as u64)
}
