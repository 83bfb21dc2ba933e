//! The loops between `zerocache_proto` and an async runtime, written once.
//!
//! [`Node`] and [`Client`] work on any [`Runtime`]; the crates `zerocache-tokio` and others name theirs.
//! Nothing in here decides on the protocol: bytes in, bytes out, timers, tasks.

pub mod runtime;
pub mod single_flight;

mod accept;
mod admission;
mod alarm;
mod budget;
mod builder;
mod client;
mod clock;
mod conn;
mod courier;
mod discovery;
mod entropy;
mod error;
mod insert;
mod life;
mod links;
mod lookup;
mod membership;
mod node;
mod outbox;
mod pool;
mod published;
mod shards;
mod shared;
mod signal;
mod spread;
mod sync;
mod syncing;
mod tasks;
mod ttl;

pub use admission::Admission;
pub use builder::{DEFAULT_BOUNDS, DEFAULT_PORT, NodeBuilder};
pub use client::{Client, ClientBuilder, ClientStats, MAX_KEY};
pub use error::{Error, StartError};
pub use lookup::resolve;
pub use node::Node;
pub use runtime::{Ambient, Runtime};
pub use tasks::{Driver, Hosted, Spawner, Task};
