//! Several real machines on one simulated link, by multicast and by static peers.

use crate::checked::Checked;
use crate::world::{at, ms, region};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use zerocache_proto::cluster::{
    Action, Cluster, Config, Down, Event, Me, Outcome, Pong, Source, members_body,
};
use zerocache_proto::mdns::{self, Destination};
use zerocache_proto::{Duration, Failure, Instant, NodeId, Region, Rng};

const DELAY: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Alive,
    /// The process is gone, the host refuses.
    Killed,
    /// The cable is out.
    Unplugged,
}

struct Host {
    ip: Ipv4Addr,
    cluster: Checked<Cluster>,
    fate: Fate,
    events: Vec<(Instant, Event)>,
}

enum Parcel {
    Datagram {
        to: usize,
        source: SocketAddr,
        multicast: bool,
        payload: Vec<u8>,
    },
    Request {
        from: usize,
        action: Action,
    },
    Answer {
        to: usize,
        action: Action,
        sent: Instant,
        result: Result<(Option<NodeId>, String), Failure>,
    },
}

struct Lan {
    now: Instant,
    hosts: Vec<Host>,
    parcels: BTreeMap<(Instant, u64), Parcel>,
    serial: u64,
    rng: Rng,
    /// Per cent of datagrams lost on the way to one host.
    loss: usize,
    multicast: bool,
}

fn ip(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n as u8 + 1)
}

fn addr(n: usize) -> SocketAddr {
    (ip(n), 6789).into()
}

fn node_id(own: &Region, n: usize) -> NodeId {
    NodeId::derive(own, addr(n))
}

impl Lan {
    fn new(multicast: bool) -> Self {
        Self {
            now: at(1_000),
            hosts: Vec::new(),
            parcels: BTreeMap::new(),
            serial: 0,
            rng: Rng::new(42),
            loss: 0,
            multicast,
        }
    }

    fn config(&self, n: usize, own: &str, is_node: bool, seeds: &[usize]) -> Config {
        let own = region(own);
        let id = node_id(&own, n);
        let service = mdns::Service {
            id,
            region: own.clone(),
            port: 6789,
            address: None,
        };
        let mdns = mdns::Config {
            service: is_node.then_some(service),
            ..mdns::Config::default()
        };
        let seed = |seed: &usize| addr(*seed).to_string().parse().expect("a static peer");
        Config {
            region: own,
            me: is_node.then_some(Me {
                id,
                addr: None,
                port: 6789,
            }),
            peers: seeds.iter().map(seed).collect(),
            mdns: self.multicast.then_some(mdns),
        }
    }

    fn join(&mut self, own: &str, is_node: bool, seeds: &[usize]) -> usize {
        let n = self.hosts.len();
        let cluster = self.start(n, own, is_node, seeds);
        self.hosts.push(Host {
            ip: ip(n),
            cluster,
            fate: Fate::Alive,
            events: Vec::new(),
        });
        n
    }

    fn start(&mut self, n: usize, own: &str, is_node: bool, seeds: &[usize]) -> Checked<Cluster> {
        let config = self.config(n, own, is_node, seeds);
        let mut cluster = Checked::new(Cluster::new(self.now, config, self.rng.next_u64()));
        let interface = mdns::Interface {
            index: 1,
            addresses: vec![(ip(n), 24)],
            loopback: false,
        };
        cluster.handle_interface(self.now, interface);
        cluster.announce(self.now);
        cluster
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            for n in 0..self.hosts.len() {
                self.drain(n);
            }
            let timers = self.hosts.iter().filter(|host| host.fate != Fate::Killed);
            let timers = timers.filter_map(|host| host.cluster.poll_timeout());
            let parcel = self.parcels.keys().next().map(|(due, _)| *due);
            let Some(next) = timers.chain(parcel).min().filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            while let Some(first) = self.parcels.first_entry() {
                if first.key().0 > self.now {
                    break;
                }
                let parcel = first.remove();
                self.deliver(parcel);
            }
            for host in &mut self.hosts {
                let due = host.cluster.poll_timeout();
                if host.fate != Fate::Killed && due.is_some_and(|due| due <= self.now) {
                    host.cluster.handle_timeout(self.now);
                }
            }
        }
    }

    fn send(&mut self, after: Duration, parcel: Parcel) {
        self.serial += 1;
        self.parcels.insert((self.now + after, self.serial), parcel);
    }

    fn drain(&mut self, n: usize) {
        while let Some(action) = self.hosts[n].cluster.poll_action() {
            if self.hosts[n].fate == Fate::Killed {
                continue;
            }
            match action {
                Action::Datagram(transmit) => self.transmit(n, &transmit),
                action => self.send(DELAY, Parcel::Request { from: n, action }),
            }
        }
        while let Some(event) = self.hosts[n].cluster.poll_event() {
            let now = self.now;
            self.hosts[n].events.push((now, event));
        }
    }

    fn transmit(&mut self, from: usize, transmit: &mdns::Transmit) {
        let source = SocketAddr::from((ip(from), 5353));
        for to in 0..self.hosts.len() {
            let multicast = transmit.to == Destination::Multicast;
            let meant = match transmit.to {
                Destination::Multicast => true,
                Destination::Unicast(to_addr) => to_addr.ip() == IpAddr::V4(ip(to)),
            };
            let alone = to != from && self.hosts[from].fate == Fate::Unplugged;
            if meant && !alone && self.rng.below(100) >= self.loss {
                let payload = transmit.payload.clone();
                let parcel = Parcel::Datagram {
                    to,
                    source,
                    multicast,
                    payload,
                };
                self.send(DELAY, parcel);
            }
        }
    }

    fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Datagram {
                to,
                source,
                multicast,
                payload,
            } => {
                let own = source.ip() == IpAddr::V4(self.hosts[to].ip);
                let host = &mut self.hosts[to];
                if host.fate == Fate::Alive || (own && host.fate == Fate::Unplugged) {
                    let datagram = mdns::Datagram {
                        interface: 1,
                        source,
                        multicast,
                        payload: &payload,
                    };
                    host.cluster.handle_datagram(self.now, datagram);
                }
            }
            Parcel::Request { from, action } => self.serve(from, action),
            Parcel::Answer {
                to,
                action,
                sent,
                result,
            } => {
                let rtt = self.now.saturating_since(sent);
                let cluster = &mut self.hosts[to].cluster;
                match action {
                    Action::Ping { token, .. } => {
                        let pong = result.map(|(node, _)| Pong::new(rtt, node));
                        cluster.handle_pong(self.now, token, pong);
                    }
                    Action::Members { token, .. } => {
                        let body = result.as_ref().map_err(|failure| *failure);
                        let body = body.and_then(|(_, body)| members_body(200, body.as_bytes()));
                        cluster.handle_members(self.now, token, body);
                    }
                    _ => unreachable!("no request"),
                }
            }
        }
    }

    fn serve(&mut self, from: usize, action: Action) {
        let sent = self.now - DELAY;
        let (to, deadline) = match &action {
            Action::Ping { addr, deadline, .. } | Action::Members { addr, deadline, .. } => {
                (*addr, *deadline)
            }
            _ => unreachable!("only literals are configured"),
        };
        let cut = self.hosts[from].fate != Fate::Alive;
        let host = self
            .hosts
            .iter_mut()
            .find(|host| to == SocketAddr::from((host.ip, 6789)));
        let result = match host {
            Some(host) if host.fate == Fate::Alive && !cut => {
                if let Action::Members {
                    hello: Some(hello), ..
                } = &action
                {
                    let source = IpAddr::V4(ip(from));
                    host.cluster
                        .handle_hello(self.now, source, hello.as_bytes());
                }
                Ok((host.cluster.id(), host.cluster.members()))
            }
            Some(host) if host.fate == Fate::Killed && !cut => Err(Failure::Refused),
            _ => Err(Failure::TimedOut),
        };
        let after = match result {
            Err(Failure::TimedOut) => deadline.saturating_since(self.now),
            _ => DELAY,
        };
        let answer = Parcel::Answer {
            to: from,
            action,
            sent,
            result,
        };
        self.send(after, answer);
    }

    /// Who host `n` routes to, as indexes of hosts, in order.
    fn routes(&self, n: usize) -> Vec<usize> {
        let view = self.hosts[n].cluster.view();
        let host = |addr: SocketAddr| self.hosts.iter().position(|h| addr == (h.ip, 6789).into());
        let mut all: Vec<usize> = view.peers().filter_map(|peer| host(peer.addr)).collect();
        all.sort_unstable();
        all
    }

    fn all_know(&self, nodes: &[usize]) -> bool {
        (0..self.hosts.len())
            .filter(|n| self.hosts[*n].fate == Fate::Alive)
            .all(|n| {
                let others: Vec<usize> =
                    nodes.iter().copied().filter(|other| *other != n).collect();
                self.routes(n) == others
            })
    }

    fn saw(&self, n: usize, wanted: impl Fn(&Event) -> bool) -> Option<Instant> {
        let found = self.hosts[n].events.iter().find(|(_, event)| wanted(event));
        found.map(|(when, _)| *when)
    }
}

/// Three nodes in london, two in paris, and a client, by multicast.
fn by_multicast() -> Lan {
    let mut lan = Lan::new(true);
    for own in ["london", "london", "london", "paris", "paris"] {
        lan.join(own, true, &[]);
    }
    lan.join("london", false, &[]);
    lan.run(ms(3_000));
    lan
}

#[test]
fn nodes_and_clients_on_a_link_find_each_other() {
    let lan = by_multicast();
    assert!(lan.all_know(&[0, 1, 2, 3, 4]));
    for n in 0..5 {
        assert!(
            lan.saw(n, |e| matches!(e, Event::Announced { .. }))
                .is_some()
        );
        assert!(lan.saw(n, |e| *e == Event::Ready).is_some());
        assert!(lan.hosts[n].cluster.is_ready());
    }
    assert!(
        lan.saw(5, |e| matches!(e, Event::Announced { .. }))
            .is_none()
    );
    assert!(lan.saw(5, |e| *e == Event::Ready).is_some());
    let peers: Vec<_> = lan.hosts[0].cluster.peers().collect();
    assert!(
        peers
            .iter()
            .all(|info| info.peer.capable && info.sources.contains(&Source::Mdns))
    );
}

#[test]
fn a_node_that_leaves_is_gone_at_once() {
    let mut lan = by_multicast();
    let start = lan.now;
    lan.hosts[1].cluster.leave(start);
    lan.run(ms(1_000));
    assert!(lan.hosts[1].cluster.is_left());
    for n in [0, 2, 3, 4, 5] {
        let gone = |e: &Event| {
            matches!(
                e,
                Event::PeerDown {
                    why: Down::Goodbye,
                    ..
                }
            )
        };
        let when = lan.saw(n, gone).expect("gone");
        assert!(when.saturating_since(start) <= ms(50), "{n}: {when:?}");
    }
    lan.hosts[1].fate = Fate::Killed;
    lan.run(ms(60_000));
    assert!(lan.all_know(&[0, 2, 3, 4]));
}

#[test]
fn a_killed_node_is_out_within_seconds_and_back_when_it_is_started_again() {
    let mut lan = by_multicast();
    lan.hosts[2].fate = Fate::Killed;
    lan.run(ms(3_500));
    assert!(lan.all_know(&[0, 1, 3, 4]));
    lan.run(ms(20_000));
    lan.hosts[2].cluster = lan.start(2, "london", true, &[]);
    lan.hosts[2].fate = Fate::Alive;
    lan.run(ms(3_500));
    assert!(lan.all_know(&[0, 1, 2, 3, 4]));
}

#[test]
fn an_unplugged_node_is_out_within_six_seconds_and_back_soon_after_it_is_plugged_in() {
    let mut lan = by_multicast();
    lan.hosts[2].fate = Fate::Unplugged;
    lan.run(ms(6_000));
    assert!(lan.all_know(&[0, 1, 3, 4]));
    assert_eq!(lan.routes(2), [0, 1, 3, 4], "it is not they who failed");
    lan.run(ms(5_000));
    lan.hosts[2].fate = Fate::Alive;
    lan.run(ms(10_000));
    assert!(lan.all_know(&[0, 1, 2, 3, 4]));
}

/// The goodbye of host `n`, as anybody can send it.
fn goodbye_of(lan: &Lan, n: usize, own: &str) -> Vec<u8> {
    let config = lan.config(n, own, true, &[]).mdns.expect("by multicast");
    let mut forger = mdns::Mdns::new(at(0), config, 1);
    let interface = mdns::Interface {
        index: 1,
        addresses: vec![(ip(n), 24)],
        loopback: false,
    };
    forger.handle_interface(at(0), interface);
    forger.announce(at(0));
    let mut last = Vec::new();
    for step in 0..40 {
        if step == 20 {
            forger.goodbye(at(100 * step));
        }
        forger.handle_timeout(at(100 * step));
        while let Some(transmit) = forger.poll_transmit() {
            last = transmit.payload;
        }
    }
    last
}

/// Multicast DNS has forgotten it by the time that it is to be asked for again: what it says to that
/// waits for nothing.
#[test]
fn a_node_that_fails_after_a_forged_goodbye_is_let_go_of_without_delay() {
    let mut lan = by_multicast();
    let (now, payload) = (lan.now, goodbye_of(&lan, 2, "london"));
    let forged = mdns::Datagram {
        interface: 1,
        source: (ip(9), 5353).into(),
        multicast: true,
        payload: &payload,
    };
    lan.hosts[0].cluster.handle_datagram(now, forged);
    // Nobody gets to take it back.
    lan.loss = 100;
    lan.run(ms(4_000));
    assert!(lan.all_know(&[0, 1, 2, 3, 4]), "it answers");
    let id = node_id(&region("london"), 2);
    let sources = |lan: &Lan| {
        let mut peers = lan.hosts[0].cluster.peers();
        let info = peers.find(|info| info.peer.id == id);
        info.map(|info| info.sources)
    };
    let before = sources(&lan).expect("known");
    assert!(before.contains(&Source::Mdns), "{before:?}");
    for _ in 0..2 {
        let failed = Outcome::Failed(Failure::TimedOut);
        lan.hosts[0].cluster.handle_outcome(lan.now, id, failed);
    }
    assert!(!sources(&lan).is_some_and(|sources| sources.contains(&Source::Mdns)));
}

#[test]
fn requests_find_a_dead_node_faster_than_pings() {
    let mut lan = by_multicast();
    let id = node_id(&region("london"), 2);
    lan.hosts[2].fate = Fate::Killed;
    let now = lan.now;
    lan.hosts[0]
        .cluster
        .handle_outcome(now, id, Outcome::Failed(Failure::Refused));
    lan.run(ms(5));
    assert_eq!(lan.routes(0), [1, 3, 4]);
}

#[test]
fn one_seed_is_enough_without_multicast() {
    let mut lan = Lan::new(false);
    for (n, own) in ["london", "london", "london", "paris", "paris", "rome"]
        .iter()
        .enumerate()
    {
        lan.join(own, true, if n == 0 { &[] } else { &[0] });
    }
    lan.join("rome", false, &[0]);
    lan.run(ms(25_000));
    assert!(lan.all_know(&[0, 1, 2, 3, 4, 5]));
    lan.run(ms(120_000));
    assert!(lan.all_know(&[0, 1, 2, 3, 4, 5]));
    // Everybody stays without the seed, and it comes back.
    lan.hosts[0].fate = Fate::Unplugged;
    lan.run(ms(60_000));
    for n in 1..7 {
        assert!(!lan.routes(n).contains(&0));
    }
    lan.hosts[0].fate = Fate::Alive;
    lan.run(ms(15_000));
    assert!(lan.all_know(&[0, 1, 2, 3, 4, 5]));
    // Goodbye reaches those that know no multicast.
    let now = lan.now;
    lan.hosts[3].cluster.leave(now);
    lan.run(ms(1_000));
    lan.hosts[3].fate = Fate::Killed;
    for n in [0, 1, 2, 4, 5] {
        assert!(!lan.routes(n).contains(&3), "{n}");
    }
    lan.run(ms(40_000));
    assert!(lan.all_know(&[0, 1, 2, 4, 5]));
}

#[test]
fn tables_converge_on_a_lossy_link() {
    let mut lan = Lan::new(true);
    lan.loss = 30;
    for n in 0..12 {
        lan.join(["london", "paris", "rome"][n % 3], true, &[]);
    }
    lan.run(ms(30_000));
    assert!(lan.all_know(&(0..12).collect::<Vec<_>>()));
    lan.run(ms(60_000));
    assert!(lan.all_know(&(0..12).collect::<Vec<_>>()));
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let history = || {
        let mut lan = by_multicast();
        lan.hosts[2].fate = Fate::Unplugged;
        lan.run(ms(30_000));
        let events: Vec<String> = lan
            .hosts
            .iter()
            .map(|host| format!("{:?}", host.events))
            .collect();
        events
    };
    assert_eq!(history(), history());
}
