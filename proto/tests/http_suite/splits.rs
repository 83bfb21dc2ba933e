//! The same bytes in other pieces come to the same end.

use zerocache_proto::http::Limits;

use crate::support::{Answer, Peer, Seen};

pub(crate) fn limits() -> Limits {
    Limits {
        // Small enough for a script to reach.
        read_buffer: 256,
        max_head: 512,
        max_target: 100,
        max_body: 2000,
        max_headers: 8,
        ..Limits::default()
    }
}

#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    seen: Vec<Seen>,
    answers: Vec<Answer>,
    over: bool,
    closed: bool,
}

/// Plays the pieces, then EOF if asked.
pub(crate) fn outcome(pieces: &[&[u8]], eof: bool) -> Outcome {
    let mut peer = Peer::with(limits());
    for piece in pieces {
        if peer.send(piece) < piece.len() {
            break;
        }
    }
    let over = peer.is_over();
    if eof {
        peer.eof();
    }
    let mut answers = peer.answers();
    // Whether a client has to be told to go on depends on whether it has.
    answers.retain(|answer| answer.status != 100);
    Outcome {
        answers,
        over,
        // Whether a close has to linger depends on what else has come.
        closed: eof && peer.conn.is_closed(),
        seen: peer.seen,
    }
}

fn scripts() -> Vec<Vec<u8>> {
    let long = "x".repeat(600);
    let mut scripts: Vec<String> = [
        "GET /a/b HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\n\r\nHEAD /a/b?c HTTP/1.1\r\n\r\n\r\nGET /c/d HTTP/1.1\r\nConnection: close\r\n\r\nrest",
        "PUT /a/b HTTP/1.1\r\nContent-Length: 5\r\n\r\nvalueDELETE /a/b HTTP/1.1\r\n\r\n",
        "PUT /a/b HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nvalue",
        "PUT /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
         5;a=b\r\nvalue\r\n0A\r\n0123456789\r\n0\r\nT: t\r\n\r\nGET /c/d HTTP/1.0\r\n\r\n",
        "PUT /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nvalue0\r\n",
        "PUT /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n801\r\n",
        "PUT /a/b HTTP/1.1\r\nContent-Length: 2001\r\n\r\n",
        "PUT /a/b HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1",
        "GET /a/b HTTP/1.1\r\nA: b\n\r\n",
        "GET /a/b HTTP/1.1\r\nA : b\r\n\r\n",
        "GET /a/b HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        "GET /a/b HTTP/2.0\r\n\r\n",
        "GET /a/b HTTP/1.2\r\n\r\n",
        "GET /a/b HTTPS/1\r\n\r\n",
        "GET /a/b HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /a/b HTTP/1.0\r\n\r\n",
        "POST /a/b HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzOPTIONS * HTTP/1.1\r\n\r\n",
        "GET http://h/a/b?c HTTP/1.1\r\nZc-Node: 00000001 r 1\r\n\r\n",
        "GET /a/b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "\x16\x03\x01\0",
        "\n\n",
        "\r\r",
        "GET /a/b HTTP/1.1\r\n",
        "PUT /a/b HTTP/1.1\r\nContent-Length: 9\r\n\r\n1234",
    ]
    .map(str::to_owned)
    .into();
    scripts.push(format!("GET /{long} HTTP/1.1\r\n\r\n"));
    scripts.push(format!("GET /{long} HT\0P"));
    scripts.push(format!(" {long}\r\n"));
    scripts.push(format!("GET /a/b HTTP/1.1\r\nA: {long}\r\n\r\n"));
    scripts.push(format!("GET /a/b HTTP/1.1\r\nA: {}\r\n\r\n", &long[..400]));
    scripts.push(format!("GET /a/b HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(9)));
    scripts.push(format!("{long}{long}"));
    scripts.push(format!(
        "PUT /a/b HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{}GET /c/d HTTP/1.1\r\n\r\n",
        &long.repeat(2)[..1000]
    ));
    scripts.push(format!(
        "PUT /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;{long}\r\nx\r\n0\r\n\r\n"
    ));
    scripts.push("GET /a/b HTTP/1.1\r\n\r\n".repeat(40));
    scripts.into_iter().map(String::into_bytes).collect()
}

#[test]
fn in_two_pieces() {
    for script in scripts() {
        for eof in [false, true] {
            let whole = outcome(&[&script], eof);
            for at in 0..=script.len() {
                let (a, b) = script.split_at(at);
                let shown = String::from_utf8_lossy(&script[..script.len().min(80)]);
                assert_eq!(outcome(&[a, b], eof), whole, "{shown:?} at {at}, eof {eof}");
            }
        }
    }
}

#[test]
fn byte_by_byte() {
    for script in scripts() {
        for eof in [false, true] {
            let bytes: Vec<_> = script.chunks(1).collect();
            let shown = String::from_utf8_lossy(&script[..script.len().min(80)]);
            assert_eq!(
                outcome(&bytes, eof),
                outcome(&[&script], eof),
                "{shown:?}, eof {eof}"
            );
        }
    }
}
