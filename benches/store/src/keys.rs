//! What is put and asked for: keys of 32 bytes, values of 128, uniform and skewed choices.

use std::hint::black_box;

use bytes::Bytes;

pub const KEY: usize = 32;
pub const VALUE: usize = 128;

/// Values are as many as this at most, so that ten million keys need no ten million of them.
const VALUES: usize = 1 << 20;

/// Keys by number, and the value of each.
pub struct Pairs {
    keys: Vec<u8>,
    /// [`KEY`], but nothing the compiler may count on.
    len: usize,
    values: Vec<Bytes>,
    buffers: [[u8; VALUE]; 16],
}

/// A value on its way into a store. It is there twice, so that each kind of store gets what suits it:
/// made already, to be cloned by those that keep a [`Bytes`]; and in a buffer that was just read into,
/// for those that copy.
#[derive(Clone, Copy)]
pub struct Fresh<'a> {
    pub made: &'a Bytes,
    pub read: &'a [u8],
    /// It was only read: who keeps a [`Bytes`] has to make it.
    pub unmade: bool,
}

impl Fresh<'_> {
    #[inline]
    pub fn bytes(self) -> Bytes {
        match self.unmade {
            true => Bytes::copy_from_slice(self.read),
            false => self.made.clone(),
        }
    }
}

impl Pairs {
    pub fn new(keys: usize) -> Self {
        let mut bytes = Vec::with_capacity(keys * KEY);
        for number in 0..keys as u64 {
            // As a server's keys are: a common beginning and end around a number.
            bytes.extend_from_slice(b"user:123:");
            let digits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            bytes.extend((0..16).map(|at| b"0123456789abcdef"[(digits >> (4 * at)) as usize % 16]));
            bytes.extend_from_slice(b":avatar");
        }
        Self {
            keys: bytes,
            len: black_box(KEY),
            // A clone, so that none is the first to be made when it is measured: that one allocates.
            // A clone, so that none is the first to be made when it is measured: that one allocates.
            values: (0..keys.min(VALUES))
                .map(|number| Bytes::clone(&value(number)))
                .collect(),
            buffers: [[0; VALUE]; 16],
        }
    }

    #[inline]
    pub fn key(&self, number: usize) -> &[u8] {
        &self.keys[number * self.len..][..self.len]
    }

    #[inline]
    pub fn value(&self, number: usize) -> Fresh<'_> {
        Fresh {
            made: &self.values[number % self.values.len()],
            read: &self.buffers[number % self.buffers.len()],
            unmade: false,
        }
    }
}

/// A value that shares its bytes with nothing.
pub fn value(number: usize) -> Bytes {
    Bytes::from(vec![number as u8 & !1; VALUE])
}

/// Popularity falls with the rank to the power of 0.99.
pub struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    pub fn new(keys: usize) -> Self {
        let mut sum = 0.0;
        let sums = (1..=keys).map(|rank| {
            sum += (rank as f64).powf(-0.99);
            sum
        });
        Self {
            sums: sums.collect(),
        }
    }

    pub fn draw(&self, chance: &mut Chance) -> usize {
        let all = self.sums.last().copied().unwrap_or(0.0);
        let at = (chance.next() >> 11) as f64 / (1_u64 << 53) as f64 * all;
        let rank = self.sums.partition_point(|&sum| sum < at);
        // Ranks scattered over the keys.
        rank.wrapping_mul(2_654_435_761) % self.sums.len()
    }
}

/// Xorshift.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
