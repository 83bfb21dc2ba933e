//! `serve --connections`: how many are held, and which goes when one too many comes.

use crate::common::{PATIENCE, Serving};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

#[test]
fn beyond_the_bounds_the_connection_longest_idle_goes() {
    for bound in ["--connections", "--connections-per-source"] {
        let node = Serving::start("london", &[bound, "2"]);
        let mut kept: Vec<TcpStream> = (0..4).map(|_| asked(&node.addr)).collect();
        for gone in &mut kept[..2] {
            assert_eq!(gone.read(&mut [0]).expect("its end"), 0, "{bound}");
        }
        for held in &mut kept[2..] {
            ask(held);
        }
    }
}

/// A connection that has had an answer.
fn asked(addr: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    ask(&mut stream);
    stream
}

fn ask(stream: &mut TcpStream) {
    stream
        .write_all(b"GET /london/key HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("it reads");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("it answers");
        answer.extend(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 404"));
}
