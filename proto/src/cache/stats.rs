//! Counters of a shard, and their sum over all shards.

use crate::count::Count;
use core::ops::AddAssign;

/// What one of the two value caches holds and has answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CacheStats {
    /// Look-ups it answered.
    pub hits: u64,
    /// Look-ups it was asked for and could not answer.
    pub misses: u64,
    /// Live records held.
    pub entries: u64,
    /// The most records it may hold.
    pub max_entries: u64,
    /// Bytes held: keys, values and their overhead.
    pub bytes: u64,
    /// The most bytes it may hold.
    pub max_bytes: u64,
    /// Live records dropped for want of room.
    pub evictions: u64,
    /// Records removed because their life was over.
    pub expirations: u64,
}

/// What is remembered of deleted keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TombstoneStats {
    /// Tombstones held.
    pub entries: u64,
    /// The most it may hold.
    pub max_entries: u64,
    /// Bytes held.
    pub bytes: u64,
    /// The most bytes it may hold.
    pub max_bytes: u64,
    /// Dropped before their time, for want of room: a late copy could bring such a value back.
    pub evictions: u64,
}

/// A shard's counters, or a node's: add shards up with `+=`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Values whose origin is the node's own region.
    pub local: CacheStats,
    /// Values of all other regions.
    pub remote: CacheStats,
    /// Deleted keys.
    pub tombstones: TombstoneStats,
    /// Values stored.
    pub puts: u64,
    /// Deletes applied.
    pub deletes: u64,
    /// Copies that lost against a newer record of their key.
    pub stale: u64,
    /// Copies that were here already.
    pub duplicates: u64,
    /// Versions refused for being too far ahead of the wall clock.
    pub refused_skew: u64,
    /// Values refused for being too large.
    pub refused_size: u64,
}

impl AddAssign for CacheStats {
    fn add_assign(&mut self, other: Self) {
        self.hits.grow(other.hits);
        self.misses.grow(other.misses);
        self.entries.grow(other.entries);
        self.max_entries = self.max_entries.saturating_add(other.max_entries);
        self.bytes.grow(other.bytes);
        self.max_bytes = self.max_bytes.saturating_add(other.max_bytes);
        self.evictions.grow(other.evictions);
        self.expirations.grow(other.expirations);
    }
}

impl AddAssign for TombstoneStats {
    fn add_assign(&mut self, other: Self) {
        self.entries.grow(other.entries);
        self.max_entries = self.max_entries.saturating_add(other.max_entries);
        self.bytes.grow(other.bytes);
        self.max_bytes = self.max_bytes.saturating_add(other.max_bytes);
        self.evictions.grow(other.evictions);
    }
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.local += other.local;
        self.remote += other.remote;
        self.tombstones += other.tombstones;
        self.puts.grow(other.puts);
        self.deletes.grow(other.deletes);
        self.stale.grow(other.stale);
        self.duplicates.grow(other.duplicates);
        self.refused_skew.grow(other.refused_skew);
        self.refused_size.grow(other.refused_size);
    }
}
