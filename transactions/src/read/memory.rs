//! Memory for columns: that of a table before, or huge pages where they are large, and bytes read straight into it.
//!
//! A table of a million rows takes tens of megabytes of fresh memory; in pages of 4 KiB, getting them from the kernel
//! takes longer than reading the file.

use std::mem::MaybeUninit;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::pickle::error::{Fault, PickleError};
use crate::pickle::heap::Heap;
use crate::pickle::source::Source;
use crate::pool::{self, HUGE_PAGE_BYTES, LARGE_BYTES, Word};

const PAGE_BYTES: usize = 4 << 10;

/// An empty vector with room for `count` words. Fails, rather than aborts, where the system has no such memory.
pub(crate) fn reserve<T: Word>(count: usize) -> Result<Vec<T>, PickleError> {
    if let Some(words) = pool::take(count) {
        return Ok(words);
    }
    let size_bytes = count.saturating_mul(size_of::<T>());
    let mut words = Vec::new();
    let mut capacity = count;
    if size_bytes >= LARGE_BYTES {
        // Both glibc and musl take such a piece from the kernel with a header, in whole pages; the kernel aligns it to
        // huge pages if its length is a multiple of theirs. What is beyond `count` is never touched.
        capacity = (size_bytes.next_multiple_of(HUGE_PAGE_BYTES) - PAGE_BYTES) / size_of::<T>();
        capacity = capacity.max(count);
    }
    words.try_reserve_exact(capacity).map_err(|_| PickleError::new(0, Fault::TooLarge))?;
    if size_bytes >= LARGE_BYTES {
        advise_huge(words.as_ptr() as usize, size_bytes);
    }
    Ok(words)
}

/// Asks for huge pages under the words, but for a last one that they would fill less than half.
fn advise_huge(address: usize, size_bytes: usize) {
    let start = address & !(PAGE_BYTES - 1);
    let whole_bytes = (address + size_bytes - start + HUGE_PAGE_BYTES / 2) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    // SAFETY: the range begins in the caller's allocation, and this advice changes no contents, wherever it ends.
    let _ = unsafe { madvise(start as *mut _, whole_bytes, Advice::LinuxHugepage) };
    // The allocator's head has taken a small page of the first huge one, which the rest of it can then not be: its small
    // pages come in one call rather than by a fault each.
    let first_bytes = ((start + 1).next_multiple_of(HUGE_PAGE_BYTES) - start).min(size_bytes & !(PAGE_BYTES - 1));
    // SAFETY: these pages are all the caller's, who is yet to write to them; pages that are there stay as they are.
    let _ = unsafe { madvise(start as *mut _, first_bytes, Advice::LinuxPopulateWrite) };
}

/// Appends the next `count` words of the source, which are in this machine's byte order, to a vector that has room.
pub(crate) fn read_words<T: Word>(source: &mut Source, words: &mut Vec<T>, count: usize) -> Result<(), PickleError> {
    let length = words.len();
    let room = words.spare_capacity_mut().get_mut(..count).ok_or(PickleError::new(0, Fault::TooLarge))?;
    // SAFETY: the same memory as bytes, which have no alignment and, being maybe uninitialised, no invalid values.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(room.as_mut_ptr().cast::<MaybeUninit<u8>>(), size_of_val(room)) };
    source.read_into(bytes)?;
    // SAFETY: the source has filled all of the first `count` words, and any bytes are a `Word`.
    unsafe { words.set_len(length + count) };
    Ok(())
}

/// A piece of memory of its own mapping, which goes back to the system the moment it is dropped.
pub(crate) struct Chunk {
    start: *mut u8,
    length: usize,
}

impl Chunk {
    /// The size of a chunk.
    pub(crate) const BYTES: usize = 1 << 20;

    /// The next bytes of the source, at most [`Chunk::BYTES`].
    pub(crate) fn read(heap: &Heap, source: &mut Source, length: usize) -> Result<Chunk, PickleError> {
        let length = length.min(Chunk::BYTES);
        heap.charge(Chunk::cost_of(length))?;
        let flags = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a fresh private mapping, placed where nothing else is.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), length, flags.0, flags.1) };
        let start = start.map_err(std::io::Error::from)?.cast();
        let chunk = Chunk { start, length };
        // SAFETY: the mapping is this chunk's own, `length` long, and borrowed nowhere else.
        let space = unsafe { std::slice::from_raw_parts_mut(chunk.start.cast::<MaybeUninit<u8>>(), length) };
        source.read_into(space)?;
        Ok(chunk)
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `length` bytes of the mapping were filled when it was made, and it lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }

    /// What it was charged.
    pub(crate) fn cost_bytes(&self) -> u64 {
        Chunk::cost_of(self.length)
    }

    /// A mapping has whole pages, and takes some more in the kernel and in the list that it stands in.
    fn cost_of(length: usize) -> u64 {
        (length.next_multiple_of(PAGE_BYTES) + 512) as u64
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: the mapping is this chunk's own, and nothing borrows it any more.
        let _ = unsafe { munmap(self.start.cast(), self.length) };
    }
}
