//! A world of scripted nodes around one `Cluster`, in virtual time.

use crate::checked::Checked;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use zerocache_proto::cluster::{
    Action, Cluster, Config, Down, Event, Me, PeerInfo, Pong, State, View, members_body,
};
use zerocache_proto::{Duration, Failure, Instant, NodeId, Region};

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

pub(crate) fn id(bits: u32) -> NodeId {
    NodeId::from_bits(bits)
}

pub(crate) fn region(name: &str) -> Region {
    Region::new(name).expect("a region")
}

pub(crate) fn addr(last: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, (last >> 8) as u8, last as u8], 6789))
}

/// How a scripted node answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Up,
    Refuses,
    Silent,
    /// Some other service listens there.
    Stranger,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// What it calls itself; `None` for a stock node.
    pub(crate) id: Option<NodeId>,
    pub(crate) rtt: Duration,
    pub(crate) mode: Mode,
    /// The body of its members page; `None` for a stock node.
    pub(crate) members: Option<String>,
}

#[derive(Debug)]
enum Report {
    Pong(u64, Result<Pong, Failure>),
    Members(u64, Result<(u16, String), Failure>),
    Resolved(u64, Vec<SocketAddr>),
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) cluster: Checked<Cluster>,
    pub(crate) nodes: BTreeMap<SocketAddr, Node>,
    pub(crate) names: BTreeMap<String, Vec<SocketAddr>>,
    pub(crate) events: VecDeque<(Instant, Event)>,
    /// When which address was pinged.
    pub(crate) pings: Vec<(Instant, SocketAddr)>,
    /// Who was greeted by a ping.
    pub(crate) greeted: Vec<SocketAddr>,
    /// Who was told, and whom the cluster misses.
    pub(crate) told: Vec<(Instant, SocketAddr, NodeId)>,
    /// When which address was asked for its members, and with what hello.
    pub(crate) polls: Vec<(Instant, SocketAddr, Option<String>)>,
    pub(crate) in_flight: usize,
    pub(crate) most_in_flight: usize,
    reports: BTreeMap<(Instant, u64), Report>,
    serial: u64,
}

pub(crate) fn node_config(own: &str) -> Config {
    Config {
        region: region(own),
        me: Some(Me {
            id: id(0xffff_0000),
            addr: Some(SocketAddr::from(([10, 0, 99, 99], 6789))),
            port: 6789,
        }),
        peers: Vec::new(),
        mdns: None,
    }
}

pub(crate) fn client_config(own: &str) -> Config {
    Config {
        me: None,
        ..node_config(own)
    }
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self::seeded(config, 7)
    }

    pub(crate) fn seeded(config: Config, seed: u64) -> Self {
        let now = at(1_000);
        Self {
            now,
            cluster: Checked::new(Cluster::new(now, config, seed)),
            nodes: BTreeMap::new(),
            names: BTreeMap::new(),
            events: VecDeque::new(),
            pings: Vec::new(),
            greeted: Vec::new(),
            told: Vec::new(),
            polls: Vec::new(),
            in_flight: 0,
            most_in_flight: 0,
            reports: BTreeMap::new(),
            serial: 0,
        }
    }

    /// A node of ours that answers in `rtt` and has just made itself known by a hello.
    pub(crate) fn join(&mut self, n: u16, own: &str, rtt: Duration) {
        self.script(n, Some(id(u32::from(n))), rtt);
        self.hello(n, own);
    }

    pub(crate) fn script(&mut self, n: u16, id: Option<NodeId>, rtt: Duration) {
        let node = Node {
            id,
            rtt,
            mode: Mode::Up,
            members: None,
        };
        self.nodes.insert(addr(n), node);
    }

    pub(crate) fn hello(&mut self, n: u16, own: &str) {
        let hello = format!("{} {own} 6789", id(u32::from(n)));
        self.cluster
            .handle_hello(self.now, addr(n).ip(), hello.as_bytes());
    }

    pub(crate) fn node(&mut self, n: u16) -> &mut Node {
        self.nodes.get_mut(&addr(n)).expect("a scripted node")
    }

    pub(crate) fn set(&mut self, n: u16, mode: Mode) {
        self.node(n).mode = mode;
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    pub(crate) fn run_until(&mut self, end: Instant) {
        let mut idle_turns = 0;
        loop {
            let acted = self.drain();
            let report = self.reports.keys().next().map(|(due, _)| *due);
            let timeout = self.cluster.poll_timeout();
            let Some(next) = timeout
                .into_iter()
                .chain(report)
                .min()
                .filter(|next| *next <= end)
            else {
                self.now = end;
                return;
            };
            let told = report.is_some_and(|due| due <= self.now);
            idle_turns = if next > self.now || acted || told {
                0
            } else {
                idle_turns + 1
            };
            assert!(idle_turns <= 3, "spins at {:?}", self.now);
            self.now = self.now.max(next);
            self.step(timeout);
        }
    }

    fn step(&mut self, timeout: Option<Instant>) {
        if let Some(first) = self.reports.first_entry()
            && first.key().0 <= self.now
        {
            let report = first.remove();
            self.report(report);
        } else if timeout.is_some_and(|due| due <= self.now) {
            self.cluster.handle_timeout(self.now);
        }
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Pong(token, result) => {
                self.in_flight -= 1;
                self.cluster.handle_pong(self.now, token, result);
            }
            Report::Members(token, Ok((status, body))) => {
                let body = members_body(status, body.as_bytes());
                self.cluster.handle_members(self.now, token, body);
            }
            Report::Members(token, Err(failure)) => {
                self.cluster.handle_members(self.now, token, Err(failure));
            }
            Report::Resolved(token, addrs) => {
                self.cluster.handle_resolved(self.now, token, &addrs);
            }
        }
    }

    /// Takes out what the machine has to do and to tell; says whether it had anything.
    fn drain(&mut self) -> bool {
        let mut any = false;
        while let Some(action) = self.cluster.poll_action() {
            any = true;
            match action {
                Action::Ping {
                    token,
                    addr,
                    deadline,
                    hello,
                    missing,
                    ..
                } => {
                    self.greeted.extend(hello.map(|_| addr));
                    self.told
                        .extend(missing.iter().map(|id| (self.now, addr, *id)));
                    self.pings.push((self.now, addr));
                    self.in_flight += 1;
                    self.most_in_flight = self.most_in_flight.max(self.in_flight);
                    let (when, result) = self.answer(addr, deadline);
                    let result = result.and_then(|node| match node.mode {
                        Mode::Stranger => Pong::read(node.rtt, 200, b"welcome", None),
                        _ => Pong::read(node.rtt, 200, b"pong", node.id),
                    });
                    self.later(when, Report::Pong(token, result));
                }
                Action::Members {
                    token,
                    addr,
                    hello,
                    deadline,
                } => {
                    self.polls.push((self.now, addr, hello));
                    let (when, result) = self.answer(addr, deadline);
                    let result = result.map(|node| match node.members {
                        Some(body) => (200, body),
                        None => (404, String::new()),
                    });
                    self.later(when, Report::Members(token, result));
                }
                Action::Resolve { token, host, port } => {
                    let found = self.names.get(&host).cloned().unwrap_or_default();
                    let found = found.into_iter().map(|a| SocketAddr::new(a.ip(), port));
                    let found = Report::Resolved(token, found.collect());
                    self.later(self.now + ms(20), found);
                }
                Action::Datagram(_) => {}
            }
        }
        while let Some(event) = self.cluster.poll_event() {
            any = true;
            self.events.push_back((self.now, event));
        }
        any
    }

    fn answer(&self, addr: SocketAddr, deadline: Instant) -> (Instant, Result<Node, Failure>) {
        match self.nodes.get(&addr) {
            Some(node) if node.mode == Mode::Refuses => {
                (self.now + node.rtt, Err(Failure::Refused))
            }
            Some(node) if node.mode != Mode::Silent && self.now + node.rtt <= deadline => {
                (self.now + node.rtt, Ok(node.clone()))
            }
            _ => (deadline, Err(Failure::TimedOut)),
        }
    }

    fn later(&mut self, when: Instant, report: Report) {
        self.serial += 1;
        self.reports.insert((when, self.serial), report);
    }

    pub(crate) fn view(&self) -> std::sync::Arc<View> {
        self.cluster.view()
    }

    /// The routable nodes' ids as small numbers: the own region's, then those of each region by rank.
    pub(crate) fn routed(&self) -> Vec<u32> {
        self.view().peers().map(|peer| peer.id.to_bits()).collect()
    }

    pub(crate) fn ranking(&self) -> Vec<String> {
        let view = self.view();
        view.regions.iter().map(|r| r.name.to_string()).collect()
    }

    pub(crate) fn info(&self, n: u32) -> Option<PeerInfo> {
        self.cluster.peers().find(|info| info.peer.id == id(n))
    }

    pub(crate) fn state(&self, n: u32) -> Option<State> {
        self.info(n).map(|info| info.health)
    }

    /// When and why the peer was last reported down since the events were last cleared.
    pub(crate) fn down(&self, n: u32) -> Option<(Instant, Down)> {
        self.events
            .iter()
            .rev()
            .find_map(|(when, event)| match event {
                Event::PeerDown { peer, why } if peer.id == id(n) => Some((*when, *why)),
                _ => None,
            })
    }

    pub(crate) fn pings_of(&self, n: u16) -> Vec<Instant> {
        let of = |(_, to): &&(Instant, SocketAddr)| *to == addr(n);
        self.pings
            .iter()
            .filter(of)
            .map(|(when, _)| *when)
            .collect()
    }

    pub(crate) fn forget_history(&mut self) {
        self.events.clear();
        self.pings.clear();
        self.greeted.clear();
        self.told.clear();
        self.polls.clear();
    }
}
