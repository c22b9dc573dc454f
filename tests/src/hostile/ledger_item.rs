//! Items of the ledger as DynamoDB returns them: a person, or a function of another version, may have written them.

use std::time::Duration;

use failover::contract::{FailoverId, Initiator, Outcome, PlanName, Region, Timestamp};
use failover::error::{Error, ErrorCode, chain};
use failover::ledger::{Admission, Claim, Claimed, Event, Ledger, PlanItem, Record};
use failover::testing::{FakeAws, START};
use serde_json::{Value, json};

use super::world::{self, Function, PLAN};

/// The operation whose record is read.
const OPERATION: &str = "f1#scale-ecs#eu-west-1/trading-ireland/*";

/// An object with the attributes of a plan's item and of a record, in DynamoDB's JSON: `{ "plan": …, "record": … }`.
///
/// - What cannot be read holds everything back, by an error that names the item; what can be read can be written, and
///   reads as it was written.
/// - A kill switch that is not clearly off holds alarms.
/// - A record that says that nobody is at work can be claimed; one that is done is never claimed again.
/// - No command and no step panics on any of it.
pub fn ledger_item(bytes: &[u8]) {
    let Ok(items) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let stored = Stored {
        plan: attributes(&items["plan"], &format!("plan#{PLAN}")),
        record: attributes(&items["record"], OPERATION),
    };
    if stored.plan.is_none() && stored.record.is_none() {
        return;
    }
    let plan = PlanName::parse(PLAN).expect("a plan's name");
    world::run(exercise_plan_item(&stored, &plan));
    world::run(exercise_record(&stored));
    world::run(exercise_functions(&stored));
}

struct Stored {
    plan: Option<Value>,
    record: Option<Value>,
}

impl Stored {
    fn aws(&self) -> FakeAws {
        let aws = world::aws();
        self.plan.iter().chain(&self.record).for_each(|item| aws.put_ledger_item(item.clone()));
        aws
    }
}

/// The types that DynamoDB's attributes have.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html>
const TYPES: [&str; 10] = ["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"];

/// The attributes as an item with this key; none if there are none. What is of no type that DynamoDB has is left out:
/// it returns none, and the SDK could not write it again.
fn attributes(found: &Value, key: &str) -> Option<Value> {
    let mut item = found.as_object()?.clone();
    item.retain(|_, attribute| is_attribute(attribute));
    item.values_mut().for_each(normalise);
    item.insert("operation_id".to_owned(), json!({ "S": key }));
    Some(Value::Object(item))
}

fn is_attribute(attribute: &Value) -> bool {
    let Some(fields) = attribute.as_object().filter(|fields| fields.len() == 1) else {
        return false;
    };
    fields.iter().all(|(of_type, value)| match (of_type.as_str(), value) {
        ("L", Value::Array(items)) => items.iter().all(is_attribute),
        ("M", Value::Object(fields)) => fields.values().all(is_attribute),
        (other, _) => TYPES.contains(&other),
    })
}

/// Whole numbers as DynamoDB returns them, however they were written.
fn normalise(attribute: &mut Value) {
    match attribute {
        Value::Object(fields) => {
            if let Some(Value::String(digits)) = fields.get_mut("N") {
                if let Ok(number) = digits.parse::<i128>() {
                    *digits = number.to_string();
                }
            } else {
                fields.values_mut().for_each(normalise);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn region(code: &str) -> Region {
    Region::parse(code).expect("a Region")
}

/// A rule that makes another item of a plan's.
type Rule<'a> = dyn Fn(&PlanItem, Timestamp) -> Result<PlanItem, Error> + 'a;

/// Every change that the rules make of a plan's item.
async fn exercise_plan_item(stored: &Stored, plan: &PlanName) {
    let tools = stored.aws().toolbox();
    let item = match tools.ledger.plan_item(plan).await {
        Ok(item) => item,
        Err(error) => return check_unreadable(&error),
    };
    let switch = stored.plan.as_ref().and_then(|item| item.get("kill_switch"));
    let clearly_off = switch.is_none_or(|switch| *switch == json!({ "BOOL": false }));
    let now = tools.env.now();
    let alarm = item.permit(plan, Some(item.generation), Initiator::Alarm, now);
    assert_eq!(alarm.is_err(), !clearly_off, "the kill switch is {switch:?}");
    // Nobody may act for a generation that was never claimed.
    assert!(
        item.permit(plan, item.generation.checked_add(1), Initiator::Person, now).is_err()
            || item.generation == u64::MAX
    );
    let (home, standby) = (region("eu-central-1"), region("eu-west-1"));
    let wish = Admission {
        failover_id: FailoverId::parse("hostile").expect("an id"),
        initiator: Initiator::Person,
        source: home.clone(),
        target: standby.clone(),
        active_until: now.plus_millis(60_000),
    };
    let lease = Duration::from_secs(150);
    let direction = wish.direction();
    let rules: [&Rule<'_>; 6] = [
        &|item, now| item.admit(plan, &wish, now),
        &|item, now| item.renew_writer(item.writer_region(&home), lease, now),
        &|item, now| item.close(plan, item.generation, Outcome::Succeeded, &direction, now.plus_millis(1_000)),
        &|item, _| item.abandon(plan, item.generation),
        &|item, now| Ok(item.acknowledge("ada", "seen", now)),
        &|item, now| Ok(item.set_kill_switch(true, "ada", "hold", now)),
    ];
    for rule in rules {
        let tools = stored.aws().toolbox();
        match tools.ledger.change_plan_item(plan, rule).await {
            Ok(next) => {
                assert!(next.generation >= item.generation, "the generation went back");
                assert_eq!(tools.ledger.plan_item(plan).await.expect("readable"), next, "it reads otherwise");
            }
            Err(error) => check_refused(&error),
        }
    }
    admitted_is_newer(stored, plan, &wish, &item).await;
}

/// An admission supersedes whatever was before it, or is refused.
async fn admitted_is_newer(stored: &Stored, plan: &PlanName, wish: &Admission, before: &PlanItem) {
    let tools = stored.aws().toolbox();
    let is_other = before.newest.as_ref().is_none_or(|newest| newest.id != wish.failover_id);
    if let Ok(next) = tools.ledger.change_plan_item(plan, |item, now| item.admit(plan, wish, now)).await
        && is_other
    {
        let old = next.permit(plan, Some(before.generation), Initiator::Person, tools.env.now());
        assert_eq!(old.expect_err("superseded").code(), ErrorCode::Superseded);
    }
}

/// The record's way through a claim and each thing that its owner may report.
async fn exercise_record(stored: &Stored) {
    let tools = stored.aws().toolbox();
    let ledger = &tools.ledger;
    let before = match ledger.operation(OPERATION).await {
        Ok(before) => before,
        Err(error) => return check_unreadable(&error),
    };
    let claim = Claim {
        operation_id: OPERATION.to_owned(),
        failover_id: "f1".to_owned(),
        request_hash: before.as_ref().map_or_else(|| "hash".to_owned(), |record| record.request_hash.clone()),
        owner: "the-test".to_owned(),
        lease_expires: START.plus_millis(60_000),
    };
    let by_rule = Record::claim(before.as_ref(), &claim, tools.env.now());
    let claimed = match ledger.claim(&claim).await {
        Ok(Claimed::Granted(record)) => *record,
        Ok(Claimed::Completed(record)) => return assert_eq!(Some(*record), before, "answered with what is recorded"),
        Err(error) => {
            assert!(by_rule.is_err(), "nobody holds it, and it cannot be claimed: {error}");
            return check_refused(&error);
        }
    };
    assert_eq!(by_rule.as_ref(), Ok(&claimed));
    reads_as(ledger, &claimed).await;
    for event in [
        Event::RecordIntent { action: json!({ "do": "it" }) },
        Event::RecordReceipt { receipt: "C1".to_owned() },
        Event::LoseOutcome { error: "reset".to_owned() },
        Event::Complete { result: json!({ "done": true }) },
    ] {
        let current = ledger.operation(OPERATION).await.expect("readable").expect("claimed");
        let next = ledger.record(&current, event).await.expect("the owner may report it");
        reads_as(ledger, &next).await;
    }
    let again = ledger.claim(&Claim { owner: "another".to_owned(), ..claim }).await.expect("answered");
    assert!(matches!(again, Claimed::Completed(_)), "what is done is done again");
}

async fn reads_as(ledger: &Ledger, written: &Record) {
    let read = ledger.operation(OPERATION).await.expect("readable");
    assert_eq!(read.as_ref(), Some(written), "it reads otherwise than it was written");
}

/// What people and the functions do with such a ledger.
async fn exercise_functions(stored: &Stored) {
    for command in [
        json!({ "command": "watch" }),
        json!({ "command": "acknowledge", "plan": PLAN, "by": "ada", "reason": "seen" }),
        json!({ "command": "kill_switch", "plan": PLAN, "set": false, "by": "ada", "reason": "done" }),
    ] {
        match world::probe(&stored.aws(), command).await {
            Ok(answer) => drop(serde_json::to_value(answer).expect("an answer can be written")),
            // The ledger may name a Region that the function is not set up for.
            Err(error @ Error::Config { .. }) => super::check_error(&error),
            Err(error) => check_refused(&error),
        }
    }
    for initiator in ["alarm", "person"] {
        let request = json!({
            "cluster": "trading-ireland", "services": "all", "capacity": { "desired": 2 },
            "run": { "failover_id": "f1", "initiator": initiator, "generation": 1 }
        });
        match world::step(&stored.aws(), Function::ScaleEcs, request).await {
            Ok(answer) => drop(serde_json::to_value(answer).expect("an answer can be written")),
            Err(error) => super::check_error(&error),
        }
    }
}

/// An item that cannot be read is named, with the cure. What no attribute value of DynamoDB can be is an answer that the
/// SDK cannot read.
fn check_unreadable(error: &Error) {
    let text = chain(error);
    let named = error.code() == ErrorCode::Refused && text.contains("attribute ") && text.contains("repair the item");
    assert!(named || error.code() == ErrorCode::Transient, "{text}");
    super::check_error(error);
}

fn check_refused(error: &Error) {
    super::check_error(error);
    assert!(
        matches!(
            error.code(),
            ErrorCode::Refused
                | ErrorCode::InProgress
                | ErrorCode::Superseded
                | ErrorCode::Transient
                | ErrorCode::Denied
        ),
        "{}",
        chain(error)
    );
}
