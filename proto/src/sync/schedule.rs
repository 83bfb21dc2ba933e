//! When to compare, and with whom.
//!
//! ```text
//! Cold --a round begins--> Warming --one is complete, with a node that is settled--> Synced
//!   +--ready, and for a while nobody to compare with-----------------------------------^
//! ```
//! - A node that begins asks at once: a node of its own region, else of the nearest other one; and another
//!   one if that had itself just begun.
//! - One that finds a peer back, which had been away, may have been away itself: it asks that peer. It
//!   does so too if the peer had failed for too long and was only kept because it could not be spared.
//! - A node that dies may have acknowledged a write whose copies never left it, or not all of them. The
//!   others of its region ask each other soon, and then a few nodes of each other region, which in most
//!   are all, ask one of them: once a death, since asking only takes.
//! - One that no longer remembers which writes a peer has missed asks that peer as soon as it is there, and
//!   tells it so: the peer then asks in turn.
//! - One that had taken writes before it had ever compared may have known nobody to spread them to: it
//!   tells so those it knows when it has compared, and those it meets within a minute.
//! - Else it asks now and then, some peer of its region; every fifth time one of another region, so that a
//!   region that was cut off finds to the others even if each node there was out of touch for too short
//!   a time to notice.

use crate::count::Count;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Ended, Verdict};
use crate::cluster::{Peer, View};
use crate::{Buggify, Duration, Instant, NodeId, Point, Region, Rng};

/// How often a node compares with another one, give or take half.
const EVERY: Duration = Duration::from_secs(60);
/// Every so many times it is one of another region.
const FAR: u32 = 5;
/// A node that begins does not wait longer.
const AT_ONCE: Duration = Duration::from_secs(1);
/// One that has come back is asked within this time.
const BACK: Duration = Duration::from_secs(2);
/// So many nodes of a region ask after a death in another one, those with the least ids.
const WITNESSES: usize = 8;
/// So many are told that a node has taken writes before it knew them.
const TOLD: usize = 32;
/// A node that is ready and has found nobody for so long has nobody to be behind of.
const ALONE: Duration = Duration::from_secs(5);
/// How many nodes that have just begun themselves are asked by one that begins.
const UNSETTLED: usize = 3;
/// The pause after a round that failed doubles up to the usual one.
const BACKOFF: Duration = Duration::from_secs(1);
/// The most peers remembered to have been away.
const MAX_AWAY: usize = 1024;

/// How far a node is with what the others hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum State {
    /// It has not begun to compare.
    #[default]
    Cold,
    /// It fetches what others hold.
    Warming,
    /// It has compared with others, or there were none.
    Synced,
}

impl State {
    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warming => "warming",
            Self::Synced => "synced",
        }
    }
}

/// The times of a node's rounds, one after the other.
#[derive(Debug)]
pub struct Schedule {
    view: Arc<View>,
    rng: Rng,
    state: State,
    /// Whether a round has ever been complete.
    compared: bool,
    /// Until when those it meets missed writes of it: it had taken some before it had compared.
    missed_until: Option<Instant>,
    written: bool,
    ready: bool,
    /// When the next round is due; none before the node is ready, while one is under way, and after
    /// the end.
    next: Option<Instant>,
    /// Whom the round under way asks.
    asked: Option<(NodeId, Region)>,
    /// Asked in vain since the last complete round.
    tried: Vec<NodeId>,
    failures: u32,
    rounds: u32,
    away: BTreeSet<NodeId>,
    back: BTreeSet<NodeId>,
    /// Regions in which a node has died since one was asked there.
    bereft: BTreeSet<Region>,
    /// Those that have missed writes of this node's, and have not been told.
    owing: BTreeSet<NodeId>,
    over: bool,
}

impl Schedule {
    /// That of a node that sees `view`.
    #[must_use]
    pub const fn new(view: Arc<View>, seed: u64) -> Self {
        Self {
            view,
            rng: Rng::new(seed),
            state: State::Cold,
            compared: false,
            missed_until: None,
            written: false,
            ready: false,
            next: None,
            asked: None,
            tried: Vec::new(),
            failures: 0,
            rounds: 0,
            away: BTreeSet::new(),
            back: BTreeSet::new(),
            bereft: BTreeSet::new(),
            owing: BTreeSet::new(),
            over: false,
        }
    }

    /// How far the node is.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The node is announced.
    pub fn handle_ready(&mut self, now: Instant) {
        if !self.ready {
            self.ready = true;
            let wait = match self.has_peers() {
                true => self.rng.between(Duration::ZERO, AT_ONCE),
                false => ALONE,
            };
            self.hasten(now + wait);
        }
    }

    /// There is a new view.
    pub fn handle_view(&mut self, now: Instant, view: Arc<View>) {
        let had = self.has_peers();
        self.view = view;
        if self.ready && !self.compared && !had && self.has_peers() {
            let wait = self.rng.between(Duration::ZERO, AT_ONCE);
            self.hasten(now + wait);
        }
    }

    /// A peer is not routable any more.
    pub fn handle_down(&mut self, peer: NodeId) {
        self.back.remove(&peer);
        if self.away.len() < MAX_AWAY {
            self.away.insert(peer);
        }
    }

    /// A peer is routable.
    pub fn handle_up(&mut self, now: Instant, peer: &Peer) {
        if self.away.remove(&peer.id) && peer.capable {
            self.back.insert(peer.id);
            let wait = self.rng.between(Duration::ZERO, BACK);
            self.hasten(now + wait);
        } else if peer.capable && self.missed_until.is_some_and(|until| now < until) {
            self.owe(now, peer.id);
        }
    }

    /// A peer answers again that had failed for too long and was not put out.
    pub fn handle_recovered(&mut self, now: Instant, peer: NodeId) {
        self.visit(now, peer);
    }

    /// A peer of `region` has failed for so long that it was put out; the view is without it.
    pub fn handle_death(&mut self, now: Instant, region: &Region) {
        let earlier = |peer: &&Arc<Peer>| Some(peer.id) < self.view.me;
        let own = *region == self.view.own;
        let asks = own || self.view.local.iter().filter(earlier).count() < WITNESSES;
        if asks && self.survivor(region).is_some() {
            self.bereft.insert(region.clone());
            // Those of its region first: the others ask one of them.
            let first = if own { Duration::ZERO } else { BACK };
            let wait = first.saturating_add(self.rng.between(Duration::ZERO, BACK));
            self.hasten(now + wait);
        }
    }

    /// `peer` has missed writes of this node's, and nobody remembers which.
    pub fn handle_owing(&mut self, now: Instant, peer: NodeId) {
        if self.owing.len() < MAX_AWAY && self.owing.insert(peer) {
            self.visit(now, peer);
        }
    }

    /// The node has taken writes, before it has ever compared.
    pub const fn handle_written(&mut self) {
        self.written = !self.compared;
    }

    /// Whether a round has ever been complete.
    #[must_use]
    pub const fn has_compared(&self) -> bool {
        self.compared
    }

    /// This node has missed writes of `by`.
    pub fn handle_owed(&mut self, now: Instant, by: NodeId) {
        self.visit(now, by);
    }

    /// This node's id, if `peer` has missed writes of it and is to be told.
    #[must_use]
    pub fn owes(&self, peer: NodeId) -> Option<NodeId> {
        self.view.me.filter(|_| self.owing.contains(&peer))
    }

    /// No round is begun any more.
    pub fn leave(&mut self) {
        self.over = true;
        self.next = None;
    }

    /// Whom to compare with now; [`handle_ended`](Self::handle_ended) tells how that went. Poll
    /// after each `handle_*`.
    pub fn poll_start(&mut self, now: Instant) -> Option<Arc<Peer>> {
        self.next.filter(|at| *at <= now)?;
        self.next = None;
        let Some(peer) = self.choose() else {
            // Nobody there to be behind of.
            self.state = State::Synced;
            self.plan(now, EVERY);
            return None;
        };
        if !self.compared {
            self.state = State::Warming;
        }
        self.asked = Some((peer.id, peer.region.clone()));
        Some(peer)
    }

    /// Whom of the own region to ask for one key, as long as this node does not hold all itself: the
    /// `partner` of a round that is known to, else one that has not been asked in vain.
    pub(super) fn choose_for_lookup(&mut self, partner: Option<&Arc<Peer>>) -> Option<Arc<Peer>> {
        if self.over {
            return None;
        }
        let local = self.view.local.iter();
        if let Some(partner) = local.clone().find(|peer| Some(*peer) == partner) {
            return Some(partner.clone());
        }
        let fresh = |peer: &&Arc<Peer>| peer.capable && !self.tried.contains(&peer.id);
        let fresh: Vec<_> = local.filter(fresh).cloned().collect();
        self.rng.choose(&fresh).cloned()
    }

    /// A round is over.
    pub fn handle_ended(&mut self, now: Instant, ended: &Ended) {
        let Some((id, region)) = self.asked.take() else {
            return;
        };
        match ended.verdict {
            Verdict::Failed(_) => {
                self.tried.push(id);
                let wait = BACKOFF.saturating_mul(1 << self.failures.min(6)).min(EVERY);
                self.failures.grow(1);
                return self.plan(now, wait);
            }
            // There is more to get, of the same peer if need be.
            Verdict::Partial if ended.tally.merged > 0 => {
                self.failures = 0;
                return self.plan(now, AT_ONCE);
            }
            Verdict::Partial | Verdict::Complete | Verdict::Equal => self.failures = 0,
        }
        self.owing.remove(&id);
        self.caught_up(id, &region);
        let (view, owing) = (&self.view, &self.owing);
        let there = view.peers().map(|peer| peer.id);
        self.back.extend(there.filter(|id| owing.contains(id)));
        if !self.compared && !ended.settled {
            self.tried.push(id);
            let more = self.tried.len() < UNSETTLED && self.untried().next().is_some();
            if more {
                return self.plan(now, AT_ONCE);
            }
        }
        self.compared = true;
        if core::mem::take(&mut self.written) {
            self.missed_until = Some(now + EVERY);
            let known = self.view.peers().filter(|peer| peer.capable);
            let known: Vec<_> = known.map(|peer| peer.id).take(TOLD).collect();
            known.into_iter().for_each(|peer| self.owe(now, peer));
        }
        self.state = State::Synced;
        self.tried.clear();
        let wait = match self.back.is_empty() && self.bereft.is_empty() {
            true => EVERY,
            false => BACK,
        };
        self.plan(now, wait);
    }

    /// When [`poll_start`](Self::poll_start) has something.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// What one node of another region held is here now: the others there hold the same, or are asked
    /// some other time.
    fn caught_up(&mut self, id: NodeId, region: &Region) {
        let view = &self.view;
        let own = *region == view.own;
        self.bereft.remove(region);
        self.back.retain(|back| {
            let there = view.regions.iter().find(|there| there.name == *region);
            let same = there.is_some_and(|there| there.peers.iter().any(|peer| peer.id == *back));
            *back != id && (own || !same)
        });
    }

    /// Somebody of a region who has not been asked in vain.
    fn survivor(&mut self, region: &Region) -> Option<Arc<Peer>> {
        let there = self.view.peers().filter(|peer| peer.region == *region);
        let fresh = |peer: &&Arc<Peer>| peer.capable && !self.tried.contains(&peer.id);
        let fresh: Vec<_> = there.filter(fresh).cloned().collect();
        self.rng.choose(&fresh).cloned()
    }

    /// The peer, which is there, is asked soon, and told that it has missed writes.
    fn owe(&mut self, now: Instant, peer: NodeId) {
        if self.owing.len() < TOLD && self.owing.insert(peer) {
            self.back.insert(peer);
            let wait = self.rng.between(Duration::ZERO, BACK);
            self.hasten(now + wait);
        }
    }

    /// The peer is asked soon; or as soon as it is there.
    fn visit(&mut self, now: Instant, peer: NodeId) {
        if self.is_there(peer) {
            self.back.insert(peer);
            let wait = self.rng.between(Duration::ZERO, BACK);
            self.hasten(now + wait);
        } else if self.away.len() < MAX_AWAY {
            self.away.insert(peer);
        }
    }

    fn is_there(&self, id: NodeId) -> bool {
        self.view.peers().any(|peer| peer.id == id && peer.capable)
    }

    fn hasten(&mut self, at: Instant) {
        if self.ready && self.asked.is_none() && !self.over {
            self.next = Some(self.next.map_or(at, |next| next.min(at)));
        }
    }

    /// Decides with these points from now on.
    pub fn set_buggify(&mut self, buggify: &Buggify) {
        self.rng.set_buggify(buggify);
    }

    fn plan(&mut self, now: Instant, wait: Duration) {
        let soon = self.rng.hits(Point::SyncSoon);
        let wait = if soon { wait.min(AT_ONCE) } else { wait };
        let wait = self.rng.jitter(wait, 50);
        if !self.over {
            self.next = Some(now + wait);
        }
    }

    fn has_peers(&self) -> bool {
        self.view.peers().any(|peer| peer.capable)
    }

    /// Those a node that begins may ask: of its own region, else of the nearest that has one of ours.
    fn untried(&self) -> impl Iterator<Item = &Arc<Peer>> {
        let regions = self.view.regions.iter().map(|region| &region.peers);
        let mut groups = core::iter::once(&self.view.local).chain(regions);
        let group = groups.find(|group| group.iter().any(|peer| peer.capable));
        let fresh = |peer: &&Arc<Peer>| peer.capable && !self.tried.contains(&peer.id);
        group.into_iter().flatten().filter(fresh)
    }

    fn choose(&mut self) -> Option<Arc<Peer>> {
        if !self.compared {
            let mut candidates: Vec<_> = self.untried().cloned().collect();
            if candidates.is_empty() {
                self.tried.clear();
                candidates = self.untried().cloned().collect();
            }
            return self.rng.choose(&candidates).cloned();
        }
        let view = self.view.clone();
        while let Some(id) = self.back.pop_first() {
            if let Some(peer) = view.peers().find(|peer| peer.id == id && peer.capable) {
                return Some(peer.clone());
            }
        }
        while let Some(region) = self.bereft.first().cloned() {
            if let Some(peer) = self.survivor(&region) {
                // Due until it has answered.
                return Some(peer);
            }
            self.bereft.remove(&region);
        }
        self.rounds = self.rounds.wrapping_add(1);
        let ours = |peers: &[Arc<Peer>]| -> Vec<Arc<Peer>> {
            let ours = peers.iter().filter(|peer| peer.capable);
            ours.cloned().collect()
        };
        let near = ours(&view.local);
        let regions = view.regions.iter().map(|region| ours(&region.peers));
        let regions: Vec<_> = regions.filter(|peers| !peers.is_empty()).collect();
        let far = near.is_empty() || (self.rounds % FAR == 0 && !regions.is_empty());
        let group = match far {
            true => self.rng.choose(&regions)?,
            false => &near,
        };
        let fresh = |peer: &&Arc<Peer>| !self.tried.contains(&peer.id);
        let fresh: Vec<_> = group.iter().filter(fresh).cloned().collect();
        let group = if fresh.is_empty() { group } else { &fresh };
        self.rng.choose(group).cloned()
    }
}
