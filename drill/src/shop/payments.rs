//! New payments: ids that no other seed gives, and amounts that vary.

use fastrand::Rng;

/// The largest amount, in hundredths.
const MOST_HUNDREDTHS: u32 = 99_999;

/// A source of payments.
#[derive(Debug)]
pub(super) struct Payments {
    random: Rng,
    next: u32,
}

impl Payments {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed), next: 1 }
    }

    /// The id and the amount of the next payment. The random part spreads the ids over a store's partitions, the number
    /// makes them unique.
    pub(super) fn next(&mut self) -> (String, String) {
        let id = format!("{:016x}-{}", self.random.u64(..), self.next);
        self.next += 1;
        let hundredths = self.random.u32(1..=MOST_HUNDREDTHS);
        (id, format!("{}.{:02}", hundredths / 100, hundredths % 100))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn payments(seed: u64) -> Vec<(String, String)> {
        let mut payments = Payments::new(seed);
        (0..1000).map(|_| payments.next()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_payments_and_another_seed_none_of_them() {
        assert_eq!(payments(1), payments(1));
        let ids: BTreeSet<String> = payments(1).into_iter().chain(payments(2)).map(|(id, _)| id).collect();
        assert_eq!(ids.len(), 2000);
    }

    #[test]
    fn every_amount_is_positive_and_has_two_decimals() {
        for (_, amount) in payments(7) {
            let (whole, fraction) = amount.split_once('.').unwrap();
            assert_eq!(fraction.len(), 2, "{amount}");
            assert_ne!(whole.parse::<u32>().unwrap() * 100 + fraction.parse::<u32>().unwrap(), 0);
        }
    }
}
