//! A node's values: one logical map `key -> record`, newest wins.
//!
//! A record is a value or a tombstone, with a [`Version`](crate::Version), an absolute expiry and
//! the region it was written in. A key has at most one record, whatever region's path it is asked,
//! written or deleted under; merging two records of a key keeps the one with the higher version,
//! so copies may come in any order and any number of times.
//!
//! ```text
//!              put              put, newer
//!   absent ----------> value <------------- tombstone
//!     ^                 |  \                  ^    |
//!     +-----------------+   \-----------------+    |
//!     | expired, evicted        delete, newer      |
//!     +--------------------------------------------+
//!                  expired, evicted
//! ```
//!
//! Values of the node's own region ("local"), those of other regions ("remote") and tombstones have
//! budgets of their own. A tombstone is kept for [`MIN_TOMBSTONE`] or as long as the value it
//! deleted would have lived, whichever is longer: by then no copy of that value is alive anywhere,
//! so none can bring it back. When their budget is full the oldest are dropped.
//!
//! A value that is evicted, or has outlived itself, leaves nothing behind: an older copy that comes
//! only then is taken for new.
//!
//! Life is counted on the monotonic clock; the wall clock only stamps versions.

mod clock;
mod digest;
mod meta;
mod record;
mod shard;
mod shards;
mod stats;

pub use clock::MAX_SKEW;
pub use digest::{BUCKETS, Digest, bucket_of, key_hash};
pub use meta::{ELSEWHERE, MAX_ORIGINS};
pub use record::{
    Asked, Claim, Deleted, Displaced, Hit, Merged, NewRecord, Offer, Record, Refused, State,
    Written,
};
pub use shard::{MIN_TOMBSTONE, Position, Shard};
pub use shards::{KeyHasher, MAX_SHARDS, Shards, Unsharded, part_of, shards_for};
pub use stats::{CacheStats, Stats, TombstoneStats};
pub use zerocache_store::{Bounds, NewValue, Value};

use crate::{NodeId, Region};

/// What a cache is built from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The node's own region.
    pub region: Region,
    /// The node, which signs the versions stamped here.
    pub node: NodeId,
    /// Bounds of the values written in the own region.
    pub local: Bounds,
    /// Bounds of the values written in other regions.
    pub remote: Bounds,
    /// Bounds of the tombstones.
    pub tombstones: Bounds,
    /// The most bytes a value may have.
    pub max_value: usize,
    /// Seed of the hash, secret if keys may come from strangers.
    pub seed: u64,
}

impl Config {
    /// A cache of two times 1,048,576 entries in 256 MiB, values up to 16 MiB, and 65,536
    /// tombstones in 16 MiB.
    #[must_use]
    pub const fn new(region: Region, node: NodeId) -> Self {
        Self {
            region,
            node,
            local: VALUES,
            remote: VALUES,
            tombstones: Bounds {
                entries: 1 << 16,
                weight: 16 << 20,
            },
            max_value: 16 << 20,
            seed: 0,
        }
    }
}

const VALUES: Bounds = Bounds {
    entries: 1 << 20,
    weight: 256 << 20,
};
