//! The digest a shard keeps up is that of what it holds, whatever has happened; and two shards that
//! offer each other what they have come to an end, without driving anything out.

use proptest::prelude::*;
use zerocache_proto::cache::{
    Bounds, Config, Digest, Merged, NewRecord, NewValue, Offer, Position, Shard, State, key_hash,
};
use zerocache_proto::{Duration, Instant, NodeId, Now, Region, Version};

const WALL: u64 = 1_700_000_000_000;

#[derive(Clone, Debug)]
enum Op {
    Get(u8),
    Put {
        key: u8,
        len: usize,
        seconds: u64,
        own: bool,
        copied: Option<(i64, u32)>,
    },
    Delete {
        key: u8,
        copied: Option<(i64, u32)>,
    },
    Merge {
        key: u8,
        len: Option<usize>,
        seconds: u64,
        own: bool,
        version: (i64, u32),
    },
    Wait(u64),
    Expire(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let version = || (-9_000..12_000_i64, 0..3_u32);
    let len = || prop_oneof![4 => 0..40_usize, 1 => 200..600_usize];
    prop_oneof![
        2 => (0..12_u8).prop_map(Op::Get),
        6 => (0..12_u8, len(), 1..20_u64, any::<bool>(), prop::option::of(version())).prop_map(
            |(key, len, seconds, own, copied)| Op::Put { key, len, seconds, own, copied },
        ),
        3 => (0..12_u8, prop::option::of(version()))
            .prop_map(|(key, copied)| Op::Delete { key, copied }),
        3 => (0..12_u8, prop::option::of(len()), 0..20_u64, any::<bool>(), version()).prop_map(
            |(key, len, seconds, own, version)| Op::Merge { key, len, seconds, own, version },
        ),
        3 => (0..6_000_u64).prop_map(Op::Wait),
        1 => (0..4_000_000_u64).prop_map(Op::Wait),
        1 => (0..6_usize).prop_map(Op::Expire),
    ]
}

fn region(own: bool) -> Region {
    Region::new(if own { "london" } else { "paris" }).expect("a name")
}

fn config(entries: usize, weight: u64, node: u32) -> Config {
    let bounds = Bounds { entries, weight };
    Config {
        local: bounds,
        remote: bounds,
        tombstones: bounds,
        max_value: 500,
        ..Config::new(region(true), NodeId::from_bits(node))
    }
}

/// Key, version, expiry, origin, value.
type Found = (Vec<u8>, Version, Instant, Region, Option<Vec<u8>>);

struct World {
    shard: Shard,
    now: Now,
}

impl World {
    fn new(config: Config) -> Self {
        let now = Now {
            mono: Instant::from_millis(1),
            unix_ms: WALL,
        };
        let shard = Shard::new(config);
        Self { shard, now }
    }

    fn version(&self, (ahead, node): (i64, u32)) -> Version {
        Version {
            clock: self.now.unix_ms.saturating_add_signed(ahead) << 16,
            node: NodeId::from_bits(node),
        }
    }

    fn apply(&mut self, op: Op) {
        let now = self.now;
        match op {
            Op::Get(key) => {
                let hash = self.shard.hash(&[key]);
                let asked = zerocache_proto::cache::Asked::OwnRegion;
                let _ = self.shard.get(now, hash, &[key], asked);
            }
            Op::Put {
                key,
                len,
                seconds,
                own,
                copied,
            } => {
                let hash = self.shard.hash(&[key]);
                let record = NewRecord {
                    value: NewValue::Copy(&vec![7; len]),
                    ttl: Duration::from_secs(seconds),
                    origin: &region(own),
                    version: copied.map(|copied| self.version(copied)),
                };
                let _ = self.shard.put(now, hash, &[key], record);
            }
            Op::Delete { key, copied } => {
                let hash = self.shard.hash(&[key]);
                let version = copied.map(|copied| self.version(copied));
                let _ = self.shard.delete(now, hash, &[key], &region(true), version);
            }
            Op::Merge {
                key,
                len,
                seconds,
                own,
                version,
            } => {
                let bytes = vec![8; len.unwrap_or(0)];
                let offer = Offer {
                    version: self.version(version),
                    origin: &region(own),
                    expires: now.mono + Duration::from_secs(seconds),
                    value: len.map(|_| NewValue::Copy(&bytes)),
                };
                self.merge(&[key], offer);
            }
            Op::Wait(ms) => {
                self.now.mono = now.mono + Duration::from_millis(ms);
                self.now.unix_ms += ms;
            }
            Op::Expire(budget) => {
                self.shard.expire(now, budget);
            }
        }
    }

    /// Whether the offer was taken; it is if and only if it was wanted.
    fn merge(&mut self, key: &[u8], offer: Offer<'_>) -> bool {
        let (now, hash) = (self.now, self.shard.hash(key));
        let wanted = self.shard.wants(now, hash, key, offer.claim());
        let wanted = wanted && offer.expires > now.mono;
        let stats = self.shard.stats(now);
        let evictions = stats.local.evictions + stats.remote.evictions + stats.tombstones.evictions;
        let absent = self.shard.record(now, hash, key).is_none();
        let taken = matches!(self.shard.merge(now, hash, key, offer), Merged::Applied(_));
        assert_eq!(taken, wanted);
        if absent {
            let stats = self.shard.stats(now);
            let after = stats.local.evictions + stats.remote.evictions + stats.tombstones.evictions;
            assert_eq!(after, evictions, "an old record drives another one out");
        }
        taken
    }

    /// What is live at that time.
    fn walk(&self, now: Now) -> Vec<Found> {
        let mut found = Vec::new();
        let mut from = Some(Position::default());
        while let Some(at) = from {
            from = self.shard.walk(now, at, 700, |position, key, record| {
                assert!(position >= at);
                let value = match record.state {
                    State::Value(value) => Some(value.to_vec()),
                    State::Tombstone => None,
                };
                found.push((
                    key.to_vec(),
                    record.version,
                    record.expires,
                    record.origin.clone(),
                    value,
                ));
                true
            });
            assert!(from.is_none_or(|next| next > at));
        }
        found
    }

    fn check(&self) {
        // At the beginning of time nothing is over: this is all there is in memory.
        let mut digest = Digest::new();
        let all = self.walk(Now::default());
        for (key, version, ..) in &all {
            digest.toggle(key_hash(key), *version);
        }
        assert!(&digest == self.shard.digest(), "{:?}", self.shard);
        assert_eq!(self.shard.held().0, all.len() as u64);
    }

    /// Offers all to another one; how many it took.
    fn offer_to(&self, other: &mut Self) -> usize {
        let all = self.walk(self.now).into_iter();
        all.filter(|(key, version, expires, origin, value)| {
            let offer = Offer {
                version: *version,
                origin,
                expires: *expires,
                value: value.as_deref().map(NewValue::Copy),
            };
            other.merge(key, offer)
        })
        .count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_digest_is_that_of_what_is_held(
        entries in 0..10_usize,
        weight in prop_oneof![Just(u64::MAX), 0..2_000_u64],
        ops in prop::collection::vec(op(), 1..120),
    ) {
        let mut world = World::new(config(entries, weight, 1));
        for op in ops {
            world.apply(op);
            world.check();
        }
    }

    #[test]
    fn two_that_have_room_become_the_same(
        one in prop::collection::vec(op(), 1..80),
        other in prop::collection::vec(op(), 1..80),
    ) {
        let mut pair = [World::new(config(100, u64::MAX, 1)), World::new(config(100, u64::MAX, 2))];
        for (world, ops) in pair.iter_mut().zip([one, other]) {
            ops.into_iter().for_each(|op| world.apply(op));
        }
        // On one clock.
        let now = pair[0].now.max_of(pair[1].now);
        for world in &mut pair {
            world.now = now;
            while world.shard.expire(now, 100) > 0 {}
        }
        let [one, other] = &mut pair;
        one.offer_to(other);
        other.offer_to(one);
        for world in [&*one, &*other] {
            world.check();
        }
        prop_assert!(one.shard.digest() == other.shard.digest());
        prop_assert_eq!(one.offer_to(other) + other.offer_to(one), 0);
        let contents = |world: &World| {
            let mut all = world.walk(now);
            all.sort();
            all
        };
        for (mine, theirs) in contents(one).into_iter().zip(contents(other)) {
            // A tombstone may be kept for longer, where more was known of what it deleted.
            prop_assert_eq!((&mine.0, mine.1, &mine.3, &mine.4), (&theirs.0, theirs.1, &theirs.3, &theirs.4));
        }
    }

    #[test]
    fn two_that_are_full_come_to_an_end(
        entries in 1..8_usize,
        weight in prop_oneof![Just(u64::MAX), 500..2_000_u64],
        one in prop::collection::vec(op(), 1..80),
        other in prop::collection::vec(op(), 1..80),
    ) {
        let mut pair = [
            World::new(config(entries, weight, 1)),
            World::new(config(entries + 1, weight, 2)),
        ];
        for (world, ops) in pair.iter_mut().zip([one, other]) {
            ops.into_iter().for_each(|op| world.apply(op));
        }
        let now = pair[0].now.max_of(pair[1].now);
        pair.iter_mut().for_each(|world| world.now = now);
        let [one, other] = &mut pair;
        // Each exchange brings some key to a newer version or fills some room, of which there is little.
        let ended = (0..30).any(|_| one.offer_to(other) + other.offer_to(one) == 0);
        prop_assert!(ended, "they never stop");
        one.check();
        other.check();
    }
}

trait MaxOf {
    fn max_of(self, other: Self) -> Self;
}

impl MaxOf for Now {
    fn max_of(self, other: Self) -> Self {
        if self.mono >= other.mono { self } else { other }
    }
}
