//! What a warm GET hit allocates from the socket back to the socket: nothing.

use allocation_counter::measure;
use std::future::poll_fn;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::task::Poll;
use zerocache_tokio::Node;

const PUT: &[u8] = b"PUT /london/k?expiry=60 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nvalue";
const GET: &[u8] = b"GET /london/k HTTP/1.1\r\nHost: x\r\n\r\n";

/// Lets the node's tasks run. (tokio's `yield_now` keeps a list of those that yield, and allocates it
/// anew in each `block_on`.)
async fn others() {
    let mut over = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut over, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// One request, with the node's tasks between the looks for its answer.
async fn exchange(stream: &mut TcpStream, request: &[u8]) {
    stream.write_all(request).expect("room");
    let mut answer = [0; 1024];
    loop {
        others().await;
        match stream.read(&mut answer) {
            Ok(n) => {
                assert!(answer[..n].starts_with(b"HTTP/1.1 200"));
                return;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}

#[test]
fn a_warm_get_hit_allocates_nothing() {
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
    let mut stream = TcpStream::connect(node.addr()).expect("it listens");
    stream.set_nonblocking(true).expect("a socket");
    runtime.block_on(exchange(&mut stream, PUT));
    let mut hits = |n: usize| {
        runtime.block_on(async {
            for _ in 0..n {
                exchange(&mut stream, GET).await;
            }
        });
    };
    hits(100);
    let counted = measure(|| hits(1000));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
