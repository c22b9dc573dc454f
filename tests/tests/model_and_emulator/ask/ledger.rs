//! What the functions do to the ledger, by the ledger itself: the real store with its own expressions.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use failover::contract::{FailoverId, Generation, Initiator, Outcome, PlanName, Region, Timestamp};
use failover::error::Error;
use failover::ledger::{Admission, Claim, Claimed, Direction, Event, PlanItem};
use serde_json::{Value, json};
use simulation::workload::{HOME, STANDBY};

use crate::sides::{Side, lock};

/// The length of a writer lease.
const LEASE: Duration = Duration::from_secs(30);

/// What is done to the ledger.
#[derive(Debug)]
pub(crate) enum Call {
    /// An owner claims an operation for so many seconds.
    Claim {
        owner: &'static str,
        operation: &'static str,
        hash: &'static str,
        seconds: u64,
    },
    /// An owner reports on the operation that it was granted last.
    Report {
        owner: &'static str,
        event: Event,
    },
    ReadOperation {
        operation: &'static str,
    },
    ChangePlan(Rule),
    RenewWriter {
        region: &'static str,
    },
    HandOverWriter {
        generation: Generation,
    },
    ReadPlan,
    /// The item with this key, as it is stored.
    GetItem {
        key: &'static str,
    },
}

/// A rule that changes the plan's item.
#[derive(Debug)]
pub(crate) enum Rule {
    /// A failover from home is let in, or not.
    Admit {
        failover: &'static str,
        initiator: Initiator,
    },
    SetKillSwitch {
        set: bool,
    },
    Acknowledge,
    Close {
        generation: Generation,
    },
}

impl Call {
    /// Does it. The ledger's errors are its answers, too: they say what was found.
    pub(crate) async fn ask(&self, side: &Side) -> Value {
        let (ledger, plan) = (&side.tools.ledger, PlanName::parse("trading").expect("a name"));
        match self {
            Self::Claim { owner, operation, hash, seconds } => {
                let claim = Claim {
                    operation_id: (*operation).to_owned(),
                    failover_id: "f1".to_owned(),
                    request_hash: (*hash).to_owned(),
                    owner: (*owner).to_owned(),
                    lease_expires: side.now().plus_millis(seconds * 1_000),
                };
                let claimed = ledger.claim(&claim).await;
                if let Ok(Claimed::Granted(record)) = &claimed {
                    lock(&side.granted).insert(owner, (**record).clone());
                }
                told(claimed)
            }
            Self::Report { owner, event } => {
                let record = lock(&side.granted).get(owner).cloned().expect("it was granted the operation");
                let written = ledger.record(&record, event.clone()).await;
                if let Ok(record) = &written {
                    lock(&side.granted).insert(owner, record.clone());
                }
                told(written)
            }
            Self::ReadOperation { operation } => told(ledger.operation(operation).await),
            Self::RenewWriter { region } => told(ledger.renew_writer(&plan, &parsed(region), LEASE).await),
            Self::HandOverWriter { generation } => {
                told(ledger.hand_over_writer(&plan, *generation, &parsed(STANDBY), LEASE).await)
            }
            Self::ReadPlan => told(ledger.plan_item(&plan).await),
            Self::GetItem { key } => stored(side, key).await,
            Self::ChangePlan(rule) => {
                told(ledger.change_plan_item(&plan, |item, now| rule.apply(&plan, item, now)).await)
            }
        }
    }
}

impl Rule {
    fn apply(&self, plan: &PlanName, item: &PlanItem, now: Timestamp) -> Result<PlanItem, Error> {
        match self {
            Self::Admit { failover, initiator } => {
                let wish = Admission {
                    failover_id: FailoverId::parse(failover).expect("an id"),
                    initiator: *initiator,
                    source: parsed(HOME),
                    target: parsed(STANDBY),
                    active_until: now.plus_millis(60_000),
                };
                item.admit(plan, &wish, now)
            }
            Self::SetKillSwitch { set } => Ok(item.set_kill_switch(*set, "oncall", "a test", now)),
            Self::Acknowledge => Ok(item.acknowledge("oncall", "a test", now)),
            Self::Close { generation } => {
                let direction = Direction::new(parsed(HOME), parsed(STANDBY));
                item.close(plan, *generation, Outcome::Succeeded, &direction, now.plus_millis(600_000))
            }
        }
    }
}

fn parsed(region: &str) -> Region {
    Region::parse(region).expect("a Region")
}

fn told<T: Debug>(outcome: Result<T, Error>) -> Value {
    match outcome {
        Ok(answer) => json!({ "done": format!("{answer:?}") }),
        Err(error) => json!({ "refused": format!("{error:?}") }),
    }
}

async fn stored(side: &Side, key: &str) -> Value {
    let client = aws_sdk_dynamodb::Client::new(&side.config(STANDBY));
    let key = AttributeValue::S(key.to_owned());
    let read = client.get_item().table_name(side.tools.config.ledger_table()).key("operation_id", key);
    let answer = side.tools.calls.call("dynamodb", "GetItem", read.consistent_read(true).send()).await;
    answer.expect("the item can be read").item.as_ref().map_or(Value::Null, map)
}

/// With its fields in their order.
fn map(item: &HashMap<String, AttributeValue>) -> Value {
    item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the ledger stores nothing else")]
fn attribute(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::M(fields) => json!({ "M": map(fields) }),
        AttributeValue::L(items) => json!({ "L": items.iter().map(attribute).collect::<Value>() }),
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(flag) => json!({ "BOOL": flag }),
        other => panic!("the ledger stores no {other:?}"),
    }
}
