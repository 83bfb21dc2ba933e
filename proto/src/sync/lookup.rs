//! One key that was asked for and is not held yet, looked up at another node.
//!
//! ```text
//! a miss --AntiEntropy::look_up--> Lookup --request--> peer, which answers for itself alone
//!    |                               |                   |
//!    +--nobody to ask, too many--+   +--settle <---------+ or time is up
//!                                v            v
//!                               404     the value, or 404
//! ```

use alloc::sync::Arc;

use bytes::Bytes;

use super::Query;
use super::round::offer;
use super::wire::{Body, PageBody};
use crate::cache::{Shards, State};
use crate::cluster::{Outcome, Peer};
use crate::http::{Reply, Status};
use crate::{Duration, Failure, Instant, Now, Region};

/// A key to be asked of a peer. It ends with [`settle`](Self::settle), and with
/// [`AntiEntropy::end_lookup`](super::AntiEntropy::end_lookup) in any case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lookup {
    /// Whom to ask.
    pub peer: Arc<Peer>,
    /// What.
    pub query: Query,
    /// When it has failed.
    pub deadline: Instant,
    /// When it was begun: the end of the record's life is counted from then.
    pub(super) begun: Instant,
}

impl Lookup {
    /// The answer to a read that nobody helps with.
    pub const MISS: Reply = Reply::Status(Status::NotFound);

    /// What the cluster is to be told of the peer; nothing of one that was only slower than a reader is
    /// made to wait.
    #[must_use]
    pub fn outcome(&self, result: Result<Duration, Failure>) -> Option<Outcome> {
        (result != Err(Failure::TimedOut)).then(|| Outcome::of(result, false))
    }

    /// The answer to the read, of what the peer has answered: status and body. What it held is kept
    /// here, too, as any copy is: by its version, with the end of its life, and if there is room.
    pub fn settle<S: Shards>(
        &self,
        now: Now,
        shards: &S,
        answer: Result<(u16, &[u8]), Failure>,
    ) -> Reply {
        self.found(now, shards, answer).unwrap_or(Self::MISS)
    }

    fn found<S: Shards>(
        &self,
        now: Now,
        shards: &S,
        answer: Result<(u16, &[u8]), Failure>,
    ) -> Option<Reply> {
        let (Query::Key { key }, Ok((200, body))) = (&self.query, answer) else {
            return None;
        };
        let page = PageBody::decode(body).ok()?;
        let record = page.records().next().filter(|record| record.key == key)?;
        let origin = Region::new(record.origin).ok()?;
        let offer = offer(&record, &origin, self.begun).ok()?;
        if offer.expires <= now.mono {
            return None;
        }
        let hash = shards.hash(key);
        // What it displaces is dropped with the result, where the shard is no longer locked.
        let _merged = shards.with(hash, |shard| shard.merge(now, hash, key, offer));
        // A write may have come here meanwhile: what is held goes before what was told.
        let held = shards.with(hash, |shard| {
            let record = shard.record(now, hash, key)?;
            Some(match record.state {
                State::Value(value) => Some(value.to_bytes()),
                State::Tombstone => None,
            })
        });
        match (held, record.body) {
            (Some(held), _) => held.map(Reply::Value),
            // There is no room for it here.
            (None, Body::Value { value, .. }) => Some(Reply::Value(Bytes::copy_from_slice(value))),
            (None, _) => None,
        }
    }
}
