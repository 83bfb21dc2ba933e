//! A node: `cargo run -p zerocache --example node [REGION [ADDR:PORT [PEER]...]]`, until Ctrl-C.
#![expect(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::net::SocketAddr;
use zerocache::Node;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut builder = Node::builder(&args.next().unwrap_or("london".into()));
    // Without an address it listens on all, and multicast brings the nodes together.
    if let Some(addr) = args.next() {
        let addr: SocketAddr = addr.parse()?;
        builder = builder.address(addr.ip()).port(addr.port()).mdns(false);
    }
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

    tokio::signal::ctrl_c().await?;
    node.shutdown().await;
    println!("it has said goodbye");
    Ok(())
}
