//! When which part of a node wants to be woken.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::Instant;

/// What can be woken by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    Cluster,
    Handoff,
    Sync,
    Expiry,
    Inbound(u64),
    Exchange(u64),
    Spread(u64),
}

impl Timer {
    /// Those there is one of, which come before all others.
    const PARTS: [Self; 4] = [Self::Cluster, Self::Handoff, Self::Sync, Self::Expiry];
}

/// One deadline for each timer, and the next of them all at hand.
#[derive(Debug)]
pub(super) struct Timers {
    /// Those of [`Timer::PARTS`]: all are set after each input, and most to what they were.
    parts: [Option<Instant>; Timer::PARTS.len()],
    by_key: BTreeMap<Timer, Instant>,
    by_time: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    pub(super) const fn new() -> Self {
        Self {
            parts: [None; Timer::PARTS.len()],
            by_key: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }

    /// `timer` is to fire then, or not at all.
    pub(super) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        let [cluster, handoff, sync, expiry] = &mut self.parts;
        match timer {
            Timer::Cluster => *cluster = at,
            Timer::Handoff => *handoff = at,
            Timer::Sync => *sync = at,
            Timer::Expiry => *expiry = at,
            Timer::Inbound(_) | Timer::Exchange(_) | Timer::Spread(_) => self.set_one(timer, at),
        }
    }

    fn set_one(&mut self, timer: Timer, at: Option<Instant>) {
        let old = match at {
            Some(at) => self.by_key.insert(timer, at),
            None => self.by_key.remove(&timer),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.by_time.remove(&(old, timer));
        }
        self.by_time.extend(at.map(|at| (at, timer)));
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.first().map(|(at, _)| at)
    }

    /// A timer whose time has come; it is no longer set.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Timer> {
        let (_, timer) = self.first().filter(|(at, _)| *at <= now)?;
        self.set(timer, None);
        Some(timer)
    }

    fn first(&self) -> Option<(Instant, Timer)> {
        let parts = self.parts.iter().zip(Timer::PARTS);
        let first = self.by_time.first().copied();
        parts.fold(first, |first, (at, part)| match (first, *at) {
            (Some(first), Some(at)) => Some(first.min((at, part))),
            (first, at) => first.or(at.map(|at| (at, part))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_has_one_deadline_and_the_earliest_comes_first() {
        let at = |ms| Some(Instant::from_millis(ms));
        let (a, b, c) = (Timer::Inbound(1), Timer::Handoff, Timer::Spread(1));
        let mut timers = Timers::new();
        timers.set(a, at(5));
        timers.set(b, at(3));
        timers.set(b, at(7));
        timers.set(c, at(6));
        timers.set(c, None);
        timers.set(Timer::Exchange(1), at(7));
        assert_eq!(timers.next(), at(5));
        let mut pop = |ms| timers.pop(Instant::from_millis(ms));
        assert_eq!(pop(4), None);
        let popped = [pop(9), pop(9), pop(9), pop(9)];
        assert_eq!(popped, [Some(a), Some(b), Some(Timer::Exchange(1)), None]);
        assert_eq!(timers.next(), None);
    }
}
