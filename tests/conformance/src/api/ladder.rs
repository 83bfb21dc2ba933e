//! A client's operations, and where they end up.

use super::MINUTE;
use super::spread::stalling;
use crate::world::{World, http, peer, peer_of};
use std::net::TcpListener;
use zerocache_driver::{Error, Runtime};

pub(crate) async fn a_miss_goes_down_the_ladder_to_another_region<R: Runtime>(world: World<R>) {
    let london = world.node("london", &[]);
    let paris = world.node("paris", &[&london]);
    world.formed(&[&london, &paris]).await;
    let client = world.client("london", london.addr()).await;
    world.knows(&client, 2).await;
    // Only the other region has it: written there as a copy is.
    let target = "/london/k?recurse=0&expiry=60";
    assert_eq!(http(paris.addr(), "PUT", target, b"v").await.0, 200);
    assert_eq!(http(london.addr(), "GET", "/london/k", b"").await.0, 404);
    let read = client.get("k").await.unwrap();
    assert_eq!(read.as_deref(), Some(&b"v"[..]));
    assert_eq!(client.get("nowhere").await.unwrap(), None);
    let stats = client.stats();
    assert_eq!((stats.hits, stats.misses, stats.failures), (1, 1, 0));
    assert_eq!(stats.attempts, 4, "two rungs each");
}

pub(crate) async fn a_region_without_nodes_is_served_by_the_others<R: Runtime>(world: World<R>) {
    let london = world.node("london", &[]);
    let paris = world.node("paris", &[&london]);
    world.formed(&[&london, &paris]).await;
    let client = world.client("tokyo", london.addr()).await;
    client.put("k", "v", MINUTE).await.unwrap();
    let read = client.get("k").await.unwrap();
    assert_eq!(read.as_deref(), Some(&b"v"[..]));
    client.delete("k").await.unwrap();
    // Acknowledged by one region; the other hears of it behind that, and a miss asks the other too.
    for node in [&london, &paris] {
        world.answers(node.addr(), "/tokyo/k", 404).await;
    }
    assert_eq!(client.get("k").await.unwrap(), None);
}

pub(crate) async fn a_node_that_stalls_costs_a_rung_and_no_more<R: Runtime>(world: World<R>) {
    let good = world.node("london", &[]);
    let peers = [peer(good.addr()), peer_of("london", stalling())];
    let client = world.client_of("london", &peers);
    world.knows(&client, 2).await;
    // The round robin begins at one of them, then at the other.
    for key in ["one", "two"] {
        client.put(key, key, MINUTE).await.unwrap();
        let read = client.get(key).await.unwrap();
        assert_eq!(read.as_deref(), Some(key.as_bytes()));
    }
    assert!(client.stats().attempts > 4, "the stalling one was asked");
}

pub(crate) async fn what_can_not_be_done_is_said_with_every_attempt<R: Runtime>(world: World<R>) {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let alone = world.client_of("london", &[peer(nobody)]);
    assert!(matches!(alone.get("k").await, Err(Error::Unreachable(_))));
    assert!(matches!(
        alone.get("").await,
        Err(Error::InvalidKey { len: 0 })
    ));
    assert!(matches!(
        alone.get([0; 4097]).await,
        Err(Error::InvalidKey { len: 4097 })
    ));
    world.within("it ends", alone.shutdown()).await;
    assert!(matches!(alone.get("k").await, Err(Error::ShutDown)));
    assert!(matches!(alone.ready().await, Err(Error::ShutDown)));

    let small = world.start(world.builder("london").max_value(1000));
    let client = world.client("london", small.addr()).await;
    client.put("k", "v", MINUTE).await.unwrap();
    let error = client.put("k", vec![0; 1001], MINUTE).await.unwrap_err();
    let told = error.to_string();
    assert!(
        matches!(error, Error::Refused { status: 413, .. }),
        "{told}"
    );
    assert!(
        told.contains(&small.id().to_string()) && told.contains("london"),
        "{told}"
    );
    let read = client.get("k").await.unwrap();
    assert_eq!(read.as_deref(), Some(&b"v"[..]), "what was stored stays");
    small.kill();
    let error = client.get("k").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error}");
    assert!(error.to_string().contains(&small.addr().to_string()));
}

pub(crate) async fn values_of_any_size_come_back_as_they_went<R: Runtime>(world: World<R>) {
    let a = world.node("london", &[]);
    let b = world.node("london", &[&a]);
    world.formed(&[&a, &b]).await;
    let client = world.client("london", b.addr()).await;
    for size in [0, 1, 4096, 4097, 65_536, 65_537, 1 << 20] {
        let value: Vec<u8> = (0..size).map(|i: usize| (i % 251) as u8).collect();
        client.put("k", value.clone(), MINUTE).await.unwrap();
        for _ in 0..2 {
            let read = client.get("k").await.unwrap();
            assert!(read.as_deref() == Some(&value[..]), "{size}");
        }
    }
    assert!(client.delete("k").await.unwrap());
    assert_eq!(client.get("k").await.unwrap(), None);
    assert!(!client.delete("k").await.unwrap());
}
