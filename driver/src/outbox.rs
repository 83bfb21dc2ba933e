//! The keys that peers have missed, until they are back.

use crate::alarm::Alarm;
use crate::clock::Clock;
use crate::runtime::Runtime;
use crate::shared::Shared;
use crate::spread;
use futures_util::stream::{FuturesUnordered, Stream as _};
use futures_util::task::AtomicWaker;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use zerocache_proto::cache::Shards as _;
use zerocache_proto::op::{self, Handoff, HandoffLimits, Resend};
use zerocache_proto::service::Write;
use zerocache_proto::{Failure, Instant};

/// The queue of keys, shared by the writes that fail and the task that sends them again.
#[derive(Debug)]
pub(crate) struct Outbox {
    clock: Clock,
    handoff: Mutex<Handoff>,
    wake: AtomicWaker,
}

impl Outbox {
    pub(crate) fn new(clock: Clock, seed: u64) -> Self {
        let handoff = Mutex::new(Handoff::new(HandoffLimits::default(), seed));
        Self {
            clock,
            handoff,
            wake: AtomicWaker::new(),
        }
    }

    /// Tells the queue something, or asks it, at the present time.
    pub(crate) fn with<T>(&self, tell: impl FnOnce(&mut Handoff, Instant) -> T) -> T {
        let told = tell(&mut self.lock(), self.clock.mono());
        self.wake.wake();
        told
    }

    /// Looks at the queue as it is.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Handoff) -> T) -> T {
        look(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Handoff> {
        self.handoff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Sending = Pin<Box<dyn Future<Output = (Resend, Result<(), Failure>)> + Send>>;

/// Sends keys again, as the queue lets them go, until the node ends.
pub(crate) async fn run<R: Runtime>(node: Arc<Shared<R>>) {
    let mut alarm = Alarm::new(node.runtime.clone(), node.clock);
    let mut sending = FuturesUnordered::<Sending>::new();
    poll_fn(|cx| poll(cx, &node, &mut alarm, &mut sending)).await;
}

fn poll<R: Runtime>(
    cx: &mut Context<'_>,
    node: &Arc<Shared<R>>,
    alarm: &mut Alarm<R>,
    sending: &mut FuturesUnordered<Sending>,
) -> Poll<()> {
    node.outbox.wake.register(cx.waker());
    loop {
        if node.life.poll(cx, crate::life::Stage::Closing).is_ready() {
            return Poll::Ready(());
        }
        while let Poll::Ready(Some((resend, result))) = Pin::new(&mut *sending).poll_next(cx) {
            let now = node.clock.mono();
            node.outbox
                .lock()
                .handle_result(now, resend.peer, &resend.key, result);
        }
        let (mut resends, mut owed) = (Vec::new(), Vec::new());
        let deadline = {
            let now = node.clock.mono();
            let mut handoff = node.outbox.lock();
            handoff.handle_timeout(now);
            owed.extend(std::iter::from_fn(|| handoff.poll_owed()));
            resends.extend(std::iter::from_fn(|| handoff.poll_transmit(now)));
            handoff.poll_timeout()
        };
        owed.into_iter().for_each(|peer| node.syncing.owe(peer));
        if resends.is_empty() && alarm.poll(cx, deadline).is_pending() {
            return Poll::Pending;
        }
        for resend in resends {
            sending.push(Box::pin(send(node.clone(), resend)));
        }
    }
}

/// Sends what the key holds by now, if that is anything.
async fn send<R: Runtime>(node: Arc<Shared<R>>, resend: Resend) -> (Resend, Result<(), Failure>) {
    let view = node.membership.view();
    let Some(peer) = view.peers().find(|peer| peer.id == resend.peer) else {
        if !node.membership.look(|cluster| cluster.knows(resend.peer)) {
            // It went while the write was under way to it.
            node.outbox.with(|queue, _| queue.handle_gone(resend.peer));
        }
        return (resend, Err(Failure::Unreachable));
    };
    let now = node.clock.now();
    let hash = node.cache.hash(&resend.key);
    let write = node.cache.with(hash, |shard| {
        shard
            .record(now, hash, &resend.key)
            .map(|record| Write::of(&resend.key, &record))
    });
    let Some(write) = write else {
        return (resend, Ok(()));
    };
    let (latency, bytes) = (view.latency_of(peer), write.bytes());
    let deadline = node
        .outbox
        .with(|queue, now| queue.prolong(now, resend.peer, &resend.key, bytes, latency));
    let result = spread::send(&node, &write, peer, resend.recurse, deadline).await;
    (resend, result.and_then(op::taken))
}
