//! An application that is a node as well: it shares a cache with its other instances and needs no
//! server beside it. `cargo run -p zerocache --example embedded_node [REGION [PEER]...]`, several times over: the one
//! without a peer is the first.
#![expect(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;
use zerocache::Node;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    // On loopback, for instances on one machine; with multicast, and no address, across a network.
    let mut builder = Node::builder(&args.next().unwrap_or("london".into()))
        .address(Ipv4Addr::LOCALHOST.into())
        .port(0)
        .mdns(false);
    let first = args.len() == 0;
    for peer in args {
        builder = builder.peer(peer.parse()?);
    }
    let node = builder.start()?;
    node.ready().await;
    println!(
        "node {} of {} listens on {}",
        node.id(),
        node.region(),
        node.addr()
    );

    // What one instance writes, every other one reads, whether it was there at the time or came later.
    let cache = node.client()?;
    tokio::time::timeout(Duration::from_secs(10), cache.ready()).await??;
    if first {
        let report = format!("made by {}", node.id());
        cache.put("report", report, Duration::from_secs(60)).await?;
    }
    let report = loop {
        match cache.get("report").await? {
            Some(report) => break report,
            // The others are still being learned of, or there is none that has it yet.
            None => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    println!("report: {}", String::from_utf8_lossy(&report));

    tokio::signal::ctrl_c().await?;
    cache.shutdown().await;
    node.shutdown().await;
    Ok(())
}
