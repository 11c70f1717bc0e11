//! CPython's random numbers: what the module `random` answers with after `random.seed(S)`.
//!
//! Source of the algorithms: CPython's documentation of `random` and its notes on reproducibility; `choice` and
//! `sample` have drawn in this way since Python 3.2.

use std::collections::HashSet;

use super::mt19937::Mt19937;

/// The generator.
pub(super) struct Random {
    words: Mt19937,
}

impl Random {
    /// `random.Random(seed)`.
    pub(super) fn new(seed: u32) -> Self {
        let mut random = Self { words: Mt19937::new(0) };
        random.reseed(seed);
        random
    }

    /// `random.seed(seed)`.
    pub(super) fn reseed(&mut self, seed: u32) {
        self.words.reseed_by_array([seed]);
    }

    /// `random.choice(range(count))`: which of `count` elements, of which there must be one at least.
    #[inline]
    pub(super) fn choice(&mut self, count: u32) -> u32 {
        // As many bits as `count` has, not as many as `count - 1` needs.
        let shift = count.leading_zeros();
        loop {
            let word = self.words.next_u32() >> shift;
            if word < count {
                return word;
            }
        }
    }

    /// `random.sample(range(count), take)`: `take` different ones of `count` elements, in the order drawn. `take` must
    /// not be above `count`.
    pub(super) fn sample(&mut self, count: u32, take: u32) -> Vec<u32> {
        if u64::from(count) <= set_size(take) {
            self.sample_from_pool(count, take)
        } else {
            self.sample_by_set(count, take)
        }
    }

    /// Draws from a list of the elements not yet taken.
    fn sample_from_pool(&mut self, count: u32, take: u32) -> Vec<u32> {
        let mut pool: Vec<u32> = (0..count).collect();
        (0..take).map(|_| pool.swap_remove(self.choice(pool.len() as u32) as usize)).collect()
    }

    /// Draws again whatever was taken before.
    fn sample_by_set(&mut self, count: u32, take: u32) -> Vec<u32> {
        let mut taken = HashSet::new();
        let mut fresh = || {
            loop {
                let element = self.choice(count);
                if taken.insert(element) {
                    return element;
                }
            }
        };
        (0..take).map(|_| fresh()).collect()
    }
}

/// CPython's estimate of what a set of `take` elements costs, in list entries: a longer list is worth a set.
fn set_size(take: u32) -> u64 {
    let mut size = 21;
    if take > 5 {
        // The least power of four that is not below three times `take`.
        let mut table = 1;
        while table < 3 * u64::from(take) {
            table *= 4;
        }
        size += table;
    }
    size
}

/// The expected numbers are those of CPython 3.11.
#[cfg(test)]
mod tests {
    use super::*;

    /// Choosing is CPython's: `random.seed(seed); [random.choice(range(n)) for n in …]`.
    #[test]
    fn choosing_is_cpythons() {
        let expected = [
            (0, [0, 1, 0, 2, 62, 51, 38, 991, 7808]),
            (1, [0, 0, 1, 0, 63, 57, 60, 667, 6219]),
            (4999, [0, 0, 0, 0, 2, 35, 60, 663, 777]),
        ];
        for (seed, choices) in expected {
            let mut random = Random::new(seed);
            assert_eq!(
                [1, 2, 3, 4, 64, 65, 78, 1000, 10_000].map(|count| random.choice(count)),
                choices,
                "seed {seed}"
            );
        }
    }

    /// Samples are CPython's, on both sides of where a list gives way to a set: `random.seed(3)`, then
    /// `random.sample(range(count), take)` for one after the other.
    #[test]
    fn samples_are_cpythons() {
        let mut random = Random::new(3);
        let expected: [(u32, &[u32]); 7] = [
            (20, &[7, 18, 17, 4, 11, 14]),
            (85, &[77, 60, 80, 74, 8, 84]),
            (86, &[1, 60, 33, 70, 29, 24]),
            (21, &[15, 17, 19]),
            (22, &[15, 12, 20]),
            (3, &[0, 2, 1]),
            (3, &[]),
        ];
        for (count, sample) in expected {
            assert_eq!(random.sample(count, sample.len() as u32), sample, "of {count}");
        }
        assert_eq!(random.words.next_u32(), 3_728_226_180, "a draw was missing, or one too many");
    }
}
