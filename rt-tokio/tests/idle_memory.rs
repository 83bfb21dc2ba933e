//! What an idle connection keeps: no buffers, a few hundred bytes of state.

mod loopback;

use allocation_counter::measure;
use loopback::{GET, connect, exchange, node, runtime};
use std::time::{Duration, Instant};

const CONNECTIONS: i64 = 64;

#[test]
fn an_idle_connection_keeps_no_buffers() {
    let runtime = runtime();
    let node = node(&runtime);
    let mut streams = Vec::new();
    let mut join = || {
        let mut stream = connect(&node);
        runtime.block_on(exchange(&mut stream, GET, 404));
        streams.push(stream);
    };
    join();
    let mut held = measure(|| (0..CONNECTIONS).for_each(|_| join())).bytes_current;
    // They are given back after a second.
    let deadline = Instant::now() + Duration::from_secs(30);
    while held / CONNECTIONS > 2048 {
        let each = held / CONNECTIONS;
        assert!(Instant::now() < deadline, "{each} bytes a connection");
        let pause = async { tokio::time::sleep(Duration::from_millis(50)).await };
        held += measure(|| runtime.block_on(pause)).bytes_current;
    }
}
