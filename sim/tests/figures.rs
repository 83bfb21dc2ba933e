//! Figures of a cluster while a third of its nodes is dead, in simulated time: three regions of three
//! nodes, one of each dies, and a client in each region reads and writes all the while. A few seeds of
//! it; `SIM_FIGURES=200` plays so many.

use zerocache_sim::{
    Death, Discovery, Knobs, Law, Options, Plan, Report, Source, Step, Timed, Transition, Weights,
    run,
};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
/// When they die.
const DEATHS: u64 = 20 * SECOND;
/// When everybody must know.
const KNOWN: u64 = DEATHS + 5 * SECOND;
/// Runs, if the environment names no other number.
const SEEDS: u64 = 2;

fn knobs(seed: u64) -> Knobs {
    let drawn = Knobs::draw(&mut Source::seed(seed));
    let mut delay_us = drawn.delay_us;
    for (from, delays) in delay_us.iter_mut().enumerate() {
        for (to, delay) in delays.iter_mut().enumerate() {
            *delay = if from == to { 500 } else { 40_000 };
        }
    }
    Knobs {
        regions: 3,
        servers: vec![0, 0, 0, 1, 1, 1, 2, 2, 2],
        clients: vec![0, 1, 2],
        founders: 9,
        discovery: Discovery::OneLink,
        loss: 0,
        duplicates: 0,
        reorder: 0,
        delay_us,
        law: Law::Exponential,
        bandwidth: 12_500_000,
        segment: 1_460,
        resets: 0,
        drift_ppm: 0,
        skew_ms: 5,
        entries: 1 << 20,
        keys: 40,
        size: 1_000,
        ttl: 3_600,
        faults: (10 * SECOND, 60 * SECOND),
        weights: Weights::default(),
        buggify: None,
        ..drawn
    }
}

/// The run of a seed, in which hosts lose their power or processes are killed.
fn deaths(seed: u64) -> Report {
    let knobs = knobs(seed);
    let mut source = Source::seed(seed ^ 0xdead);
    let join = |node| Step {
        at: 0,
        what: Transition::Join { node },
    };
    let mut steps: Vec<Step> = (0..9).map(join).collect();
    let mut at = 10 * SECOND;
    while at < 60 * SECOND {
        at += source.between(1, 20) * MS;
        let client = source.below(3) as usize;
        let key = source.below(40) as u32;
        let (size, ttl) = (source.between(0, 1_000) as u32, 3_600);
        let what = match source.below(4) {
            0 => Transition::Put {
                client,
                key,
                size,
                ttl,
            },
            _ => Transition::Get { client, key },
        };
        steps.push(Step { at, what });
    }
    let death = [Death::Power, Death::Process][seed as usize % 2];
    for region in 0..3 {
        let node = 3 * region + source.below(3) as usize;
        let what = Transition::Kill { node, death };
        steps.push(Step { at: DEATHS, what });
    }
    steps.sort_by_key(|step| step.at);
    let plan = Plan {
        seed: None,
        knobs,
        steps,
    };
    run(&plan, Options::default())
}

fn times(reports: &[Report], of: impl Fn(&Timed) -> bool) -> Vec<u64> {
    let timed = reports.iter().flat_map(|report| &report.timed);
    let mut times: Vec<u64> = timed
        .filter(|timed| of(timed))
        .map(|timed| timed.took)
        .collect();
    times.sort_unstable();
    times
}

/// What docs/simulator.md has; seen with `--nocapture`, or if it is too much.
#[expect(clippy::print_stdout, reason = "for whoever asks for the figures")]
fn tell(what: &str, times: &[u64]) {
    let [median, most, all] = [50, 99, 100].map(|part| percent(times, part));
    println!(
        "{what}: {} of them, median {median} ms, p99 {most} ms, max {all} ms",
        times.len()
    );
}

fn percent(times: &[u64], percent: usize) -> u64 {
    times[(times.len() * percent / 100).min(times.len() - 1)] / MS
}

#[test]
fn a_third_of_the_nodes_dead_delays_few_and_nobody_for_long() {
    let seeds = std::env::var("SIM_FIGURES").map_or(SEEDS, |n| n.parse().expect("a number"));
    let reports: Vec<Report> = (0..seeds).map(deaths).collect();
    for (seed, report) in reports.iter().enumerate() {
        // Among them: a node answers a write within 400 ms, whoever is dead.
        assert_eq!(report.violations, [], "seed {seed}");
        assert!(
            report.coverage.count("dead peer put out") > 0,
            "seed {seed}"
        );
    }
    let reads = times(&reports, |timed| timed.reads && timed.begun >= KNOWN);
    let writes = times(&reports, |timed| !timed.reads && timed.begun >= KNOWN);
    let most = |times: &[u64], per_seed: u64| times.len() as u64 > per_seed * seeds;
    assert!(most(&reads, 2_000) && most(&writes, 600));
    tell("reads", &reads);
    tell("writes", &writes);
    assert!(percent(&reads, 99) <= 100);
    assert!(percent(&writes, 100) <= 400);
    // While it is not yet known, another node is asked after half a second.
    let early = |timed: &Timed| (DEATHS..KNOWN).contains(&timed.begun);
    let first = times(&reports, |timed| timed.found && early(timed));
    tell("reads that find a value, before all know", &first);
    assert!(percent(&first, 50) <= 100);
    // The next node has it, but for what was written a moment ago and is not there yet.
    assert!(percent(&first, 99) <= 600);
    // A value that is nowhere is looked for on all rungs, on each of which may be one that died.
    let first = times(&reports, |timed| timed.reads && early(timed));
    tell("all reads before all know", &first);
    assert!(percent(&first, 100) <= 2_000);
    let first = times(&reports, |timed| !timed.reads && early(timed));
    tell("writes before all know", &first);
    // Half a second at the one that died, and what the next one may wait.
    assert!(percent(&first, 100) <= 500 + 400 + 100);
}
