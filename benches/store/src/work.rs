//! The operations driven through a store, drawn beforehand: the same ones through each.

use std::ops::Range;
use std::sync::Arc;

use crate::keys::{Chance, Fresh, Pairs, Zipf};
use crate::shared::Shared;
use crate::stores::Store;

/// Operations a virtual millisecond.
pub const PACE: usize = 100;

/// No entry of the untimed scenarios dies.
const LONG: u64 = u64::MAX / 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scenario {
    Borrowed,
    Value,
    Zipf,
    Miss,
    PutEvict,
    /// The same of values that were only read: a [`bytes::Bytes`] has to be made of each.
    PutRead,
    PutExisting,
    /// Nine of ten are gets, of ten times as many keys as there is room for.
    Mixed,
    /// A get, and after a miss a put; half of what is put has a short life.
    Churn,
}

impl Scenario {
    pub fn name(self) -> &'static str {
        match self {
            Self::Borrowed => "get, borrowed",
            Self::Value => "get, value kept",
            Self::Zipf => "get, Zipf 0.99",
            Self::Miss => "get, a miss",
            Self::PutEvict => "put new, evict",
            Self::PutRead => "put new, as read, evict",
            Self::PutExisting => "put existing",
            Self::Mixed => "mixed 90/10",
            Self::Churn => "TTL churn",
        }
    }

    /// Keys there are for so many entries.
    fn keys(self, entries: usize) -> usize {
        match self {
            Self::Mixed | Self::Churn => 10 * entries,
            Self::PutEvict | Self::PutRead => 4 * entries,
            Self::Miss => 2 * entries,
            _ => entries,
        }
    }
}

/// In an operation: a put.
const PUT: u32 = 1 << 31;

pub struct Work {
    pub scenario: Scenario,
    pub entries: usize,
    pairs: Arc<Pairs>,
    operations: Vec<u32>,
}

impl Work {
    pub fn new(scenario: Scenario, entries: usize, operations: usize, pairs: &Arc<Pairs>) -> Self {
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
        let keys = scenario.keys(entries);
        let skewed = matches!(scenario, Scenario::Zipf | Scenario::Mixed | Scenario::Churn);
        let zipf = skewed.then(|| Zipf::new(keys));
        let draw = |i: usize| {
            let skewed =
                |chance: &mut Chance| zipf.as_ref().map_or(0, |zipf| zipf.draw(chance) as u32);
            match scenario {
                Scenario::Borrowed | Scenario::Value => chance.below(entries) as u32,
                Scenario::Miss => (entries + chance.below(entries)) as u32,
                Scenario::PutEvict | Scenario::PutRead => ((entries + i) % keys) as u32 | PUT,
                Scenario::PutExisting => chance.below(entries) as u32 | PUT,
                Scenario::Mixed if chance.below(10) == 0 => skewed(&mut chance) | PUT,
                Scenario::Zipf | Scenario::Mixed | Scenario::Churn => skewed(&mut chance),
            }
        };
        Self {
            scenario,
            entries,
            pairs: Arc::clone(pairs),
            operations: (0..operations).map(draw).collect(),
        }
    }

    /// Keys that [`Work::new`] needs of `pairs`, for any of the scenarios.
    pub fn keys(scenarios: &[Scenario], entries: usize) -> usize {
        scenarios
            .iter()
            .map(|scenario| scenario.keys(entries))
            .max()
            .unwrap_or(entries)
    }

    /// The share of the operations that are gets.
    pub fn gets(&self) -> f64 {
        let puts = self
            .operations
            .iter()
            .filter(|operation| **operation & PUT != 0)
            .count();
        1.0 - puts as f64 / self.operations.len() as f64
    }

    /// Puts in as many as there is room for.
    pub fn fill<S: Store>(&self, store: &mut S) {
        for number in 0..self.entries {
            let expires = self.expires(number as u64, 0);
            store.put(self.pairs.key(number), self.pairs.value(number), expires, 0);
        }
    }

    pub fn fill_shared<S: Shared>(&self, store: &S) {
        for number in 0..self.entries {
            store.put(self.pairs.key(number), self.pairs.value(number), LONG, 0);
        }
    }

    /// Runs some of the operations, counted on over the end; answers how many were hits.
    pub fn run<S: Store>(&self, store: &mut S, some: Range<usize>) -> usize {
        let mut out = Vec::with_capacity(256);
        let mut hits = 0;
        let mut at = some.start % self.operations.len();
        for i in some {
            let operation = self.operations[at];
            at += 1;
            if at == self.operations.len() {
                at = 0;
            }
            let now = (i / PACE) as u64;
            let number = (operation & !PUT) as usize;
            let key = self.pairs.key(number);
            if operation & PUT != 0 {
                let unmade = self.scenario == Scenario::PutRead;
                let value = Fresh {
                    unmade,
                    ..self.pairs.value(number)
                };
                store.put(key, value, LONG, now);
                continue;
            }
            let hit = match self.scenario {
                Scenario::Borrowed | Scenario::Miss => store.get(key, now),
                _ => store.value(key, now, &mut out),
            };
            if !hit && self.scenario == Scenario::Churn {
                store.put(
                    key,
                    self.pairs.value(number),
                    self.expires(i as u64, now),
                    now,
                );
            }
            hits += usize::from(hit);
        }
        hits
    }

    /// As [`Work::run`], on a store that is shared.
    pub fn run_shared<S: Shared>(&self, store: &S, some: Range<usize>) -> usize {
        let mut out = Vec::with_capacity(256);
        let mut hits = 0;
        for i in some {
            let operation = self.operations[i % self.operations.len()];
            let number = (operation & !PUT) as usize;
            let key = self.pairs.key(number);
            if operation & PUT != 0 {
                store.put(key, self.pairs.value(number), LONG, 0);
            } else {
                hits += usize::from(store.value(key, 0, &mut out));
            }
        }
        hits
    }

    /// Every other entry of the churn lives for a tenth of the time in which as many operations
    /// pass as there are entries, the rest for a hundred times as long.
    fn expires(&self, chance: u64, now: u64) -> u64 {
        if self.scenario != Scenario::Churn {
            return LONG;
        }
        let turn = (self.entries / PACE) as u64;
        let scattered = chance.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63;
        now + if scattered == 0 { turn / 2 } else { 100 * turn }
    }
}
