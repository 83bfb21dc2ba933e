//! Nodes and clients on every host of the adapter: writes spread, dead nodes do not matter.

#![expect(clippy::unwrap_used, reason = "tests that are not #[test] functions")]

mod common;

use common::{answers, builder, client, formed, join, node, on_every_host, routable, until};
use std::time::{Duration, Instant};
use zerocache_smol::{Client, Error, Smol};

const MINUTE: Duration = Duration::from_secs(60);

on_every_host!(
    writes_and_deletes_reach_every_node_and_region,
    a_killed_node_fails_no_write_and_no_read,
    a_relaunched_node_is_the_same_one_and_gets_what_it_missed,
    a_goodbye_is_final_and_shutdown_is_quick,
    an_operation_given_up_at_any_moment_harms_no_other,
    what_can_not_be_done_is_said,
);

async fn writes_and_deletes_reach_every_node_and_region(runtime: Smol) {
    let london = node(&runtime, "london", &[]);
    let london2 = node(&runtime, "london", &[&london]);
    let paris = node(&runtime, "paris", &[&london]);
    let paris2 = node(&runtime, "paris", &[&london]);
    let all = [&london, &london2, &paris, &paris2];
    formed(&all).await;
    let client = client(&runtime, "london", london2.addr()).await;
    client.put("k", vec![7; 1 << 20], MINUTE).await.unwrap();
    for node in all {
        answers(node.addr(), "/london/k", 200).await;
    }
    assert_eq!(client.get("k").await.unwrap().unwrap().len(), 1 << 20);
    assert!(client.delete("k").await.unwrap());
    for node in all {
        answers(node.addr(), "/london/k", 404).await;
    }
    assert_eq!(client.get("k").await.unwrap(), None);
}

async fn a_killed_node_fails_no_write_and_no_read(runtime: Smol) {
    let a = node(&runtime, "london", &[]);
    let b = node(&runtime, "london", &[&a]);
    let c = node(&runtime, "london", &[&a]);
    formed(&[&a, &b, &c]).await;
    let client = client(&runtime, "london", a.addr()).await;
    until("the client knows all", || {
        client.nodes().iter().filter(|n| n.routable).count() == 3
    })
    .await;
    b.kill();
    for i in 0..12 {
        let key = format!("key-{i}");
        client.put(&key, key.clone(), MINUTE).await.unwrap();
        assert_eq!(
            client.get(&key).await.unwrap().as_deref(),
            Some(key.as_bytes())
        );
    }
    until("the dead node is out of routing", || {
        routable(&a) == 1 && routable(&c) == 1
    })
    .await;
}

async fn a_relaunched_node_is_the_same_one_and_gets_what_it_missed(runtime: Smol) {
    let a = node(&runtime, "london", &[]);
    let b = node(&runtime, "london", &[&a]);
    formed(&[&a, &b]).await;
    let (id, addr) = (b.id(), b.addr());
    b.kill();
    let client = client(&runtime, "london", a.addr()).await;
    client.put("missed", "v", MINUTE).await.unwrap();
    until("its port is free again", || {
        std::net::TcpListener::bind(addr).is_ok()
    })
    .await;
    let again = join(&runtime, builder("london").port(addr.port()), &[&a]);
    assert_eq!(again.id(), id);
    answers(addr, "/london/missed", 200).await;
    assert_eq!(a.peers().len(), 1, "no dead twin");
}

async fn a_goodbye_is_final_and_shutdown_is_quick(runtime: Smol) {
    let a = node(&runtime, "london", &[]);
    let b = node(&runtime, "london", &[&a]);
    formed(&[&a, &b]).await;
    let begun = Instant::now();
    b.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(3));
    until("it no longer listens", || {
        std::net::TcpStream::connect(b.addr()).is_err()
    })
    .await;
    let client = client(&runtime, "london", a.addr()).await;
    client.put("k", "v", MINUTE).await.unwrap();
}

async fn an_operation_given_up_at_any_moment_harms_no_other(runtime: Smol) {
    let a = node(&runtime, "london", &[]);
    let client = client(&runtime, "london", a.addr()).await;
    client.put("kept", "kept", MINUTE).await.unwrap();
    for polls in 0..100 {
        // Dropped after so many polls: before it began, half-way, or when it was done.
        let key = format!("key-{}", polls % 7);
        let mut put = Box::pin(client.put(&key, vec![polls as u8; 200_000], MINUTE));
        let mut get = Box::pin(client.get("kept"));
        for _ in 0..polls % 5 {
            let put = smol::future::poll_once(&mut put).await;
            let get = smol::future::poll_once(&mut get).await;
            if put.is_some() || get.is_some() {
                break;
            }
            smol::future::yield_now().await;
        }
        drop((put, get));
        assert_eq!(
            client.get("kept").await.unwrap().as_deref(),
            Some(&b"kept"[..]),
            "{polls}"
        );
    }
}

async fn what_can_not_be_done_is_said(runtime: Smol) {
    let a = node(&runtime, "london", &[]);
    let taken = builder("london")
        .port(a.addr().port())
        .start_on(runtime.clone());
    let told = taken.unwrap_err().to_string();
    assert!(told.contains(&a.addr().to_string()), "{told}");

    let client = client(&runtime, "london", a.addr()).await;
    assert!(matches!(
        client.get("").await,
        Err(Error::InvalidKey { len: 0 })
    ));
    a.kill();
    assert!(matches!(client.get("k").await, Err(Error::Unreachable(_))));
    client.shutdown().await;
    assert!(matches!(client.get("k").await, Err(Error::ShutDown)));
}

#[test]
fn a_host_name_is_looked_up_on_a_thread_that_ends() {
    let mut found = Box::pin(zerocache_driver::resolve("localhost".to_owned(), 1));
    let addrs = smol::block_on(&mut found).expect("every machine knows itself");
    assert!(addrs.iter().all(|addr| addr.ip().is_loopback()));
    let literal = zerocache_driver::resolve("::1".to_owned(), 1);
    let at_once = smol::block_on(smol::future::poll_once(literal));
    assert!(at_once.is_some(), "an address needs no thread");
}

#[test]
fn a_dropped_driver_ends_all_and_hangs_nobody() {
    let (node, driver) = builder("london").start_with_driver().unwrap();
    drop(driver);
    let peer = node.addr().to_string().parse().unwrap();
    let client = Client::builder("london").mdns(false).peer(peer);
    let (client, driver) = client.connect_with_driver().unwrap();
    drop(driver);
    let begun = Instant::now();
    smol::block_on(async {
        assert!(matches!(client.ready().await, Err(Error::ShutDown)));
        assert!(matches!(client.get("k").await, Err(Error::ShutDown)));
        client.shutdown().await;
        node.ready().await;
        node.shutdown().await;
    });
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(std::net::TcpStream::connect(node.addr()).is_err());
}
