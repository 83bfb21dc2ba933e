//! Large clusters in the small: the same seed is the same report, and the committed table is the truth.

use zerocache_sim::scale::{Deployment, Law, Partition, Report, Who, simulate, table};

const PAGE: &str = include_str!("../../docs/scale.md");

fn figure(report: &Report, name: &str) -> Option<u64> {
    let figure = report
        .figures()
        .into_iter()
        .find(|figure| figure.name == name);
    figure.expect("a figure of this name").value
}

/// A cluster of ten, hurried.
fn ten(seed: u64) -> Deployment {
    Deployment {
        seconds: 5,
        partition: Partition {
            who: Who::Half,
            seconds: 5,
        },
        seed,
        ..Deployment::new(10)
    }
}

fn report(plan: &Deployment) -> Report {
    assert_eq!(plan.error(), None);
    simulate(plan, &mut |_| {})
}

#[test]
fn the_same_seed_is_the_same_report() {
    let one = report(&ten(7));
    let other = report(&ten(7));
    assert_eq!(one.figures(), other.figures());
    assert_eq!(table(&[(ten(7), one)]), table(&[(ten(7), other.clone())]));
    assert_ne!(
        other.figures(),
        report(&ten(8)).figures(),
        "another one is another"
    );
}

#[test]
fn losses_cost_time_and_nothing_else() {
    let lossy = Deployment {
        loss: 50,
        law: Law::Exponential,
        ..ten(3)
    };
    let lossy = report(&lossy);
    let sound = report(&ten(3));
    for name in [
        "put_failed",
        "put_unfinished",
        "join_unaware",
        "unnoticed",
        "heal_missing",
    ] {
        assert_eq!(
            (figure(&lossy, name), figure(&sound, name)),
            (Some(0), Some(0)),
            "{name}"
        );
    }
    assert!(figure(&lossy, "put_max_us") > figure(&sound, "put_max_us"));
    assert!(figure(&lossy, "cold_all_us").is_some());
}

#[test]
fn links_are_joined_by_static_peers() {
    let plan = Deployment {
        regions: 2,
        segments: 2,
        seeds: 1,
        ..ten(5)
    };
    let split = report(&plan);
    assert!(figure(&split, "cold_all_us").is_some(), "{split:?}");
    assert_eq!(figure(&split, "known_peers"), Some(9));
}

#[test]
fn what_is_not_cut_off_does_not_heal() {
    let nobody = Partition {
        who: Who::Nobody,
        seconds: 30,
    };
    let plan = Deployment {
        partition: nobody,
        ..ten(9)
    };
    assert_eq!(figure(&report(&plan), "heal_us"), None);
}

/// The first column of the table in docs/scale.md; `benches/scale.sh --check` compares larger ones.
#[test]
fn the_page_has_the_figures_of_ten_nodes() {
    let plan = Deployment::new(10);
    let report = report(&plan);
    let fresh = table(&[(plan, report)]);
    let page = PAGE.split("<!-- table -->\n").nth(1).expect("a table");
    let page = page.split("<!-- /table -->").next().expect("its end");
    let column = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[1].to_owned(), cells[2].to_owned())
    };
    let fresh: Vec<_> = fresh.lines().map(column).collect();
    let page: Vec<_> = page.lines().map(column).collect();
    assert_eq!(page, fresh, "benches/scale.sh --write writes it");
}
