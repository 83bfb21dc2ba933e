//! One inbound connection.
//!
//! ```text
//! New ──┐          a byte            whole head, body to come          whole body
//! Idle ─┴────────────▶ Head ─────────────▶ Small | Large ─────────────────┐
//!  ▲  │ whole request   │ whole request                                   ▼
//!  │  └─────────────────┴──────────────────────────────────────────────▶ Busy
//!  └── answered, input empty ────────────────────────────────────────────┘ │ answered, input left
//!                                                                          └──────────▶ Head
//! any ── fault, limit, deadline: refused ──▶ (output leaves) ──▶ Lingering ──▶ Closed
//! any ── close, EOF, last answer ──────────▶ (output leaves) ─────────────────▶ Closed
//! ```

mod reading;

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::incoming::Incoming;
use super::input::Input;
use super::output::Output;
use super::request::{Head, Request};
use super::{HttpDate, Limits, Reply, Responder, Status, after, credit};
use crate::{Instant, NodeId};

/// The server's side of one connection: bytes in, requests out, answers in, bytes out.
///
/// The driver's turn: read into [`read_buf`](Self::read_buf) unless it is empty, say so to
/// [`handle_read`](Self::handle_read), call [`poll_request`](Self::poll_request) and answer until it
/// gives nothing, write [`write_buf`](Self::write_buf) to the socket, say so to
/// [`handle_written`](Self::handle_written), poll again if that unblocked it. Then it closes the
/// socket if [`is_closed`](Self::is_closed), shuts its write half down if
/// [`wants_linger`](Self::wants_linger), and waits for the socket or for
/// [`poll_timeout`](Self::poll_timeout).
pub struct ServerConn {
    limits: Limits,
    input: Input,
    output: Output,
    phase: Phase,
    /// Of the phase.
    deadline: Instant,
    /// When an idle connection gives its buffers back.
    release_at: Instant,
    /// Of the request at hand.
    head: Head,
    /// Its bytes, if its body comes in an allocation of its own.
    head_copy: Vec<u8>,
    lent: Lent,
    eof: bool,
    closing: bool,
    paused: bool,
    /// What comes of a body with its head waits for leave ..
    holds: bool,
    /// .. which it has.
    may_take: bool,
    linger: bool,
}

enum Phase {
    /// Nothing has come yet.
    New,
    /// Between requests.
    Idle,
    /// A head has begun.
    Head,
    /// A body is awaited behind its head in the read buffer; `total` bytes are both.
    Small {
        total: usize,
    },
    /// A body is read into an allocation of its own.
    Large(Box<Incoming>),
    /// A request has been handed out.
    Busy,
    /// Refused and answered; what the client still sends is dropped, `left` bytes of it at most.
    Lingering {
        left: usize,
    },
    Closed,
}

/// What the last `read_buf` lent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lent {
    Nothing,
    Input,
    Body,
    Dropped,
}

impl ServerConn {
    /// A connection accepted at `now`.
    #[must_use]
    pub fn new(now: Instant, limits: Limits) -> Self {
        Self {
            limits,
            input: Input::default(),
            output: Output::new(&limits),
            phase: Phase::New,
            deadline: after(now, limits.head_timeout),
            release_at: Instant::FAR_FUTURE,
            head: Head::default(),
            head_copy: Vec::new(),
            lent: Lent::Nothing,
            eof: false,
            closing: false,
            paused: false,
            holds: false,
            may_take: true,
            linger: false,
        }
    }

    /// Sets the `Date` of the answers from now on; without it they have none.
    pub fn set_date(&mut self, date: HttpDate) {
        self.output.set_date(&date);
    }

    /// Sets the id that answers to other nodes carry: those to requests with a `Zc-*` field, to
    /// `/ping` and below `/_zc/`.
    pub const fn set_node(&mut self, node: Option<NodeId>) {
        self.output.set_node(node);
    }

    /// Where to read the socket into. Empty: do not read now (an empty read would look like EOF).
    pub fn read_buf(&mut self) -> &mut [u8] {
        self.read_buf_for(usize::MAX)
    }

    /// The same for no more than `most` bytes, which are in memory already: it takes no more than they need.
    pub fn read_buf_for(&mut self, most: usize) -> &mut [u8] {
        self.lent = Lent::Nothing;
        if self.eof || self.paused || self.is_closed() || self.holds_body() {
            return &mut [];
        }
        if let Phase::Lingering { left } = self.phase {
            self.lent = Lent::Dropped;
            self.input.clear();
            let room = self.input.room_for(most, self.limits.read_buffer);
            let left = left.min(room.len());
            return room.get_mut(..left).unwrap_or_default();
        }
        if self.output.last {
            return &mut [];
        }
        let room = self.room_needed();
        match &mut self.phase {
            Phase::Large(incoming) if self.input.is_empty() && incoming.is_direct() => {
                self.lent = Lent::Body;
                incoming.room()
            }
            _ => {
                self.lent = Lent::Input;
                self.input.room_for(most, room)
            }
        }
    }

    /// The socket gave `n` bytes, which are in [`read_buf`](Self::read_buf)'s front; 0 is EOF.
    pub fn handle_read(&mut self, now: Instant, n: usize) {
        if n == 0 {
            self.eof = true;
            if matches!(self.phase, Phase::Lingering { .. }) {
                self.finish();
            }
            return;
        }
        match (
            core::mem::replace(&mut self.lent, Lent::Nothing),
            &mut self.phase,
        ) {
            (Lent::Input, _) => self.input.fill(n),
            (Lent::Body, Phase::Large(incoming)) => incoming.fill(n),
            (Lent::Dropped, Phase::Lingering { left }) => {
                *left = left.saturating_sub(n);
                if *left == 0 {
                    self.finish();
                }
            }
            _ => {}
        }
        if matches!(self.phase, Phase::Small { .. } | Phase::Large(_)) {
            // A total that progress extends at the least rate allowed, not a fresh one per read.
            let latest = after(now, self.limits.body_timeout);
            self.deadline = after(self.deadline, credit(n, self.limits.min_rate)).min(latest);
        }
    }

    /// The next whole request, and the way to answer it. To be called until it gives nothing, after
    /// [`handle_read`](Self::handle_read) and [`handle_written`](Self::handle_written).
    // What it gives is a dozen words long: a caller that takes it apart at once need not have it in memory.
    #[inline(always)]
    pub fn poll_request(&mut self, now: Instant) -> Option<(Request<'_>, Responder<'_>)> {
        let ready = self.advance(now)?;
        Some(self.hand_out(now, ready))
    }

    /// Answers the request that was deferred; nothing if none is.
    pub fn respond(&mut self, now: Instant, reply: Reply) {
        Responder::new(&mut self.output, now).reply(reply);
    }

    /// What to write to the socket; empty if nothing.
    #[must_use]
    pub fn write_buf(&self) -> &[u8] {
        self.output.unsent()
    }

    /// The socket took the first `n` bytes of [`write_buf`](Self::write_buf).
    pub fn handle_written(&mut self, now: Instant, n: usize) {
        self.output.sent(now, n);
        if self.output.is_drained() {
            if matches!(self.phase, Phase::Idle) {
                self.rest(now);
            }
            self.settle(now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let drained = self.output.is_drained();
        let phase = match self.phase {
            Phase::Closed | Phase::Busy => None,
            Phase::Lingering { .. } => Some(self.deadline),
            _ if self.output.last => None,
            Phase::Idle if !drained => None,
            Phase::Idle if self.buffered() > 0 => Some(self.deadline.min(self.release_at)),
            _ => Some(self.deadline),
        };
        let write = Some(self.output.deadline).filter(|_| !drained);
        match (phase, write) {
            (Some(phase), Some(write)) => Some(phase.min(write)),
            (phase, write) => phase.or(write),
        }
    }

    /// Acts on the deadlines that have passed; does nothing if none has.
    pub fn handle_timeout(&mut self, now: Instant) {
        let drained = self.output.is_drained();
        if !drained && self.output.deadline <= now {
            return self.finish();
        }
        if matches!(self.phase, Phase::Idle) && drained && self.release_at <= now {
            self.release();
        }
        if self.deadline > now {
            return;
        }
        match self.phase {
            Phase::Lingering { .. } => self.finish(),
            _ if self.output.last => {}
            Phase::New => self.finish(),
            Phase::Idle if drained => self.finish(),
            Phase::Head | Phase::Small { .. } | Phase::Large(_) => {
                self.refuse(now, Status::RequestTimeout);
            }
            Phase::Idle | Phase::Busy | Phase::Closed => {}
        }
    }

    /// Ends the connection without cutting anything off: at once if it is idle, else with the answer
    /// to the request at hand.
    pub fn close(&mut self, now: Instant) {
        self.closing = true;
        if let Some(exchange) = &mut self.output.pending {
            exchange.close = true;
        } else if matches!(self.phase, Phase::New | Phase::Idle | Phase::Busy)
            && self.input.is_empty()
        {
            self.output.last = true;
            self.settle(now);
        }
    }

    /// Whether all is done: close the socket.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether the answer is out and the client may still be sending: shut the write half down and
    /// go on reading, or a reset could overtake the answer (RFC 9112 §9.6).
    #[must_use]
    pub const fn wants_linger(&self) -> bool {
        matches!(self.phase, Phase::Lingering { .. })
    }

    /// Whether no request has begun and no answer is on its way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let resting = matches!(self.phase, Phase::New | Phase::Idle | Phase::Busy);
        resting
            && self.input.is_empty()
            && self.output.pending.is_none()
            && self.output.is_drained()
    }

    /// Bytes of buffer memory held, the body's not counted.
    #[must_use]
    pub fn buffered(&self) -> usize {
        let copy = self.head_copy.capacity();
        self.input
            .held()
            .saturating_add(self.output.held())
            .saturating_add(copy)
    }

    /// Gives back the buffers that are empty; they are taken again when needed. An idle connection
    /// does so by itself after a while.
    pub fn release(&mut self) {
        self.input.release();
        self.output.release();
        self.head_copy = Vec::new();
        self.release_at = Instant::FAR_FUTURE;
    }

    /// Whether a body is being read into an allocation of its own, which may be none yet.
    #[must_use]
    pub const fn has_body(&self) -> bool {
        matches!(self.phase, Phase::Large(_))
    }

    /// Bytes of body memory held now. The sum over all connections is the driver's to bound.
    #[must_use]
    pub fn body_reserved(&self) -> usize {
        match &self.phase {
            Phase::Large(incoming) => incoming.reserved(),
            _ => 0,
        }
    }

    /// Bytes of body memory that the next read would take at most, or those already read if they are
    /// held. If they are not ([`hold_bodies`](Self::hold_bodies)), what comes in one read with its head
    /// takes 16 KiB unasked, or four times what it is.
    #[must_use]
    pub fn body_wanted(&self) -> usize {
        match &self.phase {
            Phase::Large(incoming) if self.input.is_empty() => {
                incoming.wanted(self.limits.read_buffer.max(self.input.held()))
            }
            Phase::Large(incoming) => incoming.wanted_for_push(self.input.len()),
            _ => 0,
        }
    }

    /// While paused, [`read_buf`](Self::read_buf) is empty. Deadlines go on.
    pub const fn pause_reading(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// From now on what comes of a body with its head stays in the read buffer, until
    /// [`take_body`](Self::take_body).
    pub const fn hold_bodies(&mut self) {
        self.holds = true;
    }

    /// Whether a body waits in the read buffer for leave to take
    /// [`body_wanted`](Self::body_wanted) bytes of memory; nothing is read meanwhile. Deadlines go on.
    #[must_use]
    pub const fn holds_body(&self) -> bool {
        !self.may_take && self.has_body()
    }

    /// Gives that leave; [`poll_request`](Self::poll_request) then goes on.
    pub const fn take_body(&mut self) {
        self.may_take = true;
    }
}

/// Ends and pauses.
impl ServerConn {
    /// More is needed, and there is no more.
    fn check_eof(&mut self, now: Instant) {
        if self.eof {
            // A value that did not come whole is nothing.
            self.refuse(now, Status::BadRequest);
        }
    }

    /// An idle time begins.
    fn rest(&mut self, now: Instant) {
        self.deadline = after(now, self.limits.idle_timeout);
        self.release_at = after(now, self.limits.release_after);
    }

    /// Answers `status`, takes nothing more.
    fn refuse(&mut self, now: Instant, status: Status) {
        self.output.refuse(now, status);
        self.input.clear();
        self.phase = Phase::Busy;
        self.linger = true;
    }

    /// After the last answer has left: the end, or a wait for the client to hear it.
    fn settle(&mut self, now: Instant) {
        if !self.output.last || !self.output.is_drained() || self.is_closed() {
            return;
        }
        // Bytes that nobody read would make the close a reset.
        if (self.linger || !self.input.is_empty()) && !self.eof {
            self.deadline = after(now, self.limits.linger_timeout);
            self.phase = Phase::Lingering {
                left: self.limits.linger_bytes,
            };
        } else {
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.output.abort();
        self.input = Input::default();
        self.head_copy = Vec::new();
        self.phase = Phase::Closed;
    }
}
