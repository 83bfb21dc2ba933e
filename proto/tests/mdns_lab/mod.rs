//! Machines on one simulated link, in virtual time: every multicast reaches all of them, the sender
//! included, after a fixed delay, unless it is lost.

#![expect(dead_code, reason = "each test file uses a part")]
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

pub(crate) mod announcement;
#[path = "../checked/mod.rs"]
pub(crate) mod checked;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use checked::Checked;
use simple_dns::Packet;
use zerocache_proto::mdns::{
    Config, Datagram, Destination, Event, Interface, Mdns, Service, Sighting, Transmit,
};
use zerocache_proto::{Instant, NodeId, Region, Rng};

pub(crate) const INTERFACE: u32 = 7;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

pub(crate) fn id(bits: u32) -> NodeId {
    NodeId::from_bits(bits)
}

pub(crate) fn ip(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, host)
}

pub(crate) fn source(host: u8) -> SocketAddr {
    SocketAddr::from((ip(host), 5353))
}

pub(crate) fn interface(host: u8) -> Interface {
    Interface {
        index: INTERFACE,
        addresses: vec![(ip(host), 24)],
        loopback: false,
    }
}

pub(crate) fn service(bits: u32, region: &str) -> Service {
    Service {
        id: id(bits),
        region: Region::new(region).unwrap(),
        port: 6789,
        address: None,
    }
}

pub(crate) fn server(bits: u32, region: &str) -> Config {
    Config {
        service: Some(service(bits, region)),
        ..Config::default()
    }
}

/// A machine that is up and announcing at time 0.
pub(crate) fn started(host: u8, config: Config, seed: u64) -> Checked<Mdns> {
    let mut mdns = Checked::new(Mdns::new(at(0), config, seed));
    mdns.handle_interface(at(0), interface(host));
    mdns.announce(at(0));
    mdns
}

/// Runs a machine alone until `until`, nothing of its own coming back; what it sent, and when.
pub(crate) fn run(mdns: &mut Checked<Mdns>, until: Instant) -> Vec<(Instant, Transmit)> {
    let mut sent = Vec::new();
    let mut now = Instant::ORIGIN;
    loop {
        while let Some(transmit) = mdns.poll_transmit() {
            sent.push((now, transmit));
        }
        match mdns.poll_timeout() {
            Some(next) if next <= until => {
                now = next.max(now);
                mdns.handle_timeout(now);
            }
            _ => return sent,
        }
    }
}

pub(crate) fn hear(mdns: &mut Checked<Mdns>, now: Instant, from: SocketAddr, payload: &[u8]) {
    mdns.handle_datagram(
        now,
        Datagram {
            interface: INTERFACE,
            source: from,
            multicast: true,
            payload,
        },
    );
}

pub(crate) fn transmits(mdns: &mut Checked<Mdns>) -> Vec<Transmit> {
    std::iter::from_fn(|| mdns.poll_transmit()).collect()
}

pub(crate) fn events(mdns: &mut Checked<Mdns>) -> Vec<Event> {
    std::iter::from_fn(|| mdns.poll_event()).collect()
}

pub(crate) fn sightings(mdns: &mut Checked<Mdns>) -> Vec<Sighting> {
    let seen = |event| match event {
        Event::Seen(sighting) => Some(sighting),
        _ => None,
    };
    events(mdns).into_iter().filter_map(seen).collect()
}

pub(crate) fn is_response(payload: &[u8]) -> bool {
    payload[2] & 0x80 != 0
}

/// A message as lines: `? name TYPE`, `= name TYPE ttl [flush]`, `! ` authority, `+ ` additional.
pub(crate) fn lines(payload: &[u8]) -> Vec<String> {
    let packet = Packet::parse(payload).unwrap();
    let mut out = Vec::new();
    for q in &packet.questions {
        let kind = match u16::from(q.qtype) {
            255 => "ANY".to_owned(),
            code => format!("{:?}", simple_dns::TYPE::from(code)),
        };
        let qu = if q.unicast_response { " QU" } else { "" };
        out.push(format!("? {} {kind}{qu}", q.qname));
    }
    let sections = [
        ("=", &packet.answers),
        ("!", &packet.name_servers),
        ("+", &packet.additional_records),
    ];
    for (mark, records) in sections {
        for r in records {
            let flush = if r.cache_flush { " flush" } else { "" };
            let kind = r.rdata.type_code();
            out.push(format!("{mark} {} {kind:?} {}{flush}", r.name, r.ttl));
        }
    }
    out
}

pub(crate) struct Host {
    pub(crate) mdns: Checked<Mdns>,
    pub(crate) number: u8,
    /// `false`: hears and says nothing, as after `kill -9`.
    pub(crate) alive: bool,
    pub(crate) events: Vec<(Instant, Event)>,
    pub(crate) sent: Vec<(Instant, Transmit)>,
}

/// To whom, from whom, whether to the group, what.
type Flight = (u8, SocketAddr, bool, Vec<u8>);

pub(crate) struct Lab {
    pub(crate) now: Instant,
    pub(crate) hosts: Vec<Host>,
    pub(crate) delay: Duration,
    /// Percent of deliveries lost.
    pub(crate) loss: usize,
    rng: Rng,
    flight: BTreeMap<(Instant, u64), Flight>,
    sequence: u64,
}

impl Lab {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Instant::ORIGIN,
            hosts: Vec::new(),
            delay: Duration::from_micros(200),
            loss: 0,
            rng: Rng::new(seed),
            flight: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Adds host 10.0.0.`number`, up and announcing from now on; its index.
    pub(crate) fn add(&mut self, number: u8, config: Config) -> usize {
        let mut mdns = Checked::new(Mdns::new(self.now, config, self.rng.next_u64()));
        mdns.handle_interface(self.now, interface(number));
        mdns.announce(self.now);
        self.hosts.push(Host {
            mdns,
            number,
            alive: true,
            events: Vec::new(),
            sent: Vec::new(),
        });
        self.drain();
        self.hosts.len() - 1
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    pub(crate) fn run_until(&mut self, end: Instant) {
        loop {
            self.drain();
            let timers = self.hosts.iter().filter(|h| h.alive);
            let timer = timers.filter_map(|h| h.mdns.poll_timeout()).min();
            let arrival = self.flight.keys().next().map(|(at, _)| *at);
            let Some(next) = timer.into_iter().chain(arrival).min() else {
                break;
            };
            if next > end {
                break;
            }
            self.now = next.max(self.now);
            self.deliver();
            for host in self.hosts.iter_mut().filter(|h| h.alive) {
                if host.mdns.poll_timeout().is_some_and(|t| t <= self.now) {
                    host.mdns.handle_timeout(self.now);
                }
            }
        }
        self.now = end;
    }

    fn deliver(&mut self) {
        while let Some(((at, key), datagram)) = self.flight.pop_first() {
            if at > self.now {
                self.flight.insert((at, key), datagram);
                return;
            }
            let (to, from, multicast, payload) = datagram;
            let host = self.hosts.iter_mut().find(|h| h.number == to && h.alive);
            if let Some(host) = host {
                host.mdns.handle_datagram(
                    self.now,
                    Datagram {
                        interface: INTERFACE,
                        source: from,
                        multicast,
                        payload: &payload,
                    },
                );
            }
        }
    }

    fn drain(&mut self) {
        let numbers: Vec<u8> = self.hosts.iter().map(|h| h.number).collect();
        for host in self.hosts.iter_mut().filter(|h| h.alive) {
            while let Some(event) = host.mdns.poll_event() {
                host.events.push((self.now, event));
            }
            while let Some(transmit) = host.mdns.poll_transmit() {
                assert!(transmit.payload.len() <= 1_452, "too long");
                host.sent.push((self.now, transmit.clone()));
                let (targets, multicast) = match transmit.to {
                    Destination::Multicast => (numbers.clone(), true),
                    Destination::Unicast(to) => {
                        let to = numbers
                            .iter()
                            .filter(|n| SocketAddr::from((ip(**n), 5353)) == to);
                        (to.copied().collect(), false)
                    }
                };
                for to in targets {
                    // The loop back to the sender is no network.
                    if to != host.number && self.rng.below(100) < self.loss {
                        continue;
                    }
                    self.sequence += 1;
                    self.flight.insert(
                        (self.now + self.delay, self.sequence),
                        (to, source(host.number), multicast, transmit.payload.clone()),
                    );
                }
            }
        }
    }

    /// When host `who` first reported `node` as seen.
    pub(crate) fn first_seen(&self, who: usize, node: NodeId) -> Option<Instant> {
        let mut events = self.hosts[who].events.iter();
        events
            .find(|(_, e)| matches!(e, Event::Seen(s) if s.id == node))
            .map(|(at, _)| *at)
    }

    /// When host `who` first reported `node` as gone.
    pub(crate) fn first_gone(&self, who: usize, node: NodeId) -> Option<Instant> {
        let mut events = self.hosts[who].events.iter();
        events
            .find(|(_, e)| matches!(e, Event::Gone { id, .. } if *id == node))
            .map(|(at, _)| *at)
    }
}
