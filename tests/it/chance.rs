//! Chance that can be repeated: the seed is printed, and taken from the environment where it stands there.

#![expect(clippy::print_stderr, reason = "a test that fails says how to repeat it")]

/// Random numbers of a seed (SplitMix64).
pub struct Chance(u64);

impl Chance {
    /// A seed of `DAYBREAK_TEST_SEED`, or a new one.
    pub fn new() -> Self {
        let given = std::env::var("DAYBREAK_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).unwrap();
            u64::from_le_bytes(bytes)
        });
        eprintln!("-- to repeat it: DAYBREAK_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// A duration below `end` milliseconds, to the microsecond.
    pub fn millis(&mut self, end: u64) -> std::time::Duration {
        std::time::Duration::from_micros(self.below(end * 1000))
    }
}
