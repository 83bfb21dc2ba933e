//! What it costs to have a write acknowledged by the region: the median of a PUT that two other nodes
//! have acknowledged against that of the same PUT kept by the node asked (`recurse=0`), turn by turn over
//! the same keep-alive connection. `cargo bench --bench spread`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints its figures"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use zerocache::Node;

const ROUNDS: usize = 5_000;
const WARM_UP: usize = 500;

fn main() {
    println!("nodes  plain p50  p99     acked p50  p99      ratio of the p50");
    for count in [1, 3, 6] {
        let nodes = cluster(count);
        let mut stream = TcpStream::connect(nodes[0].addr()).unwrap();
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
        nodes.iter().for_each(Node::kill);
    }
}

/// So many nodes of one region that all route to each other.
fn cluster(count: usize) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for _ in 0..count {
        nodes.push(launch(nodes.first()));
    }
    let formed =
        |node: &Node| node.peers().iter().filter(|peer| peer.routable).count() + 1 == count;
    while !nodes.iter().all(formed) {
        std::thread::yield_now();
    }
    nodes
}

/// A node on a thread and a runtime of its own, as if it were a process; joined to `first`.
fn launch(first: Option<&Node>) -> Node {
    let mut builder = Node::builder("london")
        .address(Ipv4Addr::LOCALHOST.into())
        .port(0)
        .mdns(false);
    if let Some(first) = first {
        builder = builder.peer(first.addr().to_string().parse().unwrap());
    }
    let (started, node) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            started.send(builder.start().unwrap()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    node.recv().unwrap()
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
