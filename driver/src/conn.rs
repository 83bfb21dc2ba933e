//! One inbound connection: bytes in, bytes out; what they mean is the core's business.

use crate::admission::Ticket;
use crate::alarm::Alarm;
use crate::budget::Share;
use crate::clock::Wall;
use crate::life::Stage;
use crate::runtime::{Runtime, Stream as _};
use crate::shared::Shared;
use crate::spread::Spread;
use crate::syncing;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{self, Poll};
use zerocache_proto::cluster::View;
use zerocache_proto::http::{ContentType, HttpDate, Reply, ServerConn, Status};
use zerocache_proto::op::Fanout;
use zerocache_proto::service::{self, Context, Outcome, Write};
use zerocache_proto::sync::Lookup;
use zerocache_proto::{Now, Rng};

/// Requests answered in a turn, before the connection lets others have the thread.
const REQUESTS_A_TURN: usize = 32;
/// Bytes written in a turn.
const WRITTEN_A_TURN: usize = 64 << 10;
/// Reads in a turn.
const READS_A_TURN: usize = 16;
/// Writes on their way to peers at once, of all connections.
const SPREADS: u64 = 1024;

/// The task of one connection.
pub(crate) struct Conn<R: Runtime> {
    node: Arc<Shared<R>>,
    stream: R::Stream,
    from: SocketAddr,
    ticket: Ticket,
    http: ServerConn,
    wall: Wall,
    view: Arc<View>,
    bodies: Share,
    /// What the answer to the request at hand waits for.
    pending: Option<Pending<R>>,
    /// For how long copies are waited for.
    patience: Alarm<R>,
    /// The write half has been shut down; the peer is heard out.
    lingering: bool,
    /// The last read did not fill its buffer: it took all there was.
    drained: bool,
    /// The second the `Date` field says.
    date: u64,
    alarm: Alarm<R>,
    rng: Rng,
}

/// What an answer waits for.
enum Pending<R: Runtime> {
    /// The copies of a write, and then this is the answer.
    Copies(Spread<R>, Reply),
    /// Another node, which may hold what is asked for.
    Lookup(Pin<Box<dyn Future<Output = Reply> + Send>>),
}

/// What a read or a write came to.
enum Step {
    /// Something moved.
    Moved,
    /// Nothing to do until a wake-up.
    Blocked,
    /// The connection is over.
    Over,
}

/// What a turn has done so far.
#[derive(Default)]
struct Turn {
    reads: usize,
    requests: usize,
    written: usize,
}

impl Turn {
    const fn is_long(&self) -> bool {
        self.reads >= READS_A_TURN
            || self.requests >= REQUESTS_A_TURN
            || self.written >= WRITTEN_A_TURN
    }

    const fn moved(&self) -> bool {
        self.reads > 0 || self.requests > 0 || self.written > 0
    }
}

impl<R: Runtime> Conn<R> {
    pub(crate) fn new(
        node: Arc<Shared<R>>,
        stream: R::Stream,
        from: SocketAddr,
        ticket: Ticket,
    ) -> Self {
        let now = node.clock.mono();
        // Whoever only opens connections and says nothing keeps nobody out.
        ticket.set_idle(Some(now));
        let mut http = ServerConn::new(now, node.limits);
        http.set_node(node.membership.view().me);
        http.hold_bodies();
        let alarm = Alarm::new(node.runtime.clone(), node.clock);
        let patience = Alarm::new(node.runtime.clone(), node.clock);
        let (bodies, rng) = (node.bodies.share(), node.rng());
        let view = node.membership.view();
        Self {
            node,
            stream,
            from,
            ticket,
            http,
            wall: Wall::default(),
            view,
            bodies,
            pending: None,
            patience,
            lingering: false,
            drained: false,
            date: 0,
            alarm,
            rng,
        }
    }
}

impl<R: Runtime> Future for Conn<R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.ticket.register(cx.waker());
        // One reading a turn: a clock costs as much as a look-up.
        let now = this.node.clock.now_by(&mut this.wall);
        let stage = this.node.life.stage();
        if stage == Stage::Ended {
            return Poll::Ready(());
        }
        this.set_date(now);
        this.membership_seen();
        if stage == Stage::Closing || this.ticket.must_go() {
            this.http.close(now.mono);
        }
        this.turn(cx, now)
    }
}

impl<R: Runtime> Conn<R> {
    /// Reads, answers and writes until all of that is blocked, or others are to have the thread.
    fn turn(&mut self, cx: &mut task::Context<'_>, now: Now) -> Poll<()> {
        let mut turn = Turn::default();
        // A connection that rests between two requests has nothing to do but to read the next one.
        let mut due = !self.http.is_idle();
        while !turn.is_long() {
            let moved = match self.read(cx, now) {
                Step::Over => return Poll::Ready(()),
                Step::Moved => true,
                Step::Blocked => false,
            };
            if moved {
                turn.reads += 1;
                // Before it is answered: whoever has an answer must not find the connection told to go.
                self.ticket.set_idle(None);
            }
            // Who has seen the node end must not hear from it again.
            if moved && self.node.life.stage() == Stage::Ended {
                return Poll::Ready(());
            }
            if moved || due {
                let more = self.answer(now, &mut turn);
                // Beginning with a write just taken, which sends its copies.
                let acknowledged = self.acknowledge(cx, now);
                let Some(written) = self.write(cx, now) else {
                    return Poll::Ready(());
                };
                if self.http.is_closed() {
                    return Poll::Ready(());
                }
                turn.written += written;
                // What was written may have been in the way of more.
                due = acknowledged || more || (written > 0 && !self.http.is_idle());
            }
            if moved || due {
                continue;
            }
            let deadline = self.http.poll_timeout();
            if self.alarm.poll_at(cx, now.mono, deadline).is_pending() {
                self.rest(now, &turn);
                return Poll::Pending;
            }
            self.http.handle_timeout(self.node.clock.mono());
            due = true;
        }
        self.rest(now, &turn);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Tells the door what the turn did.
    fn rest(&self, now: Now, turn: &Turn) {
        if turn.moved() {
            self.ticket
                .set_idle(self.http.is_idle().then_some(now.mono));
        }
    }

    fn set_date(&mut self, now: Now) {
        let seconds = now.unix_ms / 1000;
        if seconds != self.date {
            self.date = seconds;
            self.http.set_date(HttpDate::from_unix_seconds(seconds));
        }
    }

    /// Answers the write whose copies have arrived, or the read another node was asked about; says
    /// whether it did.
    fn acknowledge(&mut self, cx: &mut task::Context<'_>, now: Now) -> bool {
        let reply = match &mut self.pending {
            None => return false,
            Some(Pending::Copies(spread, reply)) => {
                let acked = spread.poll_acked(cx, &mut self.patience);
                acked.map(|()| reply.clone())
            }
            Some(Pending::Lookup(lookup)) => lookup.as_mut().poll(cx),
        };
        let Poll::Ready(reply) = reply else {
            return false;
        };
        self.pending = None;
        self.http.respond(now.mono, reply);
        true
    }

    /// Answers the requests that are there; says whether there may be more.
    fn answer(&mut self, now: Now, turn: &mut Turn) -> bool {
        let before = turn.requests;
        while self.pending.is_none() && turn.requests < REQUESTS_A_TURN {
            let Some((request, responder)) = self.http.poll_request(now.mono) else {
                break;
            };
            turn.requests += 1;
            let context = Context {
                now,
                shards: &self.node.cache,
                view: &self.view,
                stage: self.node.stage(),
                ack: self.node.ack,
                warming: !self.node.syncing.is_settled(),
            };
            let outcome = service::call(context, request, responder);
            self.carry_out(now, outcome);
        }
        if turn.requests > before {
            self.ticket.count((turn.requests - before) as u64);
        }
        turn.requests >= REQUESTS_A_TURN
    }

    /// Does what a request leaves to do.
    fn carry_out(&mut self, now: Now, outcome: Outcome) {
        match outcome {
            Outcome::Answered => {}
            Outcome::Pinged { hello, missing } => {
                let from = self.from.ip();
                self.node.membership.with(|cluster, now| {
                    if let Some(hello) = hello {
                        cluster.handle_hello(now, from, hello.as_bytes());
                    }
                    if !missing.is_empty() {
                        cluster.handle_missing(now, from, &missing);
                    }
                });
            }
            Outcome::Spread { write, reply } => self.spread(now, write, reply),
            Outcome::Page(page) => {
                let reply = page.reply(&self.node.facts());
                self.http.respond(now.mono, reply);
            }
            Outcome::LookUp { key } => match syncing::look_up(self.node.clone(), &key) {
                Some(lookup) => self.pending = Some(Pending::Lookup(Box::pin(lookup))),
                None => self.http.respond(now.mono, Lookup::MISS),
            },
            Outcome::Sync { query, hello } => {
                let (from, membership) = (self.from.ip(), &self.node.membership);
                if !membership.look(|cluster| cluster.has_shown(from)) {
                    if let Some(hello) = hello {
                        membership.with(|c, now| c.handle_hello(now, from, hello.as_bytes()));
                    }
                    let reply = Reply::Status(Status::Forbidden);
                    return self.http.respond(now.mono, reply);
                }
                self.node.syncing.asked(&query);
                let settled = self.node.syncing.is_settled();
                let reply = query.answer(now, &self.node.cache, settled);
                self.http.respond(now.mono, reply);
            }
            Outcome::Members { hello } => {
                let from = self.from.ip();
                let members = self.node.membership.with(|cluster, now| {
                    if let Some(hello) = hello {
                        cluster.handle_hello(now, from, hello.as_bytes());
                    }
                    cluster.members()
                });
                let reply = Reply::Page(Status::Ok, ContentType::Text, members.into());
                self.http.respond(now.mono, reply);
            }
        }
    }

    fn spread(&mut self, now: Now, write: Write, reply: Option<Status>) {
        if self.node.counters.spreading.load(Ordering::Relaxed) >= SPREADS {
            // The peers get the key later, with whatever it holds by then.
            for (peer, recurse) in write.receivers(&self.view) {
                let (key, kind) = (Arc::from(&*write.key), write.kind());
                self.node
                    .outbox
                    .with(|queue, now| queue.push(now, peer.id, &key, kind, recurse));
            }
            if let Some(status) = reply {
                self.http.respond(now.mono, Reply::Status(status));
            }
            return;
        }
        let (view, node) = (self.view.clone(), self.node.clone());
        let fanout = Fanout::new(now.mono, view, write.scope, node.ack, self.rng.fork());
        let spread = Spread::begin(node, now.mono, write, fanout);
        self.pending = reply.map(|status| Pending::Copies(spread, Reply::Status(status)));
    }

    /// Writes what there is to write, and says how much the socket took; nothing if the connection is over.
    fn write(&mut self, cx: &mut task::Context<'_>, now: Now) -> Option<usize> {
        let mut written = 0;
        while written < WRITTEN_A_TURN && !self.http.write_buf().is_empty() {
            match self.stream.poll_write(cx, self.http.write_buf()) {
                Poll::Pending => break,
                Poll::Ready(Ok(n)) if n > 0 => {
                    self.http.handle_written(now.mono, n);
                    written += n;
                }
                Poll::Ready(_) => return None,
            }
        }
        if self.http.wants_linger() && !self.lingering {
            self.lingering = true;
            if !matches!(self.stream.poll_shutdown(cx), Poll::Ready(Ok(()))) {
                return None;
            }
        }
        Some(written)
    }

    fn read(&mut self, cx: &mut task::Context<'_>, now: Now) -> Step {
        // A body may only take memory that all bodies together leave.
        let held = self.http.has_body().then(|| self.http.body_reserved());
        self.bodies.set(held);
        if self.http.holds_body() {
            let wanted = self.http.body_wanted();
            if self.bodies.poll_room(cx, wanted).is_pending() {
                return Step::Blocked;
            }
            self.http.take_body();
            return Step::Moved;
        }
        // At rest it holds no buffer, and needs none to hear that there is something to read. Nor does
        // it right after a read that took all there was; the next turn begins with what woke it.
        if std::mem::take(&mut self.drained) || self.http.buffered() == 0 {
            match self.stream.poll_readable(cx) {
                Poll::Pending => return Step::Blocked,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Step::Over,
            }
        }
        let wanted = self.http.body_wanted();
        let waits = wanted > 0 && self.bodies.poll_room(cx, wanted).is_pending();
        self.http.pause_reading(waits);
        let buffer = self.http.read_buf();
        if buffer.is_empty() {
            return Step::Blocked;
        }
        let room = buffer.len();
        match self.stream.poll_read(cx, buffer) {
            Poll::Pending => Step::Blocked,
            Poll::Ready(Ok(n)) => {
                self.drained = n < room;
                self.http.handle_read(now.mono, n);
                Step::Moved
            }
            Poll::Ready(Err(_)) => Step::Over,
        }
    }

    /// Takes the present view, if it has changed since the last turn.
    fn membership_seen(&mut self) {
        if self.view.generation != self.node.membership.generation() {
            self.view = self.node.membership.view();
        }
    }
}
