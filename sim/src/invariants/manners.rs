//! I15: manners of multicast DNS.

use zerocache_proto::mdns::Transmit;

use crate::world::World;

impl World {
    /// A process sends a datagram.
    pub(crate) fn watch_datagram(&mut self, _from: usize, _transmit: &Transmit) {}
}
