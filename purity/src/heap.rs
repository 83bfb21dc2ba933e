//! An allocator that only ever goes forward through one fixed block.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 64 << 20;

struct Bump {
    block: UnsafeCell<[u8; SIZE]>,
    used: AtomicUsize,
}

// SAFETY: each byte of the block is handed out once, to the caller whose addition reserved it.
unsafe impl Sync for Bump {}

// SAFETY: pointers lie inside the block, are aligned as asked for and never overlap; nothing is
// ever given back, so none of them dangles.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Room for the worst misalignment is reserved too.
        let wanted = layout.size().saturating_add(layout.align());
        let start = self.used.fetch_add(wanted, Ordering::Relaxed);
        if start.saturating_add(wanted) > SIZE {
            return core::ptr::null_mut();
        }
        // SAFETY: `start + wanted` is inside the block.
        let free = unsafe { self.block.get().cast::<u8>().add(start) };
        // SAFETY: less than `align` is skipped, and that much was reserved besides the size.
        unsafe { free.add(free.align_offset(layout.align())) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump {
    block: UnsafeCell::new([0; SIZE]),
    used: AtomicUsize::new(0),
};
