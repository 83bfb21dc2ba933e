//! How much a store may hold, and what a thing weighs.

use core::fmt;

/// Most entries one store can hold, whatever its [`Bounds`] say: places are 31-bit numbers.
pub const MAX_ENTRIES: usize = (1 << 31) - 2;

/// What an entry costs beyond its key and value, in bytes: its node, its share of the index and of
/// the allocator's rounding. Part of [`by_size`].
pub const ENTRY_OVERHEAD: u64 = 100;

/// The limits of a store. Both hold at once; either may be its type's `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most entries, at most [`MAX_ENTRIES`]. Zero makes every live put [`TooLarge`].
    pub entries: usize,
    /// Most weight, in the weigher's unit: bytes with [`by_size`].
    pub weight: u64,
}

impl Bounds {
    /// No more than `entries` entries, of any weight.
    #[must_use]
    pub const fn entries(entries: usize) -> Self {
        Self {
            entries,
            weight: u64::MAX,
        }
    }

    /// No more than `weight`, in any number of entries.
    #[must_use]
    pub const fn weight(weight: u64) -> Self {
        Self {
            entries: usize::MAX,
            weight,
        }
    }

    /// The most one entry may weigh.
    pub(crate) fn heaviest(self) -> u32 {
        u32::try_from(self.weight).unwrap_or(u32::MAX)
    }

    /// What the store can really count up to.
    pub(crate) fn clamped(self) -> Self {
        Self {
            entries: self.entries.min(MAX_ENTRIES),
            weight: self.weight,
        }
    }
}

/// Weighs an entry, given its key and value. Called once a put; must be pure.
pub type Weigher = fn(&[u8], &[u8]) -> u64;

/// The default [`Weigher`]: bytes of key and value, and [`ENTRY_OVERHEAD`].
#[must_use]
pub fn by_size(key: &[u8], value: &[u8]) -> u64 {
    ENTRY_OVERHEAD
        .saturating_add(key.len() as u64)
        .saturating_add(value.len() as u64)
}

/// When a put removes what has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Every put first removes *all* that has expired, in order of expiry, as Python's
    /// `cachetools.TLRUCache` does. One put can take long after many entries expired at once.
    Exact,
    /// A put removes what it needs the room of, always expired entries first, and looks at no more
    /// than `per_put` others. Values and victims are those of [`Expiry::Exact`]; only memory is
    /// given back later. Meant to go with regular calls of [`Tlru::expire`](crate::Tlru::expire).
    Bounded {
        /// Expired entries to look for on each put beyond what it needs.
        per_put: usize,
    },
}

impl Default for Expiry {
    fn default() -> Self {
        Self::Bounded { per_put: 4 }
    }
}

/// The entry is heavier than the whole store may be (or than 4 Gi, or the store may hold none).
/// An older value under the key stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// What the entry weighs.
    pub weight: u64,
    /// The most it may weigh.
    pub limit: u64,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "entry weighs {}, more than the {} there may be",
            self.weight, self.limit
        )
    }
}

impl core::error::Error for TooLarge {}
