//! zerocache without an async runtime: [`Client`] blocks the calling thread.
//!
//! Each client has one background thread, named `zerocache`, that discovers the nodes, watches their
//! health and waits for the sockets; it ends with the last clone. A look-up itself runs on the thread
//! that calls. Nothing here knows of an async runtime, so it works within any: it holds up the task that
//! calls, and does not panic.
//!
//! ```no_run
//! use std::time::Duration;
//! use zerocache_blocking::Client;
//!
//! let cache = Client::connect("london")?;
//! cache.ready(Duration::from_secs(5))?;
//! cache.put("greeting", "hello", Duration::from_secs(60))?;
//! assert_eq!(cache.get("greeting")?.as_deref(), Some(&b"hello"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod doze;
mod executor;
mod net;
mod park;
mod reactor;
mod sync;
mod timers;

pub use client::{Client, ClientBuilder};
pub use executor::Background;
pub use net::{Listener, Socket, Stream};
pub use park::block_on;
pub use timers::Timer;
pub use zerocache_driver::{ClientStats, Error, MAX_KEY, StartError};
