//! A way to a peer that has nothing to tell costs nothing.

mod loopback;

use allocation_counter::measure;
use loopback::{GET, connect, exchange, node, runtime};
use std::time::Duration;
use zerocache_tokio::Node;

const PUT: &[u8] = b"PUT /london/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nv";

#[test]
fn a_node_that_has_sent_a_copy_sleeps_afterwards() {
    let runtime = runtime();
    let first = node(&runtime);
    let peer = first.addr().to_string().parse().expect("a static peer");
    let second = runtime.block_on(async {
        let builder = Node::builder("london").address([127, 0, 0, 1].into());
        let builder = builder.port(0).mdns(false).peer(peer);
        builder.start().expect("a node")
    });
    runtime.block_on(async {
        while first.peers().len() + second.peers().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut stream = connect(&second);
    runtime.block_on(exchange(&mut stream, PUT, 200));
    runtime.block_on(exchange(&mut stream, GET, 200));
    // After a second the connection to the first one gives its buffers back. A task that never slept
    // again took one at each of its turns, several thousand in this time.
    let rest = Duration::from_millis(1_500);
    let pause = || runtime.block_on(async { tokio::time::sleep(rest).await });
    pause();
    let allocated = measure(pause).count_total;
    assert!(allocated < 1_000, "{allocated}");
}
