//! The background task that compares what the node holds with what others do.

use crate::alarm::Alarm;
use crate::clock::Clock;
use crate::life::Stage;
use crate::pool::Answer;
use crate::runtime::Runtime;
use crate::shared::Shared;
use crate::spread;
use futures_util::task::AtomicWaker;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use zerocache_proto::cluster::{Cluster, Event, Outcome, View};
use zerocache_proto::http::Reply;
use zerocache_proto::sync::{AntiEntropy, Limits, Query, Question, SyncFacts};
use zerocache_proto::{Failure, Instant, NodeId};

/// The machine that says whom to ask what, and when.
#[derive(Debug)]
pub(crate) struct Syncing {
    clock: Clock,
    machine: Mutex<AntiEntropy>,
    /// What the machine says, for those who can not wait for its lock.
    settled: AtomicBool,
    wake: AtomicWaker,
}

impl Syncing {
    pub(crate) fn new(clock: Clock, view: Arc<View>, seed: u64) -> Self {
        Self {
            clock,
            machine: Mutex::new(AntiEntropy::new(view, Limits::default(), seed)),
            settled: AtomicBool::new(false),
            wake: AtomicWaker::new(),
        }
    }

    /// Something has happened in the cluster.
    pub(crate) fn observe(&self, event: &Event) {
        self.lock().handle_event(self.clock.mono(), event);
        self.wake.wake();
    }

    /// A peer has missed writes, and nobody remembers which.
    pub(crate) fn owe(&self, peer: NodeId) {
        self.lock().handle_owing(self.clock.mono(), peer);
        self.wake.wake();
    }

    /// Another node asks for this; most questions say nothing to the machine, and do not wait for it.
    pub(crate) fn asked(&self, query: &Query) {
        if matches!(query, Query::Owed { .. }) {
            self.lock().handle_query(self.clock.mono(), query);
            self.wake.wake();
        }
    }

    /// Asks nothing any more.
    pub(crate) fn leave(&self) {
        self.lock().leave();
        self.wake.wake();
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    pub(crate) fn facts(&self) -> SyncFacts {
        self.lock().facts()
    }

    /// Timers in, the next question out; and when the machine wants its next turn.
    fn turn(&self, now: Instant) -> (Option<Question>, Option<Instant>) {
        let mut machine = self.lock();
        machine.handle_timeout(now);
        let next = (machine.poll_transmit(now), machine.poll_timeout());
        self.settled.store(machine.is_settled(), Ordering::Relaxed);
        next
    }

    fn lock(&self) -> MutexGuard<'_, AntiEntropy> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Asking = Pin<Box<dyn Future<Output = (u64, Result<Answer, Failure>)> + Send>>;

/// Compares, until the node begins to end.
pub(crate) async fn run<R: Runtime>(node: Arc<Shared<R>>) {
    let mut alarm = Alarm::new(node.runtime.clone(), node.clock);
    let mut asking = None;
    poll_fn(|cx| poll(cx, &node, &mut alarm, &mut asking)).await;
}

fn poll<R: Runtime>(
    cx: &mut Context<'_>,
    node: &Arc<Shared<R>>,
    alarm: &mut Alarm<R>,
    asking: &mut Option<Asking>,
) -> Poll<()> {
    let syncing = &node.syncing;
    syncing.wake.register(cx.waker());
    loop {
        if node.life.poll(cx, Stage::Closing).is_ready() {
            return Poll::Ready(());
        }
        if let Some(Poll::Ready((id, answer))) =
            asking.as_mut().map(|asking| asking.as_mut().poll(cx))
        {
            *asking = None;
            let answer = answer.as_ref().map_err(|failure| *failure);
            let answer = answer.map(|answer| (answer.response.status, &answer.response.body[..]));
            let now = node.clock.now();
            syncing.lock().handle_answer(now, id, &node.cache, answer);
        }
        let (question, deadline) = syncing.turn(node.clock.mono());
        if let Some(question) = question {
            // One question at a time: one that was still under way has been given up.
            *asking = Some(Box::pin(ask(node.clone(), question)));
        } else if alarm.poll(cx, deadline).is_pending() {
            return Poll::Pending;
        }
    }
}

/// Puts a question to a peer, and tells the cluster how that did.
async fn ask<R: Runtime>(
    node: Arc<Shared<R>>,
    question: Question,
) -> (u64, Result<Answer, Failure>) {
    let Question {
        id,
        peer,
        query,
        deadline,
    } = question;
    let hello = node.membership.look(Cluster::hello).unwrap_or_default();
    let request = query.request(peer.addr, &hello);
    let at_once = spread::at_once(&peer);
    let answer = node.pool.exchange(peer.addr, request, deadline, at_once);
    let answer = answer.await.map_err(|lost| lost.failure);
    let rtt = answer.as_ref().map(|answer| answer.rtt);
    let outcome = Outcome::of(rtt.map_err(|failure| *failure), false);
    node.membership.report(peer.id, outcome);
    (id, answer)
}

/// The answer to a read of `key`, which this node may not hold yet; `None` if nobody is to be asked.
pub(crate) fn look_up<R: Runtime>(
    node: Arc<Shared<R>>,
    key: &[u8],
) -> Option<impl Future<Output = Reply> + Send + use<R>> {
    let lookup = node.syncing.lock().look_up(node.clock.mono(), key)?;
    let under_way = UnderWay(node);
    Some(async move {
        let node = &under_way.0;
        let peer = &lookup.peer;
        let hello = node.membership.look(Cluster::hello).unwrap_or_default();
        let request = lookup.query.request(peer.addr, &hello);
        let at_once = spread::at_once(peer);
        let answer = node
            .pool
            .exchange(peer.addr, request, lookup.deadline, at_once);
        let answer = answer.await.map_err(|lost| lost.failure);
        let rtt = answer.as_ref().map(|answer| answer.rtt);
        if let Some(outcome) = lookup.outcome(rtt.map_err(|failure| *failure)) {
            node.membership.report(peer.id, outcome);
        }
        let answer = answer.as_ref().map_err(|failure| *failure);
        let answer = answer.map(|answer| (answer.response.status, &answer.response.body[..]));
        lookup.settle(node.clock.now(), &node.cache, answer)
    })
}

/// A look-up, until it is over or its connection has gone.
struct UnderWay<R: Runtime>(Arc<Shared<R>>);

impl<R: Runtime> Drop for UnderWay<R> {
    fn drop(&mut self) {
        self.0.syncing.lock().end_lookup();
    }
}
