//! The store beside the caches one would pick instead, and beside the floor: a bare hash table. All in
//! one run, turn by turn; judged by ratios to the floor. See README.md.

mod heap;
mod instructions;
mod keys;
mod peers;
mod python;
mod race;
mod report;
mod shared;
mod stall;
mod stores;
mod work;

use std::env;
use std::sync::Arc;

use keys::Pairs;
use peers::{
    FoyerLru, FoyerS3Fifo, Hashlink, Lru, MiniMoka, MiniMokaUnsync, Moka, MokaExpiry, Quick,
    QuickUnsync, Schnellru,
};
use race::{Alone, Contestant, Outcome, Together, race};
use report::{Report, Table};
use shared::{Sharded, ShardedOurs};
use stores::{Floor, Ours, Store, Timed};
use work::{Scenario, Work};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

const SMALL: usize = 10_000;
const LARGE: usize = 1_000_000;

/// How long to look.
struct Effort {
    quick: bool,
    rounds: usize,
    large_rounds: usize,
}

/// What there is to run, in this order; all of it unless some are named.
const PARTS: [&str; 8] = [
    "instructions",
    "small",
    "large",
    "threads",
    "memory",
    "scale",
    "stall",
    "python",
];

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    if let ["run", scenario, store, operations] = args[..] {
        let number = |text: &str| text.parse().unwrap_or(0);
        return instructions::run(number(scenario), store, number(operations));
    }
    let quick = args.first() == Some(&"--quick");
    args.drain(..usize::from(quick));
    if args.iter().any(|arg| !PARTS.contains(arg)) {
        return println!(
            "[--quick] [{}] | run SCENARIO STORE OPERATIONS (see README.md)",
            PARTS.join("] [")
        );
    }
    let effort = match quick {
        true => Effort {
            quick,
            rounds: 7,
            large_rounds: 3,
        },
        false => Effort {
            quick,
            rounds: 31,
            large_rounds: 9,
        },
    };
    println!("# The store and its peers\n\nBeside {}.", env!("PEERS"));
    println!(
        "Nanoseconds of processor an operation, times the floor in brackets; medians of rounds taken turn by turn."
    );
    let mut report = Report::default();
    let mut small = None;
    for part in PARTS {
        if !args.is_empty() && !args.contains(&part) {
            continue;
        }
        match part {
            "instructions" => measure_instructions(&mut report),
            "small" => small = Some(at_size(SMALL, &effort, &mut report)),
            "large" => drop(at_size(LARGE, &effort, &mut report)),
            "threads" => {
                threads(SMALL, &effort, &mut report);
                threads(LARGE, &effort, &mut report);
            }
            "memory" => memory(&mut report),
            "scale" => scale(&effort),
            "stall" => longest_put(&mut report),
            _ => beside_python(small.as_ref(), &mut report),
        }
    }
    report.print();
}

fn measure_instructions(report: &mut Report) {
    let Some(counts) = instructions::measure() else {
        return report.missing("valgrind, which counts instructions");
    };
    println!("\n## Instructions, {SMALL} entries\n\n| | floor | ours |\n|---|---|---|");
    let targets = [150.0, 200.0, 135.0, 650.0, 310.0];
    for ((scenario, (floor, ours)), target) in
        instructions::SCENARIOS.into_iter().zip(counts).zip(targets)
    {
        println!("| {} | {floor:.0} | {ours:.0} |", scenario.name());
        report.at_most(scenario.name(), ours, target, " instructions");
    }
}

/// Those that are used by one thread.
fn alone(scenario: Scenario, entries: usize, quick: bool) -> Vec<Box<dyn Contestant>> {
    let mut all = all(scenario, entries);
    if quick && entries != SMALL {
        all.retain(|contestant| ["floor", "ours", "lru"].contains(&contestant.name()));
    }
    all
}

fn all(scenario: Scenario, entries: usize) -> Vec<Box<dyn Contestant>> {
    if scenario == Scenario::Churn {
        let mut all = vec![
            Alone::<Floor<Timed>>::boxed("floor", entries),
            Alone::<Ours>::boxed("ours", entries),
            Alone::<Lru<Timed>>::boxed("lru", entries),
            Alone::<Hashlink<Timed>>::boxed("hashlink", entries),
            Alone::<Schnellru<Timed>>::boxed("schnellru", entries),
            Alone::<QuickUnsync<Timed>>::boxed("quick_cache, unsync", entries),
        ];
        if entries == SMALL {
            all.push(Alone::<MokaExpiry>::boxed("moka, Expiry", entries));
        }
        return all;
    }
    let mut all = vec![
        Alone::<Floor>::boxed("floor", entries),
        Alone::<Ours>::boxed("ours", entries),
        Alone::<Lru>::boxed("lru", entries),
        Alone::<Hashlink>::boxed("hashlink", entries),
        Alone::<Schnellru>::boxed("schnellru", entries),
        Alone::<QuickUnsync>::boxed("quick_cache, unsync", entries),
    ];
    if entries == SMALL {
        all.extend([
            Alone::<MiniMokaUnsync>::boxed("mini-moka, unsync", entries),
            Alone::<Quick>::boxed("quick_cache", entries),
            Alone::<FoyerLru>::boxed("foyer, lru", entries),
            Alone::<FoyerS3Fifo>::boxed("foyer, s3fifo", entries),
            Alone::<Moka>::boxed("moka", entries),
            Alone::<MiniMoka>::boxed("mini-moka", entries),
        ]);
    }
    all
}

fn at_size(entries: usize, effort: &Effort, report: &mut Report) -> Table {
    let is_small = entries == SMALL;
    let (rounds, operations) = match is_small {
        true if effort.quick => (effort.rounds, 50_000),
        true => (effort.rounds, 100_000),
        false => (
            effort.large_rounds,
            if effort.quick { 150_000 } else { 300_000 },
        ),
    };
    let mut table = Table::new(format!("{entries} entries, one thread"));
    // Those that leave the contents as they are go first, on the same stores.
    let stay = [
        Scenario::Borrowed,
        Scenario::Value,
        Scenario::Zipf,
        Scenario::Miss,
        Scenario::PutExisting,
    ];
    let pairs = Arc::new(Pairs::new(Work::keys(&stay, entries)));
    let mut contestants = alone(Scenario::Value, entries, effort.quick);
    for scenario in stay {
        let work = Work::new(scenario, entries, 4 * operations.max(entries / 4), &pairs);
        if scenario == stay[0] {
            contestants
                .iter_mut()
                .for_each(|contestant| contestant.fill(&work));
        }
        table.add(
            scenario.name(),
            false,
            race(&mut contestants, &work, rounds, operations),
        );
    }
    drop((contestants, pairs));
    let turned = [
        Scenario::PutEvict,
        Scenario::PutRead,
        Scenario::Mixed,
        Scenario::Churn,
    ];
    let pairs = Arc::new(Pairs::new(Work::keys(&turned, entries)));
    for scenario in turned {
        // Each is to have turned its contents over before it is measured.
        // In a hurry, a large one is not: its hits are then not judged.
        let operations = match is_small {
            true => 2 * operations,
            false if effort.quick => operations,
            false => 2 * entries,
        };
        let work = Work::new(scenario, entries, 4 * operations, &pairs);
        let mut contestants = alone(scenario, entries, effort.quick);
        contestants
            .iter_mut()
            .for_each(|contestant| contestant.fill(&work));
        table.add(
            scenario.name(),
            !matches!(scenario, Scenario::PutEvict | Scenario::PutRead),
            race(&mut contestants, &work, rounds, operations),
        );
    }
    table.print();
    judge(&table, is_small, is_small || !effort.quick, report);
    table
}

fn judge(table: &Table, is_small: bool, has_turned: bool, report: &mut Report) {
    let size = if is_small { "10 k" } else { "1 M" };
    let targets: &[(Scenario, f64)] = match is_small {
        true => &[
            (Scenario::Borrowed, 1.4),
            (Scenario::Value, 1.15),
            (Scenario::PutEvict, 0.7),
            (Scenario::Mixed, 0.9),
            (Scenario::Churn, 1.05),
        ],
        false => &[
            (Scenario::Borrowed, 1.6),
            (Scenario::Value, 1.35),
            (Scenario::PutEvict, 0.7),
            (Scenario::Mixed, 1.0),
            (Scenario::Churn, 1.5),
        ],
    };
    for &(scenario, target) in targets {
        let Some(ours) = table.outcome(scenario.name(), "ours") else {
            continue;
        };
        report.at_most(
            format!("{}, {size}", scenario.name()),
            ours.ratio,
            target,
            " x floor",
        );
        let hits = |name: &str| {
            table
                .outcome(scenario.name(), name)
                .map_or(f64::NAN, |outcome| outcome.hits)
        };
        match scenario {
            Scenario::Mixed => {
                let apart = (hits("ours") - hits("lru")).abs();
                report.at_most(
                    format!("mixed, {size}: hits apart from lru's"),
                    apart,
                    0.02,
                    " points",
                );
            }
            Scenario::Churn if has_turned => {
                let more = hits("ours") - hits("lru");
                report.at_least(
                    format!("TTL churn, {size}: hits above lru's with deadlines"),
                    more,
                    4.0,
                    " points",
                );
            }
            _ => {}
        }
    }
}

fn threads(entries: usize, effort: &Effort, report: &mut Report) {
    let is_small = entries == SMALL;
    let (rounds, operations) = match is_small {
        true if effort.quick => (effort.rounds, 100_000),
        true => (effort.rounds, 200_000),
        false if effort.quick => (effort.large_rounds, 300_000),
        false => (effort.large_rounds, 1_000_000),
    };
    let mut table = Table::new(format!(
        "{entries} entries, shared, mixed 90/10 (wall time over all operations)"
    ));
    let pairs = Arc::new(Pairs::new(Work::keys(&[Scenario::Mixed], entries)));
    let mixed = Work::new(Scenario::Mixed, entries, 4 * operations, &pairs);
    for (threads, title) in [(1, "1 thread"), (2, "2 threads")] {
        let mut contestants = vec![
            Together::boxed(
                "16 x Mutex<hashbrown>",
                threads,
                Sharded::<Floor>::new(entries),
            ),
            Together::boxed("16 x Mutex<ours>", threads, ShardedOurs::new(entries)),
            Together::boxed("16 x Mutex<lru>", threads, Sharded::<Lru>::new(entries)),
            Together::boxed("quick_cache", threads, Quick::new(entries)),
        ];
        if is_small {
            contestants.extend([
                Together::boxed("foyer, lru", threads, FoyerLru::new(entries)),
                Together::boxed("foyer, s3fifo", threads, FoyerS3Fifo::new(entries)),
                Together::boxed("moka", threads, Moka::new(entries)),
                Together::boxed("mini-moka", threads, MiniMoka::new(entries)),
            ]);
        }
        contestants
            .iter_mut()
            .for_each(|contestant| contestant.fill(&mixed));
        table.add(
            title,
            false,
            race(&mut contestants, &mixed, rounds, operations),
        );
    }
    table.print();
    let size = if is_small { "10 k" } else { "1 M" };
    if let Some(ours) = table.outcome("2 threads", "16 x Mutex<ours>") {
        report.at_most(
            format!("2 threads, mixed, {size}"),
            ours.ratio,
            0.95,
            " x 16 mutexed hashbrown",
        );
    }
    if is_small {
        let value = Work::new(Scenario::Value, entries, 4 * operations, &pairs);
        let mut contestants = vec![
            Alone::<Floor>::boxed("floor", entries),
            Alone::<ShardedOurs>::boxed("16 x Mutex<ours>", entries),
        ];
        contestants
            .iter_mut()
            .for_each(|contestant| contestant.fill(&value));
        let outcomes: Vec<Outcome> = race(&mut contestants, &value, rounds, operations);
        report.at_most(
            "get, value kept, 16 mutexed shards on one thread, 10 k",
            outcomes[1].ratio,
            1.2,
            " x floor",
        );
    }
}

fn memory(report: &mut Report) {
    let pairs = Pairs::new(LARGE);
    let all = [
        heap::overhead::<Ours>("ours (16 of it metadata)", LARGE, &pairs),
        heap::overhead::<Floor>("floor", LARGE, &pairs),
        heap::overhead::<QuickUnsync>("quick_cache", LARGE, &pairs),
        heap::overhead::<Hashlink>("hashlink", LARGE, &pairs),
        heap::overhead::<Lru>("lru", LARGE, &pairs),
        heap::overhead::<Schnellru>("schnellru", LARGE, &pairs),
        heap::overhead::<FoyerLru>("foyer, lru", LARGE, &pairs),
        heap::overhead::<MiniMokaUnsync>("mini-moka, unsync", LARGE, &pairs),
        heap::overhead::<Moka>("moka", LARGE, &pairs),
    ];
    println!("\n## Heap an entry takes beyond key and value, {LARGE} entries, values their own\n");
    println!("| | bytes | allocations |\n|---|---|---|");
    for overhead in &all {
        println!(
            "| {} | {:.1} | {:.1} |",
            overhead.name, overhead.bytes, overhead.allocations
        );
    }
    report.at_most("heap beyond key and value, 1 M", all[0].bytes, 80.0, " B");
}

/// An operation's cost over sizes.
fn scale(effort: &Effort) {
    let sizes: &[usize] = match effort.quick {
        true => &[1_000, 10_000, 100_000],
        false => &[1_000, 10_000, 100_000, 1_000_000, 10_000_000],
    };
    println!("\n## Over sizes: ours / floor / lru / quick_cache, ns\n");
    println!("| entries | get, uniform | get, Zipf 0.99 | put new, evict |\n|---|---|---|---|");
    for &entries in sizes {
        let scenarios = [Scenario::Value, Scenario::Zipf, Scenario::PutEvict];
        let pairs = Arc::new(Pairs::new(Work::keys(&scenarios, entries)));
        let mut contestants = vec![
            Alone::<Ours>::boxed("ours", entries),
            Alone::<Floor>::boxed("floor", entries),
            Alone::<Lru>::boxed("lru", entries),
            Alone::<QuickUnsync>::boxed("quick_cache", entries),
        ];
        let cells: Vec<String> = scenarios
            .into_iter()
            .map(|scenario| {
                let work = Work::new(scenario, entries, 2_000_000, &pairs);
                if scenario == scenarios[0] {
                    contestants
                        .iter_mut()
                        .for_each(|contestant| contestant.fill(&work));
                }
                let outcomes = race(&mut contestants, &work, 5, 300_000);
                let times: Vec<String> = outcomes
                    .iter()
                    .map(|outcome| format!("{:.1}", outcome.ns))
                    .collect();
                times.join(" / ")
            })
            .collect();
        println!("| {entries} | {} |", cells.join(" | "));
    }
}

fn longest_put(report: &mut Report) {
    let pairs = Pairs::new(stall::keys(LARGE));
    println!("\n## The longest of 1,000 puts with {LARGE} entries due, ms\n");
    println!("| | due at once | due over a second |\n|---|---|---|");
    let longest =
        |new: fn(usize) -> Ours, spread| stall::longest(new(LARGE), LARGE, spread, &pairs);
    let bounded = [longest(Ours::new, 0), longest(Ours::new, 1_000)];
    let exact = [longest(Ours::exact, 0), longest(Ours::exact, 1_000)];
    println!(
        "| bounded | {:.3} | {:.3} |\n| exact | {:.0} | {:.0} |",
        bounded[0], bounded[1], exact[0], exact[1]
    );
    report.at_most(
        "longest put, 1 M entries due at once, bounded",
        bounded[0],
        1.0,
        " ms",
    );
    report.at_most(
        "longest put, 1 M entries due over a second, bounded",
        bounded[1],
        1.0,
        " ms",
    );
}

fn beside_python(small: Option<&Table>, report: &mut Report) {
    let (get, put, version) = match python::measure(SMALL) {
        Ok(measured) => measured,
        Err(why) => return report.missing(format!("cachetools.TLRUCache: {why}")),
    };
    println!("\n## cachetools.TLRUCache {version}, {SMALL} entries, ns\n");
    println!("| get | put new, evict |\n|---|---|\n| {get:.0} | {put:.0} |");
    for (scenario, python, target) in [(Scenario::Value, get, 8.0), (Scenario::PutEvict, put, 25.0)]
    {
        if let Some(ours) = small.and_then(|small| small.outcome(scenario.name(), "ours")) {
            let what = format!("{}: quicker than cachetools", scenario.name());
            report.at_least(what, python / ours.ns, target, " times");
        }
    }
}
