//! One outbound connection.
//!
//! ```text
//! Idle ── send ──▶ Head ── whole head ──▶ Body ── whole body ──▶ Done ── poll_response ──▶ Idle
//!   ▲               │ no body ──────────────────────────────────▶ Done          │
//!   └───────────────────────────────────────────────────────────────────────────┘ kept alive
//! any ── garbage, limit, EOF ──▶ Failed ── poll_response ──▶ Spent ◀── EOF, bytes nobody asked for
//! ```

use core::fmt;

use bytes::Bytes;

use super::chunked::{self, Decoder};
use super::fields::Framing;
use super::incoming::{Coding, Incoming};
use super::input::Input;
use super::limits::MAX_INTERIM;
use super::response::{self, Head};
use super::{ClientLimits, Outgoing, Response};
use crate::Instant;

/// Why there is no response. The connection is of no further use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// Closed before a byte of the response: a kept connection the peer had given up; the request
    /// may or may not have been seen.
    Closed,
    /// Closed within the response.
    Truncated,
    /// Not HTTP, or framing that cannot be trusted.
    Malformed,
    /// Head or body are longer than they may be.
    TooLarge,
}

/// The client's side of one connection, one exchange at a time.
pub struct ClientConn {
    limits: ClientLimits,
    input: Input,
    request: Option<Outgoing>,
    /// Bytes of the request that have left.
    sent: usize,
    head_only: bool,
    phase: Phase,
    interim: usize,
    lent_body: bool,
    eof: bool,
    idle_since: Instant,
}

enum Phase {
    Idle,
    Head,
    Body(Head, Incoming),
    Done(Response),
    Failed(Error),
    Spent,
}

impl ClientConn {
    /// A connection that has just been made.
    #[must_use]
    pub fn new(limits: ClientLimits) -> Self {
        Self {
            limits,
            input: Input::default(),
            request: None,
            sent: 0,
            head_only: false,
            phase: Phase::Idle,
            interim: 0,
            lent_body: false,
            eof: false,
            idle_since: Instant::ORIGIN,
        }
    }

    /// Begins an exchange. One on a connection that [is not reusable](Self::is_reusable) fails as
    /// [`Error::Closed`].
    pub fn send(&mut self, mut request: Outgoing) {
        if !self.is_reusable() {
            self.phase = Phase::Failed(Error::Closed);
            return;
        }
        self.head_only = request.head_only;
        request.join();
        self.request = Some(request);
        self.sent = 0;
        self.interim = 0;
        self.phase = Phase::Head;
    }

    /// Where to read the socket into. Empty: do not read now (an empty read would look like EOF).
    pub fn read_buf(&mut self) -> &mut [u8] {
        self.room_for(usize::MAX)
    }

    fn room_for(&mut self, most: usize) -> &mut [u8] {
        self.lent_body = false;
        if self.eof {
            return &mut [];
        }
        let size = self.limits.read_buffer;
        let stuck = self.input.len() >= size && matches!(self.phase, Phase::Head);
        let size = if stuck {
            size.max(self.limits.max_head)
        } else {
            size
        };
        match &mut self.phase {
            Phase::Done(_) | Phase::Failed(_) | Phase::Spent => &mut [],
            Phase::Body(_, body) if self.input.is_empty() && body.is_direct() => {
                self.lent_body = true;
                body.room()
            }
            _ => self.input.room_for(most, size),
        }
    }

    /// The socket gave `n` bytes, which are in [`read_buf`](Self::read_buf)'s front; 0 is EOF.
    pub fn handle_read(&mut self, now: Instant, n: usize) {
        self.idle_since = now;
        if n == 0 {
            self.eof = true;
        } else if core::mem::take(&mut self.lent_body) {
            if let Phase::Body(_, body) = &mut self.phase {
                body.fill(n);
            }
        } else {
            self.input.fill(n);
        }
        self.advance();
    }

    /// `bytes` that are in memory already, as far as they belong to the answer; none are EOF.
    pub fn handle_bytes(&mut self, now: Instant, mut bytes: &[u8]) {
        if bytes.is_empty() {
            return self.handle_read(now, 0);
        }
        loop {
            let room = self.room_for(bytes.len());
            let n = room.len().min(bytes.len());
            let (Some(room), Some((taken, rest))) = (room.get_mut(..n), bytes.split_at_checked(n))
            else {
                return;
            };
            if n == 0 {
                return;
            }
            room.copy_from_slice(taken);
            self.handle_read(now, n);
            bytes = rest;
        }
    }

    /// What to write to the socket, head then body; empty if nothing.
    #[must_use]
    pub fn write_buf(&self) -> &[u8] {
        let Some(request) = &self.request else {
            return &[];
        };
        match request.head.get(self.sent..) {
            Some(head) if !head.is_empty() => head,
            _ => {
                let sent = self.sent.saturating_sub(request.head.len());
                request.body.get(sent..).unwrap_or_default()
            }
        }
    }

    /// The socket took the first `n` bytes of [`write_buf`](Self::write_buf).
    pub fn handle_written(&mut self, now: Instant, n: usize) {
        self.idle_since = now;
        self.sent = self.sent.saturating_add(n);
    }

    /// The request that was not answered, to be sent over another connection.
    #[must_use]
    pub fn into_request(self) -> Option<Outgoing> {
        self.request
    }

    /// The response, once it is whole, or why there will be none.
    pub fn poll_response(&mut self) -> Option<Result<Response, Error>> {
        if !matches!(self.phase, Phase::Done(_) | Phase::Failed(_)) {
            return None;
        }
        match core::mem::replace(&mut self.phase, Phase::Spent) {
            Phase::Done(response) => {
                // An answer before the request was out leaves the peer waiting for the rest of it.
                let whole = self.write_buf().is_empty();
                self.request = None;
                if response.keep_alive && whole && !self.eof && self.input.is_empty() {
                    self.phase = Phase::Idle;
                }
                Some(Ok(response))
            }
            Phase::Failed(error) => Some(Err(error)),
            _ => None,
        }
    }

    /// Whether another request may be sent.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        matches!(self.phase, Phase::Idle) && !self.eof && self.input.is_empty()
    }

    /// When anything was last sent or received.
    #[must_use]
    pub const fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// Gives back the buffers that are empty.
    pub fn release(&mut self) {
        self.input.release();
    }

    /// Bytes of buffer memory held, the body's not counted.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.input.held()
    }

    fn advance(&mut self) {
        if let Err(error) = self.try_advance() {
            self.phase = Phase::Failed(error);
            self.request = None;
        }
    }

    fn try_advance(&mut self) -> Result<(), Error> {
        while matches!(self.phase, Phase::Head) {
            let bytes = self.input.unread();
            let begun = !bytes.is_empty() || self.interim > 0;
            let bytes = bytes.get(..self.limits.max_head).unwrap_or(bytes);
            match response::parse(bytes, &self.limits)? {
                Some(head) => self.begin(head)?,
                None if bytes.len() >= self.limits.max_head => return Err(Error::TooLarge),
                None if self.eof && begun => return Err(Error::Truncated),
                None if self.eof => return Err(Error::Closed),
                None => return Ok(()),
            }
        }
        let Phase::Body(head, body) = &mut self.phase else {
            return Ok(());
        };
        let whole = body.take(&mut self.input)? || (self.eof && body.until_close());
        if whole {
            let keep_alive = head.keep_alive && !body.until_close();
            self.phase = Phase::Done(Response {
                status: head.status,
                body: body.finish(),
                node: head.node,
                keep_alive,
            });
        } else if self.eof {
            return Err(Error::Truncated);
        }
        Ok(())
    }

    /// The head is whole: what follows it?
    fn begin(&mut self, head: Head) -> Result<(), Error> {
        self.input.consume(head.len);
        if head.status < 200 {
            // RFC 9110 §15.2: interim ones are skipped; nobody asked to switch protocols.
            self.interim = self.interim.saturating_add(1);
            if head.status == 101 || self.interim > MAX_INTERIM {
                return Err(Error::Malformed);
            }
            return Ok(());
        }
        let bodiless = self.head_only || matches!(head.status, 204 | 304);
        let coding = match head.framing {
            _ if bodiless => Coding::Length(0),
            Framing::Length(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if length > self.limits.max_body {
                    return Err(Error::TooLarge);
                }
                Coding::Length(length)
            }
            Framing::Chunked => Coding::Chunked(Decoder::new(self.limits.max_body)),
            Framing::Unsaid => Coding::UntilClose,
        };
        if let Coding::Length(length) = coding {
            if let Some(body) = self.input.unread().get(..length) {
                self.phase = Phase::Done(Response {
                    status: head.status,
                    body: Bytes::copy_from_slice(body),
                    node: head.node,
                    keep_alive: head.keep_alive,
                });
                self.input.consume(length);
                return Ok(());
            }
        }
        self.phase = Phase::Body(head, Incoming::new(coding, self.limits.max_body));
        Ok(())
    }
}

impl From<chunked::Error> for Error {
    fn from(error: chunked::Error) -> Self {
        match error {
            chunked::Error::Malformed => Self::Malformed,
            chunked::Error::Extras | chunked::Error::TooLarge => Self::TooLarge,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "connection closed before the response",
            Self::Truncated => "connection closed within the response",
            Self::Malformed => "malformed response",
            Self::TooLarge => "response too large",
        })
    }
}

impl core::error::Error for Error {}
