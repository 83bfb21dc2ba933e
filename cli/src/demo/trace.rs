//! What a client did on the wire, exchange by exchange.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nobody listened.
    Refused,
    /// The connection ended instead.
    Lost,
    /// With this status.
    Answered(u16),
}

/// One exchange with a node.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) port: u16,
    /// Method and path; empty if it did not come to that.
    pub(crate) request: String,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
}

/// All exchanges since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct Trace(Mutex<Vec<Exchange>>);

impl Trace {
    pub(crate) fn add(&self, port: u16, request: String, began: Instant, outcome: Outcome) {
        let exchange = Exchange {
            port,
            request,
            took: began.elapsed(),
            outcome,
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(exchange);
    }

    /// The exchanges so far that served `request` or came to nothing before they could say what
    /// they were for, at most one of these for each node: it is checked on beside the data path too.
    pub(crate) fn take(&self, request: &str) -> Vec<Exchange> {
        let mut taken = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut failed = Vec::new();
        taken.retain(|exchange| match exchange.outcome {
            Outcome::Refused if failed.contains(&exchange.port) => false,
            Outcome::Refused => {
                failed.push(exchange.port);
                true
            }
            _ => exchange.request == request,
        });
        taken
    }
}
