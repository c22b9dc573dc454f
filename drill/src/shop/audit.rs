//! Compares what a shop was told with what the store has. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::takings::{Charge, Payment, Takings};

/// A payment as the surviving store has it. A store that keeps several charges of one payment has several of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub transaction_id: String,
    /// Its amount, compared by value: `12.5` is `12.50`.
    pub amount: String,
    /// The Region that charged it.
    pub region: String,
    /// When, as the workload's answer has it: RFC 3339, UTC, milliseconds.
    pub time: String,
}

/// What the comparison found: ids, in the order of the payments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Acknowledged, and not stored.
    pub lost: Vec<String>,
    /// Charged more than once: the answers and the store name different charges. [`Self::charged_anew`] is not in it.
    pub doubled: Vec<String>,
    /// Stored with another amount.
    pub altered: Vec<String>,
    /// Stored, though the shop never sent it.
    pub unknown: Vec<String>,
    /// The first charge did not survive, and the payment was charged again when the shop sent it again; the store has that
    /// charge only.
    pub charged_anew: Vec<String>,
    /// Stored, and not acknowledged yet.
    pub stored_but_open: Vec<String>,
}

impl Audit {
    /// Whether every acknowledged payment is stored, once, as it was sent, and nothing else is.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        [&self.lost, &self.doubled, &self.altered, &self.unknown].into_iter().all(Vec::is_empty)
    }
}

/// Compares the answers that a shop got with what the surviving store has.
#[must_use]
pub fn audit(takings: &Takings, stored: &[Stored]) -> Audit {
    let mut by_id: BTreeMap<&str, Vec<&Stored>> = BTreeMap::new();
    for charge in stored {
        by_id.entry(&charge.transaction_id).or_default().push(charge);
    }
    let mut audit = Audit::default();
    for payment in &takings.payments {
        let kept = by_id.remove(payment.transaction_id.as_str()).unwrap_or_default();
        audit.compare(payment, &kept);
    }
    audit.unknown = by_id.into_keys().map(str::to_owned).collect();
    audit
}

impl Audit {
    fn compare(&mut self, payment: &Payment, kept: &[&Stored]) {
        let id = || payment.transaction_id.clone();
        if kept.iter().any(|stored| value(&stored.amount) != value(&payment.amount)) {
            self.altered.push(id());
        }
        let in_store: BTreeSet<Charge> =
            kept.iter().map(|stored| Charge { region: stored.region.clone(), time: stored.time.clone() }).collect();
        let later: BTreeSet<Charge> = payment.answered_again.iter().map(|answer| answer.charge.clone()).collect();
        let first = payment.acknowledged.as_ref().map(|answer| answer.charge.clone());
        match &first {
            Some(_) if kept.is_empty() => self.lost.push(id()),
            None if !kept.is_empty() => self.stored_but_open.push(id()),
            Some(_) | None => {}
        }
        let charges: BTreeSet<&Charge> = first.iter().chain(&later).chain(&in_store).collect();
        if charges.len() < 2 {
            return;
        }
        let replaced = first.is_some_and(|first| !in_store.contains(&first)) && later.len() == 1 && later == in_store;
        if replaced { self.charged_anew.push(id()) } else { self.doubled.push(id()) }
    }
}

/// Whole part, and fraction without trailing zeros.
fn value(amount: &str) -> (&str, &str) {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    (whole, fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::super::takings::Acknowledgement;
    use super::*;
    use crate::moment::Moment;

    type RegionAndTime = (&'static str, &'static str);

    const FIRST: RegionAndTime = ("us-east-1", "2026-01-01T00:00:00.000Z");
    const SECOND: RegionAndTime = ("us-west-2", "2026-01-01T00:01:00.000Z");
    const THIRD: RegionAndTime = ("us-west-2", "2026-01-01T00:02:00.000Z");

    fn answer((region, time): RegionAndTime) -> Acknowledgement {
        let charge = Charge { region: region.to_owned(), time: time.to_owned() };
        Acknowledgement { at: Moment::from_millis(0), charge, repeated: false }
    }

    fn stored(id: &str, amount: &str, (region, time): RegionAndTime) -> Stored {
        let [transaction_id, amount, region, time] = [id, amount, region, time].map(str::to_owned);
        Stored { transaction_id, amount, region, time }
    }

    /// The audit of one payment "t" of 12.50 with these answers.
    fn audited(answers: &[RegionAndTime], kept: &[Stored]) -> Audit {
        let mut answers = answers.iter().map(|charge| answer(*charge));
        let payment = Payment {
            transaction_id: "t".to_owned(),
            amount: "12.50".to_owned(),
            first_sent: Moment::from_millis(0),
            requests: 1,
            acknowledged: answers.next(),
            answered_again: answers.collect(),
        };
        audit(&Takings { payments: vec![payment], ..Takings::default() }, kept)
    }

    fn t() -> Vec<String> {
        vec!["t".to_owned()]
    }

    #[test]
    fn a_payment_that_is_stored_as_it_was_acknowledged_is_clean_however_often_it_was_answered() {
        for answers in [&[FIRST][..], &[FIRST, FIRST, FIRST]] {
            for amount in ["12.50", "12.5", "12.5000"] {
                assert_eq!(audited(answers, &[stored("t", amount, FIRST)]), Audit::default(), "{amount}");
            }
        }
        assert!(Audit::default().is_clean());
    }

    #[test]
    fn an_acknowledged_payment_that_is_not_stored_is_lost() {
        let audit = audited(&[FIRST], &[]);
        assert_eq!(audit, Audit { lost: t(), ..Audit::default() });
        assert!(!audit.is_clean());
    }

    #[test]
    fn a_payment_that_nobody_acknowledged_is_not_lost_and_may_be_stored() {
        assert_eq!(audited(&[], &[]), Audit::default());
        let audit = audited(&[], &[stored("t", "12.50", FIRST)]);
        assert_eq!(audit, Audit { stored_but_open: t(), ..Audit::default() });
        assert!(audit.is_clean());
    }

    #[test]
    fn a_first_charge_that_did_not_survive_and_was_made_anew_is_counted_apart() {
        let audit = audited(&[FIRST, SECOND, SECOND], &[stored("t", "12.50", SECOND)]);
        assert_eq!(audit, Audit { charged_anew: t(), ..Audit::default() });
        assert!(audit.is_clean());
    }

    #[test]
    fn different_charges_of_one_payment_are_doubled_wherever_they_show() {
        let cases: [(&str, &[RegionAndTime], &[RegionAndTime]); 5] = [
            ("the first charge survived beside the answered second one", &[FIRST, SECOND], &[FIRST]),
            ("the store has two", &[FIRST], &[FIRST, SECOND]),
            ("the store has another one than the only one answered", &[FIRST], &[SECOND]),
            ("charged anew twice", &[FIRST, SECOND, THIRD], &[THIRD]),
            ("both survived", &[FIRST, SECOND], &[FIRST, SECOND]),
        ];
        for (what, answers, kept) in cases {
            let kept: Vec<Stored> = kept.iter().map(|charge| stored("t", "12.50", *charge)).collect();
            let audit = audited(answers, &kept);
            assert_eq!(audit, Audit { doubled: t(), ..Audit::default() }, "{what}");
            assert!(!audit.is_clean());
        }
    }

    #[test]
    fn two_answers_of_different_charges_are_doubled_also_when_the_payment_is_lost() {
        let audit = audited(&[FIRST, SECOND], &[]);
        assert_eq!(audit, Audit { lost: t(), doubled: t(), ..Audit::default() });
    }

    #[test]
    fn another_amount_and_a_payment_that_was_never_sent_are_found() {
        let audit = audited(&[FIRST], &[stored("t", "12.51", FIRST), stored("x", "1.00", FIRST)]);
        assert_eq!(audit, Audit { altered: t(), unknown: vec!["x".to_owned()], ..Audit::default() });
        assert!(!audit.is_clean());
    }
}
