//! One operation each: a client's ladder of attempts, a write's spread, what could not be delivered.
//!
//! None of them knows a connection: they say whom to ask until when, and are told how it went.

mod fanout;
mod fetch;
mod freight;
mod patience;
mod retry;

pub use fanout::{Ack, Copy, Fanout, FanoutEvent, Scope, Tally};
pub use fetch::{Attempt, Fetch, Kind, Phase, Rung, Tried, Turn, Unreachable, Verdict, Why};
pub use freight::Freight;
pub use patience::{BEGUN_WITHIN, Pace};
pub use retry::{Change, Handoff, HandoffLimits, Resend, taken};
