//! How an exchange with a peer failed.

use core::fmt;

use crate::http;

/// Why an exchange with a peer gave no answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The peer's host answered that nobody listens there.
    Refused,
    /// Nothing came before the deadline.
    TimedOut,
    /// The connection ended before the answer was whole.
    Reset,
    /// What came is not an answer this protocol knows.
    Malformed,
    /// There is no way to that address from here.
    Unreachable,
    /// Too many exchanges with that peer are under way already; it was not asked.
    Overloaded,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::TimedOut => "timed out",
            Self::Reset => "connection lost",
            Self::Malformed => "answer not understood",
            Self::Unreachable => "no route",
            Self::Overloaded => "too many exchanges under way",
        })
    }
}

impl core::error::Error for Failure {}

impl From<http::Error> for Failure {
    fn from(error: http::Error) -> Self {
        match error {
            http::Error::Closed | http::Error::Truncated => Self::Reset,
            http::Error::Malformed | http::Error::TooLarge => Self::Malformed,
        }
    }
}
