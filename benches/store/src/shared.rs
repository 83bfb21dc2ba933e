//! Stores used by several threads at once.

use std::hash::BuildHasher;
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use zerocache_store::{Bounds, NewValue, SeededState, Tlru, hash_key};

use crate::keys::Fresh;
use crate::stores::{Hasher, Store, hasher, hit};
use crate::work::Work;

const SHARDS: usize = 16;

pub trait Shared: Sync {
    fn value(&self, key: &[u8], now: u64, out: &mut Vec<u8>) -> bool;
    fn put(&self, key: &[u8], value: Fresh<'_>, expires: u64, now: u64);
}

/// Two cache lines, so that one shard's lock is not on its neighbour's line.
#[repr(align(128))]
struct Padded<S>(Mutex<S>);

impl<S> Padded<S> {
    fn with<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn shards<S>(mut each: impl FnMut() -> S) -> Box<[Padded<S>]> {
    (0..SHARDS).map(|_| Padded(Mutex::new(each()))).collect()
}

/// Sixteen of one kind, each behind a lock. They hash for themselves, once more.
pub struct Sharded<S>(Box<[Padded<S>]>, Hasher);

impl<S: Store + Send> Sharded<S> {
    pub fn new(entries: usize) -> Self {
        Self(shards(|| S::new(entries / SHARDS)), hasher())
    }

    fn of(&self, key: &[u8]) -> &Padded<S> {
        &self.0[(self.1.hash_one(key) >> 40) as usize % SHARDS]
    }
}

impl<S: Store + Send> Shared for Sharded<S> {
    fn value(&self, key: &[u8], now: u64, out: &mut Vec<u8>) -> bool {
        self.of(key).with(|store| store.value(key, now, out))
    }

    fn put(&self, key: &[u8], value: Fresh<'_>, expires: u64, now: u64) {
        self.of(key)
            .with(|store| store.put(key, value, expires, now));
    }
}

/// Sixteen of ours, used as a node uses them: hashed once, outside of the lock; freed outside of it.
pub struct ShardedOurs(Box<[Padded<Tlru<[u64; 2]>>]>, SeededState);

impl ShardedOurs {
    pub fn build(entries: usize) -> Self {
        let bounds = Bounds::entries(entries / SHARDS);
        Self(shards(|| Tlru::new(bounds, 1)), SeededState::new(1))
    }

    fn of(&self, hash: u64) -> &Padded<Tlru<[u64; 2]>> {
        &self.0[(hash >> 32) as usize % SHARDS]
    }
}

/// On one thread: what locks and shards cost.
impl Store for ShardedOurs {
    fn new(entries: usize) -> Self {
        Self::build(entries)
    }

    fn get(&mut self, key: &[u8], now: u64) -> bool {
        Shared::value(self, key, now, &mut Vec::new())
    }

    fn value(&mut self, key: &[u8], now: u64, out: &mut Vec<u8>) -> bool {
        Shared::value(self, key, now, out)
    }

    fn put(&mut self, key: &[u8], value: Fresh<'_>, expires: u64, now: u64) {
        Shared::put(self, key, value, expires, now);
    }
}

impl Shared for ShardedOurs {
    fn value(&self, key: &[u8], now: u64, out: &mut Vec<u8>) -> bool {
        let hash = hash_key(&self.1, key);
        self.of(hash).with(|tlru| hit(tlru, hash, key, now, out))
    }

    fn put(&self, key: &[u8], value: Fresh<'_>, expires: u64, now: u64) {
        let hash = hash_key(&self.1, key);
        let value = NewValue::Copy(value.read);
        let put = self
            .of(hash)
            .with(|tlru| tlru.put(hash, key, value, [1, 2], expires, now));
        drop(put);
    }
}

/// Wall nanoseconds an operation, over all operations of all threads together.
pub fn run_on<S: Shared>(
    threads: usize,
    store: &S,
    work: &Work,
    round: usize,
    operations: usize,
) -> f64 {
    let each = operations / threads;
    let barrier = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let begin = (round * threads + thread) * each;
                    barrier.wait();
                    work.run_shared(store, begin..begin + each)
                })
            })
            .collect();
        barrier.wait();
        let begun = Instant::now();
        for handle in handles {
            assert!(handle.join().is_ok_and(|hits| hits > 0));
        }
        begun.elapsed().as_nanos() as f64 / (each * threads) as f64
    })
}
