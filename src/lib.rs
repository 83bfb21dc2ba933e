#![doc = include_str!("../README.md")]

pub use zerocache_proto as proto;
pub use zerocache_store as store;

#[cfg(feature = "blocking")]
pub use zerocache_blocking as blocking;
#[cfg(feature = "tokio")]
pub use zerocache_tokio::*;
