//! One operation's record and its legal transitions. Pure: no clock, no AWS.
//!
//! | status | what its owner may report | next |
//! | --- | --- | --- |
//! | claimed | intent; completion; failure; release | intent; completed; failed; claimed |
//! | intent | receipt, release; retraction; a lost outcome; another intent; completion; failure | intent; claimed; unknown; intent; completed; failed |
//! | unknown | intent; completion; failure; release | intent; completed; failed; unknown |
//! | completed | nothing: it is answered from the record for ever | |
//! | failed | nothing | |
//!
//! A claim makes `claimed` of an absent record, of one whose lease ran out or was released, and of a failed one that is
//! retryable. It keeps the last intent, which may have been applied.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract::Timestamp;

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Somebody works on it, or did; nothing was sent by this attempt.
    Claimed,
    /// A change is about to be sent, or was.
    Intent,
    /// A change was sent and its outcome is not known.
    Unknown,
    /// Its outcome was observed. Final.
    Completed,
    /// It could not be carried out. Final unless retryable.
    Failed,
}

impl Status {
    /// Every status, for tests.
    pub const ALL: [Self; 5] = [Self::Claimed, Self::Intent, Self::Unknown, Self::Completed, Self::Failed];

    /// The text in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Intent => "intent",
            Self::Unknown => "unknown",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Reads the text in the ledger.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A change that was decided on, written down before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The change, fully specified.
    pub action: Value,
    /// When it was written down; or when its owner let go of it without knowing what became of it, since it may have
    /// been sent as late as that.
    pub at: Timestamp,
    /// What AWS gave for asking after the change later, such as Route 53's change id.
    pub receipt: Option<String>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The key: `{failover id}#{step}#{resource}`, or the caller's own.
    pub operation_id: String,
    /// Where it stands.
    pub status: Status,
    /// When it was last written.
    pub timestamp: Timestamp,
    /// Why it failed.
    pub error: Option<String>,
    /// The failover it belongs to.
    pub failover_id: String,
    /// Tells a different request under the same key.
    pub request_hash: String,
    /// The token of the invocation that holds it.
    pub owner: String,
    /// How often it was claimed, from 1.
    pub attempt: u32,
    /// Until when the owner holds it; the epoch when it was released.
    pub lease_expires: Timestamp,
    /// When it was claimed first.
    pub first_claimed: Timestamp,
    /// The last change that was decided on, also by an earlier attempt.
    pub intent: Option<Intent>,
    /// The answer, once completed.
    pub result: Option<Value>,
    /// Whether a failed one may be claimed again.
    pub retryable: bool,
}

/// A wish to work on an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The operation's key.
    pub operation_id: String,
    /// The failover it belongs to.
    pub failover_id: String,
    /// The request's hash.
    pub request_hash: String,
    /// A token no other invocation has.
    pub owner: String,
    /// Until when the owner may act.
    pub lease_expires: Timestamp,
}

/// Why a claim was not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimRefused {
    /// Done before: the answer it had.
    Completed(Box<Record>),
    /// Somebody holds it.
    Held {
        /// For how long still, in milliseconds.
        lease_left_ms: u64,
    },
    /// The key belongs to another request.
    OtherRequest,
    /// It failed for good.
    FailedForGood {
        /// Why.
        error: String,
    },
}

/// What the owner has to report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// About to send a change.
    RecordIntent {
        /// The change.
        action: Value,
    },
    /// AWS took the change and gave something to ask after it with.
    RecordReceipt {
        /// What AWS gave.
        receipt: String,
    },
    /// AWS certainly did not apply the change.
    Retract {
        /// The change before it, which may have been applied: an earlier attempt's whose outcome was unknown.
        earlier: Option<Intent>,
    },
    /// The change may or may not have been applied.
    LoseOutcome {
        /// What was seen of it.
        error: String,
    },
    /// Not finished, and going: the next invocation may claim at once.
    Release,
    /// The outcome was observed.
    Complete {
        /// The answer.
        result: Value,
    },
    /// It could not be carried out.
    Fail {
        /// Why.
        error: String,
        /// Whether it may be claimed again.
        retryable: bool,
    },
}

impl Event {
    fn name(&self) -> &'static str {
        match self {
            Self::RecordIntent { .. } => "record intent",
            Self::RecordReceipt { .. } => "record receipt",
            Self::Retract { .. } => "retract",
            Self::LoseOutcome { .. } => "lose outcome",
            Self::Release => "release",
            Self::Complete { .. } => "complete",
            Self::Fail { .. } => "fail",
        }
    }
}

/// An event that does not fit the record's status: a defect of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record that is {} cannot {event}", status.as_str())]
pub struct Illegal {
    /// The record's status.
    pub status: Status,
    /// The event's name.
    pub event: &'static str,
}

impl Record {
    /// Grants or refuses a claim.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn claim(current: Option<&Self>, claim: &Claim, now: Timestamp) -> Result<Self, ClaimRefused> {
        let Some(current) = current else {
            return Ok(Self::fresh(claim, now));
        };
        if current.request_hash != claim.request_hash {
            return Err(ClaimRefused::OtherRequest);
        }
        match current.status {
            Status::Completed => Err(ClaimRefused::Completed(Box::new(current.clone()))),
            Status::Failed if !current.retryable => {
                Err(ClaimRefused::FailedForGood { error: current.error.clone().unwrap_or_default() })
            }
            Status::Claimed | Status::Intent | Status::Unknown if current.lease_expires > now => {
                Err(ClaimRefused::Held { lease_left_ms: current.lease_expires.millis_since(now) })
            }
            Status::Claimed | Status::Intent | Status::Unknown | Status::Failed => Ok(current.reclaimed(claim, now)),
        }
    }

    /// Applies an event of the owner's.
    ///
    /// # Errors
    /// [`Illegal`] when the event does not fit the status.
    pub fn apply(&self, event: Event, now: Timestamp) -> Result<Self, Illegal> {
        let illegal = Illegal { status: self.status, event: event.name() };
        let mut next = Self { timestamp: now, ..self.clone() };
        match (self.status, event) {
            (Status::Completed | Status::Failed, _)
            | (
                Status::Claimed | Status::Unknown,
                Event::RecordReceipt { .. } | Event::Retract { .. } | Event::LoseOutcome { .. },
            ) => return Err(illegal),
            (Status::Claimed | Status::Intent | Status::Unknown, Event::RecordIntent { action }) => {
                next.status = Status::Intent;
                next.intent = Some(Intent { action, at: now, receipt: None });
            }
            (Status::Intent, Event::RecordReceipt { receipt }) => {
                next.intent = next.intent.map(|intent| Intent { receipt: Some(receipt), ..intent });
            }
            (Status::Intent, Event::Retract { earlier }) => {
                next.status = Status::Claimed;
                next.intent = earlier;
            }
            (Status::Intent, Event::LoseOutcome { error }) => {
                next.status = Status::Unknown;
                next.error = Some(error);
                next.let_go_of_the_change(now);
            }
            (Status::Claimed | Status::Intent | Status::Unknown, Event::Release) => {
                next.lease_expires = Timestamp::default();
            }
            (Status::Claimed | Status::Intent | Status::Unknown, Event::Complete { result }) => {
                next.status = Status::Completed;
                next.result = Some(result);
                next.error = None;
                next.lease_expires = Timestamp::default();
            }
            (Status::Claimed | Status::Intent | Status::Unknown, Event::Fail { error, retryable }) => {
                if self.status == Status::Intent {
                    next.let_go_of_the_change(now);
                }
                next.status = Status::Failed;
                next.error = Some(error);
                next.retryable = retryable;
                next.lease_expires = Timestamp::default();
            }
        }
        Ok(next)
    }

    /// The change may have been sent as late as now, and has its time to show from now on.
    fn let_go_of_the_change(&mut self, now: Timestamp) {
        self.intent.iter_mut().for_each(|intent| intent.at = now);
    }

    /// Whether `other` is this very write: the same owner's, of the same attempt, with the same content.
    /// A refused write whose stored record is this one had landed before.
    #[must_use]
    pub fn is_same_write(&self, other: &Self) -> bool {
        self == other
    }

    fn fresh(claim: &Claim, now: Timestamp) -> Self {
        Self {
            operation_id: claim.operation_id.clone(),
            status: Status::Claimed,
            timestamp: now,
            error: None,
            failover_id: claim.failover_id.clone(),
            request_hash: claim.request_hash.clone(),
            owner: claim.owner.clone(),
            attempt: 1,
            lease_expires: claim.lease_expires,
            first_claimed: now,
            intent: None,
            result: None,
            retryable: false,
        }
    }

    /// The record for a later attempt. The last intent stays: it may have been applied.
    fn reclaimed(&self, claim: &Claim, now: Timestamp) -> Self {
        Self {
            status: Status::Claimed,
            timestamp: now,
            owner: claim.owner.clone(),
            attempt: self.attempt.saturating_add(1),
            lease_expires: claim.lease_expires,
            retryable: false,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(10_000);
    const LATER: Timestamp = Timestamp::from_millis(20_000);

    fn claim_by(owner: &str) -> Claim {
        Claim {
            operation_id: "f1#promote-aurora#trading".to_owned(),
            failover_id: "f1".to_owned(),
            request_hash: "hash".to_owned(),
            owner: owner.to_owned(),
            lease_expires: NOW.plus_millis(5_000),
        }
    }

    fn record(status: Status) -> Record {
        Record { status, ..Record::claim(None, &claim_by("a"), NOW).expect("absent") }
    }

    fn events() -> Vec<Event> {
        vec![
            Event::RecordIntent { action: json!({"do": "it"}) },
            Event::RecordReceipt { receipt: "C1".to_owned() },
            Event::Retract { earlier: None },
            Event::LoseOutcome { error: "reset".to_owned() },
            Event::Release,
            Event::Complete { result: json!({"done": true}) },
            Event::Fail { error: "no".to_owned(), retryable: true },
        ]
    }

    #[test]
    fn the_whole_table_of_status_and_event_is_as_drawn() {
        let expected = |status, event: &Event| match (status, event) {
            (Status::Completed | Status::Failed, _)
            | (
                Status::Claimed | Status::Unknown,
                Event::RecordReceipt { .. } | Event::Retract { .. } | Event::LoseOutcome { .. },
            ) => None,
            (Status::Intent, Event::Retract { .. }) => Some(Status::Claimed),
            (_, Event::RecordIntent { .. }) => Some(Status::Intent),
            (Status::Intent, Event::LoseOutcome { .. }) => Some(Status::Unknown),
            (same, Event::Release | Event::RecordReceipt { .. }) => Some(same),
            (_, Event::Complete { .. }) => Some(Status::Completed),
            (_, Event::Fail { .. }) => Some(Status::Failed),
        };
        for status in Status::ALL {
            for event in events() {
                let next = record(status).apply(event.clone(), LATER).ok().map(|next| next.status);
                assert_eq!(next, expected(status, &event), "{status:?} {event:?}");
            }
        }
    }

    #[test]
    fn no_event_changes_the_owner_the_attempt_or_the_request() {
        for status in Status::ALL {
            for event in events() {
                let before = record(status);
                if let Ok(after) = before.apply(event, LATER) {
                    assert_eq!(
                        (&after.owner, after.attempt, &after.request_hash, after.first_claimed),
                        (&before.owner, before.attempt, &before.request_hash, before.first_claimed)
                    );
                }
            }
        }
    }

    #[test]
    fn a_live_lease_is_not_overtaken_and_an_expired_one_is() {
        for status in [Status::Claimed, Status::Intent, Status::Unknown] {
            let held = record(status);
            let refused = Record::claim(Some(&held), &claim_by("b"), NOW.plus_millis(4_999)).expect_err("held");
            assert_eq!(refused, ClaimRefused::Held { lease_left_ms: 1 });
            let taken = Record::claim(Some(&held), &claim_by("b"), NOW.plus_millis(5_000)).expect("expired");
            assert_eq!((taken.owner.as_str(), taken.attempt, taken.status), ("b", 2, Status::Claimed));
        }
    }

    #[test]
    fn a_takeover_keeps_the_intent_of_the_one_before() {
        let action = json!({"promote": "x"});
        let held = record(Status::Claimed).apply(Event::RecordIntent { action: action.clone() }, NOW).expect("legal");
        let taken = Record::claim(Some(&held), &claim_by("b"), LATER).expect("expired");
        assert_eq!(taken.intent.map(|intent| intent.action), Some(action));
    }

    #[test]
    fn a_change_that_was_certainly_not_applied_leaves_no_intent() {
        let intended = record(Status::Claimed).apply(Event::RecordIntent { action: json!(1) }, NOW).expect("legal");
        let retracted = intended.apply(Event::Retract { earlier: None }, LATER).expect("legal");
        assert_eq!((retracted.status, retracted.intent), (Status::Claimed, None));
    }

    #[test]
    fn an_earlier_change_that_may_have_been_applied_outlives_a_later_one_that_was_not() {
        let lost = record(Status::Claimed).apply(Event::RecordIntent { action: json!(1) }, NOW).expect("legal");
        let earlier = lost.intent.clone();
        let again = lost.apply(Event::RecordIntent { action: json!(2) }, LATER).expect("legal");
        let retracted = again.apply(Event::Retract { earlier: earlier.clone() }, LATER).expect("legal");
        assert_eq!(retracted.intent, earlier);
    }

    #[test]
    fn a_completed_operation_is_never_claimed_again() {
        let done = record(Status::Claimed).apply(Event::Complete { result: json!(1) }, NOW).expect("legal");
        let refused = Record::claim(Some(&done), &claim_by("b"), LATER).expect_err("completed");
        assert_eq!(refused, ClaimRefused::Completed(Box::new(done)));
    }

    #[test]
    fn a_failed_operation_is_claimed_again_only_if_it_is_retryable() {
        for retryable in [true, false] {
            let event = Event::Fail { error: "why".to_owned(), retryable };
            let failed = record(Status::Claimed).apply(event, NOW).expect("legal");
            let outcome = Record::claim(Some(&failed), &claim_by("b"), NOW);
            assert_eq!(outcome.is_ok(), retryable);
        }
    }

    #[test]
    fn another_request_under_the_same_key_is_refused_in_every_status() {
        for status in Status::ALL {
            let other = Claim { request_hash: "other".to_owned(), ..claim_by("b") };
            let refused = Record::claim(Some(&record(status)), &other, LATER).expect_err("other request");
            assert_eq!(refused, ClaimRefused::OtherRequest);
        }
    }

    #[test]
    fn a_released_operation_can_be_claimed_at_once() {
        let released = record(Status::Intent).apply(Event::Release, NOW).expect("legal");
        assert!(Record::claim(Some(&released), &claim_by("b"), NOW).is_ok());
    }

    #[test]
    fn a_change_that_is_let_go_of_without_its_outcome_has_its_time_to_show_from_then_on() {
        let begun = Event::RecordIntent { action: json!({"to": "b"}) };
        let sending = record(Status::Claimed).apply(begun, NOW).expect("claimed");
        let at = |record: &Record| record.intent.as_ref().map(|intent| intent.at);
        let lose = Event::LoseOutcome { error: "reset".to_owned() };
        let fail = Event::Fail { error: "no ledger".to_owned(), retryable: true };
        for event in [lose, fail.clone()] {
            assert_eq!(at(&sending.apply(event, LATER).expect("sending")), Some(LATER));
        }
        let taken_over = Record { status: Status::Claimed, ..sending };
        for event in [Event::Release, fail] {
            assert_eq!(at(&taken_over.apply(event, LATER).expect("claimed")), Some(NOW), "nothing was sent since");
        }
    }
}
