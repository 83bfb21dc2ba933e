//! The write half: answers that wait for the socket, in one contiguous buffer.

use alloc::vec::Vec;

use bytes::{Buf, Bytes};
use zerocache_store::Value;

use super::{Decimal, HttpDate, Limits, Status, after, credit, push_hex};
use crate::{Duration, Instant, NodeId};

/// Room for a head beside its body, so that an answer makes the buffer grow once at most.
const HEAD_ROOM: usize = 256;
/// Sent bytes at the front of the buffer that are worth moving the rest for.
const COMPACT: usize = 64 << 10;

/// What of a request its answer depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    /// The method was HEAD: length, but no body.
    pub(super) head_only: bool,
    pub(super) http10: bool,
    /// No request follows.
    pub(super) close: bool,
    /// Say who answers.
    pub(super) identify: bool,
}

/// A body, as an answer takes it.
pub(super) enum Content<'a> {
    Copied(&'a [u8]),
    /// Kept and lent to the socket where it is, if it is long.
    Shared(&'a Bytes),
}

/// Output of a connection: `buf[sent..]`, then `tail`.
pub(super) struct Output {
    buf: Vec<u8>,
    sent: usize,
    /// A long value behind the buffer; no answer is written until it has left.
    tail: Bytes,
    /// The request that waits for its answer.
    pub(super) pending: Option<Exchange>,
    /// Nothing will be written any more.
    pub(super) last: bool,
    /// When what is unsent has to have left.
    pub(super) deadline: Instant,
    /// The head of a value's answer as far as its length: [`VALUE`], and [`FIELDS`] with the date.
    head: [u8; VALUE.len() + FIELDS.len()],
    dated: bool,
    node: Option<NodeId>,
    write_timeout: Duration,
    min_rate: u32,
    max_unsent: usize,
    max_copied: usize,
}

/// Status line and type of a value's answer.
const VALUE: &[u8; 57] = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n";
/// What every answer has.
const FIELDS: &[u8; 53] = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: ";
/// Where the date is, behind [`VALUE`].
const DATE: usize = VALUE.len() + 6;
/// Where the fields begin if there is no date.
const UNDATED: usize = VALUE.len() + 37;

impl Output {
    pub(super) fn new(limits: &Limits) -> Self {
        let mut head = [0; VALUE.len() + FIELDS.len()];
        for (to, from) in head.iter_mut().zip(VALUE.iter().chain(FIELDS)) {
            *to = *from;
        }
        Self {
            buf: Vec::new(),
            sent: 0,
            tail: Bytes::new(),
            pending: None,
            last: false,
            deadline: Instant::FAR_FUTURE,
            head,
            dated: false,
            node: None,
            write_timeout: limits.write_timeout,
            min_rate: limits.min_rate,
            max_unsent: limits.max_unsent,
            max_copied: limits.max_copied,
        }
    }

    pub(super) fn set_date(&mut self, date: &HttpDate) {
        for (to, from) in self.head.iter_mut().skip(DATE).zip(date.as_bytes()) {
            *to = *from;
        }
        self.dated = true;
    }

    pub(super) const fn set_node(&mut self, node: Option<NodeId>) {
        self.node = node;
    }

    /// What to give to the socket next.
    pub(super) fn unsent(&self) -> &[u8] {
        match self.buf.get(self.sent..) {
            Some(bytes) if !bytes.is_empty() => bytes,
            _ => &self.tail,
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        self.sent == self.buf.len() && self.tail.is_empty()
    }

    /// Whether no further request may be taken up now.
    pub(super) fn is_blocked(&self) -> bool {
        self.pending.is_some()
            || self.last
            || !self.tail.is_empty()
            || self.buf.len().saturating_sub(self.sent) >= self.max_unsent
    }

    /// The socket took `n` bytes.
    pub(super) fn sent(&mut self, now: Instant, n: usize) {
        let waiting = self.buf.len().saturating_sub(self.sent);
        if n < waiting {
            self.sent = self.sent.saturating_add(n);
        } else {
            self.buf.clear();
            self.sent = 0;
            self.tail_sent(n.saturating_sub(waiting));
            if self.tail.is_empty() {
                return;
            }
        }
        // A total that progress extends at the least rate allowed, not a fresh one per write.
        let latest = after(now, self.write_timeout);
        self.deadline = after(self.deadline, credit(n, self.min_rate)).min(latest);
    }

    fn tail_sent(&mut self, n: usize) {
        if self.tail.is_empty() {
            return;
        }
        if n >= self.tail.len() {
            // A static slice: the value's memory is let go.
            self.tail = Bytes::new();
        } else {
            self.tail.advance(n);
        }
    }

    /// Answers the pending request with 200 and a value; nothing if there is none.
    pub(super) fn value(&mut self, now: Instant, value: Value<'_>) {
        match value {
            Value::Inline(bytes) if self.is_plain() => {
                self.pending = None;
                self.make_room(now, bytes.len());
                self.buf.extend_from_slice(&self.head);
                Decimal::push_with_end(bytes.len(), &mut self.buf);
                self.buf.extend_from_slice(bytes);
            }
            Value::Inline(bytes) => self.answer(now, VALUE, b"", &Content::Copied(bytes)),
            Value::Shared(bytes) => self.answer(now, VALUE, b"", &Content::Shared(bytes)),
        }
    }

    /// Answers the pending request with a status and nothing else; nothing if there is none.
    pub(super) fn status(&mut self, now: Instant, status: Status) {
        if !self.is_plain() {
            return self.answer(now, status.line(), b"", &Content::Copied(b""));
        }
        self.pending = None;
        self.make_room(now, 0);
        self.buf.extend_from_slice(status.line());
        if let Some(fields) = self.head.last_chunk::<{ FIELDS.len() }>() {
            self.buf.extend_from_slice(fields);
        }
        self.buf.extend_from_slice(b"0\r\n\r\n");
    }

    /// Whether there is a request to be answered with the fields that all answers have.
    #[inline]
    fn is_plain(&self) -> bool {
        let plain = |exchange: &Exchange| {
            !(exchange.head_only | exchange.http10 | exchange.close | exchange.identify)
        };
        self.dated && self.pending.as_ref().is_some_and(plain)
    }

    /// Answers the pending request; nothing if there is none.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        line: &[u8],
        fields: &[u8],
        content: &Content<'_>,
    ) {
        let Some(exchange) = self.pending.take() else {
            return;
        };
        self.last |= exchange.close;
        let body = match content {
            Content::Copied(bytes) => bytes,
            Content::Shared(bytes) => &bytes[..],
        };
        let shared = match content {
            Content::Shared(bytes) if bytes.len() > self.max_copied => Some(*bytes),
            _ => None,
        };
        let copied = match shared {
            None if !exchange.head_only => body,
            _ => &[],
        };
        self.make_room(now, copied.len());
        self.buf.extend_from_slice(line);
        self.buf.extend_from_slice(fields);
        self.connection_fields(exchange);
        let common = if self.dated { VALUE.len() } else { UNDATED };
        let common = self.head.get(common..).unwrap_or_default();
        self.buf.extend_from_slice(common);
        Decimal::push_with_end(body.len(), &mut self.buf);
        self.buf.extend_from_slice(copied);
        if let Some(bytes) = shared.filter(|_| !exchange.head_only) {
            self.tail = bytes.clone();
        }
    }

    /// Answers what could not be read as a request; nothing follows.
    pub(super) fn refuse(&mut self, now: Instant, status: Status) {
        self.pending = Some(Exchange {
            head_only: false,
            http10: false,
            close: true,
            identify: false,
        });
        self.answer(now, status.line(), b"", &Content::Copied(b""));
    }

    /// Tells the client to send the body it asked about (RFC 9110 §10.1.1).
    pub(super) fn go_on(&mut self, now: Instant) {
        self.make_room(now, 0);
        self.buf.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    fn connection_fields(&mut self, exchange: Exchange) {
        if let Some(node) = self.node.filter(|_| exchange.identify) {
            self.buf.extend_from_slice(b"Zc-Node: ");
            push_hex(&mut self.buf, node.to_bits().into(), 8);
            self.buf.extend_from_slice(b"\r\n");
        }
        if exchange.close {
            self.buf.extend_from_slice(b"Connection: close\r\n");
        } else if exchange.http10 {
            self.buf.extend_from_slice(b"Connection: keep-alive\r\n");
        }
    }

    fn make_room(&mut self, now: Instant, body: usize) {
        if self.is_drained() {
            self.deadline = after(now, self.write_timeout);
        }
        if self.sent >= COMPACT {
            self.buf.drain(..self.sent);
            self.sent = 0;
        }
        self.buf.reserve(body.saturating_add(HEAD_ROOM));
    }

    /// Forgets everything: nobody will read it.
    pub(super) fn abort(&mut self) {
        self.buf = Vec::new();
        self.sent = 0;
        self.tail = Bytes::new();
        self.pending = None;
        self.last = true;
    }

    /// Gives the memory back if nothing waits in it.
    pub(super) fn release(&mut self) {
        if self.is_drained() {
            self.buf = Vec::new();
            self.sent = 0;
        }
    }

    /// Bytes of memory held, the shared value not counted.
    pub(super) fn held(&self) -> usize {
        self.buf.capacity()
    }
}
