//! A node that does not hold yet what the others do asks one of them for what it is asked for.

use crate::net::{Fate, Net};

use zerocache_proto::Duration;
use zerocache_proto::cache::Shards as _;
use zerocache_proto::sync::{LOOKUP_TIME, MAX_LOOKUPS, State};

/// The first one and a second one that has just begun again: it sees the others, and has not asked for
/// anything yet.
fn one_cold(regions: &[&str]) -> Net {
    let mut net = Net::with(regions, |_| ());
    net.ask(0, "PUT /london/key?recurse=0&expiry=100", "value");
    net.ask(0, "PUT /london/gone?recurse=0", "value");
    net.ask(0, "DELETE /london/gone?recurse=0", "");
    net.revive(1);
    for _ in 0..2000 {
        if net.node(1).view().peers().count() == regions.len() - 1 {
            break;
        }
        net.run(Duration::from_millis(1));
    }
    assert_eq!(state(&net), State::Cold);
    net.log.clear();
    net
}

fn state(net: &Net) -> State {
    net.node(1).facts(net.clock()).sync.state
}

/// What the second one has looked up at whom, since the last look.
fn lookups(net: &mut Net) -> Vec<usize> {
    let all = core::mem::take(&mut net.log).into_iter();
    let of = all.filter(|(from, _, line)| *from == 1 && line.contains("/records?key="));
    of.map(|(_, to, _)| to).collect()
}

/// What a node holds under a key: version, and whole seconds it has to live.
fn held(net: &Net, node: usize, key: &str) -> Option<(zerocache_proto::Version, u64)> {
    let (shards, now) = (net.node(node).shards(), net.clock());
    let hash = shards.hash(key.as_bytes());
    shards.with(hash, |shard| {
        let record = shard.record(now, hash, key.as_bytes())?;
        let left = record.expires.saturating_since(now.mono);
        Some((record.version, left.as_secs()))
    })
}

#[test]
fn a_miss_is_asked_of_a_peer_and_what_that_holds_is_kept() {
    let mut net = one_cold(&["london", "london"]);
    let (status, body, took) = net.ask(1, "GET /london/key", "");
    assert_eq!((status, body.as_str()), (200, "value"));
    assert!(took <= LOOKUP_TIME, "{took:?}");
    assert_eq!(lookups(&mut net), [0]);
    let (there, here) = (held(&net, 0, "key").unwrap(), held(&net, 1, "key").unwrap());
    assert_eq!(there.0, here.0, "the same version");
    assert!(here.1 <= there.1 && here.1 >= 97, "{} s of 100", here.1);
    // It is held here from now on.
    assert_eq!(net.get(1, "/london/key").as_deref(), Some("value"));
    assert_eq!(lookups(&mut net), []);
    assert_eq!(net.node(1).facts(net.clock()).sync.lookups, 1);
    // HEAD is a read without the body.
    net.ask(0, "PUT /london/head?recurse=0", "four");
    let (status, body, _) = net.ask(1, "HEAD /london/head", "");
    assert_eq!((status, body.as_str()), (200, ""));
    assert_eq!(net.get(1, "/paris/head").as_deref(), Some("four"));
    assert_eq!(lookups(&mut net), [0]);
}

#[test]
fn what_no_peer_holds_is_a_miss_and_a_deleted_key_stays_so() {
    let mut net = one_cold(&["london", "london"]);
    assert_eq!(net.get(1, "/london/none"), None);
    assert_eq!(net.get(1, "/london/gone"), None);
    assert_eq!(lookups(&mut net), [0, 0]);
    assert_eq!(held(&net, 1, "none"), None);
    assert_eq!(held(&net, 1, "gone"), held(&net, 0, "gone"));
}

#[test]
fn a_node_is_told_what_is_here_and_nothing_is_asked_for_it() {
    let mut net = one_cold(&["london", "london"]);
    for head in [
        "GET /london/key HTTP/1.1\r\nZc-Node: 000000b2 london 6789\r\n\r\n",
        "GET /london/key?recurse=0 HTTP/1.1\r\n\r\n",
    ] {
        let conn = net.open(1);
        net.write(1, conn, head.as_bytes());
        assert!(net.read(conn).0.starts_with("HTTP/1.1 404"), "at once");
    }
    assert_eq!(lookups(&mut net), []);
}

#[test]
fn two_that_are_cold_do_not_ask_each_other_in_circles() {
    let mut net = one_cold(&["london", "london"]);
    net.revive(0);
    for _ in 0..100 {
        net.run(Duration::from_millis(10));
        net.get(1, "/london/key");
        let asked = lookups(&mut net).len();
        assert!(asked <= 1, "{asked}");
    }
}

#[test]
fn a_peer_that_is_silent_costs_a_moment_and_no_more() {
    let mut net = one_cold(&["london", "london"]);
    net.doom(0, Fate::Silent);
    let (status, _, took) = net.ask(1, "GET /london/key", "");
    assert_eq!(status, 404);
    assert!(took >= LOOKUP_TIME && took < LOOKUP_TIME + Duration::from_millis(5));
    net.doom(0, Fate::Killed);
    let (status, _, took) = net.ask(1, "GET /london/key", "");
    assert!(status == 404 && took < LOOKUP_TIME, "{status} {took:?}");
}

#[test]
fn other_regions_are_left_to_the_client() {
    let mut net = one_cold(&["london", "paris"]);
    assert_eq!(net.get(1, "/london/key"), None);
    assert_eq!(lookups(&mut net), []);
}

#[test]
fn only_so_many_are_asked_at_once() {
    let mut net = one_cold(&["london", "london"]);
    net.doom(0, Fate::Silent);
    let conns: Vec<_> = (0..MAX_LOOKUPS + 9).map(|_| net.open(1)).collect();
    for conn in &conns {
        net.write(1, *conn, b"GET /london/key HTTP/1.1\r\n\r\n");
    }
    let answered = |net: &mut Net| {
        let answers = conns.iter().map(|conn| net.read(*conn).0);
        answers
            .filter(|text| text.starts_with("HTTP/1.1 404"))
            .count()
    };
    assert_eq!(answered(&mut net), 9, "at once");
    net.run(LOOKUP_TIME);
    assert_eq!(answered(&mut net), MAX_LOOKUPS);
    // There is room again, also after those whose client has gone.
    net.doom(0, Fate::Alive);
    assert_eq!(net.get(1, "/london/key").as_deref(), Some("value"));
}

#[test]
fn once_it_is_synced_a_miss_is_a_miss() {
    let mut net = one_cold(&["london", "london"]);
    net.run(Duration::from_secs(10));
    assert_eq!(state(&net), State::Synced);
    net.log.clear();
    net.ask(0, "PUT /london/late?recurse=0", "value");
    assert_eq!(net.get(1, "/london/late"), None);
    assert_eq!(lookups(&mut net), []);
}
