//! Nodes on loopback without multicast, on background threads of their own.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};
use zerocache_blocking::{Background, Client, ClientBuilder, block_on};
use zerocache_driver::{Node, NodeBuilder};
use zerocache_proto::cluster::StaticPeer;

/// The longest any condition is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// A node of `region` that joins `seeds`.
pub(crate) fn node(region: &str, seeds: &[SocketAddr]) -> Node<Background> {
    let builder = NodeBuilder::new(region)
        .address(Ipv4Addr::LOCALHOST.into())
        .port(0)
        .mdns(false);
    let joined = seeds
        .iter()
        .fold(builder, |builder, seed| builder.peer(peer(*seed)));
    let node = joined.start_on(Background::start().unwrap()).unwrap();
    block_on(node.ready());
    node
}

pub(crate) fn peer(addr: SocketAddr) -> StaticPeer {
    addr.to_string().parse().unwrap()
}

/// A client to be, that starts from `seed`.
pub(crate) fn builder(region: &str, seed: SocketAddr) -> ClientBuilder {
    Client::builder(region).mdns(false).peer(peer(seed))
}

/// A client that has found a node.
pub(crate) fn client(region: &str, seed: SocketAddr) -> Client {
    let client = builder(region, seed).connect().unwrap();
    client.ready(PATIENCE).unwrap();
    client
}

/// Waits until `met`, looking again every few milliseconds.
pub(crate) fn until(what: &str, mut met: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !met() {
        assert!(
            begun.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}
