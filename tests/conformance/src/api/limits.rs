//! What a node does when somebody asks too much of it.

use crate::sockets::{Answer, open, raw, read_answer, rest};
use crate::world::{World, blocking, http};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;
use zerocache_driver::{Admission, Runtime};
use zerocache_proto::cache::Bounds;

const PING: &[u8] = b"GET /ping HTTP/1.1\r\n\r\n";

fn bounds(connections: usize) -> Admission {
    Admission {
        connections,
        per_source: connections,
    }
}

pub(crate) async fn one_connection_too_many_takes_the_place_of_the_longest_idle<R: Runtime>(
    world: World<R>,
) {
    let node = world.start(world.builder("london").admission(bounds(3)));
    let addr = node.addr();
    let held = blocking(move || {
        [(); 3].map(|()| {
            let mut stream = open(addr);
            stream.write_all(PING).unwrap();
            assert_eq!(
                read_answer(&mut stream, &mut Vec::new(), false).body,
                b"pong"
            );
            stream
        })
    });
    let mut held = held.await;
    let pong = (200, b"pong".to_vec());
    assert_eq!(http(addr, "GET", "/ping", b"").await, pong);
    blocking(move || {
        assert!(rest(&mut held[0]).is_empty(), "the longest idle was closed");
        let last = b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n";
        held[2].write_all(last).unwrap();
        assert!(rest(&mut held[2]).ends_with(b"pong"), "the latest was not");
    })
    .await;
}

pub(crate) async fn where_all_are_busy_one_more_is_told_so<R: Runtime>(world: World<R>) {
    let node = world.start(world.builder("london").admission(bounds(2)));
    let addr = node.addr();
    // Whoever is told to go on has been heard: it is busy, not idle.
    let busy = blocking(move || {
        [(); 2].map(|()| {
            let mut stream = open(addr);
            let head = "PUT /london/k HTTP/1.1\r\nContent-Length: 1\r\n";
            write!(stream, "{head}Expect: 100-continue\r\n\r\n").unwrap();
            let mut interim = [0; 25];
            stream.read_exact(&mut interim).unwrap();
            assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
            stream
        })
    })
    .await;
    blocking(move || {
        let refused = raw(addr, PING);
        let (refused, _) = Answer::parse(&refused, false).unwrap();
        assert_eq!(refused.status, 503);
        for mut stream in busy {
            stream.write_all(b"y").unwrap();
            let answer = read_answer(&mut stream, &mut Vec::new(), false);
            assert_eq!(answer.status, 200, "who was first is served");
        }
    })
    .await;
}

pub(crate) async fn bodies_in_flight_are_bounded_together<R: Runtime>(world: World<R>) {
    const BODY: usize = 1 << 20;
    let node = world.start(world.builder("london").bodies_in_flight(2 * BODY));
    let addr = node.addr();
    blocking(move || feed_all(addr, BODY)).await;
    for i in 0..8 {
        let (_, body) = http(addr, "GET", &format!("/london/k{i}"), b"").await;
        assert_eq!(body.len(), BODY);
    }
}

/// Eight bodies at once, more than the bound allows; each that is done frees its memory for others.
fn feed_all(addr: SocketAddr, size: usize) {
    let begin = |i: usize| {
        let mut stream = open(addr);
        stream.set_nonblocking(true).unwrap();
        let head = format!("PUT /london/k{i} HTTP/1.1\r\nContent-Length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        (stream, size)
    };
    let mut under_way: Vec<_> = (0..8).map(begin).collect();
    let begun = Instant::now();
    let chunk = vec![7; 64 << 10];
    while !under_way.is_empty() {
        assert!(
            begun.elapsed() < 2 * crate::sockets::PATIENCE,
            "{} of 8 left",
            under_way.len()
        );
        under_way.retain_mut(|(stream, left)| {
            if *left > 0 {
                match stream.write(&chunk[..chunk.len().min(*left)]) {
                    Ok(n) => *left -= n,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                return true;
            }
            let mut answer = [0; 12];
            let done = matches!(stream.read(&mut answer), Ok(12));
            assert!(!done || &answer == b"HTTP/1.1 200");
            !done
        });
    }
}

pub(crate) async fn a_node_holds_less_as_soon_as_it_is_told_to<R: Runtime>(world: World<R>) {
    let node = world.start(world.builder("london").shards(4));
    let (addr, entries) = (node.addr(), || node.status().cache.local.entries);
    let put = async |n: u32| http(addr, "PUT", &format!("/london/k{n}"), b"v").await.0;
    for n in 0..40 {
        assert_eq!(put(n).await, 200);
    }
    assert_eq!(entries(), 40);
    node.set_bounds(Bounds::entries(8), Bounds::entries(8));
    assert!((1..=8).contains(&entries()), "{} of 8", entries());
    assert_eq!(node.status().cache.local.max_entries, 8);
    node.set_bounds(Bounds::entries(4_000), Bounds::entries(4_000));
    for n in 0..40 {
        assert_eq!(put(n).await, 200);
    }
    assert_eq!(entries(), 40);
}
