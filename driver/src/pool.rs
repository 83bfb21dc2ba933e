//! Outbound connections, kept alive between exchanges.

use crate::alarm::Alarm;
use crate::clock::Clock;
use crate::runtime::Runtime;
use futures_channel::oneshot;
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use zerocache_proto::http::{ClientConn, ClientLimits, Outgoing, Response};
use zerocache_proto::op::{self, Phase};
use zerocache_proto::{Duration, Failure, Instant};

/// The most idle connections kept to one address.
const IDLE_PER_HOST: usize = 32;
/// An idle connection is dropped well before a peer's own limit (60 s) would drop it under a request.
const IDLE_FOR: Duration = Duration::from_secs(45);
/// The most addresses remembered; beyond it those with nothing going on are forgotten.
const HOSTS: usize = 2048;
/// The most exchanges that wait for their turn at one address.
const WAITING_PER_HOST: usize = 1024;

/// What one exchange gave.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// From the first byte written to the whole answer, connecting not counted.
    pub(crate) rtt: Duration,
}

/// Why an exchange gave no answer, and how far it had come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) failure: Failure,
    pub(crate) phase: Phase,
}

/// The connections of one node or client. Cheap to clone.
pub(crate) struct Pool<R: Runtime> {
    shared: Arc<Shared<R>>,
}

struct Shared<R: Runtime> {
    runtime: R,
    clock: Clock,
    limits: ClientLimits,
    hosts: Mutex<BTreeMap<SocketAddr, Host<R>>>,
}

struct Host<R: Runtime> {
    idle: Vec<Idle<R>>,
    active: usize,
    waiting: VecDeque<oneshot::Sender<Slot<R>>>,
}

struct Idle<R: Runtime> {
    stream: R::Stream,
    conn: ClientConn,
    since: Instant,
}

impl<R: Runtime> Clone for Pool<R> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<R: Runtime> Pool<R> {
    pub(crate) fn new(runtime: R, clock: Clock, limits: ClientLimits) -> Self {
        let hosts = Mutex::new(BTreeMap::new());
        Self {
            shared: Arc::new(Shared {
                runtime,
                clock,
                limits,
                hosts,
            }),
        }
    }

    /// A timer of the pool's runtime.
    pub(crate) fn alarm(&self) -> Alarm<R> {
        Alarm::new(self.shared.runtime.clone(), self.shared.clock)
    }

    /// Sends `request` to `addr` and waits for the answer until `deadline`, with at most `at_once`
    /// exchanges under way to that address. Dropping the future gives the exchange up and closes its
    /// connection, so a half-read answer can never be taken for the next one's.
    pub(crate) async fn exchange(
        &self,
        addr: SocketAddr,
        request: Outgoing,
        deadline: Instant,
        at_once: usize,
    ) -> Result<Answer, Lost> {
        self.run(addr, request, deadline, at_once, true).await
    }

    /// As [`exchange`](Self::exchange), but a connection that had to be made for it is closed after it.
    pub(crate) async fn exchange_in_passing(
        &self,
        addr: SocketAddr,
        request: Outgoing,
        deadline: Instant,
    ) -> Result<Answer, Lost> {
        self.run(addr, request, deadline, usize::MAX, false).await
    }

    async fn run(
        &self,
        addr: SocketAddr,
        request: Outgoing,
        deadline: Instant,
        at_once: usize,
        keeps: bool,
    ) -> Result<Answer, Lost> {
        let phase = Progress::default();
        let mut alarm = self.alarm();
        let begun_by = deadline.min(self.shared.clock.mono() + op::BEGUN_WITHIN);
        let mut work = pin!(self.attempt(addr, request, begun_by, at_once, keeps, &phase));
        poll_fn(|cx| {
            if let Poll::Ready(result) = work.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            let until = match phase.at() {
                Phase::Connect => begun_by,
                Phase::Write | Phase::Read => deadline,
            };
            alarm.poll(cx, Some(until)).map(|()| Err(Failure::TimedOut))
        })
        .await
        .map_err(|failure| Lost {
            failure,
            phase: phase.at(),
        })
    }

    /// Closes every idle connection that has been so for too long.
    pub(crate) fn sweep(&self) {
        let now = self.shared.clock.mono();
        let mut hosts = self.shared.lock();
        hosts.retain(|_, host| {
            host.idle
                .retain(|idle| now.saturating_since(idle.since) < IDLE_FOR);
            !host.is_unused()
        });
    }

    /// Closes every idle connection.
    pub(crate) fn close(&self) {
        self.shared
            .lock()
            .values_mut()
            .for_each(|host| host.idle.clear());
    }

    async fn attempt(
        &self,
        addr: SocketAddr,
        request: Outgoing,
        begun_by: Instant,
        at_once: usize,
        keeps: bool,
        phase: &Progress,
    ) -> Result<Answer, Failure> {
        let mut slot = Slot::take(&self.shared, addr, at_once).await?;
        let mut request = request;
        if let Some(idle) = slot.idle.take() {
            match self
                .talk(&mut slot, idle.stream, idle.conn, request, begun_by, phase)
                .await
            {
                // The peer closed it while it was idle; the request never got anywhere.
                Err(Broken {
                    unheard: Some(unheard),
                    ..
                }) => request = unheard,
                result => return result.map_err(|broken| broken.failure),
            }
        }
        phase.enter(Phase::Connect);
        let connecting = self.shared.runtime.connect(addr);
        let stream = connecting.await.map_err(|error| failure(&error))?;
        let conn = ClientConn::new(self.shared.limits);
        let result = self
            .talk(&mut slot, stream, conn, request, begun_by, phase)
            .await;
        if !keeps {
            slot.idle = None;
        }
        result.map_err(|broken| broken.failure)
    }

    /// One exchange on one connection, which goes back to the pool if it can be used again.
    async fn talk(
        &self,
        slot: &mut Slot<R>,
        mut stream: R::Stream,
        mut conn: ClientConn,
        request: Outgoing,
        begun_by: Instant,
        phase: &Progress,
    ) -> Result<Answer, Broken> {
        let clock = self.shared.clock;
        let begun = clock.mono();
        // Whoever slept meanwhile asks nothing that nobody waits for any more.
        if begun_by <= begun {
            return Err(Broken {
                failure: Failure::TimedOut,
                unheard: None,
            });
        }
        phase.enter(Phase::Write);
        conn.send(request);
        let mut answered = false;
        let result =
            poll_fn(|cx| poll_exchange(cx, clock, &mut stream, &mut conn, phase, &mut answered))
                .await;
        let now = clock.mono();
        let response = match result {
            Ok(response) => response,
            Err(failure) => {
                let closed = failure == Failure::Reset && !answered;
                let unheard = if closed { conn.into_request() } else { None };
                return Err(Broken { failure, unheard });
            }
        };
        if conn.is_reusable() {
            slot.idle = Some(Idle {
                stream,
                conn,
                since: now,
            });
        }
        Ok(Answer {
            response,
            rtt: now.saturating_since(begun),
        })
    }
}

/// How an exchange broke, and its request if the connection was closed before a byte of an answer.
struct Broken {
    failure: Failure,
    unheard: Option<Outgoing>,
}

fn poll_exchange<S: crate::runtime::Stream>(
    cx: &mut Context<'_>,
    clock: Clock,
    stream: &mut S,
    conn: &mut ClientConn,
    phase: &Progress,
    answered: &mut bool,
) -> Poll<Result<Response, Failure>> {
    loop {
        while !conn.write_buf().is_empty() {
            match stream.poll_write(cx, conn.write_buf()) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Failure::Reset)),
                Poll::Ready(Ok(n)) => conn.handle_written(clock.mono(), n),
                // It may have answered before it hung up (413): look for that first.
                Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                    return Poll::Ready(Err(failure(&error)));
                }
                Poll::Ready(Err(_)) => break,
            }
        }
        if conn.write_buf().is_empty() && phase.at() == Phase::Write {
            phase.enter(Phase::Read);
        }
        match stream.poll_read(cx, conn.read_buf()) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(n)) => {
                *answered |= n > 0;
                conn.handle_read(clock.mono(), n);
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(failure(&error))),
        }
        if let Some(result) = conn.poll_response() {
            return Poll::Ready(result.map_err(Failure::from));
        }
    }
}

impl<R: Runtime> Shared<R> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Host<R>>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Runtime> Host<R> {
    const fn new() -> Self {
        Self {
            idle: Vec::new(),
            active: 0,
            waiting: VecDeque::new(),
        }
    }

    /// The connection used last, if its peer will not have closed it yet.
    fn take_idle(&mut self, now: Instant) -> Option<Idle<R>> {
        let idle = self.idle.pop()?;
        (now.saturating_since(idle.since) < IDLE_FOR).then_some(idle)
    }

    fn keep(&mut self, idle: Option<Idle<R>>) {
        if self.idle.len() < IDLE_PER_HOST {
            self.idle.extend(idle);
        }
    }

    fn is_unused(&self) -> bool {
        self.idle.is_empty() && self.active == 0 && self.waiting.is_empty()
    }
}

/// One of the exchanges that may be under way to an address, with a connection if there is an idle one.
/// Dropped, it goes to the next that waits; so does one that was handed to a waiter who has meanwhile
/// given up.
struct Slot<R: Runtime> {
    shared: Arc<Shared<R>>,
    addr: SocketAddr,
    idle: Option<Idle<R>>,
    live: bool,
}

impl<R: Runtime> Slot<R> {
    async fn take(
        shared: &Arc<Shared<R>>,
        addr: SocketAddr,
        at_once: usize,
    ) -> Result<Self, Failure> {
        let now = shared.clock.mono();
        let turn = {
            let mut hosts = shared.lock();
            if hosts.len() >= HOSTS && !hosts.contains_key(&addr) {
                hosts.retain(|_, host| host.active > 0);
                if hosts.len() >= HOSTS {
                    return Err(Failure::Overloaded);
                }
            }
            let host = hosts.entry(addr).or_insert_with(Host::new);
            if host.active < at_once {
                host.active += 1;
                let idle = host.take_idle(now);
                return Ok(Self::new(shared, addr, idle));
            }
            if host.waiting.len() >= WAITING_PER_HOST {
                return Err(Failure::Overloaded);
            }
            let (next, turn) = oneshot::channel();
            host.waiting.push_back(next);
            turn
        };
        turn.await.map_err(|_| Failure::Overloaded)
    }

    fn new(shared: &Arc<Shared<R>>, addr: SocketAddr, idle: Option<Idle<R>>) -> Self {
        Self {
            shared: shared.clone(),
            addr,
            idle,
            live: true,
        }
    }
}

impl<R: Runtime> Drop for Slot<R> {
    fn drop(&mut self) {
        let now = if self.live {
            self.shared.clock.mono()
        } else {
            Instant::ORIGIN
        };
        while self.live {
            let (next, idle) = {
                let mut hosts = self.shared.lock();
                let Some(host) = hosts.get_mut(&self.addr) else {
                    return;
                };
                host.keep(self.idle.take());
                let Some(next) = host.waiting.pop_front() else {
                    host.active = host.active.saturating_sub(1);
                    return;
                };
                (next, host.take_idle(now))
            };
            match next.send(Self::new(&self.shared, self.addr, idle)) {
                Ok(()) => self.live = false,
                Err(mut refused) => {
                    refused.live = false;
                    self.idle = refused.idle.take();
                }
            }
        }
    }
}

/// Where an exchange is, kept outside its future so that a time-out can say it.
#[derive(Default)]
struct Progress(AtomicU8);

impl Progress {
    const PHASES: [Phase; 3] = [Phase::Connect, Phase::Write, Phase::Read];

    fn enter(&self, phase: Phase) {
        let at = Self::PHASES
            .iter()
            .position(|p| *p == phase)
            .unwrap_or_default();
        self.0
            .store(u8::try_from(at).unwrap_or_default(), Ordering::Relaxed);
    }

    fn at(&self) -> Phase {
        let at = usize::from(self.0.load(Ordering::Relaxed));
        Self::PHASES.get(at).copied().unwrap_or(Phase::Connect)
    }
}

/// What an error of a socket says of the peer.
pub(crate) fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::TimedOut => Failure::TimedOut,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::NetworkDown => Failure::Unreachable,
        _ => Failure::Reset,
    }
}
