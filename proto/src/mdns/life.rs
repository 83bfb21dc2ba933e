//! The lifetime of one record in the cache.

use super::schedule::after;
use crate::{Duration, Instant};

/// No record is believed for longer, seconds.
const MAX_TTL: u32 = 4_500;
/// No record is refreshed that lives shorter: its owner does not mean to stay.
const MIN_REFRESHED: Duration = Duration::from_secs(20);
/// A record taken back lives on for this long (RFC 6762 §10.1, §10.2).
const LAST_SECOND: Duration = Duration::from_secs(1);
/// Percents of its TTL after which a record is asked for again (RFC 6762 §5.2).
const REFRESHES: [u64; 4] = [80, 85, 90, 95];

/// The lifetime of one record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    received: Instant,
    pub(super) expires: Instant,
    /// Zero once it is taken back.
    pub(super) ttl: Duration,
    refreshes: u8,
    /// Thousandths of the TTL that refreshes are late, so that not all hosts ask at once.
    jitter: u8,
}

impl Life {
    pub(super) fn new(now: Instant, ttl: u32, jitter: u8) -> Self {
        let ttl = Duration::from_secs(u64::from(ttl.min(MAX_TTL)));
        Self {
            received: now,
            expires: after(now, ttl.max(LAST_SECOND)),
            ttl,
            refreshes: 0,
            jitter,
        }
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.expires <= now
    }

    /// Lets it live one more second.
    pub(super) fn end(&mut self, now: Instant) {
        self.expires = self.expires.min(after(now, LAST_SECOND));
        self.ttl = Duration::ZERO;
    }

    /// Lets it live one more second if it is older than that: the cache-flush bit (RFC 6762 §10.2).
    pub(super) fn flush(&mut self, now: Instant) {
        if after(self.received, LAST_SECOND) < now {
            self.end(now);
        }
    }

    /// Seconds left, if more than half of its life (RFC 6762 §7.1).
    pub(super) fn fresh(&self, now: Instant) -> Option<u32> {
        let left = self.expires.saturating_since(now);
        let fresh = left.saturating_mul(2) > self.ttl;
        fresh.then(|| u32::try_from(left.as_secs()).unwrap_or(MAX_TTL))
    }

    fn refresh_at(&self) -> Option<Instant> {
        if self.ttl < MIN_REFRESHED {
            return None;
        }
        let percent = REFRESHES.get(usize::from(self.refreshes))?;
        let part = percent
            .saturating_mul(10)
            .saturating_add(self.jitter.into());
        let millis = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        let wait = Duration::from_millis(millis.saturating_mul(part) / 1_000);
        Some(after(self.received, wait))
    }

    /// Whether it is to be asked for, at `until` at the latest; counts as asked.
    pub(super) fn refresh(&mut self, until: Instant) -> bool {
        let mut due = false;
        while self.refresh_at().is_some_and(|at| at <= until) {
            self.refreshes = self.refreshes.saturating_add(1);
            due = true;
        }
        due
    }

    pub(super) fn deadline(&self) -> Instant {
        self.refresh_at()
            .map_or(self.expires, |at| at.min(self.expires))
    }
}
