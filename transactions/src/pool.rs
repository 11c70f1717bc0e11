//! The memory of columns that are gone, kept for those of the next table: who reads one large table after the other does
//! not wait for the kernel to clear the same pages again.
//!
//! Only what is large is kept, and never more than [`BOUND_BYTES`] in the whole process. Who reads a table that does not
//! fit what is kept first gives back all but [`SPARE_BYTES`], so that reading never holds much more than its table.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::table::Values;

pub(crate) const HUGE_PAGE_BYTES: usize = 2 << 20;

/// From this size on memory comes from the kernel in a piece of its own, huge pages pay, and so does keeping it.
pub(crate) const LARGE_BYTES: usize = 2 * HUGE_PAGE_BYTES;

/// A table of a million rows fits: the tutorial's takes 72 MiB.
const BOUND_BYTES: usize = 128 << 20;

/// With this much kept, and what reading takes besides its table, 64 MiB are not reached.
const SPARE_BYTES: usize = 48 << 20;

static POOL: Mutex<Pool> = Mutex::new(Pool { kept: VecDeque::new(), size_bytes: 0 });

/// Memory that is free, the oldest first.
struct Pool {
    kept: VecDeque<Vec<i64>>,
    size_bytes: usize,
}

/// An eight-byte number that any eight bytes are.
pub(crate) trait Word: Copy {
    /// An empty vector of such words in the memory of another.
    fn in_memory_of(words: Vec<i64>) -> Vec<Self>;
}

impl Word for i64 {
    fn in_memory_of(words: Vec<i64>) -> Vec<i64> {
        words
    }
}

impl Word for f64 {
    fn in_memory_of(words: Vec<i64>) -> Vec<f64> {
        // Of nothing, and of words of the same size and alignment: this keeps the memory.
        words.into_iter().map(|word| word as f64).collect()
    }
}

/// Before a table is read from this many bytes: keeps no more than its columns can take, and the spare.
pub(crate) fn before_reading(size_bytes: u64) {
    // A table has 8 bytes a value, and no value of one takes more than ten in a pickle.
    let columns_bytes = usize::try_from(size_bytes / 4 * 3).unwrap_or(usize::MAX);
    POOL.lock().unwrap_or_else(PoisonError::into_inner).shrink_to(SPARE_BYTES.saturating_add(columns_bytes));
}

/// Kept memory with room for `count` words and for less than a huge page more. If there is none, the caller will have
/// fresh memory, so that no more than the spare stays kept.
pub(crate) fn take<T: Word>(count: usize) -> Option<Vec<T>> {
    let size_bytes = count.saturating_mul(size_of::<T>());
    if size_bytes < LARGE_BYTES {
        return None;
    }
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let words = pool.take(count);
    if words.is_none() {
        pool.shrink_to(SPARE_BYTES);
    }
    words.map(T::in_memory_of)
}

/// Keeps the memory of a column that is gone, if it is large.
pub(crate) fn give(values: Values) {
    let mut words = match values {
        Values::Int(ints) => ints,
        Values::Float(mut floats) if size_bytes(&floats) >= LARGE_BYTES => {
            floats.clear();
            floats.into_iter().map(|float| float as i64).collect()
        }
        Values::Float(_) => return,
    };
    if (LARGE_BYTES..=BOUND_BYTES).contains(&size_bytes(&words)) {
        words.clear();
        POOL.lock().unwrap_or_else(PoisonError::into_inner).give(words);
    }
}

/// Gives all that is kept back to the system.
pub(crate) fn empty() {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    *pool = Pool { kept: VecDeque::new(), size_bytes: 0 };
}

impl Pool {
    fn take(&mut self, count: usize) -> Option<Vec<i64>> {
        let pages = |size_bytes: usize| size_bytes.div_ceil(HUGE_PAGE_BYTES);
        let fits =
            |words: &Vec<i64>| words.capacity() >= count && pages(size_bytes(words)) == pages(count * size_of::<i64>());
        let words = self.kept.iter().rposition(fits).and_then(|at| self.kept.remove(at))?;
        self.size_bytes -= size_bytes(&words);
        Some(words)
    }

    fn give(&mut self, words: Vec<i64>) {
        self.size_bytes += size_bytes(&words);
        self.kept.push_back(words);
        self.shrink_to(BOUND_BYTES);
    }

    fn shrink_to(&mut self, bound_bytes: usize) {
        while self.size_bytes > bound_bytes
            && let Some(oldest) = self.kept.pop_front()
        {
            self.size_bytes -= size_bytes(&oldest);
        }
    }
}

fn size_bytes<T>(words: &Vec<T>) -> usize {
    words.capacity() * size_of::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: usize = 1_000_000;

    /// Memory comes back as it was given, to words of either kind, and only where its size is what is asked for.
    #[test]
    fn what_fits_is_taken_again() {
        let mut pool = Pool { kept: VecDeque::new(), size_bytes: 0 };
        let words = Vec::with_capacity(COUNT);
        let address = words.as_ptr();
        pool.give(words);
        assert!(pool.take(COUNT / 2).is_none(), "half of it would be lost");
        assert!(pool.take(COUNT * 2).is_none(), "it is too small");
        let floats = f64::in_memory_of(pool.take(COUNT - 1).unwrap());
        assert_eq!((floats.as_ptr().cast(), floats.capacity()), (address, COUNT));
        assert_eq!(pool.size_bytes, 0);
    }

    /// However much is given, no more than the bound is kept, and that is the newest.
    #[test]
    fn no_more_is_kept_than_the_bound() {
        let mut pool = Pool { kept: VecDeque::new(), size_bytes: 0 };
        for count in COUNT..COUNT + 20 {
            pool.give(Vec::with_capacity(count));
            assert!(pool.size_bytes <= BOUND_BYTES);
            assert_eq!(pool.size_bytes, pool.kept.iter().map(size_bytes).sum::<usize>());
        }
        assert_eq!(pool.kept.len(), BOUND_BYTES / (8 * COUNT));
        assert_eq!(pool.kept.back().map(Vec::capacity), Some(COUNT + 19));
        pool.shrink_to(SPARE_BYTES);
        assert_eq!(pool.kept.len(), SPARE_BYTES / (8 * COUNT), "the oldest go first");
        assert_eq!(pool.kept.back().map(Vec::capacity), Some(COUNT + 19));
    }
}
