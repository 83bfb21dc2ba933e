//! Whole nodes, wired in memory, on one virtual clock.

mod cluster;
mod edges;
mod net;
