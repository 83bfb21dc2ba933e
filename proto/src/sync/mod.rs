//! Nodes compare what they hold, so that one that was away, or begins with nothing, gets what it has
//! missed, and so that no difference lasts.
//!
//! ```text
//! Schedule --whom, when--> Round --Query--> peer: Query::answer over its shards
//!    ^                       | ^                      |
//!    +------- Ended ---------+ +------ its answer ----+--> merged into the own shards
//! ```
//! A node asks, and takes; it never pushes. Each keeps a [`Digest`](crate::cache::Digest) of its
//! records: where those of two nodes are equal, a round ends with it. Else the asking node has the
//! other's records of the buckets that differ told to it in pages, by their versions, and gets the values
//! of those it lacks; or, if it lacks nearly all, the values at once. A record is taken as any copy is, by
//! its version, and keeps the end of its life; and never does one that is not newer than what is held
//! drive another one out.
//!
//! As long as that has not brought a node all there is, it asks another one for the single keys that it is
//! asked for and does not hold: a [`Lookup`] each, never on behalf of a node, so that it goes one step.
//!
//! [`AntiEntropy`] is all of it, for whoever moves the bytes. Only nodes of ours ask or are asked.

mod answer;
mod bitmap;
mod lookup;
mod machine;
mod query;
mod round;
mod schedule;
mod wire;

pub use bitmap::Buckets;
pub use lookup::Lookup;
pub use machine::{AntiEntropy, Question, SyncFacts};
pub use query::{Query, What};
pub use round::{Ask, Ended, Limits, Round, Tally, Verdict};
pub use schedule::{Schedule, State};
pub use wire::{Body, DigestBody, Malformed, PageBody, PageRecord};

use crate::Duration;

/// The most bytes of a page, unless it is one record alone.
pub const MAX_PAGE: usize = 256 << 10;
/// What a page of one record has beside that record's value, at most: head, key and numbers.
pub const PAGE_OVERHEAD: usize = 8 << 10;
/// The most positions looked at for one page.
pub const MAX_SCANNED: u32 = 8_192;
/// The longest key whose record is asked for by the key, in bytes: hex digits of it fit a request's line.
pub const MAX_ASKED_KEY: usize = 3_900;
/// Look-ups at another node that may be under way at once; beyond it a miss is one at once.
pub const MAX_LOOKUPS: usize = 64;
/// How long one may take. A stock client waits for 500 ms in all.
pub const LOOKUP_TIME: Duration = Duration::from_millis(150);
/// The most of them in one go, with a shard locked.
const SCANNED_AT_ONCE: u32 = 512;
/// The most records asked for by their positions in one request.
pub const MAX_PICKED: usize = 512;
/// A record with less of its life left than this is not worth the way. It also keeps two nodes whose
/// copies end a moment apart from showing each other what is about to end.
pub const MIN_LIFE: Duration = Duration::from_secs(2);
