//! The hybrid logical clock that stamps writes.

use crate::{Duration, NodeId, Version};

/// How far ahead of this node's wall clock a version may be: further, and it would win against
/// every write here until the clock has caught up.
pub const MAX_SKEW: Duration = Duration::from_secs(10);

const MAX_SKEW_MS: u64 = MAX_SKEW.as_millis() as u64;
const COUNTER_BITS: u32 = 16;

/// A hybrid logical clock: 48 bits of Unix milliseconds, 16 bits of counter.
///
/// It follows the wall clock, never goes back when that does, and is never behind a version it has
/// observed. More than 65,535 stamps in a millisecond run on into the next one.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    last: u64,
    node: NodeId,
}

impl Clock {
    pub(super) const fn new(node: NodeId) -> Self {
        Self { last: 0, node }
    }

    pub(super) const fn set_node(&mut self, node: NodeId) {
        self.node = node;
    }

    /// A version newer than every one stamped or observed before.
    pub(super) fn stamp(&mut self, unix_ms: u64) -> Version {
        let wall = unix_ms.min(u64::MAX >> COUNTER_BITS) << COUNTER_BITS;
        self.last = wall.max(self.last.saturating_add(1));
        Version {
            clock: self.last,
            node: self.node,
        }
    }

    /// Later stamps will be newer than `version`.
    pub(super) fn observe(&mut self, version: Version) {
        self.last = self.last.max(version.clock);
    }

    /// Whether `version` is too far ahead to be true.
    pub(super) const fn is_ahead(version: Version, unix_ms: u64) -> bool {
        version.unix_ms() > unix_ms.saturating_add(MAX_SKEW_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId::from_bits(7);

    #[test]
    fn stamps_follow_the_wall_clock_and_count_within_a_millisecond() {
        let mut clock = Clock::new(NODE);
        let first = clock.stamp(1000);
        assert_eq!((first.unix_ms(), first.clock & 0xffff), (1000, 0));
        let second = clock.stamp(1000);
        assert_eq!((second.unix_ms(), second.clock & 0xffff), (1000, 1));
        assert_eq!(clock.stamp(1001).clock, 1001 << 16);
    }

    #[test]
    fn a_wall_clock_set_back_stops_the_milliseconds_but_not_the_order() {
        let mut clock = Clock::new(NODE);
        let before = clock.stamp(5000);
        let after = clock.stamp(10);
        assert!(after > before);
        assert_eq!(after.unix_ms(), 5000);
    }

    #[test]
    fn the_counter_carries_into_the_milliseconds() {
        let mut clock = Clock::new(NODE);
        let mut last = clock.stamp(1);
        for _ in 0..70_000 {
            let next = clock.stamp(1);
            assert!(next > last);
            last = next;
        }
        assert_eq!(last.unix_ms(), 2);
    }

    #[test]
    fn a_stamp_is_newer_than_what_was_observed_whoever_stamped_that() {
        let mut clock = Clock::new(NodeId::from_bits(0));
        let theirs = Version {
            clock: (9000 << 16) | 0xffff,
            node: NodeId::from_bits(u32::MAX),
        };
        clock.observe(theirs);
        assert!(clock.stamp(1000) > theirs);
    }

    #[test]
    fn ahead_begins_just_after_the_allowed_skew() {
        let at = |ms: u64| Version {
            clock: ms << 16,
            node: NODE,
        };
        assert!(!Clock::is_ahead(at(11_000), 1_000));
        assert!(Clock::is_ahead(at(11_001), 1_000));
        assert!(!Clock::is_ahead(at(0), 1_000));
    }

    #[test]
    fn absurd_wall_clocks_do_not_overflow() {
        let mut clock = Clock::new(NODE);
        let top = clock.stamp(u64::MAX);
        assert_eq!(top.unix_ms(), u64::MAX >> 16);
        for _ in 0..70_000 {
            clock.stamp(u64::MAX);
        }
        assert!(!Clock::is_ahead(top, u64::MAX));
    }
}
