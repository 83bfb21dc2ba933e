//! Two nodes' shards, and rounds between them.

use crate::checked::{Checked, machines::clock};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use zerocache_proto::cache::{
    Bounds, Config, Digest, KeyHasher, NewRecord, NewValue, Position, Shard, Shards, State,
};
use zerocache_proto::cluster::Peer;
use zerocache_proto::http::{ContentType, Reply, Status};
use zerocache_proto::sync::{Ask, Ended, Limits, Query, Round};
use zerocache_proto::{Duration, Failure, Instant, NodeId, Now, Region, Version};

/// Several shards on one thread.
pub(crate) struct Sharded {
    hasher: KeyHasher,
    shards: Vec<RefCell<Shard>>,
}

impl Sharded {
    pub(crate) fn new(config: &Config, count: usize) -> Self {
        let part = config.split(count);
        Self {
            hasher: KeyHasher::new(config.seed),
            shards: (0..count)
                .map(|_| RefCell::new(Shard::new(part.clone())))
                .collect(),
        }
    }
}

impl Shards for Sharded {
    fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash(key)
    }
    fn with<R>(&self, hash: u64, f: impl FnOnce(&mut Shard) -> R) -> R {
        let shard = &self.shards[(hash >> 32) as usize % self.shards.len()];
        f(&mut shard.borrow_mut())
    }
    fn for_each(&self, mut f: impl FnMut(&mut Shard)) {
        self.shards
            .iter()
            .for_each(|shard| f(&mut shard.borrow_mut()));
    }
    fn nth<R>(&self, number: usize, f: impl FnOnce(&mut Shard) -> R) -> Option<R> {
        Some(f(&mut self.shards.get(number)?.borrow_mut()))
    }
}

/// Key to version, origin, end of life, value.
pub(crate) type Contents = BTreeMap<Vec<u8>, (Version, Region, Instant, Option<Vec<u8>>)>;

/// One of the two.
pub(crate) struct Node {
    pub(crate) shards: Sharded,
    pub(crate) settled: bool,
}

impl Node {
    /// A node of `region` with so many shards, and room for so much of each kind.
    pub(crate) fn new(region: &str, shards: usize, entries: usize, weight: u64) -> Self {
        let bounds = Bounds { entries, weight };
        let region = Region::new(region).expect("a name");
        let addr = "10.0.0.1:1".parse().expect("an address");
        let node = NodeId::derive(&region, addr);
        let config = Config {
            local: bounds,
            remote: bounds,
            tombstones: bounds,
            seed: shards as u64,
            ..Config::new(region, node)
        };
        Self {
            shards: Sharded::new(&config, shards),
            settled: true,
        }
    }

    /// One with room for all the tests put in.
    pub(crate) fn roomy(region: &str, shards: usize) -> Self {
        Self::new(region, shards, 1 << 20, u64::MAX)
    }

    pub(crate) fn put(&self, now: Now, key: &str, value: &[u8], origin: &str, seconds: u64) {
        let hash = self.shards.hash(key.as_bytes());
        let record = NewRecord {
            value: NewValue::Shared(Bytes::copy_from_slice(value)),
            ttl: Duration::from_secs(seconds),
            origin: &Region::new(origin).expect("a name"),
            version: None,
        };
        let put = |shard: &mut Shard| shard.put(now, hash, key.as_bytes(), record);
        let written = self.shards.with(hash, put);
        assert!(written.expect("fits").applied);
    }

    pub(crate) fn delete(&self, now: Now, key: &str) {
        let hash = self.shards.hash(key.as_bytes());
        let region = Region::new("london").expect("a name");
        let delete = |shard: &mut Shard| shard.delete(now, hash, key.as_bytes(), &region, None);
        assert!(self.shards.with(hash, delete).is_ok());
    }

    /// All that is live.
    pub(crate) fn contents(&self, now: Now) -> Contents {
        let mut contents = Contents::new();
        self.shards.for_each(|shard| {
            let mut from = Some(Position::default());
            while let Some(at) = from {
                from = shard.walk(now, at, u32::MAX, |_, key, record| {
                    let value = match record.state {
                        State::Value(value) => Some(value.to_vec()),
                        State::Tombstone => None,
                    };
                    let known = (record.version, record.origin.clone(), record.expires, value);
                    contents.insert(key.to_vec(), known).is_none()
                });
            }
        });
        contents
    }

    pub(crate) fn digest(&self) -> Digest {
        let mut digest = Digest::new();
        self.shards.for_each(|shard| digest.add(shard.digest()));
        digest
    }

    pub(crate) fn evictions(&self, now: Now) -> u64 {
        let mut evictions = 0;
        self.shards.for_each(|shard| {
            let stats = shard.stats(now);
            evictions +=
                stats.local.evictions + stats.remote.evictions + stats.tombstones.evictions;
        });
        evictions
    }

    pub(crate) fn answer(&self, now: Now, query: &Query) -> Bytes {
        // As it goes over the wire.
        let path = query.path();
        let query = match path.split_once('?') {
            None => Query::Digest,
            Some(("/_zc/1/digest", query)) => Query::digest(query.as_bytes()),
            Some((_, query)) => Query::records(query.as_bytes()).expect("reads back"),
        };
        match query.answer(now, &self.shards, self.settled) {
            Reply::Page(Status::Ok, ContentType::Bytes, body) => body,
            other => unreachable!("{other:?}"),
        }
    }
}

pub(crate) fn at(ms: u64) -> Now {
    clock(Instant::from_millis(ms))
}

pub(crate) fn peer() -> Arc<Peer> {
    Arc::new(Peer {
        id: NodeId::from_bits(9),
        region: Region::new("london").expect("a name"),
        addr: "10.0.0.9:6789".parse().expect("an address"),
        capable: true,
    })
}

/// What a round asked, and got.
pub(crate) type Exchange = (Query, usize);

/// A round in which `asking` asks whatever `answer` gives; each answer takes a millisecond.
pub(crate) fn round_with(
    now: Now,
    asking: &Node,
    limits: Limits,
    mut answer: impl FnMut(Now, &Query) -> Result<(u16, Bytes), Failure>,
) -> (Ended, Vec<Exchange>) {
    let mut round = Checked::new(Round::new(now.mono, peer(), limits));
    let (mut now, mut log) = (now, Vec::new());
    loop {
        round.handle_timeout(now.mono);
        if let Some(Ask { query, deadline }) = round.poll_transmit(now.mono) {
            assert!(deadline > now.mono && round.poll_timeout() == Some(deadline));
            let answered = answer(now, &query);
            now = at(now.mono.as_millis() + 1);
            let body = answered.as_ref().map(|(status, body)| (*status, &body[..]));
            log.push((query, body.map_or(0, |(_, body)| body.len())));
            round.handle_answer(now, &asking.shards, body.map_err(|failure| *failure));
        }
        if let Some(ended) = round.poll_event() {
            round.handle_timeout(now.mono + Duration::from_secs(3600));
            return (ended, log);
        }
        if let Some(due) = round.poll_timeout().filter(|due| *due > now.mono) {
            now = at(due.as_millis() + 1);
        }
    }
}

/// A round of `asking` with `asked`, with the usual limits.
pub(crate) fn round(now: Now, asking: &Node, asked: &Node) -> (Ended, Vec<Exchange>) {
    round_with(now, asking, Limits::default(), |now, query| {
        Ok((200, asked.answer(now, query)))
    })
}
