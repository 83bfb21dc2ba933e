//! What a request says and how it is answered.

use bytes::Bytes;
use zerocache_proto::http::{ContentType, HttpDate, Limits, Method, Reply, ServerConn, Status};
use zerocache_proto::{Instant, NodeId};
use zerocache_store::Value;

use crate::support::{Peer, answers, play};

#[test]
fn a_request_is_lent_as_it_came() {
    let peer = play(
        "PUT /london/a%20b?expiry=5&recurse=0 HTTP/1.1\r\nHost: a:6789\r\nContent-Length: 5\r\n\
         Zc-Version: 0123456789abcdef-a1b2c3d4\r\nzc-node: 0a0b0c0d paris 6789\r\n\r\nvalue",
    );
    let seen = &peer.seen[0];
    assert_eq!(seen.method, Method::Put);
    assert_eq!(seen.path, b"/london/a%20b");
    assert_eq!(seen.query.as_deref(), Some(&b"expiry=5&recurse=0"[..]));
    assert_eq!(seen.body, b"value");
    assert_eq!(seen.version, "0123456789abcdef-a1b2c3d4".parse().ok());
    assert_eq!(seen.node.as_deref(), Some(&b"0a0b0c0d paris 6789"[..]));
    assert_eq!(peer.owned, [false]);
    assert!(!peer.is_over());
}

#[test]
fn answers_are_exactly_these_bytes() {
    let mut peer = Peer::new();
    peer.conn.set_date(HttpDate::from_unix_seconds(784_111_777));
    peer.send("GET /a/b HTTP/1.1\r\n\r\nDELETE /a/b HTTP/1.1\r\n\r\nPOST /a/b HTTP/1.1\r\n\r\n");
    assert_eq!(
        String::from_utf8(peer.out).unwrap(),
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\
         Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 4\r\n\r\n/a/b\
         HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n\
         HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD, PUT, DELETE\r\n\
         Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn all_requests_of_a_read_are_answered_in_one_piece_of_output() {
    let mut peer = Peer::new();
    peer.deaf = true;
    let script: String = (0..16)
        .map(|i| format!("GET /r/{i} HTTP/1.1\r\n\r\n"))
        .collect();
    peer.send(script);
    assert_eq!(peer.seen.len(), 16);
    let answers = answers(peer.conn.write_buf(), &[]);
    let bodies: Vec<_> = answers.into_iter().map(|answer| answer.body).collect();
    let paths: Vec<_> = peer.seen.into_iter().map(|seen| seen.path).collect();
    assert_eq!(bodies, paths);
}

#[test]
fn head_has_the_length_and_no_body() {
    let peer = play("HEAD /a/bc HTTP/1.1\r\n\r\nGET /a/d HTTP/1.1\r\n\r\n");
    let answers = peer.answers();
    assert_eq!(answers[0].field("Content-Length"), Some("5"));
    assert_eq!(answers[1].body, b"/a/d");
}

#[test]
fn an_empty_value_is_a_200_and_no_204() {
    let mut peer = Peer::new();
    peer.defer = true;
    peer.send("GET /a/b HTTP/1.1\r\n\r\n");
    peer.conn.respond(peer.now, Reply::Value(Bytes::new()));
    peer.drain();
    assert_eq!(peer.statuses(), [200]);
    assert_eq!(peer.answers()[0].field("Content-Length"), Some("0"));
}

#[test]
fn connections_persist_as_asked() {
    let cases = [
        ("GET /a/b HTTP/1.1\r\n\r\n", true, None),
        (
            "GET /a/b HTTP/1.1\r\nConnection: close\r\n\r\n",
            false,
            Some("close"),
        ),
        (
            "GET /a/b HTTP/1.1\r\nConnection: x, CLOSE ,y\r\n\r\n",
            false,
            Some("close"),
        ),
        (
            "GET /a/b HTTP/1.1\r\nConnection: x\r\nConnection: close\r\n\r\n",
            false,
            Some("close"),
        ),
        (
            "GET /a/b HTTP/1.1\r\nConnection: keep-alive\r\n\r\n",
            true,
            None,
        ),
        ("GET /a/b HTTP/1.0\r\n\r\n", false, Some("close")),
        (
            "GET /a/b HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
            true,
            Some("keep-alive"),
        ),
        (
            "GET /a/b HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
            false,
            Some("close"),
        ),
    ];
    for (script, persists, said) in cases {
        let mut peer = play(script);
        assert_eq!(peer.statuses(), [200], "{script}");
        assert_eq!(peer.conn.is_closed(), !persists, "{script}");
        assert_eq!(peer.answers()[0].field("Connection"), said, "{script}");
        peer.send(script);
        assert_eq!(peer.seen.len(), if persists { 2 } else { 1 }, "{script}");
    }
}

#[test]
fn what_follows_the_last_request_is_not_taken_for_one() {
    let mut peer = play("GET /a/b HTTP/1.1\r\nConnection: close\r\n\r\nGET /a/c HTTP/1.1\r\n\r\n");
    assert_eq!(peer.seen.len(), 1);
    // Bytes nobody read: a plain close would reset the connection under the answer.
    assert!(peer.conn.wants_linger());
    peer.eof();
    assert!(peer.conn.is_closed());
}

#[test]
fn empty_lines_before_a_request_are_ignored() {
    let peer = play("\r\n\r\nGET /a/b HTTP/1.1\r\n\r\n\r\nGET /a/c HTTP/1.1\r\n\r\n\r\n");
    assert_eq!(peer.statuses(), [200, 200]);
    assert!(peer.conn.is_idle());
}

#[test]
fn whole_requests_are_answered_after_the_client_stopped_sending() {
    let mut peer = Peer::new();
    peer.deaf = true;
    peer.send("GET /a/b HTTP/1.1\r\n\r\nGET /a/c HTTP/1.1\r\n\r\n");
    peer.eof();
    assert!(!peer.conn.is_closed());
    peer.deaf = false;
    peer.turn();
    assert_eq!(peer.statuses(), [200, 200]);
    assert!(peer.conn.is_closed());
}

#[test]
fn what_was_cut_off_is_refused() {
    for script in [
        "GET /a/b HT",
        "PUT /a/b HTTP/1.1\r\nContent-Length: 5\r\n\r\nvalu",
    ] {
        let mut peer = play(script);
        peer.eof();
        assert_eq!(peer.statuses(), [400], "{script}");
        assert!(peer.seen.is_empty() && peer.conn.is_closed());
    }
    // Nothing begun, nothing said.
    let mut peer = play("\r\n");
    peer.eof();
    assert!(peer.out.is_empty() && peer.conn.is_closed());
}

#[test]
fn the_authority_of_a_target_is_ignored() {
    let cases = [
        ("http://other:80/a/b", "/a/b", None),
        ("HTTPS://other/a/b?c", "/a/b", Some("c")),
        ("http://other", "/", None),
        ("http://other?c=/d", "/", Some("c=/d")),
        ("/http://x/y", "/http://x/y", None),
        ("/a/b?c?d", "/a/b", Some("c?d")),
        ("/a/b?", "/a/b", Some("")),
        ("/a/caf\u{e9}", "/a/caf\u{e9}", None),
    ];
    for (target, path, query) in cases {
        let peer = play(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(peer.seen[0].path, path.as_bytes(), "{target}");
        assert_eq!(
            peer.seen[0].query,
            query.map(|q| q.as_bytes().to_vec()),
            "{target}"
        );
    }
}

#[test]
fn methods_are_case_sensitive_and_unknown_ones_are_handed_out() {
    let peer = play(
        "get /a/b HTTP/1.1\r\n\r\nPOST /a/b HTTP/1.1\r\nContent-Length: 2\r\n\r\nxy\
         OPTIONS * HTTP/1.1\r\n\r\nDELETE /a/b HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz",
    );
    let methods: Vec<_> = peer.seen.iter().map(|seen| seen.method).collect();
    assert_eq!(
        methods,
        [Method::Other, Method::Other, Method::Other, Method::Delete]
    );
    assert_eq!(peer.seen[2].path, b"*");
    assert_eq!(peer.statuses(), [405, 405, 405, 200]);
}

#[test]
fn nodes_are_told_who_answers_and_others_are_not() {
    let mut peer = Peer::new();
    peer.conn.set_node(Some(NodeId::from_bits(0x00ab_12cd)));
    peer.send("GET /ping HTTP/1.1\r\n\r\n");
    peer.send("GET /_zc/1/members HTTP/1.1\r\n\r\n");
    peer.send("GET /a/b HTTP/1.1\r\nZc-Node: x\r\n\r\n");
    peer.send("GET /a/b HTTP/1.1\r\nZc-Version: 0123456789abcdef-a1b2c3d4\r\n\r\n");
    peer.send("GET /a/ping HTTP/1.1\r\n\r\n");
    let answers = peer.answers();
    let said: Vec<_> = answers
        .iter()
        .map(|answer| answer.field("Zc-Node"))
        .collect();
    assert_eq!(
        said,
        [
            Some("00ab12cd"),
            Some("00ab12cd"),
            Some("00ab12cd"),
            Some("00ab12cd"),
            None
        ]
    );
}

#[test]
fn a_deferred_request_holds_up_those_behind_it() {
    let mut peer = Peer::new();
    peer.defer = true;
    peer.send("PUT /a/b HTTP/1.1\r\nContent-Length: 1\r\n\r\nxGET /a/c HTTP/1.1\r\n\r\n");
    assert_eq!((peer.seen.len(), peer.out.len()), (1, 0));
    assert_eq!(peer.conn.poll_timeout(), None);
    assert!(!peer.conn.is_idle());
    peer.defer = false;
    peer.conn.respond(peer.now, Reply::Status(Status::Ok));
    // There is but one answer to a request.
    peer.conn.respond(peer.now, Reply::Status(Status::Internal));
    peer.turn();
    assert_eq!(peer.seen.len(), 2);
    assert_eq!(peer.statuses(), [200, 200]);
}

#[test]
fn a_dropped_responder_is_a_deferred_answer() {
    let mut conn = ServerConn::new(Instant::ORIGIN, Limits::default());
    let script = b"GET /a/b HTTP/1.1\r\n\r\n";
    conn.read_buf()[..script.len()].copy_from_slice(script);
    conn.handle_read(Instant::ORIGIN, script.len());
    drop(conn.poll_request(Instant::ORIGIN));
    assert!(conn.poll_request(Instant::ORIGIN).is_none());
    let page = Reply::Page(Status::Ok, ContentType::Json, Bytes::from_static(b"{}"));
    conn.respond(Instant::ORIGIN, page);
    let answers = answers(conn.write_buf(), &[]);
    assert_eq!(answers[0].field("Content-Type"), Some("application/json"));
    assert_eq!(answers[0].body, b"{}");
}

#[test]
fn every_kind_of_answer_is_well_formed() {
    let replies = [
        (Reply::Status(Status::Unavailable), 503),
        (Reply::Status(Status::MethodNotAllowed), 405),
        (Reply::NotAllowed("GET, HEAD"), 405),
        (Reply::Value(Bytes::from_static(b"v")), 200),
        (
            Reply::Page(
                Status::NotFound,
                ContentType::Html,
                Bytes::from_static(b"<p>"),
            ),
            404,
        ),
        (
            Reply::Page(
                Status::Ok,
                ContentType::Text,
                Bytes::from(vec![b'x'; 200_000]),
            ),
            200,
        ),
    ];
    let mut peer = Peer::new();
    peer.defer = true;
    for (reply, _) in replies.clone() {
        peer.send("GET /a/b HTTP/1.1\r\n\r\n");
        peer.conn.respond(peer.now, reply);
        peer.turn();
    }
    assert_eq!(peer.statuses(), replies.map(|(_, status)| status));
    let answers = peer.answers();
    assert_eq!(answers[0].field("Retry-After"), Some("1"));
    assert_eq!(answers[2].field("Allow"), Some("GET, HEAD"));
    assert_eq!(answers[5].body.len(), 200_000);
}

#[test]
fn a_responder_can_end_the_connection() {
    let mut peer = Peer::new();
    let script = b"GET /a/b HTTP/1.1\r\n\r\n";
    peer.conn.read_buf()[..script.len()].copy_from_slice(script);
    peer.conn.handle_read(peer.now, script.len());
    let (_, mut responder) = peer.conn.poll_request(peer.now).unwrap();
    responder.close();
    responder.value(Value::Inline(b"bye"));
    peer.drain();
    assert_eq!(peer.answers()[0].field("Connection"), Some("close"));
    assert!(peer.conn.is_closed());
}

#[test]
fn a_graceful_close_cuts_nothing_off() {
    // Idle: at once.
    let mut peer = play("GET /a/b HTTP/1.1\r\n\r\n");
    peer.conn.close(peer.now);
    assert!(peer.conn.is_closed());
    assert_eq!(peer.conn.poll_timeout(), None);
    // In the middle of a request: with its answer.
    let mut peer = play("GET /a/b HT");
    peer.conn.close(peer.now);
    assert!(!peer.conn.is_closed());
    peer.send("TP/1.1\r\n\r\n");
    assert_eq!(peer.answers()[0].field("Connection"), Some("close"));
    assert!(peer.conn.is_closed());
    // Deferred: with its answer.
    let mut peer = Peer::new();
    peer.defer = true;
    peer.send("GET /a/b HTTP/1.1\r\n\r\n");
    peer.conn.close(peer.now);
    peer.conn.respond(peer.now, Reply::Status(Status::Ok));
    peer.turn();
    assert_eq!(peer.answers()[0].field("Connection"), Some("close"));
    assert!(peer.conn.is_closed());
    // Answered, but the answer is not out.
    let mut peer = Peer::new();
    peer.deaf = true;
    peer.send("GET /a/b HTTP/1.1\r\n\r\n");
    peer.conn.close(peer.now);
    assert!(!peer.conn.is_closed() && !peer.conn.write_buf().is_empty());
    peer.drain();
    assert!(peer.conn.is_closed());
}

#[test]
fn an_idle_connection_is_one_with_nothing_begun() {
    let mut peer = Peer::new();
    assert!(peer.conn.is_idle());
    peer.send("GET /a/b");
    assert!(!peer.conn.is_idle());
    peer.deaf = true;
    peer.send(" HTTP/1.1\r\n\r\n");
    assert!(!peer.conn.is_idle());
    peer.drain();
    assert!(peer.conn.is_idle());
}

#[test]
fn nothing_of_a_request_is_echoed_in_a_head() {
    let peer = play("GET /a/%0d%0aSet-Cookie:%20x HTTP/1.1\r\nX: echo\r\n\r\n");
    let head = peer.out.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&peer.out[..head]).unwrap();
    assert!(!head.contains("Cookie") && !head.contains("echo"), "{head}");
}
