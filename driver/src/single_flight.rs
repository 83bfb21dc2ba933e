//! One execution per key at a time; whoever asks meanwhile gets the same value.
//!
//! ```text
//!   enter ──► Lead ── publish ──► every waiter: Shared; the key stays led until Lead is dropped
//!     │        │
//!     │        └── dropped unpublished (cancelled, panicked, or nothing to share) ──► next waiter: Lead
//!     └─────► waits ──► Shared or Lead
//! ```
//!
//! It needs no runtime: leadership is a guard that hands itself on when it is dropped, wherever that happens,
//! be it in the channel to a waiter that has just given up.

use futures_channel::oneshot::{self, Sender};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The keys under way. Clones share them.
pub struct SingleFlight<V> {
    flights: Arc<Mutex<Flights<V>>>,
}

type Flights<V> = HashMap<Arc<[u8]>, Flight<V>>;

struct Flight<V> {
    published: Option<V>,
    waiting: VecDeque<Sender<Entered<V>>>,
}

/// What entering a key's flight came to.
#[derive(Debug)]
pub enum Entered<V> {
    /// The caller is the one to do the work.
    Lead(Lead<V>),
    /// Another caller did it.
    Shared(V),
}

/// The right, and the duty, to do the work of one key. Dropping it without [`Lead::publish`] hands it to
/// the caller that has waited longest.
pub struct Lead<V> {
    flights: SingleFlight<V>,
    key: Arc<[u8]>,
}

impl<V> SingleFlight<V> {
    /// With no key under way.
    #[must_use]
    pub fn new() -> Self {
        Self {
            flights: Arc::default(),
        }
    }

    /// How many keys are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no key is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Flights<V>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Clone> SingleFlight<V> {
    /// Waits for the value of `key` or for the lead, in the order of calls. Dropping the future gives up
    /// the place. A caller that enters a key it leads itself waits for ever.
    pub async fn enter(&self, key: &[u8]) -> Entered<V> {
        loop {
            let waiting = {
                let mut flights = self.lock();
                let Some(flight) = flights.get_mut(key) else {
                    let key: Arc<[u8]> = key.into();
                    flights.insert(key.clone(), Flight::default());
                    return Entered::Lead(self.lead(key));
                };
                if let Some(value) = &flight.published {
                    return Entered::Shared(value.clone());
                }
                flight.queue()
            };
            if let Ok(entered) = waiting.await {
                return entered;
            }
            // The flight ended with nothing for this one, which only a panic amid `publish` can do.
        }
    }

    fn lead(&self, key: Arc<[u8]>) -> Lead<V> {
        let flights = self.clone();
        Lead { flights, key }
    }
}

impl<V: Clone> Lead<V> {
    /// Gives `value` to all that wait, and to all that enter before the lead is dropped.
    pub fn publish(&self, value: V) {
        let waiting = {
            let mut flights = self.flights.lock();
            let Some(flight) = flights.get_mut(&self.key) else {
                return;
            };
            flight.published = Some(value.clone());
            std::mem::take(&mut flight.waiting)
        };
        for waiter in waiting {
            let _ = waiter.send(Entered::Shared(value.clone()));
        }
    }
}

impl<V> Drop for Lead<V> {
    fn drop(&mut self) {
        loop {
            let next = {
                let mut flights = self.flights.lock();
                let Some(flight) = flights.get_mut(&self.key) else {
                    return;
                };
                match flight.waiting.pop_front() {
                    Some(next) => next,
                    None => {
                        // What was published is dropped once the lock is open.
                        let ended = flights.remove(&self.key);
                        drop(flights);
                        drop(ended);
                        return;
                    }
                }
            };
            let lead = Self {
                flights: self.flights.clone(),
                key: self.key.clone(),
            };
            match next.send(Entered::Lead(lead)) {
                Ok(()) => return,
                // It gave up meanwhile. What came back must not hand itself on as well.
                Err(entered) => entered.disarm(),
            }
        }
    }
}

impl<V> Entered<V> {
    /// Drops it with no successor.
    fn disarm(self) {
        if let Self::Lead(mut lead) = self {
            lead.flights = SingleFlight::new();
        }
    }
}

impl<V> Flight<V> {
    fn queue(&mut self) -> oneshot::Receiver<Entered<V>> {
        // Those that gave up are swept whenever the queue would have to grow: it stays in proportion to
        // those that wait.
        if self.waiting.len() == self.waiting.capacity() {
            self.waiting.retain(|waiter| !waiter.is_canceled());
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.push_back(sender);
        receiver
    }
}

impl<V> Default for Flight<V> {
    fn default() -> Self {
        Self {
            published: None,
            waiting: VecDeque::new(),
        }
    }
}

impl<V> Default for SingleFlight<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> Clone for SingleFlight<V> {
    fn clone(&self) -> Self {
        Self {
            flights: self.flights.clone(),
        }
    }
}

impl<V> fmt::Debug for SingleFlight<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight")
            .field("len", &self.len())
            .finish()
    }
}

impl<V> fmt::Debug for Lead<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lead").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "single_flight_tests.rs"]
mod tests;
