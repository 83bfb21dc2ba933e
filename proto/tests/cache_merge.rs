//! Merging is idempotent, commutative and associative: however copies arrive, the end is the same.

use proptest::prelude::*;
use zerocache_proto::cache::{Config, NewRecord, NewValue, Shard, State};
use zerocache_proto::{Duration, Instant, NodeId, Now, Region, Version};

const NOW: Now = Now {
    mono: Instant::from_millis(1000),
    unix_ms: 1_700_000_000_000,
};
const KEYS: u8 = 4;

/// What is known of one write: all of it follows from its version, as on the wire.
#[derive(Clone, Copy, Debug)]
struct Copy {
    key: u8,
    clock: u8,
    node: u8,
}

impl Copy {
    fn version(self) -> Version {
        Version {
            clock: (NOW.unix_ms << 16) + u64::from(self.clock),
            node: NodeId::from_bits(u32::from(self.node)),
        }
    }

    fn apply(self, shard: &mut Shard) {
        let key = [self.key];
        let hash = shard.hash(&key);
        let mix = u64::from(self.clock) * 31 + u64::from(self.node) * 7 + u64::from(self.key);
        let origin = Region::new(["london", "paris", "rome"][(mix % 3) as usize]).expect("valid");
        if mix % 4 == 0 {
            shard
                .delete(NOW, hash, &key, &origin, Some(self.version()))
                .expect("accepted");
        } else {
            let record = NewRecord {
                value: NewValue::Copy(&[self.clock, self.node]),
                ttl: Duration::from_secs(mix % 1000 + 1),
                origin: &origin,
                version: Some(self.version()),
            };
            shard.put(NOW, hash, &key, record).expect("accepted");
        }
    }
}

fn copies() -> impl Strategy<Value = Vec<Copy>> {
    let copy = (0..KEYS, 0..6_u8, 0..3_u8).prop_map(|(key, clock, node)| Copy { key, clock, node });
    prop::collection::vec(copy, 1..40)
}

fn shard() -> Shard {
    let london = Region::new("london").expect("valid");
    Shard::new(Config::new(london, NodeId::from_bits(1)))
}

/// All there is to see of a key: version, origin, and value with its expiry unless deleted.
type Seen = Option<(Version, Region, Option<(Vec<u8>, Instant)>)>;

fn state(shard: &Shard) -> Vec<Seen> {
    let seen = |key: u8| {
        let record = shard.record(NOW, shard.hash(&[key]), &[key])?;
        let value = match record.state {
            State::Value(value) => Some((value.to_vec(), record.expires)),
            State::Tombstone => None,
        };
        Some((record.version, record.origin.clone(), value))
    };
    (0..KEYS).map(seen).collect()
}

proptest! {
    #[test]
    fn order_and_repetition_of_copies_do_not_matter(
        (copies, shuffled) in copies().prop_flat_map(|copies| {
            let twice = [copies.clone(), copies.clone()].concat();
            (Just(copies), Just(twice).prop_shuffle())
        }),
    ) {
        let (mut one, mut other) = (shard(), shard());
        copies.iter().for_each(|copy| copy.apply(&mut one));
        shuffled.iter().for_each(|copy| copy.apply(&mut other));
        prop_assert_eq!(state(&one), state(&other));

        // Each key's record is that of the highest version.
        for (key, seen) in (0..KEYS).zip(state(&one)) {
            let newest = copies.iter().filter(|copy| copy.key == key).map(|copy| copy.version()).max();
            prop_assert_eq!(seen.map(|(version, ..)| version), newest);
        }
        let stats = one.stats(NOW);
        let held = stats.local.entries + stats.remote.entries + stats.tombstones.entries;
        prop_assert_eq!(held, state(&one).iter().flatten().count() as u64);
    }
}
