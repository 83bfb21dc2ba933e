//! I15: manners of multicast DNS.

use zerocache_proto::mdns::{Destination, Transmit};

use crate::swarm::MS;
use crate::world::World;

/// The same records are not multicast again for a second, or a quarter of one if they defend a name
/// (RFC 6762 §6, §8.1); a fast clock is allowed for.
const AGAIN: u64 = 230 * MS;
/// In the header: this is an answer.
const RESPONSE: u8 = 0x80;

impl World {
    /// A process sends a datagram.
    pub(crate) fn watch_datagram(&mut self, from: usize, transmit: &Transmit) {
        let answers = transmit
            .payload
            .get(2)
            .is_some_and(|flags| flags & RESPONSE != 0);
        if transmit.to != Destination::Multicast || !answers || self.hosts[from].leaving {
            return;
        }
        let key = (from, self.hosts[from].incarnation, transmit.payload.clone());
        let now = self.now;
        let last = self.watch.said.insert(key, now);
        if let Some(last) = last.filter(|last| now < *last + AGAIN) {
            let since = (now - last) / MS;
            let text = format!("host {from} multicasts the same again after {since} ms");
            self.violate("I15", text);
        }
        if self.watch.said.len() > 1_000 {
            self.watch.said.retain(|_, at| now < *at + AGAIN);
        }
    }
}
