//! Peers that answer pings like any other and all else at a byte a second.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use zerocache_blocking::Client;
use zerocache_interop::{Failure, Outcome, eventually};

use crate::cluster::{Cluster, REGIONS};
use crate::report::Row;

/// Where they listen, beside the nodes.
const PORT: u16 = 7_100;
/// The pause after a byte.
const PAUSE: Duration = Duration::from_secs(1);
/// A read is over after so long, a write after so long.
const BOUNDS: [Duration; 2] = [Duration::from_secs(2), Duration::from_millis(2_750)];
/// Longer than what sockets take in by themselves.
const LONG: usize = 16 << 20;
/// Operations of each kind, all at once.
const EACH: usize = 4;

/// A client that knows nobody else: each operation ends in time, whoever it asks.
pub(crate) fn peers(cluster: &mut Cluster, mut row: Row, slack: Duration) -> Outcome<Row> {
    let hosts = cluster.lab.hosts().to_vec();
    let mut builder = Client::builder(REGIONS[0]).mdns(false);
    // Two of the own region, one of each other: one for each try.
    for number in [1, 2, 3, 6] {
        let host = &hosts[number];
        let address = SocketAddrV4::new(host.address, PORT);
        let listener = host.inside(|| Ok(TcpListener::bind(address)?))?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || drip(&stream));
            }
        });
        let peer = format!("{}@{address}", REGIONS[host.segment]);
        let peer = peer.parse();
        builder = builder.peer(peer.map_err(|error| Failure(format!("a peer: {error}")))?);
    }
    let client = hosts[0].inside(|| Ok(builder.connect()?))?;
    eventually("four slow peers", Duration::from_secs(10), || {
        let routed = client.nodes().iter().filter(|node| node.routable).count();
        Ok(if routed == 4 {
            Ok(())
        } else {
            Err(format!("{routed} routable"))
        })
    })?;
    let mut longest = [Duration::ZERO; 2];
    for ended in thread::scope(|scope| {
        let begin = |number| {
            let (client, host) = (&client, &hosts[0]);
            // Where the client asks from is where its sockets are made.
            scope.spawn(move || host.inside(|| Ok(operation(client, number % 2))))
        };
        let begun: Vec<_> = (0..2 * EACH).map(begin).collect();
        let ended = begun.into_iter().map(thread::ScopedJoinHandle::join);
        ended.collect::<Vec<_>>()
    }) {
        let (kind, done, took) = ended.map_err(|_| Failure::new("an operation panicked"))??;
        let what = ["a read", "a write"][kind];
        if done || took > BOUNDS[kind] + slack {
            return Err(Failure(format!(
                "{what} at slow peers: {took:.2?}, done: {done}"
            )));
        }
        longest[kind] = longest[kind].max(took);
    }
    let [reads, writes] = longest;
    println!("at a byte a second, reads end after {reads:.2?} and writes after {writes:.2?}");
    row.slow(reads.max(writes));
    client.shutdown();
    Ok(row)
}

/// One read or write: which, whether it was answered, and how long it took.
fn operation(client: &Client, kind: usize) -> (usize, bool, Duration) {
    let life = Duration::from_secs(60);
    let began = Instant::now();
    let done = match kind {
        0 => client.get("slow").is_ok(),
        _ => client.put("slow", vec![0; LONG], life).is_ok(),
    };
    (kind, done, began.elapsed())
}

/// Reads a head, and then a byte a second of a body; or answers so.
fn drip(stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let (mut target, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line).ok()? > 2 {
            if target.is_empty() {
                target = line.split(' ').nth(1)?.to_owned();
            }
            line.clear();
        }
        if target.is_empty() {
            return None;
        }
        if target == "/ping" {
            writer
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong")
                .ok()?;
            continue;
        }
        if target.starts_with("/_zc/") {
            let none = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
            writer.write_all(none).ok()?;
            continue;
        }
        if target.contains("expiry") {
            while reader.read(&mut [0]).ok()? > 0 {
                thread::sleep(PAUSE);
            }
            return None;
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
        for byte in answer.iter().chain(std::iter::repeat(&b'x')) {
            writer.write_all(&[*byte]).ok()?;
            thread::sleep(PAUSE);
        }
    }
}
