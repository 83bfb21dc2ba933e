//! The threads a client has: one, named `zerocache`, gone with its last clone. In a process of its own,
//! which has no other clients.
#![cfg(target_os = "linux")]

mod common;

use common::{MINUTE, builder, client, node, until};
use std::fs;

#[test]
fn a_client_has_one_thread_and_takes_it_along() {
    assert_eq!(threads(), 0);
    let node = node("london", &[]);
    until("the node's thread runs", || threads() == 1);
    let client = client("london", node.addr());
    until("the client's thread runs", || threads() == 2);
    client.put("k", "v", MINUTE).unwrap();
    let clone = client.clone();
    drop(client);
    assert!(clone.get("k").unwrap().is_some());
    assert_eq!(threads(), 2);
    drop(clone);
    until("the client's thread has ended", || threads() == 1);

    // Shut down, and dropped while it still looks for nodes.
    let one = builder("london", node.addr()).connect().unwrap();
    one.shutdown();
    drop(one);
    drop(
        builder("london", "127.0.0.1:1".parse().unwrap())
            .connect()
            .unwrap(),
    );
    until("their threads have ended", || threads() == 1);

    drop(node);
    until("the node's thread has ended", || threads() == 0);
}

/// How many threads of this process are ours, by their names.
fn threads() -> usize {
    fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
        .filter(|name| name.starts_with("zerocache"))
        .count()
}
