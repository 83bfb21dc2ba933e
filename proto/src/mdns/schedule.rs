//! Deadlines by key.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::{Duration, Instant};

/// `now` and then `wait`; it saturates, so no input overflows it.
pub(super) fn after(now: Instant, wait: Duration) -> Instant {
    now + wait
}

/// At most one deadline for each key; the next one is known at any time.
#[derive(Debug)]
pub(super) struct Schedule<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: BTreeMap<K, Instant>,
}

impl<K: Copy + Ord> Schedule<K> {
    pub(super) const fn new() -> Self {
        Self {
            by_time: BTreeSet::new(),
            by_key: BTreeMap::new(),
        }
    }

    /// Sets the deadline of `key`, or takes it away.
    pub(super) fn set(&mut self, key: K, deadline: Option<Instant>) {
        let old = match deadline {
            Some(at) => self.by_key.insert(key, at),
            None => self.by_key.remove(&key),
        };
        if let Some(at) = old {
            self.by_time.remove(&(at, key));
        }
        if let Some(at) = deadline {
            self.by_time.insert((at, key));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// The keys whose deadline is `until` or before.
    pub(super) fn due(&self, until: Instant) -> Vec<K> {
        let due = self.by_time.iter().take_while(|(at, _)| *at <= until);
        due.map(|(_, key)| *key).collect()
    }
}
