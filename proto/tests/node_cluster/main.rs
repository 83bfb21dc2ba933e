//! Whole nodes, wired in memory, on one virtual clock.

mod burial;
#[path = "../checked/mod.rs"]
mod checked;
mod cluster;
mod crowd;
mod edges;
mod net;
mod recovery;
mod sync;
mod warming;
