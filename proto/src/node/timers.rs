//! When which part of a node wants to be woken.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::Instant;

/// One deadline for each key, and the next of them all at hand.
#[derive(Debug)]
pub(super) struct Timers<K> {
    by_key: BTreeMap<K, Instant>,
    by_time: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Copy> Timers<K> {
    pub(super) const fn new() -> Self {
        Self {
            by_key: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }

    /// `key` wants to be woken then, or not at all.
    pub(super) fn set(&mut self, key: K, at: Option<Instant>) {
        let old = self.by_key.get(&key).copied();
        // After each input, most parts want to be woken when they wanted to be before.
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.by_time.remove(&(old, key));
        }
        match at {
            Some(at) => {
                self.by_key.insert(key, at);
                self.by_time.insert((at, key));
            }
            None => {
                self.by_key.remove(&key);
            }
        }
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// A key whose time has come; it is no longer waiting.
    pub(super) fn pop(&mut self, now: Instant) -> Option<K> {
        let (_, key) = self.by_time.first().copied().filter(|(at, _)| *at <= now)?;
        self.set(key, None);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_deadline_and_the_earliest_comes_first() {
        let at = Instant::from_millis;
        let mut timers = Timers::new();
        timers.set('a', Some(at(5)));
        timers.set('b', Some(at(3)));
        timers.set('b', Some(at(7)));
        timers.set('c', Some(at(6)));
        timers.set('c', None);
        assert_eq!(timers.next(), Some(at(5)));
        assert_eq!(timers.pop(at(4)), None);
        assert_eq!(timers.pop(at(9)), Some('a'));
        assert_eq!(timers.pop(at(9)), Some('b'));
        assert_eq!(timers.pop(at(9)), None);
        assert_eq!(timers.next(), None);
    }
}
