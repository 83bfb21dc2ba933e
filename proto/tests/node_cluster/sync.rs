//! Nodes that begin, come back or were cut off get what they lack by comparing, the queues of
//! undelivered copies apart.

use crate::net::{Fate, Net};
use std::collections::BTreeMap;

use zerocache_proto::cache::{Bounds, Position, Shards, State};
use zerocache_proto::node::Config;
use zerocache_proto::op::HandoffLimits;
use zerocache_proto::sync::{DigestBody, State as SyncState, SyncFacts};
use zerocache_proto::{Duration, Instant, Version};

const SECOND: Duration = Duration::from_secs(1);
/// Within this time each node has compared with a peer of its region.
const A_TURN: Duration = Duration::from_secs(100);

/// No queue helps.
fn forgetful(config: &mut Config) {
    config.handoff = HandoffLimits {
        peers: 0,
        ..HandoffLimits::default()
    };
}

/// Each node has the same few entries' room.
fn small(config: &mut Config) {
    forgetful(config);
    let bounds = Bounds {
        entries: 40,
        weight: u64::MAX,
    };
    (config.cache.local, config.cache.remote) = (bounds, bounds);
}

/// Key to version, end, value.
type Contents = BTreeMap<Vec<u8>, (Version, Instant, Option<Vec<u8>>)>;

fn contents(net: &Net, node: usize) -> Contents {
    let mut contents = Contents::new();
    net.node(node).shards().for_each(|shard| {
        let mut from = Some(Position::default());
        while let Some(at) = from {
            from = shard.walk(net.clock(), at, u32::MAX, |_, key, record| {
                let value = match record.state {
                    State::Value(value) => Some(value.to_vec()),
                    State::Tombstone => None,
                };
                let known = (record.version, record.expires, value);
                contents.insert(key.to_vec(), known).is_none()
            });
        }
    });
    contents
}

fn assert_same(net: &Net, one: usize, other: usize) {
    let (one, other) = (contents(net, one), contents(net, other));
    assert_eq!(one.len(), other.len());
    for ((key, one), (same, other)) in one.iter().zip(&other) {
        assert_eq!((key, one.0, &one.2), (same, other.0, &other.2));
        let apart = one.1.max(other.1).saturating_since(one.1.min(other.1));
        assert!(apart <= SECOND, "{key:?} ends {apart:?} apart");
    }
}

fn facts(net: &Net, node: usize) -> SyncFacts {
    net.node(node).facts(net.clock()).sync
}

/// Values at the own region's and another's paths, some of them deleted.
fn fill(net: &mut Net, node: usize, count: usize) {
    for n in 0..count {
        let region = if n % 4 == 0 { "paris" } else { "london" };
        let expiry = 1000 + n;
        let line = format!("PUT /{region}/key-{n}?recurse=0&expiry={expiry}");
        assert_eq!(net.ask(node, &line, &format!("value-{n}")).0, 200);
    }
    for n in (0..count).step_by(5) {
        net.ask(node, &format!("DELETE /london/key-{n}?recurse=0"), "");
    }
}

#[test]
fn a_node_that_begins_again_with_nothing_has_all_within_seconds() {
    let mut net = Net::with(&["london", "london", "paris"], forgetful);
    fill(&mut net, 0, 200);
    net.revive(1);
    assert_eq!(facts(&net, 1).state, SyncState::Cold);
    assert!(contents(&net, 1).is_empty());
    net.run(10 * SECOND);
    assert_eq!(facts(&net, 1).state, SyncState::Synced);
    assert_eq!(contents(&net, 1).len(), 200);
    assert_same(&net, 0, 1);
    assert_eq!(net.get(1, "/london/key-1").as_deref(), Some("value-1"));
    assert_eq!(net.get(1, "/london/key-5"), None);
    let status = net.ask(1, "GET /status", "").1;
    assert!(status.contains(r#""sync": {"state": "synced""#), "{status}");
}

#[test]
fn the_only_node_of_a_region_begins_with_what_the_nearest_other_one_holds() {
    let mut net = Net::with(&["london", "paris"], forgetful);
    fill(&mut net, 0, 100);
    net.revive(1);
    net.run(10 * SECOND);
    assert_same(&net, 0, 1);
}

#[test]
fn a_node_that_was_cut_off_misses_nothing_in_the_end() {
    let mut net = Net::with(&["london", "london", "london"], forgetful);
    for n in 0..50 {
        net.ask(0, &format!("PUT /london/key-{n}"), "old");
    }
    net.run(2 * SECOND);
    net.cut_off(&[2]);
    net.run(20 * SECOND);
    for n in 0..10 {
        net.ask(0, &format!("PUT /london/key-{n}"), "new");
        net.ask(1, &format!("DELETE /london/key-{}", n + 10), "");
        net.ask(1, &format!("PUT /london/more-{n}"), "more");
        // On the other side, too.
        net.ask(2, &format!("PUT /london/key-{}", n + 20), "theirs");
    }
    net.run(5 * SECOND);
    net.heal();
    net.run(A_TURN);
    for node in 0..3 {
        for (key, value) in [
            ("key-3", Some("new")),
            ("key-13", None),
            ("key-23", Some("theirs")),
            ("key-33", Some("old")),
            ("more-3", Some("more")),
        ] {
            let held = net.get(node, &format!("/london/{key}"));
            assert_eq!(held.as_deref(), value, "{node} {key}");
        }
    }
    assert_same(&net, 0, 1);
    assert_same(&net, 0, 2);
}

#[test]
fn a_region_that_was_cut_off_finds_to_the_others() {
    let mut net = Net::with(&["london", "london", "paris", "paris"], forgetful);
    net.cut_off(&[2, 3]);
    net.run(20 * SECOND);
    net.ask(0, "PUT /london/a", "a");
    net.ask(3, "PUT /paris/b", "b");
    net.run(SECOND);
    net.heal();
    net.run(2 * A_TURN);
    for node in 0..4 {
        assert_eq!(net.get(node, "/london/a").as_deref(), Some("a"), "{node}");
        assert_eq!(net.get(node, "/london/b").as_deref(), Some("b"), "{node}");
    }
}

#[test]
fn equal_nodes_exchange_digests_alone() {
    let mut net = Net::new(&["london", "london"]);
    for n in 0..100 {
        net.ask(0, &format!("PUT /london/key-{n}"), "value");
    }
    net.run(A_TURN);
    let before = [facts(&net, 0), facts(&net, 1)];
    net.log.clear();
    net.run(3 * A_TURN);
    let asked = net
        .log
        .iter()
        .filter(|(_, _, line)| line.contains("/_zc/1/records"));
    assert_eq!(asked.count(), 0);
    let digests = net
        .log
        .iter()
        .filter(|(_, _, line)| line.contains("/_zc/1/digest"));
    let rounds = digests.count() as u64;
    assert!((6..=24).contains(&rounds), "{rounds}");
    let grown = |field: fn(&SyncFacts) -> u64| {
        let after = [facts(&net, 0), facts(&net, 1)];
        after.iter().map(field).sum::<u64>() - before.iter().map(field).sum::<u64>()
    };
    assert_eq!(grown(|facts| facts.equal), rounds);
    assert_eq!(grown(|facts| facts.bytes), rounds * DigestBody::LEN as u64);
}

#[test]
fn full_nodes_come_to_rest() {
    let mut net = Net::with(&["london", "london"], small);
    // Each has its own, and has had to evict.
    for n in 0..60 {
        for node in 0..2 {
            net.ask(node, &format!("PUT /london/key-{node}-{n}?recurse=0"), "v");
        }
    }
    let evictions = |net: &Net| {
        (0..2)
            .map(|node| net.node(node).facts(net.clock()).cache.local.evictions)
            .sum::<u64>()
    };
    let (before, held) = (evictions(&net), [contents(&net, 0), contents(&net, 1)]);
    assert_eq!(before, 40);
    net.run(3 * A_TURN);
    let rounds = facts(&net, 0).complete + facts(&net, 1).complete;
    assert!(rounds >= 4);
    assert_eq!(evictions(&net), before);
    assert_eq!([contents(&net, 0), contents(&net, 1)], held);
}

#[test]
fn a_large_value_comes_too() {
    let mut net = Net::with(&["london", "london"], |config| {
        forgetful(config);
        config.cache.max_value = 700_000;
        config.client.max_body = 500_000;
    });
    let body = "x".repeat(650_000);
    assert_eq!(net.ask(0, "PUT /london/large?recurse=0", &body).0, 200);
    net.ask(0, "PUT /london/little?recurse=0", "v");
    net.revive(1);
    net.run(20 * SECOND);
    assert_eq!(
        net.get(1, "/london/large").map(|value| value.len()),
        Some(650_000)
    );
    assert_eq!(net.get(1, "/london/little").as_deref(), Some("v"));
}

#[test]
fn one_that_dies_while_it_is_asked_does_no_harm() {
    for (fate, pause) in [(Fate::Killed, 1), (Fate::Silent, 1), (Fate::Silent, 500)] {
        let mut net = Net::with(&["london", "london", "london"], forgetful);
        fill(&mut net, 0, 300);
        net.revive(2);
        while facts(&net, 2).state != SyncState::Warming {
            net.run(Duration::from_millis(1));
        }
        net.run(Duration::from_millis(pause));
        net.doom(1, fate);
        net.run(30 * SECOND);
        assert_eq!(facts(&net, 2).state, SyncState::Synced, "{fate:?} {pause}");
        net.run(2 * A_TURN);
        assert_same(&net, 0, 2);
    }
}

#[test]
fn what_no_queue_had_room_for_comes_as_soon_as_its_node_is_back() {
    for seconds in [2, 30] {
        let mut net = Net::with(&["london", "london", "london", "paris"], |config| {
            config.handoff.keys = 8;
        });
        net.run(A_TURN);
        // It stands still, and does not know.
        net.doom(1, Fate::Silent);
        for n in 0..100 {
            net.ask(0, &format!("PUT /london/key-{n}"), "value");
        }
        net.run(seconds * SECOND);
        net.doom(1, Fate::Alive);
        net.run(20 * SECOND);
        assert_same(&net, 0, 1);
        assert_eq!(contents(&net, 1).len(), 100, "after {seconds} s");
    }
}

#[test]
fn what_was_written_before_nodes_knew_each_other_is_everywhere_soon() {
    let mut net = Net::with(&["london", "london", "paris", "paris"], forgetful);
    for node in 0..4 {
        net.cut_off(&[node]);
        net.revive(node);
    }
    net.run(2 * SECOND);
    net.ask(0, "PUT /london/a", "first");
    net.ask(2, "PUT /paris/b", "first");
    net.run(2 * SECOND);
    net.ask(3, "PUT /paris/a", "second");
    net.heal();
    net.run(30 * SECOND);
    for node in 0..4 {
        assert_eq!(
            net.get(node, "/london/a").as_deref(),
            Some("second"),
            "{node}"
        );
        assert_eq!(
            net.get(node, "/london/b").as_deref(),
            Some("first"),
            "{node}"
        );
    }
}
