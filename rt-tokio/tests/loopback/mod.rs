//! A node and its clients on one thread, which is the one that counts what is allocated.

use std::future::poll_fn;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::task::Poll;
use tokio::runtime::Runtime;
use zerocache_tokio::Node;

pub(crate) const GET: &[u8] = b"GET /london/k HTTP/1.1\r\nHost: x\r\n\r\n";

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // It looks for what has come after each task, so that who is served next is up to the sockets.
        .event_interval(1)
        .build()
        .expect("a runtime")
}

pub(crate) fn node(runtime: &Runtime) -> Node {
    runtime.block_on(async {
        Node::builder("london")
            .address([127, 0, 0, 1].into())
            .port(0)
            .mdns(false)
            .start()
            .expect("a node")
    })
}

pub(crate) fn connect(node: &Node) -> TcpStream {
    let stream = TcpStream::connect(node.addr()).expect("it listens");
    stream.set_nonblocking(true).expect("a socket");
    stream
}

/// One request, with the node's tasks between the looks for its answer, which has this status.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &[u8], status: u16) {
    stream.write_all(request).expect("room");
    let mut answer = [0; 1024];
    loop {
        others().await;
        match stream.read(&mut answer) {
            Ok(n) => {
                let digits = answer[..n].strip_prefix(b"HTTP/1.1 ").expect("an answer");
                let told = digits[..3]
                    .iter()
                    .fold(0, |n, d| n * 10 + u16::from(d - b'0'));
                assert_eq!(told, status);
                return;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}

/// Lets the node's tasks run. (tokio's `yield_now` keeps a list of those that yield, and allocates it
/// anew in each `block_on`.)
pub(crate) async fn others() {
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
