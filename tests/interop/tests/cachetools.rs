//! The store against the reference implementation of its own kind: `cachetools.TLRUCache`, step by
//! step on one virtual clock.

use serde_json::{Value, json};
use zerocache_interop::{Failure, Lab, Outcome, Tlru as Reference, on_a_lab, same};
use zerocache_proto::Rng;
use zerocache_store::{Bounds, Expiry, NewValue, Tlru};

const STEPS: usize = 6_000;
const KEYS: usize = 12;

/// A value is a number, and its size in the last byte.
fn size_of(_: &[u8], value: &[u8]) -> u64 {
    value.last().map_or(0, |size| u64::from(*size))
}

struct Pair {
    ours: Tlru<()>,
    reference: Reference,
    now: u64,
}

impl Pair {
    fn new(lab: &mut Lab, weight: u8) -> Outcome<Self> {
        let ours = Tlru::new(Bounds::weight(u64::from(weight)), 7)
            .with_weigher(size_of)
            .with_expiry(Expiry::Exact);
        let reference = Reference::start(&lab.host()?, usize::from(weight))?;
        Ok(Self {
            ours,
            reference,
            now: 0,
        })
    }

    /// One random step on both, and what each answered.
    fn step(&mut self, rng: &mut Rng, sizes: usize) -> Outcome {
        // Often none at all, so that several things share a moment.
        self.now += rng.below(4) as u64;
        let now = self.now;
        let key = format!("key{}", rng.below(KEYS));
        let (bytes, hash) = (key.as_bytes(), self.ours.hash(key.as_bytes()));
        let (name, arguments, seen) = match rng.below(12) {
            0..=4 => {
                let (number, size) = (rng.below(200) as u8, (1 + rng.below(sizes)) as u8);
                // Now and then over before it begins.
                let until = now + rng.below(40) as u64;
                let put =
                    self.ours
                        .put(hash, bytes, NewValue::Copy(&[number, size]), (), until, now);
                (
                    "put",
                    json!([key, [number, size], until]),
                    json!(put.is_ok()),
                )
            }
            5..=7 => {
                let value = self
                    .ours
                    .get(hash, bytes, now)
                    .map(|entry| entry.value.to_vec());
                ("get", json!([key]), json!(value))
            }
            8 => {
                let value = self
                    .ours
                    .remove(hash, bytes, now)
                    .map(|entry| entry.value().to_vec());
                ("remove", json!([key]), json!(value))
            }
            9 => (
                "contains",
                json!([key]),
                json!(self.ours.peek(hash, bytes, now).is_some()),
            ),
            10 => {
                let oldest = self.ours.pop_oldest(now);
                (
                    "pop_oldest",
                    json!([]),
                    json!(oldest.map(|entry| text(entry.key()))),
                )
            }
            _ => {
                let mut gone = Vec::new();
                self.ours
                    .expire_with(now, usize::MAX, |entry| gone.push(text(entry.key())));
                gone.sort();
                ("expire", json!([]), json!(gone))
            }
        };
        let expected = self.ask(name, &arguments)?;
        // Which of what has expired is still in memory shows at no other call, and differs.
        if name != "expire" {
            same(&format!("at {now}: {name} {arguments}"), seen, expected)?;
        }
        let mut held: Vec<String> = self.ours.iter(now).map(|entry| text(entry.key)).collect();
        held.sort();
        let weight: u64 = self
            .ours
            .iter(now)
            .map(|entry| size_of(entry.key, &entry.value))
            .sum();
        let reference = self.ask("listing", &json!([]))?;
        same(
            &format!("at {now}: after {name} {arguments}"),
            json!([weight, held]),
            reference,
        )
    }

    fn ask(&mut self, name: &str, arguments: &Value) -> Outcome<Value> {
        let request = json!({"op": "step", "time": self.now, "name": name, "arguments": arguments});
        let answer = self.reference.ask(&request)?;
        answer
            .get("result")
            .cloned()
            .ok_or_else(|| Failure::new("no result"))
    }
}

fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

fn agree(title: &str, seed: u64, weight: u8, sizes: usize) -> Outcome {
    on_a_lab(title, |lab| {
        let mut pair = Pair::new(lab, weight)?;
        let mut rng = Rng::new(seed);
        for _ in 0..STEPS {
            pair.step(&mut rng, sizes)?;
        }
        Ok(())
    })
}

#[test]
fn the_store_agrees_with_cachetools_by_count() -> Outcome {
    agree("cachetools-count", 1, 6, 1)
}

#[test]
fn the_store_agrees_with_cachetools_by_weight() -> Outcome {
    agree("cachetools-weight", 2, 20, 24)
}
