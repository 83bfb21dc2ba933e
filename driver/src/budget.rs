//! The memory all request bodies in flight may take together.

use crate::signal::Signal;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// A bound on bytes that many connections share.
///
/// Beyond it only the body begun first goes on: else many half-read bodies could fill it, and none
/// would ever be done. So the bound is exceeded by one body at most.
#[derive(Debug)]
pub(crate) struct Budget {
    bound: usize,
    held: Mutex<Held>,
    freed: Signal,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    /// The bodies in flight by the order they began in.
    bodies: BTreeSet<u64>,
    next: u64,
}

/// What one connection holds of the budget; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
    /// The number of the body in flight, if there is one.
    body: Option<u64>,
}

impl Budget {
    pub(crate) fn new(bound: usize) -> Arc<Self> {
        Arc::new(Self {
            bound,
            held: Mutex::default(),
            freed: Signal::default(),
        })
    }

    /// A share of nothing yet.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share {
            budget: self.clone(),
            bytes: 0,
            body: None,
        }
    }

    /// Bytes that all hold together.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Sets what the connection holds now; nothing means that no body is in flight.
    #[inline]
    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes != self.bytes || (bytes == 0 && self.body.is_some()) {
            self.change(bytes);
        }
    }

    fn change(&mut self, bytes: usize) {
        let mut held = self.budget.lock();
        held.bytes = held.bytes.saturating_sub(self.bytes).saturating_add(bytes);
        if bytes == 0 {
            self.body.take().map(|body| held.bodies.remove(&body));
        }
        drop(held);
        if bytes < self.bytes || bytes == 0 {
            self.budget.freed.notify();
        }
        self.bytes = bytes;
    }

    /// Ready if the body in flight may take `wanted` bytes more, which are then counted as held until
    /// [`set`](Self::set) tells better; else the task is woken when some are freed.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<()> {
        let budget = self.budget.clone();
        budget.freed.poll(cx, || {
            let mut held = budget.lock();
            let body = *self.body.get_or_insert_with(|| {
                held.next += 1;
                held.next
            });
            held.bodies.insert(body);
            let first = held.bodies.first() == Some(&body);
            let bytes = held.bytes.saturating_add(wanted);
            if !first && bytes > budget.bound {
                return None;
            }
            held.bytes = bytes;
            self.bytes = self.bytes.saturating_add(wanted);
            Some(())
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn beyond_the_bound_only_the_first_body_goes_on() {
        let mut cx = Context::from_waker(Waker::noop());
        let budget = Budget::new(100);
        let (mut a, mut b, mut c) = (budget.share(), budget.share(), budget.share());
        for share in [&mut a, &mut b] {
            assert!(share.poll_room(&mut cx, 50).is_ready());
            share.set(50);
        }
        assert!(c.poll_room(&mut cx, 1).is_pending());
        assert!(b.poll_room(&mut cx, 1).is_pending());
        assert!(a.poll_room(&mut cx, 1000).is_ready(), "begun first");
        assert_eq!(budget.bytes(), 1100, "what may be taken counts as taken");
        a.set(0);
        assert!(b.poll_room(&mut cx, 1000).is_ready(), "now it is the first");
        b.set(50);
        assert!(c.poll_room(&mut cx, 50).is_ready() && c.poll_room(&mut cx, 1).is_pending());
        drop((a, b, c));
        let held = budget.lock();
        assert_eq!((held.bytes, held.bodies.len()), (0, 0));
    }
}
