//! The store against the naive reference, in both modes, over every kind of time.

mod common;

use common::{Item, Model};
use proptest::prelude::*;
use std::collections::BTreeMap;
use zerocache_store::{Bounds, Cause, Evicted, Expiry, NewValue, Removed, Tlru};

#[derive(Clone, Debug)]
enum Op {
    Get(u8),
    Peek(u8),
    Touch(u8),
    Put { key: u8, len: usize, ttl: Ttl },
    Remove(u8),
    PopOldest,
    Expire(usize),
    Advance(u64),
    SetBounds(usize, u64),
    Clear,
}

#[derive(Clone, Copy, Debug)]
enum Ttl {
    Over,
    After(u64),
    Never,
}

/// Steps of every size, most of them small, many on a slot's edge.
fn step() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 0_u64..4,
        4 => 0_u64..100,
        2 => 0_u64..10_000,
        2 => (0_u32..44).prop_map(|bits| 1 << bits),
        1 => (1_u32..44, 0_u64..3).prop_map(|(bits, by)| (1_u64 << bits).saturating_sub(by)),
        1 => 0_u64..1 << 44,
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let ttl = prop_oneof![
        1 => Just(Ttl::Over),
        8 => step().prop_map(Ttl::After),
        1 => Just(Ttl::After(u64::MAX - (1 << 62))),
        2 => Just(Ttl::Never),
    ];
    let len = prop_oneof![8 => 0_usize..8, 1 => 0_usize..40, 1 => 4_090_usize..4_100];
    prop_oneof![
        6 => (0_u8..20).prop_map(Op::Get),
        1 => (0_u8..20).prop_map(Op::Peek),
        1 => (0_u8..20).prop_map(Op::Touch),
        10 => (0_u8..20, len, ttl).prop_map(|(key, len, ttl)| Op::Put { key, len, ttl }),
        2 => (0_u8..20).prop_map(Op::Remove),
        1 => Just(Op::PopOldest),
        2 => (0_usize..6).prop_map(Op::Expire),
        1 => Just(Op::Expire(usize::MAX)),
        6 => step().prop_map(Op::Advance),
        1 => (0_usize..12, 0_u64..40).prop_map(|(entries, weight)| Op::SetBounds(entries, weight)),
        1 => Just(Op::Clear),
    ]
}

fn keys_of(evicted: &Evicted<u32>, cause: Cause) -> Vec<Vec<u8>> {
    let of = evicted.iter().filter(|gone| gone.cause() == cause);
    of.map(|gone| gone.key().to_vec()).collect()
}

/// In order of expiry, ties by key, having checked the former to be the order they came in.
fn sorted(evicted: &Evicted<u32>) -> Vec<Vec<u8>> {
    let expired = evicted.iter().filter(|gone| gone.cause() == Cause::Expired);
    let mut expired: Vec<(u64, Vec<u8>)> = expired
        .map(|gone| (gone.expires(), gone.key().to_vec()))
        .collect();
    assert!(expired.is_sorted_by_key(|(expires, _)| *expires));
    expired.sort();
    expired.into_iter().map(|(_, key)| key).collect()
}

struct Pair {
    store: Tlru<u32>,
    model: Model,
    exact: bool,
    now: u64,
    serial: u32,
    /// What a caller knows to be in memory who only listens: every key there, with its note.
    ledger: BTreeMap<Vec<u8>, u32>,
}

impl Pair {
    fn new(entries: usize, weight: u64, expiry: Expiry, now: u64) -> Self {
        let bounds = Bounds { entries, weight };
        Self {
            store: Tlru::new(bounds, 42)
                .with_weigher(|key, value| (key.len() + value.len()) as u64 - 1)
                .with_expiry(expiry),
            model: Model::new(entries, weight),
            exact: expiry == Expiry::Exact,
            now,
            serial: 0,
            ledger: BTreeMap::new(),
        }
    }

    fn apply(&mut self, op: Op) {
        let now = self.now;
        match op {
            Op::Get(key) => {
                let key = [key];
                let hash = self.store.hash(&key);
                let got = self.store.get(hash, &key, now);
                let got = got.map(|entry| (entry.value.to_vec(), entry.expires));
                let want = self.model.get(&key, now);
                assert_eq!(got, want.map(|item| (item.value.clone(), item.expires)));
            }
            Op::Peek(key) => {
                let key = [key];
                let got = self.store.peek(self.store.hash(&key), &key, now);
                let want = self.model.peek(&key, now);
                assert_eq!(
                    got.map(|entry| entry.value.to_vec()),
                    want.map(|item| item.value.clone())
                );
            }
            Op::Touch(key) => {
                let key = [key];
                let touched = self.store.touch(self.store.hash(&key), &key, now);
                assert_eq!(touched, self.model.get(&key, now).is_some());
            }
            Op::Put { key, len, ttl } => self.put(key, len, ttl),
            Op::Remove(key) => {
                let key = [key];
                let got = self.store.remove(self.store.hash(&key), &key, now);
                let want = self.model.remove(&key, now);
                same(got.as_ref(), want.as_ref());
                self.ledger.remove(&key[..]);
            }
            Op::PopOldest => {
                let got = self.store.pop_oldest(now);
                let want = self.model.pop_oldest(now);
                same(got.as_ref(), want.as_ref());
                self.store.expire(now, usize::MAX);
                self.recount();
            }
            Op::Expire(budget) => self.expire(budget),
            Op::Advance(by) => self.now = now.saturating_add(by),
            Op::SetBounds(entries, weight) => {
                let evicted = self.store.set_bounds(Bounds { entries, weight }, now);
                (self.model.entries, self.model.weight) = (entries, weight);
                self.model.expire(now);
                let want = self.model.shrink(0, 0);
                assert_eq!(keys_of(&evicted, Cause::Evicted), want);
                self.store.expire(now, usize::MAX);
                self.recount();
            }
            Op::Clear => {
                self.store.clear();
                self.model.clear();
                self.recount();
            }
        }
    }

    fn put(&mut self, key: u8, len: usize, ttl: Ttl) {
        let now = self.now;
        self.serial += 1;
        let mut value = self.serial.to_le_bytes().repeat(len / 4 + 1);
        value.truncate(len);
        let expires = match ttl {
            Ttl::Over => now,
            Ttl::After(ttl) => now.saturating_add(ttl),
            Ttl::Never => u64::MAX,
        };
        let item = Item {
            key: vec![key],
            value: value.clone(),
            weight: len as u64,
            expires,
        };
        let hash = self.store.hash(&[key]);
        let new = match self.serial % 2 {
            0 => NewValue::Copy(&value),
            _ => NewValue::Shared(value.clone().into()),
        };
        let takes = expires <= now.min(u64::MAX - 1) || self.store.takes(&[key], &value);
        let got = self.store.put(hash, &[key], new, self.serial, expires, now);
        assert_eq!(got.is_ok(), takes);
        match (got, self.model.put(item, now)) {
            (Ok(put), Ok(done)) => {
                assert_eq!((put.stored, put.replaced), (done.stored, done.replaced));
                assert_eq!(keys_of(&put.evicted, Cause::Evicted), done.evicted);
                if self.exact {
                    assert_eq!(sorted(&put.evicted), done.expired);
                }
                for gone in &put.evicted {
                    assert_eq!(self.ledger.remove(gone.key()), Some(*gone.meta()));
                }
                assert_eq!(put.before, self.ledger.remove(&[key][..]));
                if put.stored {
                    self.ledger.insert(vec![key], self.serial);
                    let meta = self.store.peek(hash, &[key], now).map(|entry| *entry.meta);
                    assert_eq!(meta, Some(self.serial));
                }
            }
            (Err(_), Err(_)) => {
                self.store.expire(now, usize::MAX);
                self.recount();
            }
            (got, want) => unreachable!("{got:?}, not {want:?}"),
        }
    }

    fn expire(&mut self, budget: usize) {
        let now = self.now;
        if budget == usize::MAX {
            self.store.expire(now, budget);
            self.recount();
            self.model.expire(now);
            assert_eq!(self.store.held(), self.model.held());
            assert_eq!(self.store.weight(), self.model.held_weight());
            assert!(self.store.next_expiry().is_none_or(|next| next > now));
        } else {
            let held = self.store.held();
            let (model, ledger) = (&mut self.model, &mut self.ledger);
            let gone = self.store.expire_with(now, budget, |gone| {
                assert!(gone.expires() <= now && gone.cause() == Cause::Expired);
                assert!(model.remove(gone.key(), now).is_none());
                assert_eq!(ledger.remove(gone.key()), Some(*gone.meta()));
            });
            assert!(gone <= budget);
            assert_eq!(self.store.held(), held - gone);
        }
    }

    /// What is live, by a walk through the places.
    fn walk(&self) -> BTreeMap<Vec<u8>, u32> {
        let mut met = BTreeMap::new();
        let mut from = Some(0);
        while let Some(place) = from {
            let begun = met.len();
            from = self.store.scan(place, 700, self.now, |at, entry| {
                assert!((place..place + 700).contains(&at));
                // Two at most: the third one has to be met again.
                let wanted = met.len() < begun + 2;
                if wanted {
                    assert_eq!(met.insert(entry.key.to_vec(), *entry.meta), None);
                }
                wanted
            });
            assert!(from.is_none_or(|next| next > place));
        }
        met
    }

    /// Nothing expired is left: what is live is all there is.
    fn recount(&mut self) {
        self.ledger = self.walk();
    }

    fn check(&self) {
        let now = self.now;
        assert_eq!(self.ledger.len(), self.store.held());
        let live: Vec<_> = self.store.iter(now).collect();
        let live = live.iter().map(|entry| (entry.key.to_vec(), *entry.meta));
        assert_eq!(self.walk(), live.collect());
        assert_eq!(self.store.len(now), self.model.len(now));
        let keys: Vec<Vec<u8>> = self
            .store
            .iter(now)
            .map(|entry| entry.key.to_vec())
            .collect();
        assert_eq!(keys, self.model.keys(now));
        let bounds = self.store.bounds();
        assert!(self.store.held() <= bounds.entries && self.store.weight() <= bounds.weight);
    }
}

fn same(got: Option<&Removed<u32>>, want: Option<&Item>) {
    assert_eq!(
        got.map(|gone| (gone.key(), gone.value().as_slice(), gone.weight())),
        want.map(|item| (&item.key[..], &item.value[..], item.weight))
    );
}

fn run(mut pair: Pair, ops: Vec<Op>) {
    for op in ops {
        pair.apply(op);
        pair.check();
    }
}

fn bounds() -> impl Strategy<Value = (usize, u64)> {
    prop_oneof![
        (0_usize..12).prop_map(|entries| (entries, u64::MAX)),
        (0_u64..40).prop_map(|weight| (usize::MAX, weight)),
        (1_usize..12, 4_000_u64..9_000),
    ]
}

fn start() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1_700_000_000_000),
        (0_u64..1 << 10).prop_map(|by| u64::MAX - 1 - by),
        any::<u64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exact_mode_is_the_model(
        (entries, weight) in bounds(),
        now in start(),
        ops in prop::collection::vec(op(), 1..300),
    ) {
        run(Pair::new(entries, weight, Expiry::Exact, now), ops);
    }

    #[test]
    fn bounded_mode_has_the_same_values_and_victims(
        (entries, weight) in bounds(),
        per_put in 0_usize..6,
        now in start(),
        ops in prop::collection::vec(op(), 1..300),
    ) {
        run(Pair::new(entries, weight, Expiry::Bounded { per_put }, now), ops);
    }
}
