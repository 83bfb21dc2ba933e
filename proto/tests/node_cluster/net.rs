//! A network of nodes: bytes take their time, the dead refuse or say nothing.

use crate::checked::{Checked, machines::clock};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};

use zerocache_proto::cluster::{Config as ClusterConfig, Me, StaticPeer};
use zerocache_proto::node::{Config, ConnId, Input, Node, Output};
use zerocache_proto::{Duration, Failure, Instant, NodeId, Now, Region, mdns};

const PORT: u16 = 6789;

/// How a node is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Alive,
    /// Its host answers that nobody listens.
    Killed,
    /// Nothing comes back.
    Silent,
}

pub(crate) struct Net {
    now: Instant,
    nodes: Vec<Checked<Node>>,
    fates: Vec<Fate>,
    configs: Vec<Config>,
    /// Pairs between which nothing gets through.
    cuts: BTreeSet<(usize, usize)>,
    regions: Vec<Region>,
    /// The other end of each connection.
    links: BTreeMap<(usize, ConnId), End>,
    events: BTreeMap<(Instant, u64), (usize, Event)>,
    serial: u64,
    /// What the clients' connections have received.
    clients: BTreeMap<u64, Client>,
    /// Bytes a second of a connection between nodes, if that is bounded.
    pub(crate) rate: Option<u64>,
    /// When each end of a connection has sent what it has been given.
    sent: BTreeMap<(usize, ConnId), Instant>,
    /// One way between two regions.
    pub(crate) far: Duration,
    /// Every copy and request between nodes: from, to, first line.
    pub(crate) log: Vec<(usize, usize, String)>,
    /// Every multicast: when, from whom.
    pub(crate) casts: Vec<(Instant, usize, Vec<u8>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Node(usize, ConnId),
    Client(u64),
}

#[derive(Default)]
struct Client {
    bytes: Vec<u8>,
    /// It takes nothing by itself.
    deaf: bool,
    half_closed: bool,
    closed: bool,
}

#[derive(Debug)]
enum Event {
    Accepted(u64, SocketAddr),
    Bytes(ConnId, Vec<u8>),
    Closed(ConnId),
    Connected(u64),
    Failed(u64, Failure),
    Resolved(u64, Vec<SocketAddr>),
    Datagram {
        from: usize,
        multicast: bool,
        payload: Vec<u8>,
    },
}

pub(crate) fn addr(node: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, node as u8 + 1], PORT))
}

/// The one interface of a node.
fn interface(node: usize) -> mdns::Interface {
    mdns::Interface {
        index: 1,
        addresses: vec![(Ipv4Addr::new(10, 0, 0, node as u8 + 1), 24)],
        loopback: false,
    }
}

/// Makes nodes look for each other by multicast alone.
pub(crate) fn by_multicast(config: &mut Config) {
    let me = config.cluster.me.expect("a node");
    let address = me.addr.map(|addr| addr.ip());
    config.cluster.peers.clear();
    config.cluster.mdns = Some(mdns::Config {
        service: Some(mdns::Service {
            id: me.id,
            region: config.cluster.region.clone(),
            port: me.port,
            address: address.and_then(|ip| ip.to_string().parse().ok()),
        }),
        ..mdns::Config::default()
    });
}

impl Net {
    /// Nodes of these regions that know the first of them; run until they see each other.
    pub(crate) fn new(regions: &[&str]) -> Self {
        Self::with(regions, |_| ())
    }

    pub(crate) fn with(regions: &[&str], change: impl Fn(&mut Config)) -> Self {
        let mut net = Self {
            now: Instant::from_millis(10),
            nodes: Vec::new(),
            fates: Vec::new(),
            configs: Vec::new(),
            cuts: BTreeSet::new(),
            regions: Vec::new(),
            links: BTreeMap::new(),
            events: BTreeMap::new(),
            serial: 0,
            clients: BTreeMap::new(),
            rate: None,
            sent: BTreeMap::new(),
            far: Duration::from_millis(20),
            log: Vec::new(),
            casts: Vec::new(),
        };
        for (index, region) in regions.iter().enumerate() {
            let region = Region::new(region).expect("valid");
            let first = StaticPeer {
                region: None,
                host: addr(0).ip().to_string(),
                port: PORT,
            };
            let cluster = ClusterConfig {
                region: region.clone(),
                me: Some(Me {
                    id: NodeId::derive(&region, addr(index)),
                    addr: Some(addr(index)),
                    port: PORT,
                }),
                peers: vec![first],
                mdns: None,
            };
            let mut config = Config::new(cluster, index as u64 + 1);
            change(&mut config);
            net.configs.push(config.clone());
            net.nodes.push(Checked::new(Node::new(net.clock(), config)));
            net.fates.push(Fate::Alive);
            net.regions.push(region);
            net.drain(index);
        }
        for index in 0..net.nodes.len() {
            net.input(index, Input::Interface(interface(index)));
            net.input(index, Input::Announce);
        }
        for _ in 0..600 {
            net.run(Duration::from_millis(100));
            let others = net.nodes.len() - 1;
            if net
                .nodes
                .iter()
                .all(|node| node.view().peers().count() == others)
            {
                net.log.clear();
                return net;
            }
        }
        let seen: Vec<_> = net
            .nodes
            .iter()
            .map(|node| node.view().peers().count())
            .collect();
        assert_eq!(seen, [], "they do not all see each other");
        net
    }

    pub(crate) fn clock(&self) -> Now {
        clock(self.now)
    }

    pub(crate) fn node(&self, index: usize) -> &Checked<Node> {
        &self.nodes[index]
    }

    pub(crate) fn doom(&mut self, index: usize, fate: Fate) {
        self.fates[index] = fate;
        if fate == Fate::Killed {
            let broken: Vec<_> = self.links.iter().map(|(from, to)| (*from, *to)).collect();
            for (from, end) in broken {
                if let (true, End::Node(other, conn)) = (from.0 == index, end) {
                    self.post(Duration::ZERO, other, Event::Closed(conn));
                    self.links.remove(&from);
                }
            }
        }
    }

    /// Begins a node again, with the identity it had and nothing else.
    pub(crate) fn revive(&mut self, index: usize) {
        self.doom(index, Fate::Killed);
        self.events.retain(|_, (node, _)| *node != index);
        self.configs[index].seed += 1000;
        let node = Node::new(self.clock(), self.configs[index].clone());
        self.nodes[index] = Checked::new(node);
        self.fates[index] = Fate::Alive;
        self.drain(index);
        self.input(index, Input::Interface(interface(index)));
        self.input(index, Input::Announce);
    }

    /// Lets nothing through between these nodes and all the others, until [`heal`](Self::heal).
    pub(crate) fn cut_off(&mut self, some: &[usize]) {
        let pairs =
            (0..self.nodes.len()).flat_map(|one| some.iter().map(move |other| (one, *other)));
        let across = pairs.filter(|(one, _)| !some.contains(one));
        self.cuts = across
            .flat_map(|(one, other)| [(one, other), (other, one)])
            .collect();
    }

    /// Lets nothing through between these two.
    pub(crate) fn part(&mut self, one: usize, other: usize) {
        self.cuts.extend([(one, other), (other, one)]);
    }

    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
    }

    pub(crate) fn input(&mut self, index: usize, input: Input<'_>) {
        let now = self.clock();
        self.nodes[index].handle(now, input);
        self.drain(index);
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    fn step(&mut self, end: Instant) -> bool {
        let alive = (0..self.nodes.len()).filter(|index| self.fates[*index] == Fate::Alive);
        let timers = alive.filter_map(|index| Some((self.nodes[index].poll_timeout()?, index)));
        let timer = timers.min();
        let event = self.events.first_key_value().map(|(key, _)| *key);
        let next = [timer.map(|(at, _)| at), event.map(|(at, _)| at)];
        let Some(at) = next.into_iter().flatten().min().filter(|at| *at <= end) else {
            return false;
        };
        self.now = self.now.max(at);
        match event.filter(|(when, _)| *when == at) {
            Some(key) => {
                let (node, event) = self.events.remove(&key).expect("seen above");
                self.happen(node, event);
            }
            None => {
                let (_, index) = timer.expect("nothing else was due");
                self.nodes[index].handle_timeout(self.now);
                self.drain(index);
            }
        }
        true
    }

    fn happen(&mut self, node: usize, event: Event) {
        if self.fates[node] != Fate::Alive {
            return;
        }
        match event {
            Event::Accepted(conn, from) => self.input(node, Input::Accepted { conn, from }),
            Event::Bytes(conn, bytes) => {
                self.input(
                    node,
                    Input::Received {
                        conn,
                        bytes: &bytes,
                    },
                );
            }
            Event::Closed(conn) => {
                self.links.remove(&(node, conn));
                self.input(node, Input::Closed(conn));
            }
            Event::Connected(conn) => self.input(node, Input::Connected(conn)),
            Event::Failed(conn, why) => self.input(node, Input::ConnectFailed { conn, why }),
            Event::Datagram {
                from,
                multicast,
                payload,
            } => {
                let datagram = mdns::Datagram {
                    interface: 1,
                    source: SocketAddr::new(addr(from).ip(), 5353),
                    multicast,
                    payload: &payload,
                };
                self.input(node, Input::Datagram(datagram));
            }
            Event::Resolved(token, addrs) => {
                let addrs = &addrs;
                self.input(node, Input::Resolved { token, addrs });
            }
        }
    }

    fn post(&mut self, delay: Duration, node: usize, event: Event) {
        self.serial += 1;
        self.events
            .insert((self.now + delay, self.serial), (node, event));
    }

    /// One way between two nodes.
    fn latency(&self, one: usize, other: usize) -> Duration {
        let near = self.regions[one] == self.regions[other];
        if near {
            Duration::from_millis(1)
        } else {
            self.far
        }
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].poll_output() {
            match output {
                Output::Write(conn) => self.write_out(node, conn),
                Output::HalfClose(conn) => self.half_close(node, conn),
                Output::Close(conn) => self.close(node, conn),
                Output::Connect { conn, addr } => self.connect(node, conn, addr),
                Output::Resolve { token, host, port } => {
                    let ip = host.parse().expect("an address");
                    let found = vec![SocketAddr::new(ip, port)];
                    self.post(
                        Duration::from_millis(1),
                        node,
                        Event::Resolved(token, found),
                    );
                }
                Output::Datagram(transmit) => self.cast(node, transmit),
            }
        }
    }

    fn connect(&mut self, from: usize, conn: u64, to: SocketAddr) {
        let Some(to) = (0..self.nodes.len()).find(|index| addr(*index) == to) else {
            return self.post(
                Duration::ZERO,
                from,
                Event::Failed(conn, Failure::Unreachable),
            );
        };
        let delay = self.latency(from, to);
        match self.fates[to] {
            Fate::Silent => {}
            Fate::Alive if self.cuts.contains(&(from, to)) => {}
            Fate::Killed => self.post(delay * 2, from, Event::Failed(conn, Failure::Refused)),
            Fate::Alive => {
                self.serial += 1;
                let accepted = self.serial;
                let (near, far) = (ConnId::Out(conn), ConnId::In(accepted));
                self.links.insert((from, near), End::Node(to, far));
                self.links.insert((to, far), End::Node(from, near));
                self.post(delay, to, Event::Accepted(accepted, addr(from)));
                self.post(delay * 2, from, Event::Connected(conn));
            }
        }
    }

    fn cast(&mut self, from: usize, transmit: mdns::Transmit) {
        if transmit.to == mdns::Destination::Multicast {
            self.casts.push((self.now, from, transmit.payload.clone()));
        }
        for to in 0..self.nodes.len() {
            let wanted = match transmit.to {
                mdns::Destination::Multicast => to != from,
                mdns::Destination::Unicast(asker) => asker.ip() == addr(to).ip(),
            };
            if wanted && !self.cuts.contains(&(from, to)) {
                let event = Event::Datagram {
                    from,
                    multicast: transmit.to == mdns::Destination::Multicast,
                    payload: transmit.payload.clone(),
                };
                self.post(self.latency(from, to), to, event);
            }
        }
    }

    fn send(&mut self, from: usize, conn: ConnId, bytes: Vec<u8>) {
        match self.links.get(&(from, conn)).copied() {
            Some(End::Node(to, end)) => {
                if matches!(conn, ConnId::Out(_)) {
                    let line = bytes
                        .split(|byte| *byte == b'\r')
                        .next()
                        .unwrap_or_default();
                    self.log
                        .push((from, to, String::from_utf8_lossy(line).into_owned()));
                }
                let takes = bytes.len() as u64 * 1_000_000_000 / self.rate.unwrap_or(u64::MAX);
                let sent = self.sent.entry((from, conn)).or_insert(self.now);
                *sent = self.now.max(*sent) + Duration::from_nanos(takes);
                let delay = sent.saturating_since(self.now) + self.latency(from, to);
                if !self.cuts.contains(&(from, to)) {
                    self.post(delay, to, Event::Bytes(end, bytes));
                }
            }
            Some(End::Client(id)) => {
                self.clients.entry(id).or_default().bytes.extend(bytes);
            }
            None => {}
        }
    }

    /// Takes what the node has to write, all of it unless it is for a deaf client.
    fn write_out(&mut self, node: usize, conn: ConnId) {
        let end = self.links.get(&(node, conn));
        if matches!(end, Some(End::Client(id)) if self.clients[id].deaf) {
            return;
        }
        let mut bytes = Vec::new();
        while !self.nodes[node].write_buf(conn).is_empty() {
            let part = self.nodes[node].write_buf(conn);
            let count = part.len();
            bytes.extend_from_slice(part);
            let now = self.clock();
            self.nodes[node].handle(now, Input::Written { conn, count });
        }
        if !bytes.is_empty() {
            self.send(node, conn, bytes);
        }
    }

    fn half_close(&mut self, from: usize, conn: ConnId) {
        match self.links.get(&(from, conn)).copied() {
            Some(End::Node(to, _)) if self.cuts.contains(&(from, to)) => {}
            Some(End::Node(to, end)) => {
                let delay = self.latency(from, to);
                self.post(delay, to, Event::Bytes(end, Vec::new()));
            }
            Some(End::Client(id)) => self.clients.entry(id).or_default().half_closed = true,
            None => {}
        }
    }

    fn close(&mut self, from: usize, conn: ConnId) {
        match self.links.remove(&(from, conn)) {
            Some(End::Node(to, _)) if self.cuts.contains(&(from, to)) => {}
            Some(End::Node(to, end)) => {
                let delay = self.latency(from, to);
                self.post(delay, to, Event::Bytes(end, Vec::new()));
                self.post(delay, to, Event::Closed(end));
            }
            Some(End::Client(id)) => self.clients.entry(id).or_default().closed = true,
            None => {}
        }
    }

    /// A client's connection to a node.
    pub(crate) fn open(&mut self, node: usize) -> u64 {
        self.serial += 1;
        let conn = self.serial;
        self.links
            .insert((node, ConnId::In(conn)), End::Client(conn));
        self.clients.insert(conn, Client::default());
        let from = SocketAddr::from(([192, 168, 0, 1], 50_000));
        self.input(node, Input::Accepted { conn, from });
        conn
    }

    /// That of a client which takes no more of the answers than it is told to.
    pub(crate) fn open_deaf(&mut self, node: usize) -> u64 {
        let conn = self.open(node);
        self.clients.entry(conn).or_default().deaf = true;
        conn
    }

    /// A deaf client takes so many bytes, or as many as there are.
    pub(crate) fn hear(&mut self, node: usize, client: u64, most: usize) {
        let (conn, mut left) = (ConnId::In(client), most);
        while left > 0 && !self.nodes[node].write_buf(conn).is_empty() {
            let part = self.nodes[node].write_buf(conn);
            let part = part[..part.len().min(left)].to_vec();
            let count = part.len();
            left -= count;
            self.send(node, conn, part);
            self.input(node, Input::Written { conn, count });
        }
    }

    pub(crate) fn write(&mut self, node: usize, conn: u64, bytes: &[u8]) {
        let conn = ConnId::In(conn);
        self.input(node, Input::Received { conn, bytes });
    }

    /// What the node has answered on a client's connection since the last look, and whether it has
    /// closed it.
    pub(crate) fn read(&mut self, conn: u64) -> (String, bool) {
        let client = self.clients.get_mut(&conn).expect("opened");
        let bytes = core::mem::take(&mut client.bytes);
        (String::from_utf8(bytes).expect("text"), client.closed)
    }

    /// Whether the node will send no more on a client's connection, which it still reads.
    pub(crate) fn is_half_closed(&self, conn: u64) -> bool {
        self.clients
            .get(&conn)
            .is_some_and(|client| client.half_closed && !client.closed)
    }

    /// Sends a request over a new connection; status, body, and how long that took.
    pub(crate) fn ask(&mut self, node: usize, line: &str, body: &str) -> (u16, String, Duration) {
        let conn = self.open(node);
        let length = body.len();
        let request = format!("{line} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}");
        let begun = self.now;
        self.write(node, conn, request.as_bytes());
        for _ in 0..2000 {
            let (text, _) = self.read(conn);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let status = head[9..12].parse().expect("a status");
                let took = self.now.saturating_since(begun);
                let body = body.to_owned();
                self.input(node, Input::Closed(ConnId::In(conn)));
                return (status, body, took);
            }
            self.run(Duration::from_millis(1));
        }
        (0, String::new(), self.now.saturating_since(begun))
    }

    pub(crate) fn get(&mut self, node: usize, path: &str) -> Option<String> {
        let (status, body, _) = self.ask(node, &format!("GET {path}"), "");
        assert!(status == 200 || status == 404, "{status}");
        (status == 200).then_some(body)
    }

    /// The copies sent since the last look, without what else nodes ask each other.
    pub(crate) fn copies(&mut self) -> BTreeSet<(usize, usize, String)> {
        let all = core::mem::take(&mut self.log).into_iter();
        all.filter(|(_, _, line)| line.starts_with("PUT") || line.starts_with("DELETE"))
            .collect()
    }
}
