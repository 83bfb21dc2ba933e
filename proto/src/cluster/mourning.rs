//! Whether a node that does not answer is dead, so that goodbye is said for it.
//!
//! ```text
//! out, and silent when multicast DNS asked ──rank──▶ witnesses asked ──all miss it too──▶ buried
//!                                                        │ one sees it, or does not answer
//!                                                        └──▶ asked again later, or let be
//! ```
//! Only nodes of ours in the own region are buried: stock ones would not defend themselves against a
//! goodbye that is wrong, and only a node of the same region can stand in for one. What is out of reach for
//! this node alone is not dead: every node of ours on the link has to miss it, and where there is no other
//! one, its host has to say that nobody listens. The node of the lowest id acts; the next ones do after a
//! while, if nobody has.

use super::config::MAX_MEMBERS;
use super::health::State;
use super::machine::{Cluster, Stage};
use super::members;
use super::peer::{Peer, Source};
use super::probe::Exchange;
use crate::{Duration, Failure, Instant, NodeId};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Dead nodes looked at at a time.
const MAX_CASES: usize = 8;
/// Nodes that act one after the other if those before do not.
const RANKS: u32 = 3;
/// The time between two of them: others may have noticed as much later.
const RANK_PAUSE: Duration = Duration::from_secs(15);
/// The first one waits as well, for others to have noticed.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The most nodes asked what they see.
const MAX_WITNESSES: usize = 8;
/// After a witness saw it, or said nothing.
const RETRY: Duration = Duration::from_secs(30);
const TRIES: u8 = 3;

/// What is being found out.
#[derive(Debug, Default)]
pub(super) struct Mourning {
    cases: BTreeMap<NodeId, Case>,
}

#[derive(Debug)]
struct Case {
    peer: Arc<Peer>,
    /// Its host has said that nobody listens.
    refusing: bool,
    /// When to ask the witnesses; `None` while they are asked.
    next: Option<Instant>,
    /// Answers that are missing.
    open: usize,
    tries: u8,
}

impl Mourning {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.cases.values().filter_map(|case| case.next).min()
    }
}

impl Cluster {
    /// Multicast DNS has asked for a peer in vain: it may be a death.
    pub(super) fn suspect_death(&mut self, now: Instant, id: NodeId) {
        let silent = self.mdns.as_ref().is_some_and(|mdns| mdns.is_silent(id));
        let (Some(me), Some(entry), true) = (self.me, self.table.entry(id), silent) else {
            return;
        };
        let ours = entry.peer.capable && entry.peer.region == self.own;
        let dead = entry.heard.is_some() && entry.health.state() == State::Out;
        let room = self.mourning.cases.len() < MAX_CASES;
        if !ours || !dead || !room || self.stage != Stage::Ready {
            return;
        }
        let own = |peer: &&Arc<Peer>| peer.region == self.own && peer.id < me.id;
        let before = self.witnesses().iter().filter(own).count();
        let rank = u32::try_from(before).unwrap_or(u32::MAX);
        if rank >= RANKS {
            return;
        }
        let case = Case {
            peer: entry.peer.clone(),
            refusing: entry.health.refusing(),
            next: Some(now + FIRST_PAUSE + RANK_PAUSE.saturating_mul(rank)),
            open: 0,
            tries: 0,
        };
        self.mourning.cases.entry(id).or_insert(case);
    }

    /// The nodes of ours on the link that answer, in the order of their ids.
    fn witnesses(&self) -> Vec<Arc<Peer>> {
        let sound = self.table.entries().filter(|entry| {
            let answers = entry.routable() && !entry.health.overdue();
            answers && entry.peer.capable && entry.lease(Source::Mdns).is_some()
        });
        sound.map(|entry| entry.peer.clone()).collect()
    }

    /// Asks for what is due to be asked.
    pub(super) fn mourn(&mut self, now: Instant) {
        let due = |case: &Case| case.next.is_some_and(|next| next <= now);
        let cases = self.mourning.cases.iter();
        let due: Vec<_> = cases.filter(|(_, case)| due(case)).collect();
        let due: Vec<NodeId> = due.into_iter().map(|(id, _)| *id).collect();
        for id in due {
            let witnesses: Vec<SocketAddr> = self
                .witnesses()
                .iter()
                .map(|peer| peer.addr)
                .take(MAX_WITNESSES)
                .collect();
            let still = self.is_missing(id);
            let Some(case) = self.mourning.cases.get_mut(&id).filter(|_| still) else {
                self.mourning.cases.remove(&id);
                continue;
            };
            if witnesses.is_empty() {
                let refusing = case.refusing;
                self.mourning.cases.remove(&id);
                if refusing {
                    self.bury(now, id);
                }
                continue;
            }
            if !self.exchanges.may_poll() {
                case.next = Some(now + FIRST_PAUSE);
                continue;
            }
            case.next = None;
            case.open = witnesses.len();
            for addr in witnesses {
                self.ask_members(now, Exchange::Witness(id), addr);
            }
        }
    }

    /// A witness has told whom it sees, or has not.
    pub(super) fn testify(&mut self, now: Instant, id: NodeId, told: Result<&[u8], Failure>) {
        let Some(case) = self.mourning.cases.get_mut(&id).filter(|c| c.open > 0) else {
            return;
        };
        let misses = told
            .ok()
            .and_then(members::parse)
            .is_some_and(|(_, others)| {
                let mut sees = others.take(MAX_MEMBERS);
                !sees.any(|peer| peer.id == id || peer.addr == case.peer.addr)
            });
        case.open = case.open.saturating_sub(1);
        if !misses {
            case.open = 0;
            case.tries = case.tries.saturating_add(1);
            case.next = (case.tries < TRIES).then(|| now + RETRY);
            if case.next.is_none() {
                self.mourning.cases.remove(&id);
            }
        } else if case.open == 0 {
            let still = self.is_missing(id);
            self.mourning.cases.remove(&id);
            if still {
                self.bury(now, id);
            }
        }
    }

    /// Whether nothing has been heard of it since.
    fn is_missing(&self, id: NodeId) -> bool {
        let out = |state| matches!(state, State::Out | State::Unproven);
        let entry = self.table.entry(id);
        let silent = self.mdns.as_ref().is_some_and(|mdns| mdns.is_silent(id));
        silent && entry.is_none_or(|entry| out(entry.health.state()))
    }

    fn bury(&mut self, now: Instant, id: NodeId) {
        if let Some(mdns) = &mut self.mdns {
            mdns.bury(now, id);
        }
    }
}
