//! Chance that follows from a seed.

/// A generator of chance: SplitMix64, so that any seed will do, and equal seeds give equal runs.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own for one purpose: drawing more from it changes nothing for the others.
    #[must_use]
    pub fn of(seed: u64, purpose: &str) -> Self {
        let mixed = purpose.bytes().fold(seed, |mixed, byte| mix(mixed ^ u64::from(byte)));
        Self(mixed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from `least` to `most`, both included.
    ///
    /// # Panics
    /// When `least` is more than `most`.
    pub const fn between(&mut self, least: u64, most: u64) -> u64 {
        assert!(least <= most, "an empty range");
        match (most - least).checked_add(1) {
            Some(width) => least + self.bits() % width,
            None => self.bits(),
        }
    }

    /// True in so many of a thousand cases.
    pub const fn permille(&mut self, cases: u64) -> bool {
        self.between(0, 999) < cases
    }

    /// One of several.
    ///
    /// # Panics
    /// When there is none.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let last = u64::try_from(choices.len()).unwrap_or(u64::MAX).checked_sub(1).expect("a choice");
        &choices[usize::try_from(self.between(0, last)).unwrap_or(0)]
    }
}

const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_draws_and_purposes_do_not_disturb_each_other() {
        let draw = |purpose| {
            (0..4)
                .map({
                    let mut chance = Chance::of(7, purpose);
                    move |_| chance.bits()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(draw("network"), draw("network"));
        assert_ne!(draw("network"), draw("aurora"));
    }

    #[test]
    fn draws_stay_within_their_bounds_and_reach_both() {
        let mut chance = Chance::new(1);
        let drawn: Vec<u64> = (0..200).map(|_| chance.between(3, 6)).collect();
        assert!(drawn.iter().all(|number| (3..=6).contains(number)));
        assert!(drawn.contains(&3) && drawn.contains(&6));
        assert!(!chance.permille(0) && chance.permille(1000));
    }
}
