//! The background task that runs the cluster machine, and what other tasks see of it.

use crate::alarm::Alarm;
use crate::clock::Clock;
use crate::links::{Change, Links};
use crate::pool::{Answer, Pool};
use crate::published::Published;
use crate::runtime::Runtime;
use crate::signal::Signal;
use futures_util::stream::{FuturesUnordered, Stream as _};
use futures_util::task::AtomicWaker;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use zerocache_proto::cluster::{
    Action, Cluster, Event, Outcome, Pong, View, members_body, members_request,
};
use zerocache_proto::{Duration, Failure, Instant, NodeId};

/// How often the machine's interfaces are looked at.
const INTERFACES_EVERY: Duration = Duration::from_secs(5);
/// The most datagrams taken in one turn, so that a flood starves nothing else of this task.
const DATAGRAMS_A_TURN: usize = 64;

/// The cluster machine behind its lock, and the view it has published. No read of a value takes
/// either: a write takes the view, once.
pub(crate) struct Membership {
    clock: Clock,
    cluster: Mutex<Cluster>,
    view: Published<Arc<View>>,
    /// Wakes the background task after another task has told the machine something.
    wake: AtomicWaker,
    shut: AtomicBool,
    ended: AtomicBool,
    /// The runtime has dropped the background task: it may be gone itself, with its timers.
    abandoned: AtomicBool,
    /// The view or the state of the machine has changed.
    pub(crate) changed: Signal,
}

impl Membership {
    pub(crate) fn new(clock: Clock, cluster: Cluster) -> Self {
        let view = cluster.view();
        Self {
            clock,
            cluster: Mutex::new(cluster),
            view: Published::new(view.generation, view),
            wake: AtomicWaker::new(),
            shut: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            changed: Signal::default(),
        }
    }

    /// The published view.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.value()
    }

    /// The generation of the published view.
    pub(crate) fn generation(&self) -> u64 {
        self.view.generation()
    }

    /// Tells the machine something, or asks it, at the present time.
    pub(crate) fn with<T>(&self, tell: impl FnOnce(&mut Cluster, Instant) -> T) -> T {
        let told = tell(&mut self.lock(), self.clock.mono());
        self.wake.wake();
        told
    }

    /// Tells the machine how a request to a peer went.
    pub(crate) fn report(&self, peer: NodeId, outcome: Outcome) {
        let now = self.clock.mono();
        if self.lock().handle_outcome(now, peer, outcome) {
            self.wake.wake();
        }
    }

    /// Looks at the machine and changes nothing.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Cluster) -> T) -> T {
        look(&self.lock())
    }

    /// Begins to say goodbye.
    pub(crate) fn leave(&self) {
        self.shut.store(true, Ordering::Release);
        self.with(Cluster::leave);
        self.changed.notify();
    }

    /// Nothing more will happen: the background task has ended, or its runtime dropped it.
    fn gone(&self) {
        self.abandoned.store(!self.is_over(), Ordering::Release);
        self.shut.store(true, Ordering::Release);
        self.ended.store(true, Ordering::Release);
        self.changed.notify();
    }

    /// Whether [`Membership::leave`] has been called, or the background task is gone.
    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Acquire)
    }

    /// Whether the background task was dropped before its time: the runtime's timers and sockets must
    /// not be touched again, they may panic.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Ends the background task at once, with no goodbye.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.wake.wake();
        self.changed.notify();
    }

    /// Whether the background task has ended, or is about to.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire) || self.look(Cluster::is_left)
    }

    fn lock(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Runtime> Drop for Task<R> {
    fn drop(&mut self) {
        self.membership.gone();
    }
}

type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What the machine had asked for and has been done.
enum Done {
    Pong(u64, Result<Pong, Failure>),
    Members(u64, Result<Answer, Failure>),
    Resolved(u64, Vec<SocketAddr>),
}

/// The background task itself.
pub(crate) struct Task<R: Runtime> {
    runtime: R,
    pool: Pool<R>,
    membership: Arc<Membership>,
    links: Option<Links<R>>,
    interfaces_at: Instant,
    interfaces: Alarm<R>,
    alarm: Alarm<R>,
    work: FuturesUnordered<Work>,
    /// What else has to know of the machine's events.
    observe: Box<dyn FnMut(&Event) + Send>,
}

impl<R: Runtime> Task<R> {
    pub(crate) fn new(
        runtime: R,
        pool: Pool<R>,
        membership: Arc<Membership>,
        links: Option<Links<R>>,
        observe: impl FnMut(&Event) + Send + 'static,
    ) -> Self {
        let clock = membership.clock;
        Self {
            interfaces_at: clock.mono(),
            interfaces: Alarm::new(runtime.clone(), clock),
            alarm: Alarm::new(runtime.clone(), clock),
            work: FuturesUnordered::new(),
            runtime,
            pool,
            membership,
            links,
            observe: Box::new(observe),
        }
    }

    /// Runs until the machine has left and said all its goodbyes.
    pub(crate) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.membership.wake.register(cx.waker());
        loop {
            let taken = self.poll_links(cx);
            let worked = self.poll_work(cx);
            let (acted, deadline) = self.turn();
            if self.membership.is_over() {
                return Poll::Ready(());
            }
            if taken >= DATAGRAMS_A_TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // New work has to be polled once before its wake-ups can be waited for.
            if taken == 0 && !worked && !acted && self.alarm.poll(cx, deadline).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Interfaces and datagrams in; returns how many datagrams there were.
    fn poll_links(&mut self, cx: &mut Context<'_>) -> usize {
        let Some(links) = &mut self.links else {
            return 0;
        };
        while self
            .interfaces
            .poll(cx, Some(self.interfaces_at))
            .is_ready()
        {
            self.interfaces_at = self.membership.clock.mono() + INTERFACES_EVERY;
            for change in links.refresh() {
                let now = self.membership.clock.mono();
                let mut cluster = self.membership.lock();
                match change {
                    Change::Up(interface) => cluster.handle_interface(now, interface),
                    Change::Down(index) => cluster.handle_interface_down(now, index),
                }
            }
        }
        let membership = &self.membership;
        links.poll_recv(cx, DATAGRAMS_A_TURN, |datagram| {
            membership
                .lock()
                .handle_datagram(membership.clock.mono(), datagram);
        })
    }

    /// Answers of peers in; says whether there were any.
    fn poll_work(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        while !self.work.is_empty() {
            let Poll::Ready(Some(done)) = Pin::new(&mut self.work).poll_next(cx) else {
                break;
            };
            any = true;
            let now = self.membership.clock.mono();
            let mut cluster = self.membership.lock();
            match done {
                Done::Pong(token, result) => cluster.handle_pong(now, token, result),
                Done::Members(token, result) => {
                    let body = result
                        .as_ref()
                        .map_err(|failure| *failure)
                        .and_then(|answer| {
                            members_body(answer.response.status, &answer.response.body)
                        });
                    cluster.handle_members(now, token, body);
                }
                Done::Resolved(token, addrs) => cluster.handle_resolved(now, token, &addrs),
            }
        }
        any
    }

    /// Timers in, actions and events out; says whether there were actions, and when the machine wants
    /// its next turn.
    fn turn(&mut self) -> (bool, Option<Instant>) {
        let mut actions = Vec::new();
        let mut events = Vec::new();
        let deadline = {
            let now = self.membership.clock.mono();
            let mut cluster = self.membership.lock();
            if cluster.poll_timeout().is_some_and(|at| at <= now) {
                cluster.handle_timeout(now);
            }
            actions.extend(std::iter::from_fn(|| cluster.poll_action()));
            events.extend(std::iter::from_fn(|| cluster.poll_event()));
            cluster.poll_timeout()
        };
        let acted = !actions.is_empty();
        for action in actions {
            self.act(action);
        }
        for event in events {
            self.publish(event);
        }
        (acted, deadline)
    }

    fn act(&mut self, action: Action) {
        let pool = self.pool.clone();
        match action {
            Action::Datagram(transmit) => {
                if let Some(links) = &self.links {
                    links.send(&transmit);
                }
            }
            Action::Ping {
                token,
                addr,
                deadline,
                hello,
                missing,
                lasting,
            } => self.work.push(Box::pin(async move {
                let request = Pong::request(addr, hello.as_deref(), &missing);
                let answer = match lasting {
                    true => pool.exchange(addr, request, deadline, usize::MAX).await,
                    false => pool.exchange_in_passing(addr, request, deadline).await,
                };
                let pong =
                    answer
                        .map_err(|lost| lost.failure)
                        .and_then(|Answer { response, rtt }| {
                            Pong::read(rtt, response.status, &response.body, response.node)
                        });
                Done::Pong(token, pong)
            })),
            Action::Members {
                token,
                addr,
                hello,
                deadline,
            } => self.work.push(Box::pin(async move {
                let request = members_request(addr, hello.as_deref());
                let answer = pool.exchange(addr, request, deadline, usize::MAX).await;
                Done::Members(token, answer.map_err(|lost| lost.failure))
            })),
            Action::Resolve { token, host, port } => {
                let found = self.runtime.resolve(host, port);
                self.work.push(Box::pin(async move {
                    Done::Resolved(token, found.await.unwrap_or_default())
                }));
            }
        }
    }

    fn publish(&mut self, event: Event) {
        (self.observe)(&event);
        match event {
            Event::ViewChanged(view) => {
                self.membership.view.publish(view.generation, view);
            }
            Event::PeerUp(peer) => {
                tracing::info!(peer = %peer.id, region = %peer.region, addr = %peer.addr, "peer up");
            }
            Event::PeerDown { peer, why } => {
                tracing::info!(peer = %peer.id, region = %peer.region, addr = %peer.addr, ?why, "peer down");
            }
            Event::PeerRecovered(peer) => {
                tracing::info!(peer = %peer.id, region = %peer.region, addr = %peer.addr, "peer answers again");
            }
            Event::Announced { id } => tracing::info!(%id, "announced"),
            Event::Renamed { old, new } => tracing::warn!(%old, %new, "id was taken; renamed"),
            Event::SeedUnusable(seed) => {
                tracing::warn!(%seed, "not one of ours, and no region is named for it: not used");
            }
            _ => {}
        }
        self.membership.changed.notify();
    }
}
