//! A write on its way to the peers.

use crate::alarm::Alarm;
use crate::runtime::Runtime;
use crate::shared::Shared;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use zerocache_proto::cluster::{Outcome, Peer};
use zerocache_proto::http::Host;
use zerocache_proto::link;
use zerocache_proto::op::{Copy, Fanout, FanoutEvent};
use zerocache_proto::service::{Template, Write};
use zerocache_proto::{Failure, Instant};

/// Exchanges at once with a stock peer: it has 10 threads and a backlog of 5.
const AT_ONCE_STOCK: usize = 4;
/// Exchanges at once with a peer of ours.
const AT_ONCE: usize = 256;

/// How many exchanges may be under way to `peer`.
pub(crate) fn at_once(peer: &Peer) -> usize {
    if peer.capable { AT_ONCE } else { AT_ONCE_STOCK }
}

/// One write's spread. It goes on by itself: whoever brings the news of a copy sees to what follows
/// from it, and the connection that the write came by is woken once, when it may be answered.
pub(crate) struct Spread<R: Runtime>(Arc<Inner<R>>);

struct Inner<R: Runtime> {
    node: Arc<Shared<R>>,
    write: Write,
    template: Option<Template>,
    state: Mutex<State>,
}

struct State {
    fanout: Fanout,
    acked: bool,
    waker: Option<Waker>,
}

impl<R: Runtime> Spread<R> {
    /// Sends the copies of `write`.
    pub(crate) fn begin(node: Arc<Shared<R>>, now: Instant, write: Write, fanout: Fanout) -> Self {
        let fanout = fanout.carrying(write.bulk());
        node.counters.spreading.fetch_add(1, Ordering::Relaxed);
        let state = Mutex::new(State {
            fanout,
            acked: false,
            waker: None,
        });
        let inner = Arc::new(Inner {
            template: write.template(now),
            node,
            write,
            state,
        });
        inner.go_on(&mut inner.lock(), now);
        Self(inner)
    }

    /// Ready once the write may be answered. `alarm` may serve one spread after another.
    pub(crate) fn poll_acked(&self, cx: &mut Context<'_>, alarm: &mut Alarm<R>) -> Poll<()> {
        loop {
            let deadline = {
                let mut state = self.0.lock();
                if state.acked {
                    return Poll::Ready(());
                }
                match &mut state.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                state.fanout.poll_timeout()
            };
            if alarm.poll(cx, deadline).is_pending() {
                return Poll::Pending;
            }
            let now = self.0.node.clock.mono();
            let mut state = self.0.lock();
            state.fanout.handle_timeout(now);
            self.0.go_on(&mut state, now);
        }
    }
}

impl<R: Runtime> Inner<R> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what the spread asks for; whom to wake.
    fn go_on(self: &Arc<Self>, state: &mut State, now: Instant) -> Option<Waker> {
        let mut copy = state.fanout.poll_transmit(now);
        if copy.is_some() {
            let mut sender = self.node.couriers.sender(&self.node);
            while let Some(Copy {
                id,
                peer,
                recurse,
                deadline,
            }) = copy
            {
                let bulk = self.write.bulk();
                if bulk == 0 || self.node.couriers.load(peer.id, bulk) {
                    let spread = self.clone();
                    let parcel = Parcel {
                        spread,
                        id,
                        peer,
                        recurse,
                        bulk,
                    };
                    sender.send(parcel, deadline);
                } else {
                    state
                        .fanout
                        .handle_result(now, id, Err(Failure::Overloaded));
                }
                copy = state.fanout.poll_transmit(now);
            }
            sender.finish();
        }
        let mut waker = None;
        while let Some(event) = state.fanout.poll_event() {
            match event {
                FanoutEvent::Acked => {
                    state.acked = true;
                    waker = state.waker.take();
                }
                FanoutEvent::Undelivered { peer, recurse } => self.hand_over(&peer, recurse),
            }
        }
        waker
    }

    /// Leaves a copy that could not be delivered to the peer's queue.
    fn hand_over(&self, peer: &Peer, recurse: bool) {
        let key = Arc::from(&*self.write.key);
        let change = self.write.kind();
        tracing::debug!(peer = %peer.id, recurse, "copy not delivered");
        self.node
            .outbox
            .with(|queue, now| queue.push(now, peer.id, &key, change, recurse));
    }
}

impl<R: Runtime> Drop for Inner<R> {
    fn drop(&mut self) {
        self.node.counters.spreading.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One copy of a write, for one peer.
pub(crate) struct Parcel<R: Runtime> {
    spread: Arc<Inner<R>>,
    pub(crate) id: u16,
    pub(crate) peer: Arc<Peer>,
    recurse: bool,
    /// What it takes of the peer's freight.
    bulk: usize,
}

impl<R: Runtime> Drop for Parcel<R> {
    fn drop(&mut self) {
        if self.bulk > 0 {
            self.spread.node.couriers.unload(self.peer.id, self.bulk);
        }
    }
}

impl<R: Runtime> Parcel<R> {
    /// Tells the write how this copy went.
    pub(crate) fn report(self, now: Instant, result: Result<u16, Failure>) {
        let counters = &self.spread.node.counters;
        let counter = match &result {
            Ok(_) => &counters.delivered,
            Err(_) => &counters.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.settle(now, result);
    }

    fn settle(self, now: Instant, result: Result<u16, Failure>) {
        let waker = {
            let mut state = self.spread.lock();
            state.fanout.handle_result(now, self.id, result);
            self.spread.go_on(&mut state, now)
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<R: Runtime> link::Parcel for Parcel<R> {
    fn may_share(&self) -> bool {
        self.spread.write.may_share(&self.peer, self.recurse)
    }

    fn write_to(&self, now: Instant, host: &Host, out: &mut Vec<u8>) {
        let Inner {
            write, template, ..
        } = &*self.spread;
        if let Some(template) = template {
            template.write_to(write, now, host, out);
        }
    }
}

impl<R: Runtime> fmt::Debug for Parcel<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "copy {} for {}", self.id, self.peer.id)
    }
}

/// Sends a copy over a connection of its own.
pub(crate) async fn send_alone<R: Runtime>(parcel: Parcel<R>, deadline: Instant) {
    let Inner { node, write, .. } = &*parcel.spread;
    let result = send(node, write, &parcel.peer, parcel.recurse, deadline).await;
    let now = node.clock.mono();
    parcel.settle(now, result);
}

/// Sends one copy, until `deadline`, and tells the cluster how its peer did.
pub(crate) async fn send<R: Runtime>(
    node: &Shared<R>,
    write: &Write,
    peer: &Peer,
    recurse: bool,
    deadline: Instant,
) -> Result<u16, Failure> {
    // Nothing to send: the value's life ended on the way.
    let Some(request) = write.request_for(node.clock.mono(), peer, recurse) else {
        return Ok(200);
    };
    let result = node
        .pool
        .exchange(peer.addr, request, deadline, at_once(peer))
        .await
        .map_err(|lost| lost.failure);
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
