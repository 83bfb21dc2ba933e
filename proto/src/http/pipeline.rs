//! One outbound connection with many exchanges under way: requests leave as they come, answers belong
//! to them by their order (RFC 9112 §9.3.2).
//!
//! ```text
//! Open ── push, poll_answer: the oldest request's ──▶ Open
//!   │ none may follow: "close", HTTP/1.0, a body without a length; EOF; garbage
//!   ▼
//! Ended ── take_unanswered: the others, to be asked elsewhere
//! ```
//! Only the status of an answer is kept.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use super::ClientLimits;
use super::fields::Framing;
use super::input::Input;
use super::limits::MAX_INTERIM;
use super::response::{self, Head};

/// Why a connection takes no more requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum End {
    /// The peer has answered so that no other answer can follow: it closes, or speaks HTTP/1.0. What
    /// it has not answered it has not looked at (RFC 9112 §9.6).
    Refused,
    /// Closed, between two answers or within one.
    Closed,
    /// Not HTTP, framing that cannot be trusted, too long, or more answers than requests.
    Malformed,
}

/// The client's side of one connection whose requests need not wait for each other.
pub struct Pipeline<T> {
    limits: ClientLimits,
    input: Input,
    output: Vec<u8>,
    /// Bytes of `output` that have left.
    sent: usize,
    unanswered: VecDeque<Sent<T>>,
    /// Bytes pushed, and bytes that have left, since the beginning.
    pushed: u64,
    left: u64,
    /// Bytes of the last answer's body still to be skipped.
    body: u64,
    interim: usize,
    last: Last,
    end: Option<End>,
}

/// A request without an answer.
struct Sent<T> {
    tag: T,
    /// Where it ends, in bytes pushed.
    end: u64,
}

/// The last head as bytes and as it was read: a peer repeats itself, but for the date.
#[derive(Default)]
struct Last {
    bytes: Vec<u8>,
    head: Option<Head>,
}

impl<T> Pipeline<T> {
    /// A connection that has just been made.
    #[must_use]
    pub fn new(limits: ClientLimits) -> Self {
        Self {
            limits,
            input: Input::default(),
            output: Vec::new(),
            sent: 0,
            unanswered: VecDeque::new(),
            pushed: 0,
            left: 0,
            body: 0,
            interim: 0,
            last: Last::default(),
            end: None,
        }
    }

    /// Appends the request that `write` writes; `tag` names it in its answer. Gives it back if nothing
    /// is written, or the connection has come to its [end](Self::end).
    pub fn push(&mut self, tag: T, write: impl FnOnce(&T, &mut Vec<u8>)) -> Option<T> {
        if self.end.is_some() {
            return Some(tag);
        }
        let before = self.output.len();
        write(&tag, &mut self.output);
        let length = self.output.len().saturating_sub(before);
        if length == 0 {
            return Some(tag);
        }
        self.pushed = self.pushed.saturating_add(length as u64);
        let end = self.pushed;
        self.unanswered.push_back(Sent { tag, end });
        None
    }

    /// Where to read the socket into. Empty: do not read any more.
    pub fn read_buf(&mut self) -> &mut [u8] {
        if self.end.is_some() {
            return &mut [];
        }
        let size = self.limits.read_buffer;
        let stuck = self.input.len() >= size;
        self.input.room(if stuck {
            size.max(self.limits.max_head)
        } else {
            size
        })
    }

    /// The socket gave `n` bytes, which are in [`read_buf`](Self::read_buf)'s front; 0 is EOF, or a
    /// broken connection. Poll the answers that have come.
    pub fn handle_read(&mut self, n: usize) {
        if n == 0 {
            self.end.get_or_insert(End::Closed);
        } else {
            self.input.fill(n);
        }
    }

    /// What to write to the socket; empty if nothing.
    #[must_use]
    pub fn write_buf(&self) -> &[u8] {
        if self.end.is_some() {
            return &[];
        }
        self.output.get(self.sent..).unwrap_or_default()
    }

    /// The socket took the first `n` bytes of [`write_buf`](Self::write_buf).
    pub fn handle_written(&mut self, n: usize) {
        self.left = self.left.saturating_add(n as u64);
        self.sent = self.sent.saturating_add(n);
        if self.sent >= self.output.len() {
            self.output.clear();
            self.sent = 0;
        } else if self.sent > self.output.len() / 2 {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// The next answer: whose it is, and its status. Poll until there is none, and then look for the
    /// [end](Self::end).
    pub fn poll_answer(&mut self) -> Option<(T, u16)> {
        // What had arrived before the connection was closed still counts.
        if !matches!(self.end, None | Some(End::Closed)) {
            return None;
        }
        loop {
            self.skip_body();
            if self.input.is_empty() || self.body > 0 {
                return None;
            }
            if self.unanswered.is_empty() {
                self.end = Some(End::Malformed);
                return None;
            }
            let head = self.head()?;
            self.input.consume(head.len);
            if head.status >= 200 {
                return self.answer(head);
            }
            // RFC 9110 §15.2: interim ones are skipped; nobody asked to switch protocols.
            self.interim = self.interim.saturating_add(1);
            if head.status == 101 || self.interim > MAX_INTERIM {
                self.end = Some(End::Malformed);
                return None;
            }
        }
    }

    /// Whether, and why, no more requests are sent and no more answers come.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    /// The request before whose answer `index` others are to come.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.unanswered.get(index).map(|sent| &sent.tag)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.unanswered.get_mut(index).map(|sent| &mut sent.tag)
    }

    /// How many requests have no answer yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.unanswered.len()
    }

    /// Whether every request has been answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Bytes that wait for the socket.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.write_buf().len()
    }

    /// Takes out the requests without an answer, oldest first.
    pub fn take_unanswered(&mut self) -> impl DoubleEndedIterator<Item = T> {
        let unanswered = core::mem::take(&mut self.unanswered);
        unanswered.into_iter().map(|sent| sent.tag)
    }

    /// Gives back the buffers that are empty.
    pub fn release(&mut self) {
        self.input.release();
        if self.output.is_empty() {
            self.output = Vec::new();
        }
        self.last = Last::default();
    }

    /// Bytes of buffer memory held.
    #[must_use]
    pub fn buffered(&self) -> usize {
        let held = self.input.held().saturating_add(self.output.capacity());
        held.saturating_add(self.last.bytes.capacity())
    }

    fn skip_body(&mut self) {
        let there = self.input.len() as u64;
        let skipped = there.min(self.body);
        self.input
            .consume(usize::try_from(skipped).unwrap_or(usize::MAX));
        self.body = self.body.saturating_sub(skipped);
    }

    /// The head at the front of the input, if it is whole.
    fn head(&mut self) -> Option<Head> {
        let bytes = self.input.unread();
        if let Some(head) = self.last.head {
            if bytes.starts_with(&self.last.bytes) {
                return Some(head);
            }
        }
        let bytes = bytes.get(..self.limits.max_head).unwrap_or(bytes);
        match response::parse(bytes, &self.limits) {
            Ok(Some(head)) => {
                self.last.head = Some(head);
                self.last.bytes.clear();
                let bytes = bytes.get(..head.len).unwrap_or_default();
                self.last.bytes.extend_from_slice(bytes);
                Some(head)
            }
            Ok(None) if bytes.len() < self.limits.max_head => None,
            Ok(None) | Err(_) => {
                self.end = Some(End::Malformed);
                None
            }
        }
    }

    fn answer(&mut self, head: Head) -> Option<(T, u16)> {
        self.interim = 0;
        let sent = self.unanswered.pop_front()?;
        let length = match head.framing {
            _ if matches!(head.status, 204 | 304) => Some(0),
            Framing::Length(length) => Some(length),
            // Nobody reads such a body, so nobody learns where it ends.
            Framing::Chunked | Framing::Unsaid => None,
        };
        // An answer before the request was out leaves the peer waiting for the rest of it.
        let whole = self.left >= sent.end;
        let follows = length.filter(|length| *length <= self.limits.max_body as u64);
        match follows {
            Some(length) if head.keep_alive && whole => self.body = length,
            _ => self.end = Some(End::Refused),
        }
        Some((sent.tag, head.status))
    }
}

impl<T: fmt::Debug> fmt::Debug for Pipeline<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags: Vec<_> = self.unanswered.iter().map(|sent| &sent.tag).collect();
        f.debug_struct("Pipeline")
            .field("unanswered", &tags)
            .field("unsent", &self.unsent())
            .field("unread", &self.input.len())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
