//! Connections to the node, and what is asked on them.

use crate::count::Count;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use super::{ConnId, Node, Output, Timer, Work};
use crate::http::{ContentType, HttpDate, Reply, ServerConn, Status};
use crate::service::{Context, Outcome, call};
use crate::sync::{Lookup, MAX_PAGE};
use crate::{Instant, Now, Point};

/// Bytes kept that a connection does not take yet, because an answer is still due; one that sends
/// more is closed.
const MAX_WAITING: usize = 1 << 20;

pub(super) struct Inbound {
    pub(super) http: ServerConn,
    from: SocketAddr,
    waiting: Vec<u8>,
    /// The other end will send no more, once `waiting` is read.
    ended: bool,
    /// The connection has been told so.
    end_told: bool,
    /// The embedder has been told that there is something to write.
    writing: bool,
    /// It has been told to shut the write half down.
    half_closed: bool,
    /// The answer to give when its spread is acknowledged.
    reply: Option<Status>,
    /// The second of the date that its answers have.
    dated: Option<u64>,
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("from", &self.from)
            .field("waiting", &self.waiting.len())
            .field("reply", &self.reply)
            .finish_non_exhaustive()
    }
}

impl Node {
    pub(super) fn accepted(&mut self, now: Now, conn: u64, from: SocketAddr) {
        let mut http = ServerConn::new(now.mono, self.limits);
        http.set_node(self.cluster.id());
        let inbound = Inbound {
            http,
            from,
            waiting: Vec::new(),
            ended: false,
            end_told: false,
            writing: false,
            half_closed: false,
            reply: None,
            dated: None,
        };
        self.inbound.insert(conn, inbound);
        self.facts.connections.accepted.grow(1);
        self.work.push_back(Work::Inbound(conn));
    }

    pub(super) fn received(&mut self, now: Now, conn: u64, bytes: &[u8]) {
        let Some(inbound) = self.inbound.get_mut(&conn) else {
            return;
        };
        inbound.ended |= bytes.is_empty();
        let mut rest = bytes;
        if inbound.waiting.is_empty() {
            let one = self.rng.hits(Point::ReadByte);
            let part = if one { 1 } else { rest.len() };
            let taken = inbound.feed(now.mono, rest.get(..part).unwrap_or_default());
            rest = rest.get(taken..).unwrap_or_default();
        }
        inbound.waiting.extend_from_slice(rest);
        self.pump(now, conn);
        let greedy = |inbound: &super::Inbound| inbound.waiting.len() > MAX_WAITING;
        if self.inbound.get(&conn).is_some_and(greedy) {
            self.output.push_back(Output::Close(ConnId::In(conn)));
            self.forget(conn);
        }
    }

    /// The socket took bytes: there may be room for further answers.
    pub(super) fn written(&mut self, now: Now, conn: u64, count: usize) {
        if let Some(inbound) = self.inbound.get_mut(&conn) {
            inbound.http.handle_written(now.mono, count);
            self.pump(now, conn);
        }
    }

    pub(super) fn forget(&mut self, conn: u64) {
        self.inbound.remove(&conn);
        self.timers.set(Timer::Inbound(conn), None);
    }

    /// A write's copies are acknowledged.
    pub(super) fn acknowledge(&mut self, now: Now, conn: u64) {
        if let Some(inbound) = self.inbound.get_mut(&conn) {
            if let Some(status) = inbound.reply.take() {
                inbound.http.respond(now.mono, Reply::Status(status));
                self.work.push_back(Work::Inbound(conn));
            }
        }
    }

    /// A look-up for this connection's request is over.
    pub(super) fn looked_up(&mut self, now: Now, conn: u64, reply: Reply) {
        if let Some(inbound) = self.inbound.get_mut(&conn) {
            inbound.http.respond(now.mono, reply);
            self.work.push_back(Work::Inbound(conn));
        }
    }

    /// Answers what is there to be answered, as far as there is room for answers.
    pub(super) fn pump(&mut self, now: Now, conn: u64) {
        loop {
            self.answer(now, conn);
            let Some(inbound) = self.inbound.get_mut(&conn) else {
                return;
            };
            if !inbound.refeed(now.mono) {
                break;
            }
        }
        let Some(inbound) = self.inbound.get_mut(&conn) else {
            return;
        };
        self.timers
            .set(Timer::Inbound(conn), inbound.http.poll_timeout());
        if inbound.http.is_closed() {
            self.output.push_back(Output::Close(ConnId::In(conn)));
            return self.forget(conn);
        }
        let writes = !inbound.http.write_buf().is_empty();
        if writes && !inbound.writing {
            self.output.push_back(Output::Write(ConnId::In(conn)));
        }
        inbound.writing = writes;
        if inbound.http.wants_linger() && !inbound.half_closed {
            inbound.half_closed = true;
            self.output.push_back(Output::HalfClose(ConnId::In(conn)));
        }
    }

    fn answer(&mut self, now: Now, conn: u64) {
        loop {
            let stage = self.stage();
            let Some(inbound) = self.inbound.get_mut(&conn) else {
                return;
            };
            let second = now.unix_ms / 1_000;
            if inbound.dated != Some(second) {
                inbound.dated = Some(second);
                if self.date.0 != second {
                    self.date = (second, HttpDate::from_unix_seconds(second));
                }
                inbound.http.set_date(self.date.1);
            }
            let Some((request, responder)) = inbound.http.poll_request(now.mono) else {
                return;
            };
            let coarse = match self.rng.hits(Point::CoarseClock) {
                true => now.unix_ms % 100,
                false => 0,
            };
            let unix_ms = now.unix_ms.saturating_sub(coarse);
            let cx = Context {
                now: Now { unix_ms, ..now },
                shards: &self.shards,
                view: &self.view,
                stage,
                ack: self.ack,
                warming: !self.sync.is_settled(),
            };
            self.facts.connections.requests.grow(1);
            let outcome = call(cx, request, responder);
            self.carry_out(now, conn, outcome);
        }
    }

    fn carry_out(&mut self, now: Now, conn: u64, outcome: Outcome) {
        let reply = match outcome {
            Outcome::Answered => return,
            Outcome::Pinged { hello, missing } => {
                if let Some(from) = self.inbound.get(&conn).map(|inbound| inbound.from.ip()) {
                    if let Some(hello) = hello {
                        self.cluster.handle_hello(now.mono, from, hello.as_bytes());
                    }
                    if !missing.is_empty() {
                        self.cluster.handle_missing(now.mono, from, &missing);
                    }
                }
                return;
            }
            Outcome::Spread { write, reply } => {
                let waiting = reply.map(|_| conn);
                if let Some(inbound) = self.inbound.get_mut(&conn) {
                    inbound.reply = reply;
                }
                return self.spread(now, write, waiting);
            }
            Outcome::Page(page) => page.reply(&self.facts(now)),
            Outcome::LookUp { key } => match self.sync.look_up(now.mono, &key) {
                Some(lookup) => return self.look_up(now, conn, lookup),
                None => Lookup::MISS,
            },
            Outcome::Sync { query, hello } => {
                let from = self.inbound.get(&conn).map(|inbound| inbound.from.ip());
                if from.is_some_and(|from| self.cluster.has_shown(from)) {
                    self.sync.handle_query(now.mono, &query);
                    let one = self.rng.hits(Point::SyncPageOfOne);
                    let size = if one { 0 } else { MAX_PAGE };
                    query.answer_in_pages(now, &self.shards, self.sync.is_settled(), size)
                } else {
                    if let Some((hello, from)) = hello.zip(from) {
                        self.cluster.handle_hello(now.mono, from, hello.as_bytes());
                    }
                    Reply::Status(Status::Forbidden)
                }
            }
            Outcome::Members { hello } => {
                let from = self.inbound.get(&conn).map(|inbound| inbound.from.ip());
                let heard = !self.rng.hits(Point::HelloUnheard);
                if let Some((hello, from)) = hello.zip(from).filter(|_| heard) {
                    self.cluster.handle_hello(now.mono, from, hello.as_bytes());
                }
                let members = self.cluster.members();
                Reply::Page(Status::Ok, ContentType::Text, members.into())
            }
        };
        if let Some(inbound) = self.inbound.get_mut(&conn) {
            inbound.http.respond(now.mono, reply);
        }
    }
}

impl Inbound {
    /// Reads from `bytes` as much as the connection takes before an answer is due.
    fn feed(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let buf = self.http.read_buf_for(bytes.len());
        let n = buf.len().min(bytes.len());
        if n > 0 {
            buf.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            self.http.handle_read(now, n);
        }
        n
    }

    /// Reads on in what waits; whether there was anything to read.
    fn refeed(&mut self, now: Instant) -> bool {
        let waiting = core::mem::take(&mut self.waiting);
        let taken = self.feed(now, &waiting);
        self.waiting = waiting;
        self.waiting.drain(..taken);
        let end = self.ended && !self.end_told && self.waiting.is_empty();
        if taken == 0 && end && !self.http.read_buf_for(1).is_empty() {
            self.end_told = true;
            self.http.handle_read(now, 0);
            return true;
        }
        taken > 0
    }

    /// Whether it takes more; it does not while answers are due or not taken.
    pub(super) fn wants_read(&self) -> bool {
        !self.ended && self.waiting.is_empty()
    }
}
