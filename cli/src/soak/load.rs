//! The clients: reads and writes through the client library, as programs would.

use super::ledger::{Ledger, Write};
use super::times::Times;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::sleep;
use zerocache_proto::Rng;
use zerocache_tokio::Client;

/// Keys of each client.
pub(super) const KEYS: usize = 128;
/// Bytes of the values of keys 0, 32, 64, .., of keys 1, 33, .., and so on; all others are [`SMALL`].
const SIZES: [usize; 8] = [
    256 << 10,
    64 << 10,
    32 << 10,
    16 << 10,
    4 << 10,
    4 << 10,
    1 << 10,
    1 << 10,
];
const SMALL: usize = 100;
/// The pause after each operation: processor time is left to the nodes.
const PACE: Duration = Duration::from_millis(5);
/// How long it may take to find a node.
const PATIENCE: Duration = Duration::from_secs(10);
const TTL: Duration = Duration::from_secs(7 * 86_400);

/// What the clients and the disturbers have in common.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) over: AtomicBool,
    /// When nodes of which region were killed: just before, and just after.
    killed: Mutex<Vec<(usize, Instant)>>,
}

impl Shared {
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(super) fn note_kill(&self, region: usize) {
        self.lock().push((region, Instant::now()));
    }

    pub(super) fn killed(&self, region: usize) -> Vec<Instant> {
        let of = |(of, at): &(usize, Instant)| (*of == region).then_some(*at);
        self.lock().iter().filter_map(of).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(usize, Instant)>> {
        self.killed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a client did.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) region: usize,
    pub(super) gets: Times,
    /// PUTs and DELETEs.
    pub(super) writes: Times,
    pub(super) misses: u64,
    /// Operations that no node answered.
    pub(super) errors: u64,
    pub(super) last_error: Option<String>,
    /// Reads of what nobody wrote.
    pub(super) corrupt: u64,
    pub(super) ledger: Ledger,
}

/// One client at work.
pub(super) struct Worker<'a> {
    pub(super) client: Client,
    /// Its number, and of how many.
    pub(super) number: usize,
    pub(super) clients: usize,
    pub(super) rng: Rng,
    pub(super) shared: &'a Shared,
    pub(super) tally: Tally,
    pub(super) serial: u64,
}

impl Worker<'_> {
    /// Writes each of its keys once, as soon as it has found a node.
    pub(super) async fn fill(&mut self) {
        // If it has found none by then, its errors will tell.
        let _ = self.client.ready_within(PATIENCE).await;
        for key in 0..KEYS {
            self.write(key, true).await;
        }
    }

    /// Reads and writes until it is over: 25 of 100 are writes, three of them DELETEs.
    pub(super) async fn work(mut self) -> Tally {
        let zipf = Zipf::new(KEYS);
        while !self.shared.is_over() {
            let key = zipf.draw(&mut self.rng);
            match self.rng.below(100) {
                0..3 => self.write(key, false).await,
                3..25 => self.write(key, true).await,
                _ => {
                    let of = self.rng.below(self.clients);
                    self.read(of * KEYS + key).await;
                }
            }
            sleep(PACE).await;
        }
        self.client.shutdown().await;
        self.tally
    }

    async fn read(&mut self, key: usize) {
        let began = Instant::now();
        let got = self.client.get(name(key)).await;
        self.tally.gets.add(began.elapsed());
        match got {
            Ok(Some(value)) if serial_of(key, &value).is_none() => self.tally.corrupt += 1,
            Ok(Some(_)) => {}
            Ok(None) => self.tally.misses += 1,
            Err(error) => self.failed(&error),
        }
    }

    async fn write(&mut self, key: usize, put: bool) {
        let key = self.number * KEYS + key;
        self.serial += 1;
        let serial = self.serial;
        let tries = self.client.stats().attempts;
        let began = Instant::now();
        let done = if put {
            self.client.put(name(key), value(key, serial), TTL).await
        } else {
            self.client.delete(name(key)).await.map(|_| ())
        };
        self.tally.writes.add(began.elapsed());
        let write = Write {
            serial,
            put,
            began,
            acknowledged: done.is_ok().then(Instant::now),
            tries: self.client.stats().attempts - tries,
        };
        let killed = self.shared.killed(self.tally.region);
        self.tally.ledger.note(key, write, &killed);
        if let Err(error) = done {
            self.failed(&error);
        }
    }

    fn failed(&mut self, error: &zerocache_tokio::Error) {
        self.tally.errors += 1;
        self.tally.last_error = Some(error.to_string());
    }
}

pub(super) fn name(key: usize) -> String {
    format!("soak-{key}")
}

fn size(key: usize) -> usize {
    SIZES.get(key % 32).copied().unwrap_or(SMALL)
}

/// A value that tells its key and its write, and whether it is whole.
fn value(key: usize, serial: u64) -> Vec<u8> {
    let mut value = format!("{key} {serial} ").into_bytes();
    value.resize(size(key), serial as u8);
    value
}

/// Which write a value is of; `None` if of none.
pub(super) fn serial_of(key: usize, bytes: &[u8]) -> Option<u64> {
    let serial = bytes.split(|byte| *byte == b' ').nth(1)?;
    let serial = std::str::from_utf8(serial).ok()?.parse().ok()?;
    (bytes == value(key, serial)).then_some(serial)
}

/// Popularity falls with the rank to the power of 0.99.
struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    fn new(keys: usize) -> Self {
        let mut sum = 0.0;
        let sums = (1..=keys).map(|rank| {
            sum += (rank as f64).powf(-0.99);
            sum
        });
        Self {
            sums: sums.collect(),
        }
    }

    fn draw(&self, rng: &mut Rng) -> usize {
        let all = self.sums.last().copied().unwrap_or(0.0);
        let at = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 * all;
        let rank = self.sums.partition_point(|sum| *sum < at);
        // Ranks scattered over the keys, and so over the sizes: 77 has no factor in common with 128.
        rank * 77 % self.sums.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_tells_its_write_and_whether_it_is_whole() {
        for key in [0, 7, 31, 1_000] {
            let whole = value(key, 32);
            assert_eq!(whole.len(), size(key));
            assert_eq!(serial_of(key, &whole), Some(32));
            assert_eq!(serial_of(key + 1, &whole), None);
            assert_eq!(serial_of(key, &whole[1..]), None);
            assert_eq!(serial_of(key, &whole[..whole.len() - 1]), None);
        }
        assert_eq!(serial_of(0, b""), None);
    }

    #[test]
    fn every_key_is_drawn_and_one_far_more_often_than_most() {
        let (zipf, mut rng) = (Zipf::new(KEYS), Rng::new(1));
        let mut drawn = [0_u32; KEYS];
        for _ in 0..100_000 {
            drawn[zipf.draw(&mut rng)] += 1;
        }
        assert!(drawn.iter().all(|times| *times > 0));
        assert!(drawn[0] > 10_000, "{}", drawn[0]);
    }
}
