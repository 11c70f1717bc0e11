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

    /// Starts over from an array of numbers, which must not be empty.
    pub(super) fn reseed_by_array(&mut self, key: &[u32]) {
        let state = &mut self.state;
        *state = ARRAY_BASE;
        let mut previous = state[0];
        let mut at = 1;
        for step in 0..WORDS.max(key.len()) {
            let from = step % key.len();
            previous = (state[at] ^ mixed(previous).wrapping_mul(1_664_525))
                .wrapping_add(key[from])
                .wrapping_add(from as u32);
            state[at] = previous;
            at = following(state, at);
        }
        for _ in 1..WORDS {
            previous = (state[at] ^ mixed(previous).wrapping_mul(1_566_083_941)).wrapping_sub(at as u32);
            state[at] = previous;
            at = following(state, at);
        }
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

/// The place after `at` in seeding by an array: past the end it goes on at 1, with the last word copied to the front.
#[inline]
fn following(state: &mut [u32; WORDS], at: usize) -> usize {
    if at + 1 < WORDS {
        return at + 1;
    }
    state[0] = state[WORDS - 1];
    1
}

#[inline]
fn twisted(upper: u32, lower: u32) -> u32 {
    let joined = (upper & UPPER) | (lower & !UPPER);
    (joined >> 1) ^ if lower & 1 == 1 { MATRIX } else { 0 }
}
