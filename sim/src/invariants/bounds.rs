//! I9: each queue and table is within its bound at every look, and at rest when nothing is to be done.

use zerocache_proto::cluster::{MAX_PEERS, MAX_PINGS, MAX_POLLS};

use crate::world::World;

/// Writes a node spreads at a time.
const MAX_SPREADS: u64 = 1_024;
/// Idle connections a node keeps to one address.
const MAX_IDLE: usize = 4;

impl World {
    /// A node's queues and tables.
    pub(crate) fn expect_caps(&mut self, index: usize) {
        let now = self.clock(index);
        let Some(facts) = self.hosts[index].node().map(|node| node.facts(now)) else {
            return;
        };
        let (queues, graves) = (facts.queues, facts.cache.tombstones);
        let caps = [
            ("writes being spread", queues.spreading, MAX_SPREADS),
            ("keys waiting", queues.waiting, queues.limit),
            ("peers", facts.peers.len() as u64, MAX_PEERS as u64),
            ("tombstones", graves.entries, graves.max_entries),
            ("bytes of tombstones", graves.bytes, graves.max_bytes),
            (
                "local records",
                facts.cache.local.entries,
                facts.cache.local.max_entries,
            ),
            (
                "remote records",
                facts.cache.remote.entries,
                facts.cache.remote.max_entries,
            ),
        ];
        for (what, held, most) in caps {
            if held > most {
                self.violate("I9", format!("node {index} has {held} {what} of {most}"));
            }
        }
    }

    /// A node's connections when it has nothing to do but to ask how others are.
    pub(crate) fn expect_rest(&mut self, index: usize) {
        let others = self.knobs.servers.len();
        let most = MAX_IDLE * others + MAX_PINGS + MAX_POLLS;
        let open = self.hosts[index].outs.len();
        if open > most {
            let text = format!("node {index} keeps {open} connections to {others} nodes");
            self.violate("I9", text);
        }
    }

    /// I6: no operation is left hanging.
    pub(crate) fn expect_over(&mut self) {
        let mut open = self.model.operations.iter().enumerate();
        if let Some((op, operation)) = open.find(|(_, operation)| operation.ended.is_none()) {
            let text = format!("operation {op} never ended: {operation:?}");
            self.violate("I6", text);
        }
    }
}
