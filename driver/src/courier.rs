//! The ways to the peers, one task each: what writes have to tell a peer goes over one connection.

use crate::alarm::Alarm;
use crate::pool;
use crate::runtime::{Runtime, Stream as _};
use crate::shared::Shared;
use crate::spread::{self, Parcel};
use futures_util::stream::{FuturesUnordered, Stream as _};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use zerocache_proto::cluster::Outcome;
use zerocache_proto::link::{Action, Link, LinkLimits};
use zerocache_proto::op::Freight;
use zerocache_proto::{Duration, Instant, NodeId};

/// A courier with nothing to do ends after this long.
const REST: Duration = Duration::from_secs(45);
/// Reads and writes before it lets others have the thread.
const STEPS_A_TURN: usize = 16;

/// The couriers of a node, by the addresses they go to.
pub(crate) struct Couriers<R: Runtime> {
    held: Mutex<Held<R>>,
    /// Locked within `held`, never around it.
    freight: Mutex<Freight>,
}

struct Held<R: Runtime> {
    closed: bool,
    inboxes: BTreeMap<SocketAddr, Arc<Inbox<R>>>,
    /// Those used last, by the ids of the copies: the next write's are likely to be the same.
    recent: Vec<Option<(SocketAddr, Arc<Inbox<R>>)>>,
}

/// So many are looked for in one place only.
const RECENT: usize = 64;

/// What a courier is to take along next.
struct Inbox<R: Runtime>(Mutex<Staged<R>>);

struct Staged<R: Runtime> {
    parcels: Vec<(Parcel<R>, Instant)>,
    waker: Option<Waker>,
    closed: bool,
}

impl<R: Runtime> Default for Couriers<R> {
    fn default() -> Self {
        let held = Mutex::new(Held {
            closed: false,
            inboxes: BTreeMap::new(),
            recent: Vec::new(),
        });
        let freight = Mutex::new(Freight::new());
        Self { held, freight }
    }
}

impl<R: Runtime> Couriers<R> {
    /// Hands out parcels for as long as the sender is held.
    pub(crate) fn sender<'a>(&'a self, node: &'a Arc<Shared<R>>) -> Sender<'a, R> {
        let held = self.lock();
        let new = Vec::new();
        Sender { node, held, new }
    }

    /// Whether there is room for so many bytes more on their way to `peer`, which takes it.
    pub(crate) fn load(&self, peer: NodeId, bytes: usize) -> bool {
        self.freight().load(peer, bytes)
    }

    /// The bytes have arrived, or been given up.
    pub(crate) fn unload(&self, peer: NodeId, bytes: usize) {
        self.freight().unload(peer, bytes);
    }

    fn freight(&self) -> MutexGuard<'_, Freight> {
        self.freight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all of them, with whatever they carry.
    pub(crate) fn close(&self) {
        let inboxes = {
            let mut held = self.lock();
            held.closed = true;
            held.recent.clear();
            std::mem::take(&mut held.inboxes)
        };
        for inbox in inboxes.values() {
            inbox.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held<R>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Runtime> Held<R> {
    fn forget(&mut self, addr: SocketAddr) {
        self.inboxes.remove(&addr);
        for place in &mut self.recent {
            place.take_if(|(recent, _)| *recent == addr);
        }
    }
}

/// Gives parcels to couriers.
pub(crate) struct Sender<'a, R: Runtime> {
    node: &'a Arc<Shared<R>>,
    held: MutexGuard<'a, Held<R>>,
    new: Vec<Courier<R>>,
}

impl<R: Runtime> Sender<'_, R> {
    /// Sends a parcel on its way; what has become of it is told by its deadline.
    pub(crate) fn send(&mut self, parcel: Parcel<R>, deadline: Instant) {
        if self.held.closed {
            return;
        }
        let (addr, place) = (parcel.peer.addr, usize::from(parcel.id));
        if let Some(Some((recent, inbox))) = self.held.recent.get(place) {
            if *recent == addr {
                return inbox.put(parcel, deadline);
            }
        }
        let inbox = self.held.inboxes.entry(addr).or_insert_with(|| {
            let inbox = Arc::new(Inbox(Mutex::new(Staged {
                parcels: Vec::new(),
                waker: None,
                closed: false,
            })));
            self.new
                .push(Courier::new(self.node.clone(), addr, inbox.clone()));
            inbox
        });
        let inbox = inbox.clone();
        inbox.put(parcel, deadline);
        if place < RECENT {
            let recent = &mut self.held.recent;
            recent.resize_with(recent.len().max(place + 1), || None);
            recent[place] = Some((addr, inbox));
        }
    }

    /// Sets off the couriers that were not there before: outside the lock, since a runtime that is
    /// going down drops them at once.
    pub(crate) fn finish(self) {
        let Self { node, held, new } = self;
        drop(held);
        for courier in new {
            node.runtime.spawn(courier.run());
        }
    }
}

impl<R: Runtime> Inbox<R> {
    fn lock(&self) -> MutexGuard<'_, Staged<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, parcel: Parcel<R>, deadline: Instant) {
        let waker = {
            let mut staged = self.lock();
            staged.parcels.push((parcel, deadline));
            staged.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    fn close(&self) {
        let (parcels, waker) = {
            let mut staged = self.lock();
            staged.closed = true;
            (std::mem::take(&mut staged.parcels), staged.waker.take())
        };
        drop(parcels);
        waker.into_iter().for_each(Waker::wake);
    }
}

type Connecting<R> = Pin<Box<dyn Future<Output = io::Result<<R as Runtime>::Stream>> + Send>>;
type Alone = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The task of the way to one peer.
struct Courier<R: Runtime> {
    node: Arc<Shared<R>>,
    addr: SocketAddr,
    inbox: Arc<Inbox<R>>,
    staged: Vec<(Parcel<R>, Instant)>,
    link: Link<Parcel<R>>,
    connecting: Option<Connecting<R>>,
    stream: Option<R::Stream>,
    /// Parcels that go over connections of their own.
    alone: FuturesUnordered<Alone>,
    alarm: Alarm<R>,
    /// When it ends, if nothing comes in between.
    rest: Option<Instant>,
}

impl<R: Runtime> Courier<R> {
    fn new(node: Arc<Shared<R>>, addr: SocketAddr, inbox: Arc<Inbox<R>>) -> Self {
        Self {
            alarm: Alarm::new(node.runtime.clone(), node.clock),
            node,
            addr,
            inbox,
            staged: Vec::new(),
            link: Link::new(addr, LinkLimits::default()),
            connecting: None,
            stream: None,
            alone: FuturesUnordered::new(),
            rest: None,
        }
    }

    async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.take_staged(cx) {
            return Poll::Ready(());
        }
        for _ in 0..STEPS_A_TURN {
            let acted = self.act();
            let moved = self.poll_connecting(cx) | self.poll_stream(cx);
            self.deliver();
            let ended = self.poll_alone(cx);
            if acted || moved || ended {
                continue;
            }
            let deadline = self.deadline();
            if self.alarm.poll(cx, deadline).is_pending() {
                return Poll::Pending;
            }
            if self.rest.is_some() && self.try_end() {
                return Poll::Ready(());
            }
            self.link.handle_timeout(self.node.clock.mono());
            self.deliver();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes the parcels that have come in; says whether it is all over.
    fn take_staged(&mut self, cx: &Context<'_>) -> bool {
        {
            let mut staged = self.inbox.lock();
            if staged.closed {
                return true;
            }
            std::mem::swap(&mut self.staged, &mut staged.parcels);
            match &mut staged.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        if !self.staged.is_empty() {
            self.rest = None;
            let now = self.node.clock.mono();
            for (parcel, deadline) in self.staged.drain(..) {
                self.link.push(now, parcel, deadline);
            }
        }
        false
    }

    /// Does what the link asks for; says whether that was anything.
    fn act(&mut self) -> bool {
        let mut any = false;
        while let Some(action) = self.link.poll_action() {
            any = true;
            match action {
                Action::Connect => {
                    self.connecting = Some(Box::pin(self.node.runtime.connect(self.addr)));
                }
                Action::Close => {
                    self.connecting = None;
                    self.stream = None;
                }
                Action::Alone { parcel, deadline } => {
                    self.alone
                        .push(Box::pin(spread::send_alone(parcel, deadline)));
                }
            }
        }
        any
    }

    fn poll_connecting(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(connecting) = &mut self.connecting else {
            return false;
        };
        let Poll::Ready(result) = connecting.as_mut().poll(cx) else {
            return false;
        };
        self.connecting = None;
        let now = self.node.clock.mono();
        match result {
            Ok(stream) => {
                self.stream = Some(stream);
                self.link.handle_connected(now);
            }
            Err(error) => self.link.handle_failed(now, pool::failure(&error)),
        }
        true
    }

    /// Writes what there is to write, then reads once; says whether anything moved.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let clock = self.node.clock;
        let mut moved = false;
        while !self.link.write_buf().is_empty() {
            match stream.poll_write(cx, self.link.write_buf()) {
                Poll::Pending => break,
                Poll::Ready(Ok(n)) if n > 0 => {
                    moved = true;
                    self.link.handle_written(clock.mono(), n);
                }
                // What it answered before it hung up may still be read.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => break,
                Poll::Ready(_) => {
                    self.link.handle_read(clock.mono(), 0);
                    return true;
                }
            }
        }
        if self.link.rests() {
            match stream.poll_readable(cx) {
                Poll::Pending => return moved,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    self.link.handle_read(clock.mono(), 0);
                    return true;
                }
            }
        }
        let buffer = self.link.read_buf();
        if buffer.is_empty() {
            return moved;
        }
        match stream.poll_read(cx, buffer) {
            Poll::Pending => moved,
            Poll::Ready(read) => {
                self.link.handle_read(clock.mono(), read.unwrap_or(0));
                true
            }
        }
    }

    /// Tells the writes how their copies went, and the cluster once how the peer does.
    fn deliver(&mut self) {
        let mut news: Option<(NodeId, Outcome)> = None;
        let mut now = None;
        while let Some((parcel, result)) = self.link.poll_report() {
            let now = *now.get_or_insert_with(|| self.node.clock.mono());
            let outcome = match result {
                Ok(answered) => answered.rtt.map_or(Outcome::Alive, Outcome::Answered),
                Err(failure) => Outcome::Failed(failure),
            };
            if !matches!((&news, &outcome), (Some(_), Outcome::Alive)) {
                news = Some((parcel.peer.id, outcome));
            }
            parcel.report(now, result.map(|answered| answered.status));
        }
        if let Some((peer, outcome)) = news {
            self.node.membership.report(peer, outcome);
        }
    }

    fn poll_alone(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        while !self.alone.is_empty() && Pin::new(&mut self.alone).poll_next(cx).is_ready() {
            any = true;
        }
        any
    }

    fn deadline(&mut self) -> Option<Instant> {
        if !self.link.is_idle() || !self.alone.is_empty() {
            self.rest = None;
            return self.link.poll_timeout();
        }
        let now = || self.node.clock.mono();
        Some(*self.rest.get_or_insert_with(|| now() + REST))
    }

    /// Ends, unless something has come in.
    fn try_end(&mut self) -> bool {
        let mut held = self.node.couriers.lock();
        let mut staged = self.inbox.lock();
        if !staged.parcels.is_empty() {
            return false;
        }
        staged.closed = true;
        held.forget(self.addr);
        true
    }
}

impl<R: Runtime> Drop for Courier<R> {
    /// The runtime may have dropped it: nobody else would empty its inbox.
    fn drop(&mut self) {
        let mut held = self.node.couriers.lock();
        let own = |inbox: &Arc<Inbox<R>>| Arc::ptr_eq(inbox, &self.inbox);
        if held.inboxes.get(&self.addr).is_some_and(own) {
            held.forget(self.addr);
        }
        drop(held);
        self.inbox.close();
    }
}
