//! Readiness of sockets, told to whoever waits, on whatever thread.
//!
//! The system reports a socket once when it becomes ready (edge-triggered). Each [`Side`] counts the
//! reports: a task tries the socket, and sleeps only if no report came since before it tried.

use crate::doze::Doze;
use crate::timers::Timers;
use mio::event::Source;
use mio::{Events, Interest, Poll, Registry, Token};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Context, Wake, Waker};
use std::time::Instant;

const WAKE: Token = Token(usize::MAX);
/// Reports taken from the system at once.
const EVENTS: usize = 256;

/// What threads and sockets share.
pub(crate) struct Reactor {
    registry: Registry,
    waker: mio::Waker,
    /// Of the background thread.
    doze: Doze,
    sources: Mutex<Sources>,
    timers: Mutex<Timers>,
}

#[derive(Default)]
struct Sources {
    map: BTreeMap<usize, Arc<Ready>>,
    next: usize,
}

/// Both directions of a socket.
#[derive(Default)]
pub(crate) struct Ready {
    pub(crate) read: Side,
    pub(crate) write: Side,
}

/// One direction of a socket.
#[derive(Default)]
pub(crate) struct Side(Mutex<Reports>);

#[derive(Default)]
struct Reports {
    count: u64,
    /// The count when the socket was last found to be not ready, plus one.
    exhausted: u64,
    waiting: Option<Waker>,
}

impl Side {
    /// Performs `io` unless it is known to block; the task is woken once it may not any more.
    pub(crate) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        mut io: impl FnMut() -> io::Result<T>,
    ) -> task::Poll<io::Result<T>> {
        loop {
            let before = {
                let mut reports = lock(&self.0);
                if reports.exhausted == reports.count + 1 {
                    let before = reports.waiting.replace(cx.waker().clone());
                    // Not under the lock: what goes with it may be sockets.
                    drop(reports);
                    drop(before);
                    return task::Poll::Pending;
                }
                reports.count
            };
            match io() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    lock(&self.0).exhausted = before + 1;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return task::Poll::Ready(result),
            }
        }
    }

    fn report(&self) {
        let waiting = {
            let mut reports = lock(&self.0);
            reports.count += 1;
            reports.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl Reactor {
    pub(crate) fn new(poll: &Poll) -> io::Result<Self> {
        Ok(Self {
            registry: poll.registry().try_clone()?,
            waker: mio::Waker::new(poll.registry(), WAKE)?,
            doze: Doze::default(),
            sources: Mutex::default(),
            timers: Mutex::default(),
        })
    }

    pub(crate) fn timers(&self) -> MutexGuard<'_, Timers> {
        lock(&self.timers)
    }

    /// Has the background thread look again, now or before it next sleeps.
    pub(crate) fn notify(&self) {
        if self.doze.notify() {
            // It fails only if the system has no memory left; the next time-out makes up for it.
            if let Err(error) = self.waker.wake() {
                tracing::warn!(%error, "the background thread can not be woken");
            }
        }
    }

    /// Room for what [`Reactor::turn`] is told.
    pub(crate) fn events() -> Events {
        Events::with_capacity(EVENTS)
    }

    /// Sleeps until there is something to do, and wakes who waits for it.
    pub(crate) fn turn(&self, poll: &mut Poll, events: &mut Events) -> io::Result<()> {
        let next = self.timers().next();
        let now = Instant::now();
        let mut timeout = next.map(|at| at.saturating_duration_since(now));
        if !self.doze.begin() {
            timeout = Some(std::time::Duration::ZERO);
        }
        let polled = poll.poll(events, timeout);
        self.doze.end();
        match polled {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in &*events {
            let ready = lock(&self.sources).map.get(&event.token().0).cloned();
            let Some(ready) = ready else { continue };
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                ready.read.report();
            }
            if event.is_writable() || event.is_write_closed() || event.is_error() {
                ready.write.report();
            }
        }
        let mut due = Vec::new();
        self.timers().expire(Instant::now(), &mut due);
        due.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

impl Wake for Reactor {
    fn wake(self: Arc<Self>) {
        self.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notify();
    }
}

/// A socket the reactor watches, until it is dropped.
pub(crate) struct Watched<S: Source> {
    pub(crate) io: S,
    pub(crate) ready: Arc<Ready>,
    reactor: Arc<Reactor>,
    token: usize,
}

impl<S: Source> Watched<S> {
    pub(crate) fn new(reactor: &Arc<Reactor>, mut io: S, interest: Interest) -> io::Result<Self> {
        let ready = Arc::new(Ready::default());
        let token = {
            let mut sources = lock(&reactor.sources);
            let token = sources.next;
            sources.next += 1;
            sources.map.insert(token, ready.clone());
            token
        };
        if let Err(error) = reactor.registry.register(&mut io, Token(token), interest) {
            lock(&reactor.sources).map.remove(&token);
            return Err(error);
        }
        Ok(Self {
            io,
            ready,
            reactor: reactor.clone(),
            token,
        })
    }
}

impl<S: Source> Drop for Watched<S> {
    fn drop(&mut self) {
        lock(&self.reactor.sources).map.remove(&self.token);
        // It fails where there is nothing left to undo.
        let _ = self.reactor.registry.deregister(&mut self.io);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
