//! What is compared: a common face, our store, and the floor, a bare hash table.

use std::collections::VecDeque;
use std::hint::black_box;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use zerocache_store::{Bounds, Expiry, NewValue, Tlru};

use crate::keys::{Fresh, KEY};

/// The hasher of all that let theirs be chosen.
pub type Hasher = FixedState;

pub fn hasher() -> Hasher {
    FixedState::with_seed(1)
}

/// A cache of a number of entries. Times are in virtual milliseconds.
pub trait Store {
    fn new(entries: usize) -> Self;
    /// Whether `key` is there; its value is looked at where it lies.
    fn get(&mut self, key: &[u8], now: u64) -> bool;
    /// Whether `key` is there; its value is kept: by a clone, or copied into `out`, as one does with it.
    fn value(&mut self, key: &[u8], now: u64, out: &mut Vec<u8>) -> bool;
    fn put(&mut self, key: &[u8], value: Fresh<'_>, expires: u64, now: u64);
}

/// What those hold that know nothing of time.
pub trait Held: Clone + Send + Sync + 'static {
    fn new(value: Fresh<'_>, expires: u64) -> Self;
    fn live(&self, now: u64) -> Option<&Bytes>;
}

/// A value alone.
#[derive(Clone)]
pub struct Plain(Bytes);

impl Held for Plain {
    fn new(value: Fresh<'_>, _: u64) -> Self {
        Self(value.bytes())
    }

    #[inline]
    fn live(&self, _: u64) -> Option<&Bytes> {
        Some(&self.0)
    }
}

/// A value and its deadline, which is looked at on a get: expiry as one adds it to a cache without.
#[derive(Clone)]
pub struct Timed(Bytes, u64);

impl Held for Timed {
    fn new(value: Fresh<'_>, expires: u64) -> Self {
        Self(value.bytes(), expires)
    }

    #[inline]
    fn live(&self, now: u64) -> Option<&Bytes> {
        (now < self.1).then_some(&self.0)
    }
}

/// Looks at a value.
#[inline]
pub fn look<V: Held>(held: &V, now: u64) -> bool {
    held.live(now).is_some_and(|value| black_box(value[0]) != 1)
}

/// Keeps a value.
#[inline]
pub fn keep<V: Held>(held: &V, now: u64) -> bool {
    held.live(now)
        .is_some_and(|value| !black_box(value.clone()).is_empty())
}

/// The cost of the driver, to be taken off.
pub struct Nothing;

impl Store for Nothing {
    fn new(_: usize) -> Self {
        Self
    }

    fn get(&mut self, key: &[u8], now: u64) -> bool {
        black_box((key, now));
        true
    }

    fn value(&mut self, key: &[u8], now: u64, out: &mut Vec<u8>) -> bool {
        black_box((key, now, out));
        true
    }

    fn put(&mut self, key: &[u8], value: Fresh<'_>, expires: u64, now: u64) {
        black_box((key, value, expires, now));
    }
}

/// No recency: the oldest put goes when it is full.
pub struct Floor<V = Plain> {
    map: HashMap<Box<[u8]>, V, Hasher>,
    order: VecDeque<[u8; KEY]>,
    entries: usize,
}

impl<V: Held> Store for Floor<V> {
    fn new(entries: usize) -> Self {
        Self {
            map: HashMap::with_capacity_and_hasher(entries, hasher()),
            order: VecDeque::with_capacity(entries + 1),
            entries,
        }
    }

    fn get(&mut self, key: &[u8], now: u64) -> bool {
        self.map.get(key).is_some_and(|held| look(held, now))
    }

    fn value(&mut self, key: &[u8], now: u64, _: &mut Vec<u8>) -> bool {
        self.map.get(key).is_some_and(|held| keep(held, now))
    }

    fn put(&mut self, key: &[u8], value: Fresh<'_>, expires: u64, _: u64) {
        let own = key.try_into().unwrap_or([0; KEY]);
        if self
            .map
            .insert(key.into(), V::new(value, expires))
            .is_some()
        {
            return;
        }
        self.order.push_back(own);
        if self.map.len() > self.entries
            && let Some(oldest) = self.order.pop_front()
        {
            self.map.remove(&oldest[..]);
        }
    }
}

/// Ours, with sixteen bytes of metadata an entry, as a node keeps.
pub struct Ours(pub Tlru<[u64; 2]>);

impl Ours {
    pub fn exact(entries: usize) -> Self {
        Self(Tlru::new(Bounds::entries(entries), 1).with_expiry(Expiry::Exact))
    }
}

impl Store for Ours {
    fn new(entries: usize) -> Self {
        Self(Tlru::new(Bounds::entries(entries), 1))
    }

    fn get(&mut self, key: &[u8], now: u64) -> bool {
        let hash = self.0.hash(key);
        let entry = self.0.get(hash, key, now);
        entry.is_some_and(|entry| black_box(entry.value[0]) != 1)
    }

    fn value(&mut self, key: &[u8], now: u64, out: &mut Vec<u8>) -> bool {
        let hash = self.0.hash(key);
        hit(&mut self.0, hash, key, now, out)
    }

    fn put(&mut self, key: &[u8], value: Fresh<'_>, expires: u64, now: u64) {
        let hash = self.0.hash(key);
        drop(
            self.0
                .put(hash, key, NewValue::Copy(value.read), [1, 2], expires, now),
        );
    }
}

#[inline]
pub fn hit(tlru: &mut Tlru<[u64; 2]>, hash: u64, key: &[u8], now: u64, out: &mut Vec<u8>) -> bool {
    let Some(entry) = tlru.get(hash, key, now) else {
        return false;
    };
    out.clear();
    out.extend_from_slice(&entry.value);
    black_box(out);
    true
}
