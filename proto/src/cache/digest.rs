//! A digest of the records held, kept up as they come and go: two nodes that hold the same have the
//! same, and two that do not see by it roughly where they differ.
//!
//! All of it is part of the protocol between nodes, so none of it may change within a version of that.

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;

use crate::Version;

/// How many parts the keys are divided into.
pub const BUCKETS: usize = 1 << BUCKET_BITS;

const BUCKET_BITS: u32 = 10;

/// Fractional digits of pi: numbers with nothing up their sleeves.
const PI: [u64; 3] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
];

/// The hash of a key that all nodes agree on.
///
/// With `fold(a, b)` for the two halves of the 128-bit product `a * b`, xored, and `P0`.. for the
/// fractional digits of pi, 64 bits each: `h = P0 ^ length`; then `h = fold(h ^ w, P1)` for each eight
/// bytes `w` of the key, little-endian. The last `w` is the key's last eight bytes, whether or not some of
/// them were taken before; of a key of one to seven bytes it is all of them, followed by zeros.
///
/// Strangers can choose keys that collide. All that does is to hide a difference from the digest.
#[inline]
#[must_use]
pub fn key_hash(key: &[u8]) -> u64 {
    let hash = PI[0] ^ key.len() as u64;
    match (key.first_chunk(), key.last_chunk()) {
        // The last word includes what the others leave over.
        (Some(first), Some(last)) => {
            let hash = match key.len() {
                0..=8 => hash,
                9..=16 => word(hash, first),
                _ => words(hash, key),
            };
            word(hash, last)
        }
        _ if key.is_empty() => hash,
        _ => {
            let mut last = [0; 8];
            last.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
            word(hash, &last)
        }
    }
}

/// All words but the last.
#[inline(never)]
fn words(hash: u64, key: &[u8]) -> u64 {
    let words = key.chunks_exact(8).take(key.len().saturating_sub(1) / 8);
    words.filter_map(<[u8]>::first_chunk).fold(hash, word)
}

#[inline(always)]
fn word(hash: u64, word: &[u8; 8]) -> u64 {
    fold(hash ^ u64::from_le_bytes(*word), PI[1])
}

/// The bucket of a key of this [`key_hash`]: its highest bits.
#[inline]
#[must_use]
pub const fn bucket_of(key_hash: u64) -> usize {
    (key_hash >> (u64::BITS - BUCKET_BITS)) as usize
}

/// What a record adds to its bucket: `fold(hash ^ clock, P2 ^ node)`.
#[inline(always)]
fn fingerprint(key_hash: u64, version: Version) -> u64 {
    let node = u64::from(version.node.to_bits());
    fold(key_hash ^ version.clock, PI[2] ^ node)
}

#[inline(always)]
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    product as u64 ^ (product >> 64) as u64
}

/// For each bucket, the fingerprints of the records in it, xored.
///
/// A record's fingerprint follows from its key and version, which say all: a version is never given to
/// two writes.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest(Box<[u64; BUCKETS]>);

impl Digest {
    /// That of no records.
    #[must_use]
    pub fn new() -> Self {
        let zeros = vec![0; BUCKETS].into_boxed_slice();
        // A slice of another length is impossible; an array on the stack would be the way around.
        Self(zeros.try_into().unwrap_or_else(|_| Box::new([0; BUCKETS])))
    }

    /// Adds a record, or takes it away.
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "`bucket_of` is of BUCKET_BITS bits, and there are as many buckets"
    )]
    pub fn toggle(&mut self, key_hash: u64, version: Version) {
        self.0[bucket_of(key_hash)] ^= fingerprint(key_hash, version);
    }

    /// Adds a record in the place of another one of the same key.
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "`bucket_of` is of BUCKET_BITS bits, and there are as many buckets"
    )]
    pub(super) fn replace(&mut self, key_hash: u64, old: Version, new: Version) {
        self.0[bucket_of(key_hash)] ^= fingerprint(key_hash, old) ^ fingerprint(key_hash, new);
    }

    /// Adds the records of another shard of the same node.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0.iter()) {
            *mine ^= theirs;
        }
    }

    /// The buckets, in order.
    #[must_use]
    pub const fn buckets(&self) -> &[u64; BUCKETS] {
        &self.0
    }

    /// The buckets, to be filled in.
    pub const fn buckets_mut(&mut self) -> &mut [u64; BUCKETS] {
        &mut self.0
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.0.iter().filter(|bucket| **bucket != 0).count();
        f.debug_struct("Digest")
            .field("used", &used)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;
    use std::collections::BTreeSet;
    use std::format;

    fn version(clock: u64, node: u32) -> Version {
        Version {
            clock,
            node: NodeId::from_bits(node),
        }
    }

    /// As the words of the documentation have it, and slowly.
    fn by_the_book(key: &[u8]) -> u64 {
        let mut words: std::vec::Vec<[u8; 8]> = std::vec::Vec::new();
        let mut rest = key;
        while rest.len() > 8 {
            words.push(rest[..8].try_into().unwrap());
            rest = &rest[8..];
        }
        let mut last = [0; 8];
        if key.len() >= 8 {
            last.copy_from_slice(&key[key.len() - 8..]);
        } else {
            last[..key.len()].copy_from_slice(key);
        }
        if !key.is_empty() {
            words.push(last);
        }
        words.iter().fold(PI[0] ^ key.len() as u64, |hash, word| {
            fold(hash ^ u64::from_le_bytes(*word), PI[1])
        })
    }

    #[test]
    fn the_hash_of_a_key_is_what_the_documentation_says_and_stays_so() {
        let long: std::vec::Vec<u8> = (0..100).collect();
        for len in 0..=long.len() {
            assert_eq!(key_hash(&long[..len]), by_the_book(&long[..len]), "{len}");
        }
        // Other programs have these: a change of any of them is a new version of the protocol.
        let known = [&b""[..], b"k", b"key-0001", b"key-00001", &long].map(key_hash);
        assert_eq!(known, KNOWN, "{known:#018x?}");
        assert_eq!(
            fingerprint(key_hash(b"k"), version(1_700_000_000_000 << 16, 7)),
            KNOWN_FINGERPRINT
        );
    }

    const KNOWN: [u64; 5] = [
        0x243f_6a88_85a3_08d3,
        0xccbb_195d_84a6_e157,
        0x34b8_2cf9_a6c9_cb30,
        0x518e_4cad_aab4_51e2,
        0x28e0_4b8b_a3f7_ce37,
    ];
    const KNOWN_FINGERPRINT: u64 = 0xbc19_c8a1_81bd_7928;

    #[test]
    fn keys_spread_over_the_buckets_and_do_not_meet() {
        let (mut counts, mut hashes) = ([0; BUCKETS], BTreeSet::new());
        for i in 0..100 * BUCKETS {
            let hash = key_hash(format!("user:{i}").as_bytes());
            counts[bucket_of(hash)] += 1;
            assert!(hashes.insert(hash));
        }
        let (least, most) = (counts.iter().min(), counts.iter().max());
        // A hundred each, with a standard deviation of ten.
        assert!(
            least >= Some(&50) && most <= Some(&150),
            "{least:?} {most:?}"
        );
    }

    #[test]
    fn a_record_is_its_key_and_its_version() {
        let hash = key_hash(b"k");
        let mut digest = Digest::new();
        digest.toggle(hash, version(1, 1));
        let one = digest.clone();
        assert_ne!(one, Digest::new());
        for other in [(1, 2), (2, 1), (1, 0), (0, 1)] {
            let (mut clock, mut key) = (Digest::new(), Digest::new());
            clock.toggle(hash, version(other.0, other.1));
            key.toggle(key_hash(b"l"), version(1, 1));
            assert!(clock != one && key != one);
        }
        digest.toggle(hash, version(1, 1));
        assert_eq!(digest, Digest::new());
    }

    #[test]
    fn shards_add_up() {
        let (mut one, mut other, mut whole) = (Digest::new(), Digest::new(), Digest::new());
        for i in 0..1000_u64 {
            let hash = key_hash(&i.to_le_bytes());
            let shard = if i % 3 == 0 { &mut one } else { &mut other };
            shard.toggle(hash, version(i, 1));
            whole.toggle(hash, version(i, 1));
        }
        one.add(&other);
        assert_eq!(one, whole);
    }
}
