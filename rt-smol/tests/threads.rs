//! Which threads there are: the caller's, and async-io's one. A test program of its own, for it counts
//! those of the whole process.

#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};
use zerocache_smol::{Client, Node};

const MINUTE: Duration = Duration::from_secs(60);

/// The names of this process's threads, but for the test harness's.
fn threads() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir("/proc/self/task")
        .expect("a process")
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.starts_with("threads") && !name.starts_with("no_thread"))
        .collect();
    names.sort();
    names
}

/// The same, once async-io's has been scheduled to take its name: until then it has its parent's.
fn named_threads() -> Vec<String> {
    let begun = Instant::now();
    loop {
        let names = threads();
        if !names.is_empty() || begun.elapsed() > MINUTE {
            return names;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn no_thread_is_started_but_async_ios() {
    let (node, node_driver) = Node::builder("london")
        .address([127, 0, 0, 1].into())
        .port(0)
        .mdns(false)
        .start_with_driver()
        .expect("a node");
    let (client, client_driver) = Client::builder("london")
        .mdns(false)
        .peer(node.addr().to_string().parse().expect("an address"))
        .connect_with_driver()
        .expect("a client");
    let case = async move {
        client.ready().await.expect("a node");
        client.put("k", "v", MINUTE).await.expect("stored");
        let value = client.get("k").await.expect("an answer");
        assert_eq!(value.as_deref(), Some(&b"v"[..]));
        assert_eq!(named_threads(), ["async-io"]);
        client.shutdown().await;
        node.shutdown().await;
    };
    // The drivers end by themselves once node and client are gone.
    let drivers = smol::future::zip(node_driver, client_driver);
    smol::block_on(smol::future::zip(case, drivers));
    assert_eq!(named_threads(), ["async-io"]);
}
