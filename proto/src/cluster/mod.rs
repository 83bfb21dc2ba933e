//! Membership: who is there, who answers, how near they are.

mod peer;
mod view;

pub use peer::Peer;
pub use view::{RegionView, View};
