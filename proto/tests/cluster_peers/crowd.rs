//! Many peers: a few of each other region are kept, pings are rare, and what one finds out it passes on.

use crate::world::{Mode, World, addr, client_config, id, ms, node_config};
use std::collections::BTreeSet;
use zerocache_proto::NodeId;
use zerocache_proto::cluster::{SAMPLE, State, sample};

/// What a node or a client of London sees of a hundred nodes in Paris.
fn seen_of_paris(seed: u64) -> World {
    let mut world = World::seeded(client_config("london"), seed);
    for n in 1..=100 {
        world.join(n, "paris", ms(1));
    }
    world.run(ms(2_000));
    world
}

/// A node that knows forty others of its region for a while.
fn crowd() -> World {
    let mut world = World::new(node_config("london"));
    for n in 1..=40 {
        world.join(n, "london", ms(1));
    }
    world.run(ms(60_000));
    assert_eq!(world.routed().len(), 40);
    world.forget_history();
    world
}

/// A peer that was not pinged just now.
fn idle(world: &mut World) -> u16 {
    world.run(ms(1_100));
    let idle = (1..=40).find(|n| world.pings_of(*n).is_empty());
    world.forget_history();
    idle.expect("most of them")
}

fn told(world: &World, n: u32) -> usize {
    let of = |(_, _, missing): &&(_, _, NodeId)| *missing == id(n);
    world.told.iter().filter(of).count()
}

#[test]
fn so_many_are_kept_of_each_other_region() {
    assert_eq!(
        [0, 1, 8, 9, 19, 255].map(sample),
        [SAMPLE, SAMPLE, SAMPLE, 14, 6, 4]
    );
}

#[test]
fn each_keeps_others_of_another_region() {
    let mut all = BTreeSet::new();
    for seed in 0..10 {
        let mut world = seen_of_paris(seed);
        for _ in 0..40 {
            assert_eq!(world.routed().len(), SAMPLE);
            assert!(world.cluster.peers().count() <= SAMPLE + 1);
            for n in 1..=100 {
                world.hello(n, "paris");
            }
            world.run(ms(2_100));
        }
        all.extend(world.routed());
    }
    assert!(all.len() >= 60, "{} of 100 are in use", all.len());
}

#[test]
fn who_does_not_answer_gives_up_its_place() {
    let mut world = seen_of_paris(1);
    let first = world.routed();
    for n in &first[..6] {
        world.set(*n as u16, Mode::Silent);
    }
    world.run(ms(30_000));
    assert_eq!(world.routed(), first[6..]);
    for n in (1..=100).filter(|n| !first[..6].contains(n)) {
        world.hello(n as u16, "paris");
    }
    world.run(ms(2_000));
    let routed = world.routed();
    assert_eq!(routed.len(), SAMPLE);
    assert!(first[..6].iter().all(|n| !routed.contains(n)));
}

#[test]
fn a_region_that_is_cut_off_keeps_its_places() {
    let mut world = seen_of_paris(2);
    let before = world.routed();
    for n in 1..=100 {
        world.set(n, Mode::Silent);
    }
    world.run(ms(15_000));
    for n in 1..=100 {
        world.hello(n, "paris");
        world.set(n, Mode::Up);
    }
    world.run(ms(15_000));
    let routed = world.routed();
    assert_eq!(routed.len(), SAMPLE);
    let same = routed.iter().filter(|n| before.contains(n)).count();
    assert!(same >= SAMPLE - 2, "{same}");
}

#[test]
fn a_place_goes_over_to_whom_chance_prefers_only_once_that_one_answers() {
    let mut world = World::new(client_config("london"));
    for n in 1..=100 {
        world.script(n, Some(id(u32::from(n))), ms(1));
    }
    for n in 1..=16 {
        world.hello(n, "paris");
    }
    world.run(ms(1_000));
    assert_eq!(world.routed().len(), SAMPLE);
    for n in 17..=100 {
        world.set(n, Mode::Silent);
        world.hello(n, "paris");
        world.run(ms(3_000));
        let first = (1..=16).filter(|n| world.routed().contains(n)).count();
        assert_eq!(first, SAMPLE, "after {n}");
    }
    for n in 17..=100 {
        world.set(n, Mode::Up);
        world.hello(n, "paris");
        world.run(ms(3_000));
    }
    let routed = world.routed();
    assert_eq!(routed.len(), SAMPLE);
    assert!(routed.iter().any(|n| *n > 16));
}

#[test]
fn pings_are_as_many_however_many_peers_there_are() {
    let mut world = crowd();
    world.run(ms(60_000));
    let a_minute = world.pings.len();
    assert!((250..=450).contains(&a_minute), "{a_minute}");
}

#[test]
fn who_is_told_of_a_missing_peer_looks_at_once_and_tells_a_few() {
    let mut world = crowd();
    let n = idle(&mut world);
    let lost = u32::from(n);
    world.set(n, Mode::Silent);
    let (now, from) = (world.now, addr(1).ip());
    world.cluster.handle_missing(now, from, &[id(lost)]);
    world.run(ms(100));
    assert_eq!(world.pings_of(n), [now]);
    assert_eq!(told(&world, lost), 4);
    // Told again, it does not pass it on again.
    world.cluster.handle_missing(world.now, from, &[id(lost)]);
    world.run(ms(100));
    assert_eq!(told(&world, lost), 4);
    // But when it finds that it is so.
    world.run(ms(800));
    assert_eq!(world.state(lost), Some(State::Suspect));
    assert_eq!(told(&world, lost), 8);
    world.run(ms(2_200));
    assert_eq!(world.state(lost), Some(State::Out));
    let after = world.down(lost).map(|(at, _)| at.saturating_since(now));
    assert_eq!(after, Some(ms(3_000)));
}

#[test]
fn whoever_misses_a_peer_by_itself_tells_a_few() {
    let mut world = crowd();
    world.set(5, Mode::Silent);
    world.run(ms(18_000));
    assert_eq!(world.state(5), Some(State::Out));
    assert_eq!(told(&world, 5), 4);
    assert!(world.told.iter().all(|(_, to, _)| *to != addr(5)));
}

#[test]
fn what_is_made_up_costs_little() {
    let mut world = crowd();
    // One that answers is pinged once a second, and told of once.
    for _ in 0..50 {
        let from = addr(9_000).ip();
        world
            .cluster
            .handle_missing(world.now, from, &[id(5), id(5)]);
        world.run(ms(100));
    }
    assert!((4..=7).contains(&world.pings_of(5).len()));
    assert_eq!(told(&world, 5), 4);
    assert_eq!(world.state(5), Some(State::Healthy));
    // Who is not known is of no interest to those of whom it is not known who they are.
    world.forget_history();
    let strangers: Vec<NodeId> = (1_000..1_100).map(id).collect();
    for some in strangers.chunks(8) {
        world
            .cluster
            .handle_missing(world.now, addr(9_000).ip(), some);
    }
    world.run(ms(1_000));
    assert_eq!(world.told, []);
    // A node may know more; it tells a few.
    for some in strangers.chunks(8) {
        world.cluster.handle_missing(world.now, addr(1).ip(), some);
    }
    world.run(ms(1_000));
    assert_eq!(world.told.len(), 16 * 4);
    // What it is told of itself it knows better.
    world.forget_history();
    let own = world.cluster.id().expect("a node");
    world
        .cluster
        .handle_missing(world.now, addr(1).ip(), &[own]);
    world.run(ms(1_000));
    assert_eq!(world.told, []);
}

#[test]
fn when_a_third_dies_at_once_it_is_out_soon_all_the_same() {
    let mut world = crowd();
    for n in 1..=13 {
        world.set(n, Mode::Silent);
    }
    let missing: Vec<NodeId> = (1..=13).map(id).collect();
    for some in missing.chunks(8) {
        world.cluster.handle_missing(world.now, addr(20).ip(), some);
    }
    world.run(ms(6_000));
    assert_eq!(world.routed(), (14..=40).collect::<Vec<_>>());
}

#[test]
fn when_all_are_silent_the_fault_is_here() {
    let mut world = crowd();
    for n in 1..=40 {
        world.set(n, Mode::Silent);
    }
    world.run(ms(14_000));
    assert_eq!(world.routed().len(), 40);
    for n in 1..=40 {
        world.set(n, Mode::Up);
    }
    world.run(ms(15_000));
    assert_eq!(world.routed().len(), 40);
}
