//! numpy's legacy random numbers: what `np.random.seed(S)` and `np.random.RandomState(S)` answer with.
//!
//! numpy promises that this stream never changes (NEP 19), so the handbook's data can be made anew, bit for bit.
//! Sources of the algorithms: G. Marsaglia's polar method for the normal distribution; D. Knuth's product of uniform
//! numbers for small Poisson means; W. Hörmann, "The transformed rejection method for generating Poisson random
//! variables" (1993), for means of 10 and more; the Fisher-Yates shuffle with bounds by masked rejection.

use super::mt19937::Mt19937;

/// Where Hörmann's method takes over from Knuth's.
const LARGE_MEAN: f64 = 10.0;

/// The legacy generator.
pub(super) struct RandomState {
    words: Mt19937,
    /// The polar method makes normal numbers in pairs: the one still to be handed out.
    spare_normal: Option<f64>,
}

impl RandomState {
    /// `np.random.RandomState(seed)`.
    pub(super) fn new(seed: u32) -> Self {
        Self { words: Mt19937::new(seed), spare_normal: None }
    }

    /// `np.random.seed(seed)`.
    pub(super) fn reseed(&mut self, seed: u32) {
        self.words.reseed(seed);
        self.spare_normal = None;
    }

    /// `uniform(low, high)`.
    #[inline]
    pub(super) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.words.next_f64()
    }

    /// `normal(mean, deviation)`.
    #[inline]
    pub(super) fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        mean + deviation * self.standard_normal()
    }

    /// `poisson(mean)`; `limit` is `(-mean).exp()`, taken from the caller because it asks for the same mean many times.
    #[inline]
    pub(super) fn poisson(&mut self, mean: f64, limit: f64) -> u64 {
        if mean >= LARGE_MEAN {
            return self.poisson_by_rejection(mean);
        }
        if mean == 0.0 {
            return 0;
        }
        let mut product = 1.0;
        for events in 0.. {
            product *= self.words.next_f64();
            if product <= limit {
                return events;
            }
        }
        unreachable!("a product of numbers below one falls below any positive limit")
    }

    /// `permutation(count)[..N]`, which is also `choice(count, N, replace=False)` and so the rows that pandas'
    /// `DataFrame.sample(N, random_state=…)` takes. `None` when there are fewer than `N`.
    pub(super) fn choice<const N: usize>(&mut self, count: u32) -> Option<[u32; N]> {
        let mut order: Vec<u32> = (0..count).collect();
        for last in (1..count).rev() {
            let other = self.at_most(last);
            order.swap(last as usize, other as usize);
        }
        order.first_chunk().copied()
    }

    fn standard_normal(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        loop {
            let x = 2.0 * self.words.next_f64() - 1.0;
            let y = 2.0 * self.words.next_f64() - 1.0;
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.spare_normal = Some(factor * x);
                return factor * y;
            }
        }
    }

    /// A whole number from 0 to `most`, both included: words cut to `most`'s bits until one is not above it.
    #[inline]
    fn at_most(&mut self, most: u32) -> u32 {
        let mask = u32::MAX >> most.leading_zeros();
        loop {
            let word = self.words.next_u32() & mask;
            if word <= most {
                return word;
            }
        }
    }

    fn poisson_by_rejection(&mut self, mean: f64) -> u64 {
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.02483 * b;
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        let squeeze = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.words.next_f64() - 0.5;
            let v = self.words.next_f64();
            let us = 0.5 - u.abs();
            let events = ((2.0 * a / us + b) * u + mean + 0.43).floor();
            if us >= 0.07 && v <= squeeze {
                return events as u64;
            }
            if events < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            let hat = v.ln() + inverse_alpha.ln() - (a / (us * us) + b).ln();
            if hat <= -mean + events * mean.ln() - ln_gamma(events + 1.0) {
                return events as u64;
            }
        }
    }
}

/// The logarithm of the gamma function: Stirling's series, used from 7 upwards and carried below by recursion.
fn ln_gamma(x: f64) -> f64 {
    /// B(2k) / (2k (2k - 1)) for the Bernoulli numbers B(2) to B(20), with the digits that numpy has.
    const SERIES: [f64; 10] = [
        8.333333333333333e-02,
        -2.777777777777778e-03,
        7.936507936507937e-04,
        -5.952380952380952e-04,
        8.417508417508418e-04,
        -1.917526917526918e-03,
        6.41025641025641e-03,
        -2.955065359477124e-02,
        1.796443723688307e-01,
        -1.3924322169059,
    ];
    /// ln(2 pi), with the digits that numpy has.
    const LN_TWO_PI: f64 = 1.8378770664093453;
    if x == 1.0 || x == 2.0 {
        return 0.0;
    }
    let steps = if x < 7.0 { (7.0 - x) as u32 } else { 0 };
    let mut raised = x + f64::from(steps);
    let inverse_square = (1.0 / raised) * (1.0 / raised);
    let sum = SERIES.iter().rev().copied().reduce(|sum, term| sum * inverse_square + term).unwrap_or_default();
    let mut result = sum / raised + 0.5 * LN_TWO_PI + (raised - 0.5) * raised.ln() - raised;
    for _ in 0..steps {
        raised -= 1.0;
        result -= raised.ln();
    }
    result
}

/// The expected numbers are those of numpy 2.3.5 and pandas 2.2.3.
#[cfg(test)]
mod tests {
    use super::*;

    fn poisson(random: &mut RandomState, mean: f64) -> u64 {
        random.poisson(mean, (-mean).exp())
    }

    /// Equal but for the last bits, in which the system's logarithm may differ.
    fn assert_close(given: f64, expected: f64) {
        assert!((given - expected).abs() <= 4.0 * f64::EPSILON * expected.abs(), "{given} is not {expected}");
    }

    /// Uniform numbers are numpy's: `RandomState(7).uniform(5, 100)`.
    #[test]
    fn uniform_numbers_are_numpys() {
        let mut random = RandomState::new(7);
        for expected in [12.249287490525932, 79.09228526281089, 46.64887698688488, 73.72919189393942] {
            assert_eq!(random.uniform(5.0, 100.0), expected);
        }
    }

    /// Normal numbers are numpy's, both of a pair: `RandomState(7).normal(43200, 20000)`.
    #[test]
    fn normal_numbers_are_numpys() {
        let mut random = RandomState::new(7);
        let expected = [77010.51407600712, 33881.25258918334, 43856.40327357169, 51350.32565993015, 27421.53942748523];
        for expected in expected {
            assert_close(random.normal(43200.0, 20000.0), expected);
        }
    }

    /// The second of a pair of normal numbers waits while others are drawn, but not for a new seed.
    #[test]
    fn the_spare_normal_number_outlives_all_but_a_seed() {
        let mut random = RandomState::new(7);
        assert_close(random.normal(0.0, 1.0), 1.690525703800356);
        assert_eq!(random.uniform(0.0, 1.0), 0.9779895119966027);
        assert_close(random.normal(0.0, 1.0), -0.4659373705408328);
        assert_close(random.normal(0.0, 1.0), 0.09316606097975175);
        random.reseed(8);
        assert_close(random.normal(0.0, 1.0), 0.09120471661981977);
    }

    /// Poisson numbers are numpy's, for means below and above where the method changes: `RandomState(11).poisson(mean)`.
    #[test]
    fn poisson_numbers_are_numpys() {
        let expected: [(f64, [u64; 12]); 7] = [
            (0.0, [0; 12]),
            (0.5, [0, 0, 0, 1, 0, 0, 0, 2, 0, 2, 1, 0]),
            (3.9, [1, 4, 7, 1, 2, 4, 3, 8, 2, 2, 2, 5]),
            (9.99, [6, 10, 7, 14, 9, 5, 19, 7, 15, 7, 18, 15]),
            (10.0, [6, 10, 9, 16, 12, 6, 8, 8, 5, 12, 9, 12]),
            (40.0, [33, 39, 38, 44, 49, 33, 36, 45, 37, 31, 44, 27]),
            (
                1e6,
                [998968, 999897, 999774, 1002071, 1000689, 1001463, 998898, 999462, 1000790, 999550, 998580, 1000631],
            ),
        ];
        for (mean, numbers) in expected {
            let mut random = RandomState::new(11);
            assert_eq!([(); 12].map(|()| poisson(&mut random, mean)), numbers, "mean {mean}");
        }
    }

    /// Also in the long run no draw is missing or too many: sums of 20,000 each, and the stream's place afterwards.
    #[test]
    fn poisson_numbers_leave_the_stream_where_numpy_does() {
        let mut random = RandomState::new(12);
        for (mean, sum) in [(0.0, 0), (3.0, 60_087), (10.0, 200_296), (12.5, 250_228), (100.0, 1_998_114)] {
            assert_eq!((0..20_000).map(|_| poisson(&mut random, mean)).sum::<u64>(), sum, "mean {mean}");
        }
        assert_eq!(random.uniform(0.0, 1.0), 0.5188984193330255);
    }

    /// Choosing is what pandas' `Series(range(count)).sample(N, random_state=seed)` does.
    #[test]
    fn choosing_is_pandas_sample() {
        let expected = [
            (0, [9394, 898], [398, 3833, 4836], [2, 1, 0]),
            (1, [9953, 3850], [2764, 4767, 3814], [0, 2, 1]),
            (182, [4840, 4059], [2734, 2397, 821], [2, 0, 1]),
        ];
        for (seed, of_10000, of_5000, of_3) in expected {
            assert_eq!(RandomState::new(seed).choice(10_000), Some(of_10000));
            assert_eq!(RandomState::new(seed).choice(5_000), Some(of_5000));
            assert_eq!(RandomState::new(seed).choice(3), Some(of_3));
        }
        assert_eq!(RandomState::new(0).choice::<1>(1), Some([0]));
        assert_eq!(RandomState::new(0).choice::<3>(2), None);
    }
}
