//! The ledger in DynamoDB: every write is one `UpdateItem` that holds only if the item is still what was read.
//!
//! It needs neither transactions nor TTL nor indexes, so that a strongly consistent global table can hold it.
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/multi-region-strong-consistency-gt.html>

use std::cell::Cell;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::attributes::{Change, Fields, Item, number, text};
use super::plan_attributes::{plan_change, plan_key, read_plan_item};
use super::plan_item::PlanItem;
use super::record::{Claim, ClaimRefused, Event, Intent, Record, Status};
use super::writer::HandOver;
use crate::aws_call::Calls;
use crate::contract::{Generation, PlanName, Region, Timestamp};
use crate::env::Env;
use crate::error::Error;

/// How long a finished operation stays before DynamoDB may tidy it up, in seconds: 90 days.
pub const RETENTION_SECONDS: i64 = 90 * 24 * 60 * 60;
/// How often a write is tried again after it lost a race to another writer.
const MOST_RACES: u32 = 3;

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
        read_plan_item(&self.stored_plan_item(plan).await?)
    }

    /// Changes a plan's item by a pure rule, which is asked again when another writer was faster. A rule that changes
    /// nothing writes nothing.
    ///
    /// # Errors
    /// The rule's own, [`Error::Transient`]-like errors of the calls, and [`Error::InProgress`] when races never end.
    pub async fn change_plan_item(
        &self,
        plan: &PlanName,
        rule: impl Fn(&PlanItem, Timestamp) -> Result<PlanItem, Error>,
    ) -> Result<PlanItem, Error> {
        let mut stored = self.stored_plan_item(plan).await?;
        for attempt in 0..=MOST_RACES {
            let now = self.env.now();
            let current = read_plan_item(&stored)?;
            let next = rule(&current, now)?;
            if next == current {
                return Ok(next);
            }
            let change = plan_change(&stored, &current, &next, now)?;
            match self.write(&plan_key(plan), "writing the plan's state in the ledger", change).await? {
                Written::Yes => return Ok(next),
                Written::Lost(item) => {
                    tracing::debug!(attempt, "another writer of the plan's item was faster");
                    stored = *item;
                    // Our own write, whose answer was lost, and which the client has sent again.
                    if read_plan_item(&stored)? == next {
                        return Ok(next);
                    }
                }
            }
        }
        Err(Error::InProgress { operation_id: plan_key(plan), lease_left_ms: 0 })
    }

    /// Renews a Region's writer lease: [`PlanItem::renew_writer`] (X1).
    ///
    /// # Errors
    /// The rule's and those of [`Ledger::change_plan_item`].
    pub async fn renew_writer(&self, plan: &PlanName, region: &Region, length: Duration) -> Result<PlanItem, Error> {
        self.change_plan_item(plan, |item, now| item.renew_writer(region, length, now)).await
    }

    /// Grants the writer lease to a failover's target, or says until when to wait: [`PlanItem::hand_over`] (X1).
    ///
    /// # Errors
    /// The rule's and those of [`Ledger::change_plan_item`].
    pub async fn hand_over_writer(
        &self,
        plan: &PlanName,
        generation: Generation,
        target: &Region,
        length: Duration,
    ) -> Result<HandOver<PlanItem>, Error> {
        let wait_until = Cell::new(None);
        let rule = |item: &PlanItem, now| match item.hand_over(plan, generation, target, length, now)? {
            HandOver::Granted(next) => {
                wait_until.set(None);
                Ok(next)
            }
            HandOver::WaitUntil(moment) => {
                wait_until.set(Some(moment));
                Ok(item.clone())
            }
        };
        let item = self.change_plan_item(plan, rule).await?;
        Ok(wait_until.get().map_or(HandOver::Granted(item), HandOver::WaitUntil))
    }

    async fn stored_plan_item(&self, plan: &PlanName) -> Result<Item, Error> {
        let item = self.get(&plan_key(plan), "reading the plan's state in the ledger").await?;
        Ok(item.unwrap_or_default())
    }

    async fn get(&self, key: &str, doing: &str) -> Result<Option<Item>, Error> {
        let request =
            self.client.get_item().table_name(&self.table).key("operation_id", text(key)).consistent_read(true).send();
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
        for (index, (name, present)) in change.expect.into_iter().enumerate() {
            request = request.expression_attribute_names(format!("#e{index}"), name);
            match present {
                None => conditions.push(format!("attribute_not_exists(#e{index})")),
                Some(value) => {
                    conditions.push(format!("#e{index} = :e{index}"));
                    request = request.expression_attribute_values(format!(":e{index}"), value);
                }
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
        None => vec![("operation_id", None)],
        Some(current) => vec![
            ("owner", Some(text(&current.owner))),
            ("attempt", Some(number(current.attempt.into()))),
            ("status", Some(text(current.status.as_str()))),
            ("lease_expires_ms", Some(number(current.lease_expires.as_millis()))),
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
        attempt: fields
            .checked("attempt", u32::try_from(fields.number("attempt")?).map_err(|error| error.to_string()))?,
        lease_expires: fields.moment("lease_expires_ms")?,
        first_claimed: fields.moment("first_claimed_ms")?,
        intent,
        result,
        retryable: fields.flag("retryable")?,
    })
}
