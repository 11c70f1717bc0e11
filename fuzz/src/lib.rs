//! What the targets hold every input against: the promise of bounded memory, measured by an allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Runs `read` on an input of `size_bytes`, and panics if it held more than 16 times that and 64 MiB at a time.
pub fn bounded<T>(size_bytes: usize, read: impl FnOnce() -> T) -> T {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = read();
    let peak_bytes = PEAK.load(Relaxed) - before;
    let limit_bytes = 16 * size_bytes + (64 << 20);
    assert!(peak_bytes <= limit_bytes, "{peak_bytes} bytes of memory for an input of {size_bytes}");
    result
}

/// What all live allocations have together, and the most that they had since [`bounded`] began.
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The system's allocator, counted.
struct Counting;

impl Counting {
    fn grow(size_bytes: usize) {
        let live = LIVE.fetch_add(size_bytes, Relaxed) + size_bytes;
        PEAK.fetch_max(live, Relaxed);
    }

    fn shrink(size_bytes: usize) {
        LIVE.fetch_sub(size_bytes, Relaxed);
    }
}

// SAFETY: all is left to the system's allocator; counting touches no memory but two atomics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Counting::grow(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Counting::grow(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        Counting::shrink(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size_bytes: usize) -> *mut u8 {
        // While the contents move, the old and the new place are there at once.
        Counting::grow(size_bytes);
        // SAFETY: as above.
        let moved = unsafe { System.realloc(start, layout, size_bytes) };
        Counting::shrink(layout.size());
        moved
    }
}
