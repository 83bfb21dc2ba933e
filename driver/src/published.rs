//! What one task publishes and many see.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, PoisonError};

/// A value, and its generation, to see without the lock whether there is a new one.
#[derive(Debug)]
pub(crate) struct Published<T> {
    value: Mutex<T>,
    generation: AtomicU64,
}

impl<T: Clone> Published<T> {
    pub(crate) fn new(generation: u64, value: T) -> Self {
        Self {
            value: Mutex::new(value),
            generation: AtomicU64::new(generation),
        }
    }

    /// The value, at least as new as any [`Published::generation`] seen before.
    pub(crate) fn value(&self) -> T {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        value.clone()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Publishes a newer value. The generation comes last: who sees it finds the value.
    pub(crate) fn publish(&self, generation: u64, value: T) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = value;
        self.generation.store(generation, Ordering::Release);
    }
}
