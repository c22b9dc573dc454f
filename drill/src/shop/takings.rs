//! A shop's account. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::moment::Moment;

/// Everything that a shop did, up to a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Takings {
    /// That moment.
    pub at: Moment,
    /// All payments, in the order they were first sent.
    pub payments: Vec<Payment>,
    /// All requests that failed, in the order they ended.
    pub failures: Vec<FailedRequest>,
    /// So often a new payment was not made because too many requests were under way.
    pub skipped: usize,
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub transaction_id: String,
    /// Its amount, e.g. `12.50`.
    pub amount: String,
    /// When it was first sent.
    pub first_sent: Moment,
    /// How often it was sent.
    pub requests: u32,
    /// The first answer that acknowledged it.
    pub acknowledged: Option<Acknowledgement>,
    /// Each further such answer; there is one only when the payment was sent again after it was acknowledged.
    pub answered_again: Vec<Acknowledgement>,
}

/// An answer with status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// When it arrived.
    pub at: Moment,
    /// The charge that it names.
    pub charge: Charge,
    /// Whether it says that the payment was charged before.
    pub repeated: bool,
}

/// What tells one charge of a payment from another charge of the same payment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Charge {
    /// The Region that charged it.
    pub region: String,
    /// When, as the workload writes it: RFC 3339, UTC, milliseconds.
    pub time: String,
}

/// What an acknowledging answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) charge: Charge,
    pub(super) repeated: bool,
}

/// A request that was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedRequest {
    /// When it ended.
    pub at: Moment,
    /// Why.
    pub failure: Failure,
}

/// Why a request was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The name has no address, or DNS did not answer.
    Unresolved,
    /// No connection.
    Refused,
    /// The connection ended without an answer.
    Broken,
    /// Nothing within the request's time.
    TimedOut,
    /// A status other than 200.
    Status(u16),
    /// A status of 200 with a body that names no charge of this payment.
    Unreadable,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => f.write_str("not resolved"),
            Self::Refused => f.write_str("refused"),
            Self::Broken => f.write_str("connection broken"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Unreadable => f.write_str("unreadable answer"),
        }
    }
}

/// A time without an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last acknowledgement before it, or the first request.
    pub began: Moment,
    /// The first acknowledgement after it; none while it lasts.
    pub ended: Option<Moment>,
    /// How long it lasted, or lasts up to the moment of the takings.
    pub length: Duration,
}

impl Takings {
    /// How many payments were sent.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.payments.len()
    }

    /// How many of them were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.payments.iter().filter(|payment| payment.acknowledged.is_some()).count()
    }

    /// How many of them were not.
    #[must_use]
    pub fn open(&self) -> usize {
        self.sent() - self.acknowledged()
    }

    /// How many requests failed, by kind.
    #[must_use]
    pub fn failed(&self) -> BTreeMap<Failure, usize> {
        let mut failed = BTreeMap::new();
        for request in &self.failures {
            *failed.entry(request.failure).or_default() += 1;
        }
        failed
    }

    /// The longest time without an acknowledgement. The time after the last one counts only while payments are open.
    #[must_use]
    pub fn longest_gap(&self) -> Option<Gap> {
        let mut acknowledged: Vec<Moment> = self.acknowledgements().map(|answer| answer.at).collect();
        acknowledged.sort_unstable();
        let first_sent = self.payments.first()?.first_sent;
        let begins = std::iter::once(first_sent).chain(acknowledged.iter().copied());
        let ends = acknowledged.iter().copied().map(Some).chain(std::iter::once(None));
        let gap = |(began, ended): (Moment, Option<Moment>)| Gap {
            began,
            ended,
            length: ended.unwrap_or(self.at).since(began),
        };
        let counts = |gap: &Gap| gap.ended.is_some() || self.open() > 0;
        // Of several of the same length the first one.
        begins
            .zip(ends)
            .map(gap)
            .filter(counts)
            .reduce(|longest, gap| if gap.length > longest.length { gap } else { longest })
    }

    /// When each Region first acknowledged a payment that it had charged itself.
    #[must_use]
    pub fn first_acknowledgement_by_region(&self) -> BTreeMap<&str, Moment> {
        let mut first: BTreeMap<&str, Moment> = BTreeMap::new();
        for answer in self.acknowledgements().filter(|answer| !answer.repeated) {
            let at = first.entry(&answer.charge.region).or_insert(answer.at);
            *at = (*at).min(answer.at);
        }
        first
    }

    fn acknowledgements(&self) -> impl Iterator<Item = &Acknowledgement> {
        self.payments.iter().flat_map(|payment| payment.acknowledged.iter().chain(&payment.answered_again))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Moment {
        Moment::from_millis(millis)
    }

    fn answer(millis: i64, region: &str, repeated: bool) -> Acknowledgement {
        let charge = Charge { region: region.to_owned(), time: "2026-01-01T00:00:00.000Z".to_owned() };
        Acknowledgement { at: at(millis), charge, repeated }
    }

    fn payment(sent: i64, acknowledged: Option<Acknowledgement>) -> Payment {
        Payment {
            transaction_id: format!("t-{sent}"),
            amount: "1.00".to_owned(),
            first_sent: at(sent),
            requests: 1,
            acknowledged,
            answered_again: Vec::new(),
        }
    }

    fn takings(now: i64, payments: Vec<Payment>) -> Takings {
        Takings { at: at(now), payments, ..Takings::default() }
    }

    #[test]
    fn the_longest_gap_lies_between_two_acknowledgements_whichever_payments_they_are_of() {
        let payments = vec![
            payment(0, Some(answer(10, "a", false))),
            payment(50, Some(answer(9_000, "b", false))),
            payment(100, Some(answer(110, "a", false))),
            payment(150, Some(answer(8_000, "b", false))),
        ];
        let expected = Gap { began: at(110), ended: Some(at(8_000)), length: Duration::from_millis(7_890) };
        assert_eq!(takings(60_000, payments).longest_gap(), Some(expected));
    }

    #[test]
    fn a_gap_that_lasts_has_no_end_unless_nothing_is_open() {
        let payments = vec![payment(0, Some(answer(10, "a", false))), payment(50, None)];
        let lasting = Gap { began: at(10), ended: None, length: Duration::from_millis(990) };
        assert_eq!(takings(1_000, payments.clone()).longest_gap(), Some(lasting));
        let first = Gap { began: at(0), ended: Some(at(10)), length: Duration::from_millis(10) };
        assert_eq!(takings(1_000, payments[..1].to_vec()).longest_gap(), Some(first));
        assert_eq!(takings(1_000, Vec::new()).longest_gap(), None);
    }

    #[test]
    fn a_shop_that_was_never_served_has_one_gap_from_its_first_request() {
        let gap = takings(5_000, vec![payment(100, None), payment(150, None)]).longest_gap();
        assert_eq!(gap, Some(Gap { began: at(100), ended: None, length: Duration::from_millis(4_900) }));
    }

    #[test]
    fn a_region_counts_from_the_first_payment_that_it_charged_itself() {
        let mut early = payment(0, Some(answer(10, "a", false)));
        early.answered_again = vec![answer(400, "a", true), answer(500, "b", false)];
        let payments = vec![early, payment(50, Some(answer(600, "b", false))), payment(60, Some(answer(5, "c", true)))];
        let takings = takings(1_000, payments);
        assert_eq!(takings.first_acknowledgement_by_region(), BTreeMap::from([("a", at(10)), ("b", at(500))]));
    }

    #[test]
    fn payments_and_failures_are_counted() {
        let mut takings = takings(100, vec![payment(0, Some(answer(10, "a", false))), payment(50, None)]);
        let failed = [Failure::Status(503), Failure::Refused, Failure::Status(503), Failure::Status(500)];
        takings.failures = failed.map(|failure| FailedRequest { at: at(1), failure }).to_vec();
        assert_eq!((takings.sent(), takings.acknowledged(), takings.open()), (2, 1, 1));
        let expected = [(Failure::Refused, 1), (Failure::Status(500), 1), (Failure::Status(503), 2)];
        assert_eq!(takings.failed(), BTreeMap::from(expected));
    }
}
