//! `node_sim`: the bytes are a world of the simulator, with its network, its faults and its clients; all that
//! the simulator holds true of any world has to hold.

use zerocache_sim::{Knobs, Options, Plan, Source, run};

/// Nodes, and clients. A world takes the longer the more there are.
const NODES: usize = 4;
/// Nanoseconds of faults.
const FAULTS: u64 = 12_000_000_000;

/// One world.
pub(crate) fn world(data: &[u8]) {
    let mut source = Source::Bytes(data);
    let mut knobs = Knobs::draw(&mut source).small();
    knobs.servers.truncate(NODES);
    knobs.founders = knobs.founders.min(knobs.servers.len());
    knobs.faults.1 = knobs.faults.1.min(knobs.faults.0 + FAULTS);
    knobs.op_ms = knobs.op_ms.max(200);
    let plan = Plan::of(knobs, &mut source);
    let options = Options {
        checked: data.len() % 8 == 0,
        ..Options::default()
    };
    let report = run(&plan, options);
    if let Some(first) = report.violations.first() {
        let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
        let knobs = &plan.knobs;
        unreachable!("{first}\n{knobs:?}\n{}", steps.join("\n"));
    }
}
