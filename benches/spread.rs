//! What it costs to have a write acknowledged by the region: the median of a PUT that the other nodes have
//! acknowledged against that of the same PUT kept by the node asked (`recurse=0`), turn by turn over the
//! same keep-alive connection. `cargo bench --bench spread`.
//!
//! Each node is a process. Where there is `taskset`, the node asked has one core, and its peers and the
//! client another: else the scheduler puts client and node on one core or on two as it likes, and the
//! time of a plain exchange is ten times another from one run to the next.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints its figures"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use zerocache::Node;

const ROUNDS: usize = 10_000;
const WARM_UP: usize = 500;
/// Tells this program that it is to be a node.
const NODE: &str = "--node";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some(NODE) => be_node(args.get(2).map(|seed| seed.parse().unwrap())),
        _ => measure(),
    }
}

fn measure() {
    pin_this(1);
    println!("nodes  plain p50  p99     acked p50  p99      ratio of the p50");
    for count in [1, 3, 6] {
        let mut nodes = vec![Peer::launch(0, None)];
        for _ in 1..count {
            nodes.push(Peer::launch(1, Some(nodes[0].addr)));
        }
        while !nodes.iter().all(|node| node.routes() + 1 == count) {
            std::thread::yield_now();
        }
        let mut stream = TcpStream::connect(nodes[0].addr).unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut plain, mut acked) = (Vec::new(), Vec::new());
        for round in 0..WARM_UP + ROUNDS {
            let kept = put(&mut stream, round, "&recurse=0");
            let spread = put(&mut stream, round, "");
            if round >= WARM_UP {
                plain.push(kept);
                acked.push(spread);
            }
        }
        let (plain, acked) = (quantiles(plain), quantiles(acked));
        let ratio = acked.0.as_secs_f64() / plain.0.as_secs_f64();
        println!(
            "{count:<5}  {:<9.1?}  {:<7.1?} {:<9.1?}  {:<8.1?} {ratio:.2}",
            plain.0, plain.1, acked.0, acked.1
        );
    }
}

/// Runs a node on one thread, tells its address, and ends with its standard input.
fn be_node(seed: Option<SocketAddr>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut builder = Node::builder("london")
            .address(Ipv4Addr::LOCALHOST.into())
            .port(0)
            .mdns(false);
        if let Some(seed) = seed {
            builder = builder.peer(seed.to_string().parse().unwrap());
        }
        let node = builder.start().unwrap();
        println!("{}", node.addr());
        let over = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
        let _ = over.await;
        node.kill();
    });
}

/// A node in a process of its own.
struct Peer {
    process: Child,
    addr: SocketAddr,
}

impl Peer {
    fn launch(core: usize, seed: Option<SocketAddr>) -> Self {
        let this = std::env::current_exe().unwrap();
        let mut command = if has_taskset() {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(this);
            command
        } else {
            Command::new(this)
        };
        command.arg(NODE).args(seed.map(|seed| seed.to_string()));
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = piped.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            process,
            addr: line.trim().parse().unwrap(),
        }
    }

    /// How many others it routes to.
    fn routes(&self) -> usize {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream
            .write_all(b"GET /_zc/1/members HTTP/1.1\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
            .lines()
            .filter(|line| line.ends_with(" zc"))
            .count()
            .saturating_sub(1)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn has_taskset() -> bool {
    Command::new("taskset")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok()
}

/// Moves this process to a core, if it can be moved.
fn pin_this(core: usize) {
    let (core, this) = (core.to_string(), std::process::id().to_string());
    let _ = Command::new("taskset")
        .args(["-cp", &core, &this])
        .stdout(Stdio::null())
        .status();
}

/// One PUT of 128 bytes and its answer.
fn put(stream: &mut TcpStream, round: usize, query: &str) -> Duration {
    let request = format!(
        "PUT /london/key-{}?expiry=60{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 128\r\n\r\n{}",
        round % 1000,
        "v".repeat(128)
    );
    let begun = Instant::now();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 1024];
    let mut len = 0;
    while !answer[..len].ends_with(b"\r\n\r\n") {
        len += stream.read(&mut answer[len..]).unwrap();
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    begun.elapsed()
}

/// The median and the 99th percentile.
fn quantiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}
