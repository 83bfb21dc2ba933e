//! `tlru_model`: the store, in both modes of expiry, against a list that is searched from end to end.

use zerocache_store::{Bounds, Expiry, NewValue, Tlru};

use crate::script::Script;

/// Longer than what shares a block with its key, in some steps.
const LONG: usize = 5_000;

/// Entries in order of recency, the least recent first.
struct Model {
    entries: Vec<(u8, Vec<u8>, u64)>,
    bounds: Bounds,
}

impl Model {
    fn live(&self, key: u8, now: u64) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| entry.0 == key && entry.2 > now)
    }

    fn weight(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| weigh(&[entry.0], &entry.1))
            .sum()
    }

    fn get(&mut self, key: u8, now: u64) -> Option<Vec<u8>> {
        let found = self.entries.remove(self.live(key, now)?);
        let value = found.1.clone();
        self.entries.push(found);
        Some(value)
    }

    fn put(&mut self, key: u8, value: Vec<u8>, expires: u64, now: u64) -> Result<(), ()> {
        self.entries.retain(|entry| entry.2 > now);
        let fits = weigh(&[key], &value) <= self.bounds.weight && self.bounds.entries > 0;
        if expires > now && !fits {
            return Err(());
        }
        self.entries.retain(|entry| entry.0 != key);
        if expires > now {
            self.entries.push((key, value, expires));
            self.evict();
        }
        Ok(())
    }

    fn evict(&mut self) {
        while self.entries.len() > self.bounds.entries || self.weight() > self.bounds.weight {
            self.entries.remove(0);
        }
    }
}

fn weigh(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64
}

/// One script, read as operations at moments that never go back.
pub(crate) fn model(data: &[u8]) {
    let mut script = Script(data);
    let bounds = bounds(&mut script);
    let expiry = match script.below(3) {
        0 => Expiry::Exact,
        per_put => Expiry::Bounded {
            per_put: usize::from(per_put) - 1,
        },
    };
    let mut store: Tlru<u64> = Tlru::new(bounds, 1).with_weigher(weigh).with_expiry(expiry);
    let mut model = Model {
        entries: Vec::new(),
        bounds,
    };
    let mut now = 1_000_u64;
    while !script.is_over() {
        now += elapsed(&mut script);
        step(&mut script, &mut store, &mut model, now);
        let held: Vec<u8> = store.iter(now).map(|entry| entry.key[0]).collect();
        let live = model
            .entries
            .iter()
            .filter(|entry| entry.2 > now)
            .map(|entry| entry.0);
        let expected: Vec<u8> = live.rev().collect();
        assert_eq!(held, expected, "order at {now}");
        assert_eq!(store.len(now), held.len());
        assert!(
            store.held() <= store.bounds().entries,
            "{} held",
            store.held()
        );
        assert!(
            store.weight() <= store.bounds().weight,
            "{} weighed",
            store.weight()
        );
        // What is due is announced; a model entry that never expires is not.
        let next = model
            .entries
            .iter()
            .map(|entry| entry.2)
            .filter(|at| *at != u64::MAX)
            .min();
        let told = store.next_expiry();
        assert!(next.is_none_or(|next| next <= now || told.is_some_and(|told| told <= next)));
    }
}

fn bounds(script: &mut Script<'_>) -> Bounds {
    let entries = usize::from(script.below(9));
    match script.below(3) {
        0 => Bounds::entries(entries),
        1 => Bounds::weight(u64::from(script.number())),
        _ => Bounds {
            entries,
            weight: u64::from(script.number()),
        },
    }
}

fn elapsed(script: &mut Script<'_>) -> u64 {
    match script.below(8) {
        0..=4 => 0,
        5 => 1,
        6 => u64::from(script.byte()),
        // Across the wheel's turns.
        _ => u64::from(script.number()) << script.below(24),
    }
}

fn step(script: &mut Script<'_>, store: &mut Tlru<u64>, model: &mut Model, now: u64) {
    let key = script.below(12);
    let hash = store.hash(&[key]);
    match script.below(10) {
        0..=3 => {
            let value = vec![script.byte(); usize::from(script.number()) % LONG];
            let expires = match script.below(4) {
                0 => u64::MAX,
                // May be over at once.
                1 => now - 1 + u64::from(script.byte()),
                _ => now + elapsed(script),
            };
            let new = match script.below(2) {
                0 => NewValue::Copy(&value),
                _ => NewValue::Shared(value.clone().into()),
            };
            let put = store.put(hash, &[key], new, expires, expires, now);
            assert_eq!(
                put.map(drop).is_ok(),
                model.put(key, value, expires, now).is_ok()
            );
        }
        4 | 5 => {
            let found = store.get(hash, &[key], now);
            let found = found.map(|entry| {
                assert_eq!(entry.expires, *entry.meta);
                entry.value.to_vec()
            });
            assert_eq!(found, model.get(key, now));
        }
        6 => {
            let removed = store
                .remove(hash, &[key], now)
                .map(|entry| entry.value().to_vec());
            let expected = model
                .live(key, now)
                .map(|place| model.entries.remove(place).1);
            assert_eq!(removed, expected);
        }
        7 => {
            store.expire(now, usize::from(script.below(4)));
        }
        8 => {
            let oldest = store.pop_oldest(now).map(|entry| entry.key()[0]);
            model.entries.retain(|entry| entry.2 > now);
            let expected = (!model.entries.is_empty()).then(|| model.entries.remove(0).0);
            assert_eq!(oldest, expected);
        }
        _ => {
            let bounds = bounds(script);
            drop(store.set_bounds(bounds, now));
            model.bounds = bounds;
            model.entries.retain(|entry| entry.2 > now);
            model.evict();
        }
    }
}
