//! Strangers: datagrams that are none, lies, or from elsewhere, and connections on which anything comes.

use std::net::SocketAddr;
use std::sync::Arc;

use zerocache_proto::Rng;
use zerocache_proto::mdns::Destination;

use crate::dns::Parcel;
use crate::multicast::PORT;
use crate::sniff::key_text;
use crate::swarm::SECOND;
use crate::world::World;

/// Somewhere else: on no link of the simulated network.
const ELSEWHERE: [u8; 4] = [192, 0, 2, 7];

/// What is done, in words.
pub(crate) const fn kind(lie: u64) -> &'static str {
    match lie % 8 {
        0..=3 => "rogue datagram",
        4 => "datagram from elsewhere",
        5 => "rogue bytes",
        6 => "smuggled request",
        _ => "trickle",
    }
}

impl World {
    /// Somebody does what nobody should; whether there was anything to do it with.
    pub(crate) fn rogue(&mut self, from: usize, lie: u64) -> bool {
        let to = (lie >> 8) as usize % self.knobs.servers.len();
        match lie % 8 {
            0..=4 => return self.rogue_datagram(from, lie),
            _ if !self.hosts[to].is_serving() => return false,
            5 => {
                let mut noise = Rng::new(lie);
                let count = noise.below(2_000);
                let bytes: Vec<u8> = (0..count).map(|_| noise.next_u32() as u8).collect();
                self.intrude(from, to, &bytes, 0, lie & 16 == 0);
            }
            6 => self.smuggle(from, to, lie),
            _ => {
                let key = key_text((lie >> 16) as u32 % self.knobs.keys);
                let head =
                    format!("PUT /r0/{key}?expiry=60 HTTP/1.1\r\nContent-Length: 999\r\n\r\nw0;");
                self.intrude(
                    from,
                    to,
                    head.as_bytes(),
                    SECOND / (1 + lie / 8 % 20),
                    false,
                );
            }
        }
        true
    }

    /// A request in the body of another, which some would take for the next one: what it stores nobody
    /// wrote. Or half a value, and the end.
    fn smuggle(&mut self, from: usize, to: usize, lie: u64) {
        let key = key_text((lie >> 16) as u32 % self.knobs.keys);
        let inner = format!("PUT /r0/{key}?expiry=600 HTTP/1.1\r\nContent-Length: 5\r\n\r\nwrong");
        let put = format!("PUT /r0/x{key}?expiry=1 HTTP/1.1\r\n");
        let size = inner.len();
        let framing = [
            format!("Content-Length: {size}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "Content-Length: 0, 0\r\n\r\n".to_owned(),
            format!("Content-Length: 0\r\nContent-Length: {size}\r\n\r\n"),
            "Transfer-Encoding: xchunked\r\n\r\n".to_owned(),
            "Content-Length : 0\r\n\r\n".to_owned(),
            "Content-Length: +0\r\n\r\n".to_owned(),
        ];
        let framing = framing.get((lie >> 3) as usize % 7);
        let bytes = match framing {
            Some(framing) => put + framing + &inner,
            // Half a value.
            None => inner.replace("Length: 5", "Length: 50"),
        };
        self.intrude(from, to, bytes.as_bytes(), 0, lie & 1 << 20 == 0);
    }

    fn rogue_datagram(&mut self, from: usize, lie: u64) -> bool {
        let Some(heard) = self.overheard.clone() else {
            return false;
        };
        let mut payload = heard.payload.clone();
        let mut source = SocketAddr::new(self.hosts[from].addr.ip(), PORT);
        let mut to = Destination::Multicast;
        let place = (lie >> 8) as usize % payload.len().max(1);
        match lie % 8 {
            0 => payload.truncate(place),
            1 => {
                let mut noise = Rng::new(lie);
                payload
                    .iter_mut()
                    .skip(12)
                    .for_each(|byte| *byte = noise.next_u32() as u8);
            }
            // A node that was never there: eight other hex digits.
            2 => rename(&mut payload, lie),
            // A node's address is said to be where nobody lives.
            3 => relocate(&mut payload),
            // From elsewhere, to the group or to one node; as a querier does, or as a resolver.
            _ => {
                let port = if lie & 8 == 0 { PORT } else { 40_000 };
                source = SocketAddr::from((ELSEWHERE, port));
                let node = self.hosts[place % self.knobs.servers.len()].addr;
                if lie & 16 == 0 {
                    to = Destination::Unicast(SocketAddr::new(node.ip(), PORT));
                }
            }
        }
        let multicast = to == Destination::Multicast;
        let parcel = Arc::new(Parcel::new(source, multicast, payload));
        self.spread_datagram(from, to, &parcel);
        true
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
