//! What a host must not do to the program around it.

use crate::api::MINUTE;
use crate::api::spread::stalling;
use crate::host::{Host, within};
use crate::world::{World, peer, peer_of};
use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use zerocache_driver::{Client, Error, Node};

/// Says, in a process started for it, that the test has that process for itself.
const ALONE: &str = "ZEROCACHE_CONFORMANCE_ALONE";

/// A node and a client that have spoken, and whose runtime is gone.
fn orphans<H: Host>() -> (Node<H::Runtime>, Client<H::Runtime>) {
    H::run(|runtime| async {
        let world = World { runtime };
        let node = world.node("london", &[]);
        let client = world.client("london", node.addr()).await;
        client.put("k", "v", MINUTE).await.unwrap();
        (node, client)
    })
}

/// Neither hangs nor panics; and on a runtime that ends, the client says so.
pub(crate) fn the_runtime_may_go_before_node_and_client<H: Host>() {
    within(|| {
        let (node, client) = orphans::<H>();
        let read = block_on(client.get("k"));
        let put = block_on(client.put("k", "w", MINUTE));
        if H::ENDS {
            assert!(client.is_shut_down());
            assert!(matches!(read, Err(Error::ShutDown)), "{read:?}");
            assert!(matches!(put, Err(Error::ShutDown)), "{put:?}");
            assert!(matches!(block_on(client.ready()), Err(Error::ShutDown)));
            let made = client.get_or_insert_with("k", MINUTE, async || "made");
            assert_eq!(block_on(made), "made");
        }
        drop((client.nodes(), client.stats()));
        drop((node.status(), node.peers(), node.id(), node.addr()));
        block_on(node.ready());
        block_on(client.shutdown());
        block_on(node.shutdown());
        drop((client, node));
        // The same with nothing said before.
        drop(orphans::<H>());
        let (node, client) = orphans::<H>();
        node.kill();
        drop((node, client));
    });
}

pub(crate) fn operations_under_way_end_when_the_runtime_goes<H: Host>() {
    within(|| {
        let (node, client, mut put) = H::run(|runtime| async {
            let world = World { runtime };
            let node = world.node("london", &[]);
            // Whatever is asked of the other node is still under way when all ends.
            let peers = [peer(node.addr()), peer_of("london", stalling())];
            let client = world.client_of("london", &peers);
            world.knows(&client, 2).await;
            let under_way = (0..4).map(|i| {
                let client = client.clone();
                let put = async move { client.put(format!("key-{i}"), "v", MINUTE).await };
                Box::pin(put)
            });
            // Half of them have begun at the one that stalls.
            let mut begun = Vec::new();
            for mut put in under_way {
                let first = std::future::poll_fn(|cx| Poll::Ready(put.as_mut().poll(cx)));
                if first.await.is_pending() {
                    begun.push(put);
                }
            }
            assert!(begun.len() >= 2);
            (node, client, begun)
        });
        for put in &mut put {
            let result = block_on(put.as_mut());
            let ended = matches!(result, Ok(()) | Err(Error::ShutDown));
            assert!(ended || !H::ENDS, "{result:?}");
        }
        drop((put, client, node));
    });
}

/// Every thread is one the host is known for.
pub(crate) fn no_thread_is_anybody_elses<H: Host>() {
    if std::env::var_os(ALONE).is_none() {
        return in_a_process_of_its_own();
    }
    within(|| {
        let before = threads();
        let mut after = BTreeSet::new();
        H::run(|runtime| async {
            let world = World { runtime };
            let node = world.node("london", &[]);
            let named = format!("localhost:{}", node.addr().port());
            let paris = world.builder("paris").peer(named.parse().unwrap());
            let paris = world.start(paris);
            world.formed(&[&node, &paris]).await;
            let client = world.client("london", paris.addr()).await;
            for i in 0..100 {
                let key = format!("key-{i}");
                client.put(&key, vec![7; 100_000], MINUTE).await.unwrap();
                client.get(&key).await.unwrap();
                after.extend(threads());
            }
            client.shutdown().await;
            node.shutdown().await;
            after.extend(threads());
        });
        let foreign: Vec<_> = after
            .difference(&before)
            .filter(|name| !H::THREADS.iter().any(|known| name.starts_with(known)))
            .collect();
        assert!(foreign.is_empty(), "threads of nobody: {foreign:?}");
    });
}

/// Runs the calling test once more, where no other runs.
fn in_a_process_of_its_own() {
    let test = thread::current().name().unwrap().to_owned();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let ran = output.status.success() && told.contains("1 passed");
    assert!(ran, "{told}{}", String::from_utf8_lossy(&output.stderr));
}

/// The names of all threads of this process, as far as the system keeps them.
fn threads() -> BTreeSet<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .collect()
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs `work` to its end where there is no runtime at all.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut work = pin!(work);
    loop {
        match work.as_mut().poll(&mut cx) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
