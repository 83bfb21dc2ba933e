//! One peer: what others see of it.

use crate::{NodeId, Region};
use core::net::SocketAddr;

/// A node requests may be sent to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Peer {
    /// Its id.
    pub id: NodeId,
    /// Its region.
    pub region: Region,
    /// Where its HTTP listens.
    pub addr: SocketAddr,
    /// Whether it is one of ours, not a stock node.
    pub capable: bool,
}
