//! Seeds of the simulator: the same one is the same run, none fails, and none that failed is forgotten.

use zerocache_sim::{Batch, Knobs, Options, Plan, Source, Step, Transition, run, run_seed, shrink};

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

/// A plan whose outcome does not depend on whose stamp is newer: no two writes of a key. Clocks are set by
/// up to so many seconds, again and again, less than what makes nodes refuse each other's stamps.
fn clocks_set(seed: u64, seconds: u64) -> Plan {
    let mut plan = Plan::small(seed);
    let mut source = Source::seed(seed);
    let hosts = (plan.knobs.servers.len() + plan.knobs.clients.len()) as u64;
    let (begin, end) = plan.knobs.faults;
    let peaceful = |step: &Step| {
        matches!(
            step.what,
            Transition::Join { .. } | Transition::Put { .. } | Transition::Get { .. }
        )
    };
    plan.steps.retain(peaceful);
    (plan.knobs.loss, plan.knobs.resets) = (0, 0);
    for (fresh, step) in plan.steps.iter_mut().enumerate() {
        if let Transition::Put { key, .. } = &mut step.what {
            *key = fresh as u32;
        }
    }
    for at in (begin..end).step_by(700_000_000) {
        let host = source.below(hosts) as usize;
        let skew_ms = source.between(0, 2 * seconds * 1_000) as i64 - (seconds * 1_000) as i64;
        let what = Transition::ClockStep { host, skew_ms };
        plan.steps.push(Step { at, what });
    }
    plan.steps.sort_by_key(|step| step.at);
    plan.knobs.skew_ms = 0;
    plan
}

/// I16.
#[test]
fn a_wall_clock_that_is_set_moves_no_timer_and_no_expiry() {
    let mut told = 0;
    for seed in 45..70 {
        let still = play(&clocks_set(seed, 0), Options::default());
        // A write that was tried twice is two, and whose stamp is newer decides.
        if still.coverage.count("fallback after a failure") > 0 {
            continue;
        }
        let set = play(&clocks_set(seed, 4), Options::default());
        assert!(set.coverage.count("clock step") > 30, "seed {seed}");
        assert_ne!(still.hash, set.hash, "stamps are others, seed {seed}");
        assert_eq!(still.rhythm, set.rhythm, "seed {seed}");
        assert_eq!(still.coverage, set.coverage, "seed {seed}");
        told += 1;
        if told == 5 {
            break;
        }
    }
    assert_eq!(told, 5, "seeds that tell anything");
}

#[test]
fn no_seed_that_failed_fails_again() {
    let seeds = LEDGER.lines().filter(|line| !line.starts_with('#'));
    for line in seeds {
        let mut words = line.split_whitespace();
        let first = words.next().expect("a seed");
        let plan: fn(u64) -> Plan = match first {
            "small" => Plan::small,
            _ => Plan::seed,
        };
        let seed = if first == "small" {
            words.next()
        } else {
            Some(first)
        };
        let seed = seed.and_then(|seed| seed.parse().ok());
        play(&plan(seed.expect("a number")), Options::default());
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
