//! Clusters of up to thousands of nodes, for people who plan one: how long things take, and what they
//! cost the network.
//!
//! ```text
//! Deployment --> cold start --> idle --> PUT, GET --> joins --> deaths --> partition --> Report
//! ```
//! The nodes are the core's own, on a network that is as simple as can be: its only fault is what the
//! deployment says. Nothing is checked, all is counted. The same deployment gives the same report.
//!
//! ```
//! use zerocache_sim::scale::{Deployment, simulate};
//!
//! let mut plan = Deployment::new(4);
//! plan.writes = 10;
//! let report = simulate(&plan, &mut |_| {});
//! let unnoticed = report.figures().into_iter().find(|figure| figure.name == "unnoticed");
//! assert_eq!(unnoticed.and_then(|figure| figure.value), Some(0));
//! ```

mod phases;
mod plan;
mod report;
mod traffic;
mod watch;
mod wire;
mod world;

pub use crate::swarm::Law;
pub use phases::Progress;
pub use plan::{Deployment, MAX_LINKS, MAX_NODES, Pair, Partition, Who};
pub use report::{Figure, Report, Unit, table};

/// Plays a deployment that has no [`error`](Deployment::error), and tells how far it is now and then.
#[must_use]
pub fn simulate(plan: &Deployment, tell: &mut dyn FnMut(Progress)) -> Report {
    phases::Run::new(plan, tell).play()
}
