//! The clocks the core is told about.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use zerocache_proto::{self as proto, Duration, Now};

/// How far back the origin is.
const BEFORE: Duration = Duration::from_secs(1);

/// How long the wall clock is taken to go on as it did.
const STEADY: Duration = Duration::from_millis(50);

/// Reads the clocks for the core. Copies share one origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose origin is a second ago, so that "one second before now" can be told.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            origin: now.checked_sub(BEFORE).unwrap_or(now),
        }
    }

    /// The monotonic clock.
    pub(crate) fn mono(self) -> proto::Instant {
        proto::Instant::ORIGIN + self.origin.elapsed()
    }

    /// How long ago the clock was made.
    pub(crate) fn uptime(self) -> Duration {
        self.origin.elapsed().saturating_sub(BEFORE)
    }

    /// Both clocks.
    pub(crate) fn now(self) -> Now {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            mono: self.mono(),
            unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Both clocks for a task that asks often: the wall clock is read when the last reading is not fresh
    /// any more, and follows the monotonic one in between.
    pub(crate) fn now_by(self, wall: &mut Wall) -> Now {
        let mono = self.mono();
        if mono >= wall.read_again {
            *wall = Wall {
                at_origin: self.now().unix_ms.saturating_sub(mono.as_millis()),
                read_again: mono + STEADY,
            };
        }
        Now {
            mono,
            unix_ms: wall.at_origin.saturating_add(mono.as_millis()),
        }
    }

    /// `instant` on the clock of std; `None` if that can not tell it.
    pub(crate) fn to_std(self, instant: proto::Instant) -> Option<Instant> {
        self.origin
            .checked_add(instant.saturating_since(proto::Instant::ORIGIN))
    }
}

/// A reading of the wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wall {
    /// What it said at the monotonic clock's origin, in milliseconds.
    at_origin: u64,
    read_again: proto::Instant,
}
