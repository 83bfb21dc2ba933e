//! The network: connections as pipes that keep the order of what is written, datagrams to a link.
//!
//! ```text
//! Dialing --SYN--> (refused | nothing: again after 1, 2, 4 .. s) --SYN-ACK--> Open --FIN, RST--> gone
//! ```
//! What is lost comes 0.2 s later, then 0.4 s, and so on. What is written across a cut waits for its
//! end, and what is behind it too.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use zerocache_proto::Failure;
use zerocache_proto::mdns::{self, Destination, Transmit};
use zerocache_proto::node::{ConnId, Input};

use super::traffic::{Topic, key_of};
use super::world::{Event, World};
use crate::host::{PORT, Process};
use crate::net;
use crate::swarm::{MS, SECOND};

/// The port of multicast DNS.
const MDNS_PORT: u16 = 5353;
/// How often a SYN is sent.
const SYNS: u8 = 7;
/// The first pause before something lost is sent again.
const RTO: u64 = 200 * MS;
/// Bytes of a segment.
const SEGMENT: usize = 1_460;
/// Bytes a second of a connection.
const RATE: u64 = 125_000_000;
/// The longest buffer that is used again.
const KEPT: usize = 4_096;
/// Hosts numbered in a row on a link, so that no address ends in 0 or 255.
const ROW: usize = 250;

/// A connection. Its number is its place and how many were there before it, so never used twice.
#[derive(Debug, Default)]
pub(super) struct Conn {
    generation: u32,
    /// The dialling end first.
    ends: [u32; 2],
    /// Whose process still has it.
    open: [bool; 2],
    dialing: bool,
    syns: u8,
    /// The dialling process's number of it.
    out: u64,
    /// When what was written last arrives.
    last: [u64; 2],
    /// What waits for the end of a cut.
    stalled: Option<Box<[VecDeque<Segment>; 2]>>,
    topic: Option<Topic>,
    /// The number of the key that is being written.
    pub(super) key: Option<u32>,
}

#[derive(Debug)]
pub(super) enum Segment {
    /// The handshake is over: the other process can accept.
    Open,
    Data(Vec<u8>),
    Fin,
}

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Conns {
    rows: Vec<Conn>,
    free: Vec<u32>,
}

impl Conns {
    fn insert(&mut self, conn: Conn) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.rows.push(Conn::default());
            self.rows.len() as u32 - 1
        });
        let row = &mut self.rows[index as usize];
        let generation = row.generation;
        *row = Conn { generation, ..conn };
        u64::from(generation) << 32 | u64::from(index)
    }

    pub(super) fn get(&mut self, id: u64) -> Option<&mut Conn> {
        let row = self.rows.get_mut(id as u32 as usize)?;
        (u64::from(row.generation) == id >> 32).then_some(row)
    }

    fn remove(&mut self, id: u64) {
        if let Some(conn) = self.get(id) {
            conn.generation += 1;
            conn.stalled = None;
            self.free.push(id as u32);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }
}

/// The address of a place on a link.
pub(super) fn address(link: usize, place: usize) -> Ipv4Addr {
    Ipv4Addr::new(
        10,
        link as u8 + 1,
        (place / ROW) as u8,
        (place % ROW) as u8 + 1,
    )
}

impl World {
    fn at(&self, ip: IpAddr) -> Option<usize> {
        let IpAddr::V4(ip) = ip else { return None };
        let [_, link, row, place] = ip.octets().map(usize::from);
        let hosts = self.links.get(link.checked_sub(1)?)?;
        let host = hosts.get(row * ROW + place.checked_sub(1)?)?;
        Some(*host as usize)
    }

    fn delay(&mut self, from: usize, to: usize) -> u64 {
        let (from, to) = (&self.hosts[from], &self.hosts[to]);
        let mean = if from.link == to.link {
            self.plan.lan_us
        } else if from.region == to.region {
            self.plan.site_us
        } else {
            self.plan.between(from.region, to.region)
        };
        net::delay(self.plan.law, mean, &mut self.rng)
    }

    fn loses(&mut self) -> bool {
        self.plan.loss > 0 && self.rng.below(1_000) < self.plan.loss as usize
    }

    /// How much later so many bytes come for what of them is lost on the way.
    fn resent(&mut self, len: usize) -> u64 {
        if self.plan.loss == 0 {
            return 0;
        }
        let mut late = 0;
        for _ in 0..len.div_ceil(SEGMENT).max(1) {
            let mut rto = RTO;
            while self.loses() {
                late += rto;
                rto *= 2;
            }
        }
        late
    }

    fn blocks(&self, from: usize, to: usize) -> bool {
        self.cut && self.hosts[from].apart != self.hosts[to].apart
    }

    pub(super) fn connect(&mut self, host: usize, out: u64, addr: SocketAddr) {
        let Some(to) = self.at(addr.ip()) else {
            return self.post(MS, Event::Failed(host as u32, out, Failure::Unreachable));
        };
        let id = self.conns.insert(Conn {
            ends: [host as u32, to as u32],
            open: [true, false],
            dialing: true,
            out,
            ..Conn::default()
        });
        self.hosts[host].outs.insert(out, id);
        self.totals.connects += 1;
        let wait = self.delay(host, to);
        self.post(wait, Event::Syn(id));
    }

    /// A SYN arrives, or not.
    pub(super) fn syn(&mut self, id: u64) {
        let lost = self.loses();
        let Some(conn) = self.conns.get(id).filter(|conn| conn.dialing) else {
            return;
        };
        conn.syns += 1;
        let (syns, [from, to]) = (conn.syns, conn.ends.map(|end| end as usize));
        if lost || self.blocks(from, to) || !self.hosts[to].powered {
            if syns >= SYNS {
                self.unmade(id, Failure::TimedOut);
            } else {
                self.post(SECOND << (syns - 1), Event::Syn(id));
            }
            return;
        }
        let wait = self.delay(to, from);
        if !matches!(self.hosts[to].process, Some(Process::Node(_))) {
            return self.post(wait, Event::Refused(id));
        }
        self.post(wait, Event::SynAck(id));
    }

    /// The answer to a SYN arrives, or not.
    pub(super) fn syn_ack(&mut self, id: u64, refused: bool) {
        let lost = self.loses();
        let Some(conn) = self.conns.get(id).filter(|conn| conn.dialing) else {
            return;
        };
        let (syns, out, [near, far]) = (conn.syns, conn.out, conn.ends.map(|end| end as usize));
        if lost || self.blocks(far, near) {
            return self.post(SECOND << (syns - 1), Event::Syn(id));
        }
        if refused {
            return self.unmade(id, Failure::Refused);
        }
        if let Some(conn) = self.conns.get(id) {
            (conn.dialing, conn.open[1]) = (false, true);
        }
        self.send(id, 0, Segment::Open);
        self.input(near, Input::Connected(out));
    }

    fn unmade(&mut self, id: u64, why: Failure) {
        if let Some(conn) = self.conns.get(id) {
            let (host, conn) = (conn.ends[0] as usize, conn.out);
            self.conns.remove(id);
            self.hosts[host].outs.remove(&conn);
            self.input(host, Input::ConnectFailed { conn, why });
        }
    }

    fn lookup(&mut self, host: usize, name: ConnId) -> Option<(u64, usize)> {
        let (id, side) = match name {
            ConnId::Out(out) => (*self.hosts[host].outs.get(&out)?, 0),
            ConnId::In(id) => (id, 1),
        };
        let conn = self.conns.get(id)?;
        (conn.open[side] && !conn.dialing).then_some((id, side))
    }

    /// A process has something to write: its socket takes it all.
    pub(super) fn write(&mut self, host: usize, name: ConnId) {
        let Some((id, way)) = self.lookup(host, name) else {
            return;
        };
        let now = self.clock(host);
        loop {
            let mut bytes = self.pool.pop().unwrap_or_default();
            let Some(process) = &mut self.hosts[host].process else {
                return;
            };
            bytes.extend_from_slice(process.write_buf(name));
            let count = bytes.len();
            if count == 0 {
                return self.pool.push(bytes);
            }
            process.handle(now, Input::Written { conn: name, count });
            self.count(id, way, &bytes);
            self.send(id, way, Segment::Data(bytes));
        }
    }

    /// Counts what is written, by what it is about.
    fn count(&mut self, id: u64, way: usize, bytes: &[u8]) {
        let Some(conn) = self.conns.get(id) else {
            return;
        };
        let request = (way == 0).then(|| Topic::of(bytes)).flatten();
        if let Some(topic) = request {
            conn.topic = Some(topic);
            conn.key = (topic == Topic::Put).then(|| key_of(bytes)).flatten();
        }
        let begins = request.is_some() || (way == 1 && bytes.starts_with(b"HTTP/1."));
        let (messages, ends) = (u64::from(begins), conn.ends);
        let topic = conn.topic.unwrap_or(Topic::Other);
        self.totals.topic(topic).add(messages, bytes.len());
        for end in ends {
            self.hosts[end as usize]
                .traffic
                .tcp
                .add(messages, bytes.len());
        }
    }

    fn send(&mut self, id: u64, way: usize, segment: Segment) {
        let Some(conn) = self.conns.get(id) else {
            return;
        };
        let (from, to) = (conn.ends[way] as usize, conn.ends[1 - way] as usize);
        let len = match &segment {
            Segment::Data(bytes) => bytes.len(),
            _ => 0,
        };
        let travels = len as u64 * SECOND / RATE + self.delay(from, to) + self.resent(len);
        let now = self.now;
        if let Some(conn) = self.conns.get(id) {
            let at = (now + travels).max(conn.last[way]);
            conn.last[way] = at;
            self.post(at - now, Event::Arrive(id, way as u8, segment));
        }
    }

    /// Something written arrives, or not yet.
    pub(super) fn arrive(&mut self, id: u64, way: usize, segment: Segment) {
        let Some(conn) = self.conns.get(id) else {
            return;
        };
        let [from, to] = [conn.ends[way] as usize, conn.ends[1 - way] as usize];
        let behind = conn
            .stalled
            .as_ref()
            .is_some_and(|stalled| !stalled[way].is_empty());
        if behind || self.blocks(from, to) {
            if let Some(conn) = self.conns.get(id) {
                conn.stalled.get_or_insert_default()[way].push_back(segment);
            }
            if !behind {
                self.post(RTO, Event::Retry(id, way as u8, RTO));
            }
            return;
        }
        self.deliver(id, way, segment);
    }

    /// What could not be delivered is tried again.
    pub(super) fn retry(&mut self, id: u64, way: usize, pause: u64) {
        let Some(conn) = self.conns.get(id) else {
            return;
        };
        let [from, to] = [conn.ends[way] as usize, conn.ends[1 - way] as usize];
        if self.blocks(from, to) {
            return self.post(pause * 2, Event::Retry(id, way as u8, pause * 2));
        }
        while let Some(segment) = self.conns.get(id).and_then(|conn| {
            let stalled = conn.stalled.as_mut()?;
            stalled[way].pop_front()
        }) {
            self.deliver(id, way, segment);
        }
    }

    fn deliver(&mut self, id: u64, way: usize, segment: Segment) {
        let Some(conn) = self.conns.get(id) else {
            return;
        };
        let (near, to) = (conn.ends[way] as usize, conn.ends[1 - way] as usize);
        if !self.hosts[to].powered {
            return;
        }
        let (open, topic, key) = (conn.open[1 - way], conn.topic, conn.key);
        let name = if way == 0 {
            ConnId::In(id)
        } else {
            ConnId::Out(conn.out)
        };
        match segment {
            Segment::Fin if !open => {}
            _ if !open => {
                let wait = self.delay(to, near);
                self.post(wait, Event::Rst(id, way as u8));
            }
            Segment::Open => {
                let port = 32_768 + (id % 20_000) as u16;
                let from = SocketAddr::new(self.hosts[near].addr.ip(), port);
                self.input(to, Input::Accepted { conn: id, from });
            }
            Segment::Data(mut bytes) => {
                self.input(
                    to,
                    Input::Received {
                        conn: name,
                        bytes: &bytes,
                    },
                );
                // A long one would never be given back.
                if bytes.capacity() <= KEPT {
                    bytes.clear();
                    self.pool.push(bytes);
                }
                self.received(near, to, way, topic, key);
            }
            Segment::Fin => self.input(
                to,
                Input::Received {
                    conn: name,
                    bytes: &[],
                },
            ),
        }
    }

    /// A reset arrives.
    pub(super) fn rst(&mut self, id: u64, side: usize) {
        if let Some(conn) = self.conns.get(id).filter(|conn| conn.open[side]) {
            let (host, out) = (conn.ends[side] as usize, conn.out);
            self.conns.remove(id);
            let name = if side == 0 {
                self.hosts[host].outs.remove(&out);
                ConnId::Out(out)
            } else {
                ConnId::In(id)
            };
            self.input(host, Input::Closed(name));
        }
    }

    /// A process is done with writing to a connection, and reads on.
    pub(super) fn half_close(&mut self, host: usize, name: ConnId) {
        if let Some((id, way)) = self.lookup(host, name) {
            self.send(id, way, Segment::Fin);
        }
    }

    /// A process closes a connection.
    pub(super) fn close(&mut self, host: usize, name: ConnId) {
        let (id, side) = match name {
            ConnId::Out(out) => match self.hosts[host].outs.remove(&out) {
                Some(id) => (id, 0),
                None => return,
            },
            ConnId::In(id) => (id, 1),
        };
        let Some(conn) = self.conns.get(id) else {
            return;
        };
        conn.open[side] = false;
        let other = conn.ends[1 - side] as usize;
        if conn.dialing || !conn.open[1 - side] || !self.hosts[other].powered {
            self.conns.remove(id);
        } else {
            self.send(id, side, Segment::Fin);
        }
    }

    /// A process sends a datagram.
    pub(super) fn cast(&mut self, from: usize, transmit: Transmit) {
        let len = transmit.payload.len();
        self.totals.cast.add(1, len);
        self.hosts[from].traffic.cast.add(1, len);
        let to = match transmit.to {
            Destination::Multicast => None,
            Destination::Unicast(addr) => match self.at(addr.ip()) {
                Some(host) => Some(host as u32),
                None => return,
            },
        };
        let wait = net::delay(self.plan.law, self.plan.lan_us, &mut self.rng);
        self.post(wait, Event::Cast(from as u32, to, transmit.payload));
    }

    /// A datagram reaches its link: the same bytes, at the same time, all who do not lose it.
    pub(super) fn heard(&mut self, from: usize, to: Option<u32>, payload: &[u8]) {
        if let Some(to) = to {
            return self.hear(from, to as usize, false, payload);
        }
        let link = self.hosts[from].link;
        for place in 0..self.links[link].len() {
            let to = self.links[link][place] as usize;
            self.hear(from, to, true, payload);
        }
    }

    fn hear(&mut self, from: usize, to: usize, multicast: bool, payload: &[u8]) {
        if self.hosts[to].process.is_none() || self.blocks(from, to) {
            return;
        }
        if from != to && self.loses() {
            return;
        }
        self.hosts[to].traffic.heard.add(1, payload.len());
        let datagram = mdns::Datagram {
            interface: 1,
            source: SocketAddr::new(self.hosts[from].addr.ip(), MDNS_PORT),
            multicast,
            payload,
        };
        self.input(to, Input::Datagram(datagram));
    }

    /// A static peer's name is its address.
    pub(super) fn resolve(&mut self, host: usize, token: u64, name: &str) {
        let ip: IpAddr = name.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.post(
            MS,
            Event::Resolved(host as u32, token, SocketAddr::new(ip, PORT)),
        );
    }
}
