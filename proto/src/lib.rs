//! The zerocache protocol as pure state machines.
//!
//! Nothing in here opens a socket, reads a clock, starts a thread or draws from a global source of
//! chance: bytes, time ([`Now`]) and seeds ([`Rng`]) come in as arguments, and what to do next comes
//! out of `poll_*` methods. One seed replays a whole cluster.
#![no_std]
#![deny(clippy::expect_used)]
// Nothing that comes in can make it panic. (Tests may.)
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unreachable
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod cache;
pub mod cluster;
pub mod http;
pub mod link;
pub mod mdns;
pub mod node;
pub mod op;
pub mod service;
pub mod sync;

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod buggify;
mod count;
mod failure;
mod id;
mod rng;
mod time;

pub use buggify::{Buggify, Point};
pub use failure::Failure;
pub use id::{InvalidNodeId, InvalidRegion, InvalidVersion, NodeId, Region, Version};
pub use node::Node;
pub use rng::Rng;
pub use time::{Duration, Instant, Now};
