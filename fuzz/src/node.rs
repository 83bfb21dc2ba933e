//! `node`: a whole node among strangers, who connect, answer, announce and go as a script says.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use zerocache_proto::cache::Bounds;
use zerocache_proto::cluster::{Config as ClusterConfig, Me};
use zerocache_proto::mdns::{self, Datagram, Interface};
use zerocache_proto::node::{Config, ConnId, Input, Node, Output};
use zerocache_proto::{Failure, Instant, NodeId, Now, Region};

use crate::checked::{Checked, machines::clock};
use crate::script::Script;

const STEPS: usize = 200;
/// Nothing that happens once makes the node say more than this.
const MOST_OUTPUTS: usize = 4_000;
/// Nor does all of it together make it ask for more connections at a time.
const MOST_CONNECTIONS: usize = 1_000;

/// Whole messages, which no script would come to spell.
const REQUESTS: [&[u8]; 7] = [
    b"GET /london/key HTTP/1.1\r\n\r\n",
    b"PUT /london/key?expiry=5 HTTP/1.1\r\nContent-Length: 5\r\n\r\nvalue",
    b"PUT /paris/key?recurse=0 HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    b"DELETE /london/key HTTP/1.1\r\n\r\n",
    b"GET /status HTTP/1.1\r\n\r\n",
    b"GET /_zc/1/members HTTP/1.1\r\nZc-Node: 000000bb london 6789\r\n\r\n",
    b"PUT /london/key HTTP/1.1\r\nZc-Version: 018bcfe568000001-000000bb\r\nContent-Length: 1\r\n\r\nv",
];
const RESPONSES: [&[u8]; 5] = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong",
    b"HTTP/1.1 200 OK\r\nZc-Node: 000000bb\r\nContent-Length: 4\r\n\r\npong",
    b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 62\r\n\r\n000000bb london 10.0.0.2:6789 zc\n000000cc paris 10.0.0.3:6789 zc",
];
/// As a stock server at 10.0.0.1 announces itself; the addresses in it are exchanged.
const ANNOUNCEMENT: &[u8] = include_bytes!("../corpus/mdns_packet/announcement");

/// The node and what it has asked for.
struct World {
    node: Checked<Node>,
    now: Now,
    accepted: u64,
    asked: BTreeSet<u64>,
    /// Connections that it will write no more to.
    half_closed: BTreeSet<ConnId>,
    /// Connections whose other ends take little at a time.
    slow: BTreeSet<ConnId>,
}

impl World {
    fn new() -> Self {
        let now = clock(Instant::from_millis(1));
        let region: Region = "london".parse().expect("a good region");
        let (id, port) = (NodeId::from_bits(0xaa), 6789);
        let service = mdns::Service {
            id,
            region: region.clone(),
            port,
            address: None,
        };
        let cluster = ClusterConfig {
            region,
            me: Some(Me {
                id,
                addr: None,
                port,
            }),
            peers: vec!["10.0.0.9:6789".parse().expect("a good peer")],
            mdns: Some(mdns::Config {
                service: Some(service),
                ..mdns::Config::default()
            }),
        };
        let mut node = Checked::new(Node::new(now, Config::new(cluster, 1)));
        node.handle(now, Input::Interface(interface()));
        node.handle(now, Input::Announce);
        let mut world = Self {
            node,
            now,
            accepted: 0,
            asked: BTreeSet::new(),
            half_closed: BTreeSet::new(),
            slow: BTreeSet::new(),
        };
        world.obey();
        world
    }

    fn handle(&mut self, input: Input<'_>) {
        self.node.handle(self.now, input);
        self.obey();
    }

    /// Takes what the node says; names are looked up at once.
    fn obey(&mut self) {
        for count in 0.. {
            assert!(count < MOST_OUTPUTS, "says too much");
            let Some(output) = self.node.poll_output() else {
                break;
            };
            match output {
                Output::Connect { conn, .. } => {
                    self.asked.insert(conn);
                }
                Output::Write(conn) => self.take(conn),
                Output::HalfClose(conn) => {
                    assert!(self.half_closed.insert(conn), "half-closes twice");
                }
                Output::Close(conn) => {
                    assert!(!self.node.wants_read(conn) && self.node.write_buf(conn).is_empty());
                    if let ConnId::Out(conn) = conn {
                        self.asked.remove(&conn);
                    }
                }
                Output::Resolve { token, host, port } => {
                    let addr = host.parse().map(|ip| SocketAddr::new(ip, port));
                    let addrs: Vec<SocketAddr> = addr.into_iter().collect();
                    self.node.handle(
                        self.now,
                        Input::Resolved {
                            token,
                            addrs: &addrs,
                        },
                    );
                }
                _ => {}
            }
        }
        assert!(
            self.asked.len() < MOST_CONNECTIONS,
            "asks for too many connections"
        );
    }

    /// Takes what there is to write on a connection, if its other end does.
    fn take(&mut self, conn: ConnId) {
        while !self.slow.contains(&conn) && !self.node.write_buf(conn).is_empty() {
            assert!(!self.half_closed.contains(&conn), "writes after the end");
            // In two parts.
            let count = self.node.write_buf(conn).len().div_ceil(2);
            self.node.handle(self.now, Input::Written { conn, count });
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = clock(self.now.mono + time);
        self.node.handle_timeout(self.now.mono);
        self.obey();
        for conn in self.slow.clone() {
            let count = self.node.write_buf(conn).len().min(100);
            self.handle(Input::Written { conn, count });
        }
    }

    /// One of the connections the node has asked for.
    fn outbound(&self, script: &mut Script<'_>) -> u64 {
        let place = usize::from(script.byte()) % self.asked.len().max(1);
        self.asked.iter().nth(place).copied().unwrap_or_default()
    }
}

/// One script.
pub(crate) fn run(data: &[u8]) {
    let mut script = Script(data);
    let mut world = World::new();
    for _ in 0..STEPS {
        if script.is_over() {
            break;
        }
        step(&mut world, &mut script);
    }
    let facts = world.node.facts(world.now);
    assert!(facts.peers.len() <= zerocache_proto::cluster::MAX_PEERS);
}

fn step(world: &mut World, script: &mut Script<'_>) {
    match script.below(12) {
        0 | 1 => world.pass(Duration::from_millis(u64::from(script.number()))),
        2 => {
            world.accepted += 1;
            let host = script.below(4);
            if host == 3 {
                world.slow.insert(ConnId::In(world.accepted));
            }
            let from = SocketAddr::from((Ipv4Addr::new(10, 0, 0, host), 40_000));
            world.handle(Input::Accepted {
                conn: world.accepted,
                from,
            });
        }
        3 | 4 => {
            let conn = ConnId::In(world.accepted.saturating_sub(u64::from(script.below(3))));
            let bytes = message(script, &REQUESTS);
            world.handle(Input::Received { conn, bytes });
        }
        5 => {
            let conn = ConnId::In(world.accepted.saturating_sub(u64::from(script.below(3))));
            world.handle(Input::Closed(conn));
        }
        6 | 7 => {
            let conn = world.outbound(script);
            world.handle(Input::Connected(conn));
            let bytes = message(script, &RESPONSES);
            world.handle(Input::Received {
                conn: ConnId::Out(conn),
                bytes,
            });
        }
        8 => {
            let conn = world.outbound(script);
            world.asked.remove(&conn);
            world.handle(match script.below(2) {
                0 => Input::ConnectFailed {
                    conn,
                    why: Failure::Refused,
                },
                _ => Input::Closed(ConnId::Out(conn)),
            });
        }
        9 | 10 => {
            let host = Ipv4Addr::new(10, 0, 0, 2 + script.below(3));
            let payload = match script.below(2) {
                0 => script.bytes().to_vec(),
                _ => announcement(host),
            };
            let source = SocketAddr::from((host, 5353));
            let datagram = Datagram {
                interface: 1,
                source,
                multicast: true,
                payload: &payload,
            };
            world.handle(Input::Datagram(datagram));
        }
        _ => world.handle(match script.below(5) {
            0 => Input::InterfaceDown(1),
            1 => Input::Interface(interface()),
            2 => Input::Announce,
            3 => {
                let entries = script.below(8).into();
                let (local, remote) = (Bounds::entries(entries), Bounds::weight(4_000));
                Input::Resize { local, remote }
            }
            _ => Input::Leave,
        }),
    }
}

/// A whole message, a part of one, or whatever the script holds.
fn message<'a>(script: &mut Script<'a>, whole: &[&'static [u8]]) -> &'a [u8] {
    let choice = usize::from(script.byte());
    match whole.get(choice % (whole.len() + 2)) {
        Some(message) => message,
        None if choice & 0x80 == 0 => script.bytes(),
        None => {
            let message = whole[choice % whole.len()];
            &message[..usize::from(script.byte()).min(message.len())]
        }
    }
}

fn interface() -> Interface {
    let addresses = vec![(Ipv4Addr::new(10, 0, 0, 1), 24)];
    Interface {
        index: 1,
        addresses,
        loopback: false,
    }
}

/// The announcement of a stock server at that address.
pub(crate) fn announcement(host: Ipv4Addr) -> Vec<u8> {
    // The first byte is not the packet's: it says how `mdns_packet` is to deliver it.
    let mut payload = ANNOUNCEMENT[1..].to_vec();
    for place in 0..payload.len() - 3 {
        if payload[place..place + 4] == [127, 0, 0, 1] {
            payload[place..place + 4].copy_from_slice(&host.octets());
        }
    }
    payload
}
