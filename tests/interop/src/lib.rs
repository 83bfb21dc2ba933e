//! Lays out private networks of Linux namespaces, runs nodes of ours and of the stock Python
//! package on them, and asks both kinds what they see.
//!
//! Every node has a network namespace, and so a multicast stack, of its own. Nothing leaves the
//! private bridge: it has no route out. Needs root and `ip` of iproute2; the stock package is
//! installed into a virtual environment under `target/`.

mod failure;
mod lab;
mod node;
mod peer;
mod process;
mod python;
mod stranger;

pub use failure::{Failure, Outcome, eventually, same};
pub use lab::{Host, Lab, on_a_lab};
pub use node::{Cli, Ours, Status};
pub use peer::{Answer, Listed, Listing, Probe, Rogue, Site, StockClient, StockServer};
pub use python::stock_server;
pub use stranger::{Answers, DONE, Echo, Lie, Noted, PONG, Stranger};
