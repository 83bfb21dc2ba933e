//! One shard: the records of the keys whose hash picks it.

use crate::count::Count;
use zerocache_store::{Bounds, Entry, Expiry, Tlru};

use super::clock::Clock;
use super::digest::Digest;
use super::meta::{Meta, Origin, Origins};
use super::{
    Asked, CacheStats, Config, Deleted, Displaced, Hit, NewRecord, Record, Refused, State, Stats,
    TombstoneStats, Written,
};
use crate::{Duration, Instant, NodeId, Now, Region, Version};

mod change;
mod merge;
mod walk;

pub use walk::Position;

/// The least time a tombstone is kept, while there is room: longer than a late copy may wait in a
/// peer's queue.
pub const MIN_TOMBSTONE: Duration = Duration::from_secs(3600);

/// Expired entries a write removes beyond what it needs to.
const EXPIRED_PER_PUT: usize = 8;

/// A part of the one logical map.
///
/// The `hash` all calls take is [`hash`](Self::hash) of the key, computed once by the caller.
#[derive(Debug)]
pub struct Shard {
    local: Tlru<Meta>,
    remote: Tlru<Meta>,
    tombstones: Tlru<Meta>,
    origins: Origins,
    clock: Clock,
    max_value: usize,
    counters: Stats,
    /// Of all that is in memory, what has expired and is not removed yet included.
    digest: Digest,
    /// The newest tombstone that had to go before its time.
    forgotten: Option<Version>,
    /// A write had no version but the one it got here.
    stamped: bool,
}

impl Shard {
    /// An empty shard.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let tlru = |bounds: Bounds| {
            Tlru::new(bounds, config.seed).with_expiry(Expiry::Bounded {
                per_put: EXPIRED_PER_PUT,
            })
        };
        Self {
            local: tlru(config.local),
            remote: tlru(config.remote),
            tombstones: tlru(config.tombstones),
            origins: Origins::new(config.region),
            clock: Clock::new(config.node),
            max_value: config.max_value,
            counters: Stats::default(),
            digest: Digest::new(),
            forgotten: None,
            stamped: false,
        }
    }

    /// The hash of `key`: the same in all shards of one seed.
    #[must_use]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.local.hash(key)
    }

    /// The node's own region.
    #[must_use]
    pub fn region(&self) -> &Region {
        self.origins.name(Origin::OWN)
    }

    /// Signs the versions to come as `node`, after it had to take another id.
    pub fn set_node(&mut self, node: NodeId) {
        self.clock.set_node(node);
    }

    /// The value of `key`, made most recent.
    ///
    /// The answer does not depend on `asked`, which counts: the own region's path as a look-up in
    /// local, then in remote; another's as one in remote alone, as stock does.
    #[inline]
    pub fn get(&mut self, now: Now, hash: u64, key: &[u8], asked: Asked) -> Option<Hit<'_>> {
        let now = now.mono.as_millis();
        let (local, remote) = (&mut self.counters.local, &mut self.counters.remote);
        if let Some(entry) = self.local.get(hash, key, now) {
            match asked {
                Asked::OwnRegion => local.hits.grow(1),
                Asked::OtherRegion => remote.hits.grow(1),
            }
            return Some(hit(entry, now));
        }
        if asked == Asked::OwnRegion {
            local.misses.grow(1);
        }
        let Some(entry) = self.remote.get(hash, key, now) else {
            remote.misses.grow(1);
            return None;
        };
        remote.hits.grow(1);
        Some(hit(entry, now))
    }

    /// Stores a value, unless the key has a record that is as new.
    ///
    /// # Errors
    /// [`Refused`], and nothing has changed: neither the key's record nor any other.
    pub fn put(
        &mut self,
        now: Now,
        hash: u64,
        key: &[u8],
        record: NewRecord<'_>,
    ) -> Result<Written, Refused> {
        let mono = now.mono.as_millis();
        if record.value.as_slice().len() > self.max_value {
            self.counters.refused_size.grow(1);
            return Err(Refused::TooLarge);
        }
        let held = self.held_now(mono, hash, key);
        let expires = mono.saturating_add(millis(record.ttl)).min(u64::MAX - 1);
        if let Some(standing) = self.loses(now, record.version, held.as_ref())? {
            let mut displaced = Displaced::default();
            if standing.place == Place::Tombstone && standing.expires < expires {
                // Copies of the deleted value live longer than was known when it was deleted.
                displaced = self.bury(mono, hash, key, standing.meta, expires);
            }
            return Ok(Written {
                version: standing.meta.version(),
                applied: false,
                expires: Instant::from_millis(standing.expires),
                displaced,
            });
        }
        let origin = self.origins.intern(record.origin);
        let version = self.stamp(now, record.version, held.as_ref());
        let place = match origin {
            Origin::OWN => Place::Local,
            _ => Place::Remote,
        };
        let meta = Meta::new(version, origin);
        let kept = self.keep(place, mono, hash, key, record.value, meta, expires);
        let Some(mut displaced) = kept else {
            self.counters.refused_size.grow(1);
            return Err(Refused::TooLarge);
        };
        if let Some(held) = held.filter(|held| held.place != place) {
            displaced.removed = self.remove(held.place, mono, hash, key);
        }
        self.counters.puts.grow(1);
        Ok(Written {
            version,
            applied: true,
            expires: Instant::from_millis(expires),
            displaced,
        })
    }

    /// Deletes a key, held or not, unless it has a record that is as new.
    ///
    /// # Errors
    /// [`Refused::ClockSkew`], and nothing has changed.
    pub fn delete(
        &mut self,
        now: Now,
        hash: u64,
        key: &[u8],
        origin: &Region,
        version: Option<Version>,
    ) -> Result<Deleted, Refused> {
        let mono = now.mono.as_millis();
        let before = self.held_now(mono, hash, key);
        let held = before
            .as_ref()
            .is_some_and(|held| held.place != Place::Tombstone);
        if let Some(standing) = self.loses(now, version, before.as_ref())? {
            return Ok(Deleted {
                version: standing.meta.version(),
                held,
                applied: false,
                expires: Instant::from_millis(standing.expires),
                displaced: Displaced::default(),
            });
        }
        let version = self.stamp(now, version, before.as_ref());
        let least = mono.saturating_add(millis(MIN_TOMBSTONE));
        let expires = before
            .as_ref()
            .map_or(least, |held| held.expires.max(least));
        let meta = Meta::new(version, self.origins.intern(origin));
        let mut displaced = self.bury(mono, hash, key, meta, expires);
        if let Some(held) = before.filter(|held| held.place != Place::Tombstone) {
            displaced.removed = self.remove(held.place, mono, hash, key);
        }
        self.counters.deletes.grow(1);
        Ok(Deleted {
            version,
            held,
            applied: true,
            expires: Instant::from_millis(expires),
            displaced,
        })
    }

    /// The record of `key`, in no way touched: what a copy of it would say now.
    #[must_use]
    pub fn record(&self, now: Now, hash: u64, key: &[u8]) -> Option<Record<'_>> {
        let now = now.mono.as_millis();
        let value = self.local.peek(hash, key, now);
        let value = value.or_else(|| self.remote.peek(hash, key, now));
        let (meta, expires, state) = match value {
            Some(entry) => (*entry.meta, entry.expires, State::Value(entry.value)),
            None => {
                let entry = self.tombstones.peek(hash, key, now)?;
                (*entry.meta, entry.expires, State::Tombstone)
            }
        };
        Some(Record {
            version: meta.version(),
            origin: self.origins.name(meta.origin()),
            expires: Instant::from_millis(expires),
            state,
        })
    }

    /// Whether any write was taken here first, and not as a copy.
    #[must_use]
    pub const fn has_stamped(&self) -> bool {
        self.stamped
    }

    /// Removes up to `budget` records whose life is over, and says how many. They are gone for
    /// every look-up anyway; this frees their memory.
    pub fn expire(&mut self, now: Now, budget: usize) -> usize {
        let now = now.mono.as_millis();
        let digest = &mut self.digest;
        let mut expire = |cache: &mut Tlru<Meta>, budget| {
            cache.expire_with(now, budget, |gone| digest.forget(&gone))
        };
        let local = expire(&mut self.local, budget);
        let left = budget.saturating_sub(local);
        let remote = expire(&mut self.remote, left);
        let tombstones = expire(&mut self.tombstones, left.saturating_sub(remote));
        self.counters.local.expirations.grow(local as u64);
        self.counters.remote.expirations.grow(remote as u64);
        local.saturating_add(remote).saturating_add(tombstones)
    }

    /// When there is something for [`expire`](Self::expire) to do; it may turn out to be later.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        [&self.local, &self.remote, &self.tombstones]
            .into_iter()
            .filter_map(Tlru::next_expiry)
            .min()
            .map(Instant::from_millis)
    }

    /// What the shard holds and has done.
    #[must_use]
    pub fn stats(&self, now: Now) -> Stats {
        let now = now.mono.as_millis();
        let tombstones = self.tombstones.bounds();
        Stats {
            local: fill(self.counters.local, &self.local, now),
            remote: fill(self.counters.remote, &self.remote, now),
            tombstones: TombstoneStats {
                entries: self.tombstones.len(now) as u64,
                max_entries: tombstones.entries as u64,
                bytes: self.tombstones.weight(),
                max_bytes: tombstones.weight,
                ..self.counters.tombstones
            },
            ..self.counters
        }
    }

    fn held_now(&self, now: u64, hash: u64, key: &[u8]) -> Option<Held> {
        [
            (Place::Local, &self.local),
            (Place::Remote, &self.remote),
            (Place::Tombstone, &self.tombstones),
        ]
        .into_iter()
        // Two of the three are often empty.
        .filter(|(_, cache)| cache.held() > 0)
        .find_map(|(place, cache)| {
            let entry = cache.peek(hash, key, now)?;
            Some(Held {
                place,
                meta: *entry.meta,
                expires: entry.expires,
            })
        })
    }

    /// The record that stands against a write of `version`, if it does.
    fn loses<'a>(
        &mut self,
        now: Now,
        version: Option<Version>,
        held: Option<&'a Held>,
    ) -> Result<Option<&'a Held>, Refused> {
        let Some(version) = version else {
            return Ok(None);
        };
        if Clock::is_ahead(version, now.unix_ms) {
            self.counters.refused_skew.grow(1);
            return Err(Refused::ClockSkew);
        }
        let standing = held.filter(|held| held.meta.version() >= version);
        match standing {
            Some(held) if held.meta.version() == version => self.counters.duplicates.grow(1),
            Some(_) => self.counters.stale.grow(1),
            None => {}
        }
        Ok(standing)
    }

    fn stamp(&mut self, now: Now, version: Option<Version>, held: Option<&Held>) -> Version {
        match version {
            Some(version) => {
                self.clock.observe(version);
                version
            }
            None => {
                self.stamped = true;
                let held = held.map(|held| held.meta.version());
                self.clock.stamp(now.unix_ms, held)
            }
        }
    }

    const fn store(&self, place: Place) -> &Tlru<Meta> {
        match place {
            Place::Local => &self.local,
            Place::Remote => &self.remote,
            Place::Tombstone => &self.tombstones,
        }
    }

    const fn store_mut(&mut self, place: Place) -> &mut Tlru<Meta> {
        match place {
            Place::Local => &mut self.local,
            Place::Remote => &mut self.remote,
            Place::Tombstone => &mut self.tombstones,
        }
    }
}

/// Where a key's record is, and what decides a merge.
struct Held {
    place: Place,
    meta: Meta,
    expires: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Local,
    Remote,
    Tombstone,
}

fn hit(entry: Entry<'_, Meta>, now: u64) -> Hit<'_> {
    Hit {
        value: entry.value,
        remaining: Duration::from_millis(entry.expires.saturating_sub(now)),
        version: entry.meta.version(),
    }
}

fn fill(counters: CacheStats, cache: &Tlru<Meta>, now: u64) -> CacheStats {
    let bounds = cache.bounds();
    CacheStats {
        entries: cache.len(now) as u64,
        max_entries: bounds.entries as u64,
        bytes: cache.weight(),
        max_bytes: bounds.weight,
        ..counters
    }
}

/// Milliseconds of `life`, rounded up, at least one.
fn millis(life: Duration) -> u64 {
    let ms = life.as_secs().saturating_mul(1000);
    let rest = life.subsec_nanos().div_ceil(1_000_000);
    ms.saturating_add(rest.into()).max(1)
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;
