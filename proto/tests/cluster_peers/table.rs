//! The peer table: sources and their leases, goodbyes true and forged, ids and addresses in dispute,
//! bounds.

use crate::world::{Mode, World, addr, client_config, id, ms, node_config, region};
use zerocache_proto::NodeId;
use zerocache_proto::cluster::{
    Down, Event, LEASE, MAX_PEERS, MAX_PINGS, MAX_REGIONS, PeerInfo, SAMPLE, Source, State,
    StaticPeer,
};

fn seed(n: u16) -> StaticPeer {
    addr(n).to_string().parse().expect("a static peer")
}

fn line(bits: u32, own: &str, at: u16, kind: &str) -> String {
    format!("{} {own} {} {kind}\n", id(bits), addr(at))
}

#[test]
fn a_lease_ends_unless_the_peer_shows_who_it_is() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.join(2, "london", ms(1));
    world.run(LEASE * 3);
    assert_eq!(world.routed(), [1, 2], "named answers renew it");
    // From now on another, nameless one answers there: nothing renews the lease.
    world.node(2).id = None;
    world.run(LEASE + ms(1_000));
    assert_eq!(world.routed(), [1]);
    assert_eq!(world.down(2).map(|(_, why)| why), Some(Down::Expired));
    assert!(
        world
            .events
            .iter()
            .any(|(_, e)| matches!(e, Event::PeerGone(p) if p.id == id(2)))
    );
}

#[test]
fn a_dead_peer_leaves_the_table_when_its_lease_ends() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.join(2, "london", ms(1));
    world.run(ms(1_000));
    world.set(1, Mode::Silent);
    world.run(LEASE + ms(1_000));
    assert_eq!(world.info(1), None);
}

#[test]
fn one_id_from_two_sources_is_one_peer() {
    let mut config = node_config("london");
    config.peers = vec![seed(1)];
    let mut world = World::new(config);
    world.join(1, "london", ms(1));
    world.node(1).members = Some(line(1, "london", 1, "zc"));
    world.run(ms(100));
    assert_eq!(world.routed(), [1]);
    let sources = world.info(1).map(|info| info.sources);
    assert_eq!(sources, Some(vec![Source::Static, Source::Hello]));
}

#[test]
fn a_goodbye_from_the_peers_own_address_counts_at_once() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.run(ms(100));
    let bye = format!("{} london 0", id(1));
    world
        .cluster
        .handle_hello(world.now, addr(1).ip(), bye.as_bytes());
    assert!(world.view().is_empty());
    world.forget_history();
    world.run(ms(3_000));
    assert_eq!(world.pings, []);
    // It is not brought back by others who have not noticed, but by itself.
    world.join(2, "london", ms(1));
    world.node(2).members = Some(line(2, "london", 2, "zc") + &line(1, "london", 1, "zc"));
    world.run(ms(15_000));
    assert_eq!(world.routed(), [2]);
    world.hello(1, "london");
    world.run(ms(100));
    assert_eq!(world.routed(), [2, 1]);
}

#[test]
fn a_goodbye_from_elsewhere_only_asks_for_a_ping() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.join(2, "london", ms(1));
    world.run(ms(100));
    world.forget_history();
    let bye = format!("{} london 0", id(1));
    world
        .cluster
        .handle_hello(world.now, addr(2).ip(), bye.as_bytes());
    let start = world.now;
    world.run(ms(400));
    assert_eq!(
        world
            .pings_of(1)
            .first()
            .map(|when| *when <= start + ms(250)),
        Some(true)
    );
    assert_eq!(world.routed(), [1, 2], "it answered");
    world.run(ms(2_000));
    world.set(1, Mode::Silent);
    let start = world.now;
    world
        .cluster
        .handle_hello(world.now, addr(2).ip(), bye.as_bytes());
    world.run(ms(1_000));
    let (when, why) = world.down(1).expect("gone");
    assert_eq!(why, Down::Goodbye);
    assert!(when.saturating_since(start) <= ms(1_000));
    assert_eq!(world.info(1), None);
}

#[test]
fn a_node_that_answers_at_an_address_replaces_who_was_there() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.run(ms(100));
    // The same host and port, started anew under another id.
    world.node(1).id = Some(id(77));
    let hello = format!("{} paris 6789", id(77));
    world
        .cluster
        .handle_hello(world.now, addr(1).ip(), hello.as_bytes());
    world.run(ms(100));
    assert_eq!(world.routed(), [77]);
    assert_eq!(world.ranking(), ["paris"]);
    assert_eq!(world.down(1).map(|(_, why)| why), Some(Down::Superseded));
}

#[test]
fn a_claim_to_a_live_nodes_address_fails() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.run(ms(100));
    let hello = format!("{} paris 6789", id(77));
    world
        .cluster
        .handle_hello(world.now, addr(1).ip(), hello.as_bytes());
    world.run(ms(100));
    assert_eq!(world.routed(), [1]);
    assert_eq!(world.info(77), None);
}

#[test]
fn a_live_peer_keeps_its_address_against_another_claimant() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.run(ms(100));
    world.script(9, Some(id(1)), ms(1));
    let hello = format!("{} london 6789", id(1));
    for _ in 0..20 {
        world
            .cluster
            .handle_hello(world.now, addr(9).ip(), hello.as_bytes());
        world.run(ms(500));
    }
    assert_eq!(world.info(1).map(|info| info.peer.addr), Some(addr(1)));
    assert_eq!(world.down(1), None);
    assert!(world.pings_of(9).len() <= 12, "{}", world.pings_of(9).len());
}

#[test]
fn a_peer_that_moved_is_found_at_its_new_address() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.run(ms(100));
    world.set(1, Mode::Silent);
    world.script(9, Some(id(1)), ms(1));
    let hello = format!("{} london 6789", id(1));
    world
        .cluster
        .handle_hello(world.now, addr(9).ip(), hello.as_bytes());
    world.run(ms(6_000));
    assert_eq!(world.info(1).map(|info| info.peer.addr), Some(addr(9)));
    assert_eq!(world.routed(), [1]);
}

#[test]
fn an_address_has_shown_to_be_a_nodes_once_a_ping_was_answered_there() {
    let shown = |world: &World, n: u16| world.cluster.has_shown(addr(n).ip());
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.join(2, "london", ms(1));
    world.set(2, Mode::Stranger);
    assert!(!shown(&world, 1), "said, not shown");
    world.run(ms(2_000));
    assert_eq!([1, 2, 3].map(|n| shown(&world, n)), [true, false, false]);
    // Not for a while out of reach, but gone.
    world.set(1, Mode::Silent);
    world.run(ms(10_000));
    assert_eq!(world.routed(), []);
    assert!(shown(&world, 1));
    world.set(1, Mode::Up);
    world.run(ms(10_000));
    // It asks by way of another interface: there too it answers to its name.
    world.script(9, Some(id(1)), ms(1));
    let hello = format!("{} london 6789", id(1));
    let from = addr(9).ip();
    world
        .cluster
        .handle_hello(world.now, from, hello.as_bytes());
    world.run(ms(2_000));
    assert_eq!([1, 9].map(|n| shown(&world, n)), [true, true]);
    assert_eq!(world.info(1).map(|info| info.peer.addr), Some(addr(1)));
    let bye = format!("{} london 0", id(1));
    let from = addr(1).ip();
    world.cluster.handle_hello(world.now, from, bye.as_bytes());
    assert_eq!([1, 9].map(|n| shown(&world, n)), [false, false]);
}

#[test]
fn a_claimant_that_does_not_answer_gets_nothing() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.join(2, "london", ms(1));
    world.run(ms(100));
    world.set(1, Mode::Silent);
    let hello = format!("{} london 6789", id(1));
    world
        .cluster
        .handle_hello(world.now, addr(9).ip(), hello.as_bytes());
    world.run(ms(2_000));
    assert_eq!(world.info(1).map(|info| info.peer.addr), Some(addr(1)));
}

#[test]
fn oneself_is_no_peer() {
    let mut world = World::new(node_config("london"));
    let own = format!("{} london 6789", id(0xffff_0000));
    world
        .cluster
        .handle_hello(world.now, addr(1).ip(), own.as_bytes());
    // An old id of this very address.
    let old = format!("{} london 6789", id(5));
    let here = "10.0.99.99".parse().expect("an address");
    world.cluster.handle_hello(world.now, here, old.as_bytes());
    assert_eq!(world.cluster.peers().count(), 0);
}

#[test]
fn hellos_are_read_strictly() {
    let mut world = World::new(node_config("london"));
    let long = format!("00000001 {} 6789", "x".repeat(65));
    for bad in [
        "",
        "00000001",
        "00000001 london",
        "00000001 london +80",
        "00000001 london 65536",
        "00000001 london 80 x",
        "0000001 london 80",
        "00000001  london 80",
        "00000001 lon/don 80",
        "00000001 london 6789\r\n",
        long.as_str(),
    ] {
        world
            .cluster
            .handle_hello(world.now, addr(1).ip(), bad.as_bytes());
    }
    world
        .cluster
        .handle_hello(world.now, addr(1).ip(), b"00000001 \xff\xfe 80");
    let anywhere = "0.0.0.0".parse().expect("an address");
    world
        .cluster
        .handle_hello(world.now, anywhere, b"00000001 london 80");
    assert_eq!(world.cluster.peers().count(), 0);
    let mapped = "::ffff:10.0.0.1".parse().expect("an address");
    world
        .cluster
        .handle_hello(world.now, mapped, b"00000001 london 6789");
    assert_eq!(world.info(1).map(|info| info.peer.addr), Some(addr(1)));
}

#[test]
fn peers_are_bounded_and_the_proven_ones_stay() {
    let mut world = World::new(node_config("london"));
    for n in 1..=10 {
        world.join(n, "london", ms(1));
    }
    world.run(ms(1_000));
    for n in 100..4_000 {
        world.hello(n, "london");
    }
    assert!(world.cluster.peers().count() <= MAX_PEERS);
    world.run(ms(5_000));
    assert_eq!(world.routed(), (1..=10).collect::<Vec<_>>());
    // A flood of names nobody answers for does not keep others out.
    world.join(5_000, "london", ms(1));
    world.run(ms(12_000));
    assert!(world.routed().contains(&5_000));
    assert!(world.cluster.peers().count() <= MAX_PEERS);
}

#[test]
fn a_full_table_has_room_for_the_own_region() {
    let mut world = World::new(node_config("london"));
    for n in 1..=1_024 {
        let other = format!("region-{}", n % 252);
        world.join(n, if n <= 1_008 { &other } else { "london" }, ms(1));
    }
    world.run(ms(10_000));
    assert_eq!(world.routed().len(), MAX_PEERS);
    world.join(2_000, "region-7", ms(1));
    world.join(2_001, "london", ms(1));
    world.run(ms(1_000));
    let routed = world.routed();
    assert!(routed.contains(&2_001) && !routed.contains(&2_000));
    // The newest of the region that most are known of went, and nobody else.
    assert!(!routed.contains(&1_008) && routed.contains(&1_007));
    assert_eq!(routed.len(), MAX_PEERS);
}

#[test]
fn regions_are_bounded() {
    let mut world = World::new(node_config("london"));
    for n in 1..=600 {
        world.join(n, &format!("region-{n}"), ms(1));
    }
    world.run(ms(5_000));
    assert_eq!(world.view().regions.len(), MAX_REGIONS - 1);
    world.join(700, "london", ms(1));
    world.join(701, "region-7", ms(1));
    world.run(ms(1_000));
    assert!(world.routed().contains(&700) && world.routed().contains(&701));
}

#[test]
fn a_thousand_peers_are_bounded_work() {
    let mut world = World::new(node_config("london"));
    for n in 1..=1_000 {
        world.join(
            n,
            ["london", "paris", "rome"][usize::from(n) % 3],
            ms(u64::from(n % 90) + 1),
        );
    }
    world.run(ms(3_000));
    assert_eq!(world.routed().len(), 333 + 2 * SAMPLE);
    assert!(world.most_in_flight <= MAX_PINGS);
    world.forget_history();
    world.run(ms(60_000));
    let a_second = world.pings.len() / 60;
    assert!((2..=6).contains(&a_second), "{a_second} pings a second");
    let well = |info: PeerInfo| info.health == State::Healthy;
    assert!(world.cluster.peers().all(well));
    assert!(world.polls.len() < 20, "{} polls", world.polls.len());
    let views = world
        .events
        .iter()
        .filter(|(_, e)| matches!(e, Event::ViewChanged(_)));
    assert!(views.count() <= 61);
}

#[test]
fn the_view_keeps_the_order_of_discovery() {
    let mut world = World::new(client_config("london"));
    for n in [30, 10, 20] {
        world.join(n, "london", ms(u64::from(n)));
    }
    world.run(ms(1_000));
    assert_eq!(world.routed(), [30, 10, 20]);
    let first = world.view();
    world.run(ms(10_000));
    assert_eq!(
        world.view().generation,
        first.generation,
        "times of local nodes change nothing"
    );
}

#[test]
fn regions_are_ranked_by_mean_time_then_name() {
    let mut world = World::new(node_config("london"));
    world.join(1, "paris", ms(30));
    world.join(2, "paris", ms(50));
    world.join(3, "rome", ms(35));
    world.join(4, "oslo", ms(90));
    world.join(5, "bern", ms(35));
    world.run(ms(1_000));
    assert_eq!(world.ranking(), ["bern", "rome", "paris", "oslo"]);
    assert_eq!(world.view().regions[2].latency, ms(40));
    // A region without nodes has no rank; one that gets nearer moves up.
    world.cluster.handle_hello(
        world.now,
        addr(5).ip(),
        format!("{} bern 0", id(5)).as_bytes(),
    );
    assert_eq!(world.ranking(), ["rome", "paris", "oslo"]);
    world.node(4).rtt = ms(1);
    world.run(ms(60_000));
    assert_eq!(world.ranking(), ["oslo", "rome", "paris"]);
    assert!(world.view().regions[0].latency < ms(5));
}

#[test]
fn latencies_alone_are_published_at_most_once_a_second() {
    let mut world = World::new(node_config("london"));
    for n in 1..=40 {
        world.join(n, &format!("region-{}", n % 7), ms(10));
    }
    world.run(ms(3_000));
    world.forget_history();
    for round in 0..600_u64 {
        let n = 1 + (round % 40) as u16;
        world.node(n).rtt = ms(5 + (round * 37) % 300);
        world.run(ms(100));
    }
    let views = world
        .events
        .iter()
        .filter(|(_, e)| matches!(e, Event::ViewChanged(_)))
        .count();
    assert!((10..=61).contains(&views), "{views} views in 60 s");
}

#[test]
fn a_stock_node_known_by_hearsay_is_told_from_ours() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    let body = line(1, "london", 1, "zc") + &line(8, "paris", 8, "stock");
    world.node(1).members = Some(body);
    world.script(8, None, ms(1));
    world.run(ms(15_000));
    let peer = world.info(8).expect("learned").peer;
    assert_eq!((peer.capable, &peer.region), (false, &region("paris")));
    assert!(world.routed().contains(&8));
    assert_ne!(peer.id, NodeId::derive(&region("paris"), addr(8)));
}

#[test]
fn one_lost_ping_does_not_lose_a_peer_its_address() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.run(ms(100));
    world.script(9, Some(id(1)), ms(1));
    world.set(1, Mode::Silent);
    let hello = format!("{} london 6789", id(1));
    world
        .cluster
        .handle_hello(world.now, addr(9).ip(), hello.as_bytes());
    world.run(ms(1_200));
    assert!(world.pings_of(9).len() == 1, "the claimant was tried");
    world.set(1, Mode::Up);
    world.run(ms(5_000));
    assert_eq!(world.info(1).map(|info| info.peer.addr), Some(addr(1)));
    assert_eq!(world.down(1), None);
}

#[test]
fn hearsay_does_not_rename_a_nameless_node() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.script(8, None, ms(1));
    let told = line(1, "london", 1, "zc");
    world.node(1).members = Some(told.clone() + &line(8, "paris", 8, "stock"));
    world.run(ms(15_000));
    assert_eq!(world.routed(), [1, 8]);
    world.node(1).members =
        Some(told + &line(8, "paris", 8, "stock") + &line(80, "rome", 8, "stock"));
    world.run(ms(30_000));
    assert_eq!(world.routed(), [1, 8]);
    assert_eq!(world.ranking(), ["paris"]);
}

#[test]
fn made_up_names_leave_room_for_pings_of_those_that_answer() {
    let mut world = World::new(node_config("london"));
    for n in 1..=10 {
        world.join(n, "london", ms(1));
    }
    world.run(ms(1_000));
    for n in 100..1_000 {
        world.hello(n, "london");
    }
    world.run(ms(400));
    let made_up = world
        .pings
        .iter()
        .filter(|(_, to)| *to >= addr(100))
        .count();
    assert!((30..=MAX_PINGS * 3 / 4).contains(&made_up), "{made_up}");
    world.run(ms(60_000));
    assert!((1..=10).all(|n| world.down(n).is_none()));
}
