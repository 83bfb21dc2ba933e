//! What a warm GET hit allocates from the socket back to the socket: nothing. Everything of ours runs on
//! the thread that counts; async-io's own thread waits for the sockets.

use allocation_counter::measure;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use zerocache_smol::Node;

/// Wakes the thread that polls.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_warm_get_hit_allocates_nothing() {
    let (node, driver) = Node::builder("london")
        .address([127, 0, 0, 1].into())
        .port(0)
        .mdns(false)
        .start_with_driver()
        .expect("a node");
    let mut driver = pin!(driver);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut stream = TcpStream::connect(node.addr()).expect("it listens");
    stream.set_nonblocking(true).expect("a socket");
    let mut exchange = |request: &[u8]| {
        stream.write_all(request).expect("room");
        let mut answer = [0; 1024];
        loop {
            assert!(driver.as_mut().poll(&mut cx).is_pending());
            match stream.read(&mut answer) {
                Ok(n) => {
                    assert!(answer[..n].starts_with(b"HTTP/1.1 200"));
                    return;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            thread::park_timeout(std::time::Duration::from_millis(1));
        }
    };
    exchange(b"PUT /london/k?expiry=60 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nvalue");
    let get = b"GET /london/k HTTP/1.1\r\nHost: x\r\n\r\n";
    (0..100).for_each(|_| exchange(get));
    let counted = measure(|| (0..1000).for_each(|_| exchange(get)));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
