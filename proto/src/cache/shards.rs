//! Where the shards live: behind locks in a driver, in one cell on a single thread.

use core::cell::RefCell;

use zerocache_store::{SeededState, hash_key};

use super::{Bounds, Config, Shard};

/// The most shards [`shards_for`] gives by default.
pub const MAX_SHARDS: usize = 16;

/// Entries a shard should have room for: with fewer, keys fall so unevenly that a shard evicts
/// while others have room, and the order of eviction is visibly not that of one cache.
const MIN_ENTRIES: usize = 1000;

/// Values of the largest size a shard should have room for.
const MIN_VALUES: u64 = 2;

/// A node's shards, to be used through `&self` from wherever requests are answered.
///
/// A key belongs to one shard, picked by its hash. All shards must be built with the same seed,
/// [`Config::seed`], so that the hash of one is the hash of all.
pub trait Shards {
    /// The hash of `key`, for [`with`](Self::with) and the calls on the shard.
    fn hash(&self, key: &[u8]) -> u64;

    /// Runs `f` on the shard that `hash` belongs to. `f` must be short, and must not come back to
    /// these shards.
    fn with<R>(&self, hash: u64, f: impl FnOnce(&mut Shard) -> R) -> R;

    /// Runs `f` on each shard in turn.
    fn for_each(&self, f: impl FnMut(&mut Shard));

    /// Runs `f` on the shard of this number, if there is one: they are numbered from 0, with no
    /// gap. `f` must be short, too.
    fn nth<R>(&self, number: usize, f: impl FnOnce(&mut Shard) -> R) -> Option<R>;
}

/// Computes the hash that all shards of one seed share, with no shard at hand and so with none
/// locked.
#[derive(Clone, Debug)]
pub struct KeyHasher(SeededState);

impl KeyHasher {
    /// The hasher of shards built with this [`Config::seed`].
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(SeededState::new(seed))
    }

    /// The hash of `key`, as [`Shard::hash`] gives it. The high half is free to pick a shard.
    #[must_use]
    pub fn hash(&self, key: &[u8]) -> u64 {
        hash_key(&self.0, key)
    }
}

/// The whole cache as one shard on one thread: the order of eviction is exactly that of one cache.
#[derive(Debug)]
pub struct Unsharded {
    hasher: KeyHasher,
    shard: RefCell<Shard>,
}

impl Unsharded {
    /// The one shard, with all of the bounds in `config`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            hasher: KeyHasher::new(config.seed),
            shard: RefCell::new(Shard::new(config)),
        }
    }
}

impl Shards for Unsharded {
    fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash(key)
    }

    fn with<R>(&self, _hash: u64, f: impl FnOnce(&mut Shard) -> R) -> R {
        f(&mut self.shard.borrow_mut())
    }

    fn for_each(&self, mut f: impl FnMut(&mut Shard)) {
        f(&mut self.shard.borrow_mut());
    }

    fn nth<R>(&self, number: usize, f: impl FnOnce(&mut Shard) -> R) -> Option<R> {
        (number == 0).then(|| f(&mut self.shard.borrow_mut()))
    }
}

/// How many shards serve a cache of `config`'s bounds best: a power of two, `most` at most
/// ([`MAX_SHARDS`] is a good choice), fewer when a shard's part would be below a thousand entries
/// or two of the largest values.
#[must_use]
pub fn shards_for(config: &Config, most: usize) -> usize {
    let fit = |bounds: &Bounds| {
        let by_entries = bounds.entries / MIN_ENTRIES;
        let room = MIN_VALUES.saturating_mul(config.max_value as u64).max(1);
        let by_weight =
            usize::try_from(bounds.weight.checked_div(room).unwrap_or(0)).unwrap_or(usize::MAX);
        by_entries.min(by_weight)
    };
    let fitting = fit(&config.local).min(fit(&config.remote)).min(most);
    // The power of two at or below it.
    fitting.checked_ilog2().map_or(1, |log| 1 << log)
}

impl Config {
    /// The configuration of one of `shards` shards: the same, with its part of the bounds.
    #[must_use]
    pub fn split(&self, shards: usize) -> Self {
        Self {
            local: part_of(self.local, shards),
            remote: part_of(self.remote, shards),
            tombstones: part_of(self.tombstones, shards),
            ..self.clone()
        }
    }
}

/// The part of `bounds` that one of `shards` shards keeps to.
#[must_use]
pub const fn part_of(bounds: Bounds, shards: usize) -> Bounds {
    Bounds {
        entries: divide(bounds.entries as u64, shards as u64) as usize,
        weight: divide(bounds.weight, shards as u64),
    }
}

/// `whole / parts` rounded up; what is unlimited stays so.
const fn divide(whole: u64, parts: u64) -> u64 {
    if whole == u64::MAX || parts == 0 {
        whole
    } else {
        whole.div_ceil(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeId, Region};

    fn config(entries: usize, weight: u64) -> Config {
        let bounds = || Bounds { entries, weight };
        Config {
            local: bounds(),
            remote: bounds(),
            max_value: 1 << 20,
            ..Config::new(Region::new("london").unwrap(), NodeId::from_bits(1))
        }
    }

    #[test]
    fn small_caches_get_few_shards() {
        let cases = [
            (0, u64::MAX, 16, 1),
            (1024, u64::MAX, 16, 1),
            (4096, u64::MAX, 16, 4),
            (15_999, u64::MAX, 16, 8),
            (16_000, u64::MAX, 16, 16),
            (1 << 20, u64::MAX, 16, 16),
            (1 << 20, u64::MAX, 64, 64),
            (1 << 20, u64::MAX, 12, 8),
            (1 << 20, u64::MAX, 0, 1),
            (usize::MAX, u64::MAX, 16, 16),
            (1 << 20, 32 << 20, 16, 16),
            (1 << 20, 31 << 20, 16, 8),
            (1 << 20, 1, 16, 1),
        ];
        for (entries, weight, most, expected) in cases {
            let shards = shards_for(&config(entries, weight), most);
            assert_eq!(shards, expected, "{entries} {weight} {most}");
        }
    }

    #[test]
    fn one_hash_is_good_for_every_shard_of_a_seed() {
        let config = |seed| Config {
            seed,
            ..config(10, 10)
        };
        let (one, other) = (Shard::new(config(5)), Shard::new(config(5).split(4)));
        let hash = KeyHasher::new(5).hash(b"key");
        assert_eq!((one.hash(b"key"), other.hash(b"key")), (hash, hash));
        assert_eq!(Unsharded::new(config(5)).hash(b"key"), hash);
        assert_ne!(Shard::new(config(6)).hash(b"key"), hash);
    }

    #[test]
    fn a_part_times_the_shards_is_at_least_the_whole() {
        let part = config(1001, 4097).split(4);
        assert_eq!((part.local.entries, part.local.weight), (251, 1025));
        let unlimited = config(usize::MAX, u64::MAX).split(16);
        assert_eq!(unlimited.local.entries, usize::MAX);
        assert_eq!(unlimited.remote.weight, u64::MAX);
    }
}
