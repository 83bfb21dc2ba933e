//! Every path and method, with the answer it gets: those of stock, and where they are intended to
//! differ, ours.

use crate::support::Bench;
use zerocache_proto::Duration;
use zerocache_proto::service::{Outcome, Page, Stage};

#[test]
fn the_routes_of_stock_answer_as_stock() {
    let bench = Bench::new();
    assert_eq!(bench.put("/london/held", "value"), 200);
    assert_eq!(bench.put("/london/empty", ""), 200);
    assert_eq!(bench.put("/paris/far", "away"), 200);
    let cases = [
        ("GET /ping", 200, "pong"),
        ("GET /london/held", 200, "value"),
        ("GET /london/empty", 200, ""),
        ("GET /london/none", 404, ""),
        // One logical map: whichever region's path is asked.
        ("GET /paris/held", 200, "value"),
        ("GET /london/far", 200, "away"),
        ("GET /tokyo/far", 200, "away"),
        ("GET /london/held?expiry=1&recurse=0", 200, "value"),
        ("HEAD /london/held", 200, ""),
        ("HEAD /london/none", 404, ""),
        ("HEAD /ping", 200, ""),
        ("GET //london//held", 200, "value"),
        ("GET /london/%68eld", 200, "value"),
        ("GET /lond%6Fn/held", 200, "value"),
        ("GET /london/HELD", 404, ""),
        ("GET http://somewhere/london/held", 200, "value"),
    ];
    for (line, status, body) in cases {
        assert_eq!(bench.ask(line), (status, body.to_owned()), "{line}");
    }
}

#[test]
fn what_is_no_route_is_404_and_what_is_none_for_a_method_405() {
    let bench = Bench::new();
    for path in [
        "/unknown",
        "/london/",
        "/london/key/",
        "/london/key/more",
        "/a/b/c/d/e/f",
        "/ping/",
        "/_zc",
        "/_zc/members",
        "/_zc/1/unknown",
        "/_zc/2/members",
    ] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "POST"] {
            let (status, _) = bench.ask(&format!("{method} {path}"));
            assert_eq!(status, 404, "{method} {path}");
        }
    }
    for (path, allowed, methods) in [
        (
            "/london/key",
            "GET, HEAD, PUT, DELETE",
            &["POST", "PATCH", "OPTIONS", "get"][..],
        ),
        ("/ping", "GET, HEAD", &["PUT", "DELETE", "POST"]),
        ("/local_cache_info", "GET, HEAD", &["PUT", "DELETE", "POST"]),
        ("/remote_cache_info", "GET, HEAD", &["PUT"]),
        ("/healthz", "GET, HEAD", &["PUT"]),
        ("/readyz", "GET, HEAD", &["PUT"]),
        ("/metrics", "GET, HEAD", &["POST"]),
        ("/status", "GET, HEAD", &["POST"]),
        ("/", "GET, HEAD", &["POST", "PUT", "DELETE"]),
        ("/_zc/1/members", "GET, HEAD", &["PUT", "DELETE"]),
        ("/_zc/1/digest", "GET, HEAD", &["PUT", "DELETE"]),
        ("/_zc/1/records", "GET, HEAD", &["PUT", "DELETE"]),
    ] {
        for method in methods {
            let (outcome, answer) = bench.send(&format!("{method} {path}"), "", b"");
            assert!(matches!(outcome, Outcome::Answered));
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.field("Allow"), Some(allowed), "{method} {path}");
        }
    }
}

#[test]
fn malformed_targets_get_a_status_of_their_own_and_store_nothing() {
    let bench = Bench::new();
    let long = "k".repeat(4096);
    let longer = "k".repeat(4097);
    for (target, status) in [
        ("/london/a%".to_owned(), 400),
        ("/london/a%2".to_owned(), 400),
        ("/london/a%zz".to_owned(), 400),
        ("/lon%20don/a".to_owned(), 400),
        ("/%FF/a".to_owned(), 400),
        (format!("/{}/a", "r".repeat(65)), 400),
        (format!("/london/{longer}"), 414),
        (format!("/london/{long}"), 200),
    ] {
        assert_eq!(bench.put(&target, "v"), status, "{target}");
        let expected = if status == 200 {
            (200, "v")
        } else {
            (status, "")
        };
        let (status, body) = bench.ask(&format!("GET {target}"));
        assert_eq!(status, expected.0, "{target}");
        assert!(status != 200 || body == expected.1);
    }
    let (_, info) = bench.ask("GET /local_cache_info");
    assert!(info.ends_with(r#""currsize": 1}"#), "{info}");
}

#[test]
fn keys_are_the_decoded_bytes() {
    let bench = Bench::new();
    let keys: [(&str, &[u8]); 14] = [
        ("a%20b", b"a b"),
        ("a+b", b"a+b"),
        ("%41", b"A"),
        ("a%3Fb", b"a?b"),
        ("a%23b", b"a#b"),
        ("a%25b", b"a%b"),
        ("a%2541b", b"a%41b"),
        ("a%00b", b"a\0b"),
        ("a%5Cb", b"a\\b"),
        ("a&b=c;d", b"a&b=c;d"),
        ("a:@,b", b"a:@,b"),
        ("caf%C3%A9", "caf\u{e9}".as_bytes()),
        ("%C3%A9", "\u{e9}".as_bytes()),
        ("%F0%9F%A6%80", "\u{1f980}".as_bytes()),
    ];
    for (path, key) in keys {
        assert_eq!(bench.put(&format!("/london/{path}"), path), 200);
        let (value, _) = bench.held(key).expect(path);
        assert_eq!(value, path.as_bytes());
        assert_eq!(
            bench.ask(&format!("GET /london/{path}")),
            (200, path.to_owned())
        );
    }
}

#[test]
fn a_delete_answers_for_its_own_region_and_hides_the_rest() {
    let bench = Bench::new();
    bench.put("/london/near", "v");
    bench.put("/paris/far", "v");
    bench.put("/paris/other", "v");
    for (line, status) in [
        ("DELETE /london/none", 404),
        ("DELETE /london/near", 200),
        ("DELETE /london/near", 404),
        ("DELETE /london/far", 200),
        ("DELETE /mars/other", 200),
        ("DELETE /mars/none", 200),
    ] {
        assert_eq!(bench.ask(line), (status, String::new()), "{line}");
    }
    for key in ["near", "far", "other"] {
        assert_eq!(bench.ask(&format!("GET /london/{key}")).0, 404, "{key}");
    }
}

#[test]
fn expiry_is_read_as_stock_reads_it() {
    let bench = Bench::new();
    for (query, seconds) in [
        ("", 3600),
        ("?expiry=5", 5),
        ("?expiry=%205%20", 5),
        ("?expiry=+5", 5),
        ("?expiry=%2B5", 5),
        ("?expiry=007", 7),
        ("?expiry=1_000", 1000),
        ("?expiry=0", 1),
        ("?expiry=-9", 1),
        ("?expiry=10000000000000000000000000", 99_999_999),
        ("?expiry=1.5", 3600),
        ("?expiry=1e3", 3600),
        ("?expiry=0x10", 3600),
        ("?expiry=abc", 3600),
        ("?expiry=", 3600),
        ("?EXPIRY=5", 3600),
        ("?expiry=5&expiry=6", 6),
        ("?expiry=5;expiry=6", 3600),
        ("?recurse=0&expiry=8", 8),
    ] {
        assert_eq!(bench.put(&format!("/london/k{query}"), "v"), 200);
        let (_, life) = bench.held(b"k").expect("held");
        assert_eq!(life, Duration::from_secs(seconds), "{query}");
    }
}

#[test]
fn a_value_ends_with_its_life() {
    let mut bench = Bench::new();
    bench.put("/london/k?expiry=2", "v");
    bench.wait(Duration::from_millis(1999));
    assert_eq!(bench.ask("GET /london/k").0, 200);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.ask("GET /london/k").0, 404);
    assert_eq!(bench.ask("DELETE /london/k").0, 404);
}

#[test]
fn cache_info_counts_as_stock_does() {
    let bench = Bench::new();
    let json = |hits, misses, max, size| {
        let text = format!(
            r#"{{"hits": {hits}, "misses": {misses}, "maxsize": {max}, "currsize": {size}}}"#
        );
        (200, text)
    };
    bench.put("/london/near", "v");
    bench.put("/paris/far", "v");
    for line in [
        "GET /london/near",
        "HEAD /london/near",
        "GET /london/far",
        "GET /london/none",
    ] {
        bench.ask(line);
    }
    assert_eq!(bench.ask("GET /local_cache_info"), json(2, 2, 1024, 1));
    assert_eq!(bench.ask("GET /remote_cache_info"), json(1, 1, 4096, 1));
    let (_, answer) = bench.send("GET /local_cache_info", "", b"");
    assert_eq!(answer.field("Content-Type"), Some("application/json"));
}

#[test]
fn a_value_too_large_is_413_and_leaves_the_old_one() {
    let bench = Bench::new();
    bench.put("/london/k", "old");
    assert_eq!(bench.put("/london/k", &"x".repeat(100_001)), 413);
    assert_eq!(bench.ask("GET /london/k"), (200, "old".to_owned()));
    assert_eq!(bench.put("/london/k", &"x".repeat(100_000)), 200);
    assert_eq!(bench.ask("GET /london/k").1.len(), 100_000);
}

#[test]
fn bodies_may_come_chunked_or_with_no_length() {
    let bench = Bench::new();
    let chunked =
        b"PUT /london/c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(bench.raw(chunked).1.status, 200);
    assert_eq!(bench.ask("GET /london/c").1, "abc");
    assert_eq!(bench.raw(b"PUT /london/n HTTP/1.0\r\n\r\n").1.status, 200);
    assert_eq!(bench.ask("GET /london/n"), (200, String::new()));
}

#[test]
fn health_and_readiness_follow_the_nodes_life() {
    let mut bench = Bench::new();
    for (stage, ready) in [
        (Stage::Starting, 503),
        (Stage::Ready, 200),
        (Stage::Leaving, 503),
    ] {
        bench.stage = stage;
        assert_eq!(bench.ask("GET /healthz").0, 200);
        assert_eq!(bench.ask("GET /readyz").0, ready, "{stage:?}");
        // Nobody is to take one up that has said goodbye.
        let ping = if stage == Stage::Leaving { 503 } else { 200 };
        assert_eq!(bench.ask("GET /ping").0, ping, "{stage:?}");
        assert_eq!(
            bench.put("/london/k", "v"),
            200,
            "it serves as long as it answers"
        );
    }
}

#[test]
fn what_a_node_holds_is_told_to_nodes_alone() {
    let bench = Bench::new();
    let node = "Zc-Node: 000000b2 paris 6789\r\n";
    for (path, expected) in [
        ("/_zc/1/digest", Some("Digest")),
        ("/_zc/1/records?what=values", Some("Page")),
        ("/_zc/1/records?at=5.1", Some("Picked")),
        ("/_zc/1/records", None),
        ("/_zc/1/records?what=all", None),
    ] {
        let (outcome, answer) = bench.send(&format!("GET {path}"), "", b"");
        assert!(matches!(outcome, Outcome::Answered) && answer.status == 403);
        let (outcome, answer) = bench.send(&format!("GET {path}"), node, b"");
        match (outcome, expected) {
            (Outcome::Sync { query, hello }, Some(expected)) => {
                assert_eq!(hello.as_deref(), Some("000000b2 paris 6789"));
                assert!(format!("{query:?}").starts_with(expected));
                assert_eq!(answer.status, 0);
            }
            (Outcome::Answered, None) => assert_eq!(answer.status, 400),
            (outcome, _) => panic!("{path}: {outcome:?}"),
        }
    }
}

#[test]
fn a_node_that_lacks_what_others_hold_looks_up_what_it_misses() {
    let mut bench = Bench::new();
    bench.ask("PUT /london/held");
    bench.warming = true;
    assert_eq!(bench.ask("GET /london/held").0, 200);
    for line in [
        "GET /london/a%2Fb",
        "HEAD /london/a%2Fb",
        "GET /paris/a%2Fb?x=1",
    ] {
        let (outcome, answer) = bench.send(line, "", b"");
        let Outcome::LookUp { key } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((&*key, answer.status), (&b"a/b"[..], 0));
    }
    // Not for a node, which asks what is here; nor where that is said.
    for field in [
        "Zc-Node: 000000b2 paris 6789\r\n",
        "Zc-Version: 018bcfe568000000-000000b2\r\n",
    ] {
        assert_eq!(bench.send("GET /london/none", field, b"").1.status, 404);
    }
    assert_eq!(bench.ask("GET /london/none?recurse=0").0, 404);
    bench.warming = false;
    assert_eq!(bench.ask("GET /london/none").0, 404);
}

#[test]
fn pages_that_need_more_are_left_to_the_driver() {
    let bench = Bench::new();
    for (path, expected) in [
        ("/", Page::Index),
        ("/status", Page::Status),
        ("/metrics", Page::Metrics),
    ] {
        let (outcome, answer) = bench.send(&format!("GET {path}"), "", b"");
        assert!(
            matches!(outcome, Outcome::Page(page) if page == expected),
            "{outcome:?}"
        );
        assert_eq!(answer.status, 0);
    }
    for (field, expected) in [
        ("", None),
        (
            "Zc-Node: 000000b2 paris 6789\r\n",
            Some("000000b2 paris 6789"),
        ),
    ] {
        let (outcome, answer) = bench.send("GET /_zc/1/members", field, b"");
        let Outcome::Members { hello } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(hello.as_deref(), expected);
        assert_eq!(answer.status, 0);
    }
    let long = format!("Zc-Node: {}\r\n", "x".repeat(500));
    let (outcome, _) = bench.send("GET /_zc/1/members", &long, b"");
    assert!(matches!(outcome, Outcome::Members { hello: None }));
}
