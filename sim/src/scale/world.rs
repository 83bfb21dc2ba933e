//! The world of a large cluster: one heap of events, one wake-up a host, no checks and no faults but
//! loss, a cut, and death.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use zerocache_proto::cluster::{self, Me, StaticPeer};
use zerocache_proto::node::{Config, Input, Output};
use zerocache_proto::op::Kind;
use zerocache_proto::{Buggify, Failure, NodeId, Now, Region, Rng, mdns};

use super::plan::Deployment;
use super::traffic::{Totals, Traffic};
use super::watch::{Asked, Seen, Watch};
use super::wire::{Conns, Segment, address};
use crate::agenda::Agenda;
use crate::client::{Client, Order};
use crate::clock::Clock;
use crate::host::{PORT, Process};
use crate::swarm::SECOND;

/// How long values live, in seconds.
const TTL: u32 = 3_600;

/// Something that is going to happen.
#[derive(Debug)]
pub(super) enum Event {
    Wake(u32),
    Start(u32),
    Syn(u64),
    SynAck(u64),
    Refused(u64),
    Arrive(u64, u8, Segment),
    Retry(u64, u8, u64),
    Rst(u64, u8),
    Failed(u32, u64, Failure),
    Cast(u32, Option<u32>, Vec<u8>),
    Resolved(u32, u64, SocketAddr),
}

/// A host: a node's, or a client's.
pub(super) struct Host {
    pub(super) region: usize,
    pub(super) link: usize,
    pub(super) name: Region,
    pub(super) addr: SocketAddr,
    pub(super) id: NodeId,
    clock: Clock,
    pub(super) process: Option<Process>,
    pub(super) powered: bool,
    /// On the other side of a cut.
    pub(super) apart: bool,
    /// By the process's number of it: its connections to others.
    pub(super) outs: BTreeMap<u64, u64>,
    pub(super) traffic: Traffic,
    /// The time of the wake-up that counts.
    armed: Option<u64>,
    /// What it sees of the others.
    pub(super) seen: Seen,
}

/// A cluster, its clients and what is between them. Hosts: nodes, those that join later, clients.
pub(super) struct World {
    pub(super) plan: Deployment,
    /// The time, in nanoseconds from the beginning.
    pub(super) now: u64,
    agenda: Agenda<Event>,
    pub(super) hosts: Vec<Host>,
    /// The hosts of each link.
    pub(super) links: Vec<Vec<u32>>,
    pub(super) conns: Conns,
    /// Buffers to be used again.
    pub(super) pool: Vec<Vec<u8>>,
    pub(super) rng: Rng,
    /// Those apart and the others do not reach each other.
    pub(super) cut: bool,
    pub(super) totals: Totals,
    pub(super) watch: Watch,
    pub(super) events: u64,
    ops: u64,
}

impl World {
    /// A world in which nothing runs yet, with hosts for so many more nodes.
    #[must_use]
    pub(super) fn new(plan: &Deployment, joiners: usize) -> Self {
        let mut rng = Rng::new(plan.seed);
        let mut links = vec![Vec::new(); plan.links()];
        let nodes = plan.nodes + joiners;
        let hosts = (0..nodes + plan.regions).map(|index| {
            let turn = if index < nodes { index } else { index - nodes };
            let region = turn % plan.regions;
            let segment = turn / plan.regions % plan.segments;
            let link = region * plan.segments + segment;
            let hosts = &mut links[link];
            let addr = SocketAddr::from((address(link, hosts.len()), PORT));
            hosts.push(index as u32);
            host(region, link, addr, &mut rng)
        });
        Self {
            now: 0,
            agenda: Agenda::new(),
            hosts: hosts.collect(),
            links,
            conns: Conns::default(),
            pool: Vec::new(),
            cut: false,
            totals: Totals::default(),
            watch: Watch::new(plan.regions, nodes),
            events: 0,
            ops: 0,
            rng,
            plan: plan.clone(),
        }
    }

    pub(super) fn post(&mut self, wait: u64, event: Event) {
        self.agenda.post(self.now.saturating_add(wait), event);
    }

    pub(super) fn clock(&self, host: usize) -> Now {
        self.hosts[host].clock.now(self.now)
    }

    /// Lets happen what happens until then.
    pub(super) fn run_until(&mut self, until: u64) {
        while let Some((at, event)) = self.agenda.next_until(until) {
            self.now = at;
            self.happen(event);
        }
        self.now = self.now.max(until);
    }

    fn happen(&mut self, event: Event) {
        if let Event::Wake(host) = event {
            return self.wake(host as usize);
        }
        self.events += 1;
        match event {
            Event::Wake(_) => {}
            Event::Start(host) => self.start(host as usize),
            Event::Syn(conn) => self.syn(conn),
            Event::SynAck(conn) => self.syn_ack(conn, false),
            Event::Refused(conn) => self.syn_ack(conn, true),
            Event::Arrive(conn, way, segment) => self.arrive(conn, way.into(), segment),
            Event::Retry(conn, way, pause) => self.retry(conn, way.into(), pause),
            Event::Rst(conn, side) => self.rst(conn, side.into()),
            Event::Failed(host, conn, why) => {
                self.input(host as usize, Input::ConnectFailed { conn, why });
            }
            Event::Cast(from, to, payload) => self.heard(from as usize, to, &payload),
            Event::Resolved(host, token, addr) => {
                let addrs = &[addr];
                self.input(host as usize, Input::Resolved { token, addrs });
            }
        }
    }

    /// Starts the process of a host: a node, or behind them all a client.
    pub(super) fn start(&mut self, index: usize) {
        let (now, seed) = (self.clock(index), self.rng.next_u64());
        let is_node = self.watch.is_node(index);
        let cluster = self.cluster(index, is_node);
        self.hosts[index].process = Some(if is_node {
            Process::node(now, Config::new(cluster, seed), false)
        } else {
            Process::Client(Box::new(Client::new(now, cluster, seed, &Buggify::OFF)))
        });
        if is_node {
            self.born(index);
        }
        self.after(index);
        let address = match self.hosts[index].addr.ip() {
            IpAddr::V4(ip) => ip,
            IpAddr::V6(_) => unreachable!("all addresses are made here"),
        };
        let interface = mdns::Interface {
            index: 1,
            addresses: vec![(address, 16)],
            loopback: false,
        };
        self.input(index, Input::Interface(interface));
        if is_node {
            self.input(index, Input::Announce);
        }
    }

    fn cluster(&self, index: usize, is_node: bool) -> cluster::Config {
        let Host { addr, id, name, .. } = &self.hosts[index];
        let (id, port) = (*id, PORT);
        let seeds = if self.links.len() > 1 {
            self.plan.seeds
        } else {
            0
        };
        let peer = |seed: usize| StaticPeer {
            region: None,
            host: self.hosts[seed].addr.ip().to_string(),
            port,
        };
        let service = mdns::Service {
            id,
            region: name.clone(),
            port,
            address: match addr.ip() {
                IpAddr::V4(ip) => Some(ip),
                IpAddr::V6(_) => None,
            },
        };
        cluster::Config {
            region: name.clone(),
            me: is_node.then_some(Me {
                id,
                addr: Some(*addr),
                port,
            }),
            peers: (0..seeds.min(self.plan.nodes)).map(peer).collect(),
            mdns: Some(mdns::Config {
                service: is_node.then_some(service),
                ..mdns::Config::default()
            }),
        }
    }

    /// Takes a host's power: it says nothing more, and nobody is told.
    pub(super) fn kill(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        (host.powered, host.process) = (false, None);
        host.outs.clear();
        self.died(index);
    }

    fn wake(&mut self, index: usize) {
        let now = self.clock(index);
        let host = &mut self.hosts[index];
        if host.armed != Some(self.now) {
            return;
        }
        host.armed = None;
        let Some(process) = &mut host.process else {
            return;
        };
        if process.poll_timeout().is_some_and(|due| due <= now.mono) {
            self.events += 1;
            process.tick(now);
            self.after(index);
        } else {
            self.arm(index);
        }
    }

    pub(super) fn input(&mut self, index: usize, input: Input<'_>) {
        let now = self.clock(index);
        if let Some(process) = &mut self.hosts[index].process {
            process.handle(now, input);
            self.after(index);
        }
    }

    /// A client begins an operation.
    pub(super) fn ask(&mut self, client: usize, what: Asked) {
        self.ops += 1;
        let (op, now) = (self.ops, self.clock(client));
        let (kind, key) = match what {
            Asked::Put(key) => (Kind::Put, key),
            Asked::Near(key) | Asked::Far(key) => (Kind::Get, key),
        };
        let size = if kind == Kind::Put {
            self.plan.value_size
        } else {
            0
        };
        let order = Order {
            kind,
            key: format!("w{key}").into(),
            value: Bytes::from(vec![b'v'; size as usize]),
            ttl: TTL,
        };
        self.watch.asked(op, what);
        if let Some(client) = self.hosts[client]
            .process
            .as_mut()
            .and_then(Process::as_client)
        {
            client.order(now, op, order);
        }
        self.after(client);
    }

    /// Does what a process wants done, and has it woken when it wants to be.
    fn after(&mut self, index: usize) {
        while let Some(output) = self.hosts[index]
            .process
            .as_mut()
            .and_then(Process::poll_output)
        {
            match output {
                Output::Write(conn) => self.write(index, conn),
                Output::HalfClose(conn) => self.half_close(index, conn),
                Output::Close(conn) => self.close(index, conn),
                Output::Connect { conn, addr } => self.connect(index, conn, addr),
                Output::Datagram(transmit) => self.cast(index, transmit),
                Output::Resolve { token, host, .. } => self.resolve(index, token, &host),
            }
        }
        if self.watch.is_node(index) {
            self.look(index);
        } else {
            self.collect(index);
        }
        self.arm(index);
    }

    /// Takes up how a client's operations ended.
    fn collect(&mut self, index: usize) {
        while let Some(done) = self.hosts[index]
            .process
            .as_mut()
            .and_then(Process::as_client)
            .and_then(Client::poll_done)
        {
            if let Some(next) = self.watch.done(self.now, &done) {
                self.ask(index, next);
            }
        }
    }

    /// One wake-up a host: the earliest that it has asked for. A later one finds nothing due and is
    /// moved on.
    fn arm(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let Some(due) = host.process.as_ref().and_then(Process::poll_timeout) else {
            return;
        };
        let at = host.clock.when(due).max(self.now);
        if host.armed.is_none_or(|armed| at < armed) {
            host.armed = Some(at);
            self.post(at - self.now, Event::Wake(index as u32));
        }
    }
}

fn host(region: usize, link: usize, addr: SocketAddr, rng: &mut Rng) -> Host {
    let name = Region::new(&format!("r{region}")).unwrap_or_else(|_| unreachable!("a valid name"));
    Host {
        region,
        link,
        id: NodeId::derive(&name, addr),
        name,
        addr,
        clock: Clock::new(SECOND + rng.below(1 << 40) as u64, 0, 0),
        process: None,
        powered: true,
        apart: false,
        outs: BTreeMap::new(),
        traffic: Traffic::default(),
        armed: None,
        seen: Seen::default(),
    }
}
