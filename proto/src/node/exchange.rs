//! Requests of the node to others: one connection each, kept for the next one.

use crate::count::Count;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use super::timers::Timers;
use super::{ConnId, Node, Output, Timer};
use crate::cluster::{Action, Outcome, Pong, members_body, members_request};
use crate::http::{ClientConn, ClientLimits, Error, Outgoing, Response};
use crate::op;
use crate::sync::{Lookup, Question};
use crate::{Buggify, Duration, Failure, Instant, NodeId, Now, Point};

/// Connections kept to one address for the next request.
const MAX_IDLE: usize = 4;

/// Whom an answer is for.
#[derive(Debug)]
pub(super) enum Purpose {
    Ping {
        token: u64,
        /// Whether a connection made for it is kept.
        lasting: bool,
    },
    Members(u64),
    Copy {
        spread: u64,
        copy: u16,
        peer: NodeId,
        /// What it takes of the peer's freight.
        bulk: usize,
        /// Whether the time it takes tells how far the peer is.
        measures: bool,
    },
    Resend {
        peer: NodeId,
        key: Arc<[u8]>,
        measures: bool,
    },
    Sync {
        question: u64,
        peer: NodeId,
    },
    Lookup {
        lookup: Box<Lookup>,
        /// The connection whose request waits for it.
        waiting: u64,
    },
}

/// A request to be made.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) addr: SocketAddr,
    pub(super) request: Outgoing,
    pub(super) deadline: Instant,
    pub(super) purpose: Purpose,
}

#[derive(Debug)]
struct Exchange {
    order: Order,
    started: Instant,
    /// The connection had served before: its other end may have given it up unseen.
    reused: bool,
}

impl Exchange {
    /// Until when its request must have begun to be written.
    fn begun_by(&self) -> Instant {
        self.order.deadline.min(self.started + op::BEGUN_WITHIN)
    }

    /// Whether its connection was made for it, and is of no use after it.
    const fn is_passing(&self) -> bool {
        let rare = matches!(self.order.purpose, Purpose::Ping { lasting: false, .. });
        rare && !self.reused
    }
}

struct Outbound {
    addr: SocketAddr,
    http: ClientConn,
    exchange: Option<Exchange>,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("addr", &self.addr)
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}

/// The connections of the node to others.
#[derive(Debug)]
pub(super) struct Exchanges {
    limits: ClientLimits,
    conns: BTreeMap<u64, Outbound>,
    idle: BTreeMap<SocketAddr, Vec<u64>>,
    next: u64,
    buggify: Buggify,
}

impl Exchanges {
    pub(super) const fn new(limits: ClientLimits, buggify: Buggify) -> Self {
        Self {
            limits,
            conns: BTreeMap::new(),
            idle: BTreeMap::new(),
            next: 0,
            buggify,
        }
    }

    /// Makes a request, on a connection that is there if there is one.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        order: Order,
        timers: &mut Timers,
        output: &mut VecDeque<Output>,
    ) {
        let mut kept = self.idle.get_mut(&order.addr).and_then(Vec::pop);
        if kept.is_some() && self.buggify.hits(Point::PoolDropped) {
            let dropped = kept.take().into_iter();
            dropped.for_each(|conn| self.drop_idle(conn, output));
        }
        let exchange = Exchange {
            order,
            started: now,
            reused: kept.is_some(),
        };
        match kept {
            Some(conn) => {
                timers.set(Timer::Exchange(conn), Some(exchange.order.deadline));
                if let Some(outbound) = self.conns.get_mut(&conn) {
                    outbound.http.send(exchange.order.request.clone());
                    outbound.exchange = Some(exchange);
                    output.push_back(Output::Write(ConnId::Out(conn)));
                }
            }
            None => self.connect(exchange, timers, output),
        }
    }

    fn connect(&mut self, exchange: Exchange, timers: &mut Timers, output: &mut VecDeque<Output>) {
        let (conn, addr) = (self.next, exchange.order.addr);
        self.next.grow(1);
        timers.set(Timer::Exchange(conn), Some(exchange.begun_by()));
        let mut http = ClientConn::new(self.limits);
        http.send(exchange.order.request.clone());
        let outbound = Outbound {
            addr,
            http,
            exchange: Some(exchange),
        };
        self.conns.insert(conn, outbound);
        output.push_back(Output::Connect { conn, addr });
    }

    pub(super) fn is_open(&self, conn: u64) -> bool {
        self.conns.contains_key(&conn)
    }

    pub(super) fn write_buf(&self, conn: u64) -> &[u8] {
        let outbound = self.conns.get(&conn);
        outbound.map_or(&[], |outbound| outbound.http.write_buf())
    }

    pub(super) fn written(&mut self, now: Instant, conn: u64, count: usize) {
        if let Some(outbound) = self.conns.get_mut(&conn) {
            outbound.http.handle_written(now, count);
        }
    }

    /// Takes the exchange off a connection, which is kept or closed.
    fn end(&mut self, conn: u64, output: &mut VecDeque<Output>) -> Option<Exchange> {
        let outbound = self.conns.get_mut(&conn)?;
        let exchange = outbound.exchange.take();
        let addr = outbound.addr;
        let idle = self.idle.entry(addr).or_default();
        let passing = exchange.as_ref().is_some_and(Exchange::is_passing);
        let keeps = outbound.http.is_reusable() && idle.len() < MAX_IDLE && !passing;
        if keeps && !self.buggify.hits(Point::IdleClosed) {
            // However many peers there are, those that wait hold no buffers.
            outbound.http.release();
            idle.push(conn);
        } else {
            output.push_back(Output::Close(ConnId::Out(conn)));
            self.forget(conn);
        }
        exchange
    }

    fn drop_idle(&mut self, conn: u64, output: &mut VecDeque<Output>) {
        output.push_back(Output::Close(ConnId::Out(conn)));
        self.forget(conn);
    }

    fn forget(&mut self, conn: u64) -> Option<Exchange> {
        let outbound = self.conns.remove(&conn)?;
        if let Some(idle) = self.idle.get_mut(&outbound.addr) {
            idle.retain(|kept| *kept != conn);
            if idle.is_empty() {
                self.idle.remove(&outbound.addr);
            }
        }
        outbound.exchange
    }
}

impl Node {
    /// Makes a request.
    pub(super) fn begin(&mut self, now: Now, order: Order) {
        self.exchanges
            .begin(now.mono, order, &mut self.timers, &mut self.output);
    }

    /// Does what the cluster asks for.
    pub(super) fn act(&mut self, now: Now, action: Action) {
        let order = match action {
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
                lasting,
            } => Order {
                addr,
                request: Pong::request(addr, hello.as_deref(), &missing),
                deadline,
                purpose: Purpose::Ping { token, lasting },
            },
            Action::Members {
                token,
                addr,
                hello,
                deadline,
            } => Order {
                addr,
                request: members_request(addr, hello.as_deref()),
                deadline,
                purpose: Purpose::Members(token),
            },
        };
        self.begin(now, order);
    }

    /// Puts a question to a peer, of what that holds.
    pub(super) fn question(&mut self, now: Now, question: Question) {
        let hello = self.cluster.hello().unwrap_or_default();
        let (addr, peer) = (question.peer.addr, question.peer.id);
        let order = Order {
            addr,
            request: question.query.request(addr, &hello),
            deadline: question.deadline,
            purpose: Purpose::Sync {
                question: question.id,
                peer,
            },
        };
        self.begin(now, order);
    }

    /// Looks a key up at a peer, for a request on connection `waiting`.
    pub(super) fn look_up(&mut self, now: Now, waiting: u64, lookup: Lookup) {
        let hello = self.cluster.hello().unwrap_or_default();
        let addr = lookup.peer.addr;
        let order = Order {
            addr,
            request: lookup.query.request(addr, &hello),
            deadline: lookup.deadline,
            purpose: Purpose::Lookup {
                lookup: Box::new(lookup),
                waiting,
            },
        };
        self.begin(now, order);
    }

    /// A connection to another node is there. Whoever slept meanwhile asks nothing that nobody waits
    /// for any more.
    pub(super) fn connected(&mut self, now: Now, conn: u64) {
        let outbound = self.exchanges.conns.get(&conn);
        let Some(exchange) = outbound.and_then(|outbound| outbound.exchange.as_ref()) else {
            return;
        };
        if exchange.begun_by() <= now.mono {
            return self.failed(now, conn, Failure::TimedOut);
        }
        let deadline = exchange.order.deadline;
        self.timers.set(Timer::Exchange(conn), Some(deadline));
        self.output.push_back(Output::Write(ConnId::Out(conn)));
    }

    /// Bytes arrived on a connection to another node; none mean that no more will.
    pub(super) fn answered(&mut self, now: Now, conn: u64, bytes: &[u8]) {
        let Some(outbound) = self.exchanges.conns.get_mut(&conn) else {
            return;
        };
        if outbound.exchange.is_none() {
            // An idle connection ends, or something comes that nobody asked for.
            self.output.push_back(Output::Close(ConnId::Out(conn)));
            self.exchanges.forget(conn);
            return;
        }
        outbound.http.handle_bytes(now.mono, bytes);
        let result = outbound.http.poll_response();
        match result {
            None => {}
            Some(Ok(response)) => {
                self.timers.set(Timer::Exchange(conn), None);
                if let Some(exchange) = self.exchanges.end(conn, &mut self.output) {
                    let rtt = now.mono.saturating_since(exchange.started);
                    self.deliver(now, exchange.order.purpose, Ok((response, rtt)));
                }
            }
            Some(Err(Error::Closed)) => {
                self.output.push_back(Output::Close(ConnId::Out(conn)));
                self.broken(now, conn);
            }
            Some(Err(error)) => self.failed(now, conn, error.into()),
        }
    }

    /// A connection to another node is gone. What was asked on one that had only been kept may
    /// never have been seen: it is asked again, on a new one.
    pub(super) fn broken(&mut self, now: Now, conn: u64) {
        self.timers.set(Timer::Exchange(conn), None);
        let Some(exchange) = self.exchanges.forget(conn) else {
            return;
        };
        if exchange.reused && now.mono < exchange.begun_by() {
            let exchange = Exchange {
                reused: false,
                ..exchange
            };
            self.exchanges
                .connect(exchange, &mut self.timers, &mut self.output);
        } else {
            self.deliver(now, exchange.order.purpose, Err(Failure::Reset));
        }
    }

    /// An exchange has failed, and its connection is of no further use.
    pub(super) fn failed(&mut self, now: Now, conn: u64, why: Failure) {
        self.timers.set(Timer::Exchange(conn), None);
        if self.exchanges.is_open(conn) {
            self.output.push_back(Output::Close(ConnId::Out(conn)));
        }
        if let Some(exchange) = self.exchanges.forget(conn) {
            self.deliver(now, exchange.order.purpose, Err(why));
        }
    }

    /// Tells whoever asked.
    fn deliver(
        &mut self,
        now: Now,
        purpose: Purpose,
        result: Result<(Response, Duration), Failure>,
    ) {
        let mono = now.mono;
        match purpose {
            Purpose::Ping { token, .. } => {
                let pong = result.and_then(|(answer, rtt)| {
                    Pong::read(rtt, answer.status, &answer.body, answer.node)
                });
                self.cluster.handle_pong(mono, token, pong);
            }
            Purpose::Members(token) => {
                let answer = result.map(|(answer, _)| answer);
                let members = match &answer {
                    Ok(answer) => members_body(answer.status, &answer.body),
                    Err(why) => Err(*why),
                };
                self.cluster.handle_members(mono, token, members);
            }
            Purpose::Copy {
                spread,
                copy,
                peer,
                bulk,
                measures,
            } => {
                self.freight.unload(peer, bulk);
                let status = self.reported(now, peer, result, measures);
                self.copied(now, spread, copy, status);
            }
            Purpose::Resend {
                peer,
                key,
                measures,
            } => {
                let status = self.reported(now, peer, result, measures);
                let taken = status.and_then(op::taken);
                self.handoff.handle_result(mono, peer, &key, taken);
            }
            Purpose::Sync { question, peer } => {
                let rtt = result.as_ref().map(|(_, rtt)| *rtt).map_err(|why| *why);
                self.cluster
                    .handle_outcome(mono, peer, Outcome::of(rtt, false));
                let answer = result.as_ref().map_err(|why| *why);
                let answer = answer.map(|(answer, _)| (answer.status, &answer.body[..]));
                self.sync.handle_answer(now, question, &self.shards, answer);
            }
            Purpose::Lookup { lookup, waiting } => {
                let rtt = result.as_ref().map(|(_, rtt)| *rtt).map_err(|why| *why);
                if let Some(outcome) = lookup.outcome(rtt) {
                    self.cluster.handle_outcome(mono, lookup.peer.id, outcome);
                }
                self.sync.end_lookup();
                let answer = result.as_ref().map_err(|why| *why);
                let answer = answer.map(|(answer, _)| (answer.status, &answer.body[..]));
                let reply = lookup.settle(now, &self.shards, answer);
                self.looked_up(now, waiting, reply);
            }
        }
    }

    /// The status of a copy's answer, after the cluster has been told how its peer did.
    fn reported(
        &mut self,
        now: Now,
        peer: NodeId,
        result: Result<(Response, Duration), Failure>,
        measures: bool,
    ) -> Result<u16, Failure> {
        let outcome = Outcome::of(
            result.as_ref().map(|(_, rtt)| *rtt).map_err(|why| *why),
            measures,
        );
        let status = result.map(|(answer, _)| answer.status);
        match status {
            Ok(_) => self.facts.queues.delivered.grow(1),
            Err(_) => self.facts.queues.failed.grow(1),
        }
        self.cluster.handle_outcome(now.mono, peer, outcome);
        status
    }
}
