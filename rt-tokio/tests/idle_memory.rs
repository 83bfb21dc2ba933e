//! What an idle connection keeps: no buffers, a few hundred bytes of state.

use allocation_counter::measure;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use zerocache_tokio::Node;

const CONNECTIONS: i64 = 64;
const GET: &[u8] = b"GET /london/k HTTP/1.1\r\nHost: x\r\n\r\n";

/// One request, with the node's tasks between the looks for its answer.
async fn exchange(stream: &mut TcpStream) {
    stream.write_all(GET).expect("room");
    let mut answer = [0; 1024];
    loop {
        tokio::task::yield_now().await;
        match stream.read(&mut answer) {
            Ok(n) => {
                assert!(answer[..n].starts_with(b"HTTP/1.1 404"));
                return;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}

#[test]
fn an_idle_connection_keeps_no_buffers() {
    // Everything on the thread that counts.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let node = runtime.block_on(async {
        Node::builder("london")
            .address([127, 0, 0, 1].into())
            .port(0)
            .mdns(false)
            .start()
            .expect("a node")
    });
    let mut streams = Vec::new();
    let mut connect = || {
        let mut stream = TcpStream::connect(node.addr()).expect("it listens");
        stream.set_nonblocking(true).expect("a socket");
        runtime.block_on(exchange(&mut stream));
        streams.push(stream);
    };
    connect();
    let mut held = measure(|| (0..CONNECTIONS).for_each(|_| connect())).bytes_current;
    // They are given back after a second.
    let deadline = Instant::now() + Duration::from_secs(30);
    while held / CONNECTIONS > 2048 {
        let each = held / CONNECTIONS;
        assert!(Instant::now() < deadline, "{each} bytes a connection");
        let pause = async { tokio::time::sleep(Duration::from_millis(50)).await };
        held += measure(|| runtime.block_on(pause)).bytes_current;
    }
}
