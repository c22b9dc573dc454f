//! What a record of the ledger keeps, to the last field, whatever is done with it.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use failover::contract::Timestamp;
use failover::ledger::{Claim, Event, Intent, Record, Status};
use serde_json::json;

const NOW: Timestamp = Timestamp::from_millis(10_000);
const LATER: Timestamp = Timestamp::from_millis(20_000);
const MUCH_LATER: Timestamp = Timestamp::from_millis(90_000);

fn claim_by(owner: &str, lease_expires: Timestamp) -> Claim {
    Claim {
        operation_id: "f1#promote-aurora#trading".to_owned(),
        failover_id: "f1".to_owned(),
        request_hash: "hash".to_owned(),
        owner: owner.to_owned(),
        lease_expires,
    }
}

fn claimed() -> Record {
    Record::claim(None, &claim_by("a", NOW.plus_millis(5_000)), NOW).expect("absent")
}

fn intended() -> Record {
    claimed().apply(Event::RecordIntent { action: json!({ "do": "it" }) }, NOW).expect("legal")
}

/// Every event, with its name.
fn events() -> [(Event, &'static str); 7] {
    [
        (Event::RecordIntent { action: json!({ "do": "it" }) }, "record intent"),
        (Event::RecordReceipt { receipt: "C1".to_owned() }, "record receipt"),
        (Event::Retract { earlier: None }, "retract"),
        (Event::LoseOutcome { error: "reset".to_owned() }, "lose outcome"),
        (Event::Release, "release"),
        (Event::Complete { result: json!({ "done": true }) }, "complete"),
        (Event::Fail { error: "no".to_owned(), retryable: true }, "fail"),
    ]
}

#[test]
fn each_status_is_written_as_its_word_and_read_again() {
    for (status, word) in [
        (Status::Claimed, "claimed"),
        (Status::Intent, "intent"),
        (Status::Unknown, "unknown"),
        (Status::Completed, "completed"),
        (Status::Failed, "failed"),
    ] {
        assert_eq!(status.as_str(), word);
        assert_eq!(Status::parse(word), Some(status));
    }
    assert_eq!(Status::parse("asleep"), None);
}

#[test]
fn an_event_that_does_not_fit_is_named_with_the_status() {
    for status in [Status::Completed, Status::Failed] {
        for (event, name) in events() {
            let illegal = Record { status, ..claimed() }.apply(event, LATER).expect_err(name);
            assert_eq!(illegal.to_string(), format!("a record that is {} cannot {name}", status.as_str()));
        }
    }
}

#[test]
fn a_record_says_when_it_was_written_last() {
    for (event, name) in events() {
        let written = intended().apply(event, LATER).expect(name);
        assert_eq!(written.timestamp, LATER, "{name}");
    }
}

#[test]
fn a_receipt_is_kept_with_its_change() {
    let before = intended();
    let after = before.apply(Event::RecordReceipt { receipt: "C1".to_owned() }, LATER).expect("legal");
    let intent = Intent { action: json!({ "do": "it" }), at: NOW, receipt: Some("C1".to_owned()) };
    assert_eq!(after, Record { timestamp: LATER, intent: Some(intent), ..before });
}

#[test]
fn a_takeover_begins_anew_and_keeps_what_may_have_been_applied() {
    let failed = intended().apply(Event::Fail { error: "no".to_owned(), retryable: true }, NOW).expect("legal");
    let lease = MUCH_LATER.plus_millis(5_000);
    let taken = Record::claim(Some(&failed), &claim_by("b", lease), MUCH_LATER).expect("it may be tried again");
    let expected = Record {
        status: Status::Claimed,
        timestamp: MUCH_LATER,
        owner: "b".to_owned(),
        attempt: 2,
        lease_expires: lease,
        retryable: false,
        ..failed
    };
    assert_eq!(taken, expected);
    assert_eq!(taken.first_claimed, NOW, "since when it has been tried stays");
}

#[test]
fn a_write_is_the_same_only_with_the_same_content() {
    let written = intended();
    assert!(written.is_same_write(&intended()));
    for other in [
        Record { owner: "b".to_owned(), ..intended() },
        Record { attempt: 2, ..intended() },
        Record { timestamp: LATER, ..intended() },
        claimed(),
    ] {
        assert!(!written.is_same_write(&other), "{other:?}");
    }
}
