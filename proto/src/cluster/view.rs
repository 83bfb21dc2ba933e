//! What the rest of the program sees of the cluster: immutable, shared, replaced as a whole.

use super::peer::Peer;
use crate::{Duration, NodeId, Region};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The nodes requests may be sent to, at one time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// The own region.
    pub own: Region,
    /// The node this is; `None` for a client.
    pub me: Option<NodeId>,
    /// The routable nodes of the own region without this one, in the order of their discovery.
    pub local: Vec<Arc<Peer>>,
    /// The nodes of the own region that have answered before and do not now: not to be asked, but
    /// they miss what is written meanwhile.
    pub absent: Vec<Arc<Peer>>,
    /// The other regions that have routable nodes, the nearest first.
    pub regions: Vec<RegionView>,
    /// Grows with each view published.
    pub generation: u64,
}

/// Another region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegionView {
    /// Its name.
    pub name: Region,
    /// The mean of its routable nodes' smoothed round-trip times.
    pub latency: Duration,
    /// Its routable nodes, in the order of their discovery; never empty.
    pub peers: Vec<Arc<Peer>>,
}

impl View {
    /// A view with nobody in it.
    #[must_use]
    pub const fn empty(own: Region, me: Option<NodeId>) -> Self {
        Self {
            own,
            me,
            local: Vec::new(),
            absent: Vec::new(),
            regions: Vec::new(),
            generation: 0,
        }
    }

    /// Whether there is nobody to send a request to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.local.is_empty() && self.regions.is_empty()
    }

    /// The nodes requests may be sent to, of all regions: the own one first, then the nearest.
    pub fn peers(&self) -> impl Iterator<Item = &Arc<Peer>> {
        self.local
            .iter()
            .chain(self.regions.iter().flat_map(|region| &region.peers))
    }
}
