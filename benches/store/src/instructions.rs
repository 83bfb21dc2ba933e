//! Instructions an operation takes, by callgrind: this program under it, once short and once longer.

use std::env;
use std::process::Command;
use std::sync::Arc;

use crate::keys::Pairs;
use crate::stores::{Floor, Nothing, Ours, Store};
use crate::work::{Scenario, Work};

const ENTRIES: usize = 10_000;
pub const SCENARIOS: [Scenario; 5] = [
    Scenario::Borrowed,
    Scenario::Value,
    Scenario::Miss,
    Scenario::PutEvict,
    Scenario::PutExisting,
];

/// Floor's and ours, of each of [`SCENARIOS`]; `None` without valgrind.
pub fn measure() -> Option<Vec<(f64, f64)>> {
    (0..SCENARIOS.len())
        .map(|at| {
            let driver = each(at, "driver")?;
            Some((each(at, "floor")? - driver, each(at, "ours")? - driver))
        })
        .collect()
}

fn each(scenario: usize, store: &str) -> Option<f64> {
    let (few, many) = (20_000, 40_000);
    let more = collected(scenario, store, many)? - collected(scenario, store, few)?;
    Some(more / (many - few) as f64)
}

fn collected(scenario: usize, store: &str, operations: usize) -> Option<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().ok()?)
        .args(["run", &scenario.to_string(), store, &operations.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains("Collected"))?;
    line.split_whitespace().next_back()?.parse().ok()
}

/// One scenario on one store, for callgrind and for the eyes of a profiler.
pub fn run(scenario: usize, store: &str, operations: usize) {
    let Some(&scenario) = SCENARIOS.get(scenario) else {
        return;
    };
    let pairs = Arc::new(Pairs::new(Work::keys(&[scenario], ENTRIES)));
    // As many drawn however many are run, so that drawing costs the same.
    let work = Work::new(scenario, ENTRIES, 40_000, &pairs);
    match store {
        "ours" => go(&work, Ours::new(ENTRIES), operations),
        "floor" => go(&work, <Floor>::new(ENTRIES), operations),
        _ => go(&work, Nothing, operations),
    }
}

fn go<S: Store>(work: &Work, mut store: S, operations: usize) {
    work.fill(&mut store);
    work.run(&mut store, 0..operations);
}
