//! A node and a client of it on one thread with no async runtime: the core, `std::net`, `poll(2)`.
//! `cargo run -p zerocache --example custom_runtime [ADDR:PORT [PEER]...]`; with an address it goes on.
//!
//! Every machine of the core is driven alike: tell it what has happened (`handle*`), do what it says
//! (`poll_*`, until it says nothing), come back at its `poll_timeout`. It has no clock: you tell it.
#![expect(clippy::print_stdout, reason = "an example")]

mod client;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, UNIX_EPOCH};
use std::{collections::BTreeMap, error::Error};
use zerocache::proto::cluster::{self, Me};
use zerocache::proto::node::{Config, ConnId, Input, Node, Output};
use zerocache::proto::{Failure, Instant, NodeId, Now, Region};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let serve = args.len() > 0;
    let listener = TcpListener::bind(args.next().unwrap_or("127.0.0.1:0".into()))?;
    listener.set_nonblocking(true)?;
    let (addr, region) = (listener.local_addr()?, Region::new("london")?);
    let (id, port) = (NodeId::derive(&region, addr), addr.port());
    let config = cluster::Config {
        region: region.clone(),
        me: Some(Me {
            id,
            port,
            addr: Some(addr),
        }),
        peers: args.map(|peer| peer.parse()).collect::<Result<_, _>>()?,
        mdns: None,
    };
    let seed = RandomState::new().hash_one(addr);
    let clock = Clock(std::time::Instant::now());
    let mut host = Host {
        clock,
        node: Node::new(clock.now(), Config::new(config, seed)),
        listener,
        accepted: 0,
        conns: BTreeMap::new(),
    };
    host.handle(Input::Announce);
    println!("node {id} of {region} listens on {addr}");

    let mut client = client::Client::new(id, region, addr, seed);
    let stored = client.put(&mut host, "greeting", "hello");
    let (found, value) = client.get(&mut host, "greeting");
    println!("put: {stored:?}, get: {found:?} {value}");
    if serve {
        loop {
            host.turn(None, None)?;
        }
    }
    Ok(())
}

/// The time of both kinds: the one that only moves on, and the world's.
#[derive(Clone, Copy)]
struct Clock(std::time::Instant);

impl Clock {
    fn now(self) -> Now {
        Now {
            mono: Instant::from_nanos(self.0.elapsed().as_nanos() as u64),
            unix_ms: UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u64,
        }
    }
}

/// A node, one machine that speaks in connections and bytes, and the sockets for it.
struct Host {
    clock: Clock,
    node: Node,
    listener: TcpListener,
    accepted: u64,
    conns: BTreeMap<ConnId, (TcpStream, State)>,
}

#[derive(Default)]
struct State {
    unsent: Vec<u8>,
    /// The other end sends no more.
    ended: bool,
    /// To be closed once all is sent.
    closing: bool,
}

impl Host {
    /// Sleeps until a socket is ready, `other` among them, or it is time; serves the node's.
    fn turn(&mut self, other: Option<PollFd<'_>>, until: Option<Instant>) -> io::Result<()> {
        let mut fds: Vec<PollFd<'_>> = vec![PollFd::new(&self.listener, PollFlags::IN)];
        let conns = self.conns.values();
        fds.extend(conns.map(|(stream, s)| wanted(stream, !s.ended, !s.unsent.is_empty())));
        fds.extend(other);
        let due = self.node.poll_timeout().into_iter().chain(until).min();
        let wait = due.map(|due| due.saturating_since(self.clock.now().mono));
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        poll(&mut fds, wait.as_ref())?;
        let mut ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();

        let ids: Vec<ConnId> = self.conns.keys().copied().collect();
        for (id, ready) in ids.into_iter().zip(ready.split_off(1)) {
            if ready {
                self.serve(id);
            }
        }
        if let Some(Ok((stream, from))) = ready[0].then(|| self.listener.accept()) {
            stream.set_nonblocking(true)?;
            self.accepted += 1;
            let (conn, kept) = (self.accepted, (stream, State::default()));
            self.conns.insert(ConnId::In(conn), kept);
            self.handle(Input::Accepted { conn, from });
        }
        self.handle(Input::Tick);
        self.conns
            .retain(|_, (_, state)| !state.closing || !state.unsent.is_empty());
        Ok(())
    }

    /// Sends and receives what a connection is ready for.
    fn serve(&mut self, id: ConnId) {
        let Some((stream, state)) = self.conns.get_mut(&id) else {
            return;
        };
        let mut buf = [0; 16 << 10];
        let result = stream.write(&state.unsent).and_then(|sent| {
            state.unsent.drain(..sent);
            stream.read(&mut buf)
        });
        match result {
            Ok(n) => {
                state.ended = n == 0;
                let (conn, bytes) = (id, &buf[..n]);
                self.handle(Input::Received { conn, bytes });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => {
                self.conns.remove(&id);
                self.handle(Input::Closed(id));
            }
        }
    }

    /// Tells the node what has happened and does what it says.
    fn handle(&mut self, input: Input<'_>) {
        self.node.handle(self.clock.now(), input);
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Send { conn, bytes } => {
                    if let Some((_, state)) = self.conns.get_mut(&conn) {
                        state.unsent.extend(bytes);
                    }
                }
                Output::Close(conn) => {
                    if let Some((_, state)) = self.conns.get_mut(&conn) {
                        state.closing = true;
                    }
                }
                Output::Connect { conn, addr } => {
                    let input = match connect(addr) {
                        Ok(stream) => {
                            let kept = (stream, State::default());
                            self.conns.insert(ConnId::Out(conn), kept);
                            Input::Connected(conn)
                        }
                        Err(why) => Input::ConnectFailed { conn, why },
                    };
                    self.node.handle(self.clock.now(), input);
                }
                Output::Resolve { token, host, port } => {
                    let found = (host, port).to_socket_addrs();
                    let addrs: &Vec<_> = &found.into_iter().flatten().collect();
                    let input = Input::Resolved { token, addrs };
                    self.node.handle(self.clock.now(), input);
                }
                // It was configured without multicast.
                Output::Datagram(_) => {}
            }
        }
    }
}

fn wanted(stream: &TcpStream, read: bool, write: bool) -> PollFd<'_> {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, read);
    flags.set(PollFlags::OUT, write);
    PollFd::new(stream, flags)
}

/// `std` waits for the connection; `socket2` need not.
fn connect(addr: SocketAddr) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect_timeout(&addr, Duration::from_millis(250));
    let stream = stream.map_err(|_| Failure::Refused)?;
    stream.set_nonblocking(true).map_err(|_| Failure::Reset)?;
    Ok(stream)
}
