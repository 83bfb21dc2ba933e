//! The table's judgement: who answers, who is put out, who owns an address or an id.

use super::config::{GOODBYE_CHECK, PING_DEADLINE, PING_EVERY, QUORUM, RECENT, USURP_AFTER};
use super::event::{Down, Outcome, Pong};
use super::health::{Health, State};
use super::peer::{Entry, Peer, Proof, Source};
use super::rank::Smoothed;
use super::table::{Change, Table};
use crate::count::Count as _;
use crate::{Duration, Failure, Instant, NodeId, Point};
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Table {
    /// A ping of the peer, or of its rival, came to its end.
    pub(super) fn pong(
        &mut self,
        now: Instant,
        id: NodeId,
        token: u64,
        result: Result<Pong, Failure>,
    ) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let proof = match result {
            Ok(Pong { node: None, .. }) => Proof::Unnamed,
            Ok(Pong {
                node: Some(node), ..
            }) if node == id => Proof::Named,
            _ => Proof::None,
        };
        if let Some(rival) = entry
            .rival
            .as_mut()
            .filter(|rival| rival.token == Some(token))
        {
            rival.proof = Some(proof);
        } else if let Some((_, since)) = entry.ping.filter(|(own, _)| *own == token) {
            entry.ping = None;
            let contested = entry.rival.as_mut().filter(|rival| rival.token.is_some());
            let contested = contested
                .map(|rival| rival.incumbent = Some(proof))
                .is_some();
            match result {
                Ok(_) if proof == Proof::None && !contested => {
                    // Somebody else lives there now.
                    self.forget(now, id, Down::Superseded);
                }
                Ok(pong) if proof != Proof::None => self.answered(now, id, since, pong.rtt, proof),
                Ok(_) => self.failed(now, id, since, Failure::Malformed, true),
                Err(failure) => self.failed(now, id, since, failure, true),
            }
        }
        self.judge_rival(now, id);
        self.reschedule(id);
    }

    /// A request to the peer went so.
    ///
    /// Says whether anything but its round-trip time is another now.
    pub(super) fn outcome(&mut self, now: Instant, id: NodeId, outcome: Outcome) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        match outcome {
            Outcome::Answered(_) | Outcome::Alive if entry.routable() => {
                if let Outcome::Answered(rtt) = outcome {
                    entry.srtt.add(rtt);
                    self.remeasured = true;
                }
                entry.heard = Some(now);
                // Its next ping is put off when it is due, not at each answer.
                if entry.health.is_steady() {
                    return false;
                }
                if entry.health.overdue() {
                    self.dirty = true;
                    self.changes
                        .push_back(Change::Recovered(entry.peer.clone()));
                }
                entry.health.succeed();
            }
            Outcome::Answered(_) | Outcome::Alive => {
                entry.health.hope();
                Self::hasten(now, entry);
            }
            // It was never asked.
            Outcome::Failed(Failure::Overloaded) => return false,
            Outcome::Failed(failure) if entry.routable() => {
                self.failed(now, id, now, failure, false);
            }
            Outcome::Failed(_) => {}
        }
        self.reschedule(id);
        true
    }

    fn answered(&mut self, now: Instant, id: NodeId, since: Instant, rtt: Duration, proof: Proof) {
        let (every, lease) = (self.ping_every(), self.lease());
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.srtt.add(rtt);
        if entry.heard.replace(now).is_none() {
            self.proven.grow(1);
        }
        self.remeasured = true;
        if entry.health.overdue() {
            self.dirty = true;
            self.changes
                .push_back(Change::Recovered(entry.peer.clone()));
        }
        let returns = entry.health.overdue() || entry.health.state() == State::Out;
        let back = entry.health.succeed();
        entry.ping_at = now + entry.health.pause(every, &mut self.rng);
        if self.rng.hits(Point::ProbeEarly) {
            entry.ping_at = now + Duration::from_millis(10);
        }
        entry.urgent = !entry.news.is_empty();
        if entry.urgent {
            entry.ping_at = now;
        }
        // An answer to a ping sent before a goodbye was heard says nothing about it.
        match entry
            .goodbye
            .filter(|at| since < *at && now < *at + GOODBYE_CHECK)
        {
            Some(_) => entry.ping_at = now,
            None => entry.goodbye = None,
        }
        if proof == Proof::Named {
            entry.renew(now + lease);
            if !entry.peer.capable {
                entry.peer = Arc::new(Peer {
                    capable: true,
                    ..Peer::clone(&entry.peer)
                });
                self.dirty |= !back;
            }
        }
        if returns {
            self.hope_for_kin(now, id);
        }
        if back && self.settle_address(now, id, proof) {
            self.dirty = true;
            if let Some(peer) = self.entries.get(&id).map(|entry| entry.peer.clone()) {
                self.changes.push_back(Change::Up(peer.clone()));
                self.exchange(now, &peer.region);
            }
        }
    }

    /// A peer came back at an address others may hold: the node that answers there, or else the newer
    /// one, keeps it. Says whether that is `id`.
    fn settle_address(&mut self, now: Instant, id: NodeId, proof: Proof) -> bool {
        let Some(entry) = self.entries.get(&id) else {
            return false;
        };
        let (addr, serial, hearsay) = (entry.peer.addr, entry.serial, entry.hearsay);
        let others = self.regions.at(addr).filter(|other| *other != id);
        let rest: Vec<(NodeId, bool)> = others
            .filter_map(|other| self.entry(other))
            .map(|other| {
                let newer = other.serial > serial || hearsay;
                (
                    other.peer.id,
                    proof != Proof::Named && other.routable() && newer,
                )
            })
            .collect();
        if rest.iter().any(|(_, stays)| *stays) {
            // Not routable as long as the other is; it was never announced to be.
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.health = Health::new();
            }
            self.forget(now, id, Down::Superseded);
            return false;
        }
        for (other, _) in rest {
            self.forget(now, other, Down::Superseded);
        }
        true
    }

    fn failed(&mut self, now: Instant, id: NodeId, since: Instant, failure: Failure, ping: bool) {
        let every = self.ping_every();
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if ping && entry.goodbye.is_some_and(|at| now <= at + GOODBYE_CHECK) {
            self.depart(now, id);
            return;
        }
        entry.goodbye = None;
        let fresh = entry.health.state() == State::Healthy;
        entry.health.fail(since, failure, ping);
        if entry.routable() && failure != Failure::Refused {
            entry.srtt.add(PING_DEADLINE);
            self.remeasured = true;
        }
        if entry.health.failures() == 2 && entry.routable() && entry.lease(Source::Mdns).is_some() {
            self.changes.push_back(Change::Verify(id));
        }
        let mut pause = entry.health.pause(every, &mut self.rng);
        if self.rng.hits(Point::ProbeLate) {
            pause = pause.saturating_add(Duration::from_millis(500));
        }
        if ping || fresh {
            entry.ping_at = now + pause;
        }
        let (failures, suspect) = (
            entry.health.failures(),
            entry.health.state() == State::Suspect,
        );
        if suspect {
            self.miss(now, id, failures);
        }
        if ping && suspect {
            self.judge_health(now, id, failure);
        }
    }

    /// Puts a peer out if it has failed for long enough and may be spared.
    pub(super) fn judge_health(&mut self, now: Instant, id: NodeId, failure: Failure) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let was = entry.health.overdue();
        if !entry.health.check(now) {
            return;
        }
        self.dirty |= !was;
        if !self.may_go(now, id) {
            return;
        }
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.health.put_out();
            entry.ping_at = now + entry.health.pause(PING_EVERY, &mut self.rng);
            self.dirty = true;
            let down = Change::Down(entry.peer.clone(), Down::Failed(failure));
            self.changes.push_back(down);
        }
    }

    /// Whether routing can do without the peer: not if it is the last of its region, nor if so many fail
    /// at once that the fault is more likely here.
    fn may_go(&mut self, now: Instant, id: NodeId) -> bool {
        let Some(entry) = self.entries.get(&id) else {
            return false;
        };
        let region = &entry.peer.region;
        let kin = |e: &Entry| e.routable() && e.peer.id != id && e.peer.region == *region;
        let here = self.node && *region == self.own;
        if !here && !self.entries().any(kin) {
            return false;
        }
        if entry.health.refusing() {
            return true;
        }
        // Of those heard from, or in vain asked, since this one began to fail: how many fail too?
        let since = entry.health.since();
        let lost = |e: &Entry| {
            let beyond_doubt = e.health.state() == State::Out || e.health.failures() >= 2;
            beyond_doubt && !e.health.refusing() && e.health.since() + RECENT > now
        };
        let heard = |e: &Entry| !lost(e) && e.heard.is_some_and(|heard| heard > since);
        let failing = self.entries().filter(|e| lost(e)).count();
        let answering = self.entries().filter(|e| heard(e)).count();
        let most = failing > answering && failing.saturating_add(answering) >= QUORUM;
        let all = answering == 0 && self.entries().filter(|e| e.routable()).count() >= QUORUM;
        if most || all {
            self.ask_around(now, since, failing);
        }
        !(most || all)
    }

    /// Decides between a peer's address and a rival's once both have been pinged: a live one keeps it
    /// against any that proves no more.
    fn judge_rival(&mut self, now: Instant, id: NodeId) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let proofs = entry.rival.as_ref().and_then(|r| r.incumbent.zip(r.proof));
        let Some((incumbent, challenger)) = proofs else {
            return;
        };
        let Some(mut rival) = entry.rival.take() else {
            return;
        };
        let incumbent = match incumbent {
            // All that a stock node can show.
            Proof::Unnamed if !entry.peer.capable => Proof::Named,
            shown => shown,
        };
        if challenger == Proof::None && entry.routable() {
            return;
        }
        if challenger <= incumbent && incumbent != Proof::None {
            if challenger == Proof::Named {
                // The same node, at another address of its.
                entry.hold(rival.source, rival.until);
                entry.also = Some(rival.peer.addr.ip());
            }
            return;
        }
        if incumbent == Proof::None && entry.routable() && entry.health.failures() < USURP_AFTER {
            // One lost ping does not lose a live peer its address.
            (rival.token, rival.proof, rival.incumbent) = (None, None, None);
            entry.rival = Some(rival);
            return;
        }
        let was_routable = entry.routable();
        let old = core::mem::replace(&mut entry.peer, rival.peer);
        self.regions.replace(&old, &entry.peer);
        entry.also = None;
        for source in Source::ALL {
            entry.release(source);
        }
        entry.hold(rival.source, rival.until);
        entry.hearsay = !rival.source.first_hand();
        entry.srtt = Smoothed::default();
        entry.health = Health::new();
        entry.ping_at = now;
        entry.pinged = None;
        if was_routable {
            self.dirty = true;
            self.changes.push_back(Change::Down(old, Down::Moved));
        }
    }
}
