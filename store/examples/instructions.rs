//! `instructions OPERATION COUNT`: performs an operation so many times on a store of 10,000 entries,
//! with no clock, so that `valgrind --tool=callgrind` counts the same instructions at every run. The
//! difference of two counts is the cost of the operations between; that of `driver` is the loop's own.

use std::env;
use std::hint::black_box;
use std::process::ExitCode;

use zerocache_store::{Bounds, NewValue, Tlru};

const ENTRIES: usize = 10_000;
/// Keys nobody has put yet, in addition: as many again.
const KEYS: usize = 2 * ENTRIES;
/// From one key to the next: no hit is on the head of the list, and no order is that of the puts.
const STRIDE: usize = 7_919;
static VALUE: &[u8] = &[b'v'; 128];
const NOW: u64 = 1_000;
const EXPIRES: u64 = 3_600_000;

/// With sixteen bytes of metadata, as a server would keep.
type Store = Tlru<[u64; 2]>;
/// Of a length the compiler does not know.
type Key = Box<[u8]>;

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let operation = args.next().unwrap_or_default();
    let Some(count) = args.next().and_then(|count| count.parse().ok()) else {
        return ExitCode::from(2);
    };
    let keys: Vec<Key> = (0..KEYS).map(key).collect();
    let mut store = Store::new(Bounds::entries(ENTRIES), 1);
    for key in &keys[..ENTRIES] {
        put(&mut store, key);
    }
    let (held, absent) = keys.split_at(ENTRIES);
    match operation.as_str() {
        "driver" => each(held, count, |key| {
            black_box(key);
        }),
        "get" => each(held, count, |key| get(&mut store, key)),
        "get_value" => {
            let mut out = Vec::with_capacity(VALUE.len());
            each(held, count, |key| get_value(&mut store, key, &mut out));
        }
        "miss" => each(absent, count, |key| get(&mut store, key)),
        "put_evict" => each(&keys, count, |key| put(&mut store, key)),
        "put_existing" => each(held, count, |key| put(&mut store, key)),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

fn key(number: usize) -> Key {
    let mut key = [b'k'; 32];
    key[8..24].copy_from_slice(format!("{number:016x}").as_bytes());
    key.into()
}

/// Goes through `keys` by strides, so that each comes once a round.
#[inline(always)]
fn each(keys: &[Key], count: usize, mut operation: impl FnMut(&[u8])) {
    let mut at = 0;
    for _ in 0..count {
        at += STRIDE;
        if at >= keys.len() {
            at -= keys.len();
        }
        operation(black_box(&*keys[at]));
    }
}

/// Looks at the value where it lies.
fn get(store: &mut Store, key: &[u8]) {
    let hash = store.hash(key);
    if let Some(entry) = store.get(hash, key, NOW) {
        black_box(entry.value.as_slice());
    }
}

/// Copies the value out, as a server does into its reply.
fn get_value(store: &mut Store, key: &[u8], out: &mut Vec<u8>) {
    let hash = store.hash(key);
    if let Some(entry) = store.get(hash, key, NOW) {
        out.clear();
        out.extend_from_slice(&entry.value);
        black_box(out);
    }
}

fn put(store: &mut Store, key: &[u8]) {
    let hash = store.hash(key);
    let value = NewValue::Copy(black_box(VALUE));
    drop(store.put(hash, key, value, [1, 2], EXPIRES, NOW));
}
