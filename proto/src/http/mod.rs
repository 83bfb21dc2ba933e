//! HTTP/1.1 (RFC 9110, RFC 9112) as byte streams in and byte streams out; HTTP/1.0 is tolerated.
//!
//! [`ServerConn`] is one inbound connection, [`ClientConn`] one outbound one, [`Pipeline`] one whose
//! requests do not wait for each other's answers. All lend their buffers to whoever owns the socket
//! (`read_buf`, `handle_read`, `write_buf`, `handle_written`). Heads are tokenized by `httparse`, those
//! of the plainest requests without it; framing, limits, bodies and state are in here. [`Target`] reads
//! a request's path and query.
//!
//! Framing is strict, there is no lenient mode: whatever two parsers could read differently is
//! refused with 400 and the connection is closed. Two tolerances are intended: a missing `Host`
//! (stock clients of old HTTP versions send none, and the authority is never used), and raw UTF-8
//! in a target.

mod body;
mod chunked;
mod client;
mod date;
mod fields;
mod incoming;
mod input;
mod limits;
mod number;
mod outgoing;
mod output;
mod pipeline;
mod query;
mod request;
mod responder;
mod response;
mod scan;
mod server;
mod status;
mod target;

pub use client::{ClientConn, Error};
pub use date::HttpDate;
pub use limits::{ClientLimits, Limits};
pub use outgoing::{Host, Options, Outgoing};
pub use pipeline::{End, Pipeline};
pub(crate) use query::Query;
pub use request::{Body, Method, Request};
pub use responder::{Reply, Responder};
pub use response::Response;
pub use server::ServerConn;
pub use status::{ContentType, Status};
pub use target::{InvalidTarget, Name, Target};

use crate::{Duration, Instant};
use number::{Decimal, push_hex};

/// `time` moved on by `by`.
fn after(time: Instant, by: Duration) -> Instant {
    time + by
}

/// The time that `bytes` win back at `rate` bytes a second.
fn credit(bytes: usize, rate: u32) -> Duration {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let nanos = bytes.saturating_mul(1_000_000_000);
    Duration::from_nanos(nanos.checked_div(rate.into()).unwrap_or(0))
}
