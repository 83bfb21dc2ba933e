//! A write's spread: a copy to every node of the own region, and one to a node of each other region,
//! which spreads it there.
//!
//! ```text
//! a copy:    Queued --poll_transmit--> Flying --2xx, settled 4xx--> Done
//!                                        | failure, time-out, 5xx
//!                                        +--> local: Undelivered
//!                                        +--> remote: another node of the region, up to 3; then Undelivered
//! the write: Open --everybody the mode waits for is Done, or its time is up--> Acked
//! ```
//! All copies fly at once and none waits for another; the spread goes on behind the acknowledgement.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "counts of copies, each of a peer known and settled once; times of named bounds"
)]

use super::Pace;
use super::patience::way;
use crate::cluster::{Peer, View};
use crate::{Duration, Failure, Instant, NodeId, Point, Rng};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Which copies the caller's answer waits for. Stock clients give up at 500 ms, so none waits longer
/// than 400 ms.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Ack {
    /// None.
    None,
    /// The own region's: all of them answered or failed, or 250 ms are over.
    #[default]
    Region,
    /// Those of every region, or 400 ms are over.
    All,
}

impl Ack {
    /// The longest the caller waits.
    #[must_use]
    pub const fn patience(self) -> Duration {
        Duration::from_millis(match self {
            Self::None => 0,
            Self::Region => 250,
            Self::All => 400,
        })
    }
}

/// Where a write is to go from here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Scope {
    /// To the other nodes of the own region.
    pub local: bool,
    /// To one node of each other region.
    pub remote: bool,
}

/// One copy to send, and to report on by `deadline`.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Names the copy in the report.
    pub id: u16,
    /// The node to send it to.
    pub peer: Arc<Peer>,
    /// Whether that node spreads it in its region; else it is sent with `recurse=0`.
    pub recurse: bool,
    /// When the copy counts as failed.
    pub deadline: Instant,
}

/// What the spread tells its caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FanoutEvent {
    /// The write's own answer may go out. Comes exactly once.
    Acked,
    /// A peer did not get its copy; with `recurse` its whole region did not.
    Undelivered {
        /// The peer; of several nodes tried, the first one.
        peer: Arc<Peer>,
        /// Whether it was to spread the copy in its region.
        recurse: bool,
    },
}

/// How many copies came to what.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Copies answered with success.
    pub delivered: u16,
    /// Copies a peer answered with an error that trying again would not change.
    pub refused: u16,
    /// Copies nobody took.
    pub undelivered: u16,
    /// Copies still waited for.
    pub pending: u16,
}

/// The spread of one write.
#[derive(Debug)]
pub struct Fanout {
    view: Arc<View>,
    rng: Rng,
    ack_at: Option<Instant>,
    wait_remote: bool,
    /// By copy id, in the order they are sent in: first the local peers', as the view has them.
    copies: Vec<Flight>,
    locals: usize,
    /// The other regions.
    lanes: Vec<Lane>,
    /// The time that each copy's bytes take, at the least rate that is waited for.
    bytes: Duration,
    /// The latest deadline of a copy to another region.
    latest: Instant,
    /// The copy to send next.
    next: usize,
    /// The first local copy, and the first of the others, that has not come to its end: of those sent,
    /// its deadline is the earliest.
    oldest: [usize; 2],
    pending_local: u16,
    acked: bool,
    undelivered: VecDeque<FanoutEvent>,
    tally: Tally,
}

/// One other region.
#[derive(Debug)]
struct Lane {
    /// Its index in the view.
    region: usize,
    first: Arc<Peer>,
    tried: Vec<NodeId>,
}

#[derive(Debug)]
struct Flight {
    /// Where to, and the lane that belongs to; `None` for a local peer.
    remote: Option<(usize, Arc<Peer>)>,
    deadline: Option<Instant>,
    done: bool,
}

impl Fanout {
    /// How long a peer of the own region may take with a short copy.
    pub const LOCAL_DEADLINE: Duration = Duration::from_millis(500);
    /// How long a node of another region may take with one, unless four times that region's latency is
    /// longer.
    pub const REMOTE_DEADLINE: Duration = Duration::from_secs(1);
    /// How many nodes of another region are tried.
    pub const REMOTE_ATTEMPTS: usize = 3;

    /// The spread of a write accepted `now`, to the nodes `view` has.
    #[must_use]
    pub fn new(now: Instant, view: Arc<View>, scope: Scope, ack: Ack, mut rng: Rng) -> Self {
        let locals = if scope.local { view.local.len() } else { 0 };
        let mut lanes = Vec::new();
        if scope.remote {
            for (region, known) in view.regions.iter().enumerate() {
                if let Some(first) = entry_of(&known.peers, &[], &mut rng) {
                    let tried = Vec::new();
                    lanes.push(Lane {
                        region,
                        first,
                        tried,
                    });
                }
            }
        }
        let mut copies = Vec::with_capacity(locals + lanes.len());
        copies.extend((0..locals).map(|_| Flight::to(None)));
        let mut fanout = Self {
            view,
            rng,
            ack_at: Some(now + ack.patience()),
            wait_remote: ack == Ack::All,
            copies,
            locals,
            bytes: Duration::ZERO,
            latest: now,
            next: 0,
            oldest: [0, locals],
            pending_local: locals as u16,
            acked: false,
            undelivered: VecDeque::new(),
            tally: Tally::default(),
            lanes,
        };
        for lane in 0..fanout.lanes.len() {
            if let Some(peer) = fanout.lanes.get(lane).map(|l| l.first.clone()) {
                fanout.enqueue(lane, peer);
            }
        }
        if scope.local {
            fanout.miss_absent();
        }
        if ack == Ack::None {
            fanout.acknowledge();
        }
        fanout.acknowledge_if_settled();
        fanout
    }

    /// The same, whose copies carry so many `bytes`: each may take the longer ([`Pace::FIRST`]). How long
    /// the caller waits is not changed by that.
    #[must_use]
    pub fn carrying(mut self, bytes: usize) -> Self {
        self.bytes = Pace::FIRST.time_for(bytes);
        self
    }

    /// The copy to send next; poll until there is none, after `new` and after each `handle_*`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Copy> {
        let flight = self.copies.get_mut(self.next)?;
        let (peer, deadline) = match &flight.remote {
            Some((lane, peer)) => {
                let region = self.lanes.get(*lane).map(|lane| lane.region);
                let region = region.and_then(|region| self.view.regions.get(region));
                let latency = region.map_or(Duration::ZERO, |region| region.latency);
                let allowed = way(Self::REMOTE_DEADLINE, latency) + self.bytes;
                // No earlier than that of one sent before: the first that is open ends first.
                self.latest = self.latest.max(now + allowed);
                (peer.clone(), self.latest)
            }
            None => {
                let allowed = Self::LOCAL_DEADLINE + self.bytes;
                (self.view.local.get(self.next)?.clone(), now + allowed)
            }
        };
        flight.deadline = Some(deadline);
        let recurse = flight.remote.is_some();
        let id = self.next as u16;
        self.next += 1;
        Some(Copy {
            id,
            peer,
            recurse,
            deadline,
        })
    }

    /// How copy `id` went: the HTTP status of the answer, or why there was none.
    pub fn handle_result(&mut self, _now: Instant, id: u16, result: Result<u16, Failure>) {
        let index = usize::from(id);
        let Some(flight) = self.copies.get_mut(index) else {
            return;
        };
        if flight.done || flight.deadline.is_none() {
            return;
        }
        flight.done = true;
        let capable = match &flight.remote {
            Some((_, peer)) => peer.capable,
            None => self.view.local.get(index).is_some_and(|peer| peer.capable),
        };
        self.skip_done();
        match result {
            // 404: the removal of a key the peer does not hold.
            Ok(200..=299 | 404) => self.settle(index, |tally| tally.delivered += 1),
            // A stock peer answers 500 when *its* peers fail it, having stored the value.
            Ok(status) if !capable || (400..500).contains(&status) => {
                self.settle(index, |tally| tally.refused += 1);
            }
            Ok(_) | Err(_) => self.retry(index),
        }
        self.acknowledge_if_settled();
    }

    /// When [`handle_timeout`](Self::handle_timeout) has work.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let copy = self.earliest().map(|(at, _)| at);
        copy.into_iter().chain(self.ack_at).min()
    }

    /// Gives up copies whose deadline has come; acknowledges when the caller has waited enough.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, id)) = self.earliest().filter(|(at, _)| *at <= now) {
            self.handle_result(now, id, Err(Failure::TimedOut));
        }
        if self.ack_at.is_some_and(|at| at <= now) {
            self.acknowledge();
        }
    }

    /// What has happened; poll until there is nothing, after `new` and after each `handle_*`.
    pub fn poll_event(&mut self) -> Option<FanoutEvent> {
        if core::mem::take(&mut self.acked) {
            return Some(FanoutEvent::Acked);
        }
        self.undelivered.pop_front()
    }

    /// Whether every copy has come to an end and everything has been told.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let told = !self.acked && self.undelivered.is_empty();
        told && self.ack_at.is_none() && self.tally().pending == 0
    }

    /// How many copies came to what so far; a region counts as one copy.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let Tally {
            delivered,
            refused,
            undelivered,
            ..
        } = self.tally;
        let all = (self.locals + self.lanes.len()) as u16;
        let pending = all - delivered - refused - undelivered;
        Tally {
            pending,
            ..self.tally
        }
    }

    /// Who is out of routing gets no copy, and is to get the key when it is back.
    fn miss_absent(&mut self) {
        let missed = self
            .view
            .absent
            .iter()
            .map(|peer| FanoutEvent::Undelivered {
                peer: peer.clone(),
                recurse: false,
            });
        self.undelivered.extend(missed);
    }

    /// The copy on its way whose deadline is the first.
    fn earliest(&self) -> Option<(Instant, u16)> {
        let deadline = |id: usize| {
            let flight = self.copies.get(id).filter(|flight| !flight.done)?;
            Some((flight.deadline?, id as u16))
        };
        let [local, remote] = self.oldest;
        deadline(local).into_iter().chain(deadline(remote)).min()
    }

    fn skip_done(&mut self) {
        let done = |copies: &[Flight], id: usize| copies.get(id).is_some_and(|copy| copy.done);
        let [local, remote] = &mut self.oldest;
        while *local < self.locals && done(&self.copies, *local) {
            *local += 1;
        }
        while done(&self.copies, *remote) {
            *remote += 1;
        }
    }

    fn enqueue(&mut self, lane: usize, peer: Arc<Peer>) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.tried.push(peer.id);
        }
        self.copies.push(Flight::to(Some((lane, peer))));
    }

    fn settle(&mut self, id: usize, count: impl FnOnce(&mut Tally)) {
        count(&mut self.tally);
        if id < self.locals {
            self.pending_local -= 1;
        }
    }

    /// A copy has failed: another node of its region may take it.
    fn retry(&mut self, id: usize) {
        let remote = self.copies.get(id).and_then(|copy| copy.remote.as_ref());
        let lane = remote.and_then(|(lane, _)| Some((*lane, self.lanes.get(*lane)?)));
        let another = lane.and_then(|(index, lane)| {
            let region = self.view.regions.get(lane.region)?;
            let may = lane.tried.len() < Self::REMOTE_ATTEMPTS;
            let entry = || entry_of(&region.peers, &lane.tried, &mut self.rng);
            Some((index, may.then(entry)??))
        });
        if let Some((lane, peer)) = another {
            return self.enqueue(lane, peer);
        }
        let first = match lane {
            Some((_, lane)) => Some(&lane.first),
            None => self.view.local.get(id),
        };
        if let Some(peer) = first.cloned() {
            let recurse = lane.is_some();
            self.undelivered
                .push_back(FanoutEvent::Undelivered { peer, recurse });
        }
        self.settle(id, |tally| tally.undelivered += 1);
    }

    fn acknowledge_if_settled(&mut self) {
        let pending = if self.wait_remote {
            self.tally().pending
        } else {
            self.pending_local
        };
        // Late is in time: `ack_at` is still to come.
        let late = self.ack_at.is_some() && self.rng.hits(Point::AckLate);
        if pending == 0 && !late {
            self.acknowledge();
        }
    }

    fn acknowledge(&mut self) {
        self.acked |= self.ack_at.take().is_some();
    }
}

impl Flight {
    const fn to(remote: Option<(usize, Arc<Peer>)>) -> Self {
        Self {
            remote,
            deadline: None,
            done: false,
        }
    }
}

/// The node of a region to hand a copy to: a stock node passes it on without its expiry, so one of
/// ours if there is one.
fn entry_of(peers: &[Arc<Peer>], tried: &[NodeId], rng: &mut Rng) -> Option<Arc<Peer>> {
    let open = |capable: bool| -> Vec<&Arc<Peer>> {
        let fits = |p: &&Arc<Peer>| p.capable == capable && !tried.contains(&p.id);
        peers.iter().filter(fits).collect()
    };
    let ours = open(true);
    let choice = if ours.is_empty() { open(false) } else { ours };
    rng.choose(&choice).map(|peer| Arc::clone(peer))
}
