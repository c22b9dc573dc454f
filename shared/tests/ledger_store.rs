//! The ledger's writes as they go over the wire: what is stored, and what becomes of a write that loses.
//!
//! With the feature `test-util` only, which the workspace's tests switch on; `cargo test -p failover` alone needs
//! `--features test-util`.
#![cfg(feature = "test-util")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use failover::contract::{FailoverId, Initiator, PlanName, Region};
use failover::error::{Error, ErrorCode};
use failover::ledger::{Admission, Claim, Claimed, Event, HandOver, PlanItem, Record};
use failover::runtime::Toolbox;
use failover::testing::{FakeAws, Reply, START};
use serde_json::{Value, json};

const OPERATION: &str = "f1#promote-aurora#trading";
const PLAN_ITEM: &str = "plan#trading";
const LEASE: Duration = Duration::from_secs(150);
/// A write, and as often again as it may lose a race.
const ATTEMPTS: usize = 4;

fn plan() -> PlanName {
    PlanName::parse("trading").expect("valid")
}

fn home() -> Region {
    Region::parse("eu-central-1").expect("valid")
}

fn standby() -> Region {
    Region::parse("eu-west-1").expect("valid")
}

fn claim_by(owner: &str) -> Claim {
    Claim {
        operation_id: OPERATION.to_owned(),
        failover_id: "f1".to_owned(),
        request_hash: "hash".to_owned(),
        owner: owner.to_owned(),
        lease_expires: START.plus_millis(20_000),
    }
}

async fn claimed(tools: &Toolbox, owner: &str) -> Record {
    match tools.ledger.claim(&claim_by(owner)).await {
        Ok(Claimed::Granted(record)) => *record,
        other => panic!("nobody holds it: {other:?}"),
    }
}

fn wish(id: &str) -> Admission {
    Admission {
        failover_id: FailoverId::parse(id).expect("valid"),
        initiator: Initiator::Person,
        source: home(),
        target: standby(),
        active_until: START.plus_millis(60_000),
    }
}

async fn admit(tools: &Toolbox, id: &str) -> Result<PlanItem, Error> {
    tools.ledger.change_plan_item(&plan(), |item, now| item.admit(&plan(), &wish(id), now)).await
}

/// What DynamoDB answers a write whose condition the present item does not meet.
fn lost_to(item: &Value) -> Reply {
    let failed = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
    Reply::Answer(400, json!({ "__type": failed, "message": "The conditional request failed", "Item": item }))
}

fn writes(aws: &FakeAws) -> usize {
    aws.requests_to("dynamodb", "UpdateItem").len()
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_stored_with_every_attribute_and_may_be_tidied_up_after_90_days() {
    let aws = FakeAws::new();
    claimed(&aws.toolbox(), "a").await;
    let now = START.as_millis();
    let expected = json!({
        "operation_id": { "S": OPERATION },
        "status": { "S": "claimed" },
        "timestamp": { "S": "2026-11-21T04:00:00Z" },
        "timestamp_ms": { "N": now.to_string() },
        "failover_id": { "S": "f1" },
        "request_hash": { "S": "hash" },
        "owner": { "S": "a" },
        "attempt": { "N": "1" },
        "lease_expires_ms": { "N": (now + 20_000).to_string() },
        "first_claimed_ms": { "N": now.to_string() },
        "retryable": { "BOOL": false },
        "expires_at": { "N": (now / 1000 + 7_776_000).to_string() },
    });
    assert_eq!(aws.ledger_item(OPERATION), Some(expected));
}

#[tokio::test(start_paused = true)]
async fn a_record_reads_as_it_was_written_after_each_event() {
    let aws = FakeAws::new();
    let tools = aws.toolbox();
    assert_eq!(tools.ledger.operation(OPERATION).await.expect("readable"), None);
    let mut record = claimed(&tools, "a").await;
    for event in [
        Event::RecordIntent { action: json!({ "promote": ["trading"] }) },
        Event::RecordReceipt { receipt: "C1".to_owned() },
        Event::LoseOutcome { error: "reset".to_owned() },
        Event::Fail { error: "no".to_owned(), retryable: true },
    ] {
        record = tools.ledger.record(&record, event).await.expect("the owner's");
        assert_eq!(tools.ledger.operation(OPERATION).await.expect("readable"), Some(record.clone()));
    }
    let again = claimed(&tools, "b").await;
    let done = tools.ledger.record(&again, Event::Complete { result: json!({ "done": true }) }).await;
    assert_eq!(tools.ledger.operation(OPERATION).await.expect("readable"), done.ok());
    let item = aws.ledger_item(OPERATION).expect("stored");
    assert!(item.get("error").is_none(), "what failed before is not what became of it: {item}");
    assert_eq!((&item["result"], &item["receipt"]), (&json!({ "S": "{\"done\":true}" }), &json!({ "S": "C1" })));
}

#[tokio::test(start_paused = true)]
async fn a_completed_operation_is_answered_from_its_record_and_a_held_one_with_the_time_it_is_held() {
    let aws = FakeAws::new();
    let tools = aws.toolbox();
    let record = claimed(&tools, "a").await;
    match tools.ledger.claim(&claim_by("b")).await {
        Err(Error::InProgress { operation_id, lease_left_ms }) => {
            assert_eq!((operation_id.as_str(), lease_left_ms), (OPERATION, 20_000));
        }
        other => panic!("another holds it: {other:?}"),
    }
    let done = tools.ledger.record(&record, Event::Complete { result: json!(1) }).await.expect("the owner's");
    assert_eq!(tools.ledger.claim(&claim_by("b")).await.expect("answered"), Claimed::Completed(Box::new(done)));
}

#[tokio::test(start_paused = true)]
async fn an_own_write_that_had_landed_before_its_answer_was_lost_is_no_lost_race() {
    let before = FakeAws::new();
    let record = claimed(&before.toolbox(), "a").await;
    let tools = before.toolbox();
    // The same invocation's client sends the claim again, and finds it written.
    assert_eq!(claimed(&tools, "a").await, record);
    let intent = Event::RecordIntent { action: json!(1) };
    let next = tools.ledger.record(&record, intent.clone()).await.expect("the owner's");
    assert_eq!(
        tools.ledger.record(&record, Event::Release).await.expect_err("it has moved on").code(),
        ErrorCode::InProgress
    );
    assert_eq!(tools.ledger.record(&record, intent).await.expect("written before"), next);
}

#[tokio::test(start_paused = true)]
async fn whoever_was_overtaken_is_told_for_how_long_the_other_holds_it() {
    let aws = FakeAws::new();
    let tools = aws.toolbox();
    let late = claimed(&tools, "a").await;
    tools.env.sleep(Duration::from_secs(20)).await;
    let lease_expires = tools.env.now().plus_millis(7_000);
    tools.ledger.claim(&Claim { lease_expires, ..claim_by("b") }).await.expect("the lease ran out");
    match tools.ledger.record(&late, Event::Complete { result: json!("late") }).await {
        Err(Error::InProgress { lease_left_ms, .. }) => assert_eq!(lease_left_ms, 7_000),
        other => panic!("another has taken it over: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_a_person_broke_is_named_and_claimed_by_nobody() {
    for (name, value) in [
        ("retryable", json!({ "S": "yes" })),
        ("attempt", json!({ "N": "-1" })),
        ("attempt", json!({ "N": "4294967296" })),
        ("status", json!({ "S": "asleep" })),
        ("lease_expires_ms", json!({ "N": i64::MAX.to_string() })),
        ("intent", json!({ "S": "{" })),
    ] {
        let aws = FakeAws::new();
        claimed(&aws.toolbox(), "a").await;
        let mut item = aws.ledger_item(OPERATION).expect("stored");
        item[name] = value;
        aws.put_ledger_item(item);
        let error = aws.toolbox().ledger.claim(&claim_by("b")).await.expect_err(name);
        assert_eq!(error.code(), ErrorCode::Refused, "{error}");
        assert!(error.to_string().contains(&format!("attribute {name} ")), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_changes_nothing_writes_nothing_and_another_one_writes_once() {
    let aws = FakeAws::new();
    let tools = aws.toolbox();
    let same = tools.ledger.change_plan_item(&plan(), |item, _| Ok(item.clone())).await;
    assert_eq!((same.expect("nothing in the way"), writes(&aws)), (PlanItem::default(), 0));
    assert_eq!(aws.ledger_item(PLAN_ITEM), None);
    let admitted = admit(&tools, "one").await.expect("nothing in the way");
    assert_eq!((admitted.generation, writes(&aws)), (1, 1));
    assert_eq!(tools.ledger.plan_item(&plan()).await.expect("readable"), admitted);
    assert_eq!(aws.ledger_item(PLAN_ITEM).expect("stored")["failover_id"], json!({ "S": "one" }));
}

#[tokio::test(start_paused = true)]
async fn an_item_without_a_failover_has_no_generation() {
    let aws = FakeAws::new();
    let hold = |item: &PlanItem, now| Ok(item.set_kill_switch(true, "ada", "maintenance", now));
    aws.toolbox().ledger.change_plan_item(&plan(), hold).await.expect("nothing in the way");
    let item = aws.ledger_item(PLAN_ITEM).expect("stored");
    assert_eq!((item.get("generation"), &item["kill_switch"]), (None, &json!({ "BOOL": true })));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_lost_is_decided_anew_on_what_the_other_one_wrote() {
    let other = json!({
        "operation_id": { "S": PLAN_ITEM }, "revision": { "N": "1" }, "generation": { "N": "6" },
        "kill_switch": { "BOOL": true }
    });
    let aws = FakeAws::new();
    aws.on("dynamodb", "UpdateItem", [lost_to(&other), Reply::json(json!({}))]);
    let admitted = admit(&aws.toolbox(), "one").await.expect("a person's");
    assert_eq!((admitted.generation, admitted.kill_switch.holds(), writes(&aws)), (7, true, 2));
    let second = &aws.requests_to("dynamodb", "UpdateItem")[1].body;
    let expected = second["ExpressionAttributeValues"][":e0"].clone();
    assert_eq!(expected, json!({ "N": "1" }), "the second write holds for the other's revision: {second}");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_had_landed_before_its_answer_was_lost_is_not_made_twice() {
    let before = FakeAws::new();
    admit(&before.toolbox(), "one").await.expect("nothing in the way");
    let landed = before.ledger_item(PLAN_ITEM).expect("stored");
    let aws = FakeAws::new();
    aws.on("dynamodb", "UpdateItem", [lost_to(&landed)]);
    let admitted = admit(&aws.toolbox(), "one").await.expect("it is there");
    assert_eq!((admitted.generation, writes(&aws)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn whoever_loses_every_race_is_told_so_in_the_end() {
    let other = json!({ "operation_id": { "S": PLAN_ITEM }, "generation": { "N": "6" } });
    let aws = FakeAws::new();
    aws.on("dynamodb", "UpdateItem", [lost_to(&other)]);
    assert_eq!(admit(&aws.toolbox(), "one").await.expect_err("lost").code(), ErrorCode::InProgress);
    assert_eq!(writes(&aws), ATTEMPTS);
}

#[tokio::test(start_paused = true)]
async fn the_writer_lease_is_renewed_and_handed_over_once_it_has_run_out() {
    let aws = FakeAws::new();
    let tools = aws.toolbox();
    let renewed = tools.ledger.renew_writer(&plan(), &home(), LEASE).await.expect("the first grant");
    let until = START.plus_millis(150_000);
    assert_eq!(renewed.writer.as_ref().map(|grant| (&grant.region, grant.until)), Some((&home(), until)));
    admit(&tools, "one").await.expect("nothing in the way");
    let free = until.plus_millis(1_000);
    let early = tools.ledger.hand_over_writer(&plan(), 1, &standby(), LEASE).await;
    assert_eq!(early.expect("asked"), HandOver::WaitUntil(free));
    tools.env.sleep(Duration::from_secs(151)).await;
    let granted = tools.ledger.hand_over_writer(&plan(), 1, &standby(), LEASE).await.expect("asked");
    let stored = tools.ledger.plan_item(&plan()).await.expect("readable");
    assert_eq!(stored.writer.as_ref().map(|grant| &grant.region), Some(&standby()));
    assert_eq!(granted, HandOver::Granted(stored));
}
