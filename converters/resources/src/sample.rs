//! Resources at random, for tests.

/// Where they come from (splitmix64).
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    pub(crate) fn flip(&mut self) -> bool {
        self.number() & 1 == 1
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[(self.number() % all.len() as u64) as usize]
    }

    pub(crate) fn maybe<T>(&mut self, one: impl FnOnce(&mut Seed) -> T) -> Option<T> {
        self.flip().then(|| one(self))
    }

    pub(crate) fn list<T>(&mut self, mut one: impl FnMut(&mut Seed) -> T) -> Vec<T> {
        let length = self.number() % 4;
        (0..length).map(|_| one(self)).collect()
    }

    pub(crate) fn text(&mut self) -> String {
        let letters = ['/', 'a', 'ü', '\n', '7', ' '];
        self.list(|source| source.one_of(&letters))
            .into_iter()
            .collect()
    }
}

/// A family whose resources can be had at random.
pub(crate) trait Sampled: crate::kind::Kind + PartialEq + std::fmt::Debug {
    /// One of a kind.
    fn sample(kind: &str, source: &mut Seed) -> Self;

    /// The attributes of a kind that may be absent, whatever the others are.
    fn optional(kind: &str) -> Vec<&'static str>;
}
