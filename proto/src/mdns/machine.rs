//! The machine as its driver sees it.

use super::{Config, Datagram, Event, Interface, Service, Stats, Transmit};
use crate::{Instant, NodeId};

/// Multicast DNS with service discovery, on any number of interfaces.
#[derive(Debug)]
pub struct Mdns {
    stats: Stats,
    closed: bool,
}

impl Mdns {
    /// A machine on no interface yet. It listens from the first [`handle_interface`] on, and announces
    /// nothing before [`announce`].
    ///
    /// [`handle_interface`]: Self::handle_interface
    /// [`announce`]: Self::announce
    #[must_use]
    pub fn new(_now: Instant, _config: Config, _seed: u64) -> Self {
        Self {
            stats: Stats::default(),
            closed: false,
        }
    }

    /// The service announced, with its id of the moment.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        None
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Whether all goodbyes are sent and nothing is left to do.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// An interface is up, or changed.
    pub fn handle_interface(&mut self, _now: Instant, _interface: Interface) {}

    /// The interface with this index is gone.
    pub fn handle_interface_down(&mut self, _now: Instant, _index: u32) {}

    /// A datagram arrived.
    pub fn handle_datagram(&mut self, _now: Instant, _datagram: Datagram<'_>) {}

    /// The service is ready (HTTP listens): probe for its name, then announce it.
    pub fn announce(&mut self, _now: Instant) {}

    /// Announce `service` from now on, after a goodbye to the former one.
    pub fn replace(&mut self, _now: Instant, _service: Service) {}

    /// Leave: goodbyes now, 125 and 250 ms later, then [`is_closed`](Self::is_closed).
    pub fn goodbye(&mut self, _now: Instant) {
        self.closed = true;
    }

    /// Requests to this node fail: ask for its records again, and without an answer in 10 s forget
    /// them and report [`Event::Doubted`] (RFC 6762 §10.4).
    pub fn verify(&mut self, _now: Instant, _id: NodeId) {}

    /// The next datagram to send.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }

    /// The next event.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, _now: Instant) {}
}
