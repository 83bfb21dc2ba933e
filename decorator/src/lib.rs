//! What functions marked `#[zerocache::cached]` or `#[zerocache::auto_zerocache]` have in common.
//!
//! - **Keys** are the function's path and its arguments, by postcard, which tells any two of them apart (a long
//!   key is replaced by its SHA-256). Types that iterate in no fixed order (`HashMap`) make bad arguments:
//!   equal ones may miss each other.
//! - **Values** are what the function returns, by postcard: `T`, or the `T` of a `Result<T, E>` or `Option<T>`,
//!   of which only `Ok` and `Some` are stored. Bytes that do not read as a `T` count as a miss. Postcard does not
//!   name types or fields, so give a function whose type changes its meaning another name, or its
//!   `key` another part.
//! - **Failures of the cache** never reach the caller: the function runs then, as it would without the attribute.
//!   To look up takes 2 s at the very most, to store 2.75 s, where nodes that are known do not answer.
//! - **One at a time**: in this process the function runs once per key at a time, and callers that come meanwhile
//!   get the value. If that run is dropped, panics or gives an `Err` or `None`, the next caller's runs. It must
//!   not call itself with the same key: it would wait for itself.
//!
//! Each region has one client per process, made at the first call, with one background thread that outlives every
//! async runtime. A call in its first half second waits for a node to be found. Where there is no
//! multicast, give the region a client of your own first: [`set_client`].

mod flight;
mod key;
mod regions;
mod value;

pub use regions::{MAX_REGIONS, client, set_client};

/// For the code the macros write, and for nothing else.
#[doc(hidden)]
pub mod private {
    pub use crate::flight::{cached, cached_blocking};
    pub use crate::key::Key;
    pub use crate::value::{Codec, Plain, Values, never, ttl};
}
