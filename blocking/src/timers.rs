//! Timers, fired by the background thread.

use crate::reactor::Reactor;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Who is to be woken when, earliest first.
#[derive(Default)]
pub(crate) struct Timers {
    due: BTreeMap<(Instant, u64), Waker>,
    next_id: u64,
}

impl Timers {
    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Takes out who is due at `now`.
    pub(crate) fn expire(&mut self, now: Instant, due: &mut Vec<Waker>) {
        while let Some(first) = self.due.first_entry() {
            if first.key().0 > now {
                break;
            }
            due.push(first.remove());
        }
    }
}

/// A timer.
pub struct Timer {
    reactor: Arc<Reactor>,
    id: u64,
    deadline: Option<Instant>,
}

impl Timer {
    pub(crate) fn new(reactor: Arc<Reactor>) -> Self {
        let id = {
            let mut timers = reactor.timers();
            timers.next_id += 1;
            timers.next_id
        };
        Self {
            reactor,
            id,
            deadline: None,
        }
    }

    fn cancel(&mut self) {
        if let Some(deadline) = self.deadline.take() {
            let waker = self.reactor.timers().due.remove(&(deadline, self.id));
            // Not under the lock: what goes with it may have timers.
            drop(waker);
        }
    }
}

impl zerocache_driver::runtime::Timer for Timer {
    fn set(&mut self, deadline: Instant) {
        self.cancel();
        self.deadline = Some(deadline);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        if deadline <= Instant::now() {
            self.cancel();
            return Poll::Ready(());
        }
        let (earliest, before) = {
            let mut timers = self.reactor.timers();
            let earliest = timers.next().is_none_or(|next| deadline < next);
            let waker = cx.waker().clone();
            (earliest, timers.due.insert((deadline, self.id), waker))
        };
        drop(before);
        if earliest {
            self.reactor.notify();
        }
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
