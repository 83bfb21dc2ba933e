//! Plays a case in every way its bytes can arrive.

use super::script::{Case, Exchange};
use crate::host::Server;
use crate::sockets::{Answer, open, read_answer, rest};
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};

/// Connections that wait at once for the second part of what they send.
const AT_ONCE: usize = 32;
/// A script up to this long is cut at every byte, a longer one at so many.
const CUTS: usize = 800;

/// All ways, on the node that all cases share.
pub(crate) fn play<S: Server>(case: &Case) {
    let addr = S::shared();
    half_closed(addr, &case.fresh());
    in_turn(addr, &case.fresh());
    pipelined(addr, &case.fresh());
    byte_by_byte(addr, &case.fresh());
    cut_everywhere(addr, case);
}

/// Each request after the answer to the one before.
fn in_turn(addr: SocketAddr, case: &Case) {
    let (mut stream, mut left) = (open(addr), Vec::new());
    for exchange in &case.exchanges {
        send(&mut stream, &exchange.request);
        expect(&mut stream, &mut left, exchange, "in turn");
    }
    end(stream, left, case, "in turn");
}

/// All requests in one write.
fn pipelined(addr: SocketAddr, case: &Case) {
    let mut stream = open(addr);
    send(&mut stream, &case.bytes());
    finish(stream, case, "pipelined");
}

/// Each byte in a segment of its own.
fn byte_by_byte(addr: SocketAddr, case: &Case) {
    let mut stream = open(addr);
    for byte in case.bytes().chunks(1) {
        send(&mut stream, byte);
    }
    finish(stream, case, "byte by byte");
}

/// Nothing follows the requests: they are answered, then it closes.
fn half_closed(addr: SocketAddr, case: &Case) {
    let mut stream = open(addr);
    send(&mut stream, &case.bytes());
    let _ = stream.shutdown(Shutdown::Write);
    let mut left = Vec::new();
    for exchange in &case.exchanges {
        expect(&mut stream, &mut left, exchange, "half-closed");
    }
    left.extend(rest(&mut stream));
    assert!(left.is_empty(), "after the last answer: {left:?}");
}

/// In two parts, the second of which is sent when the first has been read.
fn cut_everywhere(addr: SocketAddr, case: &Case) {
    let len = case.bytes().len();
    let step = len.div_ceil(CUTS).max(1);
    let cuts: Vec<usize> = (1..len).step_by(step).collect();
    for cuts in cuts.chunks(AT_ONCE) {
        let mut begun: Vec<_> = cuts
            .iter()
            .map(|cut| {
                let (case, mut stream) = (case.fresh(), open(addr));
                send(&mut stream, &case.bytes()[..*cut]);
                (*cut, case, stream)
            })
            .collect();
        // Who answers this has had its turn at the others.
        let ping = b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n";
        assert!(crate::sockets::raw(addr, ping).ends_with(b"pong"));
        for (cut, case, stream) in &mut begun {
            send(stream, &case.bytes()[*cut..]);
        }
        for (cut, case, stream) in begun {
            finish(stream, &case, &format!("cut at {cut}"));
        }
    }
}

/// It may have been refused, and closed, before all is written.
fn send(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

fn finish(mut stream: TcpStream, case: &Case, how: &str) {
    let mut left = Vec::new();
    for exchange in &case.exchanges {
        expect(&mut stream, &mut left, exchange, how);
    }
    end(stream, left, case, how);
}

fn expect(stream: &mut TcpStream, left: &mut Vec<u8>, exchange: &Exchange, how: &str) {
    let answer = read_answer(stream, left, exchange.is_head());
    if let Err(wrong) = compare(&answer, exchange) {
        let request = String::from_utf8_lossy(&exchange.request);
        panic!("{how}: {:.200}: {wrong}", request.escape_debug());
    }
}

/// What differs.
pub(crate) fn compare(answer: &Answer, exchange: &Exchange) -> Result<(), String> {
    let mut same = answer.status == exchange.status;
    same &= exchange
        .body
        .as_ref()
        .is_none_or(|body| *body == answer.body);
    for (name, value) in &exchange.fields {
        same &= answer.field(name) == Some(*value);
    }
    if same {
        return Ok(());
    }
    Err(format!(
        "{:?} {:?}, expected {} {:?} {:?}",
        answer.head,
        String::from_utf8_lossy(&answer.body),
        exchange.status,
        exchange.body.as_deref().map(String::from_utf8_lossy),
        exchange.fields,
    ))
}

/// Nothing but the answers came; the connection is closed, or as good as new.
fn end(mut stream: TcpStream, mut left: Vec<u8>, case: &Case, how: &str) {
    assert!(left.is_empty(), "{how}: after the last answer: {left:?}");
    if case.closes {
        left.extend(rest(&mut stream));
        assert!(left.is_empty(), "{how}: before the end: {left:?}");
        return;
    }
    send(&mut stream, b"GET /ping HTTP/1.1\r\n\r\n");
    let pong = read_answer(&mut stream, &mut left, false);
    assert_eq!((pong.status, &pong.body[..]), (200, &b"pong"[..]), "{how}");
}
