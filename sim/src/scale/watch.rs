//! What is looked at while a cluster runs: who sees whom, who has what, who has noticed a death.

use std::collections::BTreeMap;
use std::sync::Arc;

use zerocache_proto::cache::Shards as _;
use zerocache_proto::cluster::{View, sample};
use zerocache_proto::op::Verdict;
use zerocache_proto::{NodeId, Region};

use super::traffic::Topic;
use super::world::World;
use crate::client::Done;
use crate::host::Process;

/// What a node can know of the others: all of its region, a node of each other region, as many of each
/// other region as it keeps.
pub(super) const STAGES: usize = 3;

/// What a client asks for: to store a key, to read it at once, to read it from another region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Put(u32),
    Near(u32),
    Far(u32),
}

/// What a node routes to, as of its view of that generation.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Seen {
    generation: Option<u64>,
    local: usize,
    regions: usize,
    pub(super) total: usize,
    complete: [bool; STAGES],
}

/// A value on its way.
#[derive(Debug)]
pub(super) struct Write {
    region: usize,
    /// When its client was told that it is stored.
    pub(super) acked: Option<u64>,
    holders: Vec<bool>,
    home_left: usize,
    left: usize,
    /// When the last node of its region had it, and the last of all.
    pub(super) home_at: Option<u64>,
    pub(super) all_at: Option<u64>,
}

/// A dead node, and who has not noticed.
#[derive(Debug)]
pub(super) struct Death {
    id: NodeId,
    region: Region,
    /// Whether the time of each who is asked to write begins then.
    by_request: bool,
    /// Whose time runs: since its death, or since they were asked to write.
    since: BTreeMap<usize, u64>,
    /// Who routed to it when it died.
    routed: Vec<bool>,
    /// How long it took each that has noticed.
    pub(super) noticed: Vec<u64>,
}

impl Death {
    /// How many whose time runs have not noticed.
    pub(super) fn unnoticed(&self) -> usize {
        self.since.len()
    }
}

/// All that is looked at.
#[derive(Debug)]
pub(super) struct Watch {
    nodes: usize,
    /// Nodes that live, by region.
    pub(super) live: Vec<usize>,
    /// How many nodes know all they can, at each stage; and when the last of them did.
    pub(super) complete: [usize; STAGES],
    pub(super) complete_at: [u64; STAGES],
    pub(super) writes: Vec<Write>,
    /// Writes that are not everywhere yet.
    pub(super) pending: Vec<u32>,
    ops: BTreeMap<u64, Asked>,
    /// How long PUTs and GETs took, in nanoseconds.
    pub(super) acks: Vec<u64>,
    pub(super) reads: Vec<u64>,
    pub(super) failed: u64,
    /// Reads that found nothing: at once in the region of the write, a little later in others.
    pub(super) missed: [u64; 2],
    pub(super) deaths: Vec<Death>,
}

impl Watch {
    pub(super) fn new(regions: usize, nodes: usize) -> Self {
        Self {
            nodes,
            live: vec![0; regions],
            complete: [0; STAGES],
            complete_at: [0; STAGES],
            writes: Vec::new(),
            pending: Vec::new(),
            ops: BTreeMap::new(),
            acks: Vec::new(),
            reads: Vec::new(),
            failed: 0,
            missed: [0; 2],
            deaths: Vec::new(),
        }
    }

    pub(super) const fn is_node(&self, host: usize) -> bool {
        host < self.nodes
    }

    pub(super) fn living(&self) -> usize {
        self.live.iter().sum()
    }

    /// Whether all nodes know what they can, of all their region and of each other region.
    pub(super) fn is_complete(&self) -> bool {
        self.complete[..2]
            .iter()
            .all(|complete| *complete == self.living())
    }

    pub(super) fn asked(&mut self, op: u64, what: Asked) {
        self.ops.insert(op, what);
    }

    /// An operation has ended; what its client does then.
    pub(super) fn done(&mut self, now: u64, done: &Done) -> Option<Asked> {
        let asked = self.ops.remove(&done.op)?;
        let took = done.took.as_nanos() as u64;
        match asked {
            Asked::Put(key) => {
                self.acks.push(took);
                if done.verdict == Verdict::Stored {
                    self.writes[key as usize].acked = Some(now);
                    return Some(Asked::Near(key));
                }
                self.failed += 1;
            }
            Asked::Near(_) | Asked::Far(_) => {
                self.reads.push(took);
                let far = usize::from(matches!(asked, Asked::Far(_)));
                self.missed[far] += u64::from(done.verdict != Verdict::Hit);
            }
        }
        None
    }

    fn expects(&self, region: usize) -> [usize; STAGES] {
        let inhabited = self.live.iter().filter(|live| **live > 0).count();
        let home = self.live[region].saturating_sub(1);
        let most = sample(inhabited.saturating_sub(1));
        let kept = |there: usize| self.live[there].min(most);
        let elsewhere = (0..self.live.len()).filter(|there| *there != region);
        [
            home,
            inhabited.saturating_sub(1),
            home + elsewhere.map(kept).sum::<usize>(),
        ]
    }
}

impl World {
    /// A node's process has just been made.
    pub(super) fn born(&mut self, index: usize) {
        self.watch.live[self.hosts[index].region] += 1;
        self.recount();
    }

    /// A node is dead.
    pub(super) fn died(&mut self, index: usize) {
        self.watch.live[self.hosts[index].region] -= 1;
        self.recount();
        let (id, name) = (self.hosts[index].id, self.hosts[index].name.clone());
        let routed = (0..self.watch.nodes).map(|host| {
            let view = self.view(host);
            view.is_some_and(|view| routes(view, &name, id))
        });
        self.watch.deaths.push(Death {
            id,
            by_request: false,
            routed: routed.collect(),
            region: name,
            since: BTreeMap::new(),
            noticed: Vec::new(),
        });
    }

    /// The time of all who routed to the node that died last begins.
    pub(super) fn expect_all_to_notice(&mut self) {
        let now = self.now;
        if let Some(death) = self.watch.deaths.last_mut() {
            let routed = death
                .routed
                .iter()
                .enumerate()
                .filter(|(_, routed)| **routed);
            death.since = routed.map(|(host, _)| (host, now)).collect();
        }
    }

    pub(super) fn view(&self, host: usize) -> Option<&Arc<View>> {
        self.hosts[host].process.as_ref().map(Process::view)
    }

    /// Who lives has changed: what each node should know is another thing.
    pub(super) fn recount(&mut self) {
        self.watch.complete = [0; STAGES];
        for index in 0..self.watch.nodes {
            self.hosts[index].seen.complete = [false; STAGES];
            if self.hosts[index].process.is_some() {
                self.judge(index);
            }
        }
    }

    /// Looks at a node's view, if it is another one.
    pub(super) fn look(&mut self, index: usize) {
        let Some(process) = &self.hosts[index].process else {
            return;
        };
        let view = process.view();
        if self.hosts[index].seen.generation == Some(view.generation) {
            return;
        }
        // One more than it keeps may be on trial.
        let most = sample(view.regions.len());
        let kept = view
            .regions
            .iter()
            .map(|region| region.peers.len().min(most));
        let elsewhere: usize = kept.sum();
        let now = self.now;
        for death in &mut self.watch.deaths {
            if death.since.contains_key(&index) && !routes(view, &death.region, death.id) {
                let since = death.since.remove(&index).unwrap_or(now);
                death.noticed.push(now - since);
            }
        }
        let (generation, local) = (Some(view.generation), view.local.len());
        let (regions, total) = (view.regions.len(), local + elsewhere);
        let seen = &mut self.hosts[index].seen;
        (seen.generation, seen.local) = (generation, local);
        (seen.regions, seen.total) = (regions, total);
        self.judge(index);
    }

    fn judge(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let watch = &mut self.watch;
        let expected = watch.expects(host.region);
        let living = watch.living();
        let seen = [host.seen.local, host.seen.regions, host.seen.total];
        for stage in 0..STAGES {
            let complete = seen[stage] == expected[stage];
            let before = std::mem::replace(&mut host.seen.complete[stage], complete);
            match (before, complete) {
                (false, true) => {
                    watch.complete[stage] += 1;
                    if watch.complete[stage] == living {
                        watch.complete_at[stage] = self.now;
                    }
                }
                (true, false) => watch.complete[stage] -= 1,
                _ => {}
            }
        }
    }

    /// A client writes a new key.
    pub(super) fn put(&mut self, client: usize) {
        let key = self.watch.writes.len() as u32;
        let region = self.hosts[client].region;
        self.watch.writes.push(Write {
            region,
            acked: None,
            holders: vec![false; self.watch.nodes],
            home_left: self.watch.live[region],
            left: self.watch.living(),
            home_at: None,
            all_at: None,
        });
        self.watch.pending.push(key);
        self.ask(client, Asked::Put(key));
    }

    /// Bytes of an exchange have reached a host.
    pub(super) fn received(
        &mut self,
        from: usize,
        to: usize,
        way: usize,
        topic: Option<Topic>,
        key: Option<u32>,
    ) {
        if way == 0 && topic == Some(Topic::Put) {
            let fresh = key.is_some_and(|key| self.held(to, key));
            if fresh && !self.watch.is_node(from) {
                self.will_notice(to);
            }
        }
        // What was compared may have been fetched.
        if way == 1 && topic == Some(Topic::Sync) {
            for place in (0..self.watch.pending.len()).rev() {
                self.held(to, self.watch.pending[place]);
            }
        }
    }

    /// The time of each who routes to the node that died last begins with the first write it takes.
    pub(super) fn expect_writers_to_notice(&mut self) {
        if let Some(death) = self.watch.deaths.last_mut() {
            death.by_request = true;
        }
    }

    /// A node has taken a write, and sends it to a dead one if it routes to that.
    fn will_notice(&mut self, index: usize) {
        let view = self.hosts[index].process.as_ref().map(Process::view);
        let death = self.watch.deaths.last_mut();
        if let (Some(death), Some(view)) = (death.filter(|death| death.by_request), view) {
            if routes(view, &death.region, death.id) {
                death.since.entry(index).or_insert(self.now);
            }
        }
    }

    /// Whether a node has got a key just now.
    fn held(&mut self, index: usize, key: u32) -> bool {
        let clock = self.clock(index);
        let Some(write) = self.watch.writes.get_mut(key as usize) else {
            return false;
        };
        let node = self.hosts[index]
            .process
            .as_ref()
            .and_then(Process::as_node);
        let Some(node) = node.filter(|_| !write.holders[index]) else {
            return false;
        };
        let name = format!("w{key}");
        let hash = node.shards().hash(name.as_bytes());
        let holds = |shard: &mut zerocache_proto::cache::Shard| {
            shard.record(clock, hash, name.as_bytes()).is_some()
        };
        if !node.shards().with(hash, holds) {
            return false;
        }
        write.holders[index] = true;
        write.left = write.left.saturating_sub(1);
        if self.hosts[index].region == write.region {
            write.home_left = write.home_left.saturating_sub(1);
            if write.home_left == 0 {
                write.home_at = write.home_at.or(Some(self.now));
            }
        }
        if write.left == 0 {
            write.all_at = write.all_at.or(Some(self.now));
            self.watch.pending.retain(|pending| *pending != key);
        }
        true
    }

    /// Who of a region does not route to a node.
    pub(super) fn unaware(&self, of: usize) -> usize {
        let (region, id, name) = (
            self.hosts[of].region,
            self.hosts[of].id,
            &self.hosts[of].name,
        );
        let others = (0..self.watch.nodes).filter(|host| *host != of);
        let others = others.filter(|host| self.hosts[*host].region == region);
        let views = others.filter_map(|host| self.view(host));
        views.filter(|view| !routes(view, name, id)).count()
    }
}

/// Whether a view sends requests to a node of that region.
fn routes(view: &View, region: &Region, id: NodeId) -> bool {
    if view.own == *region {
        return view.local.iter().any(|peer| peer.id == id);
    }
    let there = view.regions.iter().find(|there| there.name == *region);
    there.is_some_and(|there| there.peers.iter().any(|peer| peer.id == id))
}
