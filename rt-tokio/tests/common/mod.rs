//! Nodes on loopback without multicast, and what the tests do with them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use zerocache_tokio::{Client, Node, NodeBuilder};

/// The longest any condition is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A node of `region` on a port of the system's choice.
pub(crate) fn builder(region: &str) -> NodeBuilder {
    Node::builder(region)
        .address(Ipv4Addr::LOCALHOST.into())
        .port(0)
        .mdns(false)
}

/// `builder`'s node, joined to `seeds`.
pub(crate) fn join(builder: NodeBuilder, seeds: &[&Node]) -> Node {
    let joined = seeds
        .iter()
        .fold(builder, |builder, seed| builder.peer(peer(seed.addr())));
    joined.start().unwrap()
}

/// A node started at `seeds`.
pub(crate) fn node(region: &str, seeds: &[&Node]) -> Node {
    join(builder(region), seeds)
}

/// A static peer's name.
pub(crate) fn peer(addr: SocketAddr) -> zerocache_proto::cluster::StaticPeer {
    addr.to_string().parse().unwrap()
}

/// A client of `region` that starts from `seed`.
pub(crate) async fn client(region: &str, seed: SocketAddr) -> Client {
    let client = Client::builder(region)
        .mdns(false)
        .peer(peer(seed))
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

/// Waits until every node routes to all the others.
pub(crate) async fn formed(nodes: &[&Node]) {
    for node in nodes {
        until("the cluster has formed", || {
            routable(node) == nodes.len() - 1
        })
        .await;
    }
}

/// How many peers `node` routes to.
pub(crate) fn routable(node: &Node) -> usize {
    node.peers().iter().filter(|info| info.routable).count()
}

/// One request over a connection of its own; the whole answer.
pub(crate) fn raw(addr: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// `method target` with `body`: status and body of the answer.
pub(crate) fn http(addr: SocketAddr, method: &str, target: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut request = format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    parse(&raw(addr, &request))
}

/// Status and body of a raw answer.
pub(crate) fn parse(answer: &[u8]) -> (u16, Vec<u8>) {
    let text = String::from_utf8_lossy(answer);
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let head = answer
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .map_or(answer.len(), |at| at + 4);
    let status = status.unwrap_or_else(|| panic!("no status in {text:?}"));
    (status, answer[head..].to_vec())
}

/// Runs blocking work beside the nodes, which share this runtime.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}
