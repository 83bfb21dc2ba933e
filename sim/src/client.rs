//! A client, made of the core's parts as a driver makes it: membership, connections kept alive, and a
//! ladder for each operation. It talks to the world as a node does, by the same inputs and outputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use zerocache_proto::cluster::{self, Action, Cluster, Event, Outcome, Pong, View, members_body};
use zerocache_proto::http::{ClientConn, ClientLimits, Error, Options, Outgoing, Response};
use zerocache_proto::node::{ConnId, Input, Output};
use zerocache_proto::op::{Attempt, Fetch, Kind, Phase, Rung, Turn, Verdict};
use zerocache_proto::{Buggify, Duration, Failure, Instant, NodeId, Now, Region, Rng};

/// The most idle connections kept to one address.
const IDLE_PER_HOST: usize = 32;
/// An idle connection is not used any more after this long.
const IDLE_FOR: Duration = Duration::from_secs(45);

/// What an application asks for.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Read, store or remove.
    pub(crate) kind: Kind,
    /// The key.
    pub(crate) key: Bytes,
    /// The value to store.
    pub(crate) value: Bytes,
    /// How long it is to live, in seconds.
    pub(crate) ttl: u32,
}

/// How an operation ended.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// Its number.
    pub(crate) op: u64,
    /// Its verdict.
    pub(crate) verdict: Verdict,
    /// The body of the last answer.
    pub(crate) body: Bytes,
    /// When it began and ended, by the client's clock.
    pub(crate) took: Duration,
    /// Whom it asked, in order.
    pub(crate) asked: Vec<(Rung, NodeId)>,
    /// How each attempt that gave no answer failed.
    pub(crate) failures: Vec<Failure>,
}

#[derive(Debug)]
struct Op {
    order: Order,
    fetch: Fetch,
    begun: Instant,
    body: Bytes,
    asked: Vec<(Rung, NodeId)>,
    failures: Vec<Failure>,
}

#[derive(Clone, Copy, Debug)]
enum Purpose {
    Ping(u64),
    Members(u64),
    Attempt { op: u64, attempt: u8, peer: NodeId },
}

#[derive(Debug)]
struct Exchange {
    addr: SocketAddr,
    request: Outgoing,
    purpose: Purpose,
    deadline: Instant,
    /// When the request went out.
    sent: Option<Instant>,
    /// The connection had served before.
    reused: bool,
}

struct Outbound {
    addr: SocketAddr,
    http: ClientConn,
    exchange: Option<Exchange>,
}

/// A client of one region.
pub(crate) struct Client {
    cluster: Cluster,
    view: Arc<View>,
    region: Region,
    turn: Turn,
    rng: Rng,
    conns: BTreeMap<u64, Outbound>,
    idle: BTreeMap<SocketAddr, Vec<u64>>,
    deadlines: BTreeSet<(Instant, u64)>,
    next: u64,
    ops: BTreeMap<u64, Op>,
    output: VecDeque<Output>,
    done: VecDeque<Done>,
}

impl Client {
    /// A client that begins to look for nodes.
    #[must_use]
    pub(crate) fn new(now: Now, config: cluster::Config, seed: u64, rare: &Buggify) -> Self {
        let mut rng = Rng::new(seed);
        rng.set_buggify(rare);
        let region = config.region.clone();
        let mut cluster = Cluster::new(now.mono, config, rng.next_u64());
        cluster.set_buggify(rare);
        let mut client = Self {
            view: cluster.view(),
            cluster,
            region,
            turn: Turn::starting_at(rng.next_u32() as usize),
            rng,
            conns: BTreeMap::new(),
            idle: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            next: 0,
            ops: BTreeMap::new(),
            output: VecDeque::new(),
            done: VecDeque::new(),
        };
        client.settle(now);
        client
    }

    /// The nodes it sees.
    #[must_use]
    pub(crate) const fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// What it knows of the nodes.
    #[must_use]
    pub(crate) const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Begins an operation.
    pub(crate) fn order(&mut self, now: Now, op: u64, order: Order) {
        let (view, turn) = (self.view.clone(), self.turn.take());
        let fetch = Fetch::new(now.mono, view, turn, order.kind, self.rng.fork());
        let op_state = Op {
            order,
            fetch,
            begun: now.mono,
            body: Bytes::new(),
            asked: Vec::new(),
            failures: Vec::new(),
        };
        self.ops.insert(op, op_state);
        self.step(now, op);
        self.settle(now);
    }

    /// An operation that has ended.
    pub(crate) fn poll_done(&mut self) -> Option<Done> {
        self.done.pop_front()
    }

    /// Something has happened.
    pub(crate) fn handle(&mut self, now: Now, input: Input<'_>) {
        let mono = now.mono;
        match input {
            Input::Received {
                conn: ConnId::Out(conn),
                bytes,
            } => self.received(now, conn, bytes),
            Input::Closed(ConnId::Out(conn)) => self.broken(now, conn),
            Input::Connected(conn) => self.output.push_back(Output::Write(ConnId::Out(conn))),
            Input::Written {
                conn: ConnId::Out(conn),
                count,
            } => self.written(now, conn, count),
            Input::ConnectFailed { conn, why } => self.failed(now, conn, why),
            Input::Datagram(datagram) => self.cluster.handle_datagram(mono, datagram),
            Input::Interface(interface) => self.cluster.handle_interface(mono, interface),
            Input::InterfaceDown(index) => self.cluster.handle_interface_down(mono, index),
            Input::Resolved { token, addrs } => self.cluster.handle_resolved(mono, token, addrs),
            _ => {}
        }
        while let Some((at, conn)) = self
            .deadlines
            .first()
            .copied()
            .filter(|(at, _)| *at <= mono)
        {
            self.deadlines.remove(&(at, conn));
            self.failed(now, conn, Failure::TimedOut);
        }
        if self.cluster.poll_timeout().is_some_and(|at| at <= mono) {
            self.cluster.handle_timeout(mono);
        }
        self.settle(now);
    }

    /// The next thing to do.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When to come back.
    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let exchange = self.deadlines.first().map(|(at, _)| *at);
        exchange
            .into_iter()
            .chain(self.cluster.poll_timeout())
            .min()
    }

    fn settle(&mut self, now: Now) {
        while let Some(event) = self.cluster.poll_event() {
            if let Event::ViewChanged(view) = event {
                self.view = view;
            }
        }
        while let Some(action) = self.cluster.poll_action() {
            self.act(now, action);
        }
    }

    fn act(&mut self, now: Now, action: Action) {
        let (addr, request, purpose, deadline) = match action {
            Action::Datagram(transmit) => {
                return self.output.push_back(Output::Datagram(transmit));
            }
            Action::Resolve { token, host, port } => {
                return self.output.push_back(Output::Resolve { token, host, port });
            }
            Action::Ping {
                token,
                addr,
                deadline,
                hello,
                missing,
                ..
            } => {
                let request = Pong::request(addr, hello.as_deref(), &missing);
                (addr, request, Purpose::Ping(token), deadline)
            }
            Action::Members {
                token,
                addr,
                hello,
                deadline,
            } => {
                let request = cluster::members_request(addr, hello.as_deref());
                (addr, request, Purpose::Members(token), deadline)
            }
        };
        self.begin(
            now,
            Exchange {
                addr,
                request,
                purpose,
                deadline,
                sent: None,
                reused: false,
            },
        );
    }

    /// Takes an operation as far down its ladder as it goes by now.
    fn step(&mut self, now: Now, id: u64) {
        let Some(op) = self.ops.get_mut(&id) else {
            return;
        };
        if let Some(attempt) = op.fetch.poll_transmit(now.mono) {
            op.asked.push((attempt.rung, attempt.peer.id));
            let exchange = Exchange {
                addr: attempt.peer.addr,
                request: request(&self.region, &op.order, &attempt),
                purpose: Purpose::Attempt {
                    op: id,
                    attempt: attempt.id,
                    peer: attempt.peer.id,
                },
                deadline: attempt.deadline,
                sent: None,
                reused: false,
            };
            self.begin(now, exchange);
        } else if let Some(verdict) = op.fetch.poll_event() {
            let Some(op) = self.ops.remove(&id) else {
                return;
            };
            self.done.push_back(Done {
                op: id,
                verdict,
                body: op.body,
                took: now.mono.saturating_since(op.begun),
                asked: op.asked,
                failures: op.failures,
            });
        }
    }

    fn begin(&mut self, now: Now, exchange: Exchange) {
        while let Some(conn) = self.idle.get_mut(&exchange.addr).and_then(Vec::pop) {
            let Some(outbound) = self.conns.get_mut(&conn) else {
                continue;
            };
            if now.mono.saturating_since(outbound.http.idle_since()) >= IDLE_FOR {
                self.conns.remove(&conn);
                self.output.push_back(Output::Close(ConnId::Out(conn)));
                continue;
            }
            self.deadlines.insert((exchange.deadline, conn));
            outbound.http.send(exchange.request.clone());
            outbound.exchange = Some(Exchange {
                reused: true,
                ..exchange
            });
            return self.output.push_back(Output::Write(ConnId::Out(conn)));
        }
        self.connect(exchange);
    }

    fn connect(&mut self, exchange: Exchange) {
        let (conn, addr) = (self.next, exchange.addr);
        self.next += 1;
        self.deadlines.insert((exchange.deadline, conn));
        let mut http = ClientConn::new(ClientLimits::default());
        http.send(exchange.request.clone());
        let exchange = Some(exchange);
        self.conns.insert(
            conn,
            Outbound {
                addr,
                http,
                exchange,
            },
        );
        self.output.push_back(Output::Connect { conn, addr });
    }

    /// What there is to write to a connection.
    pub(crate) fn write_buf(&self, conn: ConnId) -> &[u8] {
        match conn {
            ConnId::Out(conn) => self
                .conns
                .get(&conn)
                .map_or(&[], |outbound| outbound.http.write_buf()),
            ConnId::In(_) => &[],
        }
    }

    fn written(&mut self, now: Now, conn: u64, count: usize) {
        let Some(outbound) = self.conns.get_mut(&conn) else {
            return;
        };
        outbound.http.handle_written(now.mono, count);
        let whole = outbound.http.write_buf().is_empty();
        let Some(exchange) = &mut outbound.exchange else {
            return;
        };
        exchange.sent = exchange.sent.or(Some(now.mono));
        let phase = if whole { Phase::Read } else { Phase::Write };
        if let Purpose::Attempt { op, attempt, .. } = exchange.purpose {
            if let Some(op) = self.ops.get_mut(&op) {
                op.fetch.handle_phase(attempt, phase);
            }
        }
    }

    fn received(&mut self, now: Now, conn: u64, bytes: &[u8]) {
        let Some(outbound) = self.conns.get_mut(&conn) else {
            return;
        };
        if outbound.exchange.is_none() {
            self.output.push_back(Output::Close(ConnId::Out(conn)));
            self.forget(conn);
            return;
        }
        outbound.http.handle_bytes(now.mono, bytes);
        match outbound.http.poll_response() {
            None => {}
            Some(Ok(response)) => {
                let exchange = outbound.exchange.take();
                let (addr, reusable) = (outbound.addr, outbound.http.is_reusable());
                if let Some(exchange) = exchange {
                    self.deadlines.remove(&(exchange.deadline, conn));
                    let idle = self.idle.entry(addr).or_default();
                    if reusable && idle.len() < IDLE_PER_HOST {
                        idle.push(conn);
                    } else {
                        self.output.push_back(Output::Close(ConnId::Out(conn)));
                        self.forget(conn);
                    }
                    let since = exchange.sent.unwrap_or(now.mono);
                    let rtt = now.mono.saturating_since(since);
                    self.deliver(now, exchange.purpose, Ok((response, rtt)));
                }
            }
            Some(Err(Error::Closed)) => {
                self.output.push_back(Output::Close(ConnId::Out(conn)));
                self.broken(now, conn);
            }
            Some(Err(Error::Truncated)) => self.failed(now, conn, Failure::Reset),
            Some(Err(_)) => self.failed(now, conn, Failure::Malformed),
        }
    }

    /// A connection is gone. A request on one that had only been kept is made again, on a new one.
    fn broken(&mut self, now: Now, conn: u64) {
        let Some(exchange) = self.forget(conn) else {
            return;
        };
        if exchange.reused && now.mono < exchange.deadline {
            self.connect(Exchange {
                reused: false,
                sent: None,
                ..exchange
            });
        } else {
            self.deliver(now, exchange.purpose, Err(Failure::Reset));
        }
    }

    fn failed(&mut self, now: Now, conn: u64, why: Failure) {
        if self.conns.contains_key(&conn) {
            self.output.push_back(Output::Close(ConnId::Out(conn)));
        }
        if let Some(exchange) = self.forget(conn) {
            self.deliver(now, exchange.purpose, Err(why));
        }
    }

    fn forget(&mut self, conn: u64) -> Option<Exchange> {
        let outbound = self.conns.remove(&conn)?;
        if let Some(idle) = self.idle.get_mut(&outbound.addr) {
            idle.retain(|kept| *kept != conn);
        }
        let exchange = outbound.exchange?;
        self.deadlines.remove(&(exchange.deadline, conn));
        Some(exchange)
    }

    fn deliver(
        &mut self,
        now: Now,
        purpose: Purpose,
        result: Result<(Response, Duration), Failure>,
    ) {
        match purpose {
            Purpose::Ping(token) => {
                let pong = result.and_then(|(answer, rtt)| {
                    Pong::read(rtt, answer.status, &answer.body, answer.node)
                });
                self.cluster.handle_pong(now.mono, token, pong);
            }
            Purpose::Members(token) => {
                let answer = result.map(|(answer, _)| answer);
                let members = match &answer {
                    Ok(answer) => members_body(answer.status, &answer.body),
                    Err(why) => Err(*why),
                };
                self.cluster.handle_members(now.mono, token, members);
            }
            Purpose::Attempt {
                op: id,
                attempt,
                peer,
            } => {
                let outcome = match &result {
                    Ok((_, rtt)) => Outcome::Answered(*rtt),
                    Err(why) => Outcome::Failed(*why),
                };
                self.cluster.handle_outcome(now.mono, peer, outcome);
                if let Some(op) = self.ops.get_mut(&id) {
                    match result {
                        Ok((response, _)) => {
                            op.fetch
                                .handle_result(now.mono, attempt, Ok(response.status));
                            op.body = response.body;
                        }
                        Err(why) => {
                            op.failures.push(why);
                            op.fetch.handle_result(now.mono, attempt, Err(why));
                        }
                    }
                }
                self.step(now, id);
            }
        }
    }
}

fn request(region: &Region, order: &Order, attempt: &Attempt) -> Outgoing {
    let (addr, key) = (attempt.peer.addr, &order.key);
    let options = Options::default();
    match order.kind {
        Kind::Get => Outgoing::get(addr, region, key, &options),
        Kind::Put => {
            let options = Options {
                expiry: Some(order.ttl),
                ..options
            };
            Outgoing::put(addr, region, key, order.value.clone(), &options)
        }
        Kind::Delete => {
            let options = Options {
                spread: true,
                ..options
            };
            Outgoing::delete(addr, region, key, &options)
        }
    }
}
