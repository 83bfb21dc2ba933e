//! Proof that the store and the protocol need no operating system: a host program without `std`
//! in which a cluster forms and serves requests, and which then exits 0.
//!
//! A dependency that brought `std` along would define a second panic handler, and the build would
//! fail; `--features leak` shows that it does. The only unsafe code of the repository is here: a
//! program without `std` must export its own entry point and allocator.

#![no_std]
#![no_main]

extern crate alloc;
#[cfg(feature = "leak")]
extern crate std;

mod heap;
mod net;
mod work;

use core::panic::PanicInfo;

// The C runtime starts the program and offers memcpy; nothing else of it is used.
#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

/// Called by the C runtime. 0: all as expected; otherwise the number of the step that was not.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    match work::all() {
        Ok(()) => 0,
        Err(step) => step,
    }
}

/// The distributed `alloc` was compiled for unwinding and names its parts, but here every panic
/// aborts before any of it.
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}

/// As above.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_Resume() -> ! {
    // SAFETY: as in the panic handler.
    unsafe { abort() }
}

#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    // SAFETY: abort takes nothing, returns never and may be called in any state.
    unsafe { abort() }
}
