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

    /// These nodes, for a client that knows whom to ask and needs no [`Cluster`](super::Cluster) to
    /// find and watch them; other regions stand in the order of their first nodes here.
    #[must_use]
    pub fn of(own: Region, nodes: impl IntoIterator<Item = Peer>) -> Self {
        let mut view = Self::empty(own, None);
        for node in nodes {
            if node.region == view.own {
                view.local.push(Arc::new(node));
                continue;
            }
            let known = view.regions.iter_mut().find(|r| r.name == node.region);
            match known {
                Some(region) => region.peers.push(Arc::new(node)),
                None => view.regions.push(RegionView {
                    name: node.region.clone(),
                    latency: Duration::ZERO,
                    peers: [Arc::new(node)].into(),
                }),
            }
        }
        view
    }

    /// How long it takes there and back to `peer`: the mean of its region, which is what is known here;
    /// nothing within the own one.
    #[must_use]
    pub fn latency_of(&self, peer: &Peer) -> Duration {
        let mut regions = self.regions.iter();
        let there = regions.find(|region| region.name == peer.region);
        there.map_or(Duration::ZERO, |region| region.latency)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_stand_in_their_regions_as_they_are_named() {
        let node =
            |region: &str, n: u8| Peer::at(region.parse().unwrap(), ([10, 0, 0, n], 6789).into());
        let nodes = [
            node("paris", 1),
            node("london", 2),
            node("oslo", 3),
            node("paris", 4),
            node("london", 5),
        ];
        let view = View::of("london".parse().unwrap(), nodes.clone());
        let order: Vec<_> = view.peers().map(|peer| (**peer).clone()).collect();
        let expected = [1, 4, 0, 3, 2].map(|place| nodes[place].clone());
        assert_eq!(order, expected);
        assert_eq!((view.local.len(), view.regions.len()), (2, 2));
        assert!(View::of("london".parse().unwrap(), []).is_empty());
    }
}
