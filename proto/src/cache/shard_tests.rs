use super::*;
use crate::cache::{MAX_SKEW, NewValue};
use std::format;
use std::vec::Vec;

const WALL: u64 = 1_700_000_000_000;

fn at(ms: u64) -> Now {
    Now {
        mono: Instant::from_millis(ms),
        unix_ms: WALL + ms,
    }
}

fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

fn version(ms: u64, node: u32) -> Version {
    Version {
        clock: (WALL + ms) << 16,
        node: NodeId::from_bits(node),
    }
}

fn config() -> Config {
    Config::new(region("london"), NodeId::from_bits(1))
}

/// A shard, its clock, and shorthands.
struct Bench {
    shard: Shard,
    now: Now,
}

impl Bench {
    fn new(config: Config) -> Self {
        Self {
            shard: Shard::new(config),
            now: at(0),
        }
    }

    fn put(
        &mut self,
        key: &str,
        value: &str,
        origin: &str,
        version: Option<Version>,
    ) -> Result<Written, Refused> {
        self.put_for(key, value, origin, version, 60)
    }

    fn put_for(
        &mut self,
        key: &str,
        value: &str,
        origin: &str,
        version: Option<Version>,
        seconds: u64,
    ) -> Result<Written, Refused> {
        let record = NewRecord {
            value: NewValue::Copy(value.as_bytes()),
            ttl: Duration::from_secs(seconds),
            origin: &region(origin),
            version,
        };
        let hash = self.shard.hash(key.as_bytes());
        self.shard.put(self.now, hash, key.as_bytes(), record)
    }

    fn delete(&mut self, key: &str, version: Option<Version>) -> Result<Deleted, Refused> {
        let hash = self.shard.hash(key.as_bytes());
        let origin = region("london");
        self.shard
            .delete(self.now, hash, key.as_bytes(), &origin, version)
    }

    fn get(&mut self, key: &str, asked: Asked) -> Option<Vec<u8>> {
        let hash = self.shard.hash(key.as_bytes());
        let hit = self.shard.get(self.now, hash, key.as_bytes(), asked)?;
        Some(hit.value.to_vec())
    }

    fn own(&mut self, key: &str) -> Option<Vec<u8>> {
        self.get(key, Asked::OwnRegion)
    }

    fn stats(&self) -> Stats {
        self.shard.stats(self.now)
    }
}

#[test]
fn a_key_is_one_record_whatever_region_is_asked() {
    let mut bench = Bench::new(config());
    bench.put("k", "l", "london", None).unwrap();
    assert_eq!(bench.get("k", Asked::OwnRegion).unwrap(), b"l");
    assert_eq!(bench.get("k", Asked::OtherRegion).unwrap(), b"l");
    bench.put("k", "p", "paris", None).unwrap();
    assert_eq!(bench.get("k", Asked::OwnRegion).unwrap(), b"p");
    assert_eq!(bench.get("k", Asked::OtherRegion).unwrap(), b"p");
    let stats = bench.stats();
    assert_eq!((stats.local.entries, stats.remote.entries), (0, 1));
    bench.put("k", "l2", "london", None).unwrap();
    let stats = bench.stats();
    assert_eq!((stats.local.entries, stats.remote.entries), (1, 0));
    assert_eq!(bench.own("k").unwrap(), b"l2");
}

#[test]
fn hits_and_misses_count_as_stock_does() {
    let mut bench = Bench::new(config());
    bench.put("l", "", "london", None).unwrap();
    bench.put("r", "", "paris", None).unwrap();
    let counts = |bench: &Bench| {
        let Stats { local, remote, .. } = bench.stats();
        [local.hits, local.misses, remote.hits, remote.misses]
    };
    assert_eq!(counts(&bench), [0; 4]);
    for (key, asked, expected) in [
        ("l", Asked::OwnRegion, [1, 0, 0, 0]),
        ("r", Asked::OwnRegion, [1, 1, 1, 0]),
        ("x", Asked::OwnRegion, [1, 2, 1, 1]),
        ("r", Asked::OtherRegion, [1, 2, 2, 1]),
        ("x", Asked::OtherRegion, [1, 2, 2, 2]),
        ("l", Asked::OtherRegion, [1, 2, 3, 2]),
    ] {
        bench.get(key, asked);
        assert_eq!(counts(&bench), expected, "{key} {asked:?}");
    }
    bench.delete("l", None).unwrap();
    bench.put("r", "", "paris", None).unwrap();
    assert_eq!(counts(&bench), [1, 2, 3, 2]);
}

#[test]
fn the_newer_version_wins_and_an_equal_one_changes_nothing() {
    let mut bench = Bench::new(config());
    let new = bench.put("k", "new", "paris", Some(version(5, 9))).unwrap();
    assert!(new.applied);
    let old = bench.put("k", "old", "paris", Some(version(4, 9))).unwrap();
    assert_eq!((old.applied, old.version), (false, version(5, 9)));
    let tie = bench.put("k", "tie", "paris", Some(version(5, 8))).unwrap();
    assert!(!tie.applied, "the higher node id wins a tie");
    let same = bench
        .put_for("k", "same", "paris", Some(version(5, 9)), 999)
        .unwrap();
    assert_eq!((same.applied, same.expires), (false, new.expires));
    assert_eq!(bench.own("k").unwrap(), b"new");
    let stats = bench.stats();
    assert_eq!((stats.puts, stats.stale, stats.duplicates), (1, 2, 1));
}

#[test]
fn an_unversioned_write_is_stamped_newer_than_all_accepted_before() {
    let mut bench = Bench::new(config());
    let ahead = version(9_000, 200);
    bench.put("k", "theirs", "paris", Some(ahead)).unwrap();
    let mine = bench.put("k", "mine", "london", None).unwrap();
    assert!(mine.applied && mine.version > ahead);
    assert_eq!(mine.version.node, NodeId::from_bits(1));
    bench.shard.set_node(NodeId::from_bits(2));
    let renamed = bench.delete("k", None).unwrap();
    assert_eq!(renamed.version.node, NodeId::from_bits(2));
}

#[test]
fn a_version_too_far_ahead_is_refused_and_changes_nothing() {
    let mut bench = Bench::new(config());
    bench.put("k", "v", "london", None).unwrap();
    let limit = MAX_SKEW.as_millis() as u64;
    let mad = Some(version(limit + 1, 9));
    assert_eq!(
        bench.put("k", "x", "paris", mad).unwrap_err(),
        Refused::ClockSkew
    );
    assert_eq!(bench.delete("k", mad).unwrap_err(), Refused::ClockSkew);
    assert_eq!(bench.own("k").unwrap(), b"v");
    assert_eq!(bench.stats().refused_skew, 2);
    let next = bench.put("k", "w", "london", None).unwrap();
    assert!(next.version < version(2, 0), "the clock has not followed");
    assert!(
        bench
            .put("k", "x", "paris", Some(version(limit, 9)))
            .unwrap()
            .applied
    );
}

#[test]
fn a_tombstone_stops_late_copies_but_not_newer_writes() {
    let mut bench = Bench::new(config());
    bench.put("k", "v", "london", Some(version(1, 1))).unwrap();
    let deleted = bench.delete("k", Some(version(3, 1))).unwrap();
    assert!(deleted.held && deleted.applied);
    assert_eq!(bench.own("k"), None);
    assert!(
        !bench
            .put("k", "late", "london", Some(version(2, 1)))
            .unwrap()
            .applied
    );
    assert_eq!(bench.own("k"), None);
    let again = bench.delete("k", Some(version(3, 1))).unwrap();
    assert!(!again.held && !again.applied);
    assert!(
        bench
            .put("k", "new", "london", Some(version(4, 1)))
            .unwrap()
            .applied
    );
    assert_eq!(bench.own("k").unwrap(), b"new");
    let late = bench.delete("k", Some(version(3, 1))).unwrap();
    assert!(
        late.held && !late.applied,
        "an older delete leaves a newer value"
    );
    assert_eq!(bench.stats().tombstones.entries, 0);
}

#[test]
fn deleting_what_is_not_held_still_leaves_a_tombstone() {
    let mut bench = Bench::new(config());
    let deleted = bench.delete("k", Some(version(3, 1))).unwrap();
    assert!(!deleted.held && deleted.applied);
    assert!(
        !bench
            .put("k", "late", "paris", Some(version(2, 1)))
            .unwrap()
            .applied
    );
}

#[test]
fn a_tombstone_outlives_every_copy_of_its_value() {
    let mut bench = Bench::new(config());
    let hour = MIN_TOMBSTONE.as_secs();
    bench
        .put_for("short", "v", "london", Some(version(1, 1)), 5)
        .unwrap();
    bench
        .put_for("long", "v", "london", Some(version(1, 1)), 2 * hour)
        .unwrap();
    let short = bench.delete("short", Some(version(2, 1))).unwrap();
    let long = bench.delete("long", Some(version(2, 1))).unwrap();
    assert_eq!(short.expires, Instant::from_millis(hour * 1000));
    assert_eq!(long.expires, Instant::from_millis(2 * hour * 1000));

    // The deleted value turns out to live longer than was known: so does the tombstone.
    bench.delete("unknown", Some(version(2, 1))).unwrap();
    let late = bench.put_for("unknown", "v", "london", Some(version(1, 1)), 3 * hour);
    assert!(!late.unwrap().applied);
    bench.now = at(3 * hour * 1000 - 1);
    let late = bench.put_for("unknown", "v", "london", Some(version(1, 1)), 1);
    assert!(!late.unwrap().applied);
}

#[test]
fn the_oldest_tombstones_go_when_their_budget_is_full() {
    let tombstones = Bounds {
        entries: 2,
        weight: u64::MAX,
    };
    let mut bench = Bench::new(Config {
        tombstones,
        ..config()
    });
    for key in ["a", "b", "c"] {
        bench.delete(key, Some(version(2, 1))).unwrap();
    }
    let stats = bench.stats().tombstones;
    assert_eq!((stats.entries, stats.evictions), (2, 1));
    assert!(
        bench
            .put("a", "late", "london", Some(version(1, 1)))
            .unwrap()
            .applied
    );
    assert!(
        !bench
            .put("b", "late", "london", Some(version(1, 1)))
            .unwrap()
            .applied
    );
}

#[test]
fn life_is_monotonic_and_a_get_does_not_prolong_it() {
    let mut bench = Bench::new(config());
    let written = bench.put_for("k", "v", "london", None, 10).unwrap();
    assert_eq!(written.expires, Instant::from_millis(10_000));
    for wall in [0, WALL, u64::MAX >> 16] {
        bench.now = Now {
            mono: Instant::from_millis(9_999),
            unix_ms: wall,
        };
        let hash = bench.shard.hash(b"k");
        let hit = bench
            .shard
            .get(bench.now, hash, b"k", Asked::OwnRegion)
            .unwrap();
        assert_eq!(hit.remaining, Duration::from_millis(1));
        bench.now.mono = Instant::from_millis(10_000);
        assert_eq!(bench.own("k"), None);
    }
    assert_eq!(bench.stats().local.entries, 0);
    assert!(
        bench
            .shard
            .next_expiry()
            .is_some_and(|at| at <= bench.now.mono)
    );
    assert_eq!(bench.shard.expire(bench.now, 10), 1);
    assert_eq!(bench.shard.next_expiry(), None);
    assert_eq!(bench.stats().local.expirations, 1);
}

#[test]
fn an_expired_key_is_not_held() {
    let mut bench = Bench::new(config());
    bench.put_for("k", "v", "london", None, 1).unwrap();
    bench.now = at(1000);
    assert!(!bench.delete("k", None).unwrap().held);
}

#[test]
fn a_value_too_large_is_refused_and_what_was_stored_stays() {
    let room = Bounds {
        entries: 10,
        weight: 400,
    };
    let mut bench = Bench::new(Config {
        remote: room,
        max_value: 1000,
        ..config()
    });
    bench.put("k", "small", "london", None).unwrap();
    let over_limit = "x".repeat(1001);
    let over_budget = "x".repeat(1000);
    for (value, origin) in [(&over_limit, "london"), (&over_budget, "paris")] {
        let refused = bench.put("k", value, origin, None).unwrap_err();
        assert_eq!(refused, Refused::TooLarge, "{origin}");
        assert_eq!(bench.own("k").unwrap(), b"small");
    }
    assert_eq!(bench.stats().refused_size, 2);
    assert!(
        bench
            .put("k", &over_budget, "london", None)
            .unwrap()
            .applied
    );
}

#[test]
fn each_region_class_keeps_to_its_own_bounds() {
    let two = Bounds {
        entries: 2,
        weight: u64::MAX,
    };
    let mut bench = Bench::new(Config {
        remote: two,
        ..config()
    });
    for n in 0..5 {
        bench.put(&format!("l{n}"), "", "london", None).unwrap();
        bench.put(&format!("r{n}"), "", "paris", None).unwrap();
    }
    let stats = bench.stats();
    assert_eq!((stats.local.entries, stats.local.evictions), (5, 0));
    assert_eq!((stats.remote.entries, stats.remote.evictions), (2, 3));
    assert_eq!(stats.remote.max_entries, 2);
    assert_eq!(bench.own("r2"), None);
    assert!(bench.own("r3").is_some());
}

#[test]
fn a_record_tells_what_a_copy_needs_and_touches_nothing() {
    let mut bench = Bench::new(config());
    bench.put("k", "v", "paris", Some(version(1, 3))).unwrap();
    let hash = bench.shard.hash(b"k");
    let record = bench.shard.record(bench.now, hash, b"k").unwrap();
    assert_eq!(record.version, version(1, 3));
    assert_eq!(record.origin, &region("paris"));
    assert_eq!(record.expires, Instant::from_millis(60_000));
    assert!(matches!(record.state, State::Value(value) if *value == *b"v"));
    bench.delete("k", Some(version(2, 3))).unwrap();
    let record = bench.shard.record(bench.now, hash, b"k").unwrap();
    assert!(matches!(record.state, State::Tombstone));
    assert_eq!(record.version, version(2, 3));
    assert!(bench.shard.record(bench.now, hash, b"other").is_none());
    assert_eq!(bench.stats().local.misses, 0);
}

#[test]
fn a_shard_told_to_hold_less_lets_go_at_once_and_its_digest_with_it() {
    let mut bench = Bench::new(config());
    for n in 0..10 {
        bench.put(&format!("l{n}"), "", "london", None).unwrap();
        bench.put(&format!("r{n}"), "", "paris", None).unwrap();
    }
    let (local, remote) = (Bounds::entries(3), Bounds::entries(0));
    let gone = bench.shard.set_bounds(bench.now, local, remote);
    assert_eq!(gone.map(|gone| gone.len()), [7, 10]);
    let stats = bench.stats();
    assert_eq!((stats.local.entries, stats.local.max_entries), (3, 3));
    assert_eq!((stats.remote.entries, stats.remote.evictions), (0, 10));
    assert!(bench.own("l9").is_some() && bench.own("l6").is_none());
    let refused = bench.put("r", "", "paris", None).err();
    assert_eq!(refused, Some(Refused::TooLarge));
    let all = Bounds::entries(0);
    drop(bench.shard.set_bounds(bench.now, all, all));
    assert_eq!(*bench.shard.digest(), Digest::new());
}
