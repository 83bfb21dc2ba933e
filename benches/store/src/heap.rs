//! Heap bytes an entry costs, counted as they are asked for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

use crate::keys::{Fresh, KEY, Pairs, VALUE, value};
use crate::stores::Store;

/// The system's allocator, and a sum beside it while [`overhead`] runs: otherwise a flag is looked at.
pub struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static BYTES: AtomicIsize = AtomicIsize::new(0);
static PIECES: AtomicIsize = AtomicIsize::new(0);

#[inline]
fn count(bytes: isize, pieces: isize) {
    if COUNTS.load(Ordering::Relaxed) {
        BYTES.fetch_add(bytes, Ordering::Relaxed);
        PIECES.fetch_add(pieces, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator as it came; counting touches three atomics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize, 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize, 1);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize), -1);
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize, 0);
        unsafe { System.realloc(block, layout, size) }
    }
}

/// What an entry costs beyond its key and value.
pub struct Overhead {
    pub name: &'static str,
    pub bytes: f64,
    pub allocations: f64,
}

/// Fills a store with keys and values that are its own.
pub fn overhead<S: Store>(name: &'static str, entries: usize, pairs: &Pairs) -> Overhead {
    BYTES.store(0, Ordering::Relaxed);
    PIECES.store(0, Ordering::Relaxed);
    COUNTS.store(true, Ordering::Relaxed);
    let mut store = S::new(entries);
    for number in 0..entries {
        // The store's is the only reference left after each put.
        let made = value(number);
        let fresh = Fresh {
            made: &made,
            read: &made,
            unmade: false,
        };
        store.put(pairs.key(number), fresh, u64::MAX / 2, 0);
    }
    COUNTS.store(false, Ordering::Relaxed);
    drop(store);
    let each = |sum: &AtomicIsize| sum.load(Ordering::Relaxed) as f64 / entries as f64;
    Overhead {
        name,
        bytes: each(&BYTES) - (KEY + VALUE) as f64,
        allocations: each(&PIECES),
    }
}
