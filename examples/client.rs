//! A client: `cargo run -p zerocache --example client [REGION [PEER]...]`; without a peer, nodes are found by multicast.
#![expect(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::time::Duration;
use zerocache::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut builder = Client::builder(&args.next().unwrap_or("london".into()));
    for peer in args {
        builder = builder.mdns(false).peer(peer.parse()?);
    }
    let cache = builder.connect()?;
    tokio::time::timeout(Duration::from_secs(10), cache.ready()).await??;

    cache
        .put("greeting", "hello", Duration::from_secs(60))
        .await?;
    let greeting = cache.get("greeting").await?.unwrap_or_default();
    println!("greeting: {}", String::from_utf8_lossy(&greeting));

    // Made if there is none: at once by one task, however many ask.
    let answer = cache
        .get_or_insert_with("answer", Duration::from_secs(60), async || {
            (6 * 7).to_string()
        })
        .await;
    println!("answer: {}", String::from_utf8_lossy(&answer));

    println!("deleted: {}", cache.delete("greeting").await?);
    println!("then: {:?}", cache.get("greeting").await?);
    Ok(())
}
