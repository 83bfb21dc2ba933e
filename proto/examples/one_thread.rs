//! A whole node on one thread, with nothing but the standard library:
//!
//! ```text
//! cargo run -p zerocache-proto --example one_thread -- london 127.0.0.1:6789 [HOST:PORT]...
//! curl -T Cargo.toml http://127.0.0.1:6789/london/key
//! ```
//!
//! It shows the turn of [`Node`]'s screw, not how to wait: a program of note would sleep in `poll`,
//! not for a millisecond, and would not hold everything up while it connects.
#![expect(
    clippy::disallowed_types,
    reason = "the clocks the core must not read are read here"
)]

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::error::Error;
use std::hash::{BuildHasher, Hasher};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zerocache_proto::cluster::{self, Me, StaticPeer};
use zerocache_proto::node::{Config, ConnId, Input, Node, Output};
use zerocache_proto::{Failure, Instant, NodeId, Now, Region};

const CONNECT: Duration = Duration::from_millis(250);
const PAUSE: Duration = Duration::from_millis(1);

struct Host {
    node: Node,
    listener: TcpListener,
    conns: BTreeMap<ConnId, Conn>,
    accepted: u64,
    origin: std::time::Instant,
}

struct Conn {
    stream: TcpStream,
    unsent: Vec<u8>,
    /// Close it once all is sent.
    ending: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let region = Region::new(args.next().as_deref().unwrap_or("london"))?;
    let addr: SocketAddr = args.next().as_deref().unwrap_or("127.0.0.1:6789").parse()?;
    let peers = args
        .map(|peer| peer.parse())
        .collect::<Result<Vec<StaticPeer>, _>>()?;
    let listener = TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    let me = Me {
        id: NodeId::derive(&region, addr),
        addr: Some(addr),
        port: addr.port(),
    };
    let cluster = cluster::Config {
        region,
        me: Some(me),
        peers,
        mdns: None,
    };
    let origin = std::time::Instant::now();
    // The one source of chance that std has.
    let seed = RandomState::new().build_hasher().finish();
    let mut host = Host {
        node: Node::new(now(origin), Config::new(cluster, seed)),
        listener,
        conns: BTreeMap::new(),
        accepted: 0,
        origin,
    };
    host.input(Input::Announce);
    loop {
        host.turn()?;
    }
}

fn now(origin: std::time::Instant) -> Now {
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Now {
        mono: Instant::from_nanos(origin.elapsed().as_nanos() as u64),
        unix_ms: unix.as_millis() as u64,
    }
}

impl Host {
    fn turn(&mut self) -> Result<(), Box<dyn Error>> {
        let mut idle = true;
        match self.listener.accept() {
            Ok((stream, from)) => {
                stream.set_nonblocking(true)?;
                self.accepted += 1;
                self.keep(ConnId::In(self.accepted), stream);
                let conn = self.accepted;
                self.input(Input::Accepted { conn, from });
                idle = false;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        let mut buf = [0; 16 << 10];
        for conn in self.conns.keys().copied().collect::<Vec<_>>() {
            idle &= !self.serve(conn, &mut buf);
        }
        let due = self.node.poll_timeout();
        if due.is_some_and(|at| at <= now(self.origin).mono) {
            self.input(Input::Tick);
        } else if idle {
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Sends and receives what a connection is ready for; whether that was anything.
    fn serve(&mut self, id: ConnId, buf: &mut [u8]) -> bool {
        let Some(conn) = self.conns.get_mut(&id) else {
            return false;
        };
        if !conn.unsent.is_empty() {
            if let Ok(n) = conn.stream.write(&conn.unsent) {
                conn.unsent.drain(..n);
            }
        }
        if conn.ending {
            if conn.unsent.is_empty() {
                self.conns.remove(&id);
            }
            return true;
        }
        match conn.stream.read(buf) {
            Ok(n) => {
                let bytes = &buf[..n];
                self.input(Input::Received { conn: id, bytes });
                if n == 0 {
                    self.conns.remove(&id);
                    self.input(Input::Closed(id));
                }
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(_) => {
                self.conns.remove(&id);
                self.input(Input::Closed(id));
                true
            }
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.node.handle(now(self.origin), input);
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Send { conn, bytes } => {
                    if let Some(conn) = self.conns.get_mut(&conn) {
                        conn.unsent.extend(bytes);
                    }
                }
                Output::Close(conn) => {
                    if let Some(conn) = self.conns.get_mut(&conn) {
                        conn.ending = true;
                    }
                }
                Output::Connect { conn, addr } => self.connect(conn, addr),
                Output::Resolve { token, host, port } => {
                    let found = (host.as_str(), port).to_socket_addrs();
                    let addrs: Vec<_> = found.into_iter().flatten().collect();
                    let addrs = &addrs;
                    self.node
                        .handle(now(self.origin), Input::Resolved { token, addrs });
                }
                // No multicast here: the cluster was configured without.
                Output::Datagram(_) => {}
            }
        }
    }

    fn connect(&mut self, conn: u64, addr: SocketAddr) {
        let stream = TcpStream::connect_timeout(&addr, CONNECT);
        let stream = stream.and_then(|stream| stream.set_nonblocking(true).map(|()| stream));
        let input = match stream {
            Ok(stream) => {
                self.keep(ConnId::Out(conn), stream);
                Input::Connected(conn)
            }
            Err(error) => Input::ConnectFailed {
                conn,
                why: match error.kind() {
                    ErrorKind::ConnectionRefused => Failure::Refused,
                    ErrorKind::TimedOut => Failure::TimedOut,
                    _ => Failure::Unreachable,
                },
            },
        };
        self.node.handle(now(self.origin), input);
    }

    fn keep(&mut self, id: ConnId, stream: TcpStream) {
        // An answer of less than a segment is not to wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let conn = Conn {
            stream,
            unsent: Vec::new(),
            ending: false,
        };
        self.conns.insert(id, conn);
    }
}
