//! A client without an async runtime: `cargo run -p zerocache --features blocking --example blocking_client [REGION [PEER]...]`
#![expect(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::time::Duration;
use zerocache::blocking::Client;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut builder = Client::builder(&args.next().unwrap_or("london".into()));
    for peer in args {
        builder = builder.mdns(false).peer(peer.parse()?);
    }
    let cache = builder.connect()?;
    cache.ready(Duration::from_secs(10))?;

    cache.put("greeting", "hello", Duration::from_secs(60))?;
    let greeting = cache.get("greeting")?.unwrap_or_default();
    println!("greeting: {}", String::from_utf8_lossy(&greeting));
    Ok(())
}
