//! The last of a quiet run: a node leaves in good order and one dies, and nobody relies on them for
//! long (I2, I3).

use std::net::SocketAddr;

use crate::swarm::{Discovery, MS, SECOND};
use crate::world::World;

/// From the first failure to the last probe, with the time to the first ping.
const DEAD: u64 = 6 * SECOND + SECOND / 2;
/// Goodbyes are honoured within a second, once they are there.
const LEFT: u64 = SECOND + SECOND / 2;
/// How often it is looked.
const LOOK: u64 = 50 * MS;
/// With fewer nodes, one that is missing may be taken for one's own fault.
const ENOUGH: usize = 5;

impl World {
    /// A node leaves, one dies; how long that one was relied on, in milliseconds.
    pub(crate) fn part(&mut self) -> Option<u64> {
        if !self.violations.is_empty() {
            return None;
        }
        if let Some(node) = self.dispensable() {
            self.leave(node);
            let heard = (0..self.hosts.len())
                .filter(|host| self.hears(*host, node))
                .collect();
            self.expect_forgotten("I3", node, heard, LEFT);
            self.coverage.saw("goodbye in peace");
        }
        let node = self.dispensable()?;
        self.pass(SECOND);
        let power = self.hosts[node].rng.below(2) == 0;
        self.end(node, power);
        let all = (0..self.hosts.len()).collect();
        let took = self.expect_forgotten("I2", node, all, DEAD);
        self.coverage.saw("death in peace");
        Some(took / MS)
    }

    /// One of many, and not the only one of its region.
    fn dispensable(&self) -> Option<usize> {
        let serving = |node: &usize| self.hosts[*node].is_serving();
        let servers = self.knobs.servers.len();
        let live: Vec<usize> = (0..servers).filter(serving).collect();
        let kin = |node: usize| {
            let region = self.hosts[node].region;
            let same = live
                .iter()
                .filter(|other| self.hosts[**other].region == region);
            same.count()
        };
        let last = live.iter().rev().find(|node| kin(**node) >= 3);
        last.copied().filter(|_| live.len() >= ENOUGH)
    }

    /// Whether a goodbye of `node` reaches `host`, on their link.
    fn hears(&self, host: usize, node: usize) -> bool {
        let same = self.hosts[host].region == self.hosts[node].region;
        match self.knobs.discovery {
            Discovery::OneLink => true,
            Discovery::LinkEach => same,
            Discovery::Static => false,
        }
    }

    /// After so long none of these hosts has the node in its routing any more; how long that took.
    fn expect_forgotten(
        &mut self,
        id: &'static str,
        node: usize,
        hosts: Vec<usize>,
        bound: u64,
    ) -> u64 {
        let (begun, addr) = (self.now, self.hosts[node].addr);
        loop {
            let believer = hosts.iter().copied().find(|host| self.relies(*host, addr));
            let Some(host) = believer else {
                return self.now - begun;
            };
            if self.now >= begun + bound {
                let ms = (self.now - begun) / MS;
                let text = format!(
                    "host {host} relies on node {node} after {ms} ms{}",
                    self.knows(host)
                );
                self.violate(id, text);
                return self.now - begun;
            }
            self.pass(LOOK);
            if !self.violations.is_empty() {
                return self.now - begun;
            }
        }
    }

    fn relies(&self, host: usize, addr: SocketAddr) -> bool {
        let up = self.hosts[host].is_up() && !self.hosts[host].leaving;
        let view = self.hosts[host].view().filter(|_| up);
        view.is_some_and(|view| view.peers().any(|peer| peer.addr == addr))
    }
}
