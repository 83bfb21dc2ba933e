//! What a node does when somebody asks too much of it: a clear status, and nothing is lost.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of these tests"
)]

mod common;

use common::{blocking, builder, client, formed, http, join, node, parse, raw, until};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use zerocache_proto::http::Limits;
use zerocache_proto::op::Ack;
use zerocache_tokio::{Admission, Node};

fn limited(limits: Limits) -> Node {
    builder("london").limits(limits).start().unwrap()
}

fn open(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream
}

/// Reads until the peer closes or resets.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => return all,
            Ok(n) => all.extend_from_slice(&part[..n]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return all,
            Err(error) => panic!("after {all:?}: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_limit_of_a_request_has_its_status_and_the_cache_stays() {
    let node = builder("london").max_value(1 << 20).start().unwrap();
    let addr = node.addr();
    blocking(move || {
        assert_eq!(http(addr, "PUT", "/london/kept?expiry=60", b"kept").0, 200);
        let many: String = (0..65).map(|i| format!("H{i}: x\r\n")).collect();
        let long = "x".repeat(17 << 10);
        let cases = [
            (format!("GET /london/k HTTP/1.1\r\n{many}\r\n"), 431),
            (format!("GET /london/k HTTP/1.1\r\nH: {long}\r\n\r\n"), 431),
            (
                format!("GET /london/{} HTTP/1.1\r\n\r\n", "k".repeat(9 << 10)),
                414,
            ),
            (
                format!("GET /london/{} HTTP/1.1\r\n\r\n", "k".repeat(4097)),
                414,
            ),
            (
                "PUT /london/k HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n".into(),
                413,
            ),
            (
                "PUT /london/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n".into(),
                413,
            ),
            (
                "PUT /london/k HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                    .into(),
                400,
            ),
            (
                "PUT /london/k HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".into(),
                400,
            ),
            ("GET /london/k HTTP/1.1\nHost: x\n\n".into(), 400),
            (
                "GET /london/k HTTP/1.1\r\nH: a\r\n folded\r\n\r\n".into(),
                400,
            ),
            ("GET /london/k HTTP/1.1\r\nH: a\0b\r\n\r\n".into(), 400),
            ("\x16\x03\x01\x02\0\x01\0\x01\u{fc}\r\n\r\n".into(), 400),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 505),
            (
                "GET /london/%zz HTTP/1.1\r\nConnection: close\r\n\r\n".into(),
                400,
            ),
            (
                "POST /london/k HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into(),
                405,
            ),
            (
                "GET /none/of/these HTTP/1.1\r\nConnection: close\r\n\r\n".into(),
                404,
            ),
        ];
        for (request, status) in cases {
            let answer = raw(addr, request.as_bytes());
            let start: String = request.chars().take(60).collect();
            assert_eq!(parse(&answer).0, status, "{start:?}");
        }
        assert_eq!(
            http(addr, "GET", "/london/kept", b""),
            (200, b"kept".to_vec())
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_are_total_however_the_bytes_drip() {
    let node = limited(Limits {
        head_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(300),
        ..Limits::default()
    });
    let addr = node.addr();
    blocking(move || {
        let drip = |start: &str| {
            let mut stream = open(addr);
            let begun = Instant::now();
            stream.write_all(start.as_bytes()).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_millis(50)))
                .unwrap();
            let mut part = [0; 512];
            while begun.elapsed() < Duration::from_secs(5) {
                match stream.read(&mut part) {
                    Ok(n) => {
                        return (
                            String::from_utf8_lossy(&part[..n]).into_owned(),
                            begun.elapsed(),
                        );
                    }
                    Err(_) => drop(stream.write_all(b"x")),
                }
            }
            panic!("still open after {start:?}");
        };
        let (head, took) = drip("GET /london/k HTTP/1.1\r\nH: ");
        assert!(
            head.starts_with("HTTP/1.1 408") && took < Duration::from_secs(2),
            "{head:?} {took:?}"
        );
        let (body, _) = drip("PUT /london/k HTTP/1.1\r\nContent-Length: 100000\r\n\r\n");
        assert!(body.starts_with("HTTP/1.1 408"), "{body:?}");
        // Nothing at all, and nothing after an answer: closed without a word.
        assert!(rest(&mut open(addr)).is_empty());
        let mut idle = open(addr);
        idle.write_all(b"GET /ping HTTP/1.1\r\n\r\n").unwrap();
        assert!(rest(&mut idle).ends_with(b"pong"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_too_many_takes_the_place_of_the_longest_idle() {
    let bounds = Admission {
        connections: 3,
        per_source: 3,
    };
    let node = builder("london").admission(bounds).start().unwrap();
    let addr = node.addr();
    blocking(move || {
        let mut held: Vec<_> = (0..3)
            .map(|_| {
                let mut stream = open(addr);
                stream.write_all(b"GET /ping HTTP/1.1\r\n\r\n").unwrap();
                let mut answer = [0; 4];
                while answer != *b"pong" {
                    answer.rotate_left(1);
                    stream.read_exact(&mut answer[3..]).unwrap();
                }
                stream
            })
            .collect();
        assert_eq!(http(addr, "GET", "/ping", b""), (200, b"pong".to_vec()));
        assert!(
            rest(&mut held[0]).is_empty(),
            "the longest idle one was closed"
        );
        held[2]
            .write_all(b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n")
            .unwrap();
        assert!(rest(&mut held[2]).ends_with(b"pong"), "the latest was not");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_are_busy_one_more_is_told_so() {
    let bounds = Admission {
        connections: 2,
        per_source: 2,
    };
    let node = builder("london").admission(bounds).start().unwrap();
    let addr = node.addr();
    let (first, second) = blocking(move || {
        let busy = || {
            let mut stream = open(addr);
            stream
                .write_all(b"PUT /london/k HTTP/1.1\r\nContent-Length: 2\r\n\r\nx")
                .unwrap();
            stream
        };
        (busy(), busy())
    })
    .await;
    until("both have begun", || node.status().connections.open == 2).await;
    blocking(move || {
        let mut refused = parse(&raw(addr, b"GET /ping HTTP/1.1\r\n\r\n")).0;
        // The connections may be open and their first bytes not read yet: idle, and replaced.
        for _ in 0..100 {
            if refused == 503 {
                break;
            }
            refused = parse(&raw(
                addr,
                b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n",
            ))
            .0;
        }
        assert_eq!(refused, 503);
        for mut stream in [first, second] {
            stream.write_all(b"y").unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200", "who was first is served");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_in_flight_are_bounded_together() {
    const BODY: usize = 1 << 20;
    let node = builder("london")
        .bodies_in_flight(2 * BODY)
        .start()
        .unwrap();
    let addr = node.addr();
    // Eight bodies of which the last byte is missing: more than the bound allows.
    let streams = blocking(move || {
        let begin = |i: usize| {
            let mut stream = open(addr);
            stream.set_nonblocking(true).unwrap();
            let head = format!("PUT /london/k{i} HTTP/1.1\r\nContent-Length: {BODY}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            stream
        };
        (0..8).map(begin).collect::<Vec<_>>()
    })
    .await;
    // All are fed at once; each that is done frees its memory for the others.
    let fed = blocking(move || {
        let mut left: Vec<_> = streams.into_iter().map(|stream| (stream, BODY)).collect();
        let begun = Instant::now();
        let chunk = vec![7; 64 << 10];
        let mut done = 0;
        while done < 8 {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{done} of 8 done"
            );
            for (stream, left) in &mut left {
                if *left > 0 {
                    match stream.write(&chunk[..chunk.len().min(*left)]) {
                        Ok(n) => *left -= n,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                    }
                }
            }
            let mut answer = [0; 12];
            for (stream, left) in &mut left {
                if *left == 0 && matches!(stream.read(&mut answer), Ok(12)) {
                    assert_eq!(&answer, b"HTTP/1.1 200");
                    *left = usize::MAX;
                    done += 1;
                }
            }
            left.retain(|(_, left)| *left != usize::MAX);
        }
        done
    })
    .await;
    assert_eq!(fed, 8);
    for i in 0..8 {
        assert_eq!(
            http(addr, "GET", &format!("/london/k{i}"), b"").1.len(),
            BODY
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_succeeds_though_every_peer_has_gone_without_a_word() {
    for ack in [Ack::None, Ack::Region, Ack::All] {
        let a = builder("london").ack(ack).start().unwrap();
        let b = join(builder("london").ack(ack), &[&a]);
        let c = node("paris", &[&a]);
        formed(&[&a, &b, &c]).await;
        // They go without a word, and nobody knows yet.
        b.kill();
        c.kill();
        let addr = a.addr();
        blocking(move || assert_eq!(http(addr, "PUT", "/london/k", b"v").0, 200)).await;
        assert_eq!(http(addr, "GET", "/london/k", b"").0, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_stalls_fails_no_write() {
    // It answers pings and nothing else.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stalling = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 1024];
            let n = stream.read(&mut head).unwrap_or(0);
            if head[..n].starts_with(b"GET /ping") {
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\npong");
            } else if head[..n].starts_with(b"GET /_zc") {
                let _ = stream.write_all(b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n");
            } else {
                kept.push(stream);
            }
        }
    });
    // How long a write waits for it is `op::Fanout`'s business, and tested there in virtual time.
    for ack in [Ack::Region, Ack::All] {
        let peer = format!("london@{stalling}").parse().unwrap();
        let a = builder("london").ack(ack).peer(peer).start().unwrap();
        until("the stalling peer is believed", || {
            common::routable(&a) == 1
        })
        .await;
        let client = client("london", a.addr()).await;
        client.put("k", "v", Duration::from_secs(60)).await.unwrap();
        assert_eq!(http(a.addr(), "GET", "/london/k", b"").0, 200);
    }
}
