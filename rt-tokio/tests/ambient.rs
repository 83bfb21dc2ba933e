//! What is tokio's own: the runtime is found around the caller. All else is in the suite that every
//! host passes.

use std::future::Future;
use std::net::Ipv4Addr;
use std::time::Duration;
use zerocache_tokio::{Client, ClientBuilder, Node, NodeBuilder, StartError};

fn node() -> NodeBuilder {
    Node::builder("london")
        .address(Ipv4Addr::LOCALHOST.into())
        .port(0)
        .mdns(false)
}

fn client() -> ClientBuilder {
    Client::builder("london").mdns(false)
}

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
async fn put_and_get() {
    let node = node().start().unwrap();
    let peer = node.addr().to_string().parse().unwrap();
    let client = client().peer(peer).connect().unwrap();
    client.ready().await.unwrap();
    client.put("k", "v", Duration::from_secs(60)).await.unwrap();
    let read = client.get("k").await.unwrap();
    assert_eq!(read.as_deref(), Some(&b"v"[..]));
    client.shutdown().await;
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_start_on_the_runtime_around_them() {
    put_and_get().await;
}

#[tokio::test]
async fn or_on_the_one_thread_there_is() {
    put_and_get().await;
}

#[test]
fn without_a_runtime_there_is_an_error() {
    assert!(matches!(node().start(), Err(StartError::Runtime(_))));
    assert!(matches!(client().connect(), Err(StartError::Runtime(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_can_be_spawned() {
    fn spawnable<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    let node = node().start().unwrap();
    let peer = node.addr().to_string().parse().unwrap();
    let client = client().peer(peer).connect().unwrap();
    let task = spawnable(async move {
        client.ready().await.unwrap();
        let missed = client.get("k").await.unwrap();
        let make = async || "made";
        let made = client.get_or_insert_with("k", Duration::from_secs(60), make);
        (missed, made.await)
    });
    let (missed, made) = tokio::spawn(task).await.unwrap();
    assert_eq!((missed, &made[..]), (None, &b"made"[..]));
}
