//! One interface: its addresses, and everything that is timed for it alone.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use super::Interface;
use super::cidr::{Cidr, mask};
use super::common::Common;
use super::prober::{Farewell, Phase};
use super::responder::Responder;
use super::schedule::after;
use crate::{Duration, Instant};

/// Addresses kept of an interface.
const MAX_ADDRESSES: usize = 64;
/// First query after an interface came up (RFC 6762 §5.2).
const FIRST_QUERY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(120));
/// The pause after it; doubled after each.
const QUERY_INTERVAL: Duration = Duration::from_secs(1);
const MAX_QUERY_INTERVAL: Duration = Duration::from_secs(3_600);

#[derive(Debug)]
pub(super) struct Link {
    pub(super) index: u32,
    addresses: Vec<(Ipv4Addr, u8)>,
    pub(super) loopback: bool,
    /// The one address announced here.
    pub(super) home: Option<Ipv4Addr>,
    pub(super) phase: Phase,
    pub(super) farewells: Vec<Farewell>,
    pub(super) responder: Responder,
    browse: Browse,
}

/// When to ask for all instances.
#[derive(Debug)]
struct Browse {
    next: Instant,
    interval: Duration,
    last: Option<Instant>,
    /// Before `next`, because others know of a node that is not known here.
    early: Option<Instant>,
    early_interval: Duration,
}

impl Link {
    pub(super) fn new(now: Instant, interface: Interface, common: &mut Common) -> Self {
        let mut link = Self {
            index: interface.index,
            addresses: Vec::new(),
            loopback: interface.loopback,
            home: None,
            phase: Phase::Idle,
            farewells: Vec::new(),
            responder: Responder::new(),
            browse: Browse {
                next: now,
                interval: QUERY_INTERVAL,
                last: None,
                early: None,
                early_interval: QUERY_INTERVAL,
            },
        };
        link.update(interface);
        link.restart_browsing(now, common);
        link
    }

    /// Takes over the interface's new data.
    pub(super) fn update(&mut self, interface: Interface) {
        self.addresses = interface.addresses;
        self.addresses.truncate(MAX_ADDRESSES);
        self.loopback = interface.loopback;
    }

    /// The interface's data, as it was told.
    pub(super) fn interface(&self) -> Interface {
        Interface {
            index: self.index,
            addresses: self.addresses.clone(),
            loopback: self.loopback,
        }
    }

    /// Whether `interface` says nothing new.
    pub(super) fn is(&self, interface: &Interface) -> bool {
        let addresses = interface.addresses.iter().take(MAX_ADDRESSES);
        self.loopback == interface.loopback && addresses.eq(&self.addresses)
    }

    /// The address to announce here: the configured one, else the one announced so far if it is still
    /// there, else the first, preferably no link-local one.
    pub(super) fn choose_home(&self, configured: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        if let Some(address) = configured {
            // Nobody else could reach a loopback address.
            return (self.loopback || !address.is_loopback()).then_some(address);
        }
        let own = || self.addresses().filter(|a| self.is_sane(*a));
        let same = self.home.filter(|home| own().any(|a| a == *home));
        same.or_else(|| own().find(|a| !a.is_link_local()))
            .or_else(|| own().next())
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.addresses.iter().map(|(address, _)| *address)
    }

    /// Whether `source` is on this link (RFC 6762 §11).
    pub(super) fn is_on_link(&self, source: IpAddr) -> bool {
        match source {
            IpAddr::V4(ip) => {
                (self.loopback && ip.is_loopback())
                    || self
                        .addresses
                        .iter()
                        .any(|(own, prefix)| Cidr::around(*own, *prefix).contains(ip))
            }
            IpAddr::V6(ip) => ip.is_unicast_link_local() || (self.loopback && ip.is_loopback()),
        }
    }

    /// Whether anybody may be reached at `address`, on the link or off it.
    pub(super) fn is_sane(&self, address: Ipv4Addr) -> bool {
        let first = address.octets().first().copied().unwrap_or_default();
        let broadcast = |(own, prefix): &(Ipv4Addr, u8)| {
            *prefix < 31 && address.to_bits() == own.to_bits() | !mask(*prefix)
        };
        // 0/8 is "this network", 240/4 reserved, 255.255.255.255 among it.
        first != 0
            && first < 240
            && !address.is_multicast()
            && (self.loopback || !address.is_loopback())
            && !self.addresses.iter().any(broadcast)
    }

    pub(super) fn restart_browsing(&mut self, now: Instant, common: &mut Common) {
        if !common.browses {
            self.browse.next = Instant::FAR_FUTURE;
            return;
        }
        let (from, to) = FIRST_QUERY;
        self.browse.next = after(now, common.rng.between(from, to));
        self.browse.interval = QUERY_INTERVAL;
    }

    /// Somebody lists an instance among his known answers that is not known here: packets were lost.
    /// Asks early, again and again more seldom if nothing comes of it.
    pub(super) fn take_hint(&mut self, now: Instant, common: &mut Common) {
        if !common.browses {
            return;
        }
        let (from, to) = FIRST_QUERY;
        let soon = after(now, common.rng.between(from, to));
        let browse = &mut self.browse;
        let allowed = browse.last.map(|at| after(at, browse.early_interval));
        let at = allowed.map_or(soon, |allowed| allowed.max(soon));
        if browse.early.is_none() && at < browse.next {
            browse.early = Some(at);
        }
    }

    /// An instance was found: hints are worth something.
    pub(super) fn found(&mut self) {
        self.browse.early_interval = QUERY_INTERVAL;
    }

    /// Whether it is time for the question for all instances.
    pub(super) fn browse_due(&mut self, now: Instant) -> bool {
        let browse = &mut self.browse;
        let early = browse.early.is_some_and(|at| at <= now);
        let regular = browse.next <= now;
        if early {
            let longer = browse.early_interval.saturating_mul(2);
            browse.early_interval = longer.min(MAX_QUERY_INTERVAL);
            // At least a second between two (RFC 6762 §5.2).
            browse.next = browse.next.max(after(now, QUERY_INTERVAL));
        }
        if regular {
            browse.next = after(now, browse.interval);
            browse.interval = browse.interval.saturating_mul(2).min(MAX_QUERY_INTERVAL);
        }
        if early || regular {
            browse.last = Some(now);
            browse.early = None;
        }
        early || regular
    }

    pub(super) fn deadline(&self, leaving: bool) -> Option<Instant> {
        let farewells = self.farewells.iter().map(|f| f.next).min();
        if leaving {
            return farewells;
        }
        [
            Some(self.browse.next).filter(|next| *next < Instant::FAR_FUTURE),
            self.browse.early,
            self.phase.deadline(),
            self.responder.deadline(),
            farewells,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
