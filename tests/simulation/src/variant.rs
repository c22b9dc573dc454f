//! The orchestrator broken on purpose, one rule at a time, to see that the properties notice.
//!
//! Nothing in the product is made for it: what is broken is changed on its way, in the ledger's requests, in what callers
//! are told of a connection, in the ledger's table, or in the state machine's definition.

use failover::contract::Timestamp;
use failover::testing::wire::Request;
use serde_json::{Value, json};

use crate::aws::{Answer, Aws};
use crate::caller::Caller;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Variant {
    /// Writes to an operation's record are not conditional on its owner.
    OwnerConditionDropped,
    /// A change is sent without having been written down.
    IntentNotRecorded,
    /// A lease ends long before its invocation does.
    LeaseShorterThanInvocation,
    /// A change whose outcome is unknown is taken for one that was not sent.
    UnknownTakenForNotSent,
    /// A step does not ask whether its generation is the newest.
    GenerationUnchecked,
    /// Traffic is moved before the database is promoted.
    TrafficBeforePromotion,
    /// An operation's record is deleted when it fails.
    RecordDeletedOnError,
    /// Two orchestrators share a ledger whose replicas agree later only.
    EventualLedger,
}

/// How long a lease is in [`Variant::LeaseShorterThanInvocation`], in milliseconds.
const SHORT_LEASE_MS: u64 = 1_000;

impl Variant {
    /// Every variant.
    pub const ALL: [Self; 8] = [
        Self::OwnerConditionDropped,
        Self::IntentNotRecorded,
        Self::LeaseShorterThanInvocation,
        Self::UnknownTakenForNotSent,
        Self::GenerationUnchecked,
        Self::TrafficBeforePromotion,
        Self::RecordDeletedOnError,
        Self::EventualLedger,
    ];

    /// Answers a request as the broken orchestrator's would be.
    pub fn answer(self, aws: &mut Aws, caller: &Caller, request: &Request, now: Timestamp) -> Answer {
        let key = request.body["Key"]["operation_id"]["S"].as_str().unwrap_or_default().to_owned();
        let of_plan = key.starts_with("plan#");
        match (self, request.operation.as_str()) {
            (Self::OwnerConditionDropped, "UpdateItem") if !of_plan && written(request, "status", "S") != "claimed" => {
                aws.answer(&unconditional(request), now)
            }
            (Self::IntentNotRecorded, "UpdateItem") if !of_plan && written(request, "status", "S") == "intent" => {
                aws.answer(&without_intent(request), now)
            }
            (Self::LeaseShorterThanInvocation, "UpdateItem") if !of_plan => {
                aws.answer(&with_short_lease(request, now), now)
            }
            (Self::GenerationUnchecked, "GetItem") if of_plan => as_if_newest(aws.answer(request, now), caller),
            (Self::RecordDeletedOnError, "UpdateItem") if !of_plan && written(request, "status", "S") == "failed" => {
                let answer = aws.answer(request, now);
                if answer.is_success() {
                    aws.dynamodb.table.remove(&key);
                }
                answer
            }
            _ => aws.answer(request, now),
        }
    }

    /// The state machine's definition as the broken orchestrator's would be.
    ///
    /// # Panics
    /// When the definition no longer has the states that are swapped.
    #[must_use]
    pub fn definition(self, text: &str) -> String {
        if self != Self::TrafficBeforePromotion {
            return text.to_owned();
        }
        let mut definition: Value = serde_json::from_str(text).expect("the definition is JSON");
        let states = &mut definition["States"];
        assert_eq!(states["NextWave"]["Default"], "Shifts", "after the last wave comes the traffic");
        // Whoever enters the waves moves the traffic first, and comes to the waves where the conclusion would be.
        states["Shifted"]["Default"] = json!("NextWave");
        states["NextWave"]["Default"] = json!("Conclude");
        redirect(&mut states["FencesJudged"]);
        definition.to_string()
    }
}

fn redirect(state: &mut Value) {
    match state {
        Value::String(next) if next == "NextWave" => "Shifts".clone_into(next),
        Value::Object(fields) => fields.values_mut().for_each(redirect),
        Value::Array(items) => items.iter_mut().for_each(redirect),
        _ => {}
    }
}

/// What a write sets an attribute to.
fn written<'a>(request: &'a Request, attribute: &str, kind: &str) -> &'a str {
    placeholder(request, attribute, "#s")
        .and_then(|name| request.body["ExpressionAttributeValues"][name.replace('#', ":")][kind].as_str())
        .unwrap_or_default()
}

/// The placeholder with which a request names an attribute: `#s…` where it is set, `#e…` where it is expected.
fn placeholder<'a>(request: &'a Request, attribute: &str, prefix: &str) -> Option<&'a str> {
    let names = request.body["ExpressionAttributeNames"].as_object()?;
    let mut placeholders = names.iter().filter(|(name, value)| name.starts_with(prefix) && *value == attribute);
    placeholders.next().map(|(name, _)| name.as_str())
}

fn unconditional(request: &Request) -> Request {
    let mut changed = request.clone();
    changed.body["ExpressionAttributeNames"]["#none"] = json!("no_such_attribute");
    changed.body["ConditionExpression"] = json!("attribute_not_exists(#none)");
    changed
}

fn without_intent(request: &Request) -> Request {
    let mut changed = request.clone();
    for attribute in ["intent", "intent_at_ms"] {
        if let Some(name) = placeholder(request, attribute, "#s") {
            changed.body["ExpressionAttributeNames"][name] = json!(format!("forgotten_{attribute}"));
        }
    }
    changed
}

fn with_short_lease(request: &Request, now: Timestamp) -> Request {
    let mut changed = request.clone();
    if let Some(name) = placeholder(request, "lease_expires_ms", "#s") {
        let value = name.replace('#', ":");
        let asked: i64 =
            request.body["ExpressionAttributeValues"][&value]["N"].as_str().map_or(0, |text| text.parse().unwrap_or(0));
        let short = asked.min(now.plus_millis(SHORT_LEASE_MS).as_millis());
        changed.body["ExpressionAttributeValues"][&value] = json!({ "N": short.to_string() });
    }
    // The owner still believes in the lease that it asked for.
    if let Some(name) = placeholder(request, "lease_expires_ms", "#e") {
        let expected = format!("{name} = {}", name.replace('#', ":"));
        let conditions = request.body["ConditionExpression"].as_str().unwrap_or_default();
        let others: Vec<&str> = conditions.split(" AND ").filter(|condition| *condition != expected).collect();
        changed.body["ConditionExpression"] = json!(others.join(" AND "));
    }
    changed
}

fn as_if_newest(answer: Answer, caller: &Caller) -> Answer {
    match (answer, caller.generation) {
        (Answer::Body(mut body), Some(generation)) if body["Item"].is_object() => {
            body["Item"]["generation"] = json!({ "N": generation.to_string() });
            Answer::Body(body)
        }
        (answer, _) => answer,
    }
}
