//! Forty nodes of a region: none pings all the others often, and still all notice a death.

use crate::net::{Fate, Net, addr};
use zerocache_proto::{Duration, NodeId, Region};

fn misses(net: &Net, who: usize, node: usize) -> bool {
    let region = Region::new("london").expect("a name");
    let id = NodeId::derive(&region, addr(node));
    net.node(who).view().local.iter().all(|peer| peer.id != id)
}

#[test]
fn all_notice_a_death_within_five_seconds() {
    let mut net = Net::new(&["london"; 40]);
    net.run(Duration::from_secs(30));
    for victim in [7, 23] {
        net.log.clear();
        net.doom(victim, Fate::Silent);
        net.run(Duration::from_millis(5_500));
        let living = (0..40).filter(|node| ![7, 23].contains(node));
        let unaware = living.filter(|node| !misses(&net, *node, victim)).count();
        assert_eq!(unaware, 0, "who still see node {victim}");
    }
}

#[test]
fn what_a_node_sends_while_nothing_happens_is_bounded() {
    let mut net = Net::new(&["london"; 40]);
    net.run(Duration::from_secs(30));
    net.log.clear();
    net.run(Duration::from_secs(30));
    let pings = net.log.iter().filter(|(.., line)| line.contains("/ping"));
    let a_second = pings.count() / 40 / 30;
    assert!(
        (3..=7).contains(&a_second),
        "{a_second} pings a node and second"
    );
}
