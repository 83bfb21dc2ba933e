use crate::net::{Net, addr, by_multicast};
use zerocache_proto::cache::Bounds;
use zerocache_proto::cluster::Config as ClusterConfig;
use zerocache_proto::node::{Config, ConnId, Input, Node, Output};
use zerocache_proto::service::Stage;
use zerocache_proto::{Duration, Instant, Now, Region};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn pages_show_the_node_and_its_peers() {
    let mut net = Net::new(&["london", "london", "paris"]);
    net.ask(0, "PUT /london/k", "v");
    net.run(SECOND);
    let (status, page, _) = net.ask(0, "GET /status", "");
    assert_eq!(status, 200);
    let id = net.node(0).id().expect("a node");
    for part in [
        format!(r#"{{"id": "{id}", "region": "london""#),
        r#""stage": "ready""#.to_owned(),
        r#""latency_ms": "#.to_owned(),
        format!(
            r#""address": "{}", "kind": "zc", "routable": true"#,
            addr(2)
        ),
        r#""spreading": 0, "delivered": 2, "failed": 0"#.to_owned(),
    ] {
        assert!(page.contains(&part), "{part} not in {page}");
    }
    let (_, page, _) = net.ask(0, "GET /metrics", "");
    assert!(
        page.contains("zerocache_writes_total{kind=\"put\"} 1\n"),
        "{page}"
    );
    let (_, page, _) = net.ask(0, "GET /", "");
    assert!(page.contains("<h1>zerocache") && page.ends_with("</html>\n"));
    let (_, page, _) = net.ask(0, "GET /_zc/1/members", "");
    assert!(
        page.starts_with(&format!("{id} london {} zc\n", addr(0))),
        "{page}"
    );
    assert_eq!(page.lines().count(), 3);
}

#[test]
fn a_node_is_ready_from_announcement_to_goodbye() {
    let mut net = Net::new(&["london", "london"]);
    net.run(10 * SECOND);
    assert_eq!(net.node(0).stage(), Stage::Ready);
    assert_eq!(net.ask(0, "GET /readyz", "").0, 200);
    net.input(0, Input::Leave);
    assert_eq!(net.ask(0, "GET /readyz", "").0, 503);
    assert_eq!(net.ask(0, "GET /healthz", "").0, 200);
    net.run(SECOND);
    assert!(net.node(0).is_left());
}

#[test]
fn nodes_find_each_other_by_multicast_and_lose_whom_they_hear_go() {
    let mut net = Net::with(&["london", "london", "paris"], by_multicast);
    net.ask(0, "PUT /london/k", "v");
    net.run(SECOND);
    for node in 0..3 {
        assert_eq!(net.get(node, "/london/k").as_deref(), Some("v"), "{node}");
    }
    net.input(1, Input::Leave);
    net.run(3 * SECOND);
    assert!(net.node(1).is_left());
    for (node, others) in [(0, 1), (2, 1)] {
        assert_eq!(net.node(node).view().peers().count(), others, "{node}");
    }
}

#[test]
fn time_passing_with_nothing_due_changes_nothing() {
    let mut net = Net::new(&["london", "london"]);
    net.ask(0, "PUT /london/k?expiry=99", "v");
    for _ in 0..200 {
        net.run(Duration::from_millis(7));
        let before = net.node(0).poll_timeout();
        if before.is_some_and(|at| at > net.clock().mono) {
            net.log.clear();
            net.input(0, Input::Tick);
            net.input(0, Input::Tick);
            assert_eq!(net.node(0).poll_timeout(), before);
            assert_eq!(net.log, []);
        }
    }
}

#[test]
fn a_node_told_to_hold_less_lets_go_of_what_was_used_least_recently() {
    let mut net = Net::new(&["london", "paris"]);
    for n in 0..5 {
        net.ask(0, &format!("PUT /london/k{n}"), "v");
        net.ask(1, &format!("PUT /paris/p{n}"), "v");
    }
    net.run(SECOND);
    net.get(0, "/london/k0");
    let entries = Bounds::entries;
    let (local, remote) = (entries(2), entries(1));
    net.input(0, Input::Resize { local, remote });
    let cache = net.node(0).facts(net.clock()).cache;
    assert_eq!((cache.local.entries, cache.local.max_entries), (2, 2));
    assert_eq!((cache.remote.entries, cache.remote.evictions), (1, 4));
    let held = |net: &mut Net, key: &str| net.get(0, &format!("/london/{key}")).is_some();
    let kept: Vec<bool> = ["k0", "k1", "k2", "k3", "k4", "p3", "p4"]
        .map(|key| held(&mut net, key))
        .into();
    assert_eq!(kept, [true, false, false, false, true, false, true]);
    let (local, remote) = (entries(100), entries(100));
    net.input(0, Input::Resize { local, remote });
    for n in 0..50 {
        net.ask(0, &format!("PUT /london/k{n}"), "v");
    }
    assert_eq!(net.node(0).facts(net.clock()).cache.local.entries, 50);
}

#[test]
fn writes_beyond_what_can_spread_at_once_arrive_all_the_same() {
    let mut net = Net::new(&["london", "paris"]);
    let conn = net.open(0);
    let writes = 3000;
    for n in 0..writes {
        let put = format!("PUT /london/k{n} HTTP/1.1\r\nContent-Length: 1\r\n\r\nv");
        net.write(0, conn, put.as_bytes());
    }
    assert_eq!(net.read(conn).0.matches("HTTP/1.1 200").count(), writes);
    let queues = net.node(0).facts(net.clock()).queues;
    assert_eq!(queues.spreading, 1024);
    assert_eq!(queues.spreading + queues.waiting, writes as u64);
    net.run(180 * SECOND);
    let queues = net.node(0).facts(net.clock()).queues;
    assert_eq!(
        (queues.spreading, queues.waiting, queues.dropped),
        (0, 0, 0)
    );
    let held = net.node(1).facts(net.clock()).cache.remote.entries;
    assert_eq!(held, writes as u64);
}

#[test]
fn one_connection_serves_many_requests_in_order() {
    let mut net = Net::new(&["london", "london"]);
    let conn = net.open(0);
    let script = "PUT /london/a HTTP/1.1\r\nContent-Length: 1\r\n\r\n1\
                  GET /london/a HTTP/1.1\r\n\r\n\
                  DELETE /london/a HTTP/1.1\r\n\r\n\
                  GET /london/a HTTP/1.1\r\n\r\n";
    // In pieces, down to single bytes, while the writes' answers are kept back for their copies.
    for piece in script.as_bytes().chunks(7) {
        net.write(0, conn, piece);
    }
    let (first, _) = net.read(conn);
    assert_eq!(first, "", "the first answer waits for its copy");
    net.run(SECOND);
    let (text, closed) = net.read(conn);
    let statuses: Vec<_> = text.matches("HTTP/1.1 ").collect();
    assert_eq!(statuses.len(), 4, "{text}");
    let codes: Vec<_> = text
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..3])
        .collect();
    assert_eq!(codes, ["200", "200", "200", "404"]);
    assert!(!closed);
}

#[test]
fn a_client_that_goes_does_not_stop_the_spread() {
    let mut net = Net::new(&["london", "london"]);
    let conn = net.open(0);
    net.write(
        0,
        conn,
        b"PUT /london/k HTTP/1.1\r\nContent-Length: 1\r\n\r\nv",
    );
    net.input(0, Input::Closed(ConnId::In(conn)));
    net.run(SECOND);
    assert_eq!(net.get(1, "/london/k").as_deref(), Some("v"));
}

#[test]
fn a_client_that_ends_its_half_still_gets_its_answer() {
    let mut net = Net::new(&["london", "london"]);
    let conn = net.open(0);
    net.write(
        0,
        conn,
        b"PUT /london/k HTTP/1.1\r\nContent-Length: 1\r\n\r\nv",
    );
    net.write(0, conn, b"");
    net.run(SECOND);
    let (text, closed) = net.read(conn);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(closed);
}

#[test]
fn garbage_is_answered_and_the_connection_closed() {
    let mut net = Net::new(&["london"]);
    let conn = net.open(0);
    net.write(0, conn, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n");
    net.run(5 * SECOND);
    let (text, closed) = net.read(conn);
    assert!(text.starts_with("HTTP/1.1 400"), "{text}");
    assert!(closed);
    // A head that never comes.
    let conn = net.open(0);
    net.write(0, conn, b"GET /lon");
    net.run(15 * SECOND);
    let (text, closed) = net.read(conn);
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
    assert!(closed);
}

#[test]
fn who_sends_on_and_on_without_reading_is_shown_out() {
    let mut net = Net::new(&["london", "london"]);
    let conn = net.open(0);
    net.write(
        0,
        conn,
        b"PUT /london/k HTTP/1.1\r\nContent-Length: 1\r\n\r\nv",
    );
    let request = b"GET /london/k HTTP/1.1\r\n\r\n".repeat(10_000);
    let mut closed = false;
    for _ in 0..10 {
        net.write(0, conn, &request);
        closed |= net.read(conn).1;
    }
    assert!(closed);
    let held = net.get(1, "/london/k?recurse=0");
    assert_eq!(held, None, "no time has passed");
    net.run(SECOND);
    assert_eq!(net.get(1, "/london/k").as_deref(), Some("v"));
}

#[test]
fn unknown_connections_and_tokens_are_ignored() {
    let mut net = Net::new(&["london"]);
    for conn in [ConnId::In(999), ConnId::Out(999)] {
        net.input(
            0,
            Input::Received {
                conn,
                bytes: b"GET / HTTP/1.1\r\n\r\n",
            },
        );
        net.input(0, Input::Closed(conn));
    }
    net.input(0, Input::Connected(999));
    net.input(
        0,
        Input::ConnectFailed {
            conn: 999,
            why: zerocache_proto::Failure::Reset,
        },
    );
    net.input(
        0,
        Input::Resolved {
            token: 999,
            addrs: &[],
        },
    );
    net.input(0, Input::InterfaceDown(7));
}

#[test]
fn expired_values_are_freed_without_being_asked_for() {
    let mut net = Net::new(&["london"]);
    for n in 0..1000 {
        net.ask(0, &format!("PUT /london/k{n}?expiry=2"), "v");
    }
    assert!(net.node(0).facts(net.clock()).cache.local.bytes > 0);
    net.run(3 * SECOND);
    let cache = net.node(0).facts(net.clock()).cache;
    assert_eq!((cache.local.bytes, cache.local.expirations), (0, 1000));
}

#[test]
fn expired_values_are_freed_however_busy_the_node_is() {
    let mut net = Net::new(&["london"]);
    for n in 0..1000 {
        net.ask(0, &format!("PUT /london/k{n}?expiry=2"), "v");
    }
    // More often than it takes its pauses.
    for _ in 0..10_000 {
        net.run(Duration::from_micros(300));
        net.input(0, Input::InterfaceDown(7));
    }
    assert_eq!(net.node(0).facts(net.clock()).cache.local.bytes, 0);
}

#[test]
fn who_is_refused_hears_the_end_at_once_and_is_heard_out() {
    let mut net = Net::new(&["london"]);
    let conn = net.open(0);
    net.write(0, conn, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n");
    assert!(net.read(conn).0.starts_with("HTTP/1.1 400"));
    assert!(net.is_half_closed(conn), "no time has passed");
    net.write(0, conn, b"what was under way already");
    assert!(net.is_half_closed(conn));
    net.write(0, conn, b"");
    assert!(net.read(conn).1, "it has hung up, too");
}

#[test]
fn who_does_not_read_is_not_read_from_and_gets_all_later() {
    let mut net = Net::new(&["london"]);
    let value = "v".repeat(10_000);
    net.ask(0, "PUT /london/k?expiry=600", &value);
    let conn = net.open_deaf(0);
    let requests = b"GET /london/k HTTP/1.1\r\n\r\n".repeat(2_000);
    let id = ConnId::In(conn);
    let mut parts = requests.chunks(100);
    for part in parts.by_ref() {
        net.write(0, conn, part);
        if !net.node(0).wants_read(id) {
            break;
        }
    }
    assert!(parts.len() > 0, "reads all, however much is not taken");
    assert!(net.node(0).write_buf(id).len() < 200_000);
    let mut heard = String::new();
    loop {
        net.hear(0, conn, 100_000);
        let (text, closed) = net.read(conn);
        assert!(!closed);
        if text.is_empty() {
            break;
        }
        heard += &text;
        if let Some(part) = parts.next() {
            net.write(0, conn, part);
        }
    }
    assert_eq!(heard.matches("HTTP/1.1 200").count(), 2_000);
    // Another one, who takes nothing at all, is given up.
    let conn = net.open_deaf(0);
    net.write(0, conn, &requests);
    net.run(15 * SECOND);
    assert!(net.read(conn).1);
}

#[test]
fn who_was_paused_asks_nothing_that_is_too_late() {
    let at = |millis| Now {
        mono: Instant::from_millis(millis),
        unix_ms: 1_700_000_000_000 + millis,
    };
    let mut cluster = ClusterConfig::node(Region::new("london").expect("valid"), addr(0));
    cluster.peers = vec![format!("{}", addr(1)).parse().expect("a peer")];
    let mut node = Node::new(at(0), Config::new(cluster, 1));
    node.handle(at(0), Input::Announce);
    let mut outputs = std::iter::from_fn(|| node.poll_output());
    let asked = outputs.find_map(|output| match output {
        Output::Connect { conn, .. } => Some(conn),
        _ => None,
    });
    let conn = asked.expect("its peer");
    // It stands still, and finds the connection made.
    node.handle(at(30_000), Input::Connected(conn));
    let outputs: Vec<_> = std::iter::from_fn(|| node.poll_output()).collect();
    assert!(!outputs.contains(&Output::Write(ConnId::Out(conn))));
    assert!(outputs.contains(&Output::Close(ConnId::Out(conn))));
}
