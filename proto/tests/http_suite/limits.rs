//! What a connection may cost.

use bytes::Bytes;
use zerocache_proto::http::{Limits, Reply};
use zerocache_store::Value;

use crate::support::{Peer, play};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn one_status(script: &str) -> u16 {
    let peer = play(script);
    let shown = &script[..script.len().min(60)];
    assert_eq!(peer.statuses().len(), 1, "{shown}");
    assert_eq!(peer.is_over(), peer.statuses()[0] != 200, "{shown}");
    peer.statuses()[0]
}

#[test]
fn a_head_of_16_kib() {
    let frame = "GET /a/b HTTP/1.1\r\nName: \r\n\r\n".len();
    let script = |len| {
        format!(
            "GET /a/b HTTP/1.1\r\nName: {}\r\n\r\n",
            "x".repeat(len - frame)
        )
    };
    assert_eq!(one_status(&script(16 * KIB)), 200);
    assert_eq!(one_status(&script(16 * KIB + 1)), 431);
    // A head without an end is refused as soon as it is too long.
    let mut peer = play("GET /a/b HTTP/1.1\r\nName: ");
    assert!(peer.send(vec![b'x'; 64 * KIB]) > 16 * KIB - 30);
    assert_eq!(peer.statuses(), [431]);
}

#[test]
fn a_method_has_no_length_of_its_own() {
    assert_eq!(one_status(&"M".repeat(17 * KIB)), 431);
}

#[test]
fn sixty_four_headers() {
    let script = |n: usize| format!("GET /a/b HTTP/1.1\r\n{}\r\n", "N: v\r\n".repeat(n));
    assert_eq!(one_status(&script(64)), 200);
    assert_eq!(one_status(&script(65)), 431);
}

#[test]
fn a_target_of_8_kib() {
    let script = |len| format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(len - 1));
    assert_eq!(one_status(&script(8 * KIB)), 200);
    assert_eq!(one_status(&script(8 * KIB + 1)), 414);
    // Whether or not its end, or a fault behind it, has come.
    assert_eq!(one_status(&format!("GET /{}", "x".repeat(8 * KIB))), 414);
    assert_eq!(
        one_status(&format!("GET /{} HTTP/9\r\n bad\r\n", "x".repeat(8 * KIB))),
        414
    );
}

#[test]
fn a_value_of_16_mib() {
    let script = |len| format!("PUT /a/b HTTP/1.1\r\nContent-Length: {len}\r\n\r\n");
    // Refused before any of it is read.
    for len in [
        "16777217",
        "1099511627776",
        "99999999999999999999999999999999999",
    ] {
        let mut peer = play(script(len.to_owned()));
        assert_eq!(peer.statuses(), [413]);
        assert!(peer.conn.wants_linger());
        assert_eq!(peer.conn.body_reserved(), 0);
        peer.eof();
        assert!(peer.conn.is_closed());
    }
    let mut peer = play(script((16 * MIB).to_string()));
    peer.send(vec![7; 16 * MIB]);
    assert_eq!(peer.statuses(), [200]);
    assert_eq!(peer.seen[0].body.len(), 16 * MIB);
}

#[test]
fn a_chunked_value_of_16_mib() {
    let head = "PUT /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    // Refused by the size that is too much.
    for chunk in ["1000001\r\n", "fffffffffffffffffffffffffffffffff\r\n"] {
        assert_eq!(one_status(&format!("{head}{chunk}")), 413);
    }
    let mut peer = play(head);
    for _ in 0..16 {
        peer.send("100000\r\n");
        peer.send(vec![7; MIB]);
        peer.send("\r\n");
    }
    assert!(peer.out.is_empty());
    peer.send("1\r\n");
    assert_eq!(peer.statuses(), [413]);
}

#[test]
fn chunk_lines_extensions_and_trailers() {
    let head = "PUT /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let line = |len: usize| format!("{head}1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(len - 4));
    assert_eq!(one_status(&line(256)), 200);
    assert_eq!(one_status(&line(257)), 431);
    assert_eq!(
        one_status(&format!("{head}{}1\r\nx\r\n0\r\n\r\n", "0".repeat(256))),
        431
    );
    let lines = format!("1;{}\r\nx\r\n", "e".repeat(200)).repeat(45);
    assert_eq!(one_status(&format!("{head}{lines}0\r\n\r\n")), 431);
    let trailer = |len| format!("{head}0\r\nT: {}\r\n\r\n", "t".repeat(len));
    assert_eq!(one_status(&trailer(8 * KIB - 100)), 200);
    assert_eq!(one_status(&trailer(8 * KIB)), 431);
}

#[test]
fn output_nobody_takes_stops_the_parsing() {
    let mut peer = Peer::new();
    peer.deaf = true;
    let request = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1000));
    let mut sent = 0;
    for _ in 0..1000 {
        sent += peer.send(&request);
    }
    // 64 KiB of answers, and a read buffer full of requests.
    let answered = peer.seen.len() * 1080;
    assert!((64 * KIB..66 * KIB).contains(&answered), "{answered}");
    assert!(sent < 64 * KIB + 16 * KIB, "{sent}");
    assert!(peer.conn.read_buf().is_empty());
    assert!(peer.conn.buffered() <= 256 * KIB);
    peer.deaf = false;
    peer.turn();
    assert_eq!(peer.seen.len(), sent / request.len());
}

#[test]
fn a_client_that_takes_little_at_a_time_costs_no_more() {
    let mut peer = Peer::new();
    peer.deaf = true;
    let request = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1000));
    for _ in 0..5000 {
        peer.send(&request);
        let n = peer.conn.write_buf().len().min(1000);
        peer.conn.handle_written(peer.now, n);
        peer.turn();
        assert!(peer.conn.buffered() <= 300 * KIB);
    }
}

#[test]
fn a_long_value_is_sent_from_where_it_is() {
    let value = Bytes::from(vec![9; 32 * KIB + 1]);
    let mut peer = Peer::new();
    peer.deaf = true;
    peer.defer = true;
    peer.send("GET /a/b HTTP/1.1\r\n\r\nGET /a/c HTTP/1.1\r\n\r\n");
    peer.conn.respond(peer.now, Reply::Value(value.clone()));
    peer.turn();
    assert_eq!(
        peer.seen.len(),
        1,
        "no answer may come before the value is out"
    );
    let head = peer.conn.write_buf().len();
    assert!(
        peer.conn
            .write_buf()
            .ends_with(b"Content-Length: 32769\r\n\r\n")
    );
    peer.conn.handle_written(peer.now, head);
    assert_eq!(peer.conn.write_buf().as_ptr(), value.as_ptr());
    assert_eq!(peer.conn.write_buf().len(), value.len());
    peer.conn.handle_written(peer.now, 1000);
    assert_eq!(peer.conn.write_buf().as_ptr(), value[1000..].as_ptr());
    assert!(peer.conn.buffered() < 16 * KIB);
    peer.turn();
    assert_eq!(peer.seen.len(), 1);
    peer.conn.handle_written(peer.now, value.len() - 1000);
    assert!(value.is_unique(), "the connection lets go of the value");
    peer.turn();
    assert_eq!(peer.seen.len(), 2);
}

#[test]
fn a_value_of_32_kib_is_copied_behind_its_head() {
    let value = Bytes::from(vec![9; 32 * KIB]);
    let mut peer = Peer::new();
    peer.deaf = true;
    let script = b"GET /a/b HTTP/1.1\r\n\r\n";
    peer.conn.read_buf()[..script.len()].copy_from_slice(script);
    peer.conn.handle_read(peer.now, script.len());
    let (_, responder) = peer.conn.poll_request(peer.now).unwrap();
    responder.value(Value::Shared(&value));
    assert!(peer.conn.write_buf().len() > value.len());
    assert!(value.is_unique());
}

#[test]
fn head_of_a_long_value_keeps_no_hold_of_it() {
    let value = Bytes::from(vec![9; 32 * KIB + 1]);
    let mut peer = Peer::new();
    peer.defer = true;
    peer.send("HEAD /a/b HTTP/1.1\r\n\r\n");
    peer.conn.respond(peer.now, Reply::Value(value.clone()));
    peer.drain();
    assert!(value.is_unique());
    assert_eq!(peer.answers()[0].field("Content-Length"), Some("32769"));
}

#[test]
fn what_a_refused_client_still_sends_is_dropped_up_to_256_kib() {
    let mut peer = play("PUT /a/b HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n");
    assert!(peer.conn.wants_linger());
    assert_eq!(peer.send(vec![b'x'; MIB]), 256 * KIB);
    assert!(peer.conn.is_closed());
    assert_eq!(peer.statuses(), [413]);
}

#[test]
fn smaller_limits_hold_as_well() {
    let limits = Limits {
        max_head: 128,
        max_headers: 2,
        max_target: 20,
        max_body: 10,
        read_buffer: 64,
        ..Limits::default()
    };
    let status = |script: &str| {
        let mut peer = Peer::with(limits);
        peer.send(script);
        peer.statuses()
    };
    assert_eq!(
        status("PUT /a/b HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123456789"),
        [200]
    );
    assert_eq!(
        status("PUT /a/b HTTP/1.1\r\nContent-Length: 11\r\n\r\n0123456789"),
        [413]
    );
    assert_eq!(status("GET /a/b HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n"), [200]);
    assert_eq!(
        status("GET /a/b HTTP/1.1\r\nA: b\r\nC: d\r\nE: f\r\n\r\n"),
        [431]
    );
    assert_eq!(status("GET /01234567890123456789 HTTP/1.1\r\n\r\n"), [414]);
    let long = |n| format!("GET /a/b HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(n));
    assert_eq!(status(&long(100)), [200]);
    assert_eq!(status(&long(110)), [431]);
}
