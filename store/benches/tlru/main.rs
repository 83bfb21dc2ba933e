//! What an operation costs, beside the floor: a bare hash table with neither recency nor expiry.
//! See `README.md` in this directory.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a bench reads a clock and prints"
)]

mod heap;
mod stores;
mod work;

use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use stores::{Floor, Nothing, Ours, Store};
use work::{SCENARIOS, Work};

const ENTRIES: usize = 10_000;
const OPERATIONS: usize = 1_000_000;
const ROUNDS: usize = 7;

fn main() {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => times(ENTRIES, OPERATIONS),
        ["times", entries] => times(parse(entries), OPERATIONS.max(parse(entries))),
        ["instructions"] => instructions(),
        ["memory", entries] => heap::report(parse(entries)),
        ["stall", entries] => stall(parse(entries)),
        // One scenario on one store, for the eyes of a profiler.
        ["run", scenario, store, operations] => run(scenario, store, parse(operations)),
        _ => println!("times [entries] | instructions | memory entries | stall entries"),
    }
}

fn parse(number: &str) -> usize {
    number.parse().unwrap_or(ENTRIES)
}

/// Processor nanoseconds an operation, the best of some rounds, the driver's own taken off.
fn times(entries: usize, operations: usize) {
    println!(
        "{entries} entries; ns/op\n{:<14}{:>8}{:>8}{:>8}{:>8}",
        "", "floor", "tlru", "ratio", "hit %"
    );
    for scenario in SCENARIOS {
        let work = Work::new(scenario, entries, operations);
        let (mut floor, mut ours) = (Floor::new(entries, work.timed()), Ours::new(entries));
        work.fill(&mut floor);
        work.fill(&mut ours);
        work.run(&mut floor, 0);
        work.run(&mut ours, 0);
        let mut best = [f64::MAX; 3];
        let mut hits = 0;
        for round in 1..=ROUNDS {
            best[0] = best[0].min(time(&work, &mut Nothing, round).0);
            best[1] = best[1].min(time(&work, &mut floor, round).0);
            let (ns, hit) = time(&work, &mut ours, round);
            best[2] = best[2].min(ns);
            hits = hit;
        }
        let [driver, floor, ours] = best;
        let ratio = (ours - driver) / (floor - driver);
        let percent = 100.0 * hits as f64 / operations as f64;
        println!(
            "{scenario:<14}{:>8.1}{:>8.1}{ratio:>8.2}{percent:>8.2}",
            floor - driver,
            ours - driver
        );
    }
}

fn time<S: Store>(work: &Work, store: &mut S, round: usize) -> (f64, usize) {
    let (begin, cpu) = (Instant::now(), on_cpu());
    let hits = work.run(store, round);
    let wall = begin.elapsed().as_nanos() as f64;
    let spent = on_cpu().zip(cpu).map(|(end, begin)| (end - begin) as f64);
    (spent.unwrap_or(wall) / work.operations() as f64, hits)
}

/// Nanoseconds this thread has had a processor, to within a tick, so that other load does not
/// count; Linux only.
fn on_cpu() -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// Instructions an operation: this program under callgrind, once short and once twice as long, the
/// driver's own taken off.
fn instructions() {
    println!(
        "instructions/op\n{:<14}{:>8}{:>8}{:>8}",
        "", "floor", "tlru", "ratio"
    );
    for scenario in SCENARIOS {
        let [driver, floor, ours] =
            ["nothing", "floor", "tlru"].map(|store| count(scenario, store));
        let (floor, ours) = (floor - driver, ours - driver);
        println!("{scenario:<14}{floor:>8.0}{ours:>8.0}{:>8.2}", ours / floor);
    }
}

fn count(scenario: &str, store: &str) -> f64 {
    let short = collected(scenario, store, OPERATIONS / 20);
    let long = collected(scenario, store, OPERATIONS / 10);
    (long - short) / (OPERATIONS / 20) as f64
}

fn collected(scenario: &str, store: &str, operations: usize) -> f64 {
    let Ok(this) = env::current_exe() else {
        return f64::NAN;
    };
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["run", scenario, store, &operations.to_string()])
        .output();
    let Ok(output) = output else {
        println!("valgrind is not installed");
        return f64::NAN;
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains("Collected"));
    line.and_then(|line| line.split_whitespace().next_back()?.parse().ok())
        .unwrap_or(f64::NAN)
}

fn run(scenario: &str, store: &str, operations: usize) {
    let work = Work::new(scenario, ENTRIES, operations);
    match store {
        "floor" => go(&work, Floor::new(ENTRIES, work.timed())),
        "tlru" => go(&work, Ours::new(ENTRIES)),
        _ => go(&work, Nothing),
    }
}

fn go<S: Store>(work: &Work, mut store: S) {
    work.fill(&mut store);
    work.run(&mut store, 0);
}

/// The longest put while `entries` entries, all due, are in the way; in ms.
fn stall(entries: usize) {
    for (name, spread) in [("at once", 0), ("over a second", 1_000)] {
        for (mode, mut store) in [
            ("exact", Ours::exact(entries)),
            ("bounded", Ours::new(entries)),
        ] {
            store.fill(entries, |i| {
                1_000_000 + (i as u64).wrapping_mul(7_919) % (spread + 1)
            });
            let mut longest = 0.0_f64;
            for i in 0..1_000_u64 {
                let begin = Instant::now();
                store.put_new(i, 1_000_000 + spread + i / 100);
                longest = longest.max(begin.elapsed().as_secs_f64() * 1e3);
            }
            println!("due {name:<14} {mode:<8} longest of 1000 puts {longest:>9.3} ms");
        }
    }
}
