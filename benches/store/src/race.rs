//! Turn by turn: in each round every contestant does the same operations, and is compared with what
//! the floor took for them in that round.

use rustix::time::{ClockId, clock_gettime};

use crate::shared::{Shared, run_on};
use crate::stores::{Nothing, Store};
use crate::work::Work;

/// What came of one contestant.
#[derive(Clone)]
pub struct Outcome {
    pub name: &'static str,
    /// Nanoseconds an operation, the driver's own taken off; median of the rounds.
    pub ns: f64,
    /// Times the floor; median of the rounds' ratios.
    pub ratio: f64,
    /// Percent of the gets.
    pub hits: f64,
}

/// One contestant, its store filled.
pub trait Contestant {
    fn name(&self) -> &'static str;
    /// Does the operations of one round; answers nanoseconds each and how many were hits.
    fn turn(&mut self, work: &Work, round: usize, operations: usize) -> (f64, usize);
    fn fill(&mut self, work: &Work);
    fn is_shared(&self) -> bool {
        false
    }
}

pub struct Alone<S>(&'static str, S);

impl<S: Store> Alone<S> {
    pub fn boxed(name: &'static str, entries: usize) -> Box<dyn Contestant>
    where
        S: 'static,
    {
        Box::new(Self(name, S::new(entries)))
    }
}

impl<S: Store> Contestant for Alone<S> {
    fn name(&self) -> &'static str {
        self.0
    }

    fn turn(&mut self, work: &Work, round: usize, operations: usize) -> (f64, usize) {
        let begin = round * operations;
        // The contestant before has had the caches to itself.
        let warm = begin + operations / 5;
        let mut hits = work.run(&mut self.1, begin..warm);
        let begun = cpu_time();
        hits += work.run(&mut self.1, warm..begin + operations);
        let spent = cpu_time() - begun;
        (spent as f64 / (operations - operations / 5) as f64, hits)
    }

    fn fill(&mut self, work: &Work) {
        work.fill(&mut self.1);
    }
}

/// A shared store driven by some threads; its time is that on the wall.
pub struct Together<S>(pub &'static str, pub usize, pub S);

impl<S: Shared + 'static> Together<S> {
    pub fn boxed(name: &'static str, threads: usize, store: S) -> Box<dyn Contestant> {
        Box::new(Self(name, threads, store))
    }
}

impl<S: Shared> Contestant for Together<S> {
    fn name(&self) -> &'static str {
        self.0
    }

    fn turn(&mut self, work: &Work, round: usize, operations: usize) -> (f64, usize) {
        run_on(self.1, &self.2, work, 2 * round, operations / 5);
        (run_on(self.1, &self.2, work, 2 * round + 1, operations), 0)
    }

    fn fill(&mut self, work: &Work) {
        work.fill_shared(&self.2);
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// Runs them; the first one is the floor.
pub fn race(
    contestants: &mut [Box<dyn Contestant>],
    work: &Work,
    rounds: usize,
    operations: usize,
) -> Vec<Outcome> {
    let mut driver = Alone("driver", Nothing);
    let mut times = vec![Vec::new(); contestants.len()];
    let mut hits = vec![0; contestants.len()];
    // One round that does not count, in which they settle.
    for round in 0..=rounds {
        // Threads share the driver's cost, which the clock on the wall does not see apart.
        let own = match contestants[0].is_shared() {
            true => 0.0,
            false => driver.turn(work, round, operations).0,
        };
        for (at, contestant) in contestants.iter_mut().enumerate() {
            let (ns, hit) = contestant.turn(work, round, operations);
            if round > 0 {
                times[at].push(ns - own);
                hits[at] += hit;
            }
        }
    }
    let gets = work.gets() * (rounds * operations) as f64;
    (0..contestants.len())
        .map(|at| Outcome {
            name: contestants[at].name(),
            ns: median(times[at].iter().copied()),
            ratio: median(
                times[at]
                    .iter()
                    .zip(&times[0])
                    .map(|(own, floor)| own / floor),
            ),
            hits: 100.0 * hits[at] as f64 / gets,
        })
        .collect()
}

pub fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = numbers.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Nanoseconds this thread has had a processor, so that other load counts as little as may be.
pub fn cpu_time() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
