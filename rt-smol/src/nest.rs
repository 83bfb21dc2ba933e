//! A nest: an epoll instance of a node's own. Its connections are registered there once, for every event
//! to come, and with async-io only the nest is.
//!
//! ```text
//!   listener   ──┐  each edge                  readable, once
//!   connection ──┼───────────▶ the nest's epoll ───────────▶ async-io
//!   connection ──┘                                              │ wakes
//!        ▲                                                      ▼
//!        └───────────── wakes whom the edges are for ── the nest's task
//! ```
//!
//! async-io asks the kernel anew for each event of each socket, and a wait of its is five system calls.
//! So they come on a nestful of requests; and as long as a look finds any events, the task looks again
//! after what it woke has run, and async-io is not asked at all.
//!
//! An edge is told once: it is kept in the source's [`Side`] until somebody asks for it. Who asks takes it
//! *before* reading, so that an edge which comes after the read is there for the next to ask. It may be
//! of bytes that have been read since, and a read then finds nothing; no more comes of that.

use async_io::Async;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use slab::Slab;
use std::future::{Future, poll_fn};
use std::io;
use std::mem::{MaybeUninit, take};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Events taken at one look.
const A_LOOK: usize = 256;
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// What a nest's sources and its task share.
#[derive(Debug)]
struct Nest {
    epoll: Async<OwnedFd>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    sources: Slab<Sides>,
    /// How many there have been.
    generation: u32,
    /// Woken when the last source leaves.
    task: Option<Waker>,
}

#[derive(Debug, Default)]
struct Sides {
    /// Its own, and not that of who had the place before: a late event of a closed socket is nobody's.
    generation: u32,
    read: Side,
    write: Side,
}

#[derive(Debug, Default)]
struct Side {
    /// There was an edge that nobody has asked for.
    ready: bool,
    /// There will be no more edges: the peer sends no more, or the connection is over.
    ended: bool,
    waker: Option<Waker>,
}

/// A socket's place in a nest, until it is dropped.
#[derive(Debug)]
pub(crate) struct Source {
    nest: Arc<Nest>,
    key: usize,
}

/// A nest with its first socket. The future wakes those who wait for it and for those
/// [put beside it](Source::beside), and ends when they are all gone.
///
/// # Errors
/// What the system says where it has no room for one more.
pub(crate) fn nest(
    socket: &impl AsFd,
) -> io::Result<(Source, impl Future<Output = ()> + Send + 'static)> {
    let epoll = Async::new_nonblocking(epoll::create(CreateFlags::CLOEXEC)?)?;
    let table = Mutex::default();
    let nest = Arc::new(Nest { epoll, table });
    let source = nest.add(socket)?;
    let mut wakers = Vec::with_capacity(A_LOOK);
    let task = poll_fn(move |cx| {
        loop {
            if nest.look(&mut wakers) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if nest.is_empty(cx) {
                return Poll::Ready(());
            }
            match nest.epoll.poll_readable(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    Ok((source, task))
}

impl Nest {
    fn add(self: &Arc<Self>, socket: &impl AsFd) -> io::Result<Source> {
        let mut table = self.table();
        table.generation = table.generation.wrapping_add(1);
        let generation = table.generation;
        let key = table.sources.insert(Sides {
            generation,
            ..Sides::default()
        });
        drop(table);
        let nest = self.clone();
        // Leaves again if the system has no room for it.
        let source = Source { nest, key };
        let edges = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, socket, token(generation, key), edges)?;
        Ok(source)
    }

    /// Wakes those for whom there are events; says whether to look again once they have run.
    fn look(&self, wakers: &mut Vec<Waker>) -> bool {
        let mut room = [MaybeUninit::uninit(); A_LOOK];
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut room, Some(&AT_ONCE)) else {
            // A signal came.
            return true;
        };
        self.table().note(events, wakers);
        wakers.drain(..).for_each(Waker::wake);
        !events.is_empty()
    }

    fn is_empty(&self, cx: &Context<'_>) -> bool {
        let mut table = self.table();
        let old = replace(&mut table.task, cx);
        let empty = table.sources.is_empty();
        drop(table);
        drop(old);
        empty
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Keeps events for their sources; `wakers` are of those who wait for them.
    fn note(&mut self, events: &[Event], wakers: &mut Vec<Waker>) {
        for event in events {
            let (flags, told) = (event.flags, event.data);
            let key = told.u64() as u32 as usize;
            let Some(sides) = self.sources.get_mut(key) else {
                continue;
            };
            if token(sides.generation, key) != told {
                continue;
            }
            let has = |any| flags.intersects(any);
            let over = has(EventFlags::HUP);
            let ended = over || has(EventFlags::RDHUP);
            let read = ended || has(EventFlags::IN | EventFlags::ERR);
            let write = over || has(EventFlags::OUT | EventFlags::ERR);
            wakers.extend(sides.read.note(read, ended));
            wakers.extend(sides.write.note(write, over));
        }
    }
}

impl Side {
    fn note(&mut self, ready: bool, ended: bool) -> Option<Waker> {
        self.ready |= ready;
        self.ended |= ended;
        if ready { self.waker.take() } else { None }
    }
}

impl Source {
    /// Puts another socket into the same nest.
    ///
    /// # Errors
    /// What the system says where it has no room for one more.
    pub(crate) fn beside(&self, socket: &impl AsFd) -> io::Result<Self> {
        self.nest.add(socket)
    }

    /// Ready if there may be something to read or accept since this last was.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |sides| &mut sides.read)
    }

    /// Ready if there may be room to write since this last was.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |sides| &mut sides.write)
    }

    fn poll(
        &self,
        cx: &mut Context<'_>,
        side: impl FnOnce(&mut Sides) -> &mut Side,
    ) -> Poll<io::Result<()>> {
        let mut table = self.nest.table();
        let Some(side) = table.sources.get_mut(self.key).map(side) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if take(&mut side.ready) || side.ended {
            return Poll::Ready(Ok(()));
        }
        let old = replace(&mut side.waker, cx);
        drop(table);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Source {
    /// The kernel forgets a socket that is closed.
    fn drop(&mut self) {
        let mut table = self.nest.table();
        let gone = table.sources.try_remove(self.key);
        let task = if table.sources.is_empty() {
            table.task.take()
        } else {
            None
        };
        drop(table);
        drop(gone);
        task.into_iter().for_each(Waker::wake);
    }
}

/// What the kernel gives back with each event.
fn token(generation: u32, key: usize) -> EventData {
    EventData::new_u64(u64::from(generation) << 32 | key as u64)
}

/// Sets `waker` to the one of `cx`. What it was is not to be dropped under the lock: a task may go with it.
fn replace(waker: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match waker {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => waker.replace(cx.waker().clone()),
    }
}

#[cfg(test)]
mod tests;
