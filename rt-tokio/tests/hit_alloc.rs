//! What a warm GET hit allocates from the socket back to the socket: nothing.

mod loopback;

use allocation_counter::measure;
use loopback::{GET, connect, exchange, node, runtime};

const PUT: &[u8] = b"PUT /london/k?expiry=60 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nvalue";

#[test]
fn a_warm_get_hit_allocates_nothing() {
    let runtime = runtime();
    let node = node(&runtime);
    let mut stream = connect(&node);
    runtime.block_on(exchange(&mut stream, PUT, 200));
    let mut hits = |n: usize| {
        runtime.block_on(async {
            for _ in 0..n {
                exchange(&mut stream, GET, 200).await;
            }
        });
    };
    hits(100);
    let counted = measure(|| hits(1000));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
