//! A timer that follows a machine's `poll_timeout` without being set at each step.

use crate::clock::Clock;
use crate::runtime::{Runtime, Timer};
use std::task::{Context, Poll, Waker};
use zerocache_proto::{Duration, Instant};

/// How early a runtime's timer may fire at most, its ticks being coarser than the clock.
const EARLY: Duration = Duration::from_millis(10);

/// Wakes its task at a machine's deadline. A deadline that moves away, as the idle limit of a busy
/// connection does at each request, leaves the timer as it is: it fires early once and is then set anew.
pub(crate) struct Alarm<R: Runtime> {
    runtime: R,
    clock: Clock,
    timer: Option<R::Timer>,
    armed: Option<Instant>,
    /// Who the timer wakes.
    waker: Option<Waker>,
}

impl<R: Runtime> Alarm<R> {
    pub(crate) fn new(runtime: R, clock: Clock) -> Self {
        Self {
            runtime,
            clock,
            timer: None,
            armed: None,
            waker: None,
        }
    }

    /// As [`Alarm::poll`] at a time just read. Far from the deadline it does not look at the timer, which
    /// costs as much as the rest of a short turn.
    pub(crate) fn poll_at(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        deadline: Option<Instant>,
    ) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        let armed = self
            .armed
            .is_some_and(|armed| now + EARLY < armed && armed <= deadline);
        let known = |waker: &Waker| waker.will_wake(cx.waker());
        if armed && self.waker.as_ref().is_some_and(known) {
            return Poll::Pending;
        }
        self.waker = Some(cx.waker().clone());
        self.poll(cx, Some(deadline))
    }

    /// Ready once `deadline` has passed; `None` never does.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        loop {
            if self.armed.is_none_or(|armed| deadline < armed) {
                let Some(at) = self.clock.to_std(deadline) else {
                    return Poll::Pending;
                };
                self.timer
                    .get_or_insert_with(|| self.runtime.timer())
                    .set(at);
                self.armed = Some(deadline);
            }
            let Some(timer) = &mut self.timer else {
                return Poll::Pending;
            };
            if timer.poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.armed = None;
            // A runtime's tick may be coarser than the clock and fire a hair early.
            if self.clock.mono() >= deadline {
                return Poll::Ready(());
            }
        }
    }
}
