#![doc = include_str!("../README.md")]
//!
//! ## Runtimes
//!
//! | feature | names | runs on |
//! |---|---|---|
//! | `tokio` (default) | `zerocache::tokio` | the tokio runtime around the caller |
//! | `smol` | `zerocache::smol` | async-io and an executor of the caller's, or where a driver future is polled |
//! | `async-std` | the same | an alias of `smol`; async-std is not pulled in |
//!
//! The names at the root are tokio's where `tokio` is on, else smol's. Features add up over all that a
//! program depends on, so a library names the module: `zerocache::smol::Client`.

pub use zerocache_proto as proto;
pub use zerocache_store as store;

#[cfg(feature = "blocking")]
pub use zerocache_blocking as blocking;
#[cfg(feature = "smol")]
pub use zerocache_smol as smol;
#[cfg(feature = "tokio")]
pub use zerocache_tokio as tokio;

#[cfg(all(feature = "smol", not(feature = "tokio")))]
pub use zerocache_smol::*;
#[cfg(feature = "tokio")]
pub use zerocache_tokio::*;
