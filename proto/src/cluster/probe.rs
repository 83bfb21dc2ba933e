//! What the driver has been asked to do and has not reported on yet.

use super::config::{GRACE, MAX_POLLS};
use crate::count::Count;
use crate::{Instant, NodeId};
use alloc::collections::{BTreeMap, BTreeSet};
use core::net::SocketAddr;

/// What an action was for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exchange {
    /// A ping of a peer, or of its rival.
    Ping(NodeId),
    /// A static peer's address asked for its members.
    Seed(SocketAddr),
    /// Another peer asked for its members.
    Poll(SocketAddr),
    /// A peer asked whether it, too, misses this one.
    Witness(NodeId),
    /// A static peer's name to resolve, by its index.
    Resolve(usize),
    /// A peer told goodbye.
    Goodbye,
}

/// The actions under way, by token. Those never reported on end by themselves.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    last: u64,
    open: BTreeMap<u64, (Exchange, Instant)>,
    deadlines: BTreeSet<(Instant, u64)>,
    pings: usize,
    polls: usize,
}

impl Exchanges {
    /// How many pings are under way.
    pub(super) const fn pings(&self) -> usize {
        self.pings
    }

    pub(super) const fn may_poll(&self) -> bool {
        self.polls < MAX_POLLS
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// A token for an action that is to be done by `deadline`.
    pub(super) fn begin(&mut self, exchange: Exchange, deadline: Instant) -> u64 {
        self.last.grow(1);
        let end = deadline + GRACE;
        self.open.insert(self.last, (exchange, end));
        self.deadlines.insert((end, self.last));
        if let Some(count) = self.count(exchange) {
            count.grow(1);
        }
        self.last
    }

    /// The action was reported on; `None` if it is not under way (any more).
    pub(super) fn end(&mut self, token: u64) -> Option<Exchange> {
        let (exchange, end) = self.open.remove(&token)?;
        self.deadlines.remove(&(end, token));
        if let Some(count) = self.count(exchange) {
            count.shrink(1);
        }
        Some(exchange)
    }

    /// An action that was never reported on.
    pub(super) fn overdue(&self, now: Instant) -> Option<(u64, Exchange)> {
        let (_, token) = self.deadlines.first().filter(|(end, _)| *end <= now)?;
        self.open
            .get(token)
            .map(|(exchange, _)| (*token, *exchange))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(end, _)| *end)
    }

    pub(super) fn clear(&mut self) {
        *self = Self {
            last: self.last,
            ..Self::default()
        };
    }

    /// What is limited of its kind; names and goodbyes are few by themselves.
    fn count(&mut self, exchange: Exchange) -> Option<&mut usize> {
        match exchange {
            Exchange::Ping(_) => Some(&mut self.pings),
            Exchange::Seed(_) | Exchange::Poll(_) | Exchange::Witness(_) => Some(&mut self.polls),
            Exchange::Resolve(_) | Exchange::Goodbye => None,
        }
    }
}
