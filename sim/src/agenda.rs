//! What is to happen, by time; at the same time, in the order in which it was arranged.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

pub(crate) struct Agenda<E> {
    heap: BinaryHeap<Scheduled<E>>,
    serial: u64,
}

struct Scheduled<E> {
    at: u64,
    serial: u64,
    event: E,
}

impl<E> Agenda<E> {
    pub(crate) const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            serial: 0,
        }
    }

    pub(crate) fn post(&mut self, at: u64, event: E) {
        self.serial += 1;
        self.heap.push(Scheduled {
            at,
            serial: self.serial,
            event,
        });
    }

    /// The first event, and its time, unless that is later than `until`.
    pub(crate) fn next_until(&mut self, until: u64) -> Option<(u64, E)> {
        if self.heap.peek()?.at > until {
            return None;
        }
        self.heap.pop().map(|next| (next.at, next.event))
    }
}

impl<E> PartialEq for Scheduled<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Scheduled<E> {}

impl<E> PartialOrd for Scheduled<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The earliest is the greatest: the heap gives that first.
impl<E> Ord for Scheduled<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.serial).cmp(&(self.at, self.serial))
    }
}
