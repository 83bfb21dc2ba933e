//! Expiry order: a hierarchical timer wheel (Varghese and Lauck) threaded through the links.
//!
//! Time is cut into ticks of 1 ms. Level 0 has a slot for each tick of the current 64, level 1 one
//! for each 64 ticks of the current 4,096, and so on; eleven levels cover every `u64`, so no time
//! is too far. An entry lies on the level of the highest base-64 digit in which its time differs
//! from the cursor, in the slot of its own digit there. When the cursor comes to a slot above level 0, the
//! slot's entries move down; each does so ten times at most, so linking, unlinking and expiring
//! are O(1), amortised, and a jump of the clock over empty slots costs nothing.
//!
//! A slot is worked off first in, first out, one entry at a time, so the work can stop anywhere
//! and go on later. A node names its neighbours by place; the first and last of a slot name the
//! slot instead, with the bit [`SLOT`] set.

use alloc::boxed::Box;
use core::mem;

use crate::links::{Links, UNTIMED};

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 11;

/// Marks a slot among places.
const SLOT: u32 = 1 << 31;

/// First and last entry of a slot; meaningless while it is empty.
#[derive(Clone, Copy)]
struct Ends {
    first: u32,
    last: u32,
}

/// Whether the search for due entries may take them as it meets them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Only in order of expiry (ties as put).
    Sorted,
    /// As they come, which saves moving them down first.
    Any,
}

pub(crate) struct Wheel {
    /// Every entry's time, or what stands for it, is at or after this; never goes back.
    cursor: u64,
    /// No entry expires before.
    due: u64,
    /// No slot begins before.
    turn: u64,
    occupied: [u64; LEVELS],
    /// Of each level's slots, level by level.
    ends: Box<[Ends; LEVELS * SLOTS]>,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self {
            cursor: 0,
            due: u64::MAX,
            turn: u64::MAX,
            occupied: [0; LEVELS],
            ends: Box::new([Ends { first: 0, last: 0 }; LEVELS * SLOTS]),
        }
    }

    /// Whether there may be an expired entry at `now`.
    #[inline]
    pub(crate) fn is_due(&self, now: u64) -> bool {
        now >= self.due
    }

    /// Whether there is anything to do at `now`.
    #[inline]
    pub(crate) fn is_turn(&self, now: u64) -> bool {
        now >= self.turn
    }

    /// When there will be something to do.
    pub(crate) fn next_turn(&self) -> Option<u64> {
        (self.turn != u64::MAX).then_some(self.turn)
    }

    /// Puts `place`, which is on no wheel, where its time says.
    #[inline(always)]
    pub(crate) fn link(&mut self, links: &mut Links, place: u32) {
        let expires = links[place].expires;
        if expires == u64::MAX {
            return;
        }
        self.due = self.due.min(expires);
        // A clock that went back may ask for a time that was worked off: the earliest left then.
        let time = expires.max(self.cursor);
        let level = level_of(time ^ self.cursor);
        let digits = time >> shift(level);
        let index = digits as usize % SLOTS;
        let slot = (level * SLOTS) | index;
        let (occupied, ends) = (&mut self.occupied[level], &mut self.ends[slot]);
        let name = SLOT | slot as u32;
        let earlier = if *occupied & (1 << index) == 0 {
            *occupied |= 1 << index;
            self.turn = self.turn.min(digits << shift(level));
            ends.first = place;
            name
        } else {
            links[ends.last].later = place;
            ends.last
        };
        ends.last = place;
        let link = &mut links[place];
        link.earlier = earlier;
        link.later = name;
    }

    /// Changes when `place` expires.
    ///
    /// A later time is not acted upon: the entry will be met at the earlier one, and moved on then.
    /// That is one move more for each such change, put off, and often saved by the next change.
    #[inline]
    pub(crate) fn renew(&mut self, links: &mut Links, place: u32, expires: u64) {
        let before = mem::replace(&mut links[place].expires, expires);
        if expires < before || expires == u64::MAX {
            self.unlink(links, place);
            self.link(links, place);
        }
    }

    /// Takes `place` off the wheel, if it is on it.
    #[inline]
    pub(crate) fn unlink(&mut self, links: &mut Links, place: u32) {
        let link = &mut links[place];
        let (earlier, later) = (link.earlier, link.later);
        if earlier == UNTIMED {
            return;
        }
        link.earlier = UNTIMED;
        if earlier & SLOT == 0 {
            links[earlier].later = later;
        } else {
            self.ends[(earlier ^ SLOT) as usize].first = later;
        }
        if later & SLOT == 0 {
            links[later].earlier = earlier;
        } else {
            let slot = (later ^ SLOT) as usize;
            self.ends[slot].last = earlier;
            if earlier == later {
                self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
            }
        }
    }

    /// Takes one entry that has expired at `now` off the wheel. Moves on as far as it must to find
    /// one, but over no more than `budget` entries, which it counts down.
    pub(crate) fn pop(
        &mut self,
        links: &mut Links,
        now: u64,
        order: Order,
        budget: &mut usize,
    ) -> Option<u32> {
        if !self.is_turn(now) {
            return None;
        }
        loop {
            let Some((level, slot, begin)) = self.first_slot() else {
                self.cursor = self.cursor.max(now);
                self.due = u64::MAX;
                self.turn = u64::MAX;
                return None;
            };
            self.turn = begin;
            if begin > now {
                self.cursor = self.cursor.max(now);
                self.due = self.due.max(begin);
                return None;
            }
            if *budget == 0 {
                return None;
            }
            *budget -= 1;
            self.cursor = self.cursor.max(begin);
            let place = self.ends[slot].first;
            self.unlink(links, place);
            // In order, an entry is due where its own time is, at level 0, and nowhere before.
            let limit = match order {
                Order::Any => now,
                Order::Sorted if level == 0 => begin,
                Order::Sorted => 0,
            };
            let expires = links[place].expires;
            if expires <= limit {
                return Some(place);
            }
            self.link(links, place);
        }
    }

    /// How many entries have expired at `now`: O(1) if all that was due has been worked off, else
    /// in proportion to what was not.
    pub(crate) fn count_due(&self, links: &Links, now: u64) -> usize {
        if !self.is_due(now) {
            return 0;
        }
        let mut due = 0;
        for level in 0..LEVELS {
            let mut rest = self.occupied[level];
            while rest != 0 {
                let index = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                if self.begin(level, index) > now {
                    break;
                }
                due += self.count_slot(links, level * SLOTS + index, now);
            }
        }
        due
    }

    fn count_slot(&self, links: &Links, slot: usize, now: u64) -> usize {
        let mut count = 0;
        let mut place = self.ends[slot].first;
        while place & SLOT == 0 {
            let link = &links[place];
            count += usize::from(link.expires <= now);
            place = link.later;
        }
        count
    }

    /// The occupied slot that begins first: its level, its number, its time.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        let mut found: Option<(usize, usize, u64)> = None;
        for level in 0..LEVELS {
            let occupied = self.occupied[level];
            if occupied == 0 {
                continue;
            }
            // Digits below the cursor's are never occupied: the lowest is the next.
            let index = occupied.trailing_zeros() as usize;
            let begin = self.begin(level, index);
            // A slot half worked off begins where the cursor is, as one on a level below may:
            // it goes first.
            if found.is_none_or(|(_, _, first)| begin <= first) {
                found = Some((level, level * SLOTS + index, begin));
            }
        }
        found
    }

    /// When slot `index` of `level` begins.
    fn begin(&self, level: usize, index: usize) -> u64 {
        let shift = shift(level);
        // What the cursor has in its higher digits; the highest level has none above.
        let above = u64::MAX.checked_shl(shift as u32 + BITS).unwrap_or(0);
        (self.cursor & above) | ((index as u64) << shift)
    }
}

/// The level of the highest digit that differs.
#[inline]
fn level_of(difference: u64) -> usize {
    ((difference | 1).ilog2() / BITS) as usize
}

/// How far up a level's digit is.
#[inline]
fn shift(level: usize) -> usize {
    level * BITS as usize
}

#[cfg(test)]
#[path = "wheel_tests.rs"]
mod tests;
