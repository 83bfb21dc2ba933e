//! The pages drawn from [`Facts`].

use alloc::string::String;
use core::fmt;

use super::Facts;
use crate::Duration;
use crate::http::{ContentType, Reply, Status};

mod index;
mod info;
mod json;
mod metrics;
mod status;

pub(super) use info::info;

/// A page that needs to know more than a request and the cache tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Page {
    /// `/`: the node for people, HTML.
    Index,
    /// `/status`: all there is to know, JSON.
    Status,
    /// `/metrics`: the numbers in it, in Prometheus' text format.
    Metrics,
}

impl Page {
    /// The page's text.
    #[must_use]
    pub fn render(self, facts: &Facts) -> String {
        match self {
            Self::Index => index::index(facts),
            Self::Status => status::status(facts),
            Self::Metrics => metrics::metrics(facts),
        }
    }

    /// The page as the answer to the request for it.
    #[must_use]
    pub fn reply(self, facts: &Facts) -> Reply {
        let kind = match self {
            Self::Index => ContentType::Html,
            Self::Status => ContentType::Json,
            Self::Metrics => ContentType::Prometheus,
        };
        Reply::Page(Status::Ok, kind, self.render(facts).into())
    }
}

/// Milliseconds with three decimals, without a detour through floats.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        write!(f, "{}.{:03}", micros / 1000, micros % 1000)
    }
}

/// Seconds with six decimals.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0.as_secs(), self.0.subsec_micros())
    }
}

#[cfg(test)]
mod tests;
