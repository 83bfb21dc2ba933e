//! Many runs together: what they saw, what they measured, which of them failed.

use std::fmt;

use zerocache_proto::Point;

use crate::coverage::Coverage;
use crate::run::Report;
use crate::swarm::SECOND;

/// The sum of many runs.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Runs.
    pub runs: u64,
    /// Simulated time, in nanoseconds.
    pub time: u128,
    /// Simulated time of all nodes together, in nanoseconds.
    pub node_time: u128,
    /// Events.
    pub events: u64,
    /// Operations of clients.
    pub operations: u64,
    /// In how many runs each thing happened.
    pub seeds: Coverage,
    /// How often it happened.
    pub times: Coverage,
    /// Keys that two live nodes differed on in the end, and keys looked at.
    pub diverged: (u64, u64),
    /// Times to convergence in milliseconds, of runs in which nothing was lost any more.
    converged: Vec<u64>,
    /// The same, of those in which something was.
    converged_lossy: Vec<u64>,
    /// Times until a dead node was relied on by nobody, in milliseconds.
    detected: Vec<u64>,
    /// The seeds of runs that failed, with their first violation.
    pub failed: Vec<(u64, String)>,
}

/// What must not be missing from a large batch.
const RARE: u64 = 100;

impl Batch {
    /// Adds the run of `seed`.
    pub fn add(&mut self, seed: u64, report: &Report) {
        self.runs += 1;
        self.time += u128::from(report.time);
        self.node_time += u128::from(report.node_time);
        self.events += report.events;
        self.operations += report.figures.operations;
        self.seeds.tally(&report.coverage, &mut self.times);
        self.diverged.0 += report.figures.diverged.0;
        self.diverged.1 += report.figures.diverged.1;
        let times = if report.figures.lossless {
            &mut self.converged
        } else {
            &mut self.converged_lossy
        };
        times.extend(report.figures.converged_ms);
        self.detected.extend(report.figures.detected_ms);
        if let Some(first) = report.violations.first() {
            self.failed.push((seed, first.to_string()));
        }
    }

    /// Adds another batch.
    pub fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.time += other.time;
        self.node_time += other.node_time;
        self.events += other.events;
        self.operations += other.operations;
        for (mine, theirs) in [
            (&mut self.seeds, &other.seeds),
            (&mut self.times, &other.times),
        ] {
            theirs
                .iter()
                .for_each(|(what, count)| mine.add(what, count));
        }
        self.diverged.0 += other.diverged.0;
        self.diverged.1 += other.diverged.1;
        self.converged.extend(&other.converged);
        self.converged_lossy.extend(&other.converged_lossy);
        self.detected.extend(&other.detected);
        self.failed.extend(other.failed.iter().cloned());
    }

    /// What is expected to happen in at least one of a hundred runs, in a batch large enough to tell.
    pub const EXPECTED: [&'static str; 52] = [
        "TCP-only partition",
        "answered by a reset",
        "capacity change",
        "clock step",
        "clog",
        "connect timed out",
        "connection attempt lost",
        "connection refused",
        "connections reset",
        "copy come twice",
        "datagram from elsewhere",
        "datagram overtaken",
        "datagram twice",
        "dead peer put out",
        "death in peace",
        "delete",
        "eviction",
        "expiration",
        "fallback after a failure",
        "fourth rung",
        "get",
        "goodbye in peace",
        "goodbyes said",
        "half-open connection",
        "heal",
        "hit",
        "interface back",
        "interface lost",
        "join",
        "kill",
        "leave",
        "live peer put out",
        "miss",
        "multicast-only partition",
        "no descriptors",
        "no node known",
        "no route",
        "one-way partition",
        "partition",
        "pause",
        "power loss",
        "put",
        "random reset",
        "request to a dead node",
        "revive",
        "revive under a new name",
        "rogue bytes",
        "rogue datagram",
        "slow peer",
        "smuggled request",
        "stale copy",
        "trickle",
    ];

    /// All that is expected of a large batch: [`EXPECTED`](Self::EXPECTED), and each point of the core
    /// where something rare is made to happen.
    #[must_use]
    pub fn expected() -> Vec<&'static str> {
        let points = Point::ALL.map(Point::name);
        let points = points.into_iter().filter(|_| cfg!(feature = "buggify"));
        Self::EXPECTED.into_iter().chain(points).collect()
    }

    /// What happened in fewer than one of a hundred runs, of what is expected to.
    #[must_use]
    pub fn missing(&self, expected: &[&'static str]) -> Vec<&'static str> {
        let rare = |what: &&&'static str| self.seeds.count(what) * RARE < self.runs;
        expected.iter().filter(rare).copied().collect()
    }

    /// The whole simulated time, in seconds.
    #[must_use]
    pub const fn seconds(&self) -> u64 {
        (self.time / SECOND as u128) as u64
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = |nanos: u128| nanos as f64 / 3_600e9;
        writeln!(
            f,
            "{} runs, {:.1} h simulated, {:.1} node-hours, {} events, {} operations",
            self.runs,
            hours(self.time),
            hours(self.node_time),
            self.events,
            self.operations
        )?;
        writeln!(
            f,
            "convergence after the faults, ms: {}; with loss: {}",
            Percentiles(&self.converged),
            Percentiles(&self.converged_lossy)
        )?;
        writeln!(
            f,
            "a death in peace noticed by all, ms: {}",
            Percentiles(&self.detected)
        )?;
        let (diverged, keys) = self.diverged;
        writeln!(
            f,
            "keys that nodes differ on in the end: {diverged} of {keys}"
        )?;
        writeln!(f, "{:>9} {:>9}  what happened", "runs", "times")?;
        for (what, count) in self.seeds.iter() {
            writeln!(f, "{count:>9} {:>9}  {what}", self.times.count(what))?;
        }
        write!(f, "{} failed", self.failed.len())
    }
}

struct Percentiles<'a>(&'a [u64]);

impl fmt::Display for Percentiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.to_vec();
        sorted.sort_unstable();
        let at = |percent: usize| {
            sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        };
        match (at(50), at(99), sorted.last()) {
            (Some(half), Some(most), Some(max)) => write!(f, "p50 {half}, p99 {most}, max {max}"),
            _ => f.write_str("none"),
        }
    }
}
