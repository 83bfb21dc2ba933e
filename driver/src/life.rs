//! Where a node is in its life, and how the tasks learn of it.

use crate::signal::Signal;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

/// A node's life, as its tasks see it. It only goes forward.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Stage {
    /// It serves.
    Running,
    /// It has begun to say goodbye, and still answers.
    Leaving,
    /// No more connections are taken; open ones finish their request.
    Closing,
    /// Everything ends at once.
    Ended,
}

#[derive(Debug, Default)]
pub(crate) struct Life {
    stage: AtomicU8,
    changed: Signal,
}

impl Life {
    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Running,
            1 => Stage::Leaving,
            2 => Stage::Closing,
            _ => Stage::Ended,
        }
    }

    /// Goes on to `stage`, if it is not past it already.
    pub(crate) fn advance(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
        self.changed.notify();
    }

    /// Ready once `stage` has been reached.
    pub(crate) fn poll(&self, cx: &mut Context<'_>, stage: Stage) -> Poll<()> {
        self.changed
            .poll(cx, || (self.stage() >= stage).then_some(()))
    }
}
