//! Heap bytes an entry costs beyond its key and value.

use std::{fs, mem};

use crate::stores::{Ours, VALUE};

/// Fills a store and tells how much the process grew; Linux only.
pub(crate) fn report(entries: usize) {
    let mut store = Ours::new(entries);
    let before = resident();
    store.fill(entries, |_| 1_000_000);
    let grown = resident().saturating_sub(before) as f64 / entries as f64;
    let payload = (32 + VALUE) as f64;
    // Left in memory, for memcheck to count to the byte.
    mem::forget(store);
    println!(
        "{entries} entries: {grown:.1} B each resident, {:.1} beyond key and value",
        grown - payload
    );
}

fn resident() -> usize {
    let Ok(text) = fs::read_to_string("/proc/self/statm") else {
        return 0;
    };
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
