//! What it takes a node that begins with nothing to get what its peer holds: 100,000 records of 128
//! bytes, on loopback, one thread for each node; and the same bytes as bare pages over a socket, turn by
//! turn. `cargo bench --bench join`; `-- --quick` takes some seconds.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints its figures"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use zerocache::proto::sync::{State, SyncFacts};
use zerocache::{Node, NodeBuilder};

const VALUE: [u8; 128] = [b'v'; 128];
const PAGE: usize = 256 << 10;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let (records, turns) = if quick { (20_000, 3) } else { (100_000, 9) };
    let runtime = runtime();
    let old = runtime.block_on(async { node().start().unwrap() });
    fill(old.addr(), records);
    let (mut ratios, mut joins) = (Vec::new(), Vec::new());
    let mut last = SyncFacts::default();
    for _ in 0..turns {
        let (took, facts) = join(old.addr(), records);
        let bare = bare(usize::try_from(facts.bytes).unwrap());
        ratios.push(took.as_secs_f64() / bare.as_secs_f64());
        joins.push(took.as_secs_f64());
        last = facts;
    }
    println!("{records} records of 128 bytes, medians of {turns} turns");
    println!(
        "bytes         {} ({} a record)",
        last.bytes,
        last.bytes / records as u64
    );
    println!("answers       {}", last.answers);
    println!("joined in     {:.1} ms", median(joins.clone()) * 1000.0);
    println!(
        "at            {:.0} MB/s",
        last.bytes as f64 / median(joins) / 1e6
    );
    println!("bare pages x  {:.2}", median(ratios));
    let line = last.bytes as f64 * 8.0 / 1e9;
    println!("at 1 Gbit/s the bytes need {:.1} ms", line * 1000.0);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

fn node() -> NodeBuilder {
    Node::builder("london")
        .address(Ipv4Addr::LOCALHOST.into())
        .port(0)
        .mdns(false)
}

/// Puts so many records, without the client's ladder.
fn fill(addr: SocketAddr, records: usize) {
    let mut stream = TcpStream::connect(addr).unwrap();
    for batch in 0..records.div_ceil(100) {
        let mut requests = Vec::new();
        for n in batch * 100..records.min(batch * 100 + 100) {
            let head = format!("PUT /london/key-{n:06} HTTP/1.1\r\nContent-Length: 128\r\n\r\n");
            requests.extend_from_slice(head.as_bytes());
            requests.extend_from_slice(&VALUE);
        }
        stream.write_all(&requests).unwrap();
        let mut answers = 0;
        let mut buf = [0; 64 << 10];
        while answers < records.min(batch * 100 + 100) - batch * 100 {
            let n = stream.read(&mut buf).unwrap();
            // No answer is cut within this, as far as they fit into one read.
            answers += buf[..n].windows(4).filter(|end| end == b"\r\n\r\n").count();
        }
    }
}

/// A node of its own joins; from the first question to the last record.
fn join(peer: SocketAddr, records: usize) -> (Duration, SyncFacts) {
    let runtime = runtime();
    let new = runtime.block_on(async {
        let peer = peer.to_string().parse().unwrap();
        node().peer(peer).start().unwrap()
    });
    while new.status().sync.state != State::Warming {
        thread::sleep(Duration::from_micros(500));
    }
    let begun = Instant::now();
    while new.status().sync.state != State::Synced {
        thread::sleep(Duration::from_micros(500));
    }
    let took = begun.elapsed();
    let status = new.status();
    assert_eq!(status.cache.local.entries, records as u64);
    new.kill();
    (took, status.sync)
}

/// So many bytes, in pages, each asked for when the one before is there.
fn bare(bytes: usize) -> Duration {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let page = vec![7; PAGE];
        while stream.read_exact(&mut [0; 200]).is_ok() {
            stream.write_all(&page).unwrap();
        }
    });
    let mut stream = TcpStream::connect(addr).unwrap();
    let mut page = vec![0; PAGE];
    let begun = Instant::now();
    for _ in 0..bytes.div_ceil(PAGE) {
        stream.write_all(&[1; 200]).unwrap();
        stream.read_exact(&mut page).unwrap();
    }
    let took = begun.elapsed();
    drop(stream);
    server.join().unwrap();
    took
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
