#![doc = include_str!("../README.md")]

pub use zerocache_proto as proto;
pub use zerocache_store as store;

#[cfg(feature = "blocking")]
pub use zerocache_blocking as blocking;
#[cfg(feature = "macros")]
pub use zerocache_decorator as decorator;
#[cfg(feature = "macros")]
#[doc(hidden)]
pub use zerocache_decorator::private as __private;
#[cfg(feature = "macros")]
pub use zerocache_macros::{auto_zerocache, cached};
#[cfg(feature = "smol")]
pub use zerocache_smol as smol;
#[cfg(feature = "tokio")]
pub use zerocache_tokio as tokio;

#[cfg(all(feature = "smol", not(feature = "tokio")))]
pub use zerocache_smol::*;
#[cfg(feature = "tokio")]
pub use zerocache_tokio::*;

/// The code of `docs/embedding.md`, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
mod embedding {}
