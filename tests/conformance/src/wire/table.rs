//! The case table over sockets: each case whole, and a short one byte by byte.

use crate::cases::{self, Case, End};
use crate::host::Server;
use crate::sockets::{http, open, read_answer, rest};
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

/// A case up to this long is sent byte by byte too.
const SHORT: usize = 400;

/// Plays all cases of a family to the node that all share.
pub(crate) fn play_family<S: Server>(family: &str) {
    let addr = S::shared();
    let cases = cases::all();
    let mut cases = cases
        .iter()
        .filter(|case| case.family() == family)
        .peekable();
    assert!(cases.peek().is_some(), "no case of {family}");
    for case in cases {
        play(addr, case, usize::MAX);
        if case.bytes(&key()).len() <= SHORT {
            play(addr, case, 1);
        }
    }
}

/// One that nobody else uses.
fn key() -> [u8; cases::KEY.len()] {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    format!("t{run:011x}").into_bytes().try_into().unwrap()
}

fn play(addr: SocketAddr, case: &Case, size: usize) {
    let key = key();
    let how = format!("{} in pieces of {size}", case.name);
    let (mut stream, mut left) = (open(addr), Vec::new());
    for piece in case.bytes(&key).chunks(size) {
        // It may have been refused, and closed, before all is written.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    for (at, expected) in case.answers.iter().enumerate() {
        let answer = read_answer(&mut stream, &mut left, expected.bare);
        assert_eq!(answer.status, expected.status, "{how}, answer {at}");
        if let Some(body) = &expected.body {
            assert_eq!(&answer.body, body, "{how}, answer {at}");
        }
    }
    match case.end {
        End::Open => {
            stream.write_all(b"GET /ping HTTP/1.1\r\n\r\n").unwrap();
            let pong = read_answer(&mut stream, &mut left, false);
            assert_eq!((pong.status, &pong.body[..]), (200, &b"pong"[..]), "{how}");
        }
        End::Close => left.extend(rest(&mut stream)),
        End::Cut => {
            let _ = stream.shutdown(Shutdown::Write);
            let refused = read_answer(&mut stream, &mut left, false);
            assert_eq!(refused.status, 400, "{how}");
            left.extend(rest(&mut stream));
        }
    }
    assert!(
        left.is_empty(),
        "{how}: {:?}",
        String::from_utf8_lossy(&left)
    );
    if !case.stores() {
        let target = format!("/london/{}", std::str::from_utf8(&key).unwrap());
        assert_eq!(http(addr, "GET", &target, b"").0, 404, "{how}: stored");
    }
    assert_eq!(http(addr, "GET", "/london/hidden", b"").0, 404, "{how}");
}
