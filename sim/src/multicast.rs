//! Datagrams: to all on the link or to one host, lost, late, twice, and out of order.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use zerocache_proto::mdns::{self, Destination, Transmit};

use crate::host::{Happening, Life};
use crate::swarm::{Discovery, MS};
use crate::transition::Layer;
use crate::world::{Event, World};

/// The port of multicast DNS.
const PORT: u16 = 5353;
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
    pub(crate) fn cast(&mut self, from: usize, transmit: &Transmit) {
        self.trace.bytes(&transmit.payload);
        self.watch_datagram(from, transmit);
        let payload: Arc<[u8]> = transmit.payload.as_slice().into();
        if transmit.to == Destination::Multicast {
            self.overheard = Some(payload.clone());
        }
        self.spread_datagram(from, transmit.to, &payload);
    }

    pub(crate) fn spread_datagram(&mut self, from: usize, to: Destination, payload: &Arc<[u8]>) {
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
                let what = Happening::Datagram {
                    source: SocketAddr::new(self.hosts[from].addr.ip(), PORT),
                    multicast: to == Destination::Multicast,
                    payload: payload.clone(),
                };
                self.post(
                    wait,
                    Event::Happen(host, self.hosts[host].incarnation, what),
                );
            }
        }
    }

    fn rolls(&mut self, host: usize, per_mille: u64) -> bool {
        per_mille > 0 && self.hosts[host].rng.below(1000) < per_mille as usize
    }

    /// Somebody on the link sends what is no message, half of one, or a lie.
    pub(crate) fn rogue(&mut self, from: usize, lie: u64) {
        let Some(heard) = self.overheard.clone() else {
            return;
        };
        let mut payload = heard.to_vec();
        let place = (lie >> 8) as usize % payload.len().max(1);
        match lie % 4 {
            0 => payload.truncate(place),
            1 => {
                let mut noise = zerocache_proto::Rng::new(lie);
                payload
                    .iter_mut()
                    .skip(12)
                    .for_each(|byte| *byte = noise.next_u32() as u8);
            }
            // A node that was never there: eight other hex digits.
            2 => rename(&mut payload, lie),
            // A node's address is said to be where nobody lives.
            _ => relocate(&mut payload),
        }
        let payload: Arc<[u8]> = payload.into();
        self.spread_datagram(from, Destination::Multicast, &payload);
    }
}

/// Changes every instance name of eight hex digits.
fn rename(payload: &mut [u8], lie: u64) {
    let name = format!("{:08x}", lie >> 16 & 0xffff_ffff);
    for at in 0..payload.len().saturating_sub(9) {
        let digits = payload[at + 1..at + 9].iter().all(u8::is_ascii_hexdigit);
        if payload[at] == 8 && digits {
            payload[at + 1..at + 9].copy_from_slice(name.as_bytes());
        }
    }
}

/// Changes every address of the simulated network (10.x.0.x after a length of 4).
fn relocate(payload: &mut [u8]) {
    for at in 0..payload.len().saturating_sub(5) {
        if payload[at..at + 3] == [0, 4, 10] && payload[at + 4] == 0 {
            payload[at + 5] = 250;
        }
    }
}
