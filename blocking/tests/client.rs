//! The blocking client on real sockets, from threads and from within async runtimes.

mod common;

use common::{MINUTE, PATIENCE, builder, client, node, until};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use zerocache_blocking::{Client, Error, StartError, block_on};

#[test]
fn values_come_back_until_they_are_deleted() {
    let node = node("london", &[]);
    let client = client("london", node.addr());
    assert_eq!(client.get("k").unwrap(), None);
    client.put("k", "v", MINUTE).unwrap();
    assert_eq!(client.get("k").unwrap().as_deref(), Some(&b"v"[..]));
    assert!(client.delete("k").unwrap());
    assert!(!client.delete("k").unwrap());
    assert_eq!(client.get("k").unwrap(), None);
    let stats = client.stats();
    assert_eq!((stats.hits, stats.misses, stats.writes), (1, 2, 3));
    assert_eq!(client.nodes().len(), 1);
    assert_eq!(client.region().as_str(), "london");
}

#[test]
fn a_value_larger_than_socket_buffers_comes_back_whole() {
    let node = node("london", &[]);
    let client = client("london", node.addr());
    let value: Vec<u8> = (0..8_000_000u32).map(|i| (i % 251) as u8).collect();
    client.put("large", value.clone(), MINUTE).unwrap();
    assert!(client.get("large").unwrap().unwrap() == value);
}

#[test]
fn a_node_that_dies_is_stepped_over() {
    let first = node("london", &[]);
    let second = node("london", &[first.addr()]);
    let client = client("london", first.addr());
    until("both are known", || {
        client.nodes().iter().filter(|node| node.routable).count() == 2
    });
    second.kill();
    for i in 0..20 {
        let key = format!("k{i}");
        client.put(&key, "v", MINUTE).unwrap();
        assert!(client.get(&key).unwrap().is_some());
    }
}

#[test]
fn one_client_serves_many_threads() {
    let node = node("london", &[]);
    let client = client("london", node.addr());
    thread::scope(|scope| {
        for t in 0..16 {
            let client = client.clone();
            scope.spawn(move || {
                for i in 0..50 {
                    let key = format!("{t}/{i}");
                    client.put(&key, key.clone(), MINUTE).unwrap();
                    assert_eq!(client.get(&key).unwrap().unwrap(), key.as_bytes());
                }
            });
        }
    });
    assert_eq!(client.stats().hits, 16 * 50);
}

#[test]
fn what_is_missing_is_made_once() {
    let node = node("london", &[]);
    let client = client("london", node.addr());
    let made = AtomicUsize::new(0);
    let make = || {
        made.fetch_add(1, Ordering::Relaxed);
        // Of the client's own, under another key.
        client.put("other", "o", MINUTE).unwrap();
        thread::sleep(Duration::from_millis(20));
        "made"
    };
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(client.get_or_insert_with("k", MINUTE, make), "made"));
        }
    });
    assert_eq!(made.into_inner(), 1);
    assert_eq!(client.get("k").unwrap().unwrap(), "made");
    let failed = client.try_get_or_insert_with("no", MINUTE, || Err::<Vec<u8>, _>("failed"));
    assert_eq!(failed, Err("failed"));
}

#[tokio::test]
async fn it_blocks_but_does_not_panic_within_a_current_thread_runtime() {
    let node = node("london", &[]);
    let client = client("london", node.addr());
    client.put("k", "v", MINUTE).unwrap();
    assert!(client.get("k").unwrap().is_some());
    client.shutdown();
}

#[test]
fn it_outlives_the_runtime_it_was_made_in() {
    let node = node("london", &[]);
    let addr = node.addr();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let client = runtime.block_on(async move {
        tokio::spawn(async move {
            let client = client("london", addr);
            client.put("k", "v", MINUTE).unwrap();
            client
        })
        .await
        .unwrap()
    });
    drop(runtime);
    assert_eq!(client.get("k").unwrap().as_deref(), Some(&b"v"[..]));
}

#[test]
fn an_operation_on_nodes_that_do_not_answer_ends_in_time_and_names_them() {
    // It accepts and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = builder("london", mute.local_addr().unwrap())
        .connect()
        .unwrap();
    let begun = Instant::now();
    let nobody = client.ready(Duration::from_millis(50));
    assert!(matches!(nobody, Err(Error::Unreachable(who)) if who.attempts.is_empty()));
    assert!(begun.elapsed() >= Duration::from_millis(50));
    assert!(matches!(client.get("k"), Err(Error::Unreachable(_))));
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn what_it_says_no_to_at_once() {
    assert!(matches!(
        Client::connect("no region"),
        Err(StartError::Region(_))
    ));
    let node = node("london", &[]);
    let client = client("london", node.addr());
    assert!(matches!(client.get(""), Err(Error::InvalidKey { len: 0 })));
    client.shutdown();
    assert!(matches!(client.get("k"), Err(Error::ShutDown)));
    assert!(matches!(client.ready(PATIENCE), Err(Error::ShutDown)));
    assert!(matches!(client.clone().delete("k"), Err(Error::ShutDown)));
}

#[test]
fn names_are_looked_up() {
    let node = node("london", &[]);
    let peer = format!("localhost:{}", node.addr().port());
    let client = Client::builder("london")
        .mdns(false)
        .peer(peer.parse().unwrap())
        .connect()
        .unwrap();
    client.ready(PATIENCE).unwrap();
    client.put("k", "v", MINUTE).unwrap();
}

#[test]
fn a_node_on_a_background_thread_says_goodbye() {
    let first = node("london", &[]);
    let second = node("london", &[first.addr()]);
    until("they know each other", || first.peers().len() == 1);
    block_on(second.shutdown());
    until("it is out of routing", || {
        !first.peers().iter().any(|peer| peer.routable)
    });
}
