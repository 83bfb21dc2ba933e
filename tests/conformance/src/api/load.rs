//! What a node bears at once: many connections with nothing whole, values that leave slowly, a flood.

use crate::sockets::{open, read_answer};
use crate::world::{World, blocking, http};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use zerocache_driver::{Admission, Node, Runtime};

const MIB: usize = 1 << 20;
/// Requests that are answered meanwhile.
const GETS: usize = 200;
const SMALL: &[u8] = b"GET /london/small HTTP/1.1\r\n\r\n";

/// 1,000, or what `CONFORMANCE_CONNECTIONS` says.
fn many() -> usize {
    let said = std::env::var("CONFORMANCE_CONNECTIONS");
    said.map_or(1000, |said| said.parse().unwrap())
}

/// Lets the process have as many descriptors as the system allows it.
fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

/// A node that admits them all and holds a small value.
async fn node<R: Runtime>(world: &World<R>, bodies: usize) -> Node<R> {
    raise_descriptors();
    let admission = Admission {
        connections: 2 * many(),
        per_source: 2 * many(),
    };
    let builder = world.builder("london").admission(admission);
    let node = world.start(builder.bodies_in_flight(bodies));
    assert_eq!(http(node.addr(), "PUT", "/london/small", b"v").await.0, 200);
    node
}

/// Small values come back while whatever else is going on.
fn small_gets_are_answered(addr: SocketAddr) {
    let (mut stream, mut left) = (open(addr), Vec::new());
    for _ in 0..GETS {
        stream.write_all(SMALL).unwrap();
        let answer = read_answer(&mut stream, &mut left, false);
        assert_eq!((answer.status, &answer.body[..]), (200, &b"v"[..]));
    }
}

pub(crate) async fn a_thousand_unfinished_requests_take_bounded_memory_and_hold_up_no_get<
    R: Runtime,
>(
    world: World<R>,
) {
    const BODIES: usize = 4 * MIB;
    let node = node(&world, BODIES).await;
    let addr = node.addr();
    let mut held = blocking(move || {
        (0..many())
            .map(|at| unfinished(addr, at))
            .collect::<Vec<_>>()
    })
    .await;
    world
        .until("all are there", || {
            node.status().connections.open >= many() as u64
        })
        .await;
    // More of the bodies than the bound would hold; what is not read stays with the senders.
    for _ in 0..6 {
        held = blocking(move || feed(held)).await;
        let bytes = node.status().connections.body_bytes;
        // Beyond the bound only the body begun first goes on.
        assert!(bytes <= (BODIES + MIB) as u64, "{bytes} bytes of bodies");
    }
    blocking(move || small_gets_are_answered(addr)).await;
    let facts = node.status().connections;
    assert!(facts.open >= many() as u64, "all are still held: {facts:?}");
    assert!(facts.body_bytes > 0, "bodies were in flight");
    drop(held);
    world
        .until("all memory is given back", || {
            node.status().connections.body_bytes == 0
        })
        .await;
}

/// A connection with a part of a request: nothing, half a head, half a body of either framing.
fn unfinished(addr: SocketAddr, at: usize) -> TcpStream {
    let begun = match at % 4 {
        0 => String::new(),
        1 => String::from("GET /london/small HTTP/1.1\r\nHos"),
        2 => format!("PUT /london/u{at} HTTP/1.1\r\nContent-Length: {MIB}\r\n\r\n"),
        _ => format!("PUT /london/u{at} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{MIB:x}\r\n"),
    };
    let mut stream = open(addr);
    stream.write_all(begun.as_bytes()).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

/// Sends each body 16 KiB more, as far as it is taken.
fn feed(mut held: Vec<TcpStream>) -> Vec<TcpStream> {
    let part = [b'x'; 16 << 10];
    for stream in held.iter_mut().enumerate().filter(|(at, _)| at % 4 > 1) {
        if let Err(error) = stream.1.write(&part) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
    }
    held
}

pub(crate) async fn values_that_leave_slowly_hold_up_no_get<R: Runtime>(world: World<R>) {
    const READERS: usize = 16;
    let node = node(&world, 64 * MIB).await;
    let addr = node.addr();
    let value: Vec<u8> = (0..8 * MIB).map(|at| (at % 251) as u8).collect();
    assert_eq!(http(addr, "PUT", "/london/large", &value).await.0, 200);
    blocking(move || {
        // Each has read a part and no more: all the rest waits at the node.
        let readers = (0..READERS).map(|_| {
            let mut stream = open(addr);
            stream
                .write_all(b"GET /london/large HTTP/1.1\r\n\r\n")
                .unwrap();
            let mut begun = vec![0; 1000];
            stream.read_exact(&mut begun).unwrap();
            (stream, begun)
        });
        let readers: Vec<_> = readers.collect();
        small_gets_are_answered(addr);
        for (mut stream, mut begun) in readers {
            let answer = read_answer(&mut stream, &mut begun, false);
            assert!(answer.status == 200 && answer.body == value);
        }
    })
    .await;
}

pub(crate) async fn a_flood_of_one_connection_holds_up_no_other<R: Runtime>(world: World<R>) {
    let node = node(&world, MIB).await;
    let addr = node.addr();
    blocking(move || {
        let over = Arc::new(AtomicBool::new(false));
        let mut flood = open(addr);
        let mut heard = flood.try_clone().unwrap();
        let ended = over.clone();
        let sender = thread::spawn(move || {
            let script = SMALL.repeat(1000);
            let mut sent = 0_u64;
            while !ended.load(Ordering::Relaxed) {
                flood.write_all(&script).unwrap();
                sent += 1000;
            }
            flood
                .write_all(b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n")
                .unwrap();
            sent
        });
        let receiver = thread::spawn(move || {
            let (mut all, mut part) = (0_u64, vec![0; 64 << 10]);
            while let Ok(n @ 1..) = heard.read(&mut part) {
                all += part[..n].windows(5).filter(|w| w == b"HTTP/").count() as u64;
            }
            all
        });
        small_gets_are_answered(addr);
        over.store(true, Ordering::Relaxed);
        let (sent, answered) = (sender.join().unwrap(), receiver.join().unwrap());
        // A mark that two reads divide is not counted.
        assert!(sent >= 1000 && answered > sent / 2, "{answered} of {sent}");
    })
    .await;
}
