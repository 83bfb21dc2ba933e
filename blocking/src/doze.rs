//! How a thread falls asleep without missing that there is something to do.

use crate::sync::atomic::{AtomicBool, Ordering::AcqRel};

/// A thread that sleeps when there is nothing to do, and those that have something for it.
///
/// Each side says its word first, and then looks what the other one said: at least one of them sees it.
/// All of it is swaps: each sees the one before it, and with it what its thread had said until then.
#[derive(Debug, Default)]
pub(crate) struct Doze {
    /// There is something to do before it sleeps.
    notified: AtomicBool,
    /// It sleeps, or is about to.
    asleep: AtomicBool,
}

impl Doze {
    /// There is something to do. Says whether the thread has to be woken for it.
    pub(crate) fn notify(&self) -> bool {
        self.notified.swap(true, AcqRel);
        self.asleep.swap(false, AcqRel)
    }

    /// The thread has done all there was. Says whether it may sleep; else it is to look once more.
    pub(crate) fn begin(&self) -> bool {
        self.asleep.swap(true, AcqRel);
        !self.notified.swap(false, AcqRel)
    }

    /// It is awake.
    pub(crate) fn end(&self) {
        self.asleep.swap(false, AcqRel);
    }
}
