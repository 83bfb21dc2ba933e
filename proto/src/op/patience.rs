//! How long a copy may take: for the way there and back, and for its bytes.
//!
//! | | the way | its bytes |
//! |---|---|---|
//! | as the write is made | 0.5 s in the own region, 1 s to another | 64 KiB a second, up to 3 s |
//! | out of a peer's queue | 1 s | 8 KiB a second, up to 5 min |
//!
//! The way is at least four times the latency last measured, up to 3 s: a connection to be made, a request,
//! and what is lost of either. A write has memory and a client's attention to lose by a slow peer, so that
//! a copy that fails then is left to the queue, which holds no more than the key until its turn comes.

use crate::Duration;

/// The longest that the way may take, however far it is.
const LONGEST_WAY: Duration = Duration::from_secs(3);

/// A request that has not begun to be written so long after it was made is given up, though there were
/// time for its bytes: how long its value has to live is said in its head, and would no longer be true.
pub const BEGUN_WITHIN: Duration = LONGEST_WAY;

/// How long to wait for so many bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// Bytes a second, at least.
    pub rate: usize,
    /// The longest wait for any number of them.
    pub longest: Duration,
}

impl Pace {
    /// That of a copy sent as the write is made.
    pub const FIRST: Self = Self {
        rate: 64 << 10,
        longest: Duration::from_secs(3),
    };
    /// That of whoever has time: no slower than a node lets a body come in.
    pub const LEAST: Self = Self {
        rate: 8 << 10,
        longest: Duration::from_secs(300),
    };

    /// The time `bytes` may take.
    #[must_use]
    pub fn time_for(self, bytes: usize) -> Duration {
        let nanos = (bytes as u64).saturating_mul(1_000_000_000);
        let nanos = nanos.checked_div(self.rate as u64).unwrap_or(u64::MAX);
        Duration::from_nanos(nanos).min(self.longest)
    }
}

/// The time for a way that takes `latency` there and back, as far as that is known; `least` at least.
pub(super) fn way(least: Duration, latency: Duration) -> Duration {
    latency.saturating_mul(4).min(LONGEST_WAY).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn time_grows_with_bytes_and_is_bounded() {
        assert_eq!(Pace::FIRST.time_for(0), Duration::ZERO);
        assert_eq!(Pace::FIRST.time_for(64 << 10), MS(1_000));
        assert_eq!(Pace::FIRST.time_for(16 << 20), MS(3_000));
        assert_eq!(Pace::LEAST.time_for(64 << 10), MS(8_000));
        assert_eq!(Pace::LEAST.time_for(usize::MAX), MS(300_000));
    }

    #[test]
    fn the_way_follows_the_latency_within_bounds() {
        assert_eq!(way(MS(1_000), Duration::ZERO), MS(1_000));
        assert_eq!(way(MS(1_000), MS(250)), MS(1_000));
        assert_eq!(way(MS(1_000), MS(350)), MS(1_400));
        assert_eq!(way(MS(1_000), MS(9_000)), MS(3_000));
    }
}
