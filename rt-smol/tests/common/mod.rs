//! Nodes on loopback without multicast, the hosts they run on, and what the tests do with them.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use zerocache_smol::{Client, Node, NodeBuilder, Smol};

/// The longest any condition is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs each case on every host: smol's executor, async-std's, and a driver future with no executor at
/// all; the last two with everything on one thread.
macro_rules! on_every_host {
    ($($case:ident),* $(,)?) => {
        mod smol_executor {
            $(#[test]
            fn $case() {
                $crate::common::on_smol(super::$case);
            })*
        }

        mod async_std_task {
            $(#[test]
            fn $case() {
                $crate::common::on_async_std(super::$case);
            })*
        }

        mod driver_future {
            $(#[test]
            fn $case() {
                $crate::common::on_a_driver(super::$case);
            })*
        }
    };
}
pub(crate) use on_every_host;

pub(crate) fn on_smol<F: Future<Output = ()>>(case: impl FnOnce(Smol) -> F) {
    let executor = std::sync::Arc::new(smol::Executor::new());
    let spawner = executor.clone();
    let runtime = Smol::new(move |task| spawner.spawn(task).detach());
    smol::block_on(executor.run(case(runtime)));
}

pub(crate) fn on_async_std<F: Future<Output = ()>>(case: impl FnOnce(Smol) -> F) {
    let runtime = Smol::new(|task| drop(async_std::task::spawn(task)));
    async_std::task::block_on(case(runtime));
}

pub(crate) fn on_a_driver<F: Future<Output = ()>>(case: impl FnOnce(Smol) -> F) {
    let (spawner, driver) = zerocache_smol::Driver::new();
    let case = case(Smol::new(move |task| spawner(task)));
    smol::block_on(smol::future::or(case, async {
        driver.await;
        std::future::pending().await
    }));
}

/// A node of `region` on a port of the system's choice.
pub(crate) fn builder(region: &str) -> NodeBuilder {
    Node::builder(region)
        .address(Ipv4Addr::LOCALHOST.into())
        .port(0)
        .mdns(false)
}

/// A node started at `seeds`.
pub(crate) fn node(runtime: &Smol, region: &str, seeds: &[&Node]) -> Node {
    join(runtime, builder(region), seeds)
}

/// `builder`'s node, joined to `seeds`.
pub(crate) fn join(runtime: &Smol, builder: NodeBuilder, seeds: &[&Node]) -> Node {
    let joined = seeds.iter().fold(builder, |builder, seed| {
        builder.peer(seed.addr().to_string().parse().unwrap())
    });
    joined.start_on(runtime.clone()).unwrap()
}

/// A client of `region` that starts from `seed`.
pub(crate) async fn client(runtime: &Smol, region: &str, seed: SocketAddr) -> Client {
    let client = Client::builder(region)
        .mdns(false)
        .peer(seed.to_string().parse().unwrap())
        .connect_on(runtime.clone())
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
        smol::Timer::after(Duration::from_millis(2)).await;
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

/// Waits until a GET of `target` at the node at `addr` is answered with `status`.
pub(crate) async fn answers(addr: SocketAddr, target: &'static str, status: u16) {
    let begun = Instant::now();
    loop {
        // The node may share this thread, so a thread of its own asks it.
        let found = smol::unblock(move || get(addr, target)).await;
        if found == status {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{addr}{target}: {found}");
        smol::Timer::after(Duration::from_millis(2)).await;
    }
}

fn get(addr: SocketAddr, target: &str) -> u16 {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer[9..12].parse().unwrap()
}
