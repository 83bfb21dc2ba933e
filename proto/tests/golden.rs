//! All that a node with default settings puts on the wire where only stock nodes are, byte for byte:
//! no option, counter or date may change it unseen. `UPDATE_GOLDEN=1` rewrites the file compared with.

#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod mdns_lab;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use mdns_lab::announcement::Announcement;
use mdns_lab::{INTERFACE, at, id, interface, ip, source};
use zerocache_proto::http::{Options, Outgoing};
use zerocache_proto::mdns::{self, Datagram};
use zerocache_proto::node::{Config, ConnId, Input, Node, Output};
use zerocache_proto::{Instant, Now, Region, cluster};

/// A node alone with stock ones, and what it has sent.
struct Wire {
    node: Node,
    now: Instant,
    /// Each different thing once, in no order: that goes by chance.
    lines: BTreeSet<String>,
    /// Connections it made, and what it asked on each.
    asked: Vec<(ConnId, Vec<u8>)>,
}

impl Wire {
    fn new() -> Self {
        let addr = SocketAddr::from((ip(1), 6789));
        let region = Region::new("london").unwrap();
        let mut config = cluster::Config::node(region.clone(), addr);
        let me = config.me.as_mut().unwrap();
        me.id = id(0xa1b2_c3d4);
        config.mdns = Some(mdns::Config {
            service: Some(mdns::Service {
                id: me.id,
                region,
                port: me.port,
                address: Some(ip(1)),
            }),
            ..mdns::Config::default()
        });
        Self {
            node: Node::new(wall(at(0)), Config::new(config, 1)),
            now: at(0),
            lines: BTreeSet::new(),
            asked: Vec::new(),
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.node.handle(wall(self.now), input);
        while let Some(output) = self.node.poll_output() {
            match output {
                // What a query lists as known has seconds in it that go by chance.
                Output::Datagram(transmit) if lists_known(&transmit.payload) => {}
                Output::Datagram(transmit) => {
                    let to = format!("udp {:?}", transmit.to);
                    self.note(&to, &transmit.payload);
                }
                Output::Connect { conn, addr } => {
                    self.asked.push((ConnId::Out(conn), Vec::new()));
                    self.note(&format!("tcp {addr}"), b"");
                    self.node.handle(wall(self.now), Input::Connected(conn));
                }
                Output::Write(conn) => self.take(conn),
                _ => {}
            }
        }
    }

    /// Takes what it writes on a connection; a peer answers as stock does once it has the request.
    fn take(&mut self, conn: ConnId) {
        let bytes = self.node.write_buf(conn).to_vec();
        let count = bytes.len();
        if count == 0 {
            return;
        }
        self.node
            .handle(wall(self.now), Input::Written { conn, count });
        self.note("tcp", &bytes);
        let asked = self.asked.iter().position(|(asked, _)| *asked == conn);
        if let Some(asked) = asked {
            self.asked.remove(asked);
            let head =
                "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\npong";
            let bytes = head.as_bytes();
            self.node
                .handle(wall(self.now), Input::Received { conn, bytes });
            let bytes = &[];
            self.node
                .handle(wall(self.now), Input::Received { conn, bytes });
        }
    }

    fn note(&mut self, to: &str, bytes: &[u8]) {
        let text = bytes.escape_ascii().to_string();
        let agent = concat!("zerocache/", env!("CARGO_PKG_VERSION"));
        let line = format!("{to} {text}").replace(agent, "zerocache/VERSION");
        self.lines.insert(line);
    }

    fn run(&mut self, until: Instant) {
        while let Some(next) = self.node.poll_timeout().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.input(Input::Tick);
        }
        self.now = until;
    }

    fn hear(&mut self, host: u8, region: &'static str) {
        let told = Announcement {
            host: format!("machine-{host}.local"),
            region: Some(region),
            addresses: vec![ip(host).octets()],
            ..Announcement::new(host.into())
        };
        self.input(Input::Datagram(Datagram {
            interface: INTERFACE,
            source: source(host),
            multicast: true,
            payload: &told.bytes(),
        }));
    }
}

fn lists_known(datagram: &[u8]) -> bool {
    let query = datagram[2] & 0x80 == 0;
    query && datagram[6..8] != [0, 0]
}

/// The wall clock stands still.
fn wall(mono: Instant) -> Now {
    Now {
        mono,
        unix_ms: 1_700_000_000_000,
    }
}

fn all() -> String {
    let mut wire = Wire::new();
    wire.input(Input::Interface(interface(1)));
    wire.input(Input::Announce);
    wire.run(at(5_000));
    wire.hear(9, "region=london");
    wire.hear(8, "region=paris");
    wire.run(at(6_000));
    let from = SocketAddr::from((ip(7), 50_000));
    let requests = [
        "PUT /london/key?expiry=60 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nvalue",
        "GET /london/key HTTP/1.1\r\nHost: x\r\n\r\n",
        "DELETE /london/key HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /london/key HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    for (conn, request) in (100..).zip(requests) {
        wire.input(Input::Accepted { conn, from });
        let (conn, bytes) = (ConnId::In(conn), request.as_bytes());
        wire.input(Input::Received { conn, bytes });
        wire.run(wire.now + std::time::Duration::from_millis(400));
    }
    wire.run(at(9_000));
    wire.input(Input::Leave);
    wire.run(at(10_000));
    let mut text = String::new();
    for line in &wire.lines {
        writeln!(text, "{}", line.trim_end()).unwrap();
    }
    text + &client()
}

/// What a client asks any node for.
fn client() -> String {
    let host = SocketAddr::from((ip(9), 6789));
    let region = Region::new("london").unwrap();
    let plain = Options::default();
    let put = Options {
        expiry: Some(60),
        ..plain
    };
    let delete = Options {
        spread: true,
        ..plain
    };
    let requests = [
        Outgoing::get(host, &region, b"key", &plain),
        Outgoing::put(host, &region, b"key", b"value"[..].into(), &put),
        Outgoing::delete(host, &region, b"key", &delete),
    ];
    let agent = concat!("zerocache/", env!("CARGO_PKG_VERSION"));
    let line = |request: &Outgoing| {
        let head = request.head_bytes().escape_ascii().to_string();
        format!("client {head}\n").replace(agent, "zerocache/VERSION")
    };
    requests.iter().map(line).collect()
}

#[test]
fn by_default_these_bytes_and_no_others_are_sent_where_stock_nodes_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stock.txt");
    let sent = all();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &sent).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (sent, golden) in sent.lines().zip(golden.lines()) {
        assert_eq!(sent, golden);
    }
    assert_eq!(sent, golden);
}
