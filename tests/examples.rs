//! Every example does what it says, run as a program, on loopback.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests and their helpers"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The longest any line, or the end of an example, is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_node_serves_every_client() {
    let mut node = Example::start("node", &["london", "127.0.0.1:0"]);
    let addr = node.addr();
    let mut client = Example::start("client", &["london", &addr]);
    for line in [
        "greeting: hello",
        "answer: 42",
        "deleted: true",
        "then: None",
    ] {
        assert_eq!(client.line(), line);
    }
    client.ends();
    for name in ["blocking_client", "smol_client", "async_std"] {
        let mut client = Example::start(name, &["london", &addr]);
        assert_eq!(client.line(), "greeting: hello", "{name}");
        client.ends();
    }
    node.interrupt();
    assert_eq!(node.line(), "it has said goodbye");
    node.ends();
}

#[test]
fn applications_that_are_nodes_share_what_one_of_them_wrote() {
    let mut first = Example::start("embedded_node", &["london"]);
    let addr = first.addr();
    let report = first.line();
    assert!(report.starts_with("report: made by "), "{report}");
    let mut second = Example::start("embedded_node", &["london", &addr]);
    second.addr();
    assert_eq!(second.line(), report);
    for mut node in [first, second] {
        node.interrupt();
        node.ends();
    }
}

#[test]
fn the_core_is_driven_without_a_runtime() {
    let mut alone = Example::start("custom_runtime", &[]);
    alone.addr();
    assert_eq!(alone.line(), "put: Stored, get: Hit hello");
    alone.ends();

    let mut first = Example::start("custom_runtime", &["127.0.0.1:0"]);
    let addr = first.addr();
    let mut second = Example::start("custom_runtime", &["127.0.0.1:0", &addr]);
    let other = second.addr();
    let begun = Instant::now();
    // What is written before they know each other does not spread.
    loop {
        assert!(ask(&other, "PUT /london/key?expiry=60", "value").starts_with("HTTP/1.1 200 "));
        if ask(&addr, "GET /london/key", "").ends_with("\r\n\r\nvalue") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the write does not spread");
        thread::sleep(Duration::from_millis(20));
    }
    let mut client = Example::start("client", &["london", &other]);
    assert_eq!(client.line(), "greeting: hello");
    client.ends();
}

/// A request over a connection of its own, and the answer.
fn ask(addr: &str, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let len = body.len();
    let fields = format!("Host: x\r\nConnection: close\r\nContent-Length: {len}");
    let request = format!("{request} HTTP/1.1\r\n{fields}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// An example's process, killed when dropped.
struct Example {
    name: String,
    child: Child,
    lines: Receiver<String>,
}

impl Example {
    fn start(name: &str, args: &[&str]) -> Self {
        // Beside this test: target/PROFILE/{deps/examples-HASH,examples/NAME}.
        let this = std::env::current_exe().unwrap();
        let profile = this.parent().and_then(|deps| deps.parent()).unwrap();
        let program = profile
            .join("examples")
            .join(name)
            .with_extension(std::env::consts::EXE_EXTENSION);
        let mut child = Command::new(&program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("built by `cargo test` without `--test`, or `cargo build --examples`");
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let name = name.to_owned();
        Self { name, child, lines }
    }

    /// The next line it prints.
    fn line(&mut self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        line.unwrap_or_else(|_| format!("{} printed no more", self.name))
    }

    /// Where it says that it listens.
    fn addr(&mut self) -> String {
        let line = self.line();
        let (_, addr) = line.split_once(" listens on ").expect(&line);
        addr.to_owned()
    }

    /// As by Ctrl-C.
    fn interrupt(&self) {
        let id = self.child.id().to_string();
        let kill = Command::new("kill").args(["-INT", &id]).status();
        assert!(kill.unwrap().success());
    }

    /// It ends, well.
    fn ends(&mut self) {
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => thread::sleep(Duration::from_millis(5)),
            }
            assert!(begun.elapsed() < PATIENCE, "{} does not end", self.name);
        };
        assert!(status.success(), "{}: {status}", self.name);
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It fails where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
