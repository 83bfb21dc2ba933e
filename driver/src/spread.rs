//! A write on its way to the peers.

use crate::alarm::Alarm;
use crate::runtime::Runtime;
use crate::shared::Shared;
use futures_util::stream::{FuturesUnordered, Stream as _};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use zerocache_proto::cluster::{Outcome, Peer};
use zerocache_proto::op::{Copy, Fanout, FanoutEvent};
use zerocache_proto::service::Write;
use zerocache_proto::{Failure, Instant};

/// Exchanges at once with a stock peer: it has 10 threads and a backlog of 5.
const AT_ONCE_STOCK: usize = 4;
/// Exchanges at once with a peer of ours.
const AT_ONCE: usize = 256;

/// How many exchanges may be under way to `peer`.
pub(crate) fn at_once(peer: &Peer) -> usize {
    if peer.capable { AT_ONCE } else { AT_ONCE_STOCK }
}

type Sending = Pin<Box<dyn Future<Output = (u16, Result<u16, Failure>)> + Send>>;

/// One write's spread: runs until every copy has come to its end.
///
/// The connection the write came by runs it until it is acknowledged, which spares a task and two
/// wake-ups a write; what is left then goes on by itself.
pub(crate) struct Spread<R: Runtime> {
    node: Arc<Shared<R>>,
    write: Arc<Write>,
    fanout: Fanout,
    acked: bool,
    /// The copies under way and not given up.
    flying: Vec<Copy>,
    sending: FuturesUnordered<Sending>,
    alarm: Alarm<R>,
}

impl<R: Runtime> Spread<R> {
    /// The spread of `write`.
    pub(crate) fn new(node: Arc<Shared<R>>, write: Write, fanout: Fanout) -> Self {
        node.counters.spreading.fetch_add(1, Ordering::Relaxed);
        let alarm = Alarm::new(node.runtime.clone(), node.clock);
        let sending = FuturesUnordered::new();
        let write = Arc::new(write);
        Self {
            node,
            write,
            fanout,
            acked: false,
            flying: Vec::new(),
            sending,
            alarm,
        }
    }

    /// Runs it to its end.
    pub(crate) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx, false)).await;
    }

    /// Goes on; ready once the write may be answered.
    pub(crate) fn poll_acked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll(cx, true)
    }

    /// Whether every copy has come to its end.
    pub(crate) fn is_done(&self) -> bool {
        self.fanout.is_done()
    }

    fn poll(&mut self, cx: &mut Context<'_>, until_acked: bool) -> Poll<()> {
        loop {
            let now = self.node.clock.mono();
            self.give_up(now);
            self.fanout.handle_timeout(now);
            while let Some(copy) = self.fanout.poll_transmit(now) {
                self.send(copy);
            }
            while let Some(event) = self.fanout.poll_event() {
                self.tell(event);
            }
            if self.fanout.is_done() || (until_acked && self.acked) {
                return Poll::Ready(());
            }
            if let Poll::Ready(Some((id, result))) = Pin::new(&mut self.sending).poll_next(cx) {
                if let Some(at) = self.flying.iter().position(|copy| copy.id == id) {
                    self.flying.swap_remove(at);
                }
                self.fanout.handle_result(now, id, result);
            } else if self.alarm.poll(cx, self.fanout.poll_timeout()).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn send(&mut self, copy: Copy) {
        let (node, write) = (self.node.clone(), self.write.clone());
        self.flying.push(copy.clone());
        self.sending.push(Box::pin(async move {
            let Copy {
                id, peer, recurse, ..
            } = copy;
            (id, send(&node, &write, &peer, recurse, None).await)
        }));
    }

    /// The copies whose time is over count as failed, for the cluster as for the spread. One timer
    /// serves them all; their exchanges end with the spread, or late.
    fn give_up(&mut self, now: Instant) {
        let node = &self.node;
        self.flying.retain(|copy| {
            let over = copy.deadline <= now;
            if over {
                node.counters.failed.fetch_add(1, Ordering::Relaxed);
                let outcome = Outcome::Failed(Failure::TimedOut);
                node.membership.report(copy.peer.id, outcome);
            }
            !over
        });
    }

    fn tell(&mut self, event: FanoutEvent) {
        match event {
            FanoutEvent::Acked => self.acked = true,
            FanoutEvent::Undelivered { peer, recurse } => {
                let key = Arc::from(&*self.write.key);
                let change = self.write.kind();
                tracing::debug!(peer = %peer.id, recurse, "copy not delivered");
                self.node
                    .outbox
                    .with(|queue, now| queue.push(now, peer.id, &key, change, recurse));
            }
        }
    }
}

impl<R: Runtime> Drop for Spread<R> {
    fn drop(&mut self) {
        self.node.counters.spreading.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends one copy, until `deadline` if there is one, and tells the cluster how its peer did.
pub(crate) async fn send<R: Runtime>(
    node: &Shared<R>,
    write: &Write,
    peer: &Peer,
    recurse: bool,
    deadline: Option<Instant>,
) -> Result<u16, Failure> {
    // Nothing to send: the value's life ended on the way.
    let Some(request) = write.request_for(node.clock.mono(), peer, recurse) else {
        return Ok(200);
    };
    let (addr, at_once) = (peer.addr, at_once(peer));
    let result = match deadline {
        Some(at) => {
            let result = node.pool.exchange(addr, request, at, at_once).await;
            result.map_err(|lost| lost.failure)
        }
        None => node.pool.exchange_for_ever(addr, request, at_once).await,
    };
    let rtt = result.as_ref().map(|answer| answer.rtt);
    let outcome = Outcome::of(rtt.map_err(|failure| *failure), write.measures(recurse));
    node.membership.report(peer.id, outcome);
    let counter = match &result {
        Ok(_) => &node.counters.delivered,
        Err(_) => &node.counters.failed,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    result.map(|answer| answer.response.status)
}
