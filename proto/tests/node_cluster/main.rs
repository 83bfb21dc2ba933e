//! Whole nodes, wired in memory, on one virtual clock.

#[path = "../checked/mod.rs"]
mod checked;
mod cluster;
mod edges;
mod net;
mod sync;
mod warming;
