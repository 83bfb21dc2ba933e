//! The memory all request bodies in flight may take together.

use crate::sync::{Mutex, MutexGuard, PoisonError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A bound on bytes that many connections share.
///
/// Beyond it only the body begun first goes on: else many half-read bodies could fill it, and none
/// would ever be done. So the bound is exceeded by one body at most. Bodies that wait go on in the
/// order they began in, as many as what was freed is enough for: each is given its bytes and woken once,
/// so that thousands that wait cost those that do not nothing.
#[derive(Debug)]
pub(crate) struct Budget {
    bound: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    /// The bodies in flight by the order they began in, and of these:
    bodies: BTreeSet<u64>,
    /// those that wait for room,
    waiting: BTreeMap<u64, Waiting>,
    /// and those that have it, and do not know yet.
    granted: BTreeMap<u64, usize>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    wanted: usize,
    waker: Waker,
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

impl Held {
    /// Whether `body` may take `wanted` bytes more, which then count.
    fn take(&mut self, bound: usize, body: u64, wanted: usize) -> bool {
        let bytes = self.bytes.saturating_add(wanted);
        let fits = bytes <= bound || self.bodies.first() == Some(&body);
        if fits {
            self.bytes = bytes;
        }
        fits
    }

    fn give_back(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Gives room to those that wait, in their order, as far as there is any; whom to wake.
    fn grant(&mut self, bound: usize) -> Vec<Waker> {
        let mut woken = Vec::new();
        while let Some((body, waiting)) = self.waiting.pop_first() {
            if !self.take(bound, body, waiting.wanted) {
                self.waiting.insert(body, waiting);
                break;
            }
            self.granted.insert(body, waiting.wanted);
            woken.push(waiting.waker);
        }
        woken
    }
}

impl Share {
    /// Sets what the body in flight holds now; `None` if none is.
    #[inline]
    pub(crate) fn set(&mut self, bytes: Option<usize>) {
        if bytes.unwrap_or(0) != self.bytes || (bytes.is_none() && self.body.is_some()) {
            self.change(bytes);
        }
    }

    fn change(&mut self, bytes: Option<usize>) {
        let mut held = self.budget.lock();
        held.give_back(self.bytes);
        self.bytes = bytes.unwrap_or(0);
        held.bytes = held.bytes.saturating_add(self.bytes);
        if let (None, Some(body)) = (bytes, self.body) {
            self.body = None;
            held.bodies.remove(&body);
            held.waiting.remove(&body);
            let granted = held.granted.remove(&body).unwrap_or(0);
            held.give_back(granted);
        }
        let woken = held.grant(self.budget.bound);
        drop(held);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Ready if the body in flight may take `wanted` bytes more, which are then counted as held until
    /// [`set`](Self::set) tells better; else the task is woken once it may.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<()> {
        let mut held = self.budget.lock();
        let body = *self.body.get_or_insert_with(|| {
            held.next += 1;
            held.next
        });
        held.bodies.insert(body);
        let granted = held.granted.remove(&body).unwrap_or(0);
        self.bytes = self.bytes.saturating_add(granted);
        let wanted = wanted.saturating_sub(granted);
        if held.take(self.budget.bound, body, wanted) {
            held.waiting.remove(&body);
            self.bytes = self.bytes.saturating_add(wanted);
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        held.waiting.insert(body, Waiting { wanted, waker });
        Poll::Pending
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(None);
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
