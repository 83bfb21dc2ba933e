//! The longest put while everything is due.

use crate::keys::Pairs;
use crate::race::cpu_time;
use crate::stores::{Ours, Store};

const PUTS: usize = 1_000;

/// Milliseconds of processor the longest of some puts takes after all of the entries have died, at once or in the course of a second.
pub fn longest(mut store: Ours, entries: usize, spread: u64, pairs: &Pairs) -> f64 {
    const DUE: u64 = 1_000_000;
    for number in 0..entries {
        let expires = DUE + (number as u64).wrapping_mul(7_919) % (spread + 1);
        store.put(pairs.key(number), pairs.value(number), expires, 0);
    }
    let mut longest = 0.0_f64;
    for number in 0..PUTS {
        let now = DUE + spread + number as u64 / 100;
        let begun = cpu_time();
        store.put(
            pairs.key(entries + number),
            pairs.value(number),
            u64::MAX / 2,
            now,
        );
        longest = longest.max((cpu_time() - begun) as f64 / 1e6);
    }
    longest
}

/// Keys needed.
pub fn keys(entries: usize) -> usize {
    entries + PUTS
}
