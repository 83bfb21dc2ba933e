//! The clocks the core is told about.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use zerocache_proto::{self as proto, Duration, Now};

/// How far back the origin is.
const BEFORE: Duration = Duration::from_secs(1);

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

    /// `instant` on the clock of std; `None` if that can not tell it.
    pub(crate) fn to_std(self, instant: proto::Instant) -> Option<Instant> {
        self.origin
            .checked_add(instant.saturating_since(proto::Instant::ORIGIN))
    }
}
