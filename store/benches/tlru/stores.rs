//! The stores compared.

use std::collections::VecDeque;
use std::hint::black_box;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use zerocache_store::{Bounds, Expiry, NewValue, Tlru};

pub(crate) const VALUE: usize = 128;

/// A key and its value.
pub(crate) struct Pair {
    pub(crate) key: [u8; 32],
    pub(crate) value: Bytes,
}

impl Pair {
    pub(crate) fn new(number: u64) -> Self {
        let mut key = [b'k'; 32];
        let text = format!("{number:016x}");
        key[8..24].copy_from_slice(text.as_bytes());
        Self {
            key,
            value: Bytes::from(vec![number as u8 & !1; VALUE]),
        }
    }
}

pub(crate) trait Store {
    /// Looks a value up and looks at it where it lies.
    fn get(&mut self, key: &[u8], now: u64) -> bool;
    /// Looks a value up and keeps it: into `out`, or by clone, as the store does.
    fn copy(&mut self, key: &[u8], now: u64, out: &mut Vec<u8>) -> bool;
    fn put(&mut self, pair: &Pair, expires: u64, now: u64);
}

/// The driver's own cost.
pub(crate) struct Nothing;

impl Store for Nothing {
    fn get(&mut self, key: &[u8], now: u64) -> bool {
        black_box((key, now));
        true
    }

    fn copy(&mut self, key: &[u8], now: u64, out: &mut Vec<u8>) -> bool {
        black_box((key, now, out));
        true
    }

    fn put(&mut self, pair: &Pair, expires: u64, now: u64) {
        black_box((pair, expires, now));
    }
}

/// No recency; the oldest put goes when it is full. Looks at deadlines only if told to.
pub(crate) struct Floor {
    map: HashMap<Box<[u8]>, (Bytes, u64), FixedState>,
    order: VecDeque<[u8; 32]>,
    entries: usize,
    timed: bool,
}

impl Floor {
    pub(crate) fn new(entries: usize, timed: bool) -> Self {
        Self {
            map: HashMap::with_capacity_and_hasher(entries, FixedState::with_seed(1)),
            order: VecDeque::with_capacity(entries + 1),
            entries,
            timed,
        }
    }

    fn live(&self, key: &[u8], now: u64) -> Option<&Bytes> {
        let (value, expires) = self.map.get(key)?;
        (!self.timed || now < *expires).then_some(value)
    }
}

impl Store for Floor {
    fn get(&mut self, key: &[u8], now: u64) -> bool {
        self.live(key, now)
            .is_some_and(|value| black_box(value[0]) != 1)
    }

    fn copy(&mut self, key: &[u8], now: u64, _: &mut Vec<u8>) -> bool {
        self.live(key, now)
            .is_some_and(|value| !black_box(value.clone()).is_empty())
    }

    fn put(&mut self, pair: &Pair, expires: u64, _: u64) {
        let value = (pair.value.clone(), expires);
        if self.map.insert(pair.key.into(), value).is_some() {
            return;
        }
        self.order.push_back(pair.key);
        if self.map.len() > self.entries {
            if let Some(oldest) = self.order.pop_front() {
                self.map.remove(&oldest[..]);
            }
        }
    }
}

/// With sixteen bytes of metadata, as a server would keep.
pub(crate) struct Ours {
    tlru: Tlru<[u64; 2]>,
}

impl Ours {
    pub(crate) fn new(entries: usize) -> Self {
        Self {
            tlru: Tlru::new(Bounds::entries(entries), 1),
        }
    }

    pub(crate) fn exact(entries: usize) -> Self {
        Self {
            tlru: Tlru::new(Bounds::entries(entries), 1).with_expiry(Expiry::Exact),
        }
    }

    pub(crate) fn fill(&mut self, entries: usize, expires: impl Fn(usize) -> u64) {
        for i in 0..entries {
            self.put(&Pair::new(i as u64), expires(i), 0);
        }
    }

    /// Puts a key that [`Ours::fill`] did not.
    pub(crate) fn put_new(&mut self, number: u64, now: u64) {
        self.put(&Pair::new(number + (1 << 40)), u64::MAX, now);
    }
}

impl Store for Ours {
    fn get(&mut self, key: &[u8], now: u64) -> bool {
        let hash = self.tlru.hash(key);
        let entry = self.tlru.get(hash, key, now);
        entry.is_some_and(|entry| black_box(entry.value[0]) != 1)
    }

    fn copy(&mut self, key: &[u8], now: u64, out: &mut Vec<u8>) -> bool {
        let hash = self.tlru.hash(key);
        let Some(entry) = self.tlru.get(hash, key, now) else {
            return false;
        };
        out.clear();
        out.extend_from_slice(&entry.value);
        black_box(out);
        true
    }

    fn put(&mut self, pair: &Pair, expires: u64, now: u64) {
        let hash = self.tlru.hash(&pair.key);
        let value = NewValue::Copy(&pair.value);
        let put = self.tlru.put(hash, &pair.key, value, [1, 2], expires, now);
        drop(put);
    }
}
