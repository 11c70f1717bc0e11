//! Work shared out over the machine's cores, with results that do not depend on how many there are.

use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;

/// Cuts `0..count` into one range a core, works on them at once, and returns the results in order.
pub(super) fn in_ranges<R: Send>(count: usize, work: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, usize::from).min(count).max(1);
    let range = |part: usize| count * part / cores..count * (part + 1) / cores;
    thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = (1..cores).map(|part| scope.spawn(move || work(range(part)))).collect();
        let mut results = vec![work(range(0))];
        results.extend(others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic))));
        results
    })
}
