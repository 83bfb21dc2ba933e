//! What the structure adds to the semantics, which `tests/` hold.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};
use core::mem::size_of;
use std::vec;

use bytes::Bytes;

use crate::block::is_same;
use crate::links::Link;
use crate::nodes::Node;
use crate::{
    Bounds, Cause, ENTRY_OVERHEAD, Expiry, INLINE_MAX, NewValue, SeededState, Tlru, Value, hash_key,
};

const NEVER: u64 = u64::MAX;

fn put(store: &mut Tlru<u32>, key: &[u8], value: NewValue<'_>, expires: u64, now: u64) -> usize {
    let put = store.put(store.hash(key), key, value, 0, expires, now);
    put.map_or(usize::MAX, |put| put.evicted.len())
}

fn value<'a>(store: &'a Tlru<u32>, key: &[u8]) -> Option<Value<'a>> {
    store.peek(store.hash(key), key, 0).map(|entry| entry.value)
}

#[test]
fn types_cross_threads_and_stay_small() {
    fn check<T: Send + Sync>() {}
    check::<Tlru<u32>>();
    assert_eq!(size_of::<Link>(), 32);
    assert_eq!(size_of::<Node<()>>(), 24);
    assert_eq!(size_of::<Node<[u64; 2]>>(), 40);
    assert_eq!(size_of::<Value<'_>>(), 16);
}

#[test]
fn small_values_are_copied_and_large_ones_shared() {
    let mut store = Tlru::new(Bounds::entries(10), 1);
    let small = Bytes::from(vec![1; INLINE_MAX]);
    let large = Bytes::from(vec![2; INLINE_MAX + 1]);
    put(&mut store, b"small", small.clone().into(), NEVER, 0);
    put(&mut store, b"large", large.clone().into(), NEVER, 0);
    put(&mut store, b"copied", NewValue::Copy(&large), NEVER, 0);
    assert!(matches!(value(&store, b"small"), Some(Value::Inline(bytes)) if bytes == small));
    assert!(
        matches!(value(&store, b"large"), Some(Value::Shared(bytes)) if bytes.as_ptr() == large.as_ptr())
    );
    assert!(
        matches!(value(&store, b"copied"), Some(Value::Shared(bytes)) if bytes == &large && bytes.as_ptr() != large.as_ptr())
    );
    // From one kind to the other and back.
    put(&mut store, b"small", large.clone().into(), NEVER, 0);
    put(&mut store, b"large", NewValue::Copy(b"x"), NEVER, 0);
    assert_eq!(value(&store, b"small").map(Value::to_bytes), Some(large));
    assert_eq!(
        value(&store, b"large").map(Value::to_bytes),
        Some("x".into())
    );
}

#[test]
fn a_value_of_the_same_size_is_written_in_place() {
    let mut store = Tlru::new(Bounds::entries(10), 1);
    put(&mut store, b"key", NewValue::Copy(b"one"), NEVER, 0);
    let place = value(&store, b"key").map(|value| value.as_ptr());
    put(&mut store, b"key", NewValue::Copy(b"two"), NEVER, 0);
    assert_eq!(value(&store, b"key").map(|value| value.as_ptr()), place);
    assert_eq!(
        value(&store, b"key").map(Value::as_slice),
        Some(&b"two"[..])
    );
}

#[test]
fn keys_and_values_may_be_empty() {
    let mut store = Tlru::new(Bounds::weight(2 * ENTRY_OVERHEAD), 1);
    put(&mut store, b"", NewValue::Copy(b""), NEVER, 0);
    assert_eq!(value(&store, b"").map(Value::as_slice), Some(&b""[..]));
    assert_eq!(store.weight(), ENTRY_OVERHEAD);
}

#[test]
fn an_entry_may_not_weigh_more_than_the_store_or_four_gi() {
    let mut store = Tlru::new(Bounds::weight(NEVER), 1).with_weigher(|_, _| 1 << 32);
    let refused = store.put(0, b"key", NewValue::Copy(b""), 0_u32, NEVER, 0);
    assert_eq!(refused.unwrap_err().limit, u64::from(u32::MAX));
    let mut store = store.with_weigher(|_, _| u64::from(u32::MAX));
    for key in 0_u8..10 {
        assert_eq!(put(&mut store, &[key], NewValue::Copy(b""), NEVER, 0), 0);
    }
    assert_eq!(store.weight(), 10 * u64::from(u32::MAX));
}

#[test]
fn narrower_bounds_take_hold_at_once() {
    let mut store = Tlru::new(Bounds::entries(10), 1);
    for key in 0_u8..10 {
        let expires = if key == 7 { 5 } else { NEVER };
        put(&mut store, &[key], NewValue::Copy(b""), expires, 0);
    }
    let evicted = store.set_bounds(Bounds::entries(8), 5);
    let gone: Vec<_> = evicted
        .iter()
        .map(|gone| (gone.key()[0], gone.cause()))
        .collect();
    assert_eq!(gone, [(7, Cause::Expired), (0, Cause::Evicted)]);
    assert_eq!(evicted.into_iter().map(|gone| gone.key()[0]).sum::<u8>(), 7);
    assert_eq!(store.bounds().entries, 8);
}

#[test]
fn places_are_used_again_and_memory_ends_at_the_bound() {
    let mut store = Tlru::new(Bounds::entries(3_000), 1);
    for key in 0_u32..20_000 {
        put(
            &mut store,
            &key.to_le_bytes(),
            NewValue::Copy(b"v"),
            NEVER,
            0,
        );
    }
    assert_eq!(store.held(), 3_000);
    assert_eq!(store.places(), 3 * 1_024);
    store.clear();
    assert_eq!((store.held(), store.places()), (0, 0));
    store.reserve(5_000_000);
    put(&mut store, b"key", NewValue::Copy(b"v"), NEVER, 0);
    assert_eq!(store.held(), 1);
}

#[test]
fn a_clock_that_went_back_breaks_no_bound() {
    for expiry in [Expiry::Exact, Expiry::default()] {
        let mut store = Tlru::new(Bounds::entries(4), 1).with_expiry(expiry);
        let times = [1_000, 10, NEVER - 1, 0, 5_000, NEVER, 3, 70_000];
        for round in 0_u32..64 {
            let now = times[round as usize % times.len()];
            let expires = now.saturating_add(u64::from(round) * 7 + 1);
            put(
                &mut store,
                &round.to_le_bytes(),
                NewValue::Copy(b"v"),
                expires,
                now,
            );
            assert!(store.held() <= 4);
        }
        store.expire(NEVER, usize::MAX);
        assert!(store.iter(NEVER).all(|entry| entry.expires == NEVER));
        assert_eq!(store.held(), store.iter(NEVER).count());
    }
}

#[test]
fn a_put_of_the_bounded_mode_looks_at_no_more_than_told() {
    let mut store = Tlru::new(Bounds::entries(10_000), 1);
    store = store.with_expiry(Expiry::Bounded { per_put: 2 });
    for key in 0_u32..5_000 {
        put(
            &mut store,
            &key.to_le_bytes(),
            NewValue::Copy(b"v"),
            1_000,
            0,
        );
    }
    assert_eq!(
        put(&mut store, b"new", NewValue::Copy(b"v"), NEVER, 1_000),
        2
    );
    assert_eq!((store.held(), store.len(1_000)), (4_999, 1));
    assert!(store.next_expiry().is_some_and(|next| next <= 1_000));
    assert_eq!(store.expire(1_000, 256), 256);
    assert_eq!(store.expire(1_000, usize::MAX), 4_742);
    assert_eq!(store.next_expiry(), None);
}

#[test]
fn keys_of_one_hash_are_told_apart_in_whatever_order_they_go() {
    let mut store: Tlru<u32> = Tlru::new(Bounds::entries(3_000), 1);
    let key = |number: u32| (number * 7).to_le_bytes();
    let value = |number: u32| number.to_le_bytes();
    for number in 0..2_000_u32 {
        // Four chains, which both the first growth and later ones must keep.
        let put = store.put(
            u64::from(number % 4),
            &key(number),
            NewValue::Copy(&value(number)),
            number,
            NEVER,
            0,
        );
        assert!(put.is_ok_and(|put| put.stored && !put.replaced));
    }
    // From the middle of a chain, its end, its head.
    for number in (0..2_000).filter(|number| number % 3 == 0) {
        let removed = store.remove(u64::from(number % 4), &key(number), 0);
        assert_eq!(removed.map(|removed| *removed.meta()), Some(number));
    }
    for number in 0..2_000 {
        let entry = store.get(u64::from(number % 4), &key(number), 0);
        let found = entry.map(|entry| (*entry.meta, entry.value.as_slice().to_vec()));
        let expected = (number % 3 != 0).then(|| (number, value(number).to_vec()));
        assert_eq!(found, expected);
    }
    assert!(store.get(5, &key(1), 0).is_none());
}

#[test]
fn keys_that_differ_in_one_byte_are_different_at_any_length() {
    for len in 0..80_usize {
        let key: Vec<u8> = (0..len).map(|i| i as u8).collect();
        assert!(is_same(&key, &key.clone()));
        assert!(!is_same(&key, &vec![0; len + 1]));
        for at in 0..len {
            let mut other = key.clone();
            other[at] ^= 0x80;
            assert!(!is_same(&key, &other), "{len} {at}");
        }
    }
}

#[test]
fn keys_of_one_byte_repeated_hash_apart_at_any_length() {
    let state = SeededState::new(1);
    let hashes: BTreeSet<u32> = (0..200)
        .map(|len| hash_key(&state, &vec![b'a'; len]) as u32)
        .collect();
    assert_eq!(hashes.len(), 200);
}

#[test]
fn hashes_depend_on_the_seed_alone() {
    let (one, same, other) = (
        SeededState::new(1),
        SeededState::new(1),
        SeededState::new(2),
    );
    let store: Tlru<()> = Tlru::new(Bounds::entries(1), 1);
    for key in [
        &b""[..],
        b"a",
        b"key of sixteen b",
        &[7; 17],
        &[7; 33],
        &[7; 300],
    ] {
        let hash = hash_key(&one, key);
        assert_eq!(hash, hash_key(&same, key));
        assert_ne!(hash, hash_key(&other, key));
        assert_eq!(hash, store.hash(key));
        // Through a hasher of its own, as any user of `BuildHasher` may go.
        let mut hasher = one.build_hasher();
        hasher.write(key);
        assert_eq!(hash, hasher.finish());
    }
}

#[test]
fn the_index_is_as_large_as_its_entries_need_from_the_start_or_by_and_by() {
    for entries in [1, 1_022, 1_023, 1_024, 5_000, 20_000] {
        let grown = filled(entries, false);
        let reserved = filled(entries, true);
        assert_eq!(grown, reserved, "{entries} entries");
        let least = entries * 7 / 4;
        assert!(
            (least..least + 2 * 1_024).contains(&grown),
            "{entries} entries, {grown} buckets"
        );
    }
}

/// Buckets of a store filled up, which were not made anew if it had been told.
fn filled(entries: usize, is_told: bool) -> usize {
    let mut store: Tlru<()> = Tlru::new(Bounds::entries(entries), 1);
    if is_told {
        store.reserve(entries);
    }
    let before = store.buckets();
    for number in 0..entries as u64 {
        let key = number.to_le_bytes();
        let hash = store.hash(&key);
        let put = store.put(hash, &key, NewValue::Copy(b"v"), (), u64::MAX, 0);
        assert!(put.unwrap().stored);
    }
    assert!(!is_told || store.buckets() == before);
    store.buckets()
}
