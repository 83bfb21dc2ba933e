//! The binary from outside: arguments, exit codes, what it prints, how it ends.

mod cluster;
mod common;
mod connections;
mod demo;
mod runtime;
mod signals;
#[cfg(target_os = "linux")]
mod unfinished;
mod usage;
