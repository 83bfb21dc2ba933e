//! Nodes and clients of one test, on loopback and without multicast.

use crate::sockets::{self, PATIENCE};
use futures_channel::oneshot;
use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};
use zerocache_driver::runtime::{Runtime, Timer as _};
use zerocache_driver::{Client, Node, NodeBuilder};
use zerocache_proto::cluster::StaticPeer;

/// A runtime, and what tests do on it.
#[derive(Clone)]
pub(crate) struct World<R> {
    pub(crate) runtime: R,
}

impl<R: Runtime> World<R> {
    /// A node of `region` on a port of the system's choice.
    pub(crate) fn builder(&self, region: &str) -> NodeBuilder<R> {
        Node::builder(region)
            .address(Ipv4Addr::LOCALHOST.into())
            .port(0)
            .mdns(false)
    }

    pub(crate) fn start(&self, builder: NodeBuilder<R>) -> Node<R> {
        builder.start_on(self.runtime.clone()).unwrap()
    }

    /// `builder`'s node, joined to `seeds`.
    pub(crate) fn join(&self, builder: NodeBuilder<R>, seeds: &[&Node<R>]) -> Node<R> {
        self.start(
            seeds
                .iter()
                .fold(builder, |builder, seed| builder.peer(peer(seed.addr()))),
        )
    }

    /// A node started at `seeds`.
    pub(crate) fn node(&self, region: &str, seeds: &[&Node<R>]) -> Node<R> {
        self.join(self.builder(region), seeds)
    }

    /// A client of `region` that starts from `seed`.
    pub(crate) async fn client(&self, region: &str, seed: SocketAddr) -> Client<R> {
        let client = self.client_of(region, &[peer(seed)]);
        self.within("a node is found", client.ready())
            .await
            .unwrap();
        client
    }

    /// A client of `region` that knows `peers`, and may not have found them yet.
    pub(crate) fn client_of(&self, region: &str, peers: &[StaticPeer]) -> Client<R> {
        let builder = Client::builder(region).mdns(false);
        peers
            .iter()
            .fold(builder, |builder, peer| builder.peer(peer.clone()))
            .connect_on(self.runtime.clone())
            .unwrap()
    }

    pub(crate) async fn sleep(&self, time: Duration) {
        let mut timer = self.runtime.timer();
        timer.set(Instant::now() + time);
        poll_fn(|cx| timer.poll(cx)).await;
    }

    /// What `work` gives, within the time anything may take.
    pub(crate) async fn within<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let (mut work, mut over) = (pin!(work), pin!(self.sleep(PATIENCE)));
        poll_fn(|cx| {
            if let Poll::Ready(value) = work.as_mut().poll(cx) {
                return Poll::Ready(value);
            }
            assert!(
                over.as_mut().poll(cx).is_pending(),
                "not within {PATIENCE:?}: {what}"
            );
            Poll::Pending
        })
        .await
    }

    /// Waits until `met`, looking again every few milliseconds.
    pub(crate) async fn until(&self, what: &str, mut met: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !met() {
            assert!(
                begun.elapsed() < PATIENCE,
                "not within {PATIENCE:?}: {what}"
            );
            self.sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until every node routes to all the others.
    pub(crate) async fn formed(&self, nodes: &[&Node<R>]) {
        for node in nodes {
            self.until("the cluster has formed", || {
                routable(node) == nodes.len() - 1
            })
            .await;
        }
    }

    /// Waits until `client` routes to so many nodes.
    pub(crate) async fn knows(&self, client: &Client<R>, nodes: usize) {
        self.until("the client knows its nodes", || {
            client.nodes().iter().filter(|n| n.routable).count() == nodes
        })
        .await;
    }

    /// Waits until `target` answers with `status` at `addr`.
    pub(crate) async fn answers(&self, addr: SocketAddr, target: &str, status: u16) {
        let begun = Instant::now();
        loop {
            let (seen, _) = http(addr, "GET", target, b"").await;
            if seen == status {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{target} at {addr}: still {seen}"
            );
            self.sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until the status of the node at `addr` has this in it.
    pub(crate) async fn shows(&self, addr: SocketAddr, part: &str) {
        let begun = Instant::now();
        loop {
            let (_, page) = http(addr, "GET", "/status", b"").await;
            let page = String::from_utf8(page).unwrap();
            if page.contains(part) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "no {part} in {page}");
            self.sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A static peer's name.
pub(crate) fn peer(addr: SocketAddr) -> StaticPeer {
    addr.to_string().parse().unwrap()
}

/// The same with its region.
pub(crate) fn peer_of(region: &str, addr: SocketAddr) -> StaticPeer {
    format!("{region}@{addr}").parse().unwrap()
}

/// How many peers `node` routes to.
pub(crate) fn routable<R: Runtime>(node: &Node<R>) -> usize {
    node.peers().iter().filter(|info| info.routable).count()
}

/// One request from a thread of its own.
pub(crate) async fn http(
    addr: SocketAddr,
    method: &'static str,
    target: &str,
    body: &[u8],
) -> (u16, Vec<u8>) {
    let (target, body) = (target.to_owned(), body.to_vec());
    blocking(move || sockets::http(addr, method, &target, &body)).await
}

/// Runs blocking work on a thread of its own: the nodes may share this one.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = oneshot::channel();
    let name = thread::current().name().unwrap_or("blocking").to_owned();
    let thread = thread::Builder::new().name(name).spawn(move || {
        let _ = done.send(work());
    });
    match result.await {
        Ok(value) => value,
        Err(_) => std::panic::resume_unwind(thread.unwrap().join().unwrap_err()),
    }
}
