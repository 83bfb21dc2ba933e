//! What a node missed without having been put out, and what a dead one left behind, is compared for soon.

use crate::net::{Fate, Net};
use zerocache_proto::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn assert_all_read(net: &mut Net, nodes: &[usize], keys: &[&str]) {
    for node in nodes {
        for key in keys {
            let path = format!("/london/{key}");
            assert_eq!(net.get(*node, &path).as_deref(), Some(*key), "{node}");
        }
    }
}

/// How often each node has asked for another one's digest since the last look.
fn rounds(net: &mut Net, nodes: usize) -> Vec<usize> {
    let log = core::mem::take(&mut net.log);
    let by = |node| {
        let asked = log
            .iter()
            .filter(|(from, _, line)| *from == node && line.contains("/_zc/1/digest"));
        asked.count()
    };
    (0..nodes).map(by).collect()
}

#[test]
fn nodes_that_kept_each_other_while_they_were_cut_off_compare_once_they_are_not() {
    let mut net = Net::new(&["london", "london", "paris", "paris", "tokyo"]);
    net.run(100 * SECOND);
    net.cut_off(&[4]);
    net.run(10 * SECOND);
    // All that it knows fails, so the fault may be its own; and it is the only one of its region.
    for node in 0..5 {
        assert_eq!(net.node(node).view().peers().count(), 4);
    }
    net.ask(1, "PUT /london/a", "a");
    net.ask(3, "PUT /paris/b", "b");
    net.ask(4, "PUT /tokyo/c", "c");
    net.run(15 * SECOND);
    // Who remembers what the others miss is gone; or waits longer and longer before it tries again.
    net.doom(1, Fate::Killed);
    net.heal();
    net.run(10 * SECOND);
    assert_all_read(&mut net, &[0, 2, 3, 4], &["a", "b", "c"]);
}

#[test]
fn what_a_node_that_died_had_acknowledged_reaches_the_other_regions() {
    for fate in [Fate::Killed, Fate::Silent] {
        let mut net = Net::new(&["london", "london", "london", "paris", "paris"]);
        net.run(100 * SECOND);
        net.part(0, 3);
        net.part(0, 4);
        assert_eq!(net.ask(0, "PUT /london/a", "a").0, 200);
        net.doom(0, fate);
        net.heal();
        net.log.clear();
        net.run(12 * SECOND);
        assert_all_read(&mut net, &[1, 2, 3, 4], &["a"]);
        // One each for the death, and it may have been somebody's turn anyway.
        let asked = rounds(&mut net, 5);
        assert!(asked.iter().all(|rounds| *rounds <= 2), "{asked:?}");
    }
}

#[test]
fn few_of_a_large_region_ask_after_a_death_in_another() {
    let mut regions = vec!["london"; 12];
    regions.extend(["paris", "paris"]);
    let mut net = Net::new(&regions);
    net.run(100 * SECOND);
    net.doom(12, Fate::Killed);
    net.log.clear();
    net.run(12 * SECOND);
    let asked = net
        .log
        .iter()
        .filter(|(from, to, line)| *from < 12 && *to == 13 && line.contains("/_zc/1/digest"));
    let asked = asked.count();
    assert!((8..=9).contains(&asked), "{asked}");
}
