//! One inbound connection: bytes in, bytes out; what they mean is the core's business.

use crate::admission::Ticket;
use crate::alarm::Alarm;
use crate::budget::Share;
use crate::life::Stage;
use crate::runtime::{Runtime, Stream as _};
use crate::shared::Shared;
use crate::spread::Spread;
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
use zerocache_proto::{Now, Rng};

/// Requests answered before the connection lets others have the thread.
const REQUESTS_A_TURN: usize = 32;
/// Writes on their way to peers at once, of all connections.
const SPREADS: u64 = 1024;
/// Reads and writes before it does.
const STEPS_A_TURN: usize = 16;

/// The task of one connection.
pub(crate) struct Conn<R: Runtime> {
    node: Arc<Shared<R>>,
    stream: R::Stream,
    from: SocketAddr,
    ticket: Ticket,
    http: ServerConn,
    view: Arc<View>,
    bodies: Share,
    /// The write being acknowledged, and the answer it will get.
    pending: Option<(Spread<R>, Reply)>,
    /// For how long that is waited for.
    patience: Alarm<R>,
    /// The write half has been shut down; the peer is heard out.
    lingering: bool,
    /// The second the `Date` field says.
    date: u64,
    alarm: Alarm<R>,
    rng: Rng,
}

/// What one step of the connection came to.
enum Step {
    /// Something moved: look again.
    Moved,
    /// Nothing to do until a wake-up.
    Blocked,
    /// The connection is over.
    Over,
}

impl<R: Runtime> Conn<R> {
    pub(crate) fn new(
        node: Arc<Shared<R>>,
        stream: R::Stream,
        from: SocketAddr,
        ticket: Ticket,
    ) -> Self {
        let mut http = ServerConn::new(node.clock.mono(), node.limits);
        http.set_node(node.membership.view().me);
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
            view,
            bodies,
            pending: None,
            patience,
            lingering: false,
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
        let now = this.node.clock.now();
        for _ in 0..STEPS_A_TURN {
            match this.step(cx, now) {
                Step::Moved => {}
                Step::Over => return Poll::Ready(()),
                Step::Blocked => {
                    if this.alarm.poll(cx, this.http.poll_timeout()).is_pending() {
                        return Poll::Pending;
                    }
                    this.http.handle_timeout(this.node.clock.mono());
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<R: Runtime> Conn<R> {
    fn step(&mut self, cx: &mut task::Context<'_>, now: Now) -> Step {
        let stage = self.node.life.stage();
        if stage == Stage::Ended {
            return Step::Over;
        }
        self.set_date(now);
        if stage == Stage::Closing || self.ticket.must_go() {
            self.http.close(now.mono);
        }
        let more = self.answer(now);
        let acknowledged = self.acknowledge(cx, now);
        match self.write(cx, now) {
            Step::Over => return Step::Over,
            Step::Moved => return Step::Moved,
            Step::Blocked => {}
        }
        if self.http.is_closed() {
            return Step::Over;
        }
        match self.read(cx, now) {
            Step::Blocked if more || acknowledged => Step::Moved,
            step => step,
        }
    }

    fn set_date(&mut self, now: Now) {
        let seconds = now.unix_ms / 1000;
        if seconds != self.date {
            self.date = seconds;
            self.http.set_date(HttpDate::from_unix_seconds(seconds));
        }
    }

    /// Answers the write whose copies have arrived; says whether it did.
    fn acknowledge(&mut self, cx: &mut task::Context<'_>, now: Now) -> bool {
        let Some((spread, _)) = &mut self.pending else {
            return false;
        };
        if spread.poll_acked(cx, &mut self.patience).is_pending() {
            return false;
        }
        if let Some((_, reply)) = self.pending.take() {
            self.http.respond(now.mono, reply);
        }
        true
    }

    /// Answers the requests that are there; says whether there may be more.
    fn answer(&mut self, now: Now) -> bool {
        let mut answered = 0;
        self.membership_seen();
        while answered < REQUESTS_A_TURN && self.pending.is_none() {
            let Some((request, responder)) = self.http.poll_request(now.mono) else {
                break;
            };
            answered += 1;
            let context = Context {
                now,
                shards: &self.node.cache,
                view: &self.view,
                stage: self.node.stage(),
                ack: self.node.ack,
            };
            let outcome = service::call(context, request, responder);
            self.carry_out(now, outcome);
        }
        if answered > 0 {
            self.node
                .counters
                .requests
                .fetch_add(answered as u64, Ordering::Relaxed);
        }
        if answered == 0 && self.http.is_idle() {
            self.ticket.set_idle(now.mono);
        } else {
            self.ticket.set_busy();
        }
        answered == REQUESTS_A_TURN
    }

    /// Does what a request leaves to do.
    fn carry_out(&mut self, now: Now, outcome: Outcome) {
        match outcome {
            Outcome::Answered => {}
            Outcome::Spread { write, reply } => self.spread(now, write, reply),
            Outcome::Page(page) => {
                let reply = page.reply(&self.node.facts());
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
        self.pending = reply.map(|status| (spread, Reply::Status(status)));
    }

    fn write(&mut self, cx: &mut task::Context<'_>, now: Now) -> Step {
        let mut step = Step::Blocked;
        while !self.http.write_buf().is_empty() {
            match self.stream.poll_write(cx, self.http.write_buf()) {
                Poll::Pending => break,
                Poll::Ready(Ok(n)) if n > 0 => {
                    self.http.handle_written(now.mono, n);
                    step = Step::Moved;
                }
                Poll::Ready(_) => return Step::Over,
            }
        }
        if self.http.wants_linger() && !self.lingering {
            self.lingering = true;
            if !matches!(self.stream.poll_shutdown(cx), Poll::Ready(Ok(()))) {
                return Step::Over;
            }
        }
        step
    }

    fn read(&mut self, cx: &mut task::Context<'_>, now: Now) -> Step {
        // A body may only take memory that all bodies together leave.
        self.bodies.set(self.http.body_reserved());
        let wanted = self.http.body_wanted();
        let waits = wanted > 0 && self.bodies.poll_room(cx, wanted).is_pending();
        self.http.pause_reading(waits);
        let buffer = self.http.read_buf();
        if buffer.is_empty() {
            return Step::Blocked;
        }
        match self.stream.poll_read(cx, buffer) {
            Poll::Pending => Step::Blocked,
            Poll::Ready(Ok(n)) => {
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
