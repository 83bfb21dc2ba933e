//! Peers that are slow, break off, or do not listen.

use super::script::Case;
use crate::host::Server;
use crate::sockets::{PATIENCE, http, open, read_answer, rest};
use socket2::SockRef;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

const PING: &[u8] = b"GET /ping HTTP/1.1\r\n\r\n";

/// What comes when `start` is followed by a byte every now and then, for ever.
fn drip(addr: SocketAddr, start: &str) -> String {
    let mut stream = open(addr);
    stream.write_all(start.as_bytes()).unwrap();
    let often = Duration::from_millis(50);
    stream.set_read_timeout(Some(often)).unwrap();
    let begun = Instant::now();
    let mut part = [0; 512];
    while begun.elapsed() < PATIENCE {
        match stream.read(&mut part) {
            Ok(n) => return String::from_utf8_lossy(&part[..n]).into_owned(),
            Err(_) => drop(stream.write_all(b"x")),
        }
    }
    panic!("still open after {start:?}");
}

pub(crate) fn deadlines_are_total_however_the_bytes_drip<S: Server>() {
    let addr = S::hasty();
    let head = drip(addr, "GET /london/k HTTP/1.1\r\nH: ");
    assert!(head.starts_with("HTTP/1.1 408"), "{head:?}");
    let put = "PUT /london/k HTTP/1.1\r\nContent-Length: 100000\r\n\r\n";
    let body = drip(addr, put);
    assert!(body.starts_with("HTTP/1.1 408"), "{body:?}");
    let put = "PUT /london/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n";
    let chunks = drip(addr, put);
    assert!(chunks.starts_with("HTTP/1.1 408"), "{chunks:?}");
    assert_eq!(http(addr, "GET", "/london/k", b"").0, 404);
}

pub(crate) fn who_says_nothing_is_left_without_a_word<S: Server>() {
    let addr = S::hasty();
    assert!(rest(&mut open(addr)).is_empty());
    let mut idle = open(addr);
    idle.write_all(PING).unwrap();
    let answers = rest(&mut idle);
    assert!(answers.ends_with(b"pong"));
    assert_eq!(answers.windows(8).filter(|w| w == b"HTTP/1.1").count(), 1);
}

pub(crate) fn a_request_broken_off_is_not_carried_out<S: Server>() {
    let addr = S::shared();
    let case = Case::default().ask(
        "PUT /london/{key_of_run} HTTP/1.1\r\nContent-Length: 5\r\n\r\nvalue",
        200,
        "",
    );
    let case = case.fresh();
    let request = &case.exchanges[0].request;
    for len in 0..request.len() {
        let mut stream = open(addr);
        stream.write_all(&request[..len]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let heard = rest(&mut stream);
        assert!(!heard.starts_with(b"HTTP/1.1 200"), "{len}");
    }
    let key = String::from_utf8_lossy(&request[12..24]).into_owned();
    let target = format!("/london/{key}");
    assert_eq!(http(addr, "GET", &target, b"").0, 404);
}

pub(crate) fn a_reset_at_any_byte_disturbs_nobody<S: Server>() {
    let addr = S::shared();
    let script = [
        &b"PUT /london/reset HTTP/1.1\r\nContent-Length: 5\r\n\r\nvalue"[..],
        PING,
    ];
    let script = script.concat();
    let mut witness = open(addr);
    for len in 0..script.len() {
        let mut stream = open(addr);
        stream.write_all(&script[..len]).unwrap();
        let linger = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        linger.unwrap();
        drop(stream);
        if len % 16 == 0 {
            witness.write_all(PING).unwrap();
            let pong = read_answer(&mut witness, &mut Vec::new(), false);
            assert_eq!(pong.body, b"pong");
        }
    }
}

pub(crate) fn who_is_to_wait_for_the_go_ahead_gets_it<S: Server>() {
    let addr = S::shared();
    for size in [5, 20_000] {
        let head = format!(
            "PUT /london/expect{size} HTTP/1.1\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n"
        );
        let mut stream = open(addr);
        stream.write_all(head.as_bytes()).unwrap();
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(&vec![b'v'; size]).unwrap();
        let answer = read_answer(&mut stream, &mut Vec::new(), false);
        assert_eq!(answer.status, 200);
        let target = format!("/london/expect{size}");
        assert_eq!(http(addr, "GET", &target, b"").1.len(), size);
    }
}

pub(crate) fn who_does_not_read_is_not_read_from_and_gets_all_later<S: Server>() {
    const SIZE: usize = 200_000;
    let addr = S::shared();
    let value: Vec<u8> = (0..SIZE).map(|i| (i % 251) as u8).collect();
    assert_eq!(http(addr, "PUT", "/london/slow?expiry=600", &value).0, 200);
    let mut stream = open(addr);
    let request = b"GET /london/slow HTTP/1.1\r\n\r\n";
    // More answers than all buffers hold: the node stops reading, so writing stops.
    stream.set_nonblocking(true).unwrap();
    let (mut sent, mut stuck) = (0, 0);
    let begun = Instant::now();
    let script = request.repeat(100);
    while stuck < 20 {
        assert!(
            begun.elapsed() < PATIENCE,
            "it reads for ever: {sent} bytes"
        );
        match stream.write(&script[sent % request.len()..]) {
            Ok(n) => (sent, stuck) = (sent + n, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                stuck += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("{error}"),
        }
    }
    // Others are served meanwhile.
    assert_eq!(http(addr, "GET", "/ping", b"").0, 200);
    stream.set_nonblocking(false).unwrap();
    let mut left = Vec::new();
    for _ in 0..50 {
        let answer = read_answer(&mut stream, &mut left, false);
        assert!(answer.body == value);
    }
}
