//! The ledger in DynamoDB: every write is one `UpdateItem` that holds only if the item is still what was read.
//!
//! It needs neither transactions nor TTL nor indexes, so that a strongly consistent global table can hold it.
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/multi-region-strong-consistency-gt.html>

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde_json::Value;

use super::plan_item::{NewestFailover, Phase, PlanItem};
use super::record::{Claim, ClaimRefused, Event, Intent, Record, Status};
use crate::aws_call::Calls;
use crate::contract::{FailoverId, PlanName, Region, Timestamp};
use crate::env::Env;
use crate::error::Error;

/// How long a finished operation stays before DynamoDB may tidy it up, in seconds: 90 days.
pub const RETENTION_SECONDS: i64 = 90 * 24 * 60 * 60;
/// How often a write is tried again after it lost a race to another writer.
const MOST_RACES: u32 = 3;

type Item = HashMap<String, AttributeValue>;

/// The ledger's table.
#[derive(Clone, Debug)]
pub struct Ledger {
    client: Client,
    calls: Calls,
    env: Env,
    table: String,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is ours.
    Granted(Box<Record>),
    /// It was done before.
    Completed(Box<Record>),
}

/// What became of a compare-and-set.
enum Written {
    Yes,
    /// The item is another by now.
    Lost(Box<Item>),
}

/// An item's new attributes, and the condition on its present ones.
struct Change {
    set: Item,
    remove: Vec<&'static str>,
    /// What its present attributes have to be.
    expect: Vec<(&'static str, Expected)>,
}

/// What an attribute has to be for a write to hold.
enum Expected {
    Absent,
    Is(AttributeValue),
    AbsentOr(AttributeValue),
}

impl Expected {
    fn is_or_absent(value: Option<AttributeValue>) -> Self {
        value.map_or(Self::Absent, Self::Is)
    }
}

impl Ledger {
    /// The ledger in `table`.
    #[must_use]
    pub fn new(client: Client, calls: Calls, env: Env, table: String) -> Self {
        Self { client, calls, env, table }
    }

    /// Claims an operation. One call when it is new or completed.
    ///
    /// # Errors
    /// [`Error::InProgress`] while another holds it, [`Error::PayloadMismatch`] for another request under its key,
    /// [`Error::Refused`] when it failed for good, and errors of the calls.
    pub async fn claim(&self, claim: &Claim) -> Result<Claimed, Error> {
        let mut current: Option<Record> = None;
        for _ in 0..=MOST_RACES {
            let now = self.env.now();
            let next = match Record::claim(current.as_ref(), claim, now) {
                Ok(next) => next,
                Err(refused) => return claim_refused(&claim.operation_id, refused),
            };
            let change = record_change(current.as_ref(), &next);
            match self.write(&claim.operation_id, "claiming the operation", change).await? {
                Written::Yes => return Ok(Claimed::Granted(Box::new(next))),
                Written::Lost(item) => {
                    let stored = read_record(&item)?;
                    if stored.is_same_write(&next) {
                        return Ok(Claimed::Granted(Box::new(stored)));
                    }
                    current = Some(stored);
                }
            }
        }
        Err(Error::InProgress { operation_id: claim.operation_id.clone(), lease_left_ms: 0 })
    }

    /// Records what the owner has to report.
    ///
    /// # Errors
    /// [`Error::InProgress`] when another has taken the operation over, [`Error::Bug`] for an event that does not fit,
    /// and errors of the call.
    pub async fn record(&self, record: &Record, event: Event) -> Result<Record, Error> {
        let doing = "writing the operation's record";
        let next = record
            .apply(event, self.env.now())
            .map_err(|illegal| Error::Bug { doing: doing.to_owned(), problem: illegal.to_string() })?;
        match self.write(&record.operation_id, doing, record_change(Some(record), &next)).await? {
            Written::Yes => Ok(next),
            Written::Lost(item) => {
                let stored = read_record(&item)?;
                if stored.is_same_write(&next) {
                    return Ok(stored);
                }
                let lease_left_ms = stored.lease_expires.millis_since(self.env.now());
                Err(Error::InProgress { operation_id: record.operation_id.clone(), lease_left_ms })
            }
        }
    }

    /// Reads an operation's record; none when nobody has claimed it.
    ///
    /// # Errors
    /// Errors of the call, and of an item that is not a record.
    pub async fn operation(&self, operation_id: &str) -> Result<Option<Record>, Error> {
        let item = self.get(operation_id, "reading the operation's record").await?;
        item.as_ref().map(read_record).transpose()
    }

    /// Reads a plan's item; a plan that never failed over has an empty one.
    ///
    /// # Errors
    /// Errors of the call, so that whoever cannot read it does not act.
    pub async fn plan_item(&self, plan: &PlanName) -> Result<PlanItem, Error> {
        let item = self.get(&plan_key(plan), "reading the plan's state in the ledger").await?;
        item.as_ref().map_or_else(|| Ok(PlanItem::default()), read_plan_item)
    }

    /// Changes a plan's item by a pure rule, which is asked again when another writer was faster.
    ///
    /// # Errors
    /// The rule's own, [`Error::Transient`]-like errors of the calls, and [`Error::InProgress`] when races never end.
    pub async fn change_plan_item(
        &self,
        plan: &PlanName,
        rule: impl Fn(&PlanItem, Timestamp) -> Result<PlanItem, Error>,
    ) -> Result<PlanItem, Error> {
        let mut current = self.plan_item(plan).await?;
        for _ in 0..=MOST_RACES {
            let now = self.env.now();
            let next = rule(&current, now)?;
            let change = plan_change(&current, &next, now);
            match self.write(&plan_key(plan), "writing the plan's state in the ledger", change).await? {
                Written::Yes => return Ok(next),
                Written::Lost(item) => {
                    current = read_plan_item(&item)?;
                    if current == next {
                        return Ok(next);
                    }
                }
            }
        }
        Err(Error::InProgress { operation_id: plan_key(plan), lease_left_ms: 0 })
    }

    async fn get(&self, key: &str, doing: &str) -> Result<Option<Item>, Error> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("operation_id", text(key))
            .consistent_read(true)
            .send();
        let answer = self.calls.call("dynamodb", "GetItem", request).await;
        Ok(answer.map_err(|error| Error::from_read(doing, error))?.item)
    }

    async fn write(&self, key: &str, doing: &str, change: Change) -> Result<Written, Error> {
        let mut request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("operation_id", text(key))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut sets = Vec::new();
        for (index, (name, value)) in change.set.into_iter().enumerate() {
            sets.push(format!("#s{index} = :s{index}"));
            request = request
                .expression_attribute_names(format!("#s{index}"), name)
                .expression_attribute_values(format!(":s{index}"), value);
        }
        let mut update = format!("SET {}", sets.join(", "));
        if !change.remove.is_empty() {
            let mut removals = Vec::new();
            for (index, name) in change.remove.into_iter().enumerate() {
                removals.push(format!("#r{index}"));
                request = request.expression_attribute_names(format!("#r{index}"), name);
            }
            update = format!("{update} REMOVE {}", removals.join(", "));
        }
        let mut conditions = Vec::new();
        for (index, (name, expected)) in change.expect.into_iter().enumerate() {
            request = request.expression_attribute_names(format!("#e{index}"), name);
            let (condition, value) = match expected {
                Expected::Absent => (format!("attribute_not_exists(#e{index})"), None),
                Expected::Is(value) => (format!("#e{index} = :e{index}"), Some(value)),
                Expected::AbsentOr(value) => {
                    (format!("(attribute_not_exists(#e{index}) OR #e{index} = :e{index})"), Some(value))
                }
            };
            conditions.push(condition);
            if let Some(value) = value {
                request = request.expression_attribute_values(format!(":e{index}"), value);
            }
        }
        let sent = request.update_expression(update).condition_expression(conditions.join(" AND ")).send();
        let mut lost = None;
        let outcome = self
            .calls
            .call("dynamodb", "UpdateItem", async {
                let answer = sent.await;
                lost = answer.as_ref().err().and_then(losing_item);
                answer
            })
            .await;
        match (outcome, lost) {
            (Ok(_), _) => Ok(Written::Yes),
            (Err(_), Some(item)) => Ok(Written::Lost(Box::new(item))),
            // A compare-and-set is safe to repeat, so its unknown outcome is resolved by the next attempt.
            (Err(error), None) => Err(Error::from_read(doing, error)),
        }
    }
}

fn losing_item<R>(error: &SdkError<UpdateItemError, R>) -> Option<Item> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(lost)) => Some(lost.item.clone().unwrap_or_default()),
        _ => None,
    }
}

fn claim_refused(operation_id: &str, refused: ClaimRefused) -> Result<Claimed, Error> {
    let operation_id = operation_id.to_owned();
    match refused {
        ClaimRefused::Completed(record) => Ok(Claimed::Completed(record)),
        ClaimRefused::Held { lease_left_ms } => Err(Error::InProgress { operation_id, lease_left_ms }),
        ClaimRefused::OtherRequest => Err(Error::PayloadMismatch { operation_id }),
        ClaimRefused::FailedForGood { error } => Err(Error::Refused {
            reason: format!("operation {operation_id} failed before: {error}"),
            cure: "remove the cause, then start a new failover".to_owned(),
        }),
    }
}

/// The attributes that identify a write: whoever changes any of them makes the other's write lose.
fn record_change(current: Option<&Record>, next: &Record) -> Change {
    let expect = match current {
        None => vec![("operation_id", Expected::Absent)],
        Some(current) => vec![
            ("owner", Expected::Is(text(&current.owner))),
            ("attempt", Expected::Is(number(current.attempt.into()))),
            ("status", Expected::Is(text(current.status.as_str()))),
            ("lease_expires_ms", Expected::Is(number(current.lease_expires.as_millis()))),
        ],
    };
    let mut set = Item::from([
        ("status".to_owned(), text(next.status.as_str())),
        ("timestamp".to_owned(), text(&next.timestamp.to_string())),
        ("timestamp_ms".to_owned(), number(next.timestamp.as_millis())),
        ("failover_id".to_owned(), text(&next.failover_id)),
        ("request_hash".to_owned(), text(&next.request_hash)),
        ("owner".to_owned(), text(&next.owner)),
        ("attempt".to_owned(), number(next.attempt.into())),
        ("lease_expires_ms".to_owned(), number(next.lease_expires.as_millis())),
        ("first_claimed_ms".to_owned(), number(next.first_claimed.as_millis())),
        ("retryable".to_owned(), AttributeValue::Bool(next.retryable)),
        ("expires_at".to_owned(), number(next.timestamp.as_millis() / 1000 + RETENTION_SECONDS)),
    ]);
    let mut remove = Vec::new();
    let intent = next.intent.as_ref();
    let optional = [
        ("error", next.error.as_deref().map(text)),
        ("intent", intent.map(|intent| text(&intent.action.to_string()))),
        ("intent_at_ms", intent.map(|intent| number(intent.at.as_millis()))),
        ("receipt", intent.and_then(|intent| intent.receipt.as_deref()).map(text)),
        ("result", next.result.as_ref().map(|result| text(&result.to_string()))),
    ];
    for (name, value) in optional {
        match value {
            Some(value) => drop(set.insert(name.to_owned(), value)),
            None => remove.push(name),
        }
    }
    Change { set, remove, expect }
}

fn read_record(item: &Item) -> Result<Record, Error> {
    let fields = Fields(item);
    let intent = match fields.optional_text("intent")? {
        Some(action) => Some(Intent {
            action: fields.json("intent", action)?,
            at: fields.moment("intent_at_ms")?,
            receipt: fields.optional_text("receipt")?.map(str::to_owned),
        }),
        None => None,
    };
    let result = match fields.optional_text("result")? {
        Some(result) => Some(fields.json("result", result)?),
        None => None,
    };
    Ok(Record {
        operation_id: fields.text("operation_id")?.to_owned(),
        status: fields.parsed("status", |text| Status::parse(text).ok_or_else(|| format!("{text:?} is no status")))?,
        timestamp: fields.moment("timestamp_ms")?,
        error: fields.optional_text("error")?.map(str::to_owned),
        failover_id: fields.text("failover_id")?.to_owned(),
        request_hash: fields.text("request_hash")?.to_owned(),
        owner: fields.text("owner")?.to_owned(),
        attempt: u32::try_from(fields.number("attempt")?).unwrap_or(u32::MAX),
        lease_expires: fields.moment("lease_expires_ms")?,
        first_claimed: fields.moment("first_claimed_ms")?,
        intent,
        result,
        retryable: fields.flag("retryable")?,
    })
}

fn plan_change(current: &PlanItem, next: &PlanItem, now: Timestamp) -> Change {
    // A generation of zero was never written: then the attribute is absent. The kill switch is in the condition since
    // people set it beside us.
    let newest = current.newest.as_ref();
    let generation = (current.generation > 0).then(|| number(generation_number(current.generation)));
    let kill_switch = AttributeValue::Bool(current.kill_switch);
    let expect = vec![
        ("generation", Expected::is_or_absent(generation)),
        ("failover_id", Expected::is_or_absent(newest.map(|newest| text(newest.id.as_str())))),
        ("phase", Expected::is_or_absent(newest.map(|newest| text(newest.phase.as_str())))),
        ("kill_switch", if current.kill_switch { Expected::Is(kill_switch) } else { Expected::AbsentOr(kill_switch) }),
    ];
    let mut set = Item::from([
        ("generation".to_owned(), number(generation_number(next.generation))),
        ("cooldown_until_ms".to_owned(), number(next.cooldown_until.as_millis())),
        ("timestamp".to_owned(), text(&now.to_string())),
    ]);
    if let Some(newest) = &next.newest {
        set.insert("failover_id".to_owned(), text(newest.id.as_str()));
        set.insert("phase".to_owned(), text(newest.phase.as_str()));
        set.insert("status".to_owned(), text(newest.phase.as_str()));
        set.insert("active_until_ms".to_owned(), number(newest.active_until.as_millis()));
    }
    if let Some(region) = &next.active_region {
        set.insert("active_region".to_owned(), text(region.as_str()));
    }
    Change { set, remove: Vec::new(), expect }
}

fn read_plan_item(item: &Item) -> Result<PlanItem, Error> {
    let fields = Fields(item);
    let newest = match fields.optional_text("failover_id")? {
        Some(id) => Some(NewestFailover {
            id: fields.checked("failover_id", FailoverId::parse(id))?,
            phase: fields.parsed("phase", |text| Phase::parse(text).ok_or_else(|| format!("{text:?} is no phase")))?,
            active_until: fields.moment("active_until_ms")?,
        }),
        None => None,
    };
    let active_region = match fields.optional_text("active_region")? {
        Some(region) => Some(fields.checked("active_region", Region::parse(region))?),
        None => None,
    };
    Ok(PlanItem {
        // A person may have created the item just to set the kill switch.
        generation: if item.contains_key("generation") {
            u64::try_from(fields.number("generation")?).unwrap_or_default()
        } else {
            0
        },
        newest,
        active_region,
        cooldown_until: if item.contains_key("cooldown_until_ms") {
            fields.moment("cooldown_until_ms")?
        } else {
            Timestamp::default()
        },
        kill_switch: item.contains_key("kill_switch") && fields.flag("kill_switch")?,
    })
}

/// Typed access to an item's attributes, with errors that name item and attribute.
struct Fields<'a>(&'a Item);

impl<'a> Fields<'a> {
    fn broken(&self, name: &str, problem: &str) -> Error {
        let key = self.0.get("operation_id").and_then(|key| key.as_s().ok()).map_or("?", String::as_str);
        Error::Refused {
            reason: format!("the ledger's item {key} cannot be read: attribute {name} {problem}"),
            cure: "repair the item; nothing was changed".to_owned(),
        }
    }

    fn checked<T>(&self, name: &str, outcome: Result<T, String>) -> Result<T, Error> {
        outcome.map_err(|problem| self.broken(name, &problem))
    }

    fn text(&self, name: &str) -> Result<&'a str, Error> {
        self.optional_text(name)?.ok_or_else(|| self.broken(name, "is missing"))
    }

    fn optional_text(&self, name: &str) -> Result<Option<&'a str>, Error> {
        match self.0.get(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text)),
            Some(_) => Err(self.broken(name, "is not a string")),
        }
    }

    fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, Error> {
        parse(self.text(name)?).map_err(|problem| self.broken(name, &problem))
    }

    fn number(&self, name: &str) -> Result<i64, Error> {
        match self.0.get(name) {
            Some(AttributeValue::N(digits)) => digits.parse().map_err(|_| self.broken(name, "is not a whole number")),
            Some(_) => Err(self.broken(name, "is not a number")),
            None => Err(self.broken(name, "is missing")),
        }
    }

    fn moment(&self, name: &str) -> Result<Timestamp, Error> {
        self.number(name).map(Timestamp::from_millis)
    }

    fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.0.get(name) {
            Some(AttributeValue::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.broken(name, "is not a boolean")),
            None => Err(self.broken(name, "is missing")),
        }
    }

    fn json(&self, name: &str, text: &str) -> Result<Value, Error> {
        serde_json::from_str(text).map_err(|error| self.broken(name, &format!("is not JSON: {error}")))
    }
}

fn plan_key(plan: &PlanName) -> String {
    format!("plan#{plan}")
}

fn generation_number(generation: u64) -> i64 {
    i64::try_from(generation).unwrap_or(i64::MAX)
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
