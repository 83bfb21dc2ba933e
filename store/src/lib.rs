//! A bounded TLRU cache: time-aware, least recently used.
//!
//! - **Exact.** Entries leave in the order of `cachetools.TLRUCache`: what has expired first, then
//!   strictly the least recently used. A hit moves an entry in a linked list, expiry is a timer
//!   wheel: every operation is O(1), amortised, and none ever scans.
//! - **Bounded** by entries, by weight, or both. Key and small value share one allocation of exact
//!   size, so a bound in bytes means bytes.
//! - **Pure.** `no_std` with `alloc`, no `unsafe`; no clock, no lock, no thread: time is an argument,
//!   the caller shares the store as it likes. Hashes are computed by the caller, once, and what a
//!   put drives out comes back to be freed outside of the caller's lock.
//!
//! How it lies in memory: an index of buckets, a place each; the links of each place, two to a
//! cache line, on which the index, the recency list and the wheel run; and apart from them, in chunks
//! that never move, what is read only once a key has been found.
//!
//! ```
//! use zerocache_store::{Bounds, NewValue, Tlru};
//!
//! // Two entries at most; `u32` is this caller's own note on each; the seed is the hasher's.
//! let mut cache: Tlru<u32> = Tlru::new(Bounds::entries(2), 0x5eed);
//! let now = 1_000; // milliseconds, from any clock
//!
//! let (a, b, c) = (cache.hash(b"a"), cache.hash(b"b"), cache.hash(b"c"));
//! cache.put(a, b"a", NewValue::Copy(b"apple"), 7, now + 500, now)?;
//! cache.put(b, b"b", NewValue::Copy(b"pear"), 8, u64::MAX, now)?;
//!
//! let hit = cache.get(a, b"a", now).expect("live");
//! assert_eq!((&*hit.value, *hit.meta), (&b"apple"[..], 7));
//!
//! // Both are live: the least recent goes.
//! let put = cache.put(c, b"c", NewValue::Copy(b"plum"), 9, u64::MAX, now)?;
//! assert_eq!(put.evicted.iter().next().expect("one").key(), b"b");
//!
//! // Half a second later `a` is over, so it goes first, though `c` is less recent by then.
//! assert!(cache.get(a, b"a", now + 500).is_none());
//! let put = cache.put(b, b"b", NewValue::Copy(b"fig"), 10, u64::MAX, now + 500)?;
//! assert_eq!(put.evicted.iter().next().expect("one").key(), b"a");
//! assert_eq!(cache.len(now + 500), 2);
//! # Ok::<(), zerocache_store::TooLarge>(())
//! ```
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod block;
mod bounds;
mod entry;
mod evicted;
mod hash;
mod index;
mod links;
mod nodes;
#[cfg(test)]
mod tests;
mod tlru;
mod wheel;

pub use block::{INLINE_MAX, NewValue, Value};
pub use bounds::{Bounds, ENTRY_OVERHEAD, Expiry, MAX_ENTRIES, TooLarge, Weigher, by_size};
pub use entry::{Entry, Put};
pub use evicted::{Cause, Evicted, IntoIter, Iter, Removed};
pub use hash::{SeededHasher, SeededState, hash_key};
pub use tlru::Tlru;

/// The examples of the README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
