//! The memory all request bodies in flight may take together.

use crate::signal::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// A bound on bytes that many connections share.
#[derive(Debug)]
pub(crate) struct Budget {
    bound: usize,
    used: AtomicUsize,
    freed: Signal,
}

/// What one connection holds of the budget; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    held: usize,
}

impl Budget {
    pub(crate) fn new(bound: usize) -> Arc<Self> {
        Arc::new(Self {
            bound,
            used: AtomicUsize::new(0),
            freed: Signal::default(),
        })
    }

    /// Bytes held at present.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// A share of nothing yet.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share {
            budget: self.clone(),
            held: 0,
        }
    }

    /// Whether there is room; a lone holder always has it, or a bound below one body would stop it.
    fn has_room(&self, held: usize) -> bool {
        let used = self.used();
        used < self.bound || used == held
    }
}

impl Share {
    /// Sets what the connection holds now.
    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes > self.held {
            self.budget
                .used
                .fetch_add(bytes - self.held, Ordering::Relaxed);
        } else if bytes < self.held {
            self.budget
                .used
                .fetch_sub(self.held - bytes, Ordering::Relaxed);
            self.budget.freed.notify();
        }
        self.held = bytes;
    }

    /// Ready while the budget has room for more; else the task is woken when some is freed.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.budget
            .freed
            .poll(cx, || self.budget.has_room(self.held).then_some(()))
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
    fn a_full_budget_holds_the_others_back_until_some_is_freed() {
        let mut cx = Context::from_waker(Waker::noop());
        let budget = Budget::new(100);
        let (mut a, b) = (budget.share(), budget.share());
        assert!(b.poll_room(&mut cx).is_ready());
        a.set(150);
        assert!(b.poll_room(&mut cx).is_pending());
        assert!(a.poll_room(&mut cx).is_ready(), "the lone holder goes on");
        a.set(20);
        assert!(b.poll_room(&mut cx).is_ready());
        drop(a);
        assert_eq!(budget.used(), 0);
    }
}
