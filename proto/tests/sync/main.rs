//! Comparing: rounds between two nodes' shards, and when they are held.

#[path = "../checked/mod.rs"]
mod checked;
mod hostile;
mod lookups;
mod pair;
mod rounds;
mod times;
