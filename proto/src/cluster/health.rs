//! Whether a peer may be sent requests, from how its pings and requests went.
//!
//! ```text
//! Unproven --ping ok--> Healthy --failure--> Suspect --3 s of failure, or refused twice--> Out
//!                          ^                    |                                           |
//!                          +------- ok ---------+                                           |
//!                          +------------------------------- ping ok ------------------------+
//! ```
//! Routable are Healthy and Suspect. A Suspect whose time is up stays one, *overdue*, while the
//! table may not put it out (the last of its region, or too many at once).

use super::config::{BACKOFF, FAILING_FOR, RECHECK};
use super::table::swing;
use crate::{Duration, Failure, Instant, Rng};

/// How a peer does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// Heard of; has not answered a ping yet. Gets no request.
    Unproven,
    /// Answers.
    Healthy,
    /// Has failed, is being checked, and still gets requests.
    Suspect,
    /// Has failed for too long. Gets no request but pings.
    Out,
}

#[derive(Debug)]
pub(super) struct Health {
    state: State,
    /// When the failures began; while Suspect or Out.
    since: Instant,
    /// Failures in a row.
    failures: u32,
    /// 1 once its host has refused, and one more for each ping that failed after that.
    refusals: u32,
    overdue: bool,
}

impl Health {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Unproven,
            since: Instant::ORIGIN,
            failures: 0,
            refusals: 0,
            overdue: false,
        }
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    pub(super) const fn routable(&self) -> bool {
        matches!(self.state, State::Healthy | State::Suspect)
    }

    /// Whether one more success changes nothing.
    pub(super) const fn is_steady(&self) -> bool {
        matches!(self.state, State::Healthy) && self.failures == 0 && !self.overdue
    }

    /// Whether it would be out, were it not needed.
    pub(super) const fn overdue(&self) -> bool {
        self.overdue
    }

    /// When the failures began; long ago while there are none.
    pub(super) const fn since(&self) -> Instant {
        self.since
    }

    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether its host answers, if only to refuse: then the way there is fine.
    pub(super) const fn refusing(&self) -> bool {
        self.refusals > 0
    }

    /// When a Suspect's time is up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.state == State::Suspect && !self.overdue).then(|| self.since + FAILING_FOR)
    }

    /// It answered; says whether it was not routable before.
    pub(super) fn succeed(&mut self) -> bool {
        let back = !self.routable();
        *self = Self {
            state: State::Healthy,
            ..Self::new()
        };
        back
    }

    /// A request or ping begun at `since` failed.
    pub(super) fn fail(&mut self, since: Instant, failure: Failure, ping: bool) {
        self.failures = self.failures.saturating_add(1);
        // One refused request is a hint; with a ping that fails after it, it is certain.
        if ping && (failure == Failure::Refused || self.refusals > 0) {
            self.refusals = self.refusals.saturating_add(1);
        } else if failure == Failure::Refused {
            self.refusals = self.refusals.max(1);
        }
        if self.state == State::Healthy {
            self.state = State::Suspect;
            self.since = since;
        }
    }

    /// Whether it has failed for so long that it should be out; notes that it has.
    pub(super) fn check(&mut self, now: Instant) -> bool {
        let over = now.saturating_since(self.since) >= FAILING_FOR || self.refusals >= 2;
        self.overdue = self.state == State::Suspect && over;
        self.overdue
    }

    pub(super) fn put_out(&mut self) {
        self.state = State::Out;
        self.overdue = false;
        // The back-off begins anew.
        self.failures = 0;
    }

    /// Fresh word of it: be quick again.
    pub(super) fn hope(&mut self) {
        if !self.routable() {
            self.failures = 0;
        }
    }

    /// How long after a ping's end the next one is due; `healthy` of a peer that is well.
    pub(super) fn pause(&self, healthy: Duration, rng: &mut Rng) -> Duration {
        match self.state {
            State::Healthy => rng.jitter(healthy, swing(healthy)),
            State::Suspect if self.overdue => rng.jitter(Duration::from_secs(1), 20),
            State::Suspect if self.failures <= 1 => Duration::ZERO,
            State::Suspect => RECHECK,
            State::Unproven | State::Out => {
                let (min, max) = BACKOFF;
                let doublings = self.failures.saturating_sub(1).min(6);
                let wait = min.saturating_mul(1 << doublings);
                rng.jitter(wait, 20).clamp(min, max)
            }
        }
    }
}
