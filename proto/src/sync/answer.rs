//! The asked node's side: a query answered from the shards.

use alloc::vec::Vec;

use bytes::Bytes;

use super::wire::{Body, DigestBody, PageRecord, PageWriter};
use super::{Buckets, MAX_PAGE, MAX_SCANNED, MIN_LIFE, Query, SCANNED_AT_ONCE, What};
use crate::cache::{Digest, Position, Record, Shards, State, Value, bucket_of, key_hash};
use crate::http::{ContentType, Reply, Status};
use crate::{Duration, Now};

/// Bytes copied in one go, with a shard locked.
const COPIED_AT_ONCE: usize = 32 << 10;
/// A value longer than this is a page of its own, and copied with no shard locked.
const LARGE: usize = 64 << 10;
/// Bits of a position that say where in its shard it is; those above are the shard's number.
const SHARD_BITS: u32 = 40;

impl Query {
    /// The answer of a node that holds `shards`, and that is `settled`: see [`DigestBody`].
    ///
    /// No more is looked at or copied in one go than a look-up can wait for.
    pub fn answer<S: Shards>(&self, now: Now, shards: &S, settled: bool) -> Reply {
        self.answer_in_pages(now, shards, settled, MAX_PAGE)
    }

    /// The answer, in pages of about so many bytes, of one record at least.
    pub(crate) fn answer_in_pages<S: Shards>(
        &self,
        now: Now,
        shards: &S,
        settled: bool,
        size: usize,
    ) -> Reply {
        let body = match self {
            Self::Digest | Self::Owed { .. } => digest(shards, settled).encode(),
            Self::Page {
                what,
                from,
                buckets,
            } => page(Filling::new(now, *what, size), shards, *from, buckets),
            Self::Picked { at } => picked(Filling::new(now, What::Values, size), shards, at),
            Self::Key { key } => single(Filling::new(now, What::Values, size), shards, key),
        };
        Reply::Page(Status::Ok, ContentType::Bytes, body.into())
    }
}

/// What a node says of all it holds.
pub(super) fn digest<S: Shards>(shards: &S, settled: bool) -> DigestBody {
    let mut body = DigestBody {
        settled,
        records: 0,
        weight: 0,
        digest: Digest::new(),
    };
    shards.for_each(|shard| {
        let (records, weight) = shard.held();
        body.records = body.records.saturating_add(records);
        body.weight = body.weight.saturating_add(weight);
        body.digest.add(shard.digest());
    });
    body
}

fn page<S: Shards>(mut page: Filling, shards: &S, from: u64, buckets: &Buckets) -> Vec<u8> {
    let now = page.now;
    let (mut number, at) = split(from);
    let mut from = at;
    let mut budget = MAX_SCANNED;
    while let Some(at) = from {
        if budget == 0 || page.full {
            return page.finish(Some(join(number, at)));
        }
        let step = budget.min(SCANNED_AT_ONCE);
        budget = budget.saturating_sub(step);
        let limit = page.writer.len().saturating_add(COPIED_AT_ONCE);
        let next = shards.nth(number, |shard| {
            shard.walk(now, at, step, |position, key, record| {
                let chosen = *buckets == Buckets::ALL || buckets.has(bucket_of(key_hash(key)));
                let go_on = page.writer.len() < limit;
                go_on && (!chosen || page.add(join(number, position), key, &record))
            })
        });
        page.append_large();
        from = match next {
            // No such shard.
            None => None,
            Some(None) => {
                number = number.saturating_add(1);
                Some(Position::default())
            }
            Some(next) => next,
        };
    }
    page.finish(None)
}

fn picked<S: Shards>(mut page: Filling, shards: &S, at: &[u64]) -> Vec<u8> {
    let now = page.now;
    for global in at {
        let (number, position) = split(*global);
        let Some(position) = position else {
            continue;
        };
        shards.nth(number, |shard| {
            shard.walk(now, position, 1, |_, key, record| {
                page.add(*global, key, &record)
            })
        });
        if page.full && !page.took_last {
            return page.finish(Some(*global));
        }
        page.append_large();
    }
    page.finish(None)
}

/// The page of one key's record, which tells no position; empty if there is none.
fn single<S: Shards>(mut page: Filling, shards: &S, key: &[u8]) -> Vec<u8> {
    let now = page.now;
    // Somebody waits for it: the last moments of its life are worth the way.
    page.min_life = Duration::from_millis(1);
    let hash = shards.hash(key);
    shards.with(hash, |shard| {
        if let Some(record) = shard.record(now, hash, key) {
            page.add(0, key, &record);
        }
    });
    page.append_large();
    page.finish(None)
}

/// A page that is being filled.
struct Filling {
    writer: PageWriter,
    now: Now,
    what: What,
    /// Records with less of their life left are left out.
    min_life: Duration,
    /// Nothing more goes in.
    full: bool,
    /// The last record offered went in.
    took_last: bool,
    /// The value that makes it full, not yet copied.
    large: Option<Bytes>,
}

impl Filling {
    fn new(now: Now, what: What, size: usize) -> Self {
        Self {
            writer: PageWriter::new(size),
            now,
            what,
            min_life: MIN_LIFE,
            full: false,
            took_last: false,
            large: None,
        }
    }

    /// Adds a record, if there is room; whether to go on behind it.
    fn add(&mut self, position: u64, key: &[u8], record: &Record<'_>) -> bool {
        if self.full {
            self.took_last = false;
            return false;
        }
        self.took_last = true;
        let remaining = record.expires.saturating_since(self.now.mono);
        if remaining < self.min_life {
            return true;
        }
        let remaining = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
        let (body, len) = match (&record.state, self.what) {
            (State::Tombstone, _) => (Body::Tombstone { remaining }, 0),
            (State::Value(value), What::Versions) => {
                let len = value.len() as u64;
                (Body::LeftOut { len }, 0)
            }
            (State::Value(Value::Shared(value)), What::Values) if value.len() > LARGE => {
                self.large = self.writer.is_empty().then(|| (*value).clone());
                let value = &[][..];
                (
                    Body::Value { remaining, value },
                    self.large.as_ref().map_or(usize::MAX, Bytes::len),
                )
            }
            (State::Value(value), What::Values) => {
                let value = value.as_slice();
                (Body::Value { remaining, value }, value.len())
            }
        };
        self.took_last = self.writer.fits(key.len(), len);
        // Behind a large value nothing follows: it is not even copied yet.
        self.full = !self.took_last || self.large.is_some();
        if self.took_last {
            let record = PageRecord {
                position,
                key,
                version: record.version,
                origin: record.origin.as_str(),
                body,
            };
            self.writer.push(&record, len);
        }
        self.took_last
    }

    /// Copies what was too long to be copied with a shard locked.
    fn append_large(&mut self) {
        if let Some(value) = self.large.take() {
            self.writer.append(&value);
        }
    }

    fn finish(self, next: Option<u64>) -> Vec<u8> {
        self.writer.finish(next)
    }
}

/// A shard's number, and a position in it; `None` if that is none.
fn split(global: u64) -> (usize, Option<Position>) {
    let number = usize::try_from(global >> SHARD_BITS).unwrap_or(usize::MAX);
    let within = (1_u64 << SHARD_BITS).wrapping_sub(1);
    (number, Position::from_bits(global & within))
}

const fn join(number: usize, position: Position) -> u64 {
    (number as u64) << SHARD_BITS | position.to_bits()
}
