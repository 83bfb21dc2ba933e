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
const PI: [u64; 4] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
];

/// The hash of a key that all nodes agree on.
///
/// With `fold(a, b)` for the two halves of the 128-bit product `a * b`, xored, and `P0`.. for the
/// fractional digits of pi, 64 bits each: `h = fold(P0 ^ length, P1)`; then `h = fold(h ^ w, P2)` for each
/// eight bytes `w` of the key, little-endian; the last `w` is the key's last eight bytes, whether or not
/// some of them were taken before, and of a key of one to seven bytes all of them, followed by zeros;
/// last, `h = fold(h, P3)`.
///
/// Strangers can choose keys that collide. All that does is to hide a difference from the digest.
#[inline]
#[must_use]
pub fn key_hash(key: &[u8]) -> u64 {
    let mut hash = fold(PI[0] ^ key.len() as u64, PI[1]);
    if let Some(last) = key.last_chunk() {
        // The last word is `last`, which includes what the others leave over.
        let words = key.chunks_exact(8).take((key.len() - 1) / 8);
        for word in words.filter_map(<[u8]>::first_chunk) {
            hash = fold(hash ^ u64::from_le_bytes(*word), PI[2]);
        }
        hash = fold(hash ^ u64::from_le_bytes(*last), PI[2]);
    } else if !key.is_empty() {
        let shift = |word: u64, byte: &u8| (word << 8) | u64::from(*byte);
        hash = fold(hash ^ key.iter().rev().fold(0, shift), PI[2]);
    }
    fold(hash, PI[3])
}

/// The bucket of a key of this [`key_hash`]: its highest bits.
#[inline]
#[must_use]
pub const fn bucket_of(key_hash: u64) -> usize {
    (key_hash >> (u64::BITS - BUCKET_BITS)) as usize
}

/// What a record adds to its bucket: `fold(hash ^ fold(clock ^ P1, node ^ P2), P3)`.
#[inline]
fn fingerprint(key_hash: u64, version: Version) -> u64 {
    let node = u64::from(version.node.to_bits());
    fold(key_hash ^ fold(version.clock ^ PI[1], node ^ PI[2]), PI[3])
}

#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
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
    pub fn toggle(&mut self, key_hash: u64, version: Version) {
        if let Some(bucket) = self.0.get_mut(bucket_of(key_hash)) {
            *bucket ^= fingerprint(key_hash, version);
        }
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
        let mut hash = fold(PI[0] ^ key.len() as u64, PI[1]);
        for word in words {
            hash = fold(hash ^ u64::from_le_bytes(word), PI[2]);
        }
        fold(hash, PI[3])
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
        0x36a6_0423_0822_df02,
        0xe005_c677_a5ea_bb31,
        0x6c81_2ed6_6f44_f174,
        0x5cfe_a74a_61c5_5815,
        0xf468_7d1a_b323_e3fe,
    ];
    const KNOWN_FINGERPRINT: u64 = 0x473a_6dbc_e89c_fc9c;

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
