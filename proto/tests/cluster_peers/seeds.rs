//! Static peers and what nodes tell each other of members; readiness and leaving.

use crate::checked::Checked;
use crate::world::{Mode, World, addr, at, client_config, id, ms, node_config, region};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use zerocache_proto::NodeId;
use zerocache_proto::cluster::{
    Action, Cluster, Config, Event, MAX_MEMBERS, MAX_MEMBERS_BODY, MAX_PEERS, MAX_POLLS, Pong,
    SAMPLE, Source, StaticPeer,
};

fn with_seeds(mut config: Config, seeds: &[&str]) -> World {
    let peers = seeds
        .iter()
        .map(|text| text.parse().expect("a static peer"));
    config.peers = peers.collect();
    World::new(config)
}

fn line(n: u16, own: &str, kind: &str) -> String {
    format!("{} {own} {} {kind}\n", id(u32::from(n)), addr(n))
}

fn ready(world: &World) -> bool {
    world.events.iter().any(|(_, event)| *event == Event::Ready)
}

#[test]
fn a_static_peer_is_resolved_asked_and_pinged() {
    let mut world = with_seeds(node_config("london"), &["seed.example:6789"]);
    world.names.insert("seed.example".into(), vec![addr(1)]);
    world.script(1, Some(id(1)), ms(10));
    world.script(2, Some(id(2)), ms(10));
    world.node(1).members = Some(line(1, "london", "zc") + &line(2, "paris", "zc"));
    world.cluster.announce(world.now);
    world.run(ms(20 + 10 + 10));
    assert_eq!(world.routed(), [1, 2]);
    let hello = format!("{} london 6789", id(0xffff_0000));
    assert_eq!(
        world.polls.first(),
        Some(&(at(1_020), addr(1), Some(hello)))
    );
    assert_eq!(
        world.info(1).map(|info| info.sources),
        Some(vec![Source::Static])
    );
    assert_eq!(
        world.info(2).map(|info| info.sources),
        Some(vec![Source::Learned])
    );
    assert!(ready(&world) && world.cluster.is_ready());
    world.run(ms(60_000));
    let to_seed = world
        .polls
        .iter()
        .filter(|(_, to, _)| *to == addr(1))
        .count();
    // Seven in the first quarter of a minute, less and less often, then one in ten seconds.
    assert!((10..=16).contains(&to_seed), "{to_seed}");
    assert_eq!(world.routed(), [1, 2]);
}

#[test]
fn a_failed_resolution_keeps_the_last_addresses() {
    let mut world = with_seeds(client_config("london"), &["seed.example:6789"]);
    world.names.insert("seed.example".into(), vec![addr(1)]);
    world.script(1, Some(id(1)), ms(1));
    world.node(1).members = Some(line(1, "london", "zc"));
    world.run(ms(1_000));
    world.names.clear();
    world.run(ms(200_000));
    assert_eq!(world.routed(), [1]);
    // A new address in its place: the old one is asked no more.
    world.names.insert("seed.example".into(), vec![addr(2)]);
    world.script(2, Some(id(2)), ms(1));
    world.node(2).members = Some(line(2, "london", "zc"));
    world.set(1, Mode::Silent);
    world.run(ms(120_000));
    assert_eq!(world.routed(), [2]);
    world.forget_history();
    world.run(ms(60_000));
    assert!(world.polls.iter().all(|(_, to, _)| *to == addr(2)));
}

#[test]
fn a_static_stock_node_needs_a_region_and_gets_a_derived_id() {
    let seeds = ["paris@10.0.0.1:6789", "10.0.0.2:6789"];
    let mut world = with_seeds(node_config("london"), &seeds);
    world.script(1, None, ms(5));
    world.script(2, None, ms(5));
    world.run(ms(1_000));
    let derived = NodeId::derive(&region("paris"), addr(1));
    let peer = world.info(derived.to_bits()).expect("known").peer;
    assert_eq!((peer.addr, peer.capable), (addr(1), false));
    assert_eq!(world.routed(), [derived.to_bits()]);
    let unusable =
        |(_, event): &&(_, Event)| matches!(event, Event::SeedUnusable(p) if p.host == "10.0.0.2");
    world.run(ms(300_000));
    assert_eq!(world.events.iter().filter(unusable).count(), 1, "told once");
    assert_eq!(world.routed(), [derived.to_bits()]);
    // One of ours takes its place.
    world.node(1).id = Some(id(1));
    world.node(1).members = Some(line(1, "paris", "zc"));
    world.run(ms(90_000));
    assert_eq!(world.routed(), [1]);
    assert_eq!(world.info(derived.to_bits()), None);
}

#[test]
fn a_stock_node_known_otherwise_is_not_added_twice() {
    let mut world = with_seeds(node_config("london"), &["paris@10.0.0.8:6789"]);
    world.join(1, "london", ms(1));
    world.node(1).members = Some(line(1, "london", "zc") + &line(8, "paris", "stock"));
    world.script(8, None, ms(1));
    world.set(8, Mode::Silent);
    world.run(ms(15_000));
    assert!(world.info(8).is_some());
    world.set(8, Mode::Up);
    world.run(ms(120_000));
    assert_eq!(world.routed(), [1, 8]);
}

#[test]
fn ready_waits_for_the_seeds_but_not_for_ever() {
    let mut world = with_seeds(node_config("london"), &["10.0.0.1:6789"]);
    world.run(ms(3_000));
    assert!(!ready(&world), "not announced");
    let mut world = with_seeds(node_config("london"), &["10.0.0.1:6789"]);
    world.cluster.announce(world.now);
    world.run(ms(900));
    assert!(!ready(&world));
    world.run(ms(200));
    assert!(ready(&world), "tried once, in vain");
    let mut client = with_seeds(client_config("london"), &["10.0.0.1:6789"]);
    client.run(ms(9_000));
    assert!(!ready(&client));
    client.script(1, Some(id(1)), ms(1));
    client.node(1).members = Some(line(1, "london", "zc"));
    client.run(ms(12_000));
    assert!(ready(&client));
    assert!(
        client.polls.iter().all(|(_, _, hello)| hello.is_none()),
        "clients stay unknown"
    );
}

#[test]
fn members_go_round_through_one_seed() {
    // 1 is everybody's seed; each node learns of the others from it.
    let mut world = with_seeds(node_config("london"), &["10.0.0.1:6789"]);
    world.script(1, Some(id(1)), ms(1));
    let mut body = line(1, "london", "zc");
    for n in 2..=9 {
        world.script(n, Some(id(u32::from(n))), ms(1));
        body += &line(n, "london", "zc");
    }
    world.node(1).members = Some(body);
    world.cluster.announce(world.now);
    world.run(ms(100));
    assert_eq!(world.routed().len(), 9);
    let told = world.cluster.members();
    assert_eq!(told.lines().count(), 10);
    assert_eq!(
        told.lines().next(),
        Some("ffff0000 london 10.0.99.99:6789 zc")
    );
    // Others are asked too, and only nodes that answer are told of.
    world.set(5, Mode::Silent);
    world.run(ms(40_000));
    assert!(
        world
            .polls
            .iter()
            .any(|(_, to, hello)| *to != addr(1) && hello.is_some())
    );
    assert!(!world.cluster.members().contains("00000005"));
}

#[test]
fn a_node_makes_itself_known_to_whom_it_learns_of() {
    let mut world = with_seeds(node_config("paris"), &["10.0.0.1:6789"]);
    world.script(1, Some(id(1)), ms(1));
    let mut body = line(1, "london", "zc");
    for n in 2..=40 {
        world.script(n, Some(id(u32::from(n))), ms(1));
        body += &line(n, "paris", if n == 40 { "stock" } else { "zc" });
    }
    world.node(1).members = Some(body);
    world.node(40).id = None;
    world.cluster.announce(world.now);
    // This one has made itself known, so it knows this node already.
    world.hello(2, "paris");
    world.run(ms(1_000));
    assert_eq!(world.routed().len(), 40);
    let greeted = |n: u16| {
        let polls = world.polls.iter();
        let polls = polls.filter(|(_, to, hello)| *to == addr(n) && hello.is_some());
        let pings = world.greeted.iter().filter(|to| **to == addr(n));
        polls.count() + pings.count()
    };
    assert!((3..=39).all(|n| greeted(n) == 1));
    assert_eq!((greeted(1).min(1), greeted(2), greeted(40)), (1, 0, 0));
    assert!(world.most_in_flight <= 80, "{}", world.most_in_flight);

    // A client has nothing to make known.
    let mut world = with_seeds(client_config("london"), &["10.0.0.1:6789"]);
    world.script(1, Some(id(1)), ms(1));
    world.script(2, Some(id(2)), ms(1));
    world.node(1).members = Some(line(1, "london", "zc") + &line(2, "london", "zc"));
    world.run(ms(1_000));
    assert_eq!(world.routed(), [1, 2]);
    assert!(world.polls.iter().all(|(_, to, _)| *to == addr(1)));
}

#[test]
fn of_another_region_only_a_few_are_told_at_once() {
    let mut world = with_seeds(node_config("london"), &["10.0.0.1:6789"]);
    let home = |n: u16| if n <= 40 { "london" } else { "paris" };
    let lines = (1..=80).map(|n| line(n, home(n), "zc"));
    let all: String = lines.collect();
    for n in 1..=80 {
        world.script(n, Some(id(u32::from(n))), ms(1));
        world.node(n).members = Some(all.clone());
    }
    world.cluster.announce(world.now);
    world.run(ms(3_000));
    assert_eq!(world.routed().len(), 40 + SAMPLE);
    let greeted = |n: u16| {
        world.polls.iter().any(|(_, to, _)| *to == addr(n)) || world.greeted.contains(&addr(n))
    };
    assert!((1..=40).all(greeted), "each of the own region");
    let far = (41..=80).filter(|n| greeted(*n)).count();
    assert!((1..=3).contains(&far), "{far} of the other one");
}

#[test]
fn the_address_a_node_was_asked_at_counts_where_it_does_not_know_its_own() {
    let mut world = with_seeds(
        node_config("london"),
        &["10.0.0.1:6789", "10.0.0.2:6789", "10.0.0.3:6789"],
    );
    for n in 1..=3 {
        world.script(n, Some(id(u32::from(n))), ms(1));
    }
    world.node(1).members = Some(format!("{} london 0.0.0.0:6789 zc\n", id(1)));
    world.node(2).members = Some(format!("{} london 127.0.0.1:6789 zc\n", id(2)));
    // It names an address nobody can reach from here.
    world.node(3).members = Some(format!("{} london 172.17.0.2:6789 zc\n", id(3)));
    world.run(ms(30_000));
    assert_eq!(world.info(1).map(|info| info.peer.addr), Some(addr(1)));
    assert_eq!(world.info(2).map(|info| info.peer.addr), Some(addr(2)));
    assert_eq!(world.info(3).map(|info| info.peer.addr), Some(addr(3)));
    assert_eq!(world.routed(), [1, 2, 3]);
}

#[test]
fn leaving_tells_those_that_know_no_multicast() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(10));
    world.join(2, "paris", ms(10));
    world.cluster.announce(world.now);
    world.run(ms(1_000));
    world.forget_history();
    world.cluster.leave(world.now);
    assert_eq!(world.cluster.members(), "");
    let start = world.now;
    world.run(ms(700));
    assert!(world.cluster.is_left());
    assert_eq!(world.cluster.poll_timeout(), None);
    let bye = Some(format!("{} london 0", id(0xffff_0000)));
    assert_eq!(
        world.polls,
        [(start, addr(1), bye.clone()), (start, addr(2), bye)]
    );
    // Nothing comes out any more.
    world.hello(3, "london");
    world.cluster.announce(world.now);
    world.cluster.leave(world.now);
    world.cluster.handle_timeout(world.now + ms(60_000));
    assert!(world.cluster.poll_action().is_none() && world.cluster.poll_event().is_none());
}

#[test]
fn leaving_waits_for_nobody_longer_than_half_a_second() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(10));
    world.cluster.announce(world.now);
    world.run(ms(1_000));
    world.set(1, Mode::Silent);
    world.cluster.leave(world.now);
    world.run(ms(400));
    assert!(world.cluster.is_left());
    let mut client = World::new(client_config("london"));
    client.cluster.leave(client.now);
    assert!(client.cluster.is_left());
}

#[test]
fn many_addresses_are_asked_a_few_at_a_time() {
    let names: Vec<String> = (0..80).map(|n| format!("seed-{n}.example:6789")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = with_seeds(node_config("london"), &names);
    for n in 0..80_u16 {
        let addrs = (0..50).map(|k| addr(1 + n * 50 + k)).collect();
        world.names.insert(format!("seed-{n}.example"), addrs);
    }
    world.run(ms(500));
    assert_eq!(world.polls.len(), MAX_POLLS);
}

#[test]
fn static_peers_are_read_strictly() {
    let good = |text: &str, own: Option<&str>, host: &str, port| {
        let peer: StaticPeer = text.parse().expect(text);
        assert_eq!((peer.host.as_str(), peer.port), (host, port), "{text}");
        assert_eq!(peer.region, own.map(region), "{text}");
        assert_eq!(peer.to_string(), text);
    };
    good("10.0.0.1:6789", None, "10.0.0.1", 6789);
    good(
        "london@node-1.example:1",
        Some("london"),
        "node-1.example",
        1,
    );
    good(
        "são-paulo@[2001:db8::1]:65535",
        Some("são-paulo"),
        "2001:db8::1",
        65535,
    );
    for bad in [
        "",
        "host",
        "host:",
        "host:0",
        "host:+1",
        "host:65536",
        ":6789",
        "@host:1",
        "a b@host:1",
        "a/b@host:1",
        "ho st:1",
        "http://host:1",
        "2001:db8::1:6789",
        "[2001:zz]:1",
        "[]:1",
        "[host]:1",
        "host:6789/",
        "host:1 ",
        "[::1]+:6789",
        "[::1]::1]:678",
    ] {
        assert!(bad.parse::<StaticPeer>().is_err(), "{bad}");
    }
    assert!(
        format!("{}:1", "x".repeat(254))
            .parse::<StaticPeer>()
            .is_err()
    );
}

/// A client whose one static peer has just been asked for its members.
fn asked() -> (Checked<Cluster>, u64) {
    let mut config = client_config("london");
    config.peers = vec!["10.0.0.1:6789".parse().expect("a static peer")];
    let mut cluster = Checked::new(Cluster::new(at(0), config, 1));
    cluster.handle_timeout(at(0));
    match cluster.poll_action() {
        Some(Action::Members { token, .. }) => (cluster, token),
        other => unreachable!("{other:?}"),
    }
}

fn told(body: &[u8]) -> Checked<Cluster> {
    let (mut cluster, token) = asked();
    cluster.handle_members(at(1), token, Ok(body));
    cluster
}

#[test]
fn bodies_that_are_no_lists_teach_nothing() {
    let second = "00000002 london 10.0.0.2:6789 zc\n";
    for first in ["", "hello\n", "00000001 london 10.0.0.1:6789 stock\n", "\n"] {
        let cluster = told(format!("{first}{second}").as_bytes());
        let known = cluster.peers().count();
        assert_eq!(known, usize::from(first.is_empty()), "{first:?}");
    }
    let junk = "00000003 london\n00000004 lon/don 10.0.0.4:1 zc\n00000005 london 10.0.0.5 zc\n\
                00000006 london 10.0.0.6:0 zc\n00000007 london 224.0.0.1:80 zc\n\
                00000008 london 127.0.0.1:80 zc\n00000009 london 169.254.1.1:80 zc\n\
                0000000a london 10.0.0.10:80 zc extra\n0000000b london [::]:80 zc\r\n\
                0000000c london [2001:db8::1]:80 zc\r\n";
    let cluster = told(format!("{second}{junk}").as_bytes());
    let ids: Vec<u32> = cluster.peers().map(|info| info.peer.id.to_bits()).collect();
    assert_eq!(ids, [2, 12]);
}

#[test]
fn long_bodies_are_cut() {
    let mut body = String::new();
    for n in 1..=5_000_u32 {
        body += &format!("{} london {} zc\n", id(n), addr(n as u16));
    }
    let known = told(body.as_bytes()).peers().count();
    assert!(known <= MAX_MEMBERS && known <= MAX_PEERS);
    let endless = vec![b'x'; MAX_MEMBERS_BODY * 2];
    assert_eq!(told(&endless).peers().count(), 0);
}

proptest! {
    #[test]
    fn hostile_bodies_never_panic(body in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(told(&body).peers().count() <= MAX_PEERS);
    }

    #[test]
    fn nearly_right_bodies_never_panic(
        lines in prop::collection::vec("[0-9a-f]{7,9} [a-z/. ]{0,9} [0-9.:\\[\\]]{6,24} (zc|stock|x)?", 0..40),
    ) {
        let body = format!("00000001 london 10.0.0.1:6789 zc\n{}", lines.join("\n"));
        let mut cluster = told(body.as_bytes());
        prop_assert!(cluster.peers().count() <= 41);
        prop_assert!(cluster.view().is_empty());
        cluster.handle_timeout(at(60_000));
    }

    #[test]
    fn any_reports_in_any_order_never_panic(
        steps in prop::collection::vec((0_u8..9, any::<u8>(), 0_u64..4_000), 1..200),
        node in any::<bool>(),
    ) {
        let mut config = if node { node_config("london") } else { client_config("london") };
        config.peers = vec!["a.example:1".parse().expect("a peer"), "paris@10.0.0.9:2".parse().expect("a peer")];
        let mut cluster = Checked::new(Cluster::new(at(0), config, 3));
        let mut now = at(0);
        let mut left = false;
        for (step, x, wait) in steps {
            now = now + ms(wait);
            let token = u64::from(x) / 4;
            let from = IpAddr::V4(Ipv4Addr::new(10, 0, 0, x % 8));
            match step {
                0 => cluster.handle_hello(now, from, format!("{} r{} {}", id(u32::from(x % 16)), x % 5, x % 3).as_bytes()),
                1 => cluster.handle_pong(now, token, Ok(Pong::new(ms(wait), Some(id(u32::from(x % 16)))))),
                2 => cluster.handle_pong(now, token, Err(zerocache_proto::Failure::Refused)),
                3 => cluster.handle_members(now, token, Ok(b"00000001 london 10.0.0.1:6789 zc\n00000002 rome 10.0.0.2:1 stock")),
                4 => cluster.handle_members(now, token, Err(zerocache_proto::Failure::Malformed)),
                5 => cluster.handle_resolved(now, token, &[SocketAddr::new(from, 1)]),
                6 => cluster.announce(now),
                7 if x < 16 => {
                    cluster.leave(now);
                    left = true;
                }
                _ => cluster.handle_timeout(now),
            }
            while cluster.poll_action().is_some() {}
            while cluster.poll_event().is_some() {}
            if cluster.poll_timeout().is_some_and(|due| due <= now) {
                cluster.handle_timeout(now);
            }
            // Whatever is due now either was done or has led to an action.
            let due = cluster.poll_timeout();
            prop_assert!(due.is_none_or(|due| due > now) || cluster.poll_action().is_some());
            let routable = cluster.peers().filter(|info| info.routable).count();
            prop_assert!(left || routable == cluster.view().peers().count());
        }
    }
}

#[test]
fn whoever_has_left_tells_no_more_tales() {
    let mut cluster = Checked::new(Cluster::new(at(0), node_config("london"), 1));
    cluster.announce(at(0));
    // That it is ready was not polled for.
    cluster.leave(at(0));
    assert!(cluster.is_left());
    assert_eq!(cluster.poll_event(), None);
}
