//! zerocache: a geo-distributed, zero-configuration cache.
//!
//! The facade crate: it re-exports the protocol core and the runtime of your choice.

pub use zerocache_proto as proto;
pub use zerocache_store as store;
