//! What a node means: a request, answered from the cache, as a pure function.
//!
//! [`call`] takes a request as [`http::ServerConn`](crate::http::ServerConn) hands it out, answers
//! it, and says what is left to do as an [`Outcome`]: spreading a [`Write`] to the peers that
//! [`op::Fanout`](crate::op::Fanout) names, or drawing a [`Page`] from [`Facts`]. Every runtime, the
//! simulator and the fuzzer call the same function.
//!
//! | path | methods | answer |
//! | --- | --- | --- |
//! | `/{region}/{key}` | GET, HEAD | 200 and the value, else 404 |
//! | | PUT `?expiry=&recurse=` | 200; 413 if too large, 409 if its version is ahead of the time |
//! | | DELETE `?recurse=` | own region's path: 200 if held, else 404; another's: 200 |
//! | `/ping` | GET, HEAD | `pong` |
//! | `/local_cache_info`, `/remote_cache_info` | GET, HEAD | counters, JSON |
//! | `/healthz`, `/readyz` | GET, HEAD | 200; not ready: 503 |
//! | `/`, `/status`, `/metrics` | GET, HEAD | the node as HTML, JSON, Prometheus text |
//! | `/_zc/1/members` | GET, HEAD | the nodes this one knows |
//! | `/_zc/1/digest`, `/_zc/1/records` | GET, HEAD | for other nodes: what this one holds; else 403 |
//!
//! Any other path is 404, any other method of these 405, an escape that is none 400, a key of more
//! than 4,096 bytes 414.

mod call;
mod facts;
mod pages;
mod route;
mod write;

pub use call::{Context, Outcome, call};
pub use facts::{ConnectionFacts, Facts, PeerFacts, QueueFacts, RegionFacts, Stage};
pub use pages::Page;
pub use write::{Change, Template, Write};
