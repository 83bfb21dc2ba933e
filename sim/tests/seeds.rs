//! Seeds of the simulator: the same one is the same run, none fails, and none that failed is forgotten.

use zerocache_sim::{Batch, Knobs, Options, Plan, Source, run, run_seed, shrink};

const LEDGER: &str = include_str!("../seeds/failed.txt");

/// Plays a plan, which has to go well; with `small`, without optimization, this takes a tenth of a second.
fn play(plan: &Plan, options: Options) -> zerocache_sim::Report {
    let report = run(plan, options);
    if let Some(first) = report.violations.first() {
        let (least, _) = shrink(plan, first.id, options, 50);
        let steps: String = least.steps.iter().map(|step| format!("\n{step}")).collect();
        let (seed, all, few) = (plan.seed, plan.steps.len(), least.steps.len());
        assert!(
            report.violations.is_empty(),
            "seed {seed:?}: {first}\n{few} of {all} transitions are enough:{steps}\n\
             replay: cargo run --release -p zerocache-sim -- --small --seed N",
        );
    }
    report
}

#[test]
fn the_same_seed_is_the_same_run() {
    let mut hashes = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let plan = Plan::small(seed);
        let one = play(&plan, Options::default());
        let other = run(&plan, Options::default());
        assert_eq!(
            (one.hash, one.events),
            (other.hash, other.events),
            "seed {seed}"
        );
        hashes.insert(one.hash);
    }
    assert_eq!(hashes.len(), 20, "and another one is another run");
}

#[test]
fn no_seed_fails() {
    let mut batch = Batch::default();
    for seed in 20..40 {
        batch.add(seed, &play(&Plan::small(seed), Options::default()));
    }
    assert!(batch.seconds() > 1_500, "{}", batch.seconds());
    let expected = [
        "put",
        "get",
        "hit",
        "stored",
        "kill",
        "live peer put out",
        "dead peer put out",
    ];
    assert_eq!(batch.missing(&expected), [""; 0]);
}

#[test]
fn nodes_keep_the_contract_of_machines() {
    let options = Options {
        checked: true,
        ..Options::default()
    };
    for seed in 40..45 {
        play(&Plan::small(seed), options);
    }
}

#[test]
fn no_seed_that_failed_fails_again() {
    let seeds = LEDGER.lines().filter(|line| !line.starts_with('#'));
    for line in seeds {
        let seed = line.split_whitespace().next().expect("a seed");
        let seed = seed.parse().expect("a number");
        play(&Plan::seed(seed), Options::default());
    }
}

/// `SIM_SEED=7 cargo test -p zerocache-sim a_seed_of_ones_own`
#[test]
fn a_seed_of_ones_own() {
    let seed = std::env::var("SIM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(1);
    let report = play(&Plan::seed(seed), Options::default());
    assert_eq!(report.hash, run_seed(seed, Options::default()).hash);
}

#[test]
fn a_run_can_be_made_of_a_fuzzers_bytes() {
    let mut noise = zerocache_proto::Rng::new(5);
    let bytes: Vec<u8> = (0..2_000).map(|_| noise.next_u32() as u8).collect();
    let mut source = Source::Bytes(&bytes);
    let knobs = Knobs::draw(&mut source).small();
    let plan = Plan::of(knobs, &mut source);
    assert!(plan.steps.len() > 20, "{:?}", plan.knobs);
    let report = run(&plan, Options::default());
    assert_eq!(report.violations, []);
    assert_eq!(report.hash, run(&plan, Options::default()).hash);
    assert_eq!(
        Plan::draw(&mut Source::Bytes(&[])).knobs.regions,
        1,
        "no bytes are a plan too"
    );
}
