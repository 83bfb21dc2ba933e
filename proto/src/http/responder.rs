//! How a request is answered.

use bytes::Bytes;
use zerocache_store::Value;

use super::output::{Content, Output};
use super::{ContentType, Status};
use crate::Instant;

/// Writes one answer into the connection's output.
///
/// Dropping it is the same as [`Responder::defer`]: the connection takes no further request until
/// [`ServerConn::respond`](super::ServerConn::respond).
#[must_use = "a request without an answer holds up its connection"]
pub struct Responder<'a> {
    output: &'a mut Output,
    now: Instant,
}

/// An answer that outlives what it was made from, for a deferred request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// A status with an empty body.
    Status(Status),
    /// 405 with these methods allowed.
    NotAllowed(&'static str),
    /// 200 and a value.
    Value(Bytes),
    /// Text for people or tools.
    Page(Status, ContentType, Bytes),
}

impl<'a> Responder<'a> {
    pub(super) const fn new(output: &'a mut Output, now: Instant) -> Self {
        Self { output, now }
    }

    /// 200 and the value: with `Content-Length: 0` if it is empty, for a 204 would be a miss.
    pub fn value(self, value: Value<'_>) {
        self.output.value(self.now, value);
    }

    /// A status with an empty body.
    pub fn status(self, status: Status) {
        if status == Status::MethodNotAllowed {
            return self.not_allowed("GET, HEAD, PUT, DELETE");
        }
        self.output.status(self.now, status);
    }

    /// 405 with these methods in its `Allow` field.
    pub fn not_allowed(self, methods: &'static str) {
        let mut fields = alloc::vec::Vec::with_capacity(methods.len().saturating_add(16));
        for part in ["Allow: ", methods, "\r\n"] {
            fields.extend_from_slice(part.as_bytes());
        }
        let line = Status::MethodNotAllowed.line();
        self.output
            .answer(self.now, line, &fields, &Content::Copied(b""));
    }

    /// Text for people or tools.
    pub fn page(self, status: Status, kind: ContentType, body: &[u8]) {
        let content = Content::Copied(body);
        self.output
            .answer(self.now, status.line(), kind.field(), &content);
    }

    /// Whatever `reply` says.
    pub fn reply(self, reply: Reply) {
        match reply {
            Reply::Status(status) => self.status(status),
            Reply::NotAllowed(methods) => self.not_allowed(methods),
            Reply::Value(value) => self.value(Value::Shared(&value)),
            Reply::Page(status, kind, body) => {
                let content = Content::Shared(&body);
                self.output
                    .answer(self.now, status.line(), kind.field(), &content);
            }
        }
    }

    /// The answer comes later, by [`ServerConn::respond`](super::ServerConn::respond). Until then
    /// the connection takes no further request.
    pub const fn defer(self) {}

    /// The connection ends with this answer.
    pub const fn close(&mut self) {
        if let Some(exchange) = &mut self.output.pending {
            exchange.close = true;
        }
    }
}
