//! The hybrid logical clock that stamps writes.

use crate::{Duration, NodeId, Version};

/// How far ahead of this node's wall clock a version may be: further, and it would win against
/// every write here until the clock has caught up.
pub const MAX_SKEW: Duration = Duration::from_secs(10);

const MAX_SKEW_MS: u64 = MAX_SKEW.as_millis() as u64;
const COUNTER_BITS: u32 = 16;

/// A hybrid logical clock: 48 bits of Unix milliseconds, 16 bits of counter.
///
/// It follows the wall clock, is never behind a version it has observed, and does not go back when
/// the wall clock does: unless by more than [`MAX_SKEW`], for then no other node would believe its
/// stamps until the time had come again. The order of one key's versions holds even so. More than
/// 65,535 stamps in a millisecond run on into the next one.
///
/// A time that comes again must not give the same stamps again: two writes of one version would each be
/// taken for the other for ever. So the counter begins elsewhere each time the clock goes back.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    last: u64,
    /// Where the counter of a millisecond begins.
    first: u64,
    /// Stamps given to keys whose version was ahead of this clock: such a version may be forgotten here,
    /// and come back from another node, and what was stamped then is not to be stamped again.
    ahead: u64,
    node: NodeId,
}

/// Stamps of a millisecond before it has those of the same one when it comes again.
const TURN: u64 = 1 << 12;

impl Clock {
    pub(super) const fn new(node: NodeId) -> Self {
        Self {
            last: 0,
            first: 0,
            ahead: 0,
            node,
        }
    }

    pub(super) const fn set_node(&mut self, node: NodeId) {
        self.node = node;
    }

    /// A version newer than the one `held` under its key, and than every one stamped or observed
    /// before that is not too far ahead to be true.
    pub(super) fn stamp(&mut self, unix_ms: u64, held: Option<Version>) -> Version {
        if Self::is_ahead(self.at(self.last), unix_ms) {
            self.last = 0;
            self.first = self.first.saturating_add(TURN) % (1 << COUNTER_BITS);
        }
        let wall = (unix_ms.min(u64::MAX >> COUNTER_BITS) << COUNTER_BITS) | self.first;
        self.last = wall.max(self.last.saturating_add(1));
        match held.filter(|held| held.clock >= self.last) {
            None => self.at(self.last),
            Some(held) => {
                self.ahead = self.ahead.saturating_add(1) % TURN;
                self.at(held.clock.saturating_add(1).saturating_add(self.ahead))
            }
        }
    }

    /// Later stamps will be newer than `version`.
    pub(super) fn observe(&mut self, version: Version) {
        self.last = self.last.max(version.clock);
    }

    const fn at(&self, clock: u64) -> Version {
        Version {
            clock,
            node: self.node,
        }
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
        let first = clock.stamp(1000, None);
        assert_eq!((first.unix_ms(), first.clock & 0xffff), (1000, 0));
        let second = clock.stamp(1000, None);
        assert_eq!((second.unix_ms(), second.clock & 0xffff), (1000, 1));
        assert_eq!(clock.stamp(1001, None).clock, 1001 << 16);
    }

    #[test]
    fn a_wall_clock_set_back_stops_the_milliseconds_but_not_the_order() {
        let mut clock = Clock::new(NODE);
        let before = clock.stamp(15_000, None);
        let after = clock.stamp(5_000, None);
        assert!(after > before);
        assert_eq!(after.unix_ms(), 15_000);
    }

    #[test]
    fn a_wall_clock_that_was_far_ahead_is_forgotten_but_for_the_keys_written_then() {
        let mut clock = Clock::new(NODE);
        let mad = clock.stamp(1_000_000, None);
        assert_eq!(clock.stamp(5_000, None).unix_ms(), 5_000);
        assert!(clock.stamp(5_000, Some(mad)) > mad);
        let sane = clock.stamp(5_000, None);
        assert_eq!((sane.unix_ms(), sane.clock & 0xffff), (5_000, TURN + 2));
    }

    #[test]
    fn a_time_that_comes_again_gives_other_stamps() {
        let mut clock = Clock::new(NODE);
        let times = [20_000, 20_000, 5_000, 20_000, 20_000, 5_000, 20_000];
        let stamps = times.map(|time| clock.stamp(time, None));
        for (i, stamp) in stamps.iter().enumerate() {
            assert!(!stamps[..i].contains(stamp), "{stamps:?}");
        }
        let held = Some(stamps[0]);
        let [one, other] = [held, held].map(|held| clock.stamp(6_000, held));
        assert!(Some(one) > held && other > one, "{one} {other}");
    }

    #[test]
    fn the_counter_carries_into_the_milliseconds() {
        let mut clock = Clock::new(NODE);
        let mut last = clock.stamp(1, None);
        for _ in 0..70_000 {
            let next = clock.stamp(1, None);
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
        assert!(clock.stamp(1000, None) > theirs);
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
        let top = clock.stamp(u64::MAX, None);
        assert_eq!(top.unix_ms(), u64::MAX >> 16);
        for _ in 0..70_000 {
            clock.stamp(u64::MAX, None);
        }
        assert!(!Clock::is_ahead(top, u64::MAX));
    }
}
