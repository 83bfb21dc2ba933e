//! The cache of a node: shards, each behind a lock that is held for one look-up and never across an
//! await.

use std::sync::{Mutex, MutexGuard, PoisonError};
use zerocache_proto::Now;
use zerocache_proto::cache::{Bounds, Config, MAX_SHARDS, Shard, Shards, part_of, shards_for};
use zerocache_store::{SeededState, hash_key};

/// A cache that many threads share.
#[derive(Debug)]
pub(crate) struct SharedCache {
    shards: Box<[Padded]>,
    hasher: SeededState,
}

/// Two cache lines, so that one shard's lock is not on its neighbour's line.
#[derive(Debug)]
#[repr(align(128))]
struct Padded(Mutex<Shard>);

impl Padded {
    fn lock(&self) -> MutexGuard<'_, Shard> {
        // A shard keeps its own invariants at each step; a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SharedCache {
    /// A cache of `shards` shards, rounded to a power of two, or as many as suit the bounds.
    pub(crate) fn new(config: &Config, shards: Option<usize>) -> Self {
        let shards = shards.map_or_else(
            || shards_for(config, MAX_SHARDS),
            |shards| shards.clamp(1, 1024).next_power_of_two(),
        );
        let part = config.split(shards);
        let shards = (0..shards)
            .map(|_| Padded(Mutex::new(Shard::new(part.clone()))))
            .collect();
        Self {
            shards,
            hasher: SeededState::new(config.seed),
        }
    }

    /// Keeps to these bounds from now on. Each shard is locked for as long as it takes out what is too much;
    /// that is freed behind it.
    pub(crate) fn set_bounds(&self, now: Now, local: Bounds, remote: Bounds) {
        let part = |bounds| part_of(bounds, self.shards.len());
        for shard in &self.shards {
            let gone = shard.lock().set_bounds(now, part(local), part(remote));
            drop(gone);
        }
    }

    /// How many shards there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.len()
    }

    fn of(&self, hash: u64) -> &Padded {
        // The high bits: the low ones pick the place within the shard.
        let index = (hash >> 32) as usize & (self.shards.len() - 1);
        &self.shards[index]
    }
}

impl Shards for SharedCache {
    fn hash(&self, key: &[u8]) -> u64 {
        hash_key(&self.hasher, key)
    }

    fn with<T>(&self, hash: u64, f: impl FnOnce(&mut Shard) -> T) -> T {
        f(&mut self.of(hash).lock())
    }

    fn for_each(&self, mut f: impl FnMut(&mut Shard)) {
        self.shards.iter().for_each(|shard| f(&mut shard.lock()));
    }

    fn nth<T>(&self, number: usize, f: impl FnOnce(&mut Shard) -> T) -> Option<T> {
        Some(f(&mut self.shards.get(number)?.lock()))
    }
}
