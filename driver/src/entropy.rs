//! The one place where chance comes from outside.

use std::hash::{BuildHasher as _, RandomState};

/// A seed from the system's entropy, by way of std's randomly keyed hasher.
pub(crate) fn seed() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
