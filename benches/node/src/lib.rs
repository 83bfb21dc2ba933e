//! What the servers here have in common.

pub mod constant;
pub mod listen;
pub mod store;
