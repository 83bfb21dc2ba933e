//! Nodes come, go, and come back.

use super::MINUTE;
use super::fickle::{Fickle, Temper};
use crate::world::{World, http, peer_of, routable};
use std::net::{TcpListener, TcpStream};
use zerocache_driver::{Node, Runtime};
use zerocache_proto::sync::State;

pub(crate) async fn a_killed_node_fails_no_write_and_no_read<R: Runtime>(world: World<R>) {
    let a = world.node("london", &[]);
    let b = world.node("london", &[&a]);
    let c = world.node("london", &[&a]);
    world.formed(&[&a, &b, &c]).await;
    let client = world.client("london", a.addr()).await;
    world.knows(&client, 3).await;
    b.kill();
    for i in 0..12 {
        let key = format!("key-{i}");
        client.put(&key, key.clone(), MINUTE).await.unwrap();
        let read = client.get(&key).await.unwrap();
        assert_eq!(read.as_deref(), Some(key.as_bytes()));
    }
    world
        .until("the dead node is out of routing", || {
            routable(&a) == 1 && routable(&c) == 1
        })
        .await;
}

pub(crate) async fn a_relaunched_node_is_the_same_one_and_gets_what_it_missed<R: Runtime>(
    world: World<R>,
) {
    let a = world.node("london", &[]);
    let b = world.node("london", &[&a]);
    world.formed(&[&a, &b]).await;
    let (id, addr) = (b.id(), b.addr());
    b.kill();
    let client = world.client("london", a.addr()).await;
    client.put("missed", "v", MINUTE).await.unwrap();
    world
        .until("it is out of routing", || routable(&a) == 0)
        .await;
    client.put("missed later", "v", MINUTE).await.unwrap();
    world.shows(a.addr(), r#""queued": 2}"#).await;
    world
        .until("its port is free again", || TcpListener::bind(addr).is_ok())
        .await;
    let again = world.join(world.builder("london").port(addr.port()), &[&a]);
    assert_eq!(again.id(), id);
    for target in ["/london/missed", "/london/missed%20later"] {
        world.answers(addr, target, 200).await;
    }
    world.shows(a.addr(), r#""queued": 0}"#).await;
    assert_eq!(a.peers().len(), 1, "no dead twin");
}

pub(crate) async fn a_relaunched_node_has_what_its_peers_hold_again<R: Runtime>(world: World<R>) {
    let a = world.node("london", &[]);
    let b = world.node("london", &[&a]);
    world.formed(&[&a, &b]).await;
    let client = world.client("london", a.addr()).await;
    world.knows(&client, 2).await;
    // Some pages of them, of all sizes, and one that fills a page alone.
    let value = |i: usize| vec![i as u8; if i == 0 { 300_000 } else { i * 17 }];
    for i in 0..300 {
        client
            .put(&format!("key-{i}"), value(i), MINUTE)
            .await
            .unwrap();
    }
    client.delete("key-7").await.unwrap();
    let entries = |node: &Node<R>| node.status().cache.local.entries;
    world
        .until("each has them all", || {
            entries(&a) == 299 && entries(&b) == 299
        })
        .await;
    // Nothing is left that would be sent again.
    assert_eq!(a.status().queues.waiting + b.status().queues.waiting, 0);
    let (id, addr) = (b.id(), b.addr());
    b.kill();
    world
        .until("its port is free again", || TcpListener::bind(addr).is_ok())
        .await;
    let again = world.join(world.builder("london").port(addr.port()), &[&a]);
    assert_eq!(again.id(), id);
    world
        .until("it has them again", || entries(&again) == 299)
        .await;
    world
        .until("it says so", || again.status().sync.state == State::Synced)
        .await;
    let targets = [
        (0, "/london/key-0"),
        (1, "/london/key-1"),
        (100, "/london/key-100"),
        (299, "/paris/key-299"),
    ];
    for (i, target) in targets {
        assert_eq!(http(addr, "GET", target, b"").await, (200, value(i)));
    }
    assert_eq!(http(addr, "GET", "/london/key-7", b"").await.0, 404);
    assert_eq!(again.status().cache.tombstones.entries, 1);
    assert_eq!(entries(&a), 299);
}

pub(crate) async fn a_goodbye_is_final<R: Runtime>(world: World<R>) {
    let a = world.node("london", &[]);
    let b = world.node("london", &[&a]);
    world.formed(&[&a, &b]).await;
    world.within("it has said goodbye", b.shutdown()).await;
    let left = TcpStream::connect(b.addr());
    assert!(left.is_err(), "it no longer listens");
    let client = world.client("london", a.addr()).await;
    client.put("k", "v", MINUTE).await.unwrap();
    world.within("no goodbye is said twice", b.shutdown()).await;
}

pub(crate) async fn a_node_dropped_leaves_too<R: Runtime>(world: World<R>) {
    let a = world.node("london", &[]);
    let addr = a.addr();
    let clone = a.clone();
    drop(a);
    assert_eq!(http(addr, "GET", "/ping", b"").await.0, 200, "one is left");
    drop(clone);
    world
        .until("it no longer listens", || TcpStream::connect(addr).is_err())
        .await;
}

pub(crate) async fn a_taken_port_is_an_error_and_announces_nothing<R: Runtime>(world: World<R>) {
    let a = world.node("london", &[]);
    let second = world.builder("london").port(a.addr().port());
    let error = second.start_on(world.runtime.clone()).unwrap_err();
    assert!(error.to_string().contains(&a.addr().to_string()));
    world.within("the first is as before", a.ready()).await;
    assert_eq!(http(a.addr(), "GET", "/ping", b"").await.0, 200);
}

pub(crate) async fn a_node_that_does_not_hold_all_yet_asks_for_what_it_misses<R: Runtime>(
    world: World<R>,
) {
    let peer = Fickle::new(Temper::Ponders);
    let node = world.start(world.builder("london").peer(peer_of("london", peer.addr)));
    world
        .until("it sees its peer", || routable(&node) == 1)
        .await;
    assert_ne!(node.status().sync.state, State::Synced);
    for key in ["key", "key", "caf\u{e9}"] {
        let target = format!("/london/{}", key.replace('\u{e9}', "%C3%A9"));
        let (status, body) = http(node.addr(), "GET", &target, b"").await;
        assert_eq!((status, &body[..]), (200, key.as_bytes()));
    }
    // What was found is held from then on.
    assert_eq!(node.status().sync.lookups, 2);
    assert_eq!(node.status().cache.local.entries, 2);
}
