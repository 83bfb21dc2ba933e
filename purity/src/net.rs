//! Two nodes of one region and what lies between them: a network of queues, and a clock that jumps
//! from one deadline to the next.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;

use zerocache_proto::cluster::{Config as ClusterConfig, Me, StaticPeer};
use zerocache_proto::node::{Config, ConnId, Input, Node, Output};
use zerocache_proto::{Duration, Failure, Instant, NodeId, Now, Region};

const PORT: u16 = 6789;
/// The place of a connection's far end that is no node: the one who asks.
const CLIENT: usize = usize::MAX;

/// One end of a connection: the node's place and its name for it.
type End = (usize, ConnId);

/// Something under way to a node.
enum Mail {
    Accepted(u64, SocketAddr),
    Connected(u64),
    ConnectFailed(u64),
    Received(ConnId, Vec<u8>),
}

/// The nodes and the links between them.
pub struct Net {
    nodes: Vec<Node>,
    far_ends: BTreeMap<End, End>,
    mail: VecDeque<(usize, Mail)>,
    /// What the client has received.
    answers: Vec<u8>,
    accepted: u64,
    now: Now,
}

impl Net {
    /// So many nodes; each is told of the first one.
    pub fn new(count: usize, region: &Region) -> Self {
        let now = Now {
            mono: Instant::from_millis(1),
            unix_ms: 1_700_000_000_000,
        };
        let mut net = Self {
            nodes: Vec::new(),
            far_ends: BTreeMap::new(),
            mail: VecDeque::new(),
            answers: Vec::new(),
            accepted: 0,
            now,
        };
        for place in 0..count {
            let addr = Some(address(place));
            let id = NodeId::from_bits(place as u32 + 1);
            let first = StaticPeer {
                region: None,
                host: "10.0.0.1".into(),
                port: PORT,
            };
            let cluster = ClusterConfig {
                region: region.clone(),
                me: Some(Me {
                    id,
                    addr,
                    port: PORT,
                }),
                peers: if place == 0 {
                    Vec::new()
                } else {
                    [first].into()
                },
                mdns: None,
            };
            let mut node = Node::new(now, Config::new(cluster, place as u64));
            node.handle(now, Input::Announce);
            net.nodes.push(node);
        }
        net
    }

    /// Whether every node routes to all others.
    pub fn is_formed(&self) -> bool {
        let others = self.nodes.len() - 1;
        self.nodes
            .iter()
            .all(|node| node.view().local.len() == others)
    }

    /// Sends a request to a node; whether the answer came to end in `end`.
    pub fn ask(&mut self, place: usize, request: &[u8], end: &[u8]) -> bool {
        let conn = self.link((CLIENT, ConnId::Out(self.accepted)), place);
        self.answers.clear();
        self.mail
            .push_back((place, Mail::Received(conn, request.into())));
        self.run(Duration::from_secs(2), |net| net.answers.ends_with(end))
    }

    /// The last answer's status code.
    pub fn status(&self) -> &[u8] {
        self.answers.get(9..12).unwrap_or_default()
    }

    /// Lets time pass until `done` holds; whether it came to that in time.
    pub fn run(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let until = self.now.mono + limit;
        loop {
            self.deliver();
            if done(self) {
                return true;
            }
            let due = self.nodes.iter().filter_map(Node::poll_timeout).min();
            let due = due.unwrap_or(until).max(self.now.mono);
            if due >= until {
                return false;
            }
            let passed = due.saturating_since(self.now.mono);
            self.now.mono = due;
            self.now.unix_ms += passed.as_millis() as u64;
            for place in 0..self.nodes.len() {
                self.nodes[place].handle(self.now, Input::Tick);
            }
        }
    }

    /// Until nothing is under way.
    fn deliver(&mut self) {
        loop {
            for place in 0..self.nodes.len() {
                while let Some(output) = self.nodes[place].poll_output() {
                    self.obey(place, output);
                }
            }
            let Some((place, mail)) = self.mail.pop_front() else {
                return;
            };
            let input = match &mail {
                Mail::Accepted(conn, from) => Input::Accepted {
                    conn: *conn,
                    from: *from,
                },
                Mail::Connected(conn) => Input::Connected(*conn),
                Mail::ConnectFailed(conn) => Input::ConnectFailed {
                    conn: *conn,
                    why: Failure::Refused,
                },
                Mail::Received(conn, bytes) => Input::Received { conn: *conn, bytes },
            };
            self.nodes[place].handle(self.now, input);
        }
    }

    fn obey(&mut self, place: usize, output: Output) {
        match output {
            Output::Connect { conn, addr } => {
                let there = (0..self.nodes.len()).find(|there| address(*there) == addr);
                let mail = match there {
                    Some(there) => {
                        self.link((place, ConnId::Out(conn)), there);
                        Mail::Connected(conn)
                    }
                    None => Mail::ConnectFailed(conn),
                };
                self.mail.push_back((place, mail));
            }
            Output::Write(conn) => self.write_out(place, conn),
            Output::HalfClose(conn) => self.send((place, conn), Vec::new()),
            Output::Close(conn) => {
                self.send((place, conn), Vec::new());
                self.far_ends.remove(&(place, conn));
            }
            Output::Resolve { token, host, port } => {
                let addrs: Vec<SocketAddr> = host
                    .parse()
                    .map(|ip| SocketAddr::new(ip, port))
                    .into_iter()
                    .collect();
                self.nodes[place].handle(
                    self.now,
                    Input::Resolved {
                        token,
                        addrs: &addrs,
                    },
                );
            }
            Output::Datagram(_) => {}
        }
    }

    /// A connection from `near` to a node, and that node's name for it.
    fn link(&mut self, near: End, place: usize) -> ConnId {
        self.accepted += 1;
        let conn = ConnId::In(self.accepted);
        let from = if near.0 == CLIENT {
            address(200)
        } else {
            address(near.0)
        };
        self.far_ends.insert(near, (place, conn));
        self.far_ends.insert((place, conn), near);
        self.mail
            .push_back((place, Mail::Accepted(self.accepted, from)));
        conn
    }

    /// Takes what a node has to write, all of it.
    fn write_out(&mut self, place: usize, conn: ConnId) {
        let node = &mut self.nodes[place];
        let mut bytes = Vec::new();
        while !node.write_buf(conn).is_empty() {
            let count = node.write_buf(conn).len();
            bytes.extend_from_slice(node.write_buf(conn));
            node.handle(self.now, Input::Written { conn, count });
        }
        if !bytes.is_empty() {
            self.send((place, conn), bytes);
        }
    }

    fn send(&mut self, near: End, bytes: Vec<u8>) {
        match self.far_ends.get(&near) {
            Some((CLIENT, _)) => self.answers.extend_from_slice(&bytes),
            Some((place, conn)) => self.mail.push_back((*place, Mail::Received(*conn, bytes))),
            None => {}
        }
    }
}

fn address(place: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, place as u8 + 1], PORT))
}
