//! The way to one peer that many have something to ask of: short requests share one kept connection
//! and do not wait for each other's answers, the others go each over one of its own.
//!
//! ```text
//! a request:   push ──▶ Waiting ── room ──▶ Sent ── answered ──▶ Ok
//!               │        │ ▲                │  │
//!               │        │ └─ broken, once ─┘  └─ broken again, its time is over ──▶ Err
//!               │        └─ no connection to be had, its time is over ──▶ Err
//!               └─ may not share, or the peer keeps no connections ──▶ Action::Alone
//! connection:  Closed ── Connect ──▶ Connecting ──▶ Open: one request ── kept ──▶ Open: many
//!               ▲                        │             │                            │
//!               └── Close ◀── failed, refused, broken, stuck, long idle ────────────┘
//! ```
//! A request whose time is over leaves its answer to be ignored. A connection on which something is to
//! be answered and nothing has come for a while is stuck: what it owes is asked for over a new one. So
//! a [`Parcel`] that shares must bear being sent twice.

use crate::count::Count;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use crate::http::{ClientLimits, End, Host, Pipeline};
use crate::{Duration, Failure, Instant};

/// A request as a [`Link`] carries it.
pub trait Parcel {
    /// Whether it may share a connection: it is short, bears being sent twice, and is answered without
    /// waiting for others.
    fn may_share(&self) -> bool;

    /// Appends the request, for the peer at `host`, to `out`; nothing if by now there is nothing to ask
    /// for.
    fn write_to(&self, now: Instant, host: &Host, out: &mut Vec<u8>);
}

/// How much goes over a shared connection, and how much waits for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkLimits {
    /// Requests sent and not answered.
    pub depth: usize,
    /// Bytes that wait for the socket; at this many no further request is sent.
    pub unsent: usize,
    /// Requests that wait to be sent; one more fails.
    pub waiting: usize,
    /// A connection without requests is closed after this long: well before a peer's own limit (60 s)
    /// would close it under one.
    pub idle: Duration,
    /// Bounds on an answer.
    pub client: ClientLimits,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            depth: 256,
            unsent: 64 << 10,
            waiting: 1024,
            idle: Duration::from_secs(45),
            client: ClientLimits::default(),
        }
    }
}

/// Something to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action<T> {
    /// Make a connection and report [`Link::handle_connected`] or [`Link::handle_failed`], unless
    /// [`Action::Close`] comes first.
    Connect,
    /// Close the connection, or stop making it.
    Close,
    /// Make this request over a connection of its own. The link knows no more of it.
    Alone {
        /// The request.
        parcel: T,
        /// When its time is over.
        deadline: Instant,
    },
}

/// An answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered {
    /// Its status; 200 if there was nothing left to ask for.
    pub status: u16,
    /// How long it took, if that tells how far the peer is: no other was to be answered before it.
    pub rtt: Option<Duration>,
}

/// What became of a request.
pub type Report<T> = (T, Result<Answered, Failure>);

/// The way to one peer.
pub struct Link<T> {
    host: Host,
    limits: LinkLimits,
    state: State<T>,
    /// Whether the peer has been seen to keep its connection.
    keeps: bool,
    /// How often in a row it did not.
    refusals: u32,
    /// Until when it is not asked to.
    alone_until: Instant,
    /// None of these has been given up.
    waiting: VecDeque<Entry<T>>,
    /// How many of the requests sent have been given up: the oldest ones.
    given_up: usize,
    /// The latest deadline of all so far.
    latest: Instant,
    /// Connecting: when that began. Open: when the peer was last heard, or first asked after a pause.
    since: Instant,
    /// Open, and owed nothing for so long that the buffers have been given back.
    rests: bool,
    actions: VecDeque<Action<T>>,
    reports: VecDeque<Report<T>>,
}

enum State<T> {
    Closed,
    Connecting,
    Open(Box<Pipeline<Entry<T>>>),
}

struct Entry<T> {
    /// None: its time is over.
    parcel: Option<T>,
    deadline: Instant,
    /// Connections that have broken when its answer was the next to come.
    broken: u8,
    sent: Instant,
    /// Nothing was to be answered before it.
    first: bool,
}

impl<T: Parcel> Link<T> {
    /// A request fails when so many connections have broken where its answer should have come.
    pub const BREAKS: u8 = 2;
    /// A peer that has closed this many connections in a row after their first answer
    pub const REFUSALS: u32 = 2;
    /// is not asked to keep one for so long.
    pub const ALONE_FOR: Duration = Duration::from_secs(10);
    /// A connection that owes an answer may be silent for so long, and take so long to be made.
    pub const SILENCE: Duration = Duration::from_millis(500);
    /// A connection that owes none gives its buffers back after this long.
    const RELEASE_AFTER: Duration = Duration::from_secs(1);

    /// A way to the peer at `addr`, without a connection.
    #[must_use]
    pub fn new(addr: SocketAddr, limits: LinkLimits) -> Self {
        Self {
            host: addr.into(),
            limits,
            state: State::Closed,
            keeps: false,
            refusals: 0,
            alone_until: Instant::ORIGIN,
            waiting: VecDeque::new(),
            given_up: 0,
            latest: Instant::ORIGIN,
            since: Instant::ORIGIN,
            rests: false,
            actions: VecDeque::new(),
            reports: VecDeque::new(),
        }
    }

    /// Asks for `parcel`, which has come to its end by `deadline`, or that of one pushed before if that
    /// is later.
    pub fn push(&mut self, now: Instant, parcel: T, deadline: Instant) {
        if deadline <= now {
            self.reports.push_back((parcel, Err(Failure::TimedOut)));
            return;
        }
        if !parcel.may_share() || now < self.alone_until {
            self.actions.push_back(Action::Alone { parcel, deadline });
            return;
        }
        if self.waiting.len() >= self.limits.waiting {
            self.reports.push_back((parcel, Err(Failure::Overloaded)));
            return;
        }
        self.latest = self.latest.max(deadline);
        let entry = Entry {
            parcel: Some(parcel),
            deadline: self.latest,
            broken: 0,
            sent: now,
            first: false,
        };
        if self.waiting.is_empty() && self.has_room() {
            self.send_one(now, entry);
        } else {
            self.waiting.push_back(entry);
            self.send(now);
        }
    }

    /// The connection asked for is there.
    pub fn handle_connected(&mut self, now: Instant) {
        if matches!(self.state, State::Connecting) {
            self.state = State::Open(Box::new(Pipeline::new(self.limits.client)));
            self.since = now;
            self.rests = false;
            // Whoever slept meanwhile asks nothing that nobody waits for any more.
            self.give_up_waiting(now);
            self.send(now);
        }
    }

    /// The connection asked for can not be made, or the one there was is broken.
    pub fn handle_failed(&mut self, now: Instant, why: Failure) {
        match self.state {
            State::Closed => {}
            State::Connecting => {
                self.state = State::Closed;
                for entry in core::mem::take(&mut self.waiting) {
                    self.report(entry, Err(why));
                }
            }
            State::Open(_) => self.handle_read(now, 0),
        }
    }

    /// Whether there is a connection that owes nothing and holds no buffers. Then best wait without one
    /// until there is something to read: [`read_buf`](Self::read_buf) would take one again.
    #[must_use]
    pub const fn rests(&self) -> bool {
        self.rests
    }

    /// Where to read the connection into. Empty: do not read.
    pub fn read_buf(&mut self) -> &mut [u8] {
        match &mut self.state {
            State::Open(pipeline) => pipeline.read_buf(),
            _ => &mut [],
        }
    }

    /// The connection gave `n` bytes, which are in [`read_buf`](Self::read_buf)'s front; 0 is EOF.
    pub fn handle_read(&mut self, now: Instant, n: usize) {
        let State::Open(pipeline) = &mut self.state else {
            return;
        };
        pipeline.handle_read(n);
        self.since = now;
        self.rests = false;
        while let Some((entry, status)) = pipeline.poll_answer() {
            let refused = pipeline.end() == Some(End::Refused);
            self.keeps = !refused;
            self.refusals = match refused {
                true => self.refusals.saturating_add(1),
                false => 0,
            };
            let Some(parcel) = entry.parcel else {
                self.given_up.shrink(1);
                continue;
            };
            let rtt = entry.first.then(|| now.saturating_since(entry.sent));
            self.reports
                .push_back((parcel, Ok(Answered { status, rtt })));
        }
        if let Some(end) = pipeline.end() {
            self.end(now, end);
        }
        self.send(now);
    }

    /// What to write to the connection; empty if nothing.
    #[must_use]
    pub fn write_buf(&self) -> &[u8] {
        match &self.state {
            State::Open(pipeline) => pipeline.write_buf(),
            _ => &[],
        }
    }

    /// The connection took the first `n` bytes of [`write_buf`](Self::write_buf).
    pub fn handle_written(&mut self, now: Instant, n: usize) {
        if let State::Open(pipeline) = &mut self.state {
            pipeline.handle_written(n);
            self.send(now);
        }
    }

    /// What to do next; poll until there is nothing, after each other call but getters.
    pub fn poll_action(&mut self) -> Option<Action<T>> {
        self.actions.pop_front()
    }

    /// What has become of a request; poll until there is nothing, after each other call but getters.
    pub fn poll_report(&mut self) -> Option<Report<T>> {
        self.reports.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has work.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let oldest = self.oldest().map(|entry| entry.deadline);
        oldest.into_iter().chain(self.patience()).min()
    }

    /// Gives up the requests whose time is over, and a connection that is stuck or long idle.
    pub fn handle_timeout(&mut self, now: Instant) {
        let late = Err(Failure::TimedOut);
        if let State::Open(pipeline) = &mut self.state {
            while let Some(entry) = pipeline.get_mut(self.given_up) {
                if entry.deadline > now {
                    break;
                }
                self.given_up.grow(1);
                let given_up = entry.parcel.take();
                self.reports.extend(given_up.map(|parcel| (parcel, late)));
            }
        }
        self.give_up_waiting(now);
        if self.patience().is_some_and(|at| at <= now) {
            match &mut self.state {
                State::Open(pipeline)
                    if pipeline.is_empty() && now < self.since + self.limits.idle =>
                {
                    pipeline.release();
                    self.rests = true;
                }
                _ => self.end(now, End::Closed),
            }
            self.send(now);
        }
    }

    fn give_up_waiting(&mut self, now: Instant) {
        while self
            .waiting
            .front()
            .is_some_and(|entry| entry.deadline <= now)
        {
            if let Some(entry) = self.waiting.pop_front() {
                self.report(entry, Err(Failure::TimedOut));
            }
        }
    }

    /// Whether there is neither a connection nor a request, and nothing to tell.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Closed)
            && self.waiting.is_empty()
            && self.actions.is_empty()
            && self.reports.is_empty()
    }

    /// When the connection is given up, or its buffers are, if nothing comes from it.
    fn patience(&self) -> Option<Instant> {
        let time = match &self.state {
            State::Closed => return None,
            State::Open(pipeline) if pipeline.is_empty() => {
                // Once: who reads before it waits takes one again, and that must not wake anybody.
                match self.rests || pipeline.buffered() == 0 {
                    true => self.limits.idle,
                    false => Self::RELEASE_AFTER.min(self.limits.idle),
                }
            }
            State::Open(_) | State::Connecting => Self::SILENCE,
        };
        Some(self.since + time)
    }

    /// The request whose time is over first: what has been sent was pushed before what waits.
    fn oldest(&self) -> Option<&Entry<T>> {
        let sent = match &self.state {
            State::Open(pipeline) => pipeline.get(self.given_up),
            _ => None,
        };
        sent.or(self.waiting.front())
    }

    /// Sends what there is room for; asks for a connection if there is none.
    fn send(&mut self, now: Instant) {
        if self.waiting.is_empty() {
            return;
        }
        if matches!(self.state, State::Closed) {
            self.state = State::Connecting;
            self.since = now;
            self.actions.push_back(Action::Connect);
        }
        while self.has_room() {
            let Some(entry) = self.waiting.pop_front() else {
                return;
            };
            self.send_one(now, entry);
        }
    }

    /// Whether a connection takes one more request.
    fn has_room(&self) -> bool {
        let State::Open(pipeline) = &self.state else {
            return false;
        };
        let depth = if self.keeps { self.limits.depth } else { 1 };
        pipeline.len() < depth && pipeline.unsent() < self.limits.unsent
    }

    fn send_one(&mut self, now: Instant, mut entry: Entry<T>) {
        let State::Open(pipeline) = &mut self.state else {
            return;
        };
        self.rests = false;
        entry.sent = now;
        entry.first = pipeline.is_empty();
        if entry.first {
            self.since = now;
        }
        let unwritten = pipeline.push(entry, |entry, out| {
            if let Some(parcel) = &entry.parcel {
                parcel.write_to(now, &self.host, out);
            }
        });
        if let Some(entry) = unwritten {
            let nothing = Answered {
                status: 200,
                rtt: None,
            };
            self.report(entry, Ok(nothing));
        }
    }

    /// The connection is over. What it has not answered is asked for over another one, if it may be.
    fn end(&mut self, now: Instant, end: End) {
        let mut unanswered = VecDeque::new();
        if let State::Open(pipeline) = &mut self.state {
            unanswered.extend(pipeline.take_unanswered());
        }
        self.state = State::Closed;
        self.rests = false;
        self.given_up = 0;
        self.actions.push_back(Action::Close);
        if !unanswered.is_empty() {
            self.keeps = false;
        }
        let failure = match (end, unanswered.front_mut()) {
            (End::Malformed, _) => Some(Failure::Malformed),
            (End::Closed, Some(next)) => {
                next.broken.grow(1);
                (next.broken >= Self::BREAKS).then_some(Failure::Reset)
            }
            // The peer has not looked at it (RFC 9112 §9.6).
            _ => None,
        };
        if let Some(failure) = failure {
            if let Some(entry) = unanswered.pop_front() {
                self.report(entry, Err(failure));
            }
        }
        unanswered.retain(|entry| entry.parcel.is_some());
        unanswered.append(&mut self.waiting);
        self.waiting = unanswered;
        if self.refusals >= Self::REFUSALS {
            self.refusals = 0;
            self.alone_until = now + Self::ALONE_FOR;
            for entry in core::mem::take(&mut self.waiting) {
                let deadline = entry.deadline;
                let alone = |parcel| Action::Alone { parcel, deadline };
                self.actions.extend(entry.parcel.map(alone));
            }
        }
    }

    /// Tells what has become of a request, unless that has been told.
    fn report(&mut self, entry: Entry<T>, result: Result<Answered, Failure>) {
        if let Some(parcel) = entry.parcel {
            self.reports.push_back((parcel, result));
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Entry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} x{} until {:?}",
            self.parcel, self.broken, self.deadline
        )
    }
}

impl<T: fmt::Debug> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("Closed"),
            Self::Connecting => f.write_str("Connecting"),
            Self::Open(pipeline) => pipeline.fmt(f),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Link<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("state", &self.state)
            .field("keeps", &self.keeps)
            .field("refusals", &self.refusals)
            .field("since", &self.since)
            .field("waiting", &self.waiting)
            .field("actions", &self.actions)
            .field("reports", &self.reports)
            .finish_non_exhaustive()
    }
}
