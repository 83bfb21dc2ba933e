//! The hash of a key, computed once by the caller.

use core::borrow::Borrow;
use core::fmt;
use core::hash::{BuildHasher, Hash, Hasher};

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

/// The hash every call of a store built on `state` expects for `key`.
///
/// All 64 bits are good. A store uses the low half, so the high half is free to pick a shard.
#[inline]
pub fn hash_key<S: BuildHasher>(state: &S, key: &[u8]) -> u64 {
    state.hash_one(KeyBytes(key))
}

/// Feeds the bytes alone: one key is all a hasher sees here, so no length need go before it.
struct KeyBytes<'a>(&'a [u8]);

impl Hash for KeyBytes<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0);
    }
}

/// Foldhash with every secret drawn from one 64-bit seed: the same seed gives the same hashes in
/// every process, an unknown one keeps strangers from choosing keys that collide.
#[derive(Clone)]
pub struct SeededState {
    own: u64,
    shared: SharedSeed,
}

impl SeededState {
    /// The hasher of `seed`. Draw it at random where keys come from strangers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            // Any fixed odd constant: it sets this secret apart from those inside `shared`.
            own: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32),
            shared: SharedSeed::from_u64(seed),
        }
    }
}

impl fmt::Debug for SeededState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The seed is a secret.
        f.debug_struct("SeededState").finish_non_exhaustive()
    }
}

impl BuildHasher for SeededState {
    type Hasher = SeededHasher;

    fn build_hasher(&self) -> SeededHasher {
        SeededHasher {
            state: self.own,
            shared: self.shared.clone(),
        }
    }

    /// The same as through [`SeededState::build_hasher`], without its copy of the seed.
    #[inline]
    fn hash_one<T: Hash>(&self, value: T) -> u64 {
        let mut hasher = SeededHasher {
            state: self.own,
            shared: &self.shared,
        };
        value.hash(&mut hasher);
        hasher.finish()
    }
}

/// The [`Hasher`] of a [`SeededState`].
#[derive(Clone)]
pub struct SeededHasher<B = SharedSeed> {
    state: u64,
    shared: B,
}

impl<B: Borrow<SharedSeed>> Hasher for SeededHasher<B> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let shared = self.shared.borrow();
        let mut hasher = FoldHasher::with_seed(self.state, shared);
        match (bytes.first_chunk::<16>(), bytes.last_chunk::<16>()) {
            // As two blocks of known length, which may overlap, half the instructions. The length
            // sets keys apart whose blocks are the same, and the seed does not let on how.
            (Some(first), Some(last)) if bytes.len() <= 32 => {
                let state = self.state.rotate_right(bytes.len() as u32);
                hasher = FoldHasher::with_seed(state, shared);
                hasher.write(first);
                hasher.write(last);
            }
            _ => hasher.write(bytes),
        }
        self.state = hasher.finish();
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}
