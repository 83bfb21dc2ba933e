//! Where decisions come from: a seed, or a fuzzer's bytes.

use zerocache_proto::Rng;

/// A source of choices.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// All follows from a seed, and there is no end to it.
    Seed(Rng),
    /// A fuzzer's bytes. When they run out, every decision is the first choice.
    Bytes(&'a [u8]),
}

impl Source<'static> {
    /// The choices that follow from `seed`.
    #[must_use]
    pub const fn seed(seed: u64) -> Self {
        Self::Seed(Rng::new(seed))
    }
}

impl Source<'_> {
    /// Whether nothing is left to decide by.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        match self {
            Self::Seed(_) => false,
            Self::Bytes(bytes) => bytes.is_empty(),
        }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        match self {
            Self::Seed(rng) => rng.next_u64(),
            Self::Bytes(_) => (0..8).fold(0, |bits, _| bits << 8 | u64::from(self.byte())),
        }
    }

    fn byte(&mut self) -> u8 {
        match self {
            Self::Seed(rng) => rng.next_u32() as u8,
            Self::Bytes(bytes) => {
                let Some((first, rest)) = bytes.split_first() else {
                    return 0;
                };
                *bytes = rest;
                *first
            }
        }
    }

    /// A number in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        match self {
            Self::Seed(rng) => rng.below(n as usize) as u64,
            Self::Bytes(_) if n <= 256 => u64::from(self.byte()) % n.max(1),
            Self::Bytes(_) => {
                let wide = (0..4).fold(0, |bits, _| bits << 8 | u64::from(self.byte()));
                wide % n
            }
        }
    }

    /// A number in `from..=to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// True that many times in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        // The first choice is "no".
        self.below(1000) >= 1000 - per_mille.min(1000)
    }

    /// The place of one of `weights`, as often as its weight says.
    pub fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (place, weight) in weights.iter().enumerate() {
            if left < *weight {
                return place;
            }
            left -= weight;
        }
        0
    }

    /// One of `items`.
    pub fn pick<T: Copy>(&mut self, items: &[T], default: T) -> T {
        let place = self.below(items.len() as u64) as usize;
        items.get(place).copied().unwrap_or(default)
    }
}
