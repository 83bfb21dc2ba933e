//! One run: faults, then peace, then everything must come right.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::coverage::Coverage;
use crate::invariants::{Timed, Violation};
use crate::plan::Plan;
use crate::swarm::{Knobs, SECOND};
use crate::transition::Step;
use crate::world::{Event, World};

/// How to run a plan.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Holds each node to the contract of machines, which takes its time.
    pub checked: bool,
    /// How many of the last events are told in words.
    pub lines: usize,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The hash of all that happened.
    pub hash: u64,
    /// The hash of what happened to whom and when, whatever bytes went to and fro.
    pub rhythm: u64,
    /// Simulated time, in nanoseconds.
    pub time: u64,
    /// Simulated time of all nodes together, in nanoseconds.
    pub node_time: u64,
    /// Events.
    pub events: u64,
    /// What happened how often.
    pub coverage: Coverage,
    /// What must not be.
    pub violations: Vec<Violation>,
    /// The operations that were answered, in the order of their ends.
    pub timed: Vec<Timed>,
    /// The figures of the quiet time.
    pub figures: Figures,
    /// The last events in words.
    pub lines: Vec<String>,
}

/// What was measured, beside what must hold.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// From the end of the faults until all live hosts saw exactly the live nodes, in milliseconds.
    pub converged_ms: Option<u64>,
    /// Whether nothing was lost any more while they converged.
    pub lossless: bool,
    /// Ages of values read that were not the newest any more, in milliseconds.
    pub stale_reads: Vec<u64>,
    /// Keys with different values at two live nodes in the end, and keys looked at.
    pub diverged: (u64, u64),
    /// Until a node that died in the quiet time was in nobody's routing, in milliseconds.
    pub detected_ms: Option<u64>,
    /// Operations.
    pub operations: u64,
}

/// Runs the plan that follows from `seed`.
#[must_use]
pub fn run_seed(seed: u64, options: Options) -> Report {
    run(&Plan::seed(seed), options)
}

/// Runs a plan. A panic of the core, or of its checks, is a violation too.
#[must_use]
pub fn run(plan: &Plan, options: Options) -> Report {
    let knobs = Knobs {
        checked: options.checked,
        ..plan.knobs.clone()
    };
    let mut world = World::new(&knobs, options.lines);
    let mut figures = Figures::default();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        play(&mut world, &knobs, &plan.steps);
        if world.violations.is_empty() {
            figures = world.quiet();
        }
    }));
    if let Err(panic) = outcome {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        world.violate("panic", text.unwrap_or_default());
    }
    figures.operations = world.model.operations.len() as u64;
    Report {
        hash: world.trace.hash(),
        rhythm: world.trace.rhythm(),
        time: world.now,
        node_time: world.now * knobs.servers.len() as u64,
        events: world.events,
        lines: world.trace.lines().map(str::to_owned).collect(),
        coverage: world.coverage,
        timed: world.watch.timed,
        violations: world.violations,
        figures,
    }
}

fn play(world: &mut World, knobs: &Knobs, steps: &[Step]) {
    for (index, step) in steps.iter().enumerate() {
        world.post(step.at, Event::Step(index));
    }
    let end = knobs.faults.1;
    while let Some(index) = world.run_until(end) {
        let what = steps[index].what;
        world.note(0, 19, || format!("-- {what:?}"));
        world.apply(what);
    }
    // Operations under way come to their end.
    while world.run_until(end + 4 * SECOND).is_some() {}
}
