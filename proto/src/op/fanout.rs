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

use crate::cluster::{Peer, View};
use crate::{Duration, Failure, Instant, NodeId, Rng};
use alloc::collections::{BTreeSet, VecDeque};
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
    lanes: Vec<Lane>,
    /// By copy id: the lane it belongs to.
    copies: Vec<Flight>,
    queue: VecDeque<u16>,
    deadlines: BTreeSet<(Instant, u16)>,
    pending_local: u16,
    events: VecDeque<FanoutEvent>,
    tally: Tally,
}

/// One receiver: a local peer, or a whole other region.
#[derive(Debug)]
struct Lane {
    /// Index of the region in the view; `None` for a local peer.
    region: Option<usize>,
    first: Arc<Peer>,
    tried: Vec<NodeId>,
}

#[derive(Debug)]
struct Flight {
    lane: usize,
    peer: Arc<Peer>,
    deadline: Option<Instant>,
    done: bool,
}

impl Fanout {
    /// How long a peer of the own region may take with a copy.
    pub const LOCAL_DEADLINE: Duration = Duration::from_millis(500);
    /// How long a node of another region may take.
    pub const REMOTE_DEADLINE: Duration = Duration::from_secs(1);
    /// How many nodes of another region are tried.
    pub const REMOTE_ATTEMPTS: usize = 3;

    /// The spread of a write accepted `now`, to the nodes `view` has.
    #[must_use]
    pub fn new(now: Instant, view: Arc<View>, scope: Scope, ack: Ack, mut rng: Rng) -> Self {
        let mut lanes = Vec::new();
        if scope.local {
            let lane = |peer: &Arc<Peer>| Lane {
                region: None,
                first: peer.clone(),
                tried: Vec::new(),
            };
            lanes.extend(view.local.iter().map(lane));
        }
        let pending_local = lanes.len() as u16;
        if scope.remote {
            for (index, region) in view.regions.iter().enumerate() {
                if let Some(first) = entry_of(&region.peers, &[], &mut rng) {
                    lanes.push(Lane {
                        region: Some(index),
                        first,
                        tried: Vec::new(),
                    });
                }
            }
        }
        let mut fanout = Self {
            view,
            rng,
            ack_at: Some(now + ack.patience()),
            wait_remote: ack == Ack::All,
            copies: Vec::with_capacity(lanes.len()),
            queue: VecDeque::with_capacity(lanes.len()),
            deadlines: BTreeSet::new(),
            pending_local,
            events: VecDeque::new(),
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

    /// The copy to send next; poll until there is none, after `new` and after each `handle_*`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Copy> {
        let id = self.queue.pop_front()?;
        let flight = self.copies.get_mut(usize::from(id))?;
        let recurse = self.lanes.get(flight.lane)?.region.is_some();
        let allowed = if recurse {
            Self::REMOTE_DEADLINE
        } else {
            Self::LOCAL_DEADLINE
        };
        let deadline = now + allowed;
        flight.deadline = Some(deadline);
        self.deadlines.insert((deadline, id));
        Some(Copy {
            id,
            peer: flight.peer.clone(),
            recurse,
            deadline,
        })
    }

    /// How copy `id` went: the HTTP status of the answer, or why there was none.
    pub fn handle_result(&mut self, _now: Instant, id: u16, result: Result<u16, Failure>) {
        let Some(flight) = self.copies.get_mut(usize::from(id)) else {
            return;
        };
        let Some(deadline) = flight.deadline.filter(|_| !flight.done) else {
            return;
        };
        flight.done = true;
        self.deadlines.remove(&(deadline, id));
        let (lane, capable) = (flight.lane, flight.peer.capable);
        match result {
            // 404: the removal of a key the peer does not hold.
            Ok(200..=299 | 404) => self.settle(lane, |tally| tally.delivered += 1),
            // A stock peer answers 500 when *its* peers fail it, having stored the value.
            Ok(status) if !capable || (400..500).contains(&status) => {
                self.settle(lane, |tally| tally.refused += 1);
            }
            Ok(_) | Err(_) => self.retry(lane),
        }
        self.acknowledge_if_settled();
    }

    /// When [`handle_timeout`](Self::handle_timeout) has work.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let copy = self.deadlines.first().map(|(at, _)| *at);
        copy.into_iter().chain(self.ack_at).min()
    }

    /// Gives up copies whose deadline has come; acknowledges when the caller has waited enough.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.handle_result(now, id, Err(Failure::TimedOut));
        }
        if self.ack_at.is_some_and(|at| at <= now) {
            self.acknowledge();
        }
    }

    /// What has happened; poll until there is nothing, after `new` and after each `handle_*`.
    pub fn poll_event(&mut self) -> Option<FanoutEvent> {
        self.events.pop_front()
    }

    /// Whether every copy has come to an end and everything has been told.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.tally().pending == 0 && self.ack_at.is_none() && self.events.is_empty()
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
        let pending = self.lanes.len() as u16 - delivered - refused - undelivered;
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
        self.events.extend(missed);
    }

    fn enqueue(&mut self, lane: usize, peer: Arc<Peer>) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.tried.push(peer.id);
        }
        self.queue.push_back(self.copies.len() as u16);
        self.copies.push(Flight {
            lane,
            peer,
            deadline: None,
            done: false,
        });
    }

    fn settle(&mut self, lane: usize, count: impl FnOnce(&mut Tally)) {
        count(&mut self.tally);
        if self
            .lanes
            .get(lane)
            .is_some_and(|lane| lane.region.is_none())
        {
            self.pending_local -= 1;
        }
    }

    fn retry(&mut self, index: usize) {
        let Some(lane) = self.lanes.get(index) else {
            return;
        };
        let region = lane.region.and_then(|region| self.view.regions.get(region));
        let another = region
            .filter(|_| lane.tried.len() < Self::REMOTE_ATTEMPTS)
            .and_then(|region| entry_of(&region.peers, &lane.tried, &mut self.rng));
        if let Some(peer) = another {
            self.enqueue(index, peer);
        } else {
            let (peer, recurse) = (lane.first.clone(), lane.region.is_some());
            self.events
                .push_back(FanoutEvent::Undelivered { peer, recurse });
            self.settle(index, |tally| tally.undelivered += 1);
        }
    }

    fn acknowledge_if_settled(&mut self) {
        let pending = if self.wait_remote {
            self.tally().pending
        } else {
            self.pending_local
        };
        if pending == 0 {
            self.acknowledge();
        }
    }

    fn acknowledge(&mut self) {
        if self.ack_at.take().is_some() {
            self.events.push_front(FanoutEvent::Acked);
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
