//! All of it: rounds one after the other, and what they came to.

use crate::count::Count;
use alloc::sync::Arc;

use super::{
    Ask, LOOKUP_TIME, Limits, Lookup, MAX_ASKED_KEY, MAX_LOOKUPS, Query, Round, Schedule, State,
    Verdict,
};
use crate::cache::Shards;
use crate::cluster::{Down, Event, Peer, View};
use crate::{Buggify, Failure, Instant, NodeId, Now, Point};

/// A node's comparing with others.
#[derive(Debug)]
pub struct AntiEntropy {
    schedule: Schedule,
    limits: Limits,
    round: Option<Round>,
    /// Names the question under way, which its answer has to.
    serial: u64,
    /// Look-ups under way.
    lookups: usize,
    facts: SyncFacts,
    buggify: Buggify,
}

/// What it has come to so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SyncFacts {
    /// How far the node is.
    pub state: State,
    /// Rounds that found no difference.
    pub equal: u64,
    /// Rounds that looked at all that differed, or at much of it.
    pub complete: u64,
    /// Rounds that failed.
    pub failed: u64,
    /// Answers read.
    pub answers: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Records taken over.
    pub merged: u64,
    /// Keys looked up at another node.
    pub lookups: u64,
}

/// A question to be put to a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// Names it in the answer.
    pub id: u64,
    /// Whom to ask.
    pub peer: Arc<Peer>,
    /// What.
    pub query: Query,
    /// When it counts as failed.
    pub deadline: Instant,
}

impl AntiEntropy {
    /// That of a node that has just begun and sees `view`.
    #[must_use]
    pub fn new(view: Arc<View>, limits: Limits, seed: u64) -> Self {
        Self {
            schedule: Schedule::new(view, seed),
            limits,
            round: None,
            serial: 0,
            lookups: 0,
            facts: SyncFacts::default(),
            buggify: Buggify::OFF,
        }
    }

    /// Decides with these points from now on.
    pub fn set_buggify(&mut self, buggify: &Buggify) {
        self.schedule.set_buggify(buggify);
        self.buggify = buggify.clone();
    }

    /// How far it is, and what it took.
    #[must_use]
    pub const fn facts(&self) -> SyncFacts {
        SyncFacts {
            state: self.schedule.state(),
            ..self.facts
        }
    }

    /// Whether the node has compared with others, or there were none.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.schedule.state() == State::Synced
    }

    /// What it has to know of the cluster.
    pub fn handle_event(&mut self, now: Instant, event: &Event) {
        match event {
            Event::ViewChanged(view) => self.schedule.handle_view(now, view.clone()),
            Event::Ready => self.schedule.handle_ready(now),
            Event::PeerUp(peer) => self.schedule.handle_up(now, peer),
            Event::PeerRecovered(peer) => self.schedule.handle_recovered(now, peer.id),
            Event::PeerDown { peer, why } => {
                self.schedule.handle_down(peer.id);
                if matches!(why, Down::Failed(_)) {
                    self.schedule.handle_death(now, &peer.region);
                }
                let round = self.round.as_mut();
                if let Some(round) = round.filter(|round| round.peer().id == peer.id) {
                    round.handle_down();
                    self.settle(now);
                }
            }
            _ => {}
        }
    }

    /// `peer` has missed writes of this node's, and nobody remembers which: as soon as it is there the
    /// two compare, each with the other.
    pub fn handle_owing(&mut self, now: Instant, peer: NodeId) {
        self.schedule.handle_owing(now, peer);
    }

    /// Another node has asked for this; [`Query::answer`] is what it is told.
    pub fn handle_query(&mut self, now: Instant, query: &Query) {
        if let Query::Owed { by } = query {
            self.schedule.handle_owed(now, *by);
        }
    }

    /// Begins no further round, and asks nothing any more.
    pub fn leave(&mut self) {
        self.schedule.leave();
        self.round = None;
    }

    /// The question to put next; poll until there is none, after each `handle_*`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Question> {
        if self.round.is_none() {
            let peer = self.schedule.poll_start(now)?;
            let me = self.schedule.owes(peer.id);
            let mut round = Round::new(now, peer, self.limits).owing(me);
            if self.buggify.hits(Point::DigestDiffers) {
                round.distrust();
            }
            self.round = Some(round);
        }
        let round = self.round.as_mut()?;
        let Ask { query, deadline } = round.poll_transmit(now)?;
        self.serial.grow(1);
        Some(Question {
            id: self.serial,
            peer: round.peer().clone(),
            query,
            deadline,
        })
    }

    /// The answer to a question: status and body, or why there was none.
    pub fn handle_answer<S: Shards>(
        &mut self,
        now: Now,
        id: u64,
        shards: &S,
        answer: Result<(u16, &[u8]), Failure>,
    ) {
        if !self.schedule.has_compared() {
            let mut written = false;
            shards.for_each(|shard| written |= shard.has_stamped());
            if written {
                self.schedule.handle_written();
            }
        }
        if let Some(round) = self.round.as_mut().filter(|_| id == self.serial) {
            round.handle_answer(now, shards, answer);
        }
        self.settle(now.mono);
    }

    /// How to look up a key that is not held here and that somebody who is no node has asked for. `None`
    /// once the node is synced, and if there is nobody to ask or too much is being asked.
    pub fn look_up(&mut self, now: Instant, key: &[u8]) -> Option<Lookup> {
        let may = !self.is_settled() && self.lookups < MAX_LOOKUPS;
        if !may || key.len() > MAX_ASKED_KEY {
            return None;
        }
        let round = self.round.as_ref().filter(|round| round.is_settled());
        let peer = self.schedule.choose_for_lookup(round.map(Round::peer))?;
        self.lookups.grow(1);
        self.facts.lookups.grow(1);
        Some(Lookup {
            peer,
            query: Query::Key { key: key.to_vec() },
            deadline: now + LOOKUP_TIME,
            begun: now,
        })
    }

    /// A look-up is over, or given up.
    pub const fn end_lookup(&mut self) {
        self.lookups = self.lookups.saturating_sub(1);
    }

    /// When [`handle_timeout`](Self::handle_timeout) or [`poll_transmit`](Self::poll_transmit) has
    /// work.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.round {
            Some(round) => round.poll_timeout(),
            None => self.schedule.poll_timeout(),
        }
    }

    /// Gives up what has taken too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(round) = &mut self.round {
            round.handle_timeout(now);
        }
        self.settle(now);
    }

    /// Counts a round that is over.
    fn settle(&mut self, now: Instant) {
        let Some(ended) = self.round.as_mut().and_then(Round::poll_event) else {
            return;
        };
        self.round = None;
        match ended.verdict {
            Verdict::Equal => self.facts.equal.grow(1),
            Verdict::Complete | Verdict::Partial => self.facts.complete.grow(1),
            Verdict::Failed(_) => self.facts.failed.grow(1),
        }
        self.facts.answers.grow(ended.tally.answers);
        self.facts.bytes.grow(ended.tally.bytes);
        self.facts.merged.grow(ended.tally.merged);
        self.schedule.handle_ended(now, &ended);
    }
}
