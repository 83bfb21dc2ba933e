//! Plays seeds: one, told in words, or many.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people to read"
)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use zerocache_sim::{Batch, Options, Plan, run, shrink};

const USAGE: &str =
    "zerocache-sim [--seed N | --seeds FROM..TO] [--jobs N] [--checked] [--lines N] [--shrink RUNS]

  --seed N         plays one seed; SIM_SEED=N does too
  --seeds A..B     plays many, and sums them up (0..1000)
  --jobs N         threads, each with seeds of its own (1)
  --small          the seeds as the tests play them: few hosts, half a minute of faults
  --nodes N        as many nodes in each run, 64 at most: for its speed
  --checked        holds each node to the contract of machines at each turn
  --lines N        tells the last N events of a single seed (40 of one that fails)
  --shrink RUNS    looks for the least list of transitions that still fails, in so many runs (300)
  --seconds N      begins no more runs after so long
  --failures N     stops after so many failed seeds (10)";

struct Arguments {
    seed: Option<u64>,
    seeds: (u64, u64),
    jobs: usize,
    small: bool,
    nodes: Option<usize>,
    options: Options,
    shrink: usize,
    failures: usize,
    seconds: u64,
}

impl Arguments {
    /// The options that make the same run of a seed.
    fn variant(&self) -> String {
        match self.nodes {
            Some(nodes) => format!("--nodes {nodes} "),
            None if self.small => "--small ".to_owned(),
            None => String::new(),
        }
    }

    fn plan(&self, seed: u64) -> Plan {
        match self.nodes {
            Some(nodes) => Plan::sized(seed, nodes),
            None if self.small => Plan::small(seed),
            None => Plan::seed(seed),
        }
    }

    fn read() -> Option<Self> {
        let mut read = Self {
            seed: std::env::var("SIM_SEED")
                .ok()
                .and_then(|seed| seed.parse().ok()),
            seeds: (0, 1000),
            jobs: 1,
            small: false,
            nodes: None,
            options: Options::default(),
            shrink: 300,
            failures: 10,
            seconds: u64::MAX,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            if argument == "--small" {
                read.small = true;
                continue;
            }
            if argument == "--checked" {
                read.options.checked = true;
                continue;
            }
            let value = arguments.next()?;
            match argument.as_str() {
                "--seed" => read.seed = Some(value.parse().ok()?),
                "--seeds" => {
                    let (from, to) = value.split_once("..")?;
                    read.seeds = (from.parse().ok()?, to.parse().ok()?);
                }
                "--nodes" => read.nodes = Some(value.parse().ok().filter(|nodes| *nodes <= 64)?),
                "--jobs" => read.jobs = value.parse().ok()?,
                "--lines" => read.options.lines = value.parse().ok()?,
                "--shrink" => read.shrink = value.parse().ok()?,
                "--seconds" => read.seconds = value.parse().ok()?,
                "--failures" => read.failures = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(read)
    }
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::read() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let well = match arguments.seed {
        Some(seed) => one(seed, &arguments),
        None => many(&arguments),
    };
    if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn one(seed: u64, arguments: &Arguments) -> bool {
    let plan = arguments.plan(seed);
    println!("{:#?}", plan.knobs);
    let report = run(&plan, arguments.options);
    report.lines.iter().for_each(|line| println!("{line}"));
    for (what, count) in report.coverage.iter() {
        println!("{count:>9}  {what}");
    }
    println!("{:?}", report.figures);
    println!(
        "seed {seed}: {} s simulated, {} events, trace {:016x}",
        report.time / 1_000_000_000,
        report.events,
        report.hash
    );
    let Some(first) = report.violations.first() else {
        println!("no violation");
        return true;
    };
    report
        .violations
        .iter()
        .for_each(|violation| println!("{violation}"));
    let (least, runs) = shrink(&plan, first.id, arguments.options, arguments.shrink);
    let options = Options {
        lines: if arguments.options.lines == 0 {
            40
        } else {
            arguments.options.lines
        },
        ..arguments.options
    };
    let report = run(&least, options);
    println!("-- the last events of the least failing run, found in {runs} runs");
    report.lines.iter().for_each(|line| println!("{line}"));
    println!(
        "-- its {} transitions of {}",
        least.steps.len(),
        plan.steps.len()
    );
    least.steps.iter().for_each(|step| println!("{step}"));
    report
        .violations
        .iter()
        .take(3)
        .for_each(|violation| println!("{violation}"));
    let small = arguments.variant();
    println!("replay: cargo run --release -p zerocache-sim -- {small}--seed {seed}");
    false
}

fn many(arguments: &Arguments) -> bool {
    // What panics is reported as a violation.
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    let next = AtomicU64::new(arguments.seeds.0);
    let sum = Mutex::new(Batch::default());
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| work(arguments, &next, &sum, begun));
        }
    });
    let batch = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    let elapsed = begun.elapsed().as_secs_f64();
    println!("{batch}");
    let speed = |seconds: f64| batch.time as f64 / 1e9 / seconds;
    println!("{elapsed:.1} s, {:.0} times real time", speed(elapsed));
    if let Some(used) = processor_seconds() {
        println!(
            "{used:.1} s of a processor, {:.0} times real time",
            speed(used)
        );
    }
    let small = arguments.variant();
    for (seed, what) in &batch.failed {
        println!("seed {seed}: {what}");
        println!("    replay: cargo run --release -p zerocache-sim -- {small}--seed {seed}");
    }
    let mut missing = batch.missing(&Batch::expected());
    if arguments.small {
        // Half a minute is too short for it.
        missing.retain(|what| *what != "connect timed out");
    }
    let telling = batch.runs >= 1_000;
    if telling && !missing.is_empty() {
        println!("in less than one of a hundred runs: {missing:?}");
    }
    batch.failed.is_empty() && (missing.is_empty() || !telling)
}

fn work(arguments: &Arguments, next: &AtomicU64, sum: &Mutex<Batch>, begun: Instant) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= arguments.seeds.1 || begun.elapsed().as_secs() >= arguments.seconds {
            return;
        }
        let report = run(&arguments.plan(seed), arguments.options);
        if let Some(first) = report.violations.first() {
            eprintln!("seed {seed}: {first}");
        }
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.add(seed, &report);
        if sum.runs % 500 == 0 {
            let speed = sum.time as f64 / 1e9 / begun.elapsed().as_secs_f64();
            eprintln!(
                "{} runs, {} failed, {speed:.0} times real time",
                sum.runs,
                sum.failed.len()
            );
        }
        if sum.failed.len() >= arguments.failures {
            return;
        }
    }
}

/// What this program has taken of the processors so far, in seconds; Linux tells.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: Option<Vec<f64>> = ticks.map(|ticks| ticks.parse().ok()).collect();
    Some(ticks?.iter().sum::<f64>() / 100.0)
}
