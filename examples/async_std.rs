//! A client among async-std's tasks: `cargo run -p zerocache --features async-std --example async_std [REGION [PEER]...]`
//!
//! async-std is discontinued. Its executor and smol's stand on the same async-io, so a program can move
//! from one to the other and change nothing here but the closure that spawns.
#![expect(clippy::print_stdout, reason = "an example")]

use async_std::task;
use std::error::Error;
use std::time::Duration;
use zerocache::smol::{Client, Smol};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut builder = Client::builder(&args.next().unwrap_or("london".into()));
    for peer in args {
        builder = builder.mdns(false).peer(peer.parse()?);
    }
    task::block_on(async {
        let runtime = Smol::new(|work| drop(task::spawn(work)));
        let cache = builder.connect_on(runtime)?;
        cache.ready().await?;
        cache
            .put("greeting", "hello", Duration::from_secs(60))
            .await?;
        let greeting = cache.get("greeting").await?.unwrap_or_default();
        println!("greeting: {}", String::from_utf8_lossy(&greeting));
        Ok(())
    })
}
