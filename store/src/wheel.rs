//! Expiry order: a hierarchical timer wheel (Varghese and Lauck) threaded through the slab.
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

use alloc::vec;
use alloc::vec::Vec;

use crate::slab::{Slab, UNTIMED};

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
    /// Of each level's slots; allocated with the first entry.
    ends: Vec<Ends>,
}

impl Wheel {
    pub(crate) const fn new() -> Self {
        Self {
            cursor: 0,
            due: u64::MAX,
            turn: u64::MAX,
            occupied: [0; LEVELS],
            ends: Vec::new(),
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
    pub(crate) fn link<M: Copy>(&mut self, slab: &mut Slab<M>, place: u32) {
        let expires = slab.node(place).expires;
        if expires == u64::MAX {
            return;
        }
        // A clock that went back may ask for a time that was worked off: the earliest left then.
        let time = expires.max(self.cursor);
        let level = level_of(time ^ self.cursor);
        let begin = time >> (level as u32 * BITS) << (level as u32 * BITS);
        self.due = self.due.min(expires);
        self.turn = self.turn.min(begin);
        self.append(slab, place, level, digit(time, level));
    }

    /// Takes `place` off the wheel, if it is on it.
    pub(crate) fn unlink<M: Copy>(&mut self, slab: &mut Slab<M>, place: u32) {
        let node = slab.node_mut(place);
        let (earlier, later) = (node.earlier, node.later);
        if earlier == UNTIMED {
            return;
        }
        node.earlier = UNTIMED;
        if earlier & SLOT == 0 {
            slab.node_mut(earlier).later = later;
        } else {
            self.ends[(earlier ^ SLOT) as usize].first = later;
        }
        if later & SLOT == 0 {
            slab.node_mut(later).earlier = earlier;
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
    pub(crate) fn pop<M: Copy>(
        &mut self,
        slab: &mut Slab<M>,
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
            self.unlink(slab, place);
            if slab.node(place).expires <= now && (level == 0 || order == Order::Any) {
                return Some(place);
            }
            self.link(slab, place);
        }
    }

    /// How many entries have expired at `now`: O(1) if all that was due has been worked off, else
    /// in proportion to what was not.
    pub(crate) fn count_due<M: Copy>(&self, slab: &Slab<M>, now: u64) -> usize {
        if !self.is_due(now) {
            return 0;
        }
        let mut due = 0;
        for level in 0..LEVELS {
            let mut rest = self.occupied[level];
            while rest != 0 {
                let index = rest.trailing_zeros();
                rest &= rest - 1;
                if self.begin(level, index) > now {
                    break;
                }
                due += self.count_slot(slab, level * SLOTS + index as usize, now);
            }
        }
        due
    }

    fn count_slot<M: Copy>(&self, slab: &Slab<M>, slot: usize, now: u64) -> usize {
        let mut count = 0;
        let mut place = self.ends[slot].first;
        while place & SLOT == 0 {
            let node = slab.node(place);
            count += usize::from(node.expires <= now);
            place = node.later;
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
            let index = occupied.trailing_zeros();
            let begin = self.begin(level, index);
            // A slot half worked off begins where the cursor is, as one on a level below may:
            // it goes first.
            if found.is_none_or(|(_, _, first)| begin <= first) {
                found = Some((level, level * SLOTS + index as usize, begin));
            }
        }
        found
    }

    /// When slot `index` of `level` begins.
    fn begin(&self, level: usize, index: u32) -> u64 {
        let shift = level as u32 * BITS;
        let above = match self.cursor.checked_shr(shift + BITS) {
            Some(above) => above << (shift + BITS),
            None => 0,
        };
        above | (u64::from(index) << shift)
    }

    fn append<M: Copy>(&mut self, slab: &mut Slab<M>, place: u32, level: usize, index: u32) {
        let slot = level * SLOTS + index as usize;
        let name = SLOT | slot as u32;
        let bit = 1 << index;
        let earlier = if self.occupied[level] & bit == 0 {
            if self.ends.is_empty() {
                self.ends = vec![Ends { first: 0, last: 0 }; LEVELS * SLOTS];
            }
            self.occupied[level] |= bit;
            self.ends[slot].first = place;
            name
        } else {
            let last = self.ends[slot].last;
            slab.node_mut(last).later = place;
            last
        };
        self.ends[slot].last = place;
        let node = slab.node_mut(place);
        node.earlier = earlier;
        node.later = name;
    }
}

/// The level of the highest digit that differs.
fn level_of(difference: u64) -> usize {
    ((difference | 1).ilog2() / BITS) as usize
}

fn digit(time: u64, level: usize) -> u32 {
    (time >> (level as u32 * BITS)) as u32 % SLOTS as u32
}
