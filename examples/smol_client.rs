//! A client on smol: `cargo run -p zerocache --features smol --example smol_client [REGION [PEER]...]`
#![expect(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::time::Duration;
use zerocache::smol::{Client, Smol};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut builder = Client::builder(&args.next().unwrap_or("london".into()));
    for peer in args {
        builder = builder.mdns(false).peer(peer.parse()?);
    }
    smol::block_on(async {
        // Its background task runs where you say: here on smol's own executor.
        let cache = builder.connect_on(Smol::new(|task| smol::spawn(task).detach()))?;
        cache.ready().await?;
        cache
            .put("greeting", "hello", Duration::from_secs(60))
            .await?;
        let greeting = cache.get("greeting").await?.unwrap_or_default();
        println!("greeting: {}", String::from_utf8_lossy(&greeting));
        Ok(())
    })
}
