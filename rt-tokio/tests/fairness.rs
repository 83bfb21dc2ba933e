//! Over real sockets: a connection that pipelines without end does not keep another one waiting.

mod loopback;

use loopback::{GET, connect, exchange, node, others, runtime};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

const EXCHANGES: u64 = 200;
/// The most requests that are answered in a turn.
const A_TURN: u64 = 32;
/// Turns of the flooder that an exchange of the polite one may take, on the average: its request is
/// heard of after one, and the kernel may take its time now and then.
const TURNS: u64 = 8;

#[test]
fn a_flood_does_not_starve_others() {
    let runtime = runtime();
    let node = node(&runtime);
    let mut polite = connect(&node);
    runtime.spawn(flood(connect(&node)));
    let requests = || node.status().connections.requests;
    runtime.block_on(async {
        exchange(&mut polite, GET, 404).await;
        let before = requests();
        for _ in 0..EXCHANGES {
            exchange(&mut polite, GET, 404).await;
        }
        let between = (requests() - before) / EXCHANGES - 1;
        assert!(between >= A_TURN / 2, "{between} answers are no flood");
        assert!(between <= TURNS * A_TURN, "{between} answers between two");
    });
}

/// Sends requests without end, each write from where the last one was cut, and takes the answers.
async fn flood(mut stream: TcpStream) {
    let requests = GET.repeat(1000);
    let mut sent = 0;
    let mut answers = vec![0; 64 << 10];
    loop {
        while let Ok(n) = stream.write(&requests[sent..]) {
            sent = (sent + n) % requests.len();
        }
        while stream.read(&mut answers).is_ok_and(|n| n > 0) {}
        others().await;
    }
}
