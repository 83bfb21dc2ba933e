//! Which writes go on to whom, and what the copies say.

use crate::support::{Answer, Bench, peer, region};
use zerocache_proto::cache::Shards;
use zerocache_proto::cluster::RegionView;
use zerocache_proto::http::{Host, Outgoing};
use zerocache_proto::op::Ack;
use zerocache_proto::service::{Change, Outcome, Write};
use zerocache_proto::{Duration, Instant, NodeId, Version};

const VERSIONED: &str = "Zc-Version: 018bcfe568000000-000000b2\r\n";

fn version() -> Version {
    "018bcfe568000000-000000b2".parse().expect("a version")
}

/// The write a request leaves to spread, and whether its answer waits for that.
fn spread(bench: &Bench, line: &str, fields: &str) -> Option<(Write, bool)> {
    let (outcome, answer) = bench.send(line, fields, b"value");
    match outcome {
        Outcome::Spread { write, reply } => {
            assert_eq!(
                reply.is_some(),
                answer.status == 0,
                "deferred or answered, not both"
            );
            Some((write, reply.is_some()))
        }
        other => {
            assert!(matches!(other, Outcome::Answered), "{other:?}");
            assert_ne!(answer.status, 0);
            None
        }
    }
}

#[test]
fn who_gets_copies_depends_on_path_query_and_version() {
    // Region of the path, query, with a version; to the own region, to the others.
    let cases = [
        ("london", "", false, true, true),
        ("london", "?expiry=5", false, true, true),
        ("london", "?recurse=1", false, true, true),
        ("london", "?expiry=5&recurse=1", false, true, true),
        ("london", "?recurse=0", false, false, false),
        ("london", "?recurse=00", false, false, false),
        ("london", "?recurse=2", false, false, false),
        ("london", "?recurse=true", false, false, false),
        ("london", "?recurse=", false, false, false),
        ("london", "?recurse=1&recurse=0", false, false, false),
        // A stock node's copy for this whole region.
        ("paris", "", false, true, false),
        ("tokyo", "", false, true, false),
        // A client whose own region is down.
        ("paris", "?expiry=5", false, true, true),
        ("tokyo", "?recurse=1", false, true, true),
        ("tokyo", "?recurse=0", false, false, false),
        // Copies between nodes of ours.
        ("paris", "?expiry=5", true, true, false),
        ("london", "?expiry=5", true, true, false),
        ("london", "?expiry=5&recurse=0", true, false, false),
    ];
    for (path, query, versioned, local, remote) in cases {
        for method in ["PUT", "DELETE"] {
            let bench = Bench::with_peers();
            let fields = if versioned { VERSIONED } else { "" };
            let line = format!("{method} /{path}/key{query}");
            let scope = spread(&bench, &line, fields).map(|(write, _)| write.scope);
            let scope = scope.map_or((false, false), |scope| (scope.local, scope.remote));
            assert_eq!(scope, (local, remote), "{line} {fields}");
        }
    }
}

#[test]
fn a_write_carries_what_its_copies_need() {
    let bench = Bench::with_peers();
    let (write, deferred) = spread(&bench, "PUT /london/a%20b?expiry=5", "").expect("spread");
    assert!(deferred);
    assert_eq!(
        (write.region.as_str(), &*write.key),
        ("london", &b"a b"[..])
    );
    let value = b"value".as_slice().into();
    assert_eq!(write.change, Change::Put { value });
    assert_eq!(write.version.unix_ms(), bench.now.unix_ms);
    assert_eq!(write.version.node, NodeId::from_bits(1));
    assert_eq!(write.expires, bench.now.mono + Duration::from_secs(5));

    let (write, _) = spread(&bench, "DELETE /tokyo/k?recurse=1", "").expect("spread");
    assert_eq!(
        (write.region.as_str(), write.change),
        ("tokyo", Change::Delete)
    );
}

#[test]
fn a_large_body_is_shared_with_its_copies() {
    let bench = Bench::with_peers();
    let body = vec![7; 90_000];
    let (outcome, _) = bench.send("PUT /london/big", "", &body);
    let Outcome::Spread { write, .. } = outcome else {
        panic!("{outcome:?}")
    };
    let Change::Put { value } = write.change else {
        panic!("a delete")
    };
    let hash = bench.shards.hash(b"big");
    bench.shards.with(hash, |shard| {
        let record = shard.record(bench.now, hash, b"big").expect("held");
        let zerocache_proto::cache::State::Value(held) = record.state else {
            panic!("deleted")
        };
        assert_eq!(held.as_ptr(), value.as_ptr());
    });
}

#[test]
fn alone_a_write_is_answered_at_once() {
    let bench = Bench::new();
    assert_eq!(bench.put("/london/k", "v"), 200);
    assert_eq!(bench.ask("DELETE /london/none").0, 404);
    // Somebody is there, but nobody whom this write concerns.
    let mut bench = Bench::with_peers();
    bench.view.local.clear();
    assert_eq!(bench.put("/paris/k", "v"), 200);
}

#[test]
fn the_answer_waits_for_whom_it_is_told_to() {
    for (ack, local, remote, waits) in [
        (Ack::None, true, true, false),
        (Ack::Region, true, true, true),
        (Ack::Region, false, true, false),
        (Ack::All, false, true, true),
        (Ack::All, true, false, true),
    ] {
        let mut bench = Bench::with_peers();
        bench.ack = ack;
        if !local {
            bench.view.local.clear();
        }
        if !remote {
            bench.view.regions.clear();
        }
        let (_, deferred) = spread(&bench, "PUT /london/k", "").expect("spread");
        assert_eq!(deferred, waits, "{ack:?} {local} {remote}");
    }
}

#[test]
fn the_reply_kept_back_is_the_one_due() {
    let bench = Bench::with_peers();
    for (line, code) in [
        ("DELETE /london/k", 404),
        ("DELETE /paris/k?recurse=1", 200),
        ("PUT /london/k", 200),
        ("DELETE /london/k", 200),
    ] {
        let (outcome, _) = bench.send(line, "", b"");
        let Outcome::Spread { reply, .. } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(reply.map(|status| status.code()), Some(code), "{line}");
    }
}

#[test]
fn a_copy_that_comes_again_is_spread_again_but_not_an_older_one() {
    let bench = Bench::with_peers();
    let line = "PUT /paris/k?expiry=5";
    let (first, _) = spread(&bench, line, VERSIONED).expect("spread");
    assert_eq!(first.version, version());
    let (again, _) = spread(&bench, line, VERSIONED).expect("spread again");
    assert_eq!(again, first);
    let older = "Zc-Version: 018bcfe567ff0000-000000b2\r\n";
    assert!(spread(&bench, line, older).is_none());
    let (_, answer) = bench.send(line, older, b"older");
    assert_eq!(answer.status, 200);
    assert_eq!(bench.ask("GET /paris/k").1, "value");
}

#[test]
fn a_version_ahead_of_the_time_is_409_and_changes_nothing() {
    let bench = Bench::with_peers();
    bench.put("/london/k?recurse=0", "old");
    let ahead = "Zc-Version: 1000000000000000-000000b2\r\n";
    for line in ["PUT /london/k", "DELETE /london/k"] {
        let (outcome, answer) = bench.send(line, ahead, b"new");
        assert!(matches!(outcome, Outcome::Answered));
        assert_eq!(answer.status, 409);
    }
    assert_eq!(bench.ask("GET /london/k").1, "old");
}

/// The request's first line and its `Zc-Version`.
fn request(outgoing: &Outgoing) -> (String, Option<String>) {
    let head = String::from_utf8(outgoing.head_bytes().to_vec()).expect("text");
    let version = head
        .lines()
        .find_map(|line| line.strip_prefix("Zc-Version: "));
    let line = head.lines().next().expect("a line").to_owned();
    (line, version.map(str::to_owned))
}

#[test]
fn copies_say_the_remaining_life_and_to_ours_the_version() {
    let bench = Bench::with_peers();
    let (put, _) = spread(&bench, "PUT /london/a%3Fb?expiry=5", VERSIONED).expect("spread");
    let (delete, _) = spread(&bench, "DELETE /london/gone", "").expect("spread");
    let v = version().to_string();
    let at = |ms| bench.now.mono + Duration::from_millis(ms);
    let (ours, stock) = (peer(7, "paris", true), peer(8, "paris", false));
    for (now, peer, recurse, line, versioned) in [
        (
            at(0),
            &ours,
            false,
            "PUT /london/a%3Fb?expiry=5&recurse=0 HTTP/1.1",
            true,
        ),
        (
            at(0),
            &ours,
            true,
            "PUT /london/a%3Fb?expiry=5 HTTP/1.1",
            true,
        ),
        (
            at(0),
            &stock,
            false,
            "PUT /london/a%3Fb?expiry=5&recurse=0 HTTP/1.1",
            false,
        ),
        (
            at(0),
            &stock,
            true,
            "PUT /london/a%3Fb?expiry=5 HTTP/1.1",
            false,
        ),
        (
            at(1),
            &ours,
            true,
            "PUT /london/a%3Fb?expiry=5 HTTP/1.1",
            true,
        ),
        (
            at(1000),
            &ours,
            true,
            "PUT /london/a%3Fb?expiry=4 HTTP/1.1",
            true,
        ),
        (
            at(4001),
            &ours,
            true,
            "PUT /london/a%3Fb?expiry=1 HTTP/1.1",
            true,
        ),
        (
            at(4999),
            &ours,
            true,
            "PUT /london/a%3Fb?expiry=1 HTTP/1.1",
            true,
        ),
    ] {
        let outgoing = put.request_for(now, peer, recurse).expect("alive");
        assert_eq!(
            request(&outgoing),
            (line.to_owned(), versioned.then(|| v.clone()))
        );
        assert_eq!(&outgoing.body()[..], b"value");
    }
    assert!(put.request_for(at(5000), &ours, true).is_none());

    let line = |peer, recurse| request(&delete.request_for(at(0), peer, recurse).expect("alive"));
    assert_eq!(
        line(&ours, false).0,
        "DELETE /london/gone?recurse=0 HTTP/1.1"
    );
    assert_eq!(line(&ours, true).0, "DELETE /london/gone HTTP/1.1");
    assert!(line(&ours, true).1.is_some() && line(&stock, true).1.is_none());
}

#[test]
fn a_stock_node_of_the_very_region_is_not_made_to_spread_it() {
    let bench = Bench::with_peers();
    let (write, _) = spread(&bench, "PUT /paris/k?expiry=5", "").expect("spread");
    let line = |id, name, capable| {
        let peer = peer(id, name, capable);
        request(
            &write
                .request_for(bench.now.mono, &peer, true)
                .expect("alive"),
        )
        .0
    };
    assert_eq!(
        line(7, "paris", false),
        "PUT /paris/k?expiry=5&recurse=0 HTTP/1.1"
    );
    assert_eq!(line(8, "paris", true), "PUT /paris/k?expiry=5 HTTP/1.1");
    assert_eq!(line(9, "tokyo", false), "PUT /paris/k?expiry=5 HTTP/1.1");
}

#[test]
fn a_write_names_its_receivers_ours_before_stock_ones() {
    let mut bench = Bench::with_peers();
    let paris = vec![
        peer(3, "paris", false),
        peer(4, "paris", true),
        peer(5, "paris", true),
    ];
    bench.view.regions[0].peers = paris;
    let receivers = |line: &str| -> Vec<(u32, bool)> {
        let (write, _) = spread(&bench, line, "").expect("spread");
        let all = write.receivers(&bench.view);
        all.map(|(peer, recurse)| (peer.id.to_bits(), recurse))
            .collect()
    };
    assert_eq!(receivers("PUT /london/k"), [(2, false), (4, true)]);
    assert_eq!(receivers("PUT /paris/k"), [(2, false)]);
}

#[test]
fn what_one_node_spreads_the_next_takes() {
    let sender = Bench::with_peers();
    let mut receiver = Bench::with_peers();
    receiver.view.own = region("paris");
    receiver.view.regions = vec![RegionView {
        name: region("london"),
        latency: Duration::ZERO,
        peers: vec![peer(1, "london", true)],
    }];
    let copy = |line: &str, receiver: &Bench| -> (Write, Answer) {
        let (write, _) = spread(&sender, line, "").expect("spread");
        let outgoing = write.request_for(sender.now.mono, &peer(3, "paris", true), true);
        let outgoing = outgoing.expect("alive");
        let bytes = [outgoing.head_bytes(), outgoing.body()].concat();
        let (outcome, answer) = receiver.raw(&bytes);
        match outcome {
            Outcome::Spread { write: onward, .. } => {
                assert_eq!((onward.scope.local, onward.scope.remote), (true, false));
                assert_eq!((&onward.key, onward.version), (&write.key, write.version));
            }
            other => panic!("{other:?}"),
        }
        (write, answer)
    };
    copy("PUT /london/k%20%C3%A9?expiry=77", &receiver);
    let (value, life) = receiver.held("k \u{e9}".as_bytes()).expect("held");
    assert_eq!((&value[..], life), (&b"value"[..], Duration::from_secs(77)));
    copy("DELETE /london/k%20%C3%A9", &receiver);
    assert!(receiver.held("k \u{e9}".as_bytes()).is_none());
}

#[test]
fn a_key_owed_to_a_peer_is_sent_as_it_stands() {
    let bench = Bench::new();
    bench.put("/paris/k?expiry=9", "v");
    let owed = |key: &[u8]| {
        let hash = bench.shards.hash(key);
        bench.shards.with(hash, |shard| {
            let record = shard.record(bench.now, hash, key);
            record.map(|record| Write::of(key, &record))
        })
    };
    let write = owed(b"k").expect("held");
    assert_eq!(write.region.as_str(), "paris");
    assert_eq!(write.expires, bench.now.mono + Duration::from_secs(9));
    assert!(write.expires > Instant::ORIGIN);
    bench.ask("DELETE /london/k");
    assert_eq!(owed(b"k").expect("a tombstone").change, Change::Delete);
    assert!(owed(b"none").is_none());
}

#[test]
fn copies_made_once_are_those_made_for_each() {
    let bench = Bench::with_peers();
    for line in [
        "PUT /london/k%20%C3%A9?expiry=7",
        "DELETE /london/k%20%C3%A9",
    ] {
        let (write, _) = spread(&bench, line, "").expect("spread");
        let template = write.template(bench.now.mono).expect("alive");
        // Whenever they are made: they say how long the value has still to live.
        for later in [0, 1, 999, 1_000, 6_500, 7_000, 8_000].map(Duration::from_millis) {
            let now = bench.now.mono + later;
            for n in [2, 250] {
                let peer = peer(n, "london", true);
                let made = write.request_for(now, &peer, false);
                let made = made.map(|made| [made.head_bytes(), made.body()].concat());
                let mut copied = Vec::new();
                template.write_to(&write, now, &Host::from(peer.addr), &mut copied);
                assert_eq!(copied, made.unwrap_or_default(), "{line}, {later:?} later");
            }
        }
    }
}

#[test]
fn only_short_copies_that_are_kept_and_versioned_share_a_connection() {
    let bench = Bench::with_peers();
    let (mut write, _) = spread(&bench, "PUT /london/k", "").expect("spread");
    assert!(write.may_share(&peer(2, "london", true), false));
    assert!(!write.may_share(&peer(2, "london", false), false));
    assert!(!write.may_share(&peer(2, "paris", true), true));
    write.change = Change::Put {
        value: vec![0; (16 << 10) + 1].into(),
    };
    assert!(!write.may_share(&peer(2, "london", true), false));
}
