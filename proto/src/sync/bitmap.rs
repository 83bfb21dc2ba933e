//! A choice of buckets.

use alloc::string::String;
use core::fmt;

use crate::cache::{BUCKETS, Digest};

const WORDS: usize = BUCKETS / 64;
/// Hex digits of a choice.
const DIGITS: usize = BUCKETS / 4;

/// Some of the buckets of a [`Digest`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Buckets([u64; WORDS]);

impl Buckets {
    /// All of them.
    pub const ALL: Self = Self([u64::MAX; WORDS]);

    /// Those in which two nodes differ.
    #[must_use]
    pub fn differing(one: &Digest, other: &Digest) -> Self {
        let mut words = [0; WORDS];
        let pairs = one.buckets().chunks(64).zip(other.buckets().chunks(64));
        for (word, (one, other)) in words.iter_mut().zip(pairs) {
            for (one, other) in one.iter().zip(other).rev() {
                *word = (*word << 1) | u64::from(one != other);
            }
        }
        Self(words)
    }

    /// Whether the bucket of this number is among them.
    #[must_use]
    pub fn has(&self, bucket: usize) -> bool {
        let word = self.0.get(bucket / 64).copied().unwrap_or(0);
        (word >> (bucket % 64)) & 1 == 1
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        let ones = self.0.iter().map(|word| word.count_ones());
        ones.fold(0, u32::saturating_add)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// As hex digits, the lowest bit of the first being bucket 0.
    pub(super) fn write(&self, out: &mut String) {
        let nibbles = (0..DIGITS).map(|at| {
            let word = self.0.get(at / 16).copied().unwrap_or(0);
            (word >> (at % 16).saturating_mul(4)) & 0xf
        });
        out.extend(nibbles.filter_map(|nibble| char::from_digit(nibble as u32, 16)));
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        if text.len() != DIGITS {
            return None;
        }
        let mut words = [0; WORDS];
        for (word, digits) in words.iter_mut().zip(text.chunks(16)) {
            for digit in digits.iter().rev() {
                *word = (*word << 4) | u64::from(char::from(*digit).to_digit(16)?);
            }
        }
        Some(Self(words))
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buckets({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{bucket_of, key_hash};
    use crate::{NodeId, Version};

    #[test]
    fn differing_buckets_are_those_of_the_keys_that_differ() {
        let (mut one, other) = (Digest::new(), Digest::new());
        assert!(Buckets::differing(&one, &other).is_empty());
        let version = Version {
            clock: 5,
            node: NodeId::from_bits(1),
        };
        let mut expected = [false; BUCKETS];
        for key in 0..200_u32 {
            let hash = key_hash(&key.to_le_bytes());
            one.toggle(hash, version);
            expected[bucket_of(hash)] = true;
        }
        let found = Buckets::differing(&one, &other);
        for (bucket, expected) in expected.into_iter().enumerate() {
            assert_eq!(found.has(bucket), expected, "{bucket}");
        }
        assert!(!found.has(BUCKETS));

        let mut text = String::new();
        found.write(&mut text);
        assert_eq!(text.len(), DIGITS);
        assert_eq!(Buckets::read(text.as_bytes()), Some(found));
    }

    #[test]
    fn bucket_0_is_the_lowest_bit_of_the_first_digit() {
        let mut text = alloc::vec![b'0'; DIGITS];
        text[0] = b'1';
        text[DIGITS - 1] = b'8';
        let buckets = Buckets::read(&text).unwrap();
        assert!(buckets.has(0) && buckets.has(BUCKETS - 1));
        assert_eq!(buckets.len(), 2);
        assert_eq!(Buckets::read(&text[1..]), None);
        text[7] = b'g';
        assert_eq!(Buckets::read(&text), None);
    }
}
