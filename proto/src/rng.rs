//! The one source of chance: a small seeded generator, one per machine.

use crate::{Buggify, Duration, Point};

/// `SplitMix64`: 64 bits of state, equidistributed, good enough for jitter and choice, not for keys.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
    buggify: Buggify,
}

impl Rng {
    /// A generator that will always give the same numbers for the same `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            state: seed,
            buggify: Buggify::OFF,
        }
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next 32 bits.
    pub const fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// A number in `0..n`; 0 when `n` is 0.
    pub const fn below(&mut self, n: usize) -> usize {
        ((self.next_u64() as u128).wrapping_mul(n as u128) >> 64) as usize
    }

    /// A duration in `from..to`; `from` when the range is empty.
    pub fn between(&mut self, from: Duration, to: Duration) -> Duration {
        if self.hits(Point::Earliest) {
            return from;
        }
        self.within(from, to)
    }

    fn within(&mut self, from: Duration, to: Duration) -> Duration {
        let span = to.saturating_sub(from).as_nanos();
        let span = u64::try_from(span).unwrap_or(u64::MAX);
        let part = u128::from(self.next_u64()).wrapping_mul(span.into()) >> 64;
        from.saturating_add(Duration::from_nanos(part as u64))
    }

    /// `base` made up to `percent` shorter or longer, so that a crowd does not act in step.
    pub fn jitter(&mut self, base: Duration, percent: u32) -> Duration {
        let swing = base.saturating_mul(percent.min(100));
        let swing = swing.checked_div(100).unwrap_or_default();
        let (least, most) = (base.saturating_sub(swing), base.saturating_add(swing));
        if self.hits(Point::JitterLeast) {
            return least;
        }
        if self.hits(Point::JitterMost) {
            return most;
        }
        self.within(least, most)
    }

    /// One of `items`, each as likely as the others.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if self.hits(Point::ChooseFirst) {
            return items.first();
        }
        items.get(self.below(items.len()))
    }

    /// A generator of its own for a part, so that its draws do not shift the whole's.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self {
            state: self.next_u64(),
            buggify: self.buggify.clone(),
        }
    }

    /// With these points it decides on, and all that is forked off it.
    pub fn set_buggify(&mut self, buggify: &Buggify) {
        self.buggify = buggify.clone();
    }

    /// Whether `point` fires this time.
    #[inline]
    pub(crate) fn hits(&self, point: Point) -> bool {
        self.buggify.hits(point)
    }
}
