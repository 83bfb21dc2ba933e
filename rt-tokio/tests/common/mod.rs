//! Nodes on loopback without multicast, and what the tests do with them.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use zerocache_tokio::{Client, Node};

/// The longest any condition is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A node of `region` started at `seeds`.
pub(crate) fn node(region: &str, seeds: &[&Node]) -> Node {
    let builder = Node::builder(region)
        .address(Ipv4Addr::LOCALHOST.into())
        .port(0)
        .mdns(false);
    seeds
        .iter()
        .fold(builder, |builder, seed| {
            builder.peer(seed.addr().to_string().parse().unwrap())
        })
        .start()
        .unwrap()
}

/// A client of `region` that starts from `seed`.
pub(crate) async fn client(region: &str, seed: SocketAddr) -> Client {
    let client = Client::builder(region)
        .mdns(false)
        .peer(seed.to_string().parse().unwrap())
        .connect()
        .unwrap();
    client.ready().await.unwrap();
    client
}

/// Waits until `met`, looking again every few milliseconds.
pub(crate) async fn until(what: &str, mut met: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !met() {
        assert!(
            begun.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
