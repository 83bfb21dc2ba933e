//! A deterministic simulator of whole clusters: nodes and clients are the core's own state machines,
//! everything around them (networks, clocks, faults, people) is drawn from a seed.
//!
//! ```text
//! seed --> Plan = Knobs + steps --> World --> Report: trace hash, coverage, figures, violations
//!                                     |
//!        hosts (clock, process) <-> events by (time, serial) <-> pipes of bytes, datagrams
//! ```
//! A run has two parts. While faults happen, what must hold at every step is checked at every step.
//! Then they end, and all must come right within its bounds: who lives is seen by all, writes reach
//! everybody, queues drain.
//!
//! The same seed gives the same run, to the last byte: there is no clock, no thread, no unordered map
//! and no chance but that of the seed. `cargo run --release -p zerocache-sim -- --seed N` plays one.
//!
//! ```
//! use zerocache_sim::{Options, run_seed};
//!
//! let report = run_seed(3, Options::default());
//! assert_eq!(report.violations, []);
//! assert_eq!(report.hash, run_seed(3, Options::default()).hash);
//! ```

mod agenda;
mod apply;
mod batch;
#[path = "../../proto/tests/checked/mod.rs"]
mod checked;
mod client;
mod clock;
mod conns;
mod coverage;
mod dns;
mod farewell;
mod host;
mod invariants;
mod model;
mod multicast;
mod net;
mod plan;
mod quiet;
mod rare;
mod rogue;
mod run;
pub mod scale;
mod shrink;
mod sniff;
mod source;
mod swarm;
mod tcp;
mod trace;
mod transition;
mod world;

pub use batch::Batch;
pub use coverage::Coverage;
pub use invariants::{Timed, Violation};
pub use plan::Plan;
pub use run::{Figures, Options, Report, run, run_seed};
pub use shrink::shrink;
pub use source::Source;
pub use swarm::{Discovery, Knobs, Law, Weights};
pub use trace::Trace;
pub use transition::{Cut, Death, Hosts, Layer, Step, Transition, Way};
