//! A node and a client of it on one thread with no async runtime: the core, `std::net`, `poll(2)`.
//! `cargo run -p zerocache --example custom_runtime [ADDR:PORT [PEER]...]`; with an address it goes on.
//!
//! Every machine of the core is driven alike: tell it what has happened (`handle*`), do what it says
//! (`poll_*`, until it says nothing), come back at its `poll_timeout`. It has no clock: you tell it.
#![expect(clippy::print_stdout, reason = "an example")]

use rustix::event::{PollFd, PollFlags, poll};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::{collections::BTreeMap, error::Error, sync::Arc, sync::LazyLock, time::UNIX_EPOCH};
use zerocache::proto::cluster::{self, Peer, View};
use zerocache::proto::http::{ClientConn, ClientLimits, Options, Outgoing, Response};
use zerocache::proto::node::{Config, ConnId, Input, Node, Output};
use zerocache::proto::op::{Attempt, Fetch, Kind, Verdict};
use zerocache::proto::{Duration, Failure, Instant, Now, Region, Rng};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let serve = args.len() > 0;
    let listener = TcpListener::bind(args.next().unwrap_or("127.0.0.1:0".into()))?;
    listener.set_nonblocking(true)?;
    let (addr, region) = (listener.local_addr()?, Region::new("london")?);
    let mut config = cluster::Config::node(region.clone(), addr);
    config.peers = args.map(|peer| peer.parse()).collect::<Result<_, _>>()?;
    let seed = RandomState::new().hash_one(addr);
    let mut host = Host {
        node: Node::new(now(), Config::new(config, seed)),
        listener,
        accepted: 0,
        conns: BTreeMap::new(),
    };
    host.handle(Input::Announce);
    println!("a node of {region} listens on {addr}");
    // This client knows its node. Where nodes are to be found and watched, a `Cluster` gives the view.
    let view = Arc::new(View::of(region.clone(), [Peer::at(region.clone(), addr)]));
    let (mut rng, key, plain) = (Rng::new(!seed), b"greeting", Options::default());
    let put = |node: &Peer| Outgoing::put(node.addr, &region, key, "hello".into(), &plain);
    let mut fetch = |kind| Fetch::new(now().mono, view.clone(), 0, kind, rng.fork());
    let (stored, _) = host.run(fetch(Kind::Put), put);
    let get = |node: &Peer| Outgoing::get(node.addr, &region, key, &plain);
    let (found, value) = host.run(fetch(Kind::Get), get);
    println!("put: {stored:?}, get: {found:?} {value}");
    if serve {
        loop {
            host.turn(None, None)?;
        }
    }
    Ok(())
}

/// The time of both kinds: the one that only moves on, and the world's.
fn now() -> Now {
    static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    let mono = Instant::ORIGIN + START.elapsed();
    let unix_ms = UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u64;
    Now { mono, unix_ms }
}

/// `std` waits for the connection; `socket2` need not.
fn connect(addr: SocketAddr) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect_timeout(&addr, Duration::from_millis(250));
    let stream = stream.and_then(|stream| stream.set_nonblocking(true).map(|()| stream));
    stream.map_err(|_| Failure::Refused)
}

fn ready_to(write: bool, stream: &TcpStream) -> PollFd<'_> {
    PollFd::new(stream, if write { PollFlags::OUT } else { PollFlags::IN })
}

/// A node, which is one machine, and the sockets for it.
struct Host {
    node: Node,
    listener: TcpListener,
    accepted: u64,
    conns: BTreeMap<ConnId, TcpStream>,
}

impl Host {
    /// Waits until a socket is ready, `other` among them, or it is time; serves the node's.
    fn turn(&mut self, other: Option<PollFd<'_>>, until: Option<Instant>) -> io::Result<()> {
        let due = self.node.poll_timeout().into_iter().chain(until).min();
        let wait = due.and_then(|due| due.saturating_since(now().mono).try_into().ok());
        let wanted = |(conn, stream): (&ConnId, _)| {
            let writes = !self.node.write_buf(*conn).is_empty();
            (writes || self.node.wants_read(*conn)).then(|| (*conn, ready_to(writes, stream)))
        };
        let (conns, mut fds): (Vec<_>, Vec<_>) = self.conns.iter().filter_map(wanted).unzip();
        fds.push(PollFd::new(&self.listener, PollFlags::IN));
        fds.extend(other);
        poll(&mut fds, wait.as_ref())?;
        let ready: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        for (conn, ready) in conns.into_iter().zip(ready) {
            match ready {
                PollFlags::OUT => self.write(conn),
                _ if ready.is_empty() => {}
                _ => self.read(conn),
            }
        }
        while let Ok((stream, from)) = self.listener.accept() {
            stream.set_nonblocking(true)?;
            self.accepted += 1;
            let conn = self.accepted;
            self.conns.insert(ConnId::In(conn), stream);
            self.handle(Input::Accepted { conn, from });
        }
        self.handle(Input::Tick);
        Ok(())
    }

    /// As much as the socket takes. Who is gone will be found out when it is read from.
    fn write(&mut self, conn: ConnId) {
        let bytes = self.node.write_buf(conn);
        if let Some(Ok(count)) = self.conns.get_mut(&conn).map(|it| it.write(bytes)) {
            self.handle(Input::Written { conn, count });
        }
    }

    fn read(&mut self, conn: ConnId) {
        let mut buf = [0; 16 << 10];
        match self.conns.get_mut(&conn).map(|it| it.read(&mut buf)) {
            Some(Ok(n)) => {
                let bytes = &buf[..n];
                self.handle(Input::Received { conn, bytes });
            }
            Some(Err(error)) if error.kind() != ErrorKind::WouldBlock => {
                self.conns.remove(&conn);
                self.handle(Input::Closed(conn));
            }
            _ => {}
        }
    }

    /// Tells the node what has happened and does what it says.
    fn handle(&mut self, input: Input<'_>) {
        self.node.handle(now(), input);
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Write(conn) => self.write(conn),
                Output::HalfClose(conn) => drop(self.conns[&conn].shutdown(Shutdown::Write)),
                Output::Close(conn) => drop(self.conns.remove(&conn)),
                Output::Connect { conn, addr } => match connect(addr) {
                    Ok(stream) => {
                        self.conns.insert(ConnId::Out(conn), stream);
                        self.node.handle(now(), Input::Connected(conn));
                    }
                    Err(why) => self.node.handle(now(), Input::ConnectFailed { conn, why }),
                },
                Output::Resolve { token, host, port } => {
                    let found = (host, port).to_socket_addrs();
                    let addrs = &found.into_iter().flatten().collect::<Vec<_>>();
                    self.node.handle(now(), Input::Resolved { token, addrs });
                }
                // It was configured without multicast.
                Output::Datagram(_) => {}
            }
        }
    }

    /// One operation of a client: asks node after node, as the machine says.
    fn run(&mut self, mut fetch: Fetch, request: impl Fn(&Peer) -> Outgoing) -> (Verdict, String) {
        let mut value = String::new();
        while let Some(attempt) = fetch.poll_transmit(now().mono) {
            let status = self
                .exchange(&attempt, request(&attempt.peer))
                .map(|response| {
                    value = String::from_utf8_lossy(&response.body).into_owned();
                    response.status
                });
            fetch.handle_result(now().mono, attempt.id, status);
        }
        (fetch.poll_event().expect("no attempt is left"), value)
    }

    /// A request and its answer, from and into the machine's own buffers; serves the node meanwhile.
    fn exchange(&mut self, attempt: &Attempt, request: Outgoing) -> Result<Response, Failure> {
        let mut stream = connect(attempt.peer.addr)?;
        let mut http = ClientConn::new(ClientLimits::default());
        http.send(request);
        while now().mono < attempt.deadline {
            let writes = !http.write_buf().is_empty();
            let turned = self.turn(Some(ready_to(writes, &stream)), Some(attempt.deadline));
            let done = turned.and_then(|()| match writes {
                true => stream.write(http.write_buf()),
                false => stream.read(http.read_buf()),
            });
            match done {
                Ok(n) if writes => http.handle_written(now().mono, n),
                Ok(n) => http.handle_read(now().mono, n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Err(Failure::Reset),
            }
            if let Some(response) = http.poll_response() {
                return Ok(response?);
            }
        }
        Err(Failure::TimedOut)
    }
}
