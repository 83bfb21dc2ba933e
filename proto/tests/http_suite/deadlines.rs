//! Every deadline is a total.

use std::time::Duration;

use bytes::Bytes;
use zerocache_proto::http::{Reply, Status};

use crate::support::{Peer, play};

const SECOND: Duration = Duration::from_secs(1);

/// Seconds until the connection is over, with a byte of `drip` a second.
fn survives(peer: &mut Peer, drip: &[u8]) -> u64 {
    let mut drip = drip.iter().cycle();
    for second in 0..4000 {
        if peer.is_over() {
            return second;
        }
        if let Some(byte) = drip.next() {
            peer.send([*byte]);
        }
        peer.wait(SECOND);
    }
    panic!("outlived everything");
}

#[test]
fn a_silent_new_connection_is_closed_after_10_s() {
    let mut peer = Peer::new();
    assert_eq!(survives(&mut peer, b""), 10);
    assert!(peer.out.is_empty() && peer.conn.is_closed());
}

#[test]
fn a_head_takes_10_s_however_it_drips() {
    let mut peer = Peer::new();
    assert_eq!(survives(&mut peer, b"x"), 10);
    assert_eq!(peer.statuses(), [408]);
    // From the opening, for the first.
    let mut peer = Peer::new();
    peer.wait(9 * SECOND);
    assert_eq!(survives(&mut peer, b"x"), 1);
    // From its first byte, for the others.
    let mut peer = play("GET /a/b HTTP/1.1\r\n\r\n");
    peer.wait(30 * SECOND);
    assert_eq!(survives(&mut peer, b"x"), 10);
    assert_eq!(peer.statuses(), [200, 408]);
    assert!(peer.conn.wants_linger());
}

#[test]
fn an_idle_connection_is_closed_after_60_s_and_says_nothing() {
    let mut peer = play("GET /a/b HTTP/1.1\r\n\r\n");
    assert_eq!(survives(&mut peer, b""), 60);
    assert_eq!(peer.statuses(), [200]);
    assert!(peer.conn.is_closed());
}

#[test]
fn each_answer_begins_a_new_idle_time() {
    let mut peer = Peer::new();
    for _ in 0..5 {
        peer.send("GET /a/b HTTP/1.1\r\n\r\n");
        peer.wait(59 * SECOND);
        assert!(!peer.is_over());
    }
    assert_eq!(survives(&mut peer, b""), 1);
}

#[test]
fn a_body_has_30_s_or_8_kib_a_second() {
    for len in [1000, 1_000_000] {
        let head = format!("PUT /a/b HTTP/1.1\r\nContent-Length: {len}\r\n\r\n");
        let mut peer = play(&head);
        assert!((30..=31).contains(&survives(&mut peer, b"x")), "{len}");
        assert_eq!(peer.statuses(), [408]);
        // Fast at first, then a drip: what was won is spent within the 30 s.
        let mut peer = play(&head);
        peer.send(vec![b'x'; len / 2]);
        assert!((30..=31).contains(&survives(&mut peer, b"x")), "{len}");
    }
    // As fast as it has to be: all the time it takes.
    let mut peer = play("PUT /a/b HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
    for _ in 0..110 {
        peer.send(vec![b'x'; 9_000]);
        peer.wait(SECOND);
    }
    peer.send(vec![b'x'; 10_000]);
    assert_eq!(peer.statuses(), [200]);
    // Not quite as fast.
    let mut peer = play("PUT /a/b HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
    let mut seconds = 0;
    while !peer.is_over() {
        peer.send(vec![b'x'; 7_000]);
        peer.wait(SECOND);
        seconds += 1;
    }
    assert!((30..300).contains(&seconds), "{seconds}");
}

#[test]
fn output_that_stalls_for_10_s_ends_the_connection() {
    let mut peer = Peer::new();
    peer.deaf = true;
    peer.send("GET /a/b HTTP/1.1\r\n\r\n");
    peer.wait(9 * SECOND);
    assert!(!peer.is_over());
    peer.wait(SECOND);
    assert!(peer.conn.is_closed());
    assert!(peer.conn.write_buf().is_empty());
}

#[test]
fn output_that_drips_is_no_better() {
    let mut peer = Peer::new();
    peer.deaf = true;
    peer.defer = true;
    peer.send("GET /a/b HTTP/1.1\r\n\r\n");
    peer.conn
        .respond(peer.now, Reply::Value(Bytes::from(vec![1; 16 << 20])));
    let mut seconds = 0;
    while !peer.is_over() {
        peer.conn.handle_written(peer.now, 1000);
        peer.wait(SECOND);
        seconds += 1;
    }
    assert!((10..13).contains(&seconds), "{seconds}");
    // Fast enough: as long as it takes.
    let mut peer = Peer::new();
    peer.deaf = true;
    peer.defer = true;
    peer.send("GET /a/b HTTP/1.1\r\n\r\n");
    peer.conn
        .respond(peer.now, Reply::Value(Bytes::from(vec![1; 1 << 20])));
    for _ in 0..110 {
        peer.conn.handle_written(peer.now, 9_000);
        peer.wait(SECOND);
        assert!(!peer.is_over());
    }
}

#[test]
fn a_deferred_answer_has_no_deadline_here() {
    let mut peer = Peer::new();
    peer.defer = true;
    peer.send("PUT /a/b HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(peer.conn.poll_timeout(), None);
    peer.wait(1000 * SECOND);
    peer.conn.respond(peer.now, Reply::Status(Status::Ok));
    peer.turn();
    assert_eq!(peer.statuses(), [200]);
    assert_eq!(survives(&mut peer, b""), 60);
}

#[test]
fn a_lingering_close_ends_after_2_s() {
    let mut peer = play("GET /a b HTTP/1.1\r\n\r\n");
    assert!(peer.conn.wants_linger());
    peer.wait(Duration::from_millis(1999));
    assert!(!peer.conn.is_closed());
    peer.send("more");
    peer.wait(Duration::from_millis(1));
    assert!(peer.conn.is_closed());
}

#[test]
fn an_idle_connection_gives_its_buffers_back() {
    let mut peer = play("GET /a/b HTTP/1.1\r\n\r\n");
    assert!(peer.conn.buffered() > 0);
    peer.wait(SECOND);
    assert_eq!(peer.conn.buffered(), 0);
    assert!(peer.conn.is_idle());
    peer.send("GET /a/b HTTP/1.1\r\n\r\n");
    assert_eq!(peer.statuses(), [200, 200]);
    // Or at once, if told to.
    peer.conn.release();
    assert_eq!(peer.conn.buffered(), 0);
    // Not with half a request in them.
    peer.send("GET /a/b");
    peer.conn.release();
    peer.send(" HTTP/1.1\r\n\r\n");
    assert_eq!(peer.statuses(), [200, 200, 200]);
}

#[test]
fn early_and_repeated_timers_do_nothing() {
    let scripts: [&[u8]; 4] = [
        b"",
        b"GET /a",
        b"GET /a/b HTTP/1.1\r\n\r\n",
        b"PUT /a/b HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
    ];
    for script in scripts {
        let mut peer = play(script);
        let due = peer.conn.poll_timeout().unwrap();
        peer.conn.handle_timeout(peer.now);
        assert_eq!(peer.conn.poll_timeout(), Some(due));
        peer.wait(200 * SECOND);
        assert!(peer.conn.is_closed());
        let said = peer.out.len();
        peer.wait(200 * SECOND);
        peer.conn.respond(peer.now, Reply::Status(Status::Ok));
        peer.turn();
        assert_eq!(peer.out.len(), said, "nothing after closing");
        assert_eq!(peer.conn.poll_timeout(), None);
        assert!(peer.conn.read_buf().is_empty());
        assert_eq!(peer.conn.buffered(), 0);
    }
}

#[test]
fn empty_lines_do_not_keep_a_new_connection() {
    let mut peer = Peer::new();
    for _ in 0..9 {
        peer.send("\r\n");
        peer.wait(SECOND);
    }
    assert!(!peer.is_over());
    peer.wait(SECOND);
    assert!(peer.conn.is_closed() && peer.out.is_empty());
}
