//! How bodies are read.

use std::time::Duration;

use zerocache_proto::http::Limits;

use crate::support::Peer;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn put(len: usize) -> String {
    format!("PUT /a/b?expiry=9 HTTP/1.1\r\nContent-Length: {len}\r\n\r\n")
}

fn body(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

#[test]
fn a_body_that_fits_the_read_buffer_is_lent_from_there() {
    let mut peer = Peer::new();
    let value = body(8 * KIB - put(8000).len());
    let head = put(value.len());
    peer.send(&head);
    for piece in value.chunks(1000) {
        assert!(peer.seen.is_empty());
        peer.send(piece);
    }
    assert_eq!(peer.seen[0].body, value);
    assert_eq!(peer.owned, [false]);
    // One byte more, and it is in an allocation of its own; its head is still there.
    let value = body(value.len() + 1);
    peer.send(put(value.len()));
    assert_eq!(peer.conn.body_reserved(), 0, "nothing on trust");
    peer.send(&value);
    assert_eq!(peer.seen[1].body, value);
    assert_eq!(peer.seen[1].path, b"/a/b");
    assert_eq!(peer.seen[1].query.as_deref(), Some(&b"expiry=9"[..]));
    assert_eq!(peer.owned, [false, true]);
    assert_eq!(peer.conn.body_reserved(), 0);
}

#[test]
fn memory_for_a_body_grows_with_what_has_arrived() {
    let mut peer = Peer::new();
    let value = body(16 * MIB);
    peer.send(put(value.len()));
    let mut sent = 0;
    let mut sizes = Vec::new();
    while sent < value.len() {
        let wanted = peer.conn.body_wanted();
        let before = peer.conn.body_reserved();
        let room = peer.conn.read_buf();
        let n = room.len().min(60_000).min(value.len() - sent);
        room[..n].copy_from_slice(&value[sent..sent + n]);
        let held = peer.conn.body_reserved();
        assert_eq!(held, before + wanted, "what a read takes is known before");
        assert!(
            held <= (4 * sent).max(64 * KIB),
            "{held} bytes after {sent}"
        );
        if sizes.last() != Some(&held) {
            sizes.push(held);
        }
        peer.conn.handle_read(peer.now, n);
        sent += n;
        peer.turn();
    }
    assert_eq!(
        sizes,
        [16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB]
    );
    assert_eq!(peer.seen[0].body, value);
    // Moved when it grew: less than a third of it.
    let moved: usize = sizes.iter().rev().skip(1).sum();
    assert!(moved < value.len() / 3);
}

#[test]
fn the_next_request_is_not_read_into_a_body() {
    let mut peer = Peer::new();
    let mut script = put(100 * KIB).into_bytes();
    script.extend(body(100 * KIB));
    script.extend_from_slice(b"GET /a/c HTTP/1.1\r\n\r\n");
    assert_eq!(peer.send(&script), script.len());
    assert_eq!(peer.seen.len(), 2);
    assert_eq!(peer.statuses(), [200, 200]);
}

#[test]
fn chunks_of_all_sizes() {
    let value = body(300_000);
    for size in [1000, 4096, 5000, 70_000, 300_000] {
        let mut script = b"PUT /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in value.chunks(size) {
            script.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            script.extend_from_slice(chunk);
            script.extend_from_slice(b"\r\n");
        }
        script.extend_from_slice(b"0\r\n\r\n");
        let mut peer = Peer::new();
        for piece in script.chunks(7001) {
            peer.send(piece);
            assert!(peer.conn.body_reserved() <= 4 * 300_000);
        }
        assert_eq!(peer.seen[0].body, value, "{size}");
        assert_eq!(peer.owned, [true]);
    }
}

#[test]
fn what_a_read_takes_for_a_body_is_known_before() {
    let value = body(3 * MIB);
    for (size, piece) in [
        (10, 8 * KIB),
        (1000, 8 * KIB),
        (3000, 700),
        (6000, 8 * KIB),
        (MIB, 5000),
    ] {
        let mut script = b"PUT /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in value.chunks(size) {
            script.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            script.extend_from_slice(chunk);
            script.extend_from_slice(b"\r\n");
        }
        let mut peer = Peer::new();
        let mut rest = &script[..];
        while !rest.is_empty() {
            let allowed = peer.conn.body_reserved() + peer.conn.body_wanted();
            let begun = peer.conn.body_reserved() > 0;
            let room = peer.conn.read_buf();
            let n = room.len().min(piece).min(rest.len());
            room[..n].copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            peer.conn.handle_read(peer.now, n);
            peer.turn();
            let held = peer.conn.body_reserved();
            assert!(
                held <= if begun { allowed } else { 32 * KIB },
                "{held}, not {allowed}"
            );
        }
        peer.send("0\r\n\r\n");
        assert_eq!(peer.seen[0].body, value);
    }
}

#[test]
fn a_client_that_asks_is_told_to_go_on_once() {
    let head = |len: usize| {
        format!("PUT /a/b HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: {len}\r\n\r\n")
    };
    for len in [5, 100 * KIB] {
        let mut peer = Peer::new();
        peer.send(head(len));
        assert_eq!(peer.out, b"HTTP/1.1 100 Continue\r\n\r\n");
        for piece in body(len).chunks(3000) {
            peer.send(piece);
        }
        assert_eq!(peer.statuses(), [100, 200]);
    }
    // Not if the body is there already, or if there is none.
    let mut peer = Peer::new();
    peer.send(head(5) + "value");
    peer.send(head(0));
    assert_eq!(peer.statuses(), [200, 200]);
    // Not if it is not wanted.
    let mut peer = Peer::new();
    peer.send(head(17 * MIB));
    assert_eq!(peer.statuses(), [413]);
    let mut peer = Peer::new();
    peer.send("PUT /a/b HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(peer.statuses(), [100]);
    peer.send("0\r\n\r\n");
    assert_eq!(peer.statuses(), [100, 200]);
}

#[test]
fn a_paused_connection_lends_no_room() {
    let mut peer = Peer::new();
    peer.send(put(MIB));
    peer.send(body(64 * KIB));
    assert_eq!(peer.conn.body_wanted(), 192 * KIB);
    peer.conn.pause_reading(true);
    assert!(peer.conn.read_buf().is_empty());
    assert_eq!(peer.conn.body_reserved(), 64 * KIB);
    assert!(peer.conn.poll_timeout().is_some(), "the deadline goes on");
    peer.conn.pause_reading(false);
    peer.send(&body(MIB)[64 * KIB..]);
    assert_eq!(peer.seen[0].body.len(), MIB);
}

#[test]
fn a_body_that_is_held_takes_no_memory_before_it_may() {
    let value = body(MIB);
    let mut peer = Peer::new();
    peer.conn.hold_bodies();
    // Nothing of it has come: there is nothing to ask for.
    peer.send(put(value.len()));
    assert!(peer.conn.has_body() && !peer.conn.holds_body());
    peer.send(&value);
    // A part of it has.
    peer.send([put(value.len()).as_bytes(), &value[..5000]].concat());
    assert!(peer.conn.holds_body() && peer.conn.read_buf().is_empty());
    assert_eq!((peer.conn.body_reserved(), peer.seen.len()), (0, 1));
    let wanted = peer.conn.body_wanted();
    peer.conn.take_body();
    peer.turn();
    assert!(peer.conn.body_reserved() <= wanted);
    peer.send(&value[5000..]);
    assert_eq!(peer.seen[1].body, value);
    // All of it, and what comes behind.
    let head = "PUT /a/c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    peer.send(format!(
        "{head}3\r\nabc\r\n0\r\n\r\nGET /a/d HTTP/1.1\r\n\r\n"
    ));
    assert!(peer.conn.holds_body());
    peer.conn.take_body();
    peer.turn();
    assert_eq!((&peer.seen[2].body[..], peer.seen.len()), (&b"abc"[..], 4));
    assert!(!peer.conn.has_body());
}

#[test]
fn a_body_that_is_held_too_long_is_refused() {
    let mut peer = Peer::new();
    peer.conn.hold_bodies();
    peer.send(format!("{}abc", put(MIB)));
    peer.wait(Duration::from_secs(31));
    assert_eq!(peer.statuses(), [408]);
    assert!(peer.conn.wants_linger() && !peer.conn.read_buf().is_empty());
}

#[test]
fn a_body_cut_off_is_never_handed_out() {
    for len in [100, MIB] {
        let mut peer = Peer::new();
        peer.send(put(len));
        peer.send(&body(len)[1..]);
        peer.eof();
        assert!(peer.seen.is_empty());
        assert_eq!(peer.statuses(), [400]);
        assert!(peer.conn.is_closed());
        assert_eq!((peer.conn.body_reserved(), peer.conn.buffered()), (0, 0));
    }
}

#[test]
fn a_chunked_body_takes_no_more_memory_than_it_may() {
    let limits = Limits {
        max_body: 5 * MIB,
        ..Limits::default()
    };
    let mut peer = Peer::with(limits);
    peer.send("PUT /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..5 * 256 {
        peer.send("1000\r\n");
        peer.send(body(4096));
        peer.send("\r\n");
        assert!(peer.conn.body_reserved() <= 5 * MIB);
    }
    peer.send("0\r\n\r\n");
    assert_eq!(peer.seen[0].body.len(), 5 * MIB);
}
