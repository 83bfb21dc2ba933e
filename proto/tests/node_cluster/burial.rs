//! A node that died without a goodbye has one said for it, once all miss it; one that lives has not, or
//! is there again at once.

use crate::net::{Fate, Net, by_multicast};
use std::collections::BTreeSet;

use simple_dns::Packet;
use simple_dns::rdata::RData;
use zerocache_proto::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
/// Noticed, asked by multicast for 10 s, all witnesses asked.
const BURIED: Duration = Duration::from_secs(40);

/// What a multicast says of instances: when, by whom, whose, and whether it is a goodbye.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Word {
    at: Instant,
    by: usize,
    of: String,
    goodbye: bool,
}

/// All of it since the last look.
fn words(net: &mut Net) -> Vec<Word> {
    let mut words = Vec::new();
    for (at, by, payload) in core::mem::take(&mut net.casts) {
        let packet = Packet::parse(&payload).expect("a message");
        if payload[2] & 0x80 == 0 {
            continue;
        }
        for record in &packet.answers {
            if let RData::PTR(target) = &record.rdata {
                let of = target.to_string();
                let of = of.split('.').next().unwrap_or_default().to_owned();
                let goodbye = record.ttl == 0;
                words.push(Word {
                    at,
                    by,
                    of,
                    goodbye,
                });
            }
        }
    }
    words
}

fn id(net: &Net, node: usize) -> String {
    net.node(node).id().expect("a node").to_string()
}

/// Nodes that see each other by multicast alone, and have done so for a while.
fn formed(regions: &[&str]) -> Net {
    let mut net = Net::with(regions, by_multicast);
    net.run(10 * SECOND);
    net.casts.clear();
    net
}

#[test]
fn one_that_died_is_taken_leave_of_once_behind_a_stand_in() {
    for fate in [Fate::Killed, Fate::Silent] {
        let mut net = formed(&["london", "london", "london", "paris"]);
        let dead = id(&net, 2);
        net.doom(2, fate);
        net.run(BURIED);
        let words = words(&mut net);
        let goodbyes: Vec<_> = words.iter().filter(|word| word.goodbye).collect();
        assert_eq!(goodbyes.len(), 3, "{fate:?}: {words:?}");
        assert!(goodbyes.iter().all(|word| word.of == dead));
        // Of the nodes of its region the one of the lowest id, and nobody else.
        let first = (0..2).min_by_key(|node| id(&net, *node)).unwrap();
        assert!(goodbyes.iter().all(|word| word.by == first));
        // Another instance was announced twice before, so that nobody's list became shorter.
        let known: BTreeSet<_> = (0..4).map(|node| id(&net, node)).collect();
        let stand_in: Vec<_> = words.iter().filter(|w| !known.contains(&w.of)).collect();
        let before = stand_in.iter().filter(|w| w.at < goodbyes[0].at);
        assert_eq!(before.count(), 2, "{stand_in:?}");
        assert!(
            stand_in
                .iter()
                .all(|w| w.by == first && w.of == stand_in[0].of)
        );
        // To nodes of ours it is none.
        for node in [0, 1, 3] {
            assert_eq!(net.node(node).view().peers().count(), 2, "{node}");
            assert_eq!(net.node(node).facts(net.clock()).peers.len(), 2, "{node}");
        }
        // When it comes back, the stand-in has left before it is announced.
        let other = stand_in[0].of.clone();
        net.revive(2);
        net.run(5 * SECOND);
        let words = self::words(&mut net);
        let left = words.iter().position(|w| w.of == other && w.goodbye);
        let back = words.iter().position(|w| w.of == dead && !w.goodbye);
        assert!(left.is_some() && left < back, "{words:?}");
        for node in 0..4 {
            assert_eq!(net.node(node).view().peers().count(), 3, "{node}");
        }
        net.run(200 * SECOND);
        let late = self::words(&mut net);
        assert!(
            !late.iter().any(|word| word.goodbye || word.of == other),
            "{late:?}"
        );
    }
}

#[test]
fn one_that_another_node_sees_is_not_dead() {
    let mut net = formed(&["london", "london", "london"]);
    net.part(0, 2);
    net.run(3 * BURIED);
    assert!(!words(&mut net).iter().any(|word| word.goodbye));
}

#[test]
fn one_that_is_silent_to_the_only_other_one_is_left_alone() {
    let mut net = formed(&["london", "london"]);
    net.doom(1, Fate::Silent);
    net.run(3 * BURIED);
    assert!(!words(&mut net).iter().any(|word| word.goodbye));
    // Its host says that nobody listens: that is certain.
    let mut net = formed(&["london", "london"]);
    net.doom(1, Fate::Killed);
    net.run(BURIED);
    assert_eq!(
        words(&mut net).iter().filter(|word| word.goodbye).count(),
        3
    );
}

#[test]
fn a_side_that_was_cut_off_is_there_again_once_it_hears_of_its_burial() {
    let mut net = formed(&["london", "london", "london"]);
    net.cut_off(&[2]);
    net.run(BURIED);
    // Nobody was there to object.
    let told = words(&mut net);
    let dead = id(&net, 2);
    let of: BTreeSet<_> = told.iter().filter(|w| w.goodbye).map(|w| &w.of).collect();
    assert_eq!(of, [&dead].into());
    net.heal();
    net.run(100 * SECOND);
    // The stand-in is gone, and whoever believed the goodbye has heard that it was none.
    let told = words(&mut net);
    let back = told
        .iter()
        .position(|w| w.by == 2 && w.of == dead && !w.goodbye);
    let left = told.iter().position(|w| w.of != dead && w.goodbye);
    assert!(back.is_some() && left.is_some(), "{told:?}");
    for node in 0..3 {
        assert_eq!(net.node(node).view().peers().count(), 2, "{node}");
    }
}

#[test]
fn without_a_death_nothing_is_said() {
    let mut net = formed(&["london", "london", "paris"]);
    net.run(200 * SECOND);
    let known: BTreeSet<_> = (0..3).map(|node| id(&net, node)).collect();
    let words = words(&mut net);
    assert!(
        words.iter().all(|w| !w.goodbye && known.contains(&w.of)),
        "{words:?}"
    );
}
