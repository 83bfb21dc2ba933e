//! What a node holds while ten thousand connections hold an unfinished request each.

use crate::common::{PATIENCE, Serving, eventually};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};

const MIB: usize = 1 << 20;
/// Fewer where the system does not allow so many descriptors.
const CONNECTIONS: u64 = 10_000;
/// The default of `bodies_in_flight`, and the one body beyond it: none is larger.
const BODIES: usize = 64 * MIB + MIB;
/// For each connection: its task, its read buffer, its socket's share of the runtime.
const EACH: usize = 16 << 10;

#[test]
fn tokio_bears_ten_thousand_unfinished_requests() {
    bears("tokio");
}

#[test]
fn smol_bears_ten_thousand_unfinished_requests() {
    bears("smol");
}

fn bears(runtime: &str) {
    // One at a time: both would need more descriptors than many systems allow.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let many = raise_descriptors();
    let most = (many + 100).to_string();
    let mut options = vec!["--runtime", runtime, "--connections", &most];
    options.extend(["--connections-per-source", &most]);
    let node = Serving::start("london", &options);
    let asker = &mut Asker::new(&node.addr);
    asker.put("/london/small", "v");
    let before = memory(&node);
    // Bodies, then heads, whose deadline is the shorter one.
    let begin = |at| unfinished(&node.addr, at, at < many / 2);
    let mut held: Vec<_> = (0..many).map(begin).collect();
    eventually("all are there", || open(asker) > many);
    // Of the bodies more than the bound would hold; what is not read stays with the senders.
    for _ in 0..3 {
        held.iter_mut().take(many as usize / 2).for_each(feed);
        assert_eq!(asker.get("/london/small"), "v");
        assert!(bodies(asker) <= BODIES, "{} bytes", bodies(asker));
    }
    assert!(bodies(asker) > BODIES / 2, "bodies were in flight");
    assert!(open(asker) > many, "all are still held");
    let grown = memory(&node).saturating_sub(before);
    let bound = BODIES + many as usize * EACH;
    assert!(grown <= bound, "{grown} bytes, {bound} allowed");
    drop(held);
    eventually("all are gone", || open(asker) == 1);
    assert_eq!(bodies(asker), 0);
}

/// Lets this process, and those it starts, have the descriptors it needs, and says how many
/// connections it can hold then.
fn raise_descriptors() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = maximum;
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("its own limit");
    let free = maximum.unwrap_or(u64::MAX).saturating_sub(200);
    CONNECTIONS.min(free)
}

/// A connection with a part of a request: of a body of either framing, or nothing, or half a head.
fn unfinished(addr: &str, at: u64, body: bool) -> TcpStream {
    let part = "x".repeat(6000);
    let begun = match (body, at % 2) {
        (true, 0) => format!("PUT /london/u{at} HTTP/1.1\r\nContent-Length: {MIB}\r\n\r\n{part}"),
        (true, _) => format!(
            "PUT /london/u{at} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{MIB:x}\r\n{part}"
        ),
        (false, 0) => String::new(),
        (false, _) => String::from("GET /london/small HTTP/1.1\r\nHos"),
    };
    let mut stream = TcpStream::connect(addr).expect("it listens");
    stream.write_all(begun.as_bytes()).expect("it is there");
    stream.set_nonblocking(true).expect("a mode");
    stream
}

/// Sends 16 KiB more of a body, as far as it is taken.
fn feed(stream: &mut TcpStream) {
    if let Err(error) = stream.write(&[b'x'; 16 << 10]) {
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}

/// Bytes of memory the node has.
fn memory(node: &Serving) -> usize {
    let path = format!("/proc/{}/status", node.child.id());
    let status = fs::read_to_string(path).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|n| n.parse::<usize>().ok())
        .expect("a size")
        * 1024
}

fn open(asker: &mut Asker) -> u64 {
    asker.connections("open")
}

fn bodies(asker: &mut Asker) -> usize {
    usize::try_from(asker.connections("body_bytes")).expect("a size")
}

/// A connection on which requests are answered meanwhile.
struct Asker(TcpStream);

impl Asker {
    fn new(addr: &str) -> Self {
        let stream = TcpStream::connect(addr).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        Self(stream)
    }

    fn connections(&mut self, what: &str) -> u64 {
        let status: Value = serde_json::from_str(&self.get("/status")).expect("JSON");
        status["connections"][what].as_u64().expect("a number")
    }

    fn put(&mut self, path: &str, value: &str) {
        let length = value.len();
        self.ask(&format!(
            "PUT {path} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{value}"
        ));
    }

    fn get(&mut self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\n\r\n"))
    }

    /// The body of the answer, which is a 200.
    fn ask(&mut self, request: &str) -> String {
        self.0.write_all(request.as_bytes()).expect("it reads");
        let (mut all, mut part) = (String::new(), [0; 4096]);
        loop {
            let n = self.0.read(&mut part).expect("it answers");
            assert!(n > 0, "it closes after {all:?}");
            all += std::str::from_utf8(&part[..n]).expect("text");
            let Some((head, body)) = all.split_once("\r\n\r\n") else {
                continue;
            };
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "));
            if length.and_then(|n| n.parse().ok()) == Some(body.len()) {
                return body.to_owned();
            }
        }
    }
}
