//! How nodes are found: what node and client builders have in common.

use crate::links::{Choice, Links};
use crate::runtime::Runtime;
use std::net::IpAddr;
use zerocache_proto::cluster::StaticPeer;

/// How nodes are to be found.
#[derive(Clone, Debug)]
pub(crate) struct Discovery {
    pub(crate) peers: Vec<StaticPeer>,
    pub(crate) mdns: bool,
    pub(crate) interfaces: Vec<String>,
    /// The one address announced.
    pub(crate) address: Option<IpAddr>,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            peers: Vec::new(),
            mdns: true,
            interfaces: Vec::new(),
            address: None,
        }
    }
}

impl Discovery {
    /// The multicast sockets, not open yet; `None` without mDNS.
    pub(crate) fn links<R: Runtime>(&self, runtime: &R) -> Option<Links<R>> {
        let choice = match self.address {
            _ if !self.interfaces.is_empty() => Choice::Named(self.interfaces.clone()),
            Some(IpAddr::V4(address)) => Choice::Holding(address),
            _ => Choice::Default,
        };
        self.mdns.then(|| Links::new(runtime.clone(), choice))
    }
}
