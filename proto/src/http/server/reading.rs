//! From bytes to requests.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{Phase, ServerConn};
use crate::Instant;
use crate::http::chunked::{self, Decoder};
use crate::http::fields::Framing;
use crate::http::incoming::{Coding, Incoming};
use crate::http::output::Exchange;
use crate::http::request::{self, Body, Method, Parsed, Request};
use crate::http::{Responder, Status, after};

/// A whole request, its head apart.
pub(super) struct Ready {
    /// Where it begins in the read buffer.
    position: usize,
    body: ReadyBody,
}

enum ReadyBody {
    InInput(usize),
    Own(Bytes),
}

impl ServerConn {
    /// The next whole request, if there is one and it may be taken up.
    pub(super) fn advance(&mut self, now: Instant) -> Option<Ready> {
        match self.phase {
            // A body that has begun is read to its end: its request was taken up when it could be.
            Phase::New | Phase::Idle | Phase::Head | Phase::Busy => {
                if self.output.is_blocked() {
                    return None;
                }
                self.advance_head(now)
            }
            Phase::Small { total } => {
                if self.input.len() < total {
                    self.check_eof(now);
                    return None;
                }
                Some(self.ready_in_input(total.saturating_sub(self.head.len)))
            }
            Phase::Large(_) => self.advance_body(now),
            Phase::Lingering { .. } | Phase::Closed => None,
        }
    }

    fn advance_head(&mut self, now: Instant) -> Option<Ready> {
        if self.head_copy.capacity() > 0 {
            self.head_copy = Vec::new();
        }
        let mut bytes = self.input.unread();
        // RFC 9112 §2.2: empty lines before a request are ignored.
        while bytes.starts_with(b"\r\n") {
            self.input.consume(2);
            bytes = self.input.unread();
        }
        if bytes.is_empty() {
            if matches!(self.phase, Phase::Busy | Phase::Head) {
                self.phase = Phase::Idle;
                // Else once the answers have left.
                if self.output.is_drained() {
                    self.rest(now);
                }
            }
            if self.eof || self.closing {
                self.output.last = true;
                self.settle(now);
            }
            return None;
        }
        let bytes = bytes.get(..self.limits.max_head).unwrap_or(bytes);
        let full = bytes.len() >= self.limits.max_head;
        match request::parse(bytes, &self.limits, &mut self.head) {
            Parsed::Complete => return self.accept(now),
            Parsed::Refused(status) => self.refuse(now, status),
            Parsed::Partial if full => self.refuse(now, Status::HeadTooLarge),
            Parsed::Partial => {
                if matches!(self.phase, Phase::Idle | Phase::Busy) {
                    self.deadline = after(now, self.limits.head_timeout);
                }
                self.phase = Phase::Head;
                self.check_eof(now);
            }
        }
        None
    }

    /// Takes up a request whose head is whole.
    fn accept(&mut self, now: Instant) -> Option<Ready> {
        let length = match self.head.framing {
            Framing::Unsaid => 0,
            Framing::Length(length) => usize::try_from(length).unwrap_or(usize::MAX),
            Framing::Chunked => return self.begin_body(now, None),
        };
        if length > self.limits.max_body {
            self.refuse(now, Status::ContentTooLarge);
            return None;
        }
        let total = self.head.len.saturating_add(length);
        if total <= self.input.len() {
            return Some(self.ready_in_input(length));
        }
        if total > self.limits.read_buffer {
            return self.begin_body(now, Some(length));
        }
        self.deadline = after(now, self.limits.body_timeout);
        self.phase = Phase::Small { total };
        if self.head.expects {
            self.output.go_on(now);
        }
        self.check_eof(now);
        None
    }

    fn ready_in_input(&mut self, body: usize) -> Ready {
        let position = self.input.position();
        self.input.consume(self.head.len.saturating_add(body));
        Ready {
            position,
            body: ReadyBody::InInput(body),
        }
    }

    fn begin_body(&mut self, now: Instant, length: Option<usize>) -> Option<Ready> {
        let bytes = self.input.unread();
        self.head_copy = bytes.get(..self.head.len).unwrap_or_default().to_vec();
        self.input.consume(self.head.len);
        self.deadline = after(now, self.limits.body_timeout);
        let max = self.limits.max_body;
        let coding = length.map_or_else(|| Coding::Chunked(Decoder::new(max)), Coding::Length);
        self.phase = Phase::Large(Box::new(Incoming::new(coding, max)));
        self.may_take = !self.holds || self.input.is_empty();
        let ready = self.advance_body(now);
        if self.head.expects && matches!(self.phase, Phase::Large(_)) {
            self.output.go_on(now);
        }
        ready
    }

    fn advance_body(&mut self, now: Instant) -> Option<Ready> {
        if self.holds_body() {
            return None;
        }
        let Phase::Large(incoming) = &mut self.phase else {
            return None;
        };
        match incoming.take(&mut self.input) {
            Ok(true) => Some(Ready {
                position: 0,
                body: ReadyBody::Own(incoming.finish()),
            }),
            Ok(false) => {
                self.check_eof(now);
                None
            }
            Err(error) => {
                self.refuse(now, error.into());
                None
            }
        }
    }

    /// Lends out a whole request: its bytes from the read half, its answer from the write half.
    pub(super) fn hand_out(&mut self, now: Instant, ready: Ready) -> (Request<'_>, Responder<'_>) {
        self.phase = Phase::Busy;
        let head = &self.head;
        self.output.pending = Some(Exchange {
            head_only: head.method == Method::Head,
            http10: head.http10,
            close: !head.keep_alive || self.closing,
            identify: head.identify,
        });
        let (bytes, body) = match ready.body {
            ReadyBody::InInput(len) => {
                let bytes = self.input.consumed(ready.position);
                let rest = bytes.get(head.len..).unwrap_or_default();
                (bytes, Body::Borrowed(rest.get(..len).unwrap_or_default()))
            }
            ReadyBody::Own(body) => (&self.head_copy[..], Body::Owned(body)),
        };
        let request = Request {
            method: head.method,
            path: head.path.of_head(bytes),
            query: head.query.map(|query| query.of_head(bytes)),
            body,
            version: head.version,
            node: head.node.map(|node| node.of_head(bytes)),
        };
        (request, Responder::new(&mut self.output, now))
    }

    /// The size the read buffer has to have for the next read to get on.
    pub(super) fn room_needed(&self) -> usize {
        let size = self.limits.read_buffer;
        let stuck = self.input.len() >= size && !self.output.is_blocked();
        match self.phase {
            // Only a head that has been looked at and is not whole makes it grow.
            Phase::Head if stuck => self.limits.max_head.max(size),
            _ => size,
        }
    }
}

impl From<chunked::Error> for Status {
    fn from(error: chunked::Error) -> Self {
        match error {
            chunked::Error::Malformed => Self::BadRequest,
            chunked::Error::Extras => Self::HeadTooLarge,
            chunked::Error::TooLarge => Self::ContentTooLarge,
        }
    }
}
