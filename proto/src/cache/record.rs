//! What goes into a shard and what comes out.

use zerocache_store::{Evicted, Put, Removed};

use super::meta::Meta;
use super::{NewValue, Value};
use crate::{Duration, Instant, Region, Version};

/// Which region's path a look-up came by: stock counts them differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// The node's own region.
    OwnRegion,
    /// Any other.
    OtherRegion,
}

/// A value found, lent by the shard.
#[derive(Debug)]
pub struct Hit<'a> {
    /// The value.
    pub value: Value<'a>,
    /// How long it has to live: never zero.
    pub remaining: Duration,
    /// Its version.
    pub version: Version,
}

/// A value to store.
#[derive(Debug)]
pub struct NewRecord<'a> {
    /// The value.
    pub value: NewValue<'a>,
    /// How long it is to live, from now; below one millisecond counts as that.
    pub ttl: Duration,
    /// The region it was written in.
    pub origin: &'a Region,
    /// The version, if a node has stamped it already; else it is stamped here.
    pub version: Option<Version>,
}

/// What a put did.
#[derive(Debug)]
pub struct Written {
    /// The version of the record that stands now: the one written, or a newer one already held.
    pub version: Version,
    /// Whether anything changed. If not, the same record or a newer one was already held.
    pub applied: bool,
    /// When the value's life ends.
    pub expires: Instant,
    /// What had to go: drop it once the shard is unlocked.
    pub displaced: Displaced,
}

/// What a delete did.
#[derive(Debug)]
pub struct Deleted {
    /// The version of the record that stands now: the tombstone's, or a newer one already held.
    pub version: Version,
    /// Whether the key had a live value before.
    pub held: bool,
    /// Whether anything changed. If not, the same record or a newer one was already held.
    pub applied: bool,
    /// When the tombstone's life ends.
    pub expires: Instant,
    /// What had to go: drop it once the shard is unlocked.
    pub displaced: Displaced,
}

/// A write was not accepted; nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refused {
    /// The value is larger than the limit, or than the whole budget.
    TooLarge,
    /// The version is more than [`MAX_SKEW`](super::MAX_SKEW) ahead of the wall clock.
    ClockSkew,
}

/// A key's record, lent by the shard.
#[derive(Debug)]
pub struct Record<'a> {
    /// Its version.
    pub version: Version,
    /// The region it was written in.
    pub origin: &'a Region,
    /// When its life ends.
    pub expires: Instant,
    /// Value or tombstone.
    pub state: State<'a>,
}

/// What a record says of its key.
#[derive(Debug)]
pub enum State<'a> {
    /// It has this value.
    Value(Value<'a>),
    /// It was deleted.
    Tombstone,
}

/// What another node says it holds under a key.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The version of its record.
    pub version: Version,
    /// The region that was written in.
    pub origin: &'a Region,
    /// Bytes of the value; `None` of a tombstone.
    pub value: Option<usize>,
}

/// A record of another node's, offered to this one.
#[derive(Debug)]
pub struct Offer<'a> {
    /// Its version.
    pub version: Version,
    /// The region it was written in.
    pub origin: &'a Region,
    /// When its life ends.
    pub expires: Instant,
    /// Value; `None`: it is a tombstone.
    pub value: Option<NewValue<'a>>,
}

/// What became of an [`Offer`].
#[derive(Debug)]
pub enum Merged {
    /// It is held now. What had to go: drop it once the shard is unlocked.
    Applied(Displaced),
    /// It is not wanted: see [`Shard::wants`](super::Shard::wants).
    Declined,
}

impl Offer<'_> {
    /// The same without the value.
    #[must_use]
    pub fn claim(&self) -> Claim<'_> {
        Claim {
            version: self.version,
            origin: self.origin,
            value: self.value.as_ref().map(|value| value.as_slice().len()),
        }
    }
}

/// What a write drove out or replaced, for its caller to free where no lock is held.
#[derive(Debug, Default)]
pub struct Displaced {
    evicted: Option<Evicted<Meta>>,
    pub(super) removed: Option<Removed<Meta>>,
}

impl Displaced {
    /// How many records went: for want of room, their life being over, or under the write's key in
    /// another of the caches.
    #[must_use]
    pub fn len(&self) -> usize {
        let removed = usize::from(self.removed.is_some());
        self.evicted
            .as_ref()
            .map_or(0, Evicted::len)
            .saturating_add(removed)
    }

    /// Whether none went.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Put<Meta>> for Displaced {
    fn from(put: Put<Meta>) -> Self {
        put.evicted.into()
    }
}

impl From<Evicted<Meta>> for Displaced {
    fn from(evicted: Evicted<Meta>) -> Self {
        Self {
            evicted: Some(evicted),
            removed: None,
        }
    }
}
