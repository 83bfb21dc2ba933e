//! How many connections a node holds, in all and of one source, and which goes when one too many comes.

use crate::signal::Signal;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use zerocache_proto::Instant;

const BUSY: u64 = 0;

/// The bounds on inbound connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The most connections at once.
    pub connections: usize,
    /// The most connections at once from one source address.
    pub per_source: usize,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            connections: 4096,
            per_source: 256,
        }
    }
}

/// The connections a node holds.
#[derive(Debug)]
pub(crate) struct Door {
    bounds: Admission,
    held: Mutex<Held>,
    /// Whether the listener is open.
    listening: AtomicBool,
    emptied: Signal,
}

/// Says that the listener is open, until dropped.
#[derive(Debug)]
pub(crate) struct Listening(Arc<Door>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.listening.store(false, Ordering::Release);
        self.0.emptied.notify();
    }
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    tickets: BTreeMap<u64, (IpAddr, Arc<Mark>)>,
    by_source: HashMap<IpAddr, usize>,
    /// Requests of the connections that are gone.
    requests: u64,
}

/// What the door sees of a connection: what it did, since when it is idle, and how to tell it to go.
///
/// The connection alone writes the numbers, so that a turn costs it two plain stores.
#[derive(Debug, Default)]
struct Mark {
    /// Nanoseconds of the monotonic clock, or [`BUSY`].
    idle_since: AtomicU64,
    requests: AtomicU64,
    leaving: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// A connection's place; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Ticket {
    door: Arc<Door>,
    number: u64,
    mark: Arc<Mark>,
    /// What the mark wakes.
    waker: Option<Waker>,
}

impl Door {
    pub(crate) fn new(bounds: Admission) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            held: Mutex::default(),
            listening: AtomicBool::new(false),
            emptied: Signal::default(),
        })
    }

    /// A place for one more connection from `source`. Where there is none, the connection longest idle
    /// is told to go and its place is taken; `None` if every one is busy.
    pub(crate) fn admit(self: &Arc<Self>, source: IpAddr) -> Option<Ticket> {
        let mut held = self.lock();
        let of_source = held.by_source.get(&source).copied().unwrap_or(0);
        if of_source >= self.bounds.per_source {
            held.oldest_idle(Some(source))?.go();
        } else if held.tickets.len() >= self.bounds.connections {
            held.oldest_idle(None)?.go();
        }
        let number = held.next;
        held.next = held.next.wrapping_add(1);
        let mark = Arc::<Mark>::default();
        held.tickets.insert(number, (source, mark.clone()));
        *held.by_source.entry(source).or_insert(0) += 1;
        drop(held);
        Some(Ticket {
            door: self.clone(),
            number,
            mark,
            waker: None,
        })
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> u64 {
        let held = self.lock();
        let of = |(_, mark): &(IpAddr, Arc<Mark>)| mark.requests.load(Ordering::Relaxed);
        held.tickets.values().map(of).sum::<u64>() + held.requests
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().tickets.len()
    }

    /// The bounds.
    pub(crate) const fn bounds(&self) -> Admission {
        self.bounds
    }

    /// To be held by whoever accepts, beside the listener and dropped after it.
    pub(crate) fn listen(self: &Arc<Self>) -> Listening {
        self.listening.store(true, Ordering::Release);
        Listening(self.clone())
    }

    /// Ready once there is neither a listener nor a connection.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let closed = || !self.listening.load(Ordering::Acquire) && self.len() == 0;
        self.emptied.poll(cx, || closed().then_some(()))
    }

    /// Wakes every connection, to see that the node is stopping.
    pub(crate) fn wake_all(&self) {
        let held = self.lock();
        held.tickets.values().for_each(|(_, mark)| mark.wake());
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn oldest_idle(&self, source: Option<IpAddr>) -> Option<Arc<Mark>> {
        self.tickets
            .values()
            .filter(|(from, _)| source.is_none_or(|source| source == *from))
            .filter(|(_, mark)| !mark.leaving.load(Ordering::Relaxed))
            .map(|(_, mark)| (mark.idle_since.load(Ordering::Relaxed), mark))
            .filter(|(since, _)| *since != BUSY)
            .min_by_key(|(since, _)| *since)
            .map(|(_, mark)| mark.clone())
    }
}

impl Mark {
    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The waker stays: a connection woken to go may have to be woken again, to end.
    fn wake(&self) {
        let waker = self.waker().clone();
        waker.into_iter().for_each(Waker::wake);
    }

    fn go(&self) {
        self.leaving.store(true, Ordering::Release);
        self.wake();
    }
}

impl Ticket {
    /// The task to wake when the connection has to go. To be said before looking whether it has to.
    pub(crate) fn register(&mut self, waker: &Waker) {
        if !self
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            self.waker = Some(waker.clone());
            *self.mark.waker() = Some(waker.clone());
        }
    }

    /// Counts requests.
    pub(crate) fn count(&self, requests: u64) {
        let before = self.mark.requests.load(Ordering::Relaxed);
        let now = before.wrapping_add(requests);
        self.mark.requests.store(now, Ordering::Relaxed);
    }

    /// Says since when the connection is idle; `None` if it has work.
    pub(crate) fn set_idle(&self, since: Option<Instant>) {
        let since = since.map_or(BUSY, |since| since.as_nanos().max(1));
        self.mark.idle_since.store(since, Ordering::Relaxed);
    }

    /// Whether the connection was told to go. It stays told, whatever it does next.
    pub(crate) fn must_go(&self) -> bool {
        self.mark.leaving.load(Ordering::Acquire)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut held = self.door.lock();
        let Some((source, _)) = held.tickets.remove(&self.number) else {
            return;
        };
        if let Some(count) = held.by_source.get_mut(&source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                held.by_source.remove(&source);
            }
        }
        held.requests += self.mark.requests.load(Ordering::Relaxed);
        let empty = held.tickets.is_empty();
        drop(held);
        if empty {
            self.door.emptied.notify();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn the_longest_idle_makes_place() {
        let door = Door::new(Admission {
            connections: 2,
            per_source: 2,
        });
        let a = door.admit(source(1)).unwrap();
        let b = door.admit(source(2)).unwrap();
        a.set_idle(Some(Instant::from_millis(20)));
        b.set_idle(Some(Instant::from_millis(10)));
        let c = door.admit(source(3)).unwrap();
        assert!(b.must_go() && !a.must_go() && !c.must_go());
        // It stays told, whatever it does next.
        b.set_idle(None);
        assert!(b.must_go());
    }

    #[test]
    fn where_all_are_busy_there_is_no_place() {
        let door = Door::new(Admission {
            connections: 1,
            per_source: 1,
        });
        let a = door.admit(source(1)).unwrap();
        assert!(door.admit(source(2)).is_none());
        drop(a);
        assert!(door.admit(source(2)).is_some());
    }

    #[test]
    fn one_source_can_not_take_every_place() {
        let door = Door::new(Admission {
            connections: 10,
            per_source: 1,
        });
        let a = door.admit(source(1)).unwrap();
        let other = door.admit(source(2)).unwrap();
        other.set_idle(Some(Instant::from_millis(1)));
        assert!(
            door.admit(source(1)).is_none(),
            "only a connection of its own may make place"
        );
        a.set_idle(Some(Instant::from_millis(2)));
        let _instead = door.admit(source(1)).unwrap();
        assert!(a.must_go() && !other.must_go());
        assert_eq!(
            door.len(),
            3,
            "the one told to go is counted until it has gone"
        );
    }

    #[test]
    fn requests_are_counted_beyond_their_connection() {
        let door = Door::new(Admission::default());
        let admit = || door.admit(source(1)).unwrap();
        let (a, b) = (admit(), admit());
        a.count(2);
        a.count(3);
        drop(a);
        b.count(4);
        assert_eq!(door.requests(), 9);
    }

    #[test]
    fn a_connection_can_be_woken_more_than_once() {
        #[derive(Default)]
        struct Woken(AtomicU64);
        impl std::task::Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let door = Door::new(Admission::default());
        let mut ticket = door.admit(source(1)).unwrap();
        let woken = Arc::<Woken>::default();
        ticket.register(&woken.clone().into());
        door.wake_all();
        ticket.register(&woken.clone().into());
        door.wake_all();
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
    }
}
