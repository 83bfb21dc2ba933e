//! A condition to wait for, without a runtime.

use crate::sync::{Mutex, PoisonError};
use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};

/// Wakes every waiting task when something they wait for may have changed.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    waiting: Mutex<Vec<Waker>>,
}

impl Signal {
    /// Wakes all that wait, to look again.
    pub(crate) fn notify(&self) {
        let waiting = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ready with what `look` finds; else the task is woken by the next [`Signal::notify`].
    pub(crate) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        mut look: impl FnMut() -> Option<T>,
    ) -> Poll<T> {
        if let Some(found) = look() {
            return Poll::Ready(found);
        }
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
        }
        // It may have come between the look and the wait.
        look().map_or(Poll::Pending, Poll::Ready)
    }

    /// Waits until `look` finds something.
    pub(crate) fn wait<T>(&self, mut look: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
        poll_fn(move |cx| self.poll(cx, &mut look))
    }
}
