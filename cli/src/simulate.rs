//! `simulate`: how a cluster that somebody plans would do, by the protocol itself in simulated time.

use crate::args::{self, Simulate};
use crate::output::{Code, Failure, print};
use serde_json::{Map, Value};
use std::io::{IsTerminal as _, Write as _};
use zerocache_sim::scale::{Deployment, Progress, Report, simulate, table};

/// Cells of the bar.
const BAR: u64 = 24;

/// Simulates one cluster of each size, and prints the table of them or an object a line.
pub(crate) fn run(args: Simulate, json: bool) -> Result<Code, Failure> {
    let plans: Vec<Deployment> = args.nodes.iter().map(|nodes| plan(&args, *nodes)).collect();
    for plan in &plans {
        if let Some(why) = plan.error() {
            let nodes = plan.nodes;
            return Err(Failure::new(
                Code::Usage,
                format_args!("{nodes} nodes: {why}"),
            ));
        }
    }
    let mut bar = Bar::new();
    let mut runs = Vec::new();
    for plan in plans {
        let report = simulate(&plan, &mut |progress| bar.show(plan.nodes, progress));
        bar.clear();
        if json {
            print(&object(&plan, &report).to_string())?;
        } else {
            runs.push((plan, report));
        }
    }
    if !json {
        print(table(&runs).trim_end())?;
    }
    Ok(Code::Done)
}

fn plan(args: &Simulate, nodes: usize) -> Deployment {
    let mut plan = Deployment::new(nodes);
    plan.nodes = nodes;
    plan.regions = args.regions.unwrap_or(plan.regions);
    plan.seconds = args.seconds.unwrap_or(plan.seconds);
    plan.partition = args.partition.unwrap_or(plan.partition);
    plan.segments = args.segments;
    plan.seeds = args.seeds;
    plan.loss = args.loss;
    plan.lan_us = args.lan;
    plan.site_us = args.site;
    for distance in &args.latency {
        match distance.pair() {
            Some(pair) => plan.pairs.push(pair),
            None => plan.wan_us = distance.us,
        }
    }
    plan.law = args.law.into();
    plan.writes = args.writes;
    plan.value_size = args.value_size;
    plan.seed = args.seed;
    plan
}

/// What was simulated, and all figures by their names: whole numbers, or null.
fn object(plan: &Deployment, report: &Report) -> Value {
    let mut object = Map::new();
    let mut add = |name: &str, value: Value| object.insert(name.to_owned(), value);
    add("nodes", plan.nodes.into());
    add("regions", plan.regions.into());
    add("segments", plan.segments.into());
    add("seeds", plan.seeds.into());
    add("loss_per_mille", plan.loss.into());
    add("lan_us", plan.lan_us.into());
    add("site_us", plan.site_us.into());
    add("latency_us", plan.wan_us.into());
    add("law", args::Law::from(plan.law).name().into());
    add("partition", plan.partition.to_string().into());
    add("writes_per_minute", plan.writes.into());
    add("value_size", plan.value_size.into());
    add("seconds", plan.seconds.into());
    add("seed", plan.seed.into());
    for figure in report.figures() {
        add(figure.name, figure.value.into());
    }
    object.into()
}

/// A bar on standard error, if that is a terminal.
struct Bar {
    shown: bool,
    on: bool,
}

impl Bar {
    fn new() -> Self {
        Self {
            shown: false,
            on: std::io::stderr().is_terminal(),
        }
    }

    fn show(&mut self, nodes: usize, progress: Progress) {
        if !self.on {
            return;
        }
        let Progress {
            phase,
            at_ms,
            end_ms,
        } = progress;
        let full = (at_ms * BAR / end_ms.max(1)).min(BAR) as usize;
        let (done, left) = ("#".repeat(full), "-".repeat(BAR as usize - full));
        let seconds = at_ms / 1_000;
        self.write(&format!(
            "\r{nodes} nodes [{done}{left}] {seconds:4} s  {phase:<24}"
        ));
        self.shown = true;
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            self.write(&format!("\r{:80}\r", ""));
        }
    }

    /// A bar that can not be written is none.
    fn write(&self, text: &str) {
        let mut out = std::io::stderr().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
