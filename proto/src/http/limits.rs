//! What a connection may cost. Every deadline is a total, never one per read.

use crate::Duration;

/// The most headers a head can ever have, whatever the limits say.
pub(super) const MAX_HEADERS: usize = 256;
/// Bytes of one chunk-size line with its extensions (RFC 9112 §7.1.1).
pub(super) const MAX_CHUNK_LINE: usize = 256;
/// Bytes of all chunk extensions and trailers of one message.
pub(super) const MAX_CHUNK_EXTRAS: usize = 8 << 10;
/// Interim (1xx) responses skipped before a final one.
pub(super) const MAX_INTERIM: usize = 8;

/// Limits of a [`ServerConn`](super::ServerConn). The defaults suit a node of a cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of a request's head, request line and empty line included; beyond it 431.
    pub max_head: usize,
    /// Headers of a request, never more than 256; beyond it 431.
    pub max_headers: usize,
    /// Bytes of a request target; beyond it 414.
    pub max_target: usize,
    /// Bytes of a body; beyond it 413, without reading it.
    pub max_body: usize,
    /// Bytes of answers that wait for the socket; at this many no further request is parsed.
    pub max_unsent: usize,
    /// Shared values longer than this are lent to the socket as they are, shorter ones are copied
    /// behind their head.
    pub max_copied: usize,
    /// Bytes of the read buffer; it grows up to `max_head` for a head that needs it.
    pub read_buffer: usize,
    /// For a whole head, from its first byte, of a connection's first from its opening; 408.
    pub head_timeout: Duration,
    /// For a body; bytes that arrive win time back at `min_rate`, up to this much. 408.
    pub body_timeout: Duration,
    /// For answers to leave; bytes that leave win time back at `min_rate`, up to this much.
    pub write_timeout: Duration,
    /// Between an answer and the next request.
    pub idle_timeout: Duration,
    /// An idle connection gives its buffers back after this long.
    pub release_after: Duration,
    /// Bytes a second that a body or an answer has to keep up after its time is over.
    pub min_rate: u32,
    /// For a refused client to stop sending, once it has been answered.
    pub linger_timeout: Duration,
    /// Bytes read and dropped meanwhile.
    pub linger_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_head: 16 << 10,
            max_headers: 64,
            max_target: 8 << 10,
            max_body: 16 << 20,
            max_unsent: 64 << 10,
            max_copied: 32 << 10,
            read_buffer: 8 << 10,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            release_after: Duration::from_secs(1),
            min_rate: 8 << 10,
            linger_timeout: Duration::from_secs(2),
            linger_bytes: 256 << 10,
        }
    }
}

/// Limits of a [`ClientConn`](super::ClientConn). Deadlines are the operation's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientLimits {
    /// Bytes of a response's head.
    pub max_head: usize,
    /// Headers of a response, never more than 256.
    pub max_headers: usize,
    /// Bytes of a response's body.
    pub max_body: usize,
    /// Bytes of the read buffer; it grows up to `max_head` for a head that needs it.
    pub read_buffer: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            max_head: 16 << 10,
            max_headers: 64,
            max_body: 16 << 20,
            read_buffer: 8 << 10,
        }
    }
}
