//! The shop's books: what is to be sent at each tick, and what came of it. Pure.

use std::collections::VecDeque;

use super::payments::Payments;
use super::takings::{Acknowledgement, Answered, FailedRequest, Failure, Payment, Takings};
use crate::moment::Moment;

/// Of the payments to be sent once more, so many are sent at a tick.
const RESENT_AT_A_TICK: usize = 4;
/// So many payments may be under way when one of them is sent once more.
const MOST_UNDER_WAY_TO_RESEND: usize = 16;
/// No more requests than this are under way. New payments alone reach 40, when none of them is answered within
/// `REQUEST_LIMIT`.
const MOST_UNDER_WAY: usize = 64;

/// What the shop did and has to do.
#[derive(Debug)]
pub(super) struct Ledger {
    source: Payments,
    payments: Vec<Payment>,
    failures: Vec<FailedRequest>,
    /// What was not acknowledged, by place in `payments`.
    outbox: VecDeque<usize>,
    /// What was acknowledged and is to be sent once more.
    again: VecDeque<usize>,
    under_way: usize,
    /// Whether the request that ended last was acknowledged.
    served: bool,
    closed: bool,
    skipped: usize,
}

/// A payment to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) place: usize,
    pub(super) transaction_id: String,
    pub(super) amount: String,
}

impl Ledger {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            source: Payments::new(seed),
            payments: Vec::new(),
            failures: Vec::new(),
            outbox: VecDeque::new(),
            again: VecDeque::new(),
            under_way: 0,
            served: false,
            closed: false,
            skipped: 0,
        }
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// What is to be sent at this tick.
    pub(super) fn due(&mut self, now: Moment) -> Vec<Order> {
        let mut due = Vec::new();
        if !self.closed {
            if self.under_way < MOST_UNDER_WAY {
                due.push(self.new_payment(now));
            } else {
                self.skipped += 1;
            }
        }
        let trying = if self.served {
            RESENT_AT_A_TICK
        } else {
            // Nothing new shows whether the service is back.
            usize::from(self.closed && self.under_way == 0)
        };
        for _ in 0..trying.min(MOST_UNDER_WAY_TO_RESEND.saturating_sub(self.under_way)) {
            let Some(place) = self.outbox.pop_front().or_else(|| self.again.pop_front()) else { break };
            due.extend(self.order(place));
        }
        due
    }

    fn new_payment(&mut self, now: Moment) -> Order {
        let (transaction_id, amount) = self.source.next();
        let order = Order { place: self.payments.len(), transaction_id, amount };
        self.payments.push(Payment {
            transaction_id: order.transaction_id.clone(),
            amount: order.amount.clone(),
            first_sent: now,
            requests: 1,
            acknowledged: None,
            answered_again: Vec::new(),
        });
        self.under_way += 1;
        order
    }

    fn order(&mut self, place: usize) -> Option<Order> {
        let payment = self.payments.get_mut(place)?;
        payment.requests += 1;
        self.under_way += 1;
        let (transaction_id, amount) = (payment.transaction_id.clone(), payment.amount.clone());
        Some(Order { place, transaction_id, amount })
    }

    /// A request ended.
    pub(super) fn done(&mut self, place: usize, outcome: Result<Answered, Failure>, now: Moment) {
        self.under_way = self.under_way.saturating_sub(1);
        self.served = outcome.is_ok();
        let Some(payment) = self.payments.get_mut(place) else { return };
        match outcome {
            Ok(Answered { charge, repeated }) => {
                let answer = Acknowledgement { at: now, charge, repeated };
                match payment.acknowledged {
                    None => payment.acknowledged = Some(answer),
                    Some(_) => payment.answered_again.push(answer),
                }
            }
            Err(failure) => {
                self.failures.push(FailedRequest { at: now, failure });
                let queue = if payment.acknowledged.is_none() { &mut self.outbox } else { &mut self.again };
                queue.push_back(place);
            }
        }
    }

    pub(super) fn send_again(&mut self, since: Moment) -> usize {
        let acknowledged_since =
            |payment: &Payment| payment.acknowledged.as_ref().is_some_and(|answer| answer.at >= since);
        let places = self.payments.iter().enumerate().filter(|(_, payment)| acknowledged_since(payment));
        let before = self.again.len();
        self.again.extend(places.map(|(place, _)| place));
        self.again.len() - before
    }

    /// Whether nothing is under way and nothing is to be sent.
    pub(super) fn is_settled(&self) -> bool {
        self.unsettled() == 0
    }

    pub(super) fn unsettled(&self) -> usize {
        self.under_way + self.outbox.len() + self.again.len()
    }

    pub(super) fn takings(&self, now: Moment) -> Takings {
        Takings { at: now, payments: self.payments.clone(), failures: self.failures.clone(), skipped: self.skipped }
    }
}

#[cfg(test)]
mod tests {
    use super::super::takings::Charge;
    use super::*;

    fn at(millis: i64) -> Moment {
        Moment::from_millis(millis)
    }

    fn answered(region: &str) -> Answered {
        Answered { charge: Charge { region: region.to_owned(), time: "t".to_owned() }, repeated: false }
    }

    fn places(orders: &[Order]) -> Vec<usize> {
        orders.iter().map(|order| order.place).collect()
    }

    /// A ledger whose first `count` payments were refused.
    fn refused(count: usize) -> Ledger {
        let mut ledger = Ledger::new(1);
        for place in 0..count {
            assert_eq!(places(&ledger.due(at(0))), [place]);
            ledger.done(place, Err(Failure::Refused), at(0));
        }
        ledger
    }

    #[test]
    fn while_nothing_is_acknowledged_only_new_payments_are_tried() {
        let ledger = refused(100);
        assert_eq!(ledger.outbox.len(), 100);
        assert!(ledger.payments.iter().all(|payment| payment.requests == 1));
    }

    #[test]
    fn once_one_is_acknowledged_the_others_follow_a_few_at_a_time_with_their_ids_beside_the_new_ones() {
        let mut ledger = refused(10);
        let ids: Vec<String> = ledger.payments.iter().map(|payment| payment.transaction_id.clone()).collect();
        let first = ledger.due(at(1));
        assert_eq!(places(&first), [10]);
        ledger.done(10, Ok(answered("eu-west-1")), at(2));
        let mut resent = Vec::new();
        for tick in 11..14 {
            let due = ledger.due(at(3));
            assert_eq!(due[0].place, tick, "the new payment comes first");
            assert!(due.len() <= 1 + RESENT_AT_A_TICK);
            for order in due {
                ledger.done(order.place, Ok(answered("eu-west-1")), at(4));
                resent.extend((order.place < 10).then_some(order.transaction_id));
            }
        }
        assert_eq!(resent, ids, "in their order, each once");
        assert!(ledger.is_settled());
    }

    #[test]
    fn a_failure_stops_the_resending_until_the_next_acknowledgement() {
        let mut ledger = refused(20);
        let _new = ledger.due(at(0));
        ledger.done(20, Ok(answered("eu-west-1")), at(0));
        let due = ledger.due(at(0));
        assert_eq!(due.len(), 1 + RESENT_AT_A_TICK);
        for order in due {
            ledger.done(order.place, Err(Failure::Status(503)), at(0));
        }
        assert_eq!(ledger.due(at(0)).len(), 1);
    }

    #[test]
    fn requests_under_way_are_bounded_and_a_new_payment_without_room_is_counted() {
        let mut ledger = refused(5);
        ledger.served = true;
        let mut most = 0;
        for _ in 0..200 {
            let _orders = ledger.due(at(0));
            most = most.max(ledger.under_way);
        }
        assert_eq!(most, MOST_UNDER_WAY);
        let takings = ledger.takings(at(0));
        assert_eq!(takings.payments.len() - 5 + takings.skipped, 200);
        assert!(takings.skipped > 0);
    }

    #[test]
    fn a_closed_shop_tries_one_old_payment_at_a_time_until_one_is_acknowledged() {
        let mut ledger = refused(6);
        ledger.close();
        assert_eq!(places(&ledger.due(at(0))), [0]);
        assert_eq!(ledger.due(at(0)), [], "one is under way");
        ledger.done(0, Err(Failure::Refused), at(0));
        assert_eq!(places(&ledger.due(at(0))), [1]);
        ledger.done(1, Ok(answered("eu-west-1")), at(0));
        let rest = ledger.due(at(0));
        assert_eq!(places(&rest), [2, 3, 4, 5]);
        for order in rest {
            ledger.done(order.place, Ok(answered("eu-west-1")), at(0));
        }
        let last = ledger.due(at(0));
        assert_eq!(places(&last), [0], "what failed again comes after the others");
        ledger.done(0, Ok(answered("eu-west-1")), at(0));
        assert!(ledger.is_settled());
        assert_eq!(ledger.due(at(0)), []);
    }

    #[test]
    fn what_was_acknowledged_since_then_is_sent_once_more_until_it_is_answered_again() {
        let mut ledger = Ledger::new(1);
        for place in 0..3 {
            let _new = ledger.due(at(0));
            ledger.done(place, Ok(answered("us-east-1")), at(i64::try_from(place).unwrap() * 100));
        }
        ledger.close();
        assert_eq!(ledger.send_again(at(100)), 2);
        assert_eq!(places(&ledger.due(at(300))), [1, 2]);
        ledger.done(1, Ok(answered("us-west-2")), at(310));
        ledger.done(2, Err(Failure::TimedOut), at(320));
        assert!(!ledger.is_settled());
        assert_eq!(places(&ledger.due(at(330))), [2]);
        ledger.done(2, Ok(answered("us-west-2")), at(340));
        assert!(ledger.is_settled());
        let payments = ledger.takings(at(400)).payments;
        let regions = |place: usize| {
            let payment: &Payment = &payments[place];
            let again = payment.answered_again.iter().map(|answer| answer.charge.region.as_str()).collect::<Vec<_>>();
            (payment.acknowledged.as_ref().unwrap().charge.region.as_str(), again)
        };
        assert_eq!(regions(0), ("us-east-1", vec![]));
        assert_eq!(regions(1), ("us-east-1", vec!["us-west-2"]));
        assert_eq!(regions(2), ("us-east-1", vec!["us-west-2"]));
    }
}
