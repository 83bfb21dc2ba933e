//! The suite every host of zerocache passes: the same cases, one test for each case and host.
//!
//! - `wire`: byte scripts over plain sockets, played whole, in pieces cut at every byte, pipelined, and
//!   with the write half closed.
//! - `api`: nodes and clients of `zerocache_driver` on the host's runtime.
//! - `isolation`: what a host must not do to the program around it.
//!
//! A host is one `impl` in `host` and one line in `suite`. The stock Python node is the oracle of the
//! wire cases (feature `interop`): it answers as they say, but for what `stock` lists as intended.

#[cfg(test)]
mod api;
#[cfg(test)]
#[expect(dead_code, reason = "what changes the cases is not used here")]
#[path = "../../../proto/tests/http_cases/cases.rs"]
mod cases;
#[cfg(test)]
mod host;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod sockets;
#[cfg(test)]
#[cfg(feature = "interop")]
mod stock;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod world;
