//! Writes reach every node and every region.

use super::MINUTE;
use super::fickle::{Fickle, Temper};
use crate::sockets;
use crate::world::{World, blocking, http, peer_of, routable};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;
use zerocache_driver::Runtime;
use zerocache_proto::op::Ack;

pub(crate) async fn a_write_through_any_node_is_read_at_every_node<R: Runtime>(world: World<R>) {
    let a = world.node("london", &[]);
    let b = world.node("london", &[&a]);
    let c = world.node("london", &[&a]);
    world.formed(&[&a, &b, &c]).await;
    let addrs = [a.addr(), b.addr(), c.addr()];
    for (i, writer) in addrs.into_iter().enumerate() {
        let target = format!("/london/key-{i}");
        let value = format!("value {i}").into_bytes();
        let put = http(writer, "PUT", &target, &value).await;
        assert_eq!(put.0, 200);
        for reader in addrs {
            let read = http(reader, "GET", &target, b"").await;
            assert_eq!(read, (200, value.clone()));
        }
        assert_eq!(http(writer, "DELETE", &target, b"").await.0, 200);
        for reader in addrs {
            assert_eq!(http(reader, "GET", &target, b"").await.0, 404);
        }
    }
}

pub(crate) async fn a_write_reaches_every_region_and_is_deleted_in_all<R: Runtime>(
    world: World<R>,
) {
    let london = world.node("london", &[]);
    let paris = world.node("paris", &[&london]);
    let paris2 = world.node("paris", &[&london]);
    let tokyo = world.node("tokyo", &[&london]);
    world.formed(&[&london, &paris, &paris2, &tokyo]).await;
    let writer = world.client("london", london.addr()).await;
    writer.put("k", "v", MINUTE).await.unwrap();
    for node in [&paris, &paris2, &tokyo] {
        let target = format!("/{}/k", node.region());
        world.answers(node.addr(), &target, 200).await;
    }
    // Deleted where it was not written, through a client of another region.
    let deleter = world.client("tokyo", tokyo.addr()).await;
    deleter.delete("k").await.unwrap();
    for node in [&london, &paris, &paris2, &tokyo] {
        world.answers(node.addr(), "/london/k", 404).await;
    }
}

pub(crate) async fn copies_keep_the_writers_expiry<R: Runtime>(world: World<R>) {
    let a = world.node("london", &[]);
    let b = world.node("london", &[&a]);
    let c = world.node("paris", &[&a]);
    world.formed(&[&a, &b, &c]).await;
    let client = world.client("london", a.addr()).await;
    client.put("k", "v", Duration::from_secs(2)).await.unwrap();
    let addrs = [a.addr(), b.addr(), c.addr()];
    for status in [200, 404] {
        for addr in addrs {
            world.answers(addr, "/london/k", status).await;
        }
    }
}

pub(crate) async fn peers_that_stall_reset_or_talk_nonsense_disturb_nobody<R: Runtime>(
    world: World<R>,
) {
    let answers = [
        &b""[..],
        b"SSH-2.0-nonsense\r\n\r\n",
        &[b'x'; 100_000],
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
    ];
    let builder = answers
        .into_iter()
        .fold(world.builder("london"), |builder, answer| {
            builder.peer(peer_of("london", hostile(answer)))
        });
    let a = world.start(builder.ack(Ack::Region));
    let b = world.node("london", &[&a]);
    world
        .until("the good peer is routable", || {
            routable(&a) >= 1 && routable(&b) >= 1
        })
        .await;
    let client = world.client("london", a.addr()).await;
    for i in 0..20 {
        let key = format!("key-{i}");
        client.put(&key, "v", MINUTE).await.unwrap();
        let target = format!("/london/{key}");
        assert_eq!(http(b.addr(), "GET", &target, b"").await.0, 200);
    }
}

/// A server that answers every connection with `answer`; with nothing, it stalls.
fn hostile(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut stalled = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            if answer.is_empty() {
                stalled.push(stream);
            } else {
                let _ = stream.write_all(answer);
            }
        }
    });
    addr
}

/// A server that answers pings and nothing else.
pub(crate) fn stalling() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
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
    addr
}

pub(crate) async fn a_put_succeeds_though_every_peer_has_gone_without_a_word<R: Runtime>(
    world: World<R>,
) {
    for ack in [Ack::None, Ack::Region, Ack::All] {
        let a = world.start(world.builder("london").ack(ack));
        let b = world.join(world.builder("london").ack(ack), &[&a]);
        let c = world.node("paris", &[&a]);
        world.formed(&[&a, &b, &c]).await;
        // They go, and nobody knows yet.
        b.kill();
        c.kill();
        assert_eq!(http(a.addr(), "PUT", "/london/k", b"v").await.0, 200);
        assert_eq!(http(a.addr(), "GET", "/london/k", b"").await.0, 200);
    }
}

pub(crate) async fn a_peer_that_stalls_fails_no_write<R: Runtime>(world: World<R>) {
    let stalling = stalling();
    // How long a write waits for it is `op::Fanout`'s business, and tested there in virtual time.
    for ack in [Ack::Region, Ack::All] {
        let builder = world.builder("london").ack(ack);
        let a = world.start(builder.peer(peer_of("london", stalling)));
        world
            .until("the stalling peer is believed", || routable(&a) == 1)
            .await;
        let client = world.client("london", a.addr()).await;
        world.knows(&client, 2).await;
        client.put("k", "v", MINUTE).await.unwrap();
        assert_eq!(http(a.addr(), "GET", "/london/k", b"").await.0, 200);
    }
}

pub(crate) async fn copies_reach_a_peer_whatever_it_does_with_its_connections<R: Runtime>(
    world: World<R>,
) {
    for temper in [
        Temper::Breaks,
        Temper::Babbles,
        Temper::Closes,
        Temper::IsOld,
    ] {
        let fickle = Fickle::new(temper);
        let a = world.start(world.builder("london").peer(peer_of("london", fickle.addr)));
        let b = world.node("london", &[&a]);
        world
            .until("both peers are routable", || routable(&a) == 2)
            .await;
        let addr = a.addr();
        let statuses = blocking(move || {
            thread::scope(|scope| {
                let put = |client: usize| {
                    let size = if client == 7 { 40_000 } else { 100 };
                    let keys = (0..8).map(move |n| format!("/london/{client}-{n}"));
                    move || {
                        keys.map(|key| sockets::http(addr, "PUT", &key, &vec![b'v'; size]).0)
                            .collect::<Vec<_>>()
                    }
                };
                let clients: Vec<_> = (0..16).map(|client| scope.spawn(put(client))).collect();
                let done = clients.into_iter().map(|client| client.join().unwrap());
                done.flatten().collect::<Vec<_>>()
            })
        })
        .await;
        assert_eq!(statuses, [200; 128], "{temper:?}");
        for client in 0..16 {
            let target = format!("/london/{client}-7");
            assert_eq!(http(b.addr(), "GET", &target, b"").await.0, 200);
        }
        world
            .until("every copy has been taken", || fickle.taken() == 128)
            .await;
    }
}

pub(crate) async fn a_nodes_first_words_to_a_static_peer_tell_of_the_node<R: Runtime>(
    world: World<R>,
) {
    for _ in 0..20 {
        let seed = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = seed.local_addr().unwrap();
        let node = world.start(
            world
                .builder("london")
                .peer(addr.to_string().parse().unwrap()),
        );
        let head = blocking(move || {
            let mut heard = [0; 1024];
            let n = seed.accept().unwrap().0.read(&mut heard).unwrap();
            String::from_utf8_lossy(&heard[..n]).into_owned()
        })
        .await;
        let hello = format!("Zc-Node: {} london {}\r\n", node.id(), node.addr().port());
        assert!(head.contains(&hello), "{head}");
        node.kill();
    }
}
