//! Announcements, as python-zeroconf makes them.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};

use zerocache_proto::mdns::{Config, Datagram, Event, Interface, Mdns};
use zerocache_proto::{Duration, Instant};

/// Of the node `a1b2c3d4` in london, captured. It ends in the node's address.
const ANNOUNCEMENT: &str = "000084000000000500000000075f736572766572095f67656f6361636865045f746370056c6f63616c00000c0001\
    00001194000b086131623263336434c00cc03400218001000000780008000000001a85c034c0340010800100001194000e\
    0d726567696f6e3d6c6f6e646f6ec034002f8001000000780005c034000140c0340001800100000078000400000000";
const INTERFACE: u32 = 1;
/// Each peer is heard every four seconds, well before what it last said runs out.
const EVERY: Duration = Duration::from_secs(4);

/// A browser hears each of its peers again and again.
pub(crate) fn announcements(count: usize, peers: usize) {
    let packets: Vec<_> = (0..peers).map(announcement).collect();
    let mut now = Instant::from_millis(1);
    let mut mdns = Mdns::new(now, Config::default(), 1);
    mdns.handle_interface(
        now,
        Interface {
            index: INTERFACE,
            addresses: vec![(ip(250), 24)],
            loopback: false,
        },
    );
    let pause = EVERY / u32::try_from(peers).unwrap_or(1);
    let mut seen = 0;
    for n in 0..count {
        now = now + pause;
        while mdns.poll_timeout().is_some_and(|at| at <= now) {
            mdns.handle_timeout(now);
        }
        mdns.handle_datagram(
            now,
            Datagram {
                interface: INTERFACE,
                source: SocketAddr::from((ip(n % peers), 5353)),
                multicast: true,
                payload: &packets[n % peers],
            },
        );
        while let Some(transmit) = mdns.poll_transmit() {
            black_box(transmit);
        }
        while let Some(event) = mdns.poll_event() {
            seen += usize::from(matches!(event, Event::Seen(_)));
        }
    }
    assert!(seen >= peers.min(count), "{seen} sightings");
}

fn ip(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n as u8)
}

fn announcement(n: usize) -> Vec<u8> {
    let digits: Vec<u8> = ANNOUNCEMENT
        .chars()
        .filter_map(|c| Some(c.to_digit(16)? as u8))
        .collect();
    let mut bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect();
    let name = bytes
        .windows(8)
        .position(|part| part == b"a1b2c3d4")
        .expect("the name");
    bytes[name..name + 8].copy_from_slice(format!("{n:08x}").as_bytes());
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&ip(n).octets());
    bytes
}
