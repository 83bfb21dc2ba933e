//! I4, I5: versions and lives of what nodes hold.

use zerocache_proto::cache::{Shards as _, State};
use zerocache_proto::{Duration, Version, op};

use super::Held;
use crate::model::{Operation, writer};
use crate::sniff::{Asked, What, key_text};
use crate::swarm::SECOND;
use crate::world::World;

/// What a node says may be so old.
const REMEMBERED: u64 = 10 * SECOND;

/// What a node holds under a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub(crate) version: Version,
    pub(crate) expires: zerocache_proto::Instant,
    /// The operation that wrote the value; `None` if it was deleted.
    pub(crate) write: Option<u64>,
}

impl World {
    /// What a node holds under a key.
    pub(crate) fn record(&self, index: usize, key: u32) -> Option<Record> {
        let now = self.clock(index);
        let node = self.hosts[index].node()?;
        let key = key_text(key);
        let shards = node.shards();
        let hash = shards.hash(key.as_bytes());
        shards.with(hash, |shard| {
            let record = shard.record(now, hash, key.as_bytes())?;
            let write = match record.state {
                State::Value(value) => writer(value.as_ref()),
                State::Tombstone => None,
            };
            Some(Record {
                version: record.version,
                expires: record.expires,
                write,
            })
        })
    }

    /// A node is told how much to hold: it may have to let go of anything, and whatever it was may come again.
    pub(crate) fn watch_resize(&mut self, index: usize, entries: usize) {
        self.watch.held.retain(|(host, _), _| *host != index);
        let now = self.now;
        let host = &mut self.hosts[index];
        (host.entries, host.resized_at) = (entries, now);
    }

    /// Whether nothing of what a node holds, or has just said, can have been evicted and come again.
    fn is_roomy(&self, index: usize) -> bool {
        let host = &self.hosts[index];
        let since = host.resized_at.max(host.running_since);
        let resized = host.resized_at > 0 && self.now < since + REMEMBERED;
        host.entries > 1_000 && !resized
    }

    /// A node sends a copy: it says how long its own record has to live, to a second.
    pub(crate) fn watch_copy(&mut self, from: usize, to: usize, asked: &Asked, version: Version) {
        if let Some(copies) = &mut self.watch.copies {
            *copies.entry(version).or_default().entry(to).or_default() += 1;
        }
        let Some((key, expiry)) = asked.key.zip(asked.expiry) else {
            return;
        };
        let Some(record) = self
            .record(from, key)
            .filter(|record| record.version == version)
        else {
            return;
        };
        let remaining = record.expires.saturating_since(self.clock(from).mono);
        let says = Duration::from_secs(expiry.into());
        let woken = self.now < self.hosts[from].running_since + 2 * SECOND;
        // Evicted and come again, it may live on for the part of a second that was rounded up.
        let short = self.is_roomy(from) && is_too_short(says, remaining);
        if short || (is_too_long(says, remaining) && !woken) {
            let text =
                format!("host {from} says {says:?} to host {to} of what lives {remaining:?}");
            self.violate("I4", text);
        }
    }

    /// A node has read a whole write.
    pub(crate) fn watch_write(&mut self, index: usize, asked: &Asked) {
        let Some(key) = asked
            .key
            .filter(|_| matches!(asked.what, What::Put | What::Delete))
        else {
            return;
        };
        if let Some((op, expiry)) = asked.write.zip(asked.expiry) {
            let expires = self.now + u64::from(expiry) * SECOND;
            if let Some(operation) = self.model.operation_mut(op) {
                operation.expires = operation.expires.max(expires);
            }
        }
        let Some(record) = self.record(index, key) else {
            return;
        };
        self.watch_version(index, key, record);
        let mono = self.clock(index).mono;
        let incarnation = self.hosts[index].incarnation;
        let held = Held {
            incarnation,
            version: record.version,
            expires: record.expires,
            at: self.now,
        };
        let Some(old) = self.watch.held.insert((index, key), held) else {
            return;
        };
        // What it has had to forget may come again.
        let roomy = self.is_roomy(index) && !self.forgets();
        let lives = old.incarnation == incarnation && old.expires > mono;
        if roomy && lives && record.version < old.version && !self.may_have_expired(key, old.at) {
            let text = format!(
                "host {index} goes back from {} to {} under k{key}",
                old.version, record.version
            );
            self.violate("I5", text);
        }
    }

    /// Whether a value of this key has ended since: with it goes the version it had, and what is older
    /// may come again.
    fn may_have_expired(&self, key: u32, since: u64) -> bool {
        let mut values = self.model.operations.iter().filter(|op| op.key == key);
        let first = |op: &Operation| op.started + u64::from(op.ttl) * SECOND;
        values.any(|op| op.expires >= since && first(op) <= self.now + SECOND)
    }

    /// One version of a key is one write, wherever it is.
    fn watch_version(&mut self, index: usize, key: u32, record: Record) {
        let newest = self.model.newest.entry(key).or_insert(record.version);
        *newest = (*newest).max(record.version);
        let Some(write) = record.write else {
            return;
        };
        let known = *self
            .model
            .versions
            .entry((key, record.version))
            .or_insert(write);
        if known != write {
            let text = format!(
                "host {index}: version {} is both write {known} and write {write}",
                record.version
            );
            self.violate("I5", text);
        }
    }
}

/// How long a request may have waited since it said that: for its connection, or it is made again on another
/// one; and the part of a second that was rounded up.
const WAITED: Duration = Duration::from_secs(op::BEGUN_WITHIN.as_secs() + 1);

/// Whether a copy says too long a life of a record.
fn is_too_long(says: Duration, remaining: Duration) -> bool {
    says >= remaining + WAITED
}

/// Whether it says too short a one. What had as little left as the request may have waited has ended since:
/// the record may be another copy of the same write, that was long under way and so lives on.
fn is_too_short(says: Duration, remaining: Duration) -> bool {
    says < remaining && says > WAITED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_says_the_life_of_its_record_or_of_one_that_ended_while_it_waited() {
        let s = Duration::from_secs;
        let ms = Duration::from_millis;
        assert!(!is_too_short(s(12), ms(11_920)) && !is_too_long(s(12), ms(11_920)));
        assert!(is_too_short(s(5), ms(5_001)));
        assert!(!is_too_short(s(1), ms(11_920)), "ended, and come again");
        assert!(is_too_long(s(6), s(2)) && !is_too_long(s(5), s(2)));
    }
}
