//! The operations driven through a store, drawn beforehand.

use crate::stores::{Pair, Store};

pub(crate) const SCENARIOS: [&str; 8] = [
    "get borrowed",
    "get value",
    "get zipf",
    "get miss",
    "put evict",
    "put existing",
    "mixed 90/10",
    "ttl churn",
];

#[derive(Clone, Copy)]
enum Kind {
    Get,
    Copy,
    Put,
    /// A get, and a put if it misses.
    Load,
}

pub(crate) struct Work {
    pairs: Vec<Pair>,
    /// What is put before.
    filled: usize,
    /// Which pair, and what to do with it.
    operations: Vec<(u32, Kind)>,
    ttl: u64,
    timed: bool,
    /// Operations a millisecond.
    pace: u64,
}

impl Work {
    pub(crate) fn new(scenario: &str, entries: usize, operations: usize) -> Self {
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
        let keys = match scenario {
            "get miss" | "mixed 90/10" | "ttl churn" => 2 * entries,
            "put evict" => 4 * entries,
            _ => entries,
        };
        let zipf =
            matches!(scenario, "get zipf" | "mixed 90/10" | "ttl churn").then(|| Zipf::new(keys));
        let operations = (0..operations).map(|i| {
            let below = |chance: &mut Chance| chance.below(entries);
            let skewed = |chance: &mut Chance| zipf.as_ref().map_or(0, |zipf| zipf.draw(chance));
            match scenario {
                "get borrowed" => (below(&mut chance), Kind::Get),
                "get value" => (below(&mut chance), Kind::Copy),
                "get zipf" => (skewed(&mut chance), Kind::Copy),
                "get miss" => (entries + below(&mut chance), Kind::Get),
                "put evict" => ((entries + i) % keys, Kind::Put),
                "put existing" => (below(&mut chance), Kind::Put),
                "ttl churn" => (skewed(&mut chance), Kind::Load),
                _ if chance.below(10) == 0 => (skewed(&mut chance), Kind::Put),
                _ => (skewed(&mut chance), Kind::Copy),
            }
        });
        Self {
            operations: operations.map(|(pair, kind)| (pair as u32, kind)).collect(),
            pairs: (0..keys as u64).map(Pair::new).collect(),
            filled: entries,
            // Half of what is put dies before it would be driven out.
            ttl: if scenario == "ttl churn" {
                entries as u64 / 50
            } else {
                3_600_000
            },
            timed: scenario == "ttl churn",
            pace: 100,
        }
    }

    /// Whether entries die of age.
    pub(crate) fn timed(&self) -> bool {
        self.timed
    }

    pub(crate) fn operations(&self) -> usize {
        self.operations.len()
    }

    /// Puts in what is to be there before.
    pub(crate) fn fill<S: Store>(&self, store: &mut S) {
        for pair in &self.pairs[..self.filled] {
            store.put(pair, self.ttl, 0);
        }
    }

    /// Runs all operations, the clock going on from that many rounds; answers how many were hits.
    pub(crate) fn run<S: Store>(&self, store: &mut S, round: usize) -> usize {
        let begin = (round * self.operations.len()) as u64 / self.pace;
        let mut out = Vec::with_capacity(256);
        let mut hits = 0;
        for (i, &(pair, kind)) in self.operations.iter().enumerate() {
            let now = begin + i as u64 / self.pace;
            let pair = &self.pairs[pair as usize];
            let expires = now + self.ttl;
            hits += usize::from(match kind {
                Kind::Get => store.get(&pair.key, now),
                Kind::Copy => store.copy(&pair.key, now, &mut out),
                Kind::Put => {
                    store.put(pair, expires, now);
                    false
                }
                Kind::Load => {
                    let hit = store.get(&pair.key, now);
                    if !hit {
                        store.put(pair, expires, now);
                    }
                    hit
                }
            });
        }
        hits
    }
}

/// Popularity falls with the rank to the power of 0.99.
struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    fn new(keys: usize) -> Self {
        let mut sum = 0.0;
        let sums = (1..=keys).map(|rank| {
            sum += (rank as f64).powf(-0.99);
            sum
        });
        Self {
            sums: sums.collect(),
        }
    }

    fn draw(&self, chance: &mut Chance) -> usize {
        let all = self.sums.last().copied().unwrap_or(0.0);
        let at = (chance.next() >> 11) as f64 / (1_u64 << 53) as f64 * all;
        let rank = self.sums.partition_point(|&sum| sum < at);
        // Ranks scattered over the keys.
        rank.wrapping_mul(2_654_435_761) % self.sums.len()
    }
}

/// Xorshift.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
