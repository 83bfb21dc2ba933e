//! Long bodies on their way to peers.

use alloc::collections::BTreeMap;

use crate::NodeId;

/// How many bytes of long bodies are on their way to each peer. A peer that is slow with them keeps none
/// but its own waiting: beyond [`MOST`](Self::MOST) a copy for it is left to its queue.
#[derive(Debug, Default)]
pub struct Freight(BTreeMap<NodeId, usize>);

impl Freight {
    /// The most bytes for one peer; a single body may be longer.
    pub const MOST: usize = 32 << 20;

    /// Nothing is on its way.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Whether there is room for `bytes` to `peer`, which takes it. [`unload`](Self::unload) gives it back.
    pub fn load(&mut self, peer: NodeId, bytes: usize) -> bool {
        if bytes == 0 {
            return true;
        }
        let held = self.0.get(&peer).copied().unwrap_or_default();
        let all = held.saturating_add(bytes);
        let fits = held == 0 || all <= Self::MOST;
        if fits {
            self.0.insert(peer, all);
        }
        fits
    }

    /// `bytes` for `peer` have arrived, or been given up.
    pub fn unload(&mut self, peer: NodeId, bytes: usize) {
        if let Some(held) = self.0.get_mut(&peer) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                self.0.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_room_of_its_own() {
        let (one, other) = (NodeId::from_bits(1), NodeId::from_bits(2));
        let mut freight = Freight::new();
        assert!(freight.load(one, Freight::MOST + 1), "one at least");
        assert!(!freight.load(one, 1));
        assert!(freight.load(one, 0), "short ones are not counted");
        assert!(freight.load(other, Freight::MOST) && !freight.load(other, 1));
        freight.unload(one, Freight::MOST + 1);
        assert!(freight.load(one, 1));
        freight.unload(one, 1);
        freight.unload(other, Freight::MOST);
        assert!(freight.0.is_empty());
    }
}
