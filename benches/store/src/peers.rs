//! The peers that are used through `&mut self`, and those that are shared, on one thread.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use schnellru::{ByLength, LruMap};

use crate::keys::{Fresh, KEY};
use crate::stores::{Hasher, Held, Plain, Store, hasher, keep, look};
use crate::work::PACE;

type Key = Box<[u8]>;

pub struct Lru<V = Plain>(lru::LruCache<Key, V, Hasher>);

impl<V: Held> Store for Lru<V> {
    fn new(entries: usize) -> Self {
        Self(lru::LruCache::with_hasher(
            NonZeroUsize::new(entries).unwrap_or(NonZeroUsize::MIN),
            hasher(),
        ))
    }

    fn get(&mut self, key: &[u8], now: u64) -> bool {
        self.0.get(key).is_some_and(|held| look(held, now))
    }

    fn value(&mut self, key: &[u8], now: u64, _: &mut Vec<u8>) -> bool {
        self.0.get(key).is_some_and(|held| keep(held, now))
    }

    fn put(&mut self, key: &[u8], value: Fresh<'_>, expires: u64, _: u64) {
        self.0.put(key.into(), V::new(value, expires));
    }
}

pub struct Hashlink<V = Plain>(hashlink::LruCache<Key, V, Hasher>);

impl<V: Held> Store for Hashlink<V> {
    fn new(entries: usize) -> Self {
        Self(hashlink::LruCache::with_hasher(entries, hasher()))
    }

    fn get(&mut self, key: &[u8], now: u64) -> bool {
        self.0.get(key).is_some_and(|held| look(held, now))
    }

    fn value(&mut self, key: &[u8], now: u64, _: &mut Vec<u8>) -> bool {
        self.0.get(key).is_some_and(|held| keep(held, now))
    }

    fn put(&mut self, key: &[u8], value: Fresh<'_>, expires: u64, _: u64) {
        self.0.insert(key.into(), V::new(value, expires));
    }
}

/// A key for schnellru, which compares what it is asked for with what it holds by `PartialEq`.
#[derive(PartialEq, Eq, Hash)]
struct Owned(Key);

#[derive(Hash)]
struct Asked<'a>(&'a [u8]);

impl PartialEq<Owned> for Asked<'_> {
    fn eq(&self, other: &Owned) -> bool {
        *self.0 == *other.0
    }
}

pub struct Schnellru<V = Plain>(LruMap<Owned, V, ByLength, Hasher>);

impl<V: Held> Store for Schnellru<V> {
    fn new(entries: usize) -> Self {
        Self(LruMap::with_hasher(ByLength::new(entries as u32), hasher()))
    }

    fn get(&mut self, key: &[u8], now: u64) -> bool {
        self.0.get(&Asked(key)).is_some_and(|held| look(held, now))
    }

    fn value(&mut self, key: &[u8], now: u64, _: &mut Vec<u8>) -> bool {
        self.0.get(&Asked(key)).is_some_and(|held| keep(held, now))
    }

    fn put(&mut self, key: &[u8], value: Fresh<'_>, expires: u64, _: u64) {
        self.0.insert(Owned(key.into()), V::new(value, expires));
    }
}

pub struct QuickUnsync<V = Plain>(
    quick_cache::unsync::Cache<Key, V, quick_cache::UnitWeighter, Hasher>,
);

impl<V: Held> Store for QuickUnsync<V> {
    fn new(entries: usize) -> Self {
        let (weight, lifecycle) = (quick_cache::UnitWeighter, Default::default());
        Self(quick_cache::unsync::Cache::with(
            entries,
            entries as u64,
            weight,
            hasher(),
            lifecycle,
        ))
    }

    fn get(&mut self, key: &[u8], now: u64) -> bool {
        self.0.get(key).is_some_and(|held| look(held, now))
    }

    fn value(&mut self, key: &[u8], now: u64, _: &mut Vec<u8>) -> bool {
        self.0.get(key).is_some_and(|held| keep(held, now))
    }

    fn put(&mut self, key: &[u8], value: Fresh<'_>, expires: u64, _: u64) {
        self.0.insert(key.into(), V::new(value, expires));
    }
}

/// mini-moka keeps each key in an `Arc` of its own, and finds it only by a reference to the same type.
type Fixed = [u8; KEY];

fn fixed(key: &[u8]) -> &Fixed {
    key.try_into().unwrap_or(&[0; KEY])
}

pub struct MiniMokaUnsync(mini_moka::unsync::Cache<Fixed, Plain, Hasher>);

impl Store for MiniMokaUnsync {
    fn new(entries: usize) -> Self {
        let builder = mini_moka::unsync::Cache::builder().max_capacity(entries as u64);
        Self(builder.build_with_hasher(hasher()))
    }

    fn get(&mut self, key: &[u8], now: u64) -> bool {
        self.0.get(fixed(key)).is_some_and(|held| look(held, now))
    }

    fn value(&mut self, key: &[u8], now: u64, _: &mut Vec<u8>) -> bool {
        self.0.get(fixed(key)).is_some_and(|held| keep(held, now))
    }

    fn put(&mut self, key: &[u8], value: Fresh<'_>, expires: u64, _: u64) {
        self.0.insert(*fixed(key), Plain::new(value, expires));
    }
}

/// Shared ones clone on every get: there is nothing to look at where it lies.
macro_rules! shared {
    ($name:ident, $cache:ty, $key:expr, $get:expr) => {
        impl Store for $name {
            fn new(entries: usize) -> Self {
                Self::build(entries)
            }

            fn get(&mut self, key: &[u8], now: u64) -> bool {
                $crate::shared::Shared::value(self, key, now, &mut Vec::new())
            }

            fn value(&mut self, key: &[u8], now: u64, out: &mut Vec<u8>) -> bool {
                $crate::shared::Shared::value(self, key, now, out)
            }

            fn put(&mut self, key: &[u8], value: Fresh<'_>, expires: u64, now: u64) {
                $crate::shared::Shared::put(self, key, value, expires, now);
            }
        }

        impl $crate::shared::Shared for $name {
            fn value(&self, key: &[u8], now: u64, _: &mut Vec<u8>) -> bool {
                let get: fn(&$cache, &[u8], u64) -> bool = $get;
                get(&self.0, key, now)
            }

            fn put(&self, key: &[u8], value: Fresh<'_>, expires: u64, _: u64) {
                let own: fn(&[u8]) -> _ = $key;
                self.0.insert(own(key), Plain::new(value, expires));
            }
        }
    };
}

type QuickCache = quick_cache::sync::Cache<Key, Plain, quick_cache::UnitWeighter, Hasher>;
pub struct Quick(QuickCache);

impl Quick {
    fn build(entries: usize) -> Self {
        let (weight, lifecycle) = (quick_cache::UnitWeighter, Default::default());
        Self(QuickCache::with(
            entries,
            entries as u64,
            weight,
            hasher(),
            lifecycle,
        ))
    }
}

shared!(Quick, QuickCache, |key| key.into(), |cache, key, now| {
    cache.get(key).is_some_and(|held| look(&held, now))
});

type MiniMokaCache = mini_moka::sync::Cache<Fixed, Plain, Hasher>;
pub struct MiniMoka(MiniMokaCache);

impl MiniMoka {
    fn build(entries: usize) -> Self {
        let builder = mini_moka::sync::Cache::builder().max_capacity(entries as u64);
        Self(builder.build_with_hasher(hasher()))
    }
}

shared!(
    MiniMoka,
    MiniMokaCache,
    |key| *fixed(key),
    |cache, key, now| { cache.get(fixed(key)).is_some_and(|held| look(&held, now)) }
);

type MokaCache = moka::sync::Cache<Key, Plain, Hasher>;
pub struct Moka(MokaCache);

impl Moka {
    fn build(entries: usize) -> Self {
        let builder = moka::sync::Cache::builder().max_capacity(entries as u64);
        Self(builder.build_with_hasher(hasher()))
    }
}

shared!(Moka, MokaCache, |key| key.into(), |cache, key, now| {
    cache.get(key).is_some_and(|held| look(&held, now))
});

type FoyerCache = foyer_memory::Cache<Key, Plain, Hasher>;

fn foyer(entries: usize, eviction: impl Into<foyer_memory::EvictionConfig>) -> FoyerCache {
    foyer_memory::CacheBuilder::new(entries)
        .with_shards(16)
        .with_eviction_config(eviction)
        .with_hash_builder(hasher())
        .build()
}

pub struct FoyerLru(FoyerCache);

impl FoyerLru {
    fn build(entries: usize) -> Self {
        Self(foyer(entries, foyer_memory::LruConfig::default()))
    }
}

shared!(FoyerLru, FoyerCache, |key| key.into(), |cache, key, now| {
    cache.get(key).is_some_and(|entry| keep(entry.value(), now))
});

pub struct FoyerS3Fifo(FoyerCache);

impl FoyerS3Fifo {
    fn build(entries: usize) -> Self {
        Self(foyer(entries, foyer_memory::S3FifoConfig::default()))
    }
}

shared!(
    FoyerS3Fifo,
    FoyerCache,
    |key| key.into(),
    |cache, key, now| { cache.get(key).is_some_and(|entry| keep(entry.value(), now)) }
);

/// moka with a time for each entry. It has only the real clock, so a virtual millisecond lasts here
/// about as long as it takes moka to do what falls into one: a microsecond an operation.
pub struct MokaExpiry(moka::sync::Cache<Key, (Plain, Duration), Hasher>);

struct EachItsOwn;

impl moka::Expiry<Key, (Plain, Duration)> for EachItsOwn {
    fn expire_after_create(
        &self,
        _: &Key,
        value: &(Plain, Duration),
        _: Instant,
    ) -> Option<Duration> {
        Some(value.1)
    }

    fn expire_after_update(
        &self,
        _: &Key,
        value: &(Plain, Duration),
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(value.1)
    }
}

impl Store for MokaExpiry {
    fn new(entries: usize) -> Self {
        let builder = moka::sync::Cache::builder()
            .max_capacity(entries as u64)
            .expire_after(EachItsOwn);
        Self(builder.build_with_hasher(hasher()))
    }

    fn get(&mut self, key: &[u8], now: u64) -> bool {
        self.0.get(key).is_some_and(|held| look(&held.0, now))
    }

    fn value(&mut self, key: &[u8], now: u64, _: &mut Vec<u8>) -> bool {
        self.get(key, now)
    }

    fn put(&mut self, key: &[u8], value: Fresh<'_>, expires: u64, now: u64) {
        let life = Duration::from_micros((expires - now) * PACE as u64);
        self.0
            .insert(key.into(), (Plain::new(value, expires), life));
    }
}
