//! The rules of `cachetools.TLRUCache`, one test each, and that bounded expiry keeps them.

use zerocache_store::{Bounds, Cause, Evicted, Expiry, NewValue, Put, Tlru, TooLarge};

const NEVER: u64 = u64::MAX;

/// A store whose values weigh their length, as `getsizeof=len` makes it.
struct Cache(Tlru<()>);

fn cache(weight: u64, expiry: Expiry) -> Cache {
    let store = Tlru::new(Bounds::weight(weight), 1);
    Cache(
        store
            .with_weigher(|_, value| value.len() as u64)
            .with_expiry(expiry),
    )
}

/// Runs a rule in both modes.
fn in_both(rule: impl Fn(Expiry)) {
    rule(Expiry::Exact);
    rule(Expiry::Bounded { per_put: 0 });
    rule(Expiry::default());
}

impl Cache {
    fn put(&mut self, key: &str, value: &str, expires: u64, now: u64) -> Result<Put<()>, TooLarge> {
        let (hash, key) = (self.0.hash(key.as_bytes()), key.as_bytes());
        let value = NewValue::Copy(value.as_bytes());
        self.0.put(hash, key, value, (), expires, now)
    }

    /// Puts for ever, of weight 1; answers the victims.
    fn add(&mut self, key: &str, now: u64) -> Vec<String> {
        self.put(key, "v", NEVER, now)
            .map_or_else(|_| vec!["too large".into()], |put| victims(&put.evicted))
    }

    fn get(&mut self, key: &str, now: u64) -> Option<String> {
        let hash = self.0.hash(key.as_bytes());
        let entry = self.0.get(hash, key.as_bytes(), now)?;
        Some(text(&entry.value))
    }

    fn peek(&self, key: &str, now: u64) -> bool {
        let hash = self.0.hash(key.as_bytes());
        self.0.peek(hash, key.as_bytes(), now).is_some()
    }

    fn remove(&mut self, key: &str, now: u64) -> bool {
        let hash = self.0.hash(key.as_bytes());
        self.0.remove(hash, key.as_bytes(), now).is_some()
    }

    /// Live keys, most recent first.
    fn keys(&self, now: u64) -> Vec<String> {
        self.0.iter(now).map(|entry| text(entry.key)).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn victims(evicted: &Evicted<()>) -> Vec<String> {
    evicted.iter().map(|removed| text(removed.key())).collect()
}

#[test]
fn rule_1_live_until_just_before_expires_and_a_get_never_extends() {
    in_both(|expiry| {
        let mut cache = cache(10, expiry);
        cache.put("a", "1", 100, 0).unwrap();
        cache.put("b", "2", NEVER, 0).unwrap();
        assert_eq!(cache.get("a", 99).as_deref(), Some("1"));
        assert_eq!(cache.get("a", 100), None);
        assert_eq!(cache.get("b", u64::MAX - 1).as_deref(), Some("2"));
        assert_eq!(cache.get("b", u64::MAX).as_deref(), Some("2"));
    });
}

#[test]
fn rule_2_get_and_touch_refresh_while_peek_len_and_iter_do_not() {
    in_both(|expiry| {
        let mut cache = cache(3, expiry);
        for key in ["a", "b", "c"] {
            cache.add(key, 0);
        }
        assert!(cache.peek("a", 0));
        assert_eq!(cache.0.len(0), 3);
        assert_eq!(cache.keys(0), ["c", "b", "a"]);
        cache.get("a", 0);
        assert_eq!(cache.keys(0), ["a", "c", "b"]);
        let hash = cache.0.hash(b"b");
        assert!(cache.0.touch(hash, b"b", 0));
        assert_eq!(cache.keys(0), ["b", "a", "c"]);
        assert_eq!(cache.add("d", 0), ["c"]);
    });
}

#[test]
fn rule_3_get_of_an_expired_entry_misses_and_removes_nothing() {
    in_both(|expiry| {
        let mut cache = cache(10, expiry);
        cache.put("a", "1", 100, 0).unwrap();
        assert_eq!(cache.get("a", 100), None);
        assert_eq!((cache.0.held(), cache.0.weight()), (1, 1));
        assert_eq!(cache.0.len(100), 0);
        assert_eq!(cache.0.expire(100, usize::MAX), 1);
        assert_eq!((cache.0.held(), cache.0.weight()), (0, 0));
    });
}

#[test]
fn rule_4_put_expires_first_then_judges_expiry_then_size_then_evicts() {
    let mut cache = cache(3, Expiry::Exact);
    // (i) all that has expired goes, needed or not
    cache.put("a", "1", 10, 0).unwrap();
    cache.put("b", "1", 20, 0).unwrap();
    let put = cache.put("c", "1", NEVER, 20).unwrap();
    assert_eq!(victims(&put.evicted), ["a", "b"]);
    assert!(
        put.evicted
            .iter()
            .all(|gone| gone.cause() == Cause::Expired)
    );
    // (ii) one that is over already removes the old entry, even if it is too large
    let put = cache.put("c", "too large", 30, 30).unwrap();
    assert!(!put.stored && put.replaced && put.evicted.is_empty());
    assert_eq!(cache.0.held(), 0);
    assert!(!cache.put("c", "1", 29, 30).unwrap().replaced);
    // (iii) too large: old value, expiry and recency are kept, but (i) has happened
    cache.put("d", "old", 100, 30).unwrap();
    cache.put("e", "", NEVER, 30).unwrap();
    cache.put("f", "", 40, 30).unwrap();
    let refused = cache.put("d", "four", NEVER, 40).unwrap_err();
    assert_eq!((refused.weight, refused.limit), (4, 3));
    assert_eq!(cache.0.held(), 2);
    assert_eq!(cache.keys(40), ["e", "d"]);
    assert_eq!(cache.get("d", 99).as_deref(), Some("old"));
    assert_eq!(cache.get("d", 100), None);
    // (iv) the least recent go until it fits
    for key in ["g", "h", "i"] {
        cache.add(key, 200);
    }
    let put = cache.put("j", "22", NEVER, 200).unwrap();
    assert_eq!(victims(&put.evicted), ["e", "g", "h"]);
    assert!(
        put.evicted
            .iter()
            .all(|gone| gone.cause() == Cause::Evicted)
    );
    assert_eq!(cache.keys(200), ["j", "i"]);
}

#[test]
fn rule_5_expired_entries_go_strictly_before_live_ones() {
    in_both(|expiry| {
        let mut cache = cache(3, expiry);
        cache.add("tail", 0);
        cache.put("dead", "1", 10, 0).unwrap();
        cache.add("head", 0);
        assert_eq!(cache.add("new", 10), ["dead"]);
        assert_eq!(cache.keys(10), ["new", "head", "tail"]);
        assert_eq!(cache.add("newer", 10), ["tail"]);
    });
}

#[test]
fn rule_6_an_update_touches_first_and_then_evicts_others() {
    in_both(|expiry| {
        let mut cache = cache(4, expiry);
        for key in ["a", "b", "c"] {
            cache.add(key, 0);
        }
        // the least recent one grows: others go, it stays
        let put = cache.put("a", "333", 50, 0).unwrap();
        assert!(put.replaced);
        assert_eq!(victims(&put.evicted), ["b"]);
        assert_eq!(cache.keys(0), ["a", "c"]);
        // shorter and longer expiry both take hold
        cache.put("a", "1", 20, 0).unwrap();
        assert_eq!(cache.get("a", 20), None);
        cache.put("c", "1", 20, 0).unwrap();
        cache.put("c", "2", 30, 0).unwrap();
        assert_eq!(cache.get("c", 29).as_deref(), Some("2"));
        assert_eq!(cache.0.len(30), 0);
    });
}

#[test]
fn rule_7_weight_zero_fits_a_full_store_and_bound_zero_takes_nothing_live() {
    in_both(|expiry| {
        let mut full = cache(1, expiry);
        full.add("a", 0);
        assert!(victims(&full.put("z", "", NEVER, 0).unwrap().evicted).is_empty());
        assert_eq!(full.0.len(0), 2);

        let mut none = Tlru::new(Bounds::entries(0), 1).with_expiry(expiry);
        let hash = none.hash(b"a");
        let put = none.put(hash, b"a", NewValue::Copy(b""), (), NEVER, 0);
        assert_eq!(put.unwrap_err().limit, 0);
        let put = none.put(hash, b"a", NewValue::Copy(b""), (), 5, 5);
        assert!(!put.unwrap().stored);
    });
}

#[test]
fn rule_8_remove_of_an_expired_entry_answers_none_yet_it_is_gone() {
    in_both(|expiry| {
        let mut cache = cache(10, expiry);
        cache.put("a", "1", 10, 0).unwrap();
        cache.add("b", 0);
        assert!(!cache.remove("a", 10));
        assert_eq!(cache.0.held(), 1);
        assert!(cache.remove("b", 10));
        assert!(!cache.remove("b", 10));
        assert_eq!((cache.0.held(), cache.0.weight()), (0, 0));
    });
}

#[test]
fn rule_9_pop_oldest_skips_the_expired_expire_goes_in_order_clear_empties() {
    in_both(|expiry| {
        let mut cache = cache(10, expiry);
        cache.put("a", "1", 10, 0).unwrap();
        cache.add("b", 0);
        cache.add("c", 0);
        let popped = cache.0.pop_oldest(10).unwrap();
        assert_eq!((popped.key(), popped.cause()), (&b"b"[..], Cause::Taken));
        cache.0.clear();
        assert_eq!((cache.0.held(), cache.0.weight()), (0, 0));
        assert!(cache.0.pop_oldest(10).is_none());
        cache.add("d", 10);
        assert_eq!(cache.keys(10), ["d"]);
    });
    let mut cache = cache(10, Expiry::Exact);
    for (key, expires) in [("x", 5_000), ("y", 70), ("z", 6)] {
        cache.put(key, "1", expires, 0).unwrap();
    }
    let mut order = Vec::new();
    let count = cache
        .0
        .expire_with(9_000, usize::MAX, |gone| order.push(text(gone.key())));
    assert_eq!(
        (count, order),
        (3, vec!["z".into(), "y".into(), "x".into()])
    );
}

#[test]
fn rule_10_updates_leave_nothing_behind_and_iteration_is_by_recency() {
    in_both(|expiry| {
        let mut cache = cache(3, expiry);
        for time in 0..10_000 {
            cache.put("a", "1", time + 50, time).unwrap();
            cache.put("b", "1", NEVER, time).unwrap();
            assert_eq!((cache.0.held(), cache.0.weight()), (2, 2));
        }
        assert_eq!(cache.keys(10_000), ["b", "a"]);
        // Nothing of the 10,000 is left on the wheel but the last.
        assert_eq!(cache.0.expire(NEVER, usize::MAX), 1);
        assert_eq!(cache.0.next_expiry(), None);
    });
}
