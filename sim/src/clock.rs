//! The clocks of one host: one that only runs, maybe too fast, and one that people set.

use zerocache_proto::{Instant, Now};

/// The Unix time at which every run begins, in milliseconds.
const EPOCH_MS: i64 = 1_700_000_000_000;
const MILLION: i128 = 1_000_000;

/// Both clocks of a host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// What the monotonic clock showed when the run began, in nanoseconds.
    origin: u64,
    /// How much it runs fast, in millionths.
    ppm: i64,
    /// How far the wall clock is ahead, in milliseconds.
    skew_ms: i64,
}

impl Clock {
    /// A clock that shows `origin` nanoseconds at first and runs `ppm` millionths fast.
    #[must_use]
    pub(crate) const fn new(origin: u64, ppm: i64, skew_ms: i64) -> Self {
        Self {
            origin,
            ppm,
            skew_ms,
        }
    }

    /// What both clocks show at the true time `at`, in nanoseconds.
    #[must_use]
    pub(crate) fn now(&self, at: u64) -> Now {
        Now {
            mono: self.mono(at),
            unix_ms: (EPOCH_MS + (at / 1_000_000) as i64 + self.skew_ms).max(0) as u64,
        }
    }

    /// What the monotonic clock shows at the true time `at`.
    #[must_use]
    pub(crate) fn mono(&self, at: u64) -> Instant {
        if self.ppm == 0 {
            return Instant::from_nanos(self.origin + at);
        }
        let run = i128::from(at) * (MILLION + i128::from(self.ppm)) / MILLION;
        Instant::from_nanos(self.origin + run as u64)
    }

    /// The first true time at which the monotonic clock shows `instant`, or more.
    #[must_use]
    pub(crate) fn when(&self, instant: Instant) -> u64 {
        let run = instant.as_nanos().saturating_sub(self.origin);
        if self.ppm == 0 || run == 0 {
            return run;
        }
        let rate = MILLION + i128::from(self.ppm);
        let at = (i128::from(run) * MILLION + rate - 1) / rate;
        u64::try_from(at).unwrap_or(u64::MAX)
    }

    /// Somebody sets the wall clock.
    pub(crate) const fn set_skew(&mut self, skew_ms: i64) {
        self.skew_ms = skew_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_fires_when_its_clock_shows_the_time_and_no_nanosecond_before() {
        for ppm in [-50_000, -100, 0, 37, 50_000] {
            let clock = Clock::new(123_456_789, ppm, 0);
            for nanos in [123_456_789, 123_456_790, 1_000_000_007, 3_600_000_000_001] {
                let instant = Instant::from_nanos(nanos);
                let at = clock.when(instant);
                assert!(clock.mono(at) >= instant, "{ppm} {nanos}");
                assert!(at == 0 || clock.mono(at - 1) < instant, "{ppm} {nanos}");
            }
        }
    }

    #[test]
    fn setting_the_wall_clock_moves_nothing_else() {
        let mut clock = Clock::new(5, 0, 10);
        let before = clock.now(1_000_000_000);
        clock.set_skew(-3_600_000);
        let after = clock.now(1_000_000_000);
        assert_eq!(before.mono, after.mono);
        assert_eq!(before.unix_ms - after.unix_ms, 3_600_010);
    }
}
