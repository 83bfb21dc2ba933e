//! How nodes are found: what node and client builders have in common.

use crate::links::{Choice, Links};
use crate::runtime::Runtime;
use std::net::IpAddr;
use zerocache_proto::cluster::StaticPeer;
use zerocache_proto::mdns::{self, Cidr};

/// How nodes are to be found.
#[derive(Clone, Debug)]
pub(crate) struct Discovery {
    pub(crate) peers: Vec<StaticPeer>,
    pub(crate) mdns: bool,
    pub(crate) interfaces: Vec<String>,
    /// Where announced nodes may be beside the link.
    pub(crate) allowed: Vec<Cidr>,
    /// Take multicast DNS from packets with a TTL of 255 alone.
    pub(crate) ttl_255: bool,
    /// The one address announced.
    pub(crate) address: Option<IpAddr>,
}

/// The settings that node and client builders have in common, as methods of each; what is said of the
/// seed is its own.
macro_rules! common_settings {
    ($(#[$seed:meta])*) => {
        /// Adds a node to start from where multicast does not reach: `[REGION@]HOST:PORT`. The others
        /// are learned from it; a stock node can only be used with its region named.
        #[must_use]
        pub fn peer(mut self, peer: StaticPeer) -> Self {
            self.discovery.peers.push(peer);
            self
        }

        /// Whether to speak mDNS, to find nodes and, as a node, to be found (yes, if not set).
        #[must_use]
        pub fn mdns(mut self, mdns: bool) -> Self {
            self.discovery.mdns = mdns;
            self
        }

        /// Speaks mDNS on the interface of this name; several calls name several.
        #[must_use]
        pub fn interface(mut self, name: &str) -> Self {
            self.discovery.interfaces.push(name.to_owned());
            self
        }

        /// Believes announcements by multicast of nodes in this range of addresses too (several calls:
        /// several ranges, 64 at most). If not set: only of nodes on the link they are heard on.
        #[must_use]
        pub fn allow_peers(mut self, range: zerocache_proto::mdns::Cidr) -> Self {
            self.discovery.allowed.push(range);
            self
        }

        /// Whether to take multicast DNS from packets with a TTL of 255 alone, which have crossed no
        /// router (no, if not set: some responders send another). Where the system can not tell them
        /// (Linux can), there is no multicast DNS then, which is logged.
        #[must_use]
        pub fn ttl_255(mut self, only: bool) -> Self {
            self.discovery.ttl_255 = only;
            self
        }

        $(#[$seed])*
        #[must_use]
        pub fn seed(mut self, seed: u64) -> Self {
            self.seed = Some(seed);
            self
        }
    };
}
pub(crate) use common_settings;

impl Default for Discovery {
    fn default() -> Self {
        Self {
            peers: Vec::new(),
            mdns: true,
            interfaces: Vec::new(),
            allowed: Vec::new(),
            ttl_255: false,
            address: None,
        }
    }
}

impl Discovery {
    /// What multicast DNS is told, with the service to announce; `None` without mDNS.
    pub(crate) fn mdns(&self, service: Option<mdns::Service>) -> Option<mdns::Config> {
        self.mdns.then(|| mdns::Config {
            service,
            allowed: self.allowed.clone(),
            ..mdns::Config::default()
        })
    }

    /// The multicast sockets, not open yet; `None` without mDNS.
    pub(crate) fn links<R: Runtime>(&self, runtime: &R) -> Option<Links<R>> {
        let choice = match self.address {
            _ if !self.interfaces.is_empty() => Choice::Named(self.interfaces.clone()),
            Some(IpAddr::V4(address)) => Choice::Holding(address),
            _ => Choice::Default,
        };
        self.mdns
            .then(|| Links::new(runtime.clone(), choice, self.ttl_255))
    }
}
