//! A client's ladder: whom one operation asks, one after the other, until somebody answers.
//!
//! ```text
//! Local 0.5 s --> NextLocal 0.5 s --> FirstRegion 0.75 s --> SecondRegion 1.0 s --> (rungs used up)
//!   |                |                    |                      |                       |
//!   +--- answer -----+------- answer -----+------- answer -------+--> Verdict <----------+
//! ```
//! A time-out, a failure, a 5xx and, for a read, a 404 lead to the next rung; a rung nobody stands on
//! is skipped. No rung lasts beyond what the whole operation may take: [`Kind::budget`].

use crate::cluster::{Peer, View};
use crate::count::Count;
use crate::{Duration, Failure, Instant, Rng};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};

/// What the operation does with the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Read the value.
    Get,
    /// Store a value.
    Put,
    /// Remove the value.
    Delete,
}

impl Kind {
    /// The longest the whole operation takes: for a write, all rungs together. A read is to spare its
    /// caller what is slower, so that if all others took all their time, a quarter of a second is left
    /// for the last one.
    #[must_use]
    pub const fn budget(self) -> Duration {
        Duration::from_millis(match self {
            Self::Get => 2_000,
            Self::Put | Self::Delete => 2_750,
        })
    }
}

/// A step of the ladder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rung {
    /// The node of the own region whose turn it is.
    Local,
    /// The node after that one, unless it is the same.
    NextLocal,
    /// A random node of the nearest other region.
    FirstRegion,
    /// A random node of the second nearest.
    SecondRegion,
}

impl Rung {
    /// The longest an attempt of this rung takes.
    #[must_use]
    pub const fn budget(self) -> Duration {
        Duration::from_millis(match self {
            Self::Local | Self::NextLocal => 500,
            Self::FirstRegion => 750,
            Self::SecondRegion => 1_000,
        })
    }

    const fn next(self) -> Option<Self> {
        match self {
            Self::Local => Some(Self::NextLocal),
            Self::NextLocal => Some(Self::FirstRegion),
            Self::FirstRegion => Some(Self::SecondRegion),
            Self::SecondRegion => None,
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local node",
            Self::NextLocal => "next local node",
            Self::FirstRegion => "nearest region",
            Self::SecondRegion => "second nearest region",
        })
    }
}

/// How far an exchange had come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// Not yet connected.
    Connect,
    /// Connected; the request is not yet sent whole.
    Write,
    /// Sent; the answer has not come whole.
    Read,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Write => "sending",
            Self::Read => "waiting for the answer",
        })
    }
}

/// Whose turn it is: shared by all operations of a client. Of `n` nodes that stay the same, `n` takes
/// in a row choose each of them first once.
#[derive(Debug, Default)]
pub struct Turn(AtomicUsize);

impl Turn {
    /// A turn that begins at `first`, so that many clients do not begin with the same node.
    #[must_use]
    pub const fn starting_at(first: usize) -> Self {
        Self(AtomicUsize::new(first))
    }

    /// Takes a turn; [`Fetch`] reads it modulo the number of nodes there then are.
    pub fn take(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// One request to make: ask `peer`, and report by `deadline`.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Names the attempt in the report.
    pub id: u8,
    /// The step of the ladder.
    pub rung: Rung,
    /// The node to ask.
    pub peer: Arc<Peer>,
    /// When the attempt is over, whatever has come by then.
    pub deadline: Instant,
}

/// How the operation ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The read found a value: the body of the answer told last.
    Hit,
    /// At least one node answered that it has none, and no node had one.
    Miss,
    /// The value is stored.
    Stored,
    /// The key is gone.
    Deleted {
        /// Whether the node asked had held it.
        existed: bool,
    },
    /// A node understood the request and will not do it; no other one would.
    Refused {
        /// Its HTTP status.
        status: u16,
    },
    /// No node gave an answer.
    Unreachable(Unreachable),
}

/// Whom an operation asked in vain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreachable {
    /// One entry an attempt, in order; empty when no node is known at all.
    pub attempts: Vec<Tried>,
}

/// One attempt that did not settle the operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tried {
    /// The node asked.
    pub peer: Arc<Peer>,
    /// The step of the ladder.
    pub rung: Rung,
    /// How far it had come.
    pub phase: Phase,
    /// What went wrong.
    pub why: Why,
    /// How long it took.
    pub elapsed: Duration,
}

/// What went wrong with one attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// No answer.
    Failed(Failure),
    /// An answer with this HTTP status, which settles nothing.
    Status(u16),
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            peer,
            rung,
            phase,
            why,
            elapsed,
        } = self;
        write!(
            f,
            "{} at {} in {} ({rung}): ",
            peer.id, peer.addr, peer.region
        )?;
        match why {
            Why::Failed(failure) => write!(f, "{failure} while {phase}")?,
            Why::Status(status) => write!(f, "status {status}")?,
        }
        write!(f, " after {} ms", elapsed.as_millis())
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempts.is_empty() {
            return f.write_str("no node is known");
        }
        f.write_str("no node answered: ")?;
        for (i, tried) in self.attempts.iter().enumerate() {
            write!(f, "{}{tried}", if i == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl core::error::Error for Unreachable {}

/// One operation of a client.
#[derive(Debug)]
pub struct Fetch {
    view: Arc<View>,
    turn: usize,
    kind: Kind,
    rng: Rng,
    /// When the whole operation is over.
    over_at: Instant,
    /// The rung to try next.
    next: Option<Rung>,
    asked: u8,
    current: Option<Current>,
    tried: Vec<Tried>,
    verdict: Option<Verdict>,
    over: bool,
}

#[derive(Debug)]
struct Current {
    attempt: Attempt,
    since: Instant,
    phase: Phase,
}

impl Fetch {
    /// An operation of `kind` that begins `now`, among the nodes of `view`. `turn` is one
    /// [`Turn::take`] an operation.
    #[must_use]
    pub fn new(now: Instant, view: Arc<View>, turn: usize, kind: Kind, rng: Rng) -> Self {
        let mut fetch = Self {
            view,
            turn,
            kind,
            rng,
            over_at: now + kind.budget(),
            next: Some(Rung::Local),
            asked: 0,
            current: None,
            tried: Vec::new(),
            verdict: None,
            over: false,
        };
        fetch.skip_empty_rungs(now);
        fetch
    }

    /// The request to make next. Poll it first, and after each `handle_*`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Attempt> {
        if self.over || self.current.is_some() {
            return None;
        }
        self.skip_empty_rungs(now);
        let rung = self.next?;
        let peer = self.pick(rung)?;
        self.next = rung.next();
        let attempt = Attempt {
            id: self.asked,
            rung,
            peer,
            deadline: (now + rung.budget()).min(self.over_at),
        };
        self.asked.grow(1);
        self.current = Some(Current {
            attempt: attempt.clone(),
            since: now,
            phase: Phase::Connect,
        });
        Some(attempt)
    }

    /// Attempt `id` has come to `phase`. Only the verdict's wording depends on it.
    pub fn handle_phase(&mut self, id: u8, phase: Phase) {
        if let Some(current) = self.current.as_mut().filter(|c| c.attempt.id == id) {
            current.phase = phase;
        }
    }

    /// Attempt `id` was answered, whole, with this HTTP status, or came to nothing.
    pub fn handle_result(&mut self, now: Instant, id: u8, result: Result<u16, Failure>) {
        if self.current.as_ref().is_none_or(|c| c.attempt.id != id) {
            return;
        }
        let status = match result {
            Ok(status) => status,
            Err(failure) => return self.step(now, Why::Failed(failure)),
        };
        match (self.kind, status) {
            (Kind::Get, 200) => self.settle(Verdict::Hit),
            (Kind::Put, 200..=299) => self.settle(Verdict::Stored),
            (Kind::Delete, 200..=299) => self.settle(Verdict::Deleted { existed: true }),
            (Kind::Delete, 404) => self.settle(Verdict::Deleted { existed: false }),
            // A 404 to a write is a stock node that cannot name the key; 408 and 429 pass.
            (_, 404 | 408 | 429) => self.step(now, Why::Status(status)),
            (_, 400..=499) => self.settle(Verdict::Refused { status }),
            _ => self.step(now, Why::Status(status)),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has work.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.current.as_ref().map(|c| c.attempt.deadline)
    }

    /// Gives the attempt up whose deadline has come. Its exchange should be dropped.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.step(now, Why::Failed(Failure::TimedOut));
        }
    }

    /// How the operation ended; once.
    pub fn poll_event(&mut self) -> Option<Verdict> {
        self.verdict.take()
    }

    fn pick(&mut self, rung: Rung) -> Option<Arc<Peer>> {
        let local = &self.view.local;
        let at = |turn: usize| local.get(turn.checked_rem(local.len())?).cloned();
        match rung {
            Rung::Local => at(self.turn),
            Rung::NextLocal if local.len() > 1 => {
                let first = self.turn.checked_rem(local.len())?;
                at(first.saturating_add(1))
            }
            Rung::NextLocal => None,
            Rung::FirstRegion => self.rng.choose(&self.view.regions.first()?.peers).cloned(),
            Rung::SecondRegion => self.rng.choose(&self.view.regions.get(1)?.peers).cloned(),
        }
    }

    fn stands_on(&self, rung: Rung) -> bool {
        let region = |rank: usize| {
            self.view
                .regions
                .get(rank)
                .is_some_and(|r| !r.peers.is_empty())
        };
        match rung {
            Rung::Local => !self.view.local.is_empty(),
            Rung::NextLocal => self.view.local.len() > 1,
            Rung::FirstRegion => region(0),
            Rung::SecondRegion => region(1),
        }
    }

    /// Moves on to a rung with somebody on it; ends the operation when there is none, or no time.
    fn skip_empty_rungs(&mut self, now: Instant) {
        if now >= self.over_at {
            self.next = None;
        }
        while let Some(rung) = self.next.filter(|rung| !self.stands_on(*rung)) {
            self.next = rung.next();
        }
        if self.next.is_none() && self.current.is_none() && !self.over {
            let verdict = self.conclude();
            self.settle(verdict);
        }
    }

    fn step(&mut self, now: Instant, why: Why) {
        if let Some(Current {
            attempt,
            since,
            phase,
        }) = self.current.take()
        {
            let elapsed = now.saturating_since(since);
            let Attempt { rung, peer, .. } = attempt;
            self.tried.push(Tried {
                peer,
                rung,
                phase,
                why,
                elapsed,
            });
            self.skip_empty_rungs(now);
        }
    }

    fn conclude(&mut self) -> Verdict {
        match (
            self.kind,
            self.tried.iter().any(|t| t.why == Why::Status(404)),
        ) {
            (Kind::Get, true) => Verdict::Miss,
            (Kind::Put, true) => Verdict::Refused { status: 404 },
            _ => Verdict::Unreachable(Unreachable {
                attempts: core::mem::take(&mut self.tried),
            }),
        }
    }

    fn settle(&mut self, verdict: Verdict) {
        self.current = None;
        self.next = None;
        self.over = true;
        self.verdict = Some(verdict);
    }
}
