//! The Mersenne Twister MT19937, which both of the handbook's generators are built on.
//!
//! Source: M. Matsumoto and T. Nishimura, "Mersenne Twister: A 623-dimensionally equidistributed uniform pseudorandom
//! number generator", ACM TOMACS 8 (1998), with the initialisations of their revision of 2002. numpy's legacy
//! `RandomState` seeds by one number, CPython's `random` by an array of numbers; from there on the two streams of words
//! are made alike.

/// Words of state.
const WORDS: usize = 624;
/// How far ahead the word is that a new one is mixed with.
const AHEAD: usize = 397;
/// Which bit of a word comes from its predecessor in the recurrence.
const UPPER: u32 = 0x8000_0000;
/// The twist matrix.
const MATRIX: u32 = 0x9908_b0df;

/// The state that seeding by an array starts from, whatever the array.
const ARRAY_BASE: [u32; WORDS] = state_of(19_650_218);

/// One generator. Seeding it again costs no allocation, so one serves a whole thread.
pub(super) struct Mt19937 {
    state: [u32; WORDS],
    /// The next word of `state` to hand out; `WORDS` when all have been.
    next: usize,
}

impl Mt19937 {
    /// A generator seeded by one number.
    pub(super) fn new(seed: u32) -> Self {
        Self { state: state_of(seed), next: WORDS }
    }

    /// Starts over from one number.
    pub(super) fn reseed(&mut self, seed: u32) {
        self.state = state_of(seed);
        self.next = WORDS;
    }

    /// Starts over from an array of one number.
    pub(super) fn reseed_by_array(&mut self, [key]: [u32; 1]) {
        let state = &mut self.state;
        *state = ARRAY_BASE;
        // The first pass goes once around, from the second word on; the first word is a copy of the last then.
        let mut previous = state[0];
        for word in &mut state[1..] {
            previous = (*word ^ mixed(previous).wrapping_mul(1_664_525)).wrapping_add(key);
            *word = previous;
        }
        state[1] = (state[1] ^ mixed(previous).wrapping_mul(1_664_525)).wrapping_add(key);
        // The second pass begins where the first one ended, and goes on past the end at the second word.
        previous = state[1];
        for (at, word) in state.iter_mut().enumerate().skip(2) {
            previous = (*word ^ mixed(previous).wrapping_mul(1_566_083_941)).wrapping_sub(at as u32);
            *word = previous;
        }
        state[1] = (state[1] ^ mixed(previous).wrapping_mul(1_566_083_941)).wrapping_sub(1);
        // Whatever the key, the state is not all zeros.
        state[0] = UPPER;
        self.next = WORDS;
    }

    /// The next 32 bits.
    #[inline]
    pub(super) fn next_u32(&mut self) -> u32 {
        if self.next == WORDS {
            self.twist();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// The next number in [0, 1), of 53 random bits.
    #[inline]
    pub(super) fn next_f64(&mut self) -> f64 {
        let high = f64::from(self.next_u32() >> 5);
        let low = f64::from(self.next_u32() >> 6);
        (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
    }

    /// Makes the next `WORDS` words. In three loops without wrap-around, so that the compiler can vectorise them.
    #[inline(never)]
    fn twist(&mut self) {
        let state = &mut self.state;
        for at in 0..WORDS - AHEAD {
            state[at] = state[at + AHEAD] ^ twisted(state[at], state[at + 1]);
        }
        for at in WORDS - AHEAD..WORDS - 1 {
            state[at] = state[at + AHEAD - WORDS] ^ twisted(state[at], state[at + 1]);
        }
        state[WORDS - 1] = state[AHEAD - 1] ^ twisted(state[WORDS - 1], state[0]);
        self.next = 0;
    }
}

/// The state that one number seeds.
const fn state_of(seed: u32) -> [u32; WORDS] {
    let mut state = [0; WORDS];
    state[0] = seed;
    let mut at = 1;
    while at < WORDS {
        state[at] = mixed(state[at - 1]).wrapping_mul(1_812_433_253).wrapping_add(at as u32);
        at += 1;
    }
    state
}

const fn mixed(word: u32) -> u32 {
    word ^ (word >> 30)
}

#[inline]
fn twisted(upper: u32, lower: u32) -> u32 {
    let joined = (upper & UPPER) | (lower & !UPPER);
    (joined >> 1) ^ if lower & 1 == 1 { MATRIX } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words 0, 1, 623, 624 and 1299: the first and last ones of a state, and some of the next ones.
    fn words(mut generator: Mt19937) -> [u32; 5] {
        let words: Vec<_> = (0..1300).map(|_| generator.next_u32()).collect();
        [0, 1, 623, 624, 1299].map(|at| words[at])
    }

    /// Seeded by a number, the words are numpy's (`bits = np.random.MT19937(); bits._legacy_seeding(seed);
    /// bits.random_raw(1300)`, numpy 2.3.5).
    #[test]
    fn seeding_by_a_number_is_numpys() {
        let expected = [
            (0, [2357136044, 2546248239, 3791854820, 341544762, 387547707]),
            (1, [1791095845, 4282876139, 2006116153, 1104314680, 2604647584]),
            (4999, [3694172552, 2572380617, 2603017443, 3244490330, 3045260811]),
            (u32::MAX, [419326371, 479346978, 1027084080, 3860652269, 319045431]),
        ];
        let mut used = Mt19937::new(5);
        for (seed, words_of_seed) in expected {
            assert_eq!(words(Mt19937::new(seed)), words_of_seed, "seed {seed}");
            used.next_u32();
            used.reseed(seed);
            assert_eq!(used.next_u32(), words_of_seed[0], "reseeded with {seed}");
        }
    }

    /// Seeded by an array, the words are CPython's (`random.seed(seed); random.getrandbits(32)`, CPython 3.11).
    #[test]
    fn seeding_by_an_array_is_cpythons() {
        let expected = [
            (0, [3626764237, 1654615998, 2390040247, 2229104038, 613370405]),
            (1, [577090037, 2444712010, 802355090, 1360367077, 3223856108]),
            (4999, [2516720696, 676215406, 4080095066, 2507584931, 916665409]),
            (u32::MAX, [2728839433, 2661025012, 2365591444, 2143983266, 2787731301]),
        ];
        for (seed, words_of_seed) in expected {
            let mut generator = Mt19937::new(5);
            generator.next_u32();
            generator.reseed_by_array([seed]);
            assert_eq!(words(generator), words_of_seed, "seed {seed}");
        }
    }
}
