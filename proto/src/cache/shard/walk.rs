//! A walk through all records of a shard, in bounded steps.

use super::{Place, Shard};
use crate::cache::{Record, State};
use crate::{Instant, Now};

/// Tombstones first: who walks to learn what it has missed stops showing what is deleted first.
const ORDER: [Place; 3] = [Place::Tombstone, Place::Local, Place::Remote];

/// Where a record lies in its shard, as long as it is held; in the order of the walk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Position {
    part: u8,
    slot: u32,
}

impl Position {
    /// As one number of 34 bits.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.part as u64) << 32 | self.slot as u64
    }

    /// The position of this number, if there can be such a one.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        let part = bits >> 32;
        if part >= ORDER.len() as u64 {
            return None;
        }
        Some(Self {
            part: part as u8,
            slot: bits as u32,
        })
    }
}

impl Shard {
    /// Hands the live records at the next `budget` positions, from `from` on, to `each`, until that
    /// answers `false`: that record is not counted as seen. Answers where to go on, `None` at the end.
    ///
    /// A step ends where one of the stores does, however much of its budget is left.
    pub fn walk(
        &self,
        now: Now,
        from: Position,
        budget: u32,
        mut each: impl FnMut(Position, &[u8], Record<'_>) -> bool,
    ) -> Option<Position> {
        let place = ORDER.get(usize::from(from.part))?;
        let mono = now.mono.as_millis();
        let next = self
            .store(*place)
            .scan(from.slot, budget, mono, |slot, entry| {
                let record = Record {
                    version: entry.meta.version(),
                    origin: self.origins.name(entry.meta.origin()),
                    expires: Instant::from_millis(entry.expires),
                    state: match place {
                        Place::Tombstone => State::Tombstone,
                        Place::Local | Place::Remote => State::Value(entry.value),
                    },
                };
                each(Position { slot, ..from }, entry.key, record)
            });
        match next {
            Some(slot) => Some(Position { slot, ..from }),
            None => Position::from_bits((u64::from(from.part) + 1) << 32),
        }
    }
}
