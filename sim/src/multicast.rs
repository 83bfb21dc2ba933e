//! Datagrams: to all on the link or to one host, lost, late, twice, and out of order.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use zerocache_proto::mdns::{self, Destination, Transmit};

use crate::dns::Parcel;
use crate::host::Life;
use crate::swarm::{Discovery, MS};
use crate::transition::Layer;
use crate::world::{Event, World};

/// The port of multicast DNS.
pub(crate) const PORT: u16 = 5353;
/// How much later a datagram comes at most that is overtaken.
const OVERTAKEN: u64 = 200 * MS;

impl World {
    /// The link a host is on: hosts of one link hear each other.
    fn link(&self, host: usize) -> usize {
        match self.knobs.discovery {
            Discovery::LinkEach => self.hosts[host].region,
            Discovery::OneLink | Discovery::Static => 0,
        }
    }

    /// The one interface of a host.
    pub(crate) fn interface(&self, host: usize) -> mdns::Interface {
        let prefix = match self.knobs.discovery {
            Discovery::LinkEach => 16,
            Discovery::OneLink | Discovery::Static => 8,
        };
        let address = match self.hosts[host].addr.ip() {
            IpAddr::V4(v4) => v4,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        mdns::Interface {
            index: 1,
            addresses: vec![(address, prefix)],
            loopback: false,
        }
    }

    /// A process sends a datagram.
    pub(crate) fn cast(&mut self, from: usize, transmit: Transmit) {
        self.trace.bytes(&transmit.payload);
        let Transmit { to, payload, .. } = transmit;
        let source = SocketAddr::new(self.hosts[from].addr.ip(), PORT);
        let multicast = to == Destination::Multicast;
        let parcel = Arc::new(Parcel::new(source, multicast, payload));
        self.watch_datagram(from, to, parcel.message.as_ref());
        if multicast {
            self.overheard = Some(parcel.clone());
        }
        self.spread_datagram(from, to, &parcel);
    }

    pub(crate) fn spread_datagram(&mut self, from: usize, to: Destination, parcel: &Arc<Parcel>) {
        for host in 0..self.hosts.len() {
            let meant = match to {
                Destination::Multicast => self.link(host) == self.link(from),
                Destination::Unicast(addr) => addr.ip() == self.hosts[host].addr.ip(),
            };
            if !meant || self.hosts[host].life != Life::Up {
                continue;
            }
            if host != from && (self.net.blocks(from, host, Layer::Multicast) || self.loses(from)) {
                continue;
            }
            let mut copies = 1;
            if self.rolls(from, self.net.duplicates) {
                self.coverage.saw("datagram twice");
                copies = 2;
            }
            for _ in 0..copies {
                let mut wait = self.delay(from, host);
                if self.rolls(from, self.net.reorder) {
                    self.coverage.saw("datagram overtaken");
                    wait += self.hosts[from].rng.below(OVERTAKEN as usize) as u64;
                }
                let incarnation = self.hosts[host].incarnation;
                let event = Event::Datagram(host as u32, incarnation, parcel.clone());
                self.post(wait, event);
            }
        }
    }

    fn rolls(&mut self, host: usize, per_mille: u64) -> bool {
        per_mille > 0 && self.hosts[host].rng.below(1000) < per_mille as usize
    }
}
