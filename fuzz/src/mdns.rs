//! `mdns_packet`: one datagram against a machine in full swing. `mdns_session`: two machines on a
//! lossy link, and a stranger on it who says what it likes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{Name, Packet, PacketFlag, ResourceRecord};
use zerocache_proto::mdns::{Config, Datagram, Destination, Interface, Mdns, Service};
use zerocache_proto::{Instant, NodeId, Region};

use crate::checked::Checked;
use crate::script::Script;

/// No exchange of ours takes this many steps without time passing.
const TURNS: usize = 2_000;
/// The largest datagram the machine may send: an Ethernet frame's payload less IPv4 and UDP heads,
/// but for one record that is larger alone.
const LARGEST: usize = 1_472;
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 99);

/// A machine with its own clock-driven obligations checked at every turn.
struct Station {
    mdns: Checked<Mdns>,
    address: Ipv4Addr,
}

impl Station {
    fn new(last: u8, now: Instant) -> Self {
        let address = Ipv4Addr::new(10, 0, 0, last);
        let region: Region = "london".parse().expect("a good region");
        let id: NodeId = format!("0000000{last}").parse().expect("a good id");
        let service = Service {
            id,
            region,
            port: 6789,
            address: None,
        };
        let config = Config {
            service: Some(service),
            ..Config::default()
        };
        let mut mdns = Checked::new(Mdns::new(now, config, u64::from(last)));
        mdns.handle_interface(now, interface(1, address));
        mdns.announce(now);
        Self { mdns, address }
    }

    fn hear(&mut self, now: Instant, source: SocketAddr, multicast: bool, payload: &[u8]) {
        let datagram = Datagram {
            interface: 1,
            source,
            multicast,
            payload,
        };
        self.mdns.handle_datagram(now, datagram);
    }

    /// Lets everything due happen; what was sent is handed to `sent`.
    fn run(&mut self, now: Instant, mut sent: impl FnMut(Destination, Vec<u8>)) {
        for turn in 0.. {
            assert!(turn < TURNS, "busy without end");
            while self.mdns.poll_event().is_some() {}
            if let Some(transmit) = self.mdns.poll_transmit() {
                assert!(
                    transmit.payload.len() <= LARGEST,
                    "{} bytes",
                    transmit.payload.len()
                );
                assert_eq!(transmit.interface, 1);
                bearable(&transmit.payload);
                sent(transmit.to, transmit.payload);
                continue;
            }
            if self.mdns.poll_timeout().is_none_or(|due| due > now) {
                break;
            }
            self.mdns.handle_timeout(now);
        }
    }
}

/// Whether stock peers survive the message. A pointer to an instance that they cannot resolve ends
/// their discovery for good: so its SRV, TXT with a region and exactly one address go with it.
fn bearable(payload: &[u8]) {
    let packet = Packet::parse(payload).expect("a message of ours is well-formed");
    if !packet.has_flags(PacketFlag::RESPONSE) {
        return;
    }
    let records: Vec<&ResourceRecord<'_>> = packet
        .answers
        .iter()
        .chain(&packet.additional_records)
        .collect();
    let live = |name: &Name<'_>| -> Vec<&RData<'_>> {
        let of_name = records
            .iter()
            .filter(|record| record.name == *name && record.ttl > 0);
        of_name.map(|record| &record.rdata).collect()
    };
    let stock = Name::new_unchecked("_server._geocache._tcp.local");
    for pointer in live(&stock) {
        let RData::PTR(pointer) = pointer else {
            continue;
        };
        let of_instance = live(&pointer.0);
        let target = of_instance.iter().find_map(|data| match data {
            RData::SRV(service) => Some(&service.target),
            _ => None,
        });
        let region = of_instance.iter().any(|data| match data {
            RData::TXT(text) => text
                .iter_raw()
                .any(|(key, value)| key == b"region" && value.is_some()),
            _ => false,
        });
        let addresses = live(target.expect("an SRV with each PTR"));
        let count = addresses
            .iter()
            .filter(|data| matches!(data, RData::A(_)))
            .count();
        assert!(region, "no region beside a PTR");
        assert_eq!(count, 1, "addresses beside a PTR");
    }
}

fn interface(index: u32, address: Ipv4Addr) -> Interface {
    Interface {
        index,
        addresses: vec![(address, 24)],
        loopback: false,
    }
}

/// One datagram, from 5353 to the group or otherwise as its first byte says.
pub(crate) fn packet(data: &[u8]) {
    let mut script = Script(data);
    let how = script.byte();
    let mut now = Instant::from_millis(1_000);
    let mut station = Station::new(1, now);
    for _ in 0..16 {
        station.run(now, |_, _| {});
        now = now + Duration::from_millis(250);
    }
    let port = if how & 2 == 0 { 5353 } else { 40_000 };
    let address = if how & 4 == 0 {
        STRANGER
    } else {
        Ipv4Addr::new(198, 51, 100, 1)
    };
    let source = SocketAddr::from((address, port));
    station.hear(now, source, how & 1 == 0, script.0);
    for _ in 0..16 {
        station.run(now, |_, _| {});
        now = now + Duration::from_millis(400);
    }
}

/// What a script may let happen next.
pub(crate) fn session(data: &[u8]) {
    let mut script = Script(data);
    let mut now = Instant::from_millis(1_000);
    let mut stations = [Station::new(1, now), Station::new(2, now)];
    let mut steps = 0;
    while !script.is_over() && steps < 256 {
        steps += 1;
        let chosen = usize::from(script.below(2));
        let action = script.below(10);
        let station = &mut stations[chosen];
        match action {
            0..=3 => now = now + Duration::from_millis(u64::from(script.number())),
            4 => now = now + Duration::from_secs(u64::from(script.number())),
            5 => {
                let address = if script.byte() & 1 == 0 {
                    STRANGER
                } else {
                    station.address
                };
                let source = SocketAddr::new(IpAddr::V4(address), 5353);
                station.hear(now, source, script.byte() & 1 == 0, script.bytes());
            }
            6 => station.mdns.handle_interface_down(now, 1),
            7 => station
                .mdns
                .handle_interface(now, interface(1, station.address)),
            8 => station.mdns.goodbye(now),
            _ => station.mdns.verify(
                now,
                format!("0000000{}", script.below(4)).parse().expect("id"),
            ),
        }
        exchange(&mut stations, now, &mut script);
    }
}

/// Both run until neither has anything to say; the script drops and doubles datagrams.
fn exchange(stations: &mut [Station; 2], now: Instant, script: &mut Script<'_>) {
    for turn in 0.. {
        assert!(turn < 64, "the two talk without end");
        let mut silent = true;
        for speaker in 0..2 {
            let mut said = Vec::new();
            stations[speaker].run(now, |to, payload| said.push((to, payload)));
            silent &= said.is_empty();
            let source = SocketAddr::from((stations[speaker].address, 5353));
            for (to, payload) in said {
                let multicast = to == Destination::Multicast;
                // A multicast comes back to its sender, too.
                for station in stations.iter_mut() {
                    let address = IpAddr::V4(station.address);
                    let meant = matches!(to, Destination::Unicast(whom) if whom.ip() == address);
                    let copies = match script.below(8) {
                        6 => 0,
                        7 => 2,
                        _ => 1,
                    };
                    for _ in 0..if multicast || meant { copies } else { 0 } {
                        station.hear(now, source, multicast, &payload);
                    }
                }
            }
        }
        if silent {
            return;
        }
    }
}
