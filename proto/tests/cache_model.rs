//! The shard against the plainest thing that could be right: a map and a list of rules.

use std::collections::BTreeMap;

use proptest::prelude::*;
use zerocache_proto::cache::{Asked, Config, MIN_TOMBSTONE, NewRecord, NewValue, Refused, Shard};
use zerocache_proto::{Duration, Instant, NodeId, Now, Region, Version};

const START: u64 = 1_700_000_000_000;
const SKEW_MS: i64 = 10_000;

#[derive(Clone, Debug)]
enum Op {
    Get {
        key: u8,
        own: bool,
    },
    /// `ahead`: what the version's clock is ahead of the wall clock; `None` to have it stamped.
    Put {
        key: u8,
        value: u8,
        seconds: u64,
        own: bool,
        ahead: Option<i64>,
        node: u32,
    },
    Delete {
        key: u8,
        ahead: Option<i64>,
        node: u32,
    },
    Wait {
        ms: u64,
    },
    StepWallClock {
        ms: i64,
    },
    Expire {
        budget: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let ahead = || {
        prop::option::of(prop_oneof![
            -20_000..20_000_i64,
            9_990..10_010_i64,
            -3..3_i64
        ])
    };
    prop_oneof![
        3 => (0..5_u8, any::<bool>()).prop_map(|(key, own)| Op::Get { key, own }),
        4 => (0..5_u8, any::<u8>(), 1..20_u64, any::<bool>(), ahead(), 0..3_u32).prop_map(
            |(key, value, seconds, own, ahead, node)| {
                Op::Put { key, value, seconds, own, ahead, node }
            },
        ),
        2 => (0..5_u8, ahead(), 0..3_u32).prop_map(|(key, ahead, node)| Op::Delete { key, ahead, node }),
        2 => (0..8_000_u64).prop_map(|ms| Op::Wait { ms }),
        1 => (0..4_000_000_u64).prop_map(|ms| Op::Wait { ms }),
        1 => (-15_000..15_000_i64).prop_map(|ms| Op::StepWallClock { ms }),
        1 => (0..10_usize).prop_map(|budget| Op::Expire { budget }),
    ]
}

#[derive(Clone, Debug)]
struct Known {
    version: Version,
    value: Option<u8>,
    expires: u64,
}

/// The rules, over a map that forgets nothing but what is over.
struct Model {
    records: BTreeMap<u8, Known>,
    newest: u64,
    /// Whether the wall clock has ever been set: from then on only each key's order holds.
    stepped: bool,
    now: Now,
}

enum Verdict {
    Refused,
    Ignored,
    Applied,
}

impl Model {
    fn ms(&self) -> u64 {
        self.now.mono.as_millis()
    }

    fn live(&self, key: u8) -> Option<&Known> {
        self.records
            .get(&key)
            .filter(|known| known.expires > self.ms())
    }

    fn version(&self, ahead: i64, node: u32) -> Version {
        Version {
            clock: self.now.unix_ms.saturating_add_signed(ahead) << 16,
            node: NodeId::from_bits(node),
        }
    }

    fn judge(&self, key: u8, version: Option<Version>) -> Verdict {
        match version {
            Some(version) if version.unix_ms() > self.now.unix_ms + SKEW_MS as u64 => {
                Verdict::Refused
            }
            Some(version) if self.live(key).is_some_and(|known| known.version >= version) => {
                Verdict::Ignored
            }
            _ => Verdict::Applied,
        }
    }

    fn apply(&mut self, key: u8, known: Known) {
        self.newest = self.newest.max(known.version.clock);
        self.records.insert(key, known);
    }
}

fn run(ops: Vec<Op>) -> Result<(), TestCaseError> {
    let (london, paris) = (
        Region::new("london").expect("valid"),
        Region::new("paris").expect("valid"),
    );
    let mut shard = Shard::new(Config::new(london.clone(), NodeId::from_bits(1)));
    let now = Now {
        mono: Instant::from_millis(5),
        unix_ms: START,
    };
    let mut model = Model {
        records: BTreeMap::new(),
        newest: 0,
        stepped: false,
        now,
    };
    for op in ops {
        let now = model.now;
        match op {
            Op::Wait { ms } => {
                model.now.mono = model.now.mono + Duration::from_millis(ms);
                model.now.unix_ms += ms;
            }
            Op::StepWallClock { ms } => {
                model.now.unix_ms = model.now.unix_ms.saturating_add_signed(ms);
                model.stepped = true;
            }
            Op::Expire { budget } => prop_assert!(shard.expire(now, budget) <= budget),
            Op::Get { key, own } => {
                let asked = if own {
                    Asked::OwnRegion
                } else {
                    Asked::OtherRegion
                };
                let hash = shard.hash(&[key]);
                let hit = shard.get(now, hash, &[key], asked);
                let hit = hit.map(|hit| (hit.value[0], hit.version, hit.remaining));
                let expected = model.live(key).and_then(|known| {
                    let remaining = Duration::from_millis(known.expires - model.ms());
                    Some((known.value?, known.version, remaining))
                });
                prop_assert_eq!(hit, expected);
            }
            Op::Put {
                key,
                value,
                seconds,
                own,
                ahead,
                node,
            } => {
                let version = ahead.map(|ahead| model.version(ahead, node));
                let record = NewRecord {
                    value: NewValue::Copy(&[value]),
                    ttl: Duration::from_secs(seconds),
                    origin: if own { &london } else { &paris },
                    version,
                };
                let hash = shard.hash(&[key]);
                let result = shard.put(now, hash, &[key], record);
                let expires = model.ms() + seconds * 1000;
                match model.judge(key, version) {
                    Verdict::Refused => prop_assert_eq!(result.err(), Some(Refused::ClockSkew)),
                    Verdict::Ignored => {
                        prop_assert!(!result.expect("accepted").applied);
                        let known = model.records.get_mut(&key).expect("held");
                        if known.value.is_none() {
                            known.expires = known.expires.max(expires);
                        }
                    }
                    Verdict::Applied => {
                        let written = result.expect("accepted");
                        prop_assert!(written.applied);
                        match version {
                            Some(version) => prop_assert_eq!(written.version, version),
                            None => {
                                let stamp = written.version;
                                prop_assert!(
                                    model.live(key).is_none_or(|held| stamp > held.version)
                                );
                                prop_assert!(model.stepped || stamp.clock > model.newest);
                            }
                        }
                        let known = Known {
                            version: written.version,
                            value: Some(value),
                            expires,
                        };
                        model.apply(key, known);
                    }
                }
            }
            Op::Delete { key, ahead, node } => {
                let version = ahead.map(|ahead| model.version(ahead, node));
                let hash = shard.hash(&[key]);
                let result = shard.delete(now, hash, &[key], &london, version);
                let held = model.live(key).is_some_and(|known| known.value.is_some());
                match model.judge(key, version) {
                    Verdict::Refused => prop_assert_eq!(result.err(), Some(Refused::ClockSkew)),
                    Verdict::Ignored => {
                        let deleted = result.expect("accepted");
                        prop_assert_eq!((deleted.applied, deleted.held), (false, held));
                    }
                    Verdict::Applied => {
                        let deleted = result.expect("accepted");
                        prop_assert_eq!((deleted.applied, deleted.held), (true, held));
                        let least = model.ms() + MIN_TOMBSTONE.as_millis() as u64;
                        let expires = model
                            .live(key)
                            .map_or(least, |known| known.expires.max(least));
                        let known = Known {
                            version: deleted.version,
                            value: None,
                            expires,
                        };
                        model.apply(key, known);
                    }
                }
            }
        }
        let stats = shard.stats(model.now);
        let live = |values: bool| {
            let all = (0..5).filter_map(|key| model.live(key));
            all.filter(|known| known.value.is_some() == values).count() as u64
        };
        prop_assert_eq!(stats.local.entries + stats.remote.entries, live(true));
        prop_assert_eq!(stats.tombstones.entries, live(false));
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_shard_does_what_the_rules_say(ops in prop::collection::vec(op(), 1..120)) {
        run(ops)?;
    }
}
