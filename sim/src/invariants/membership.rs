//! I1, I2, I3: who sees whom.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use zerocache_proto::cluster::{self, View};
use zerocache_proto::{NodeId, Region};

use super::manners::Talk;
use crate::host::{Host, Process};
use crate::sniff::{Asked, What};
use crate::swarm::SECOND;
use crate::world::World;

/// A dead peer is out of routing after so long; an operation begun before may still try it.
const OUT_AFTER: u64 = 6 * SECOND + 3 * SECOND + SECOND / 2;
/// Nobody is asked any more who said goodbye so long ago, but by an operation begun before.
const GONE_AFTER: u64 = SECOND + 3 * SECOND;

impl World {
    /// A process has begun.
    pub(crate) fn watch_start(&mut self, index: usize) {
        self.watch.held.retain(|(host, _), _| *host != index);
        self.hosts[index].talk = Talk::starting(self.now);
    }

    /// A process has ended.
    pub(crate) const fn watch_end(&mut self, _index: usize) {}

    /// Something but deaths disturbs the hosts.
    pub(crate) const fn disturbed(&mut self) {
        self.watch.calm_since = self.now;
    }

    /// A view may have changed.
    pub(crate) fn watch_view(&mut self, index: usize) {
        let host = &self.hosts[index];
        let Some(view) = host.view() else {
            return;
        };
        if host
            .seen
            .as_ref()
            .is_some_and(|seen| std::sync::Arc::ptr_eq(seen, view))
        {
            return;
        }
        let view = view.clone();
        let seen = self.hosts[index].seen.replace(view.clone());
        let ids: BTreeSet<NodeId> = view.peers().map(|peer| peer.id).collect();
        self.trace.word(
            ids.iter()
                .fold(view.generation, |sum, id| sum ^ u64::from(id.to_bits())),
        );
        self.note(index, 16, || format!("sees {ids:?}"));
        let Some(seen) = seen else {
            return;
        };
        for peer in seen.peers().filter(|peer| !ids.contains(&peer.id)) {
            let of = self.hosts.iter().find(|host| host.addr == peer.addr);
            let alive = of.is_some_and(|host| host.is_serving() && host.id == peer.id);
            if !alive {
                self.coverage.saw("dead peer put out");
            } else if self.is_exchange(index, &peer.region, &seen, &view) {
                self.coverage.saw("live peer exchanged for another");
            } else if self.watch.quiet {
                let text = format!(
                    "host {index} puts out {} at {}, who lives",
                    peer.id, peer.addr
                );
                self.violate("I1", text);
            } else {
                self.coverage.saw("live peer put out");
            }
        }
    }

    /// Whether a host has given the place of a peer of another region to another node of it.
    fn is_exchange(&self, index: usize, region: &Region, seen: &View, view: &View) -> bool {
        let there = |view: &View| view.peers().filter(|peer| peer.region == *region).count();
        self.hosts[index].name != *region && there(view) >= there(seen)
    }

    /// I2, I3: nobody asks the dead for long.
    pub(crate) fn watch_target(&mut self, from: usize, to: usize, asked: &Asked) {
        if matches!(asked.what, What::Ping | What::Members | What::Other) {
            return;
        }
        let target = &self.hosts[to];
        let Some(down) = target.down_since.filter(|_| !target.is_up()) else {
            return;
        };
        self.coverage.saw("request to a dead node");
        let calm = self.watch.calm_since.max(self.hosts[from].up_since);
        let since = down.max(calm);
        let lossless = self.net.loss == 0 && self.net.resets == 0 && self.net.is_whole();
        let left = target.left_at.filter(|left| *left >= calm);
        let spared = !lossless || self.is_spared(from, to);
        if !spared && self.now > since + OUT_AFTER {
            let text = format!(
                "host {from} still asks host {to}: {asked:?}, dead for {} ms",
                (self.now - down) / 1_000_000
            );
            self.violate("I2", text);
        }
        if let Some(left) = left.filter(|left| lossless && !spared && self.now > left + GONE_AFTER)
        {
            let text = format!(
                "host {from} asks host {to}: {asked:?}, {} ms after its goodbye",
                (self.now - left) / 1_000_000
            );
            self.violate("I3", text);
        }
    }

    /// Whether a node may keep a dead peer: the last one of its region, or when so many are dead
    /// that it takes the fault for its own.
    fn is_spared(&self, from: usize, to: usize) -> bool {
        let Some(view) = self.hosts[from].view() else {
            return true;
        };
        let serves = |addr: SocketAddr| self.hosts.iter().any(|h| h.addr == addr && h.is_serving());
        let dead = view.peers().filter(|peer| !serves(peer.addr)).count();
        let region = &self.hosts[to].name;
        let kin = view.peers().filter(|peer| peer.region == *region).count();
        let known = view.peers().count();
        kin <= 1 || dead * 2 >= known.max(1) || known < 4
    }

    /// I1: what each live host should see, and does not; or sees, and should not.
    pub(crate) fn strangers(&self) -> Vec<String> {
        let live: BTreeSet<(NodeId, SocketAddr)> = self
            .hosts
            .iter()
            .filter(|host| host.is_serving())
            .map(|host| {
                (
                    host.node()
                        .and_then(zerocache_proto::Node::id)
                        .unwrap_or(host.id),
                    host.addr,
                )
            })
            .collect();
        let mut strangers = Vec::new();
        for (index, host) in self.hosts.iter().enumerate() {
            let Some(view) = host.view().filter(|_| host.is_up() && !host.leaving) else {
                continue;
            };
            let sees: BTreeSet<_> = view.peers().map(|peer| (peer.id, peer.addr)).collect();
            let own = |node: &&(NodeId, SocketAddr)| node.1 != host.addr;
            let wanted = |node: &&(NodeId, SocketAddr)| self.is_wanted(host, view, node.1);
            let misses: Vec<_> = live.difference(&sees).filter(own).filter(wanted).collect();
            let dreams: Vec<_> = sees.difference(&live).collect();
            if !(misses.is_empty() && dreams.is_empty()) {
                strangers.push(format!(
                    "host {index} ({}) misses {misses:?}, sees in vain {dreams:?}{}",
                    host.addr,
                    self.knows(index)
                ));
            }
        }
        strangers
    }

    /// Whether a host must see a node it does not see: one of its region, or of another region of which
    /// it could see more.
    fn is_wanted(&self, host: &Host, view: &View, node: SocketAddr) -> bool {
        let Some(node) = self.hosts.iter().find(|host| host.addr == node) else {
            return false;
        };
        let there = view.regions.iter().find(|there| there.name == node.name);
        let seen = there.map_or(0, |there| there.peers.len());
        node.name == host.name || seen < cluster::sample(view.regions.len())
    }

    /// Who sees whom: pairs of hosts.
    pub(crate) fn acquaintances(&self) -> BTreeSet<(usize, usize)> {
        let mut pairs = BTreeSet::new();
        for (index, host) in self
            .hosts
            .iter()
            .enumerate()
            .filter(|(_, host)| host.is_up())
        {
            let peers = host.view().into_iter().flat_map(|view| view.peers());
            let at = |addr| self.hosts.iter().position(|host| host.addr == addr);
            pairs.extend(peers.filter_map(|peer| Some((index, at(peer.addr)?))));
        }
        pairs
    }

    /// Who should see whom.
    pub(crate) fn pairs(&self) -> BTreeSet<(usize, usize)> {
        let all = || 0..self.hosts.len();
        let up = |host: &usize| self.hosts[*host].is_up() && !self.hosts[*host].leaving;
        let sees = |view: &View, node: usize| {
            let mut peers = view.peers();
            peers.any(|peer| peer.addr == self.hosts[node].addr)
        };
        let due = move |host: usize, node: usize| {
            let view = self.hosts[host].view();
            view.is_none_or(|view| {
                let wanted = self.is_wanted(&self.hosts[host], view, self.hosts[node].addr);
                wanted || sees(view, node)
            })
        };
        let nodes = |host: usize| {
            all()
                .filter(move |node| *node != host && self.hosts[*node].is_serving())
                .filter(move |node| due(host, *node))
                .map(move |node| (host, node))
        };
        all().filter(up).flat_map(nodes).collect()
    }

    /// Whether anybody sees a node that is not there.
    pub(crate) fn dreams(&self) -> bool {
        self.acquaintances()
            .iter()
            .any(|(_, node)| !self.hosts[*node].is_serving())
    }

    /// What a host knows of those it does not route to.
    pub(crate) fn knows(&self, index: usize) -> String {
        let now = self.clock(index);
        match &self.hosts[index].process {
            Some(Process::Client(client)) => {
                let peers = client.cluster().peers().filter(|peer| !peer.routable);
                peers
                    .map(|p| format!("; {} is {:?} by {:?}", p.peer.id, p.health, p.sources))
                    .collect()
            }
            Some(process) => {
                let facts = process.as_node().map(|node| node.facts(now));
                let peers = facts.iter().flat_map(|facts| facts.peers.iter());
                peers
                    .filter(|peer| !peer.routable)
                    .map(|peer| format!("; {} is {} by {:?}", peer.id, peer.health, peer.sources))
                    .collect()
            }
            None => String::new(),
        }
    }
}
