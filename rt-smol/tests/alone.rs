//! What is this adapter's own: the driver that may be dropped, and names looked up without an executor.
//! All else is in the suite that every host passes.

use std::net::TcpStream;
use zerocache_smol::{Client, Error, Node};

#[test]
fn a_host_name_is_looked_up_on_a_thread_that_ends() {
    let mut found = Box::pin(zerocache_driver::resolve("localhost".to_owned(), 1));
    let addrs = smol::block_on(&mut found).expect("every machine knows itself");
    assert!(addrs.iter().all(|addr| addr.ip().is_loopback()));
    let literal = zerocache_driver::resolve("::1".to_owned(), 1);
    let at_once = smol::block_on(smol::future::poll_once(literal));
    assert!(at_once.is_some(), "an address needs no thread");
}

#[test]
fn a_dropped_driver_ends_all_and_hangs_nobody() {
    let builder = Node::builder("london").address([127, 0, 0, 1].into());
    let (node, driver) = builder.port(0).mdns(false).start_with_driver().unwrap();
    drop(driver);
    let peer = node.addr().to_string().parse().unwrap();
    let client = Client::builder("london").mdns(false).peer(peer);
    let (client, driver) = client.connect_with_driver().unwrap();
    drop(driver);
    smol::block_on(async {
        assert!(matches!(client.ready().await, Err(Error::ShutDown)));
        assert!(matches!(client.get("k").await, Err(Error::ShutDown)));
        client.shutdown().await;
        node.ready().await;
        node.shutdown().await;
    });
    assert!(TcpStream::connect(node.addr()).is_err());
}
