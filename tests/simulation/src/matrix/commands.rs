//! The commands of `health-probe` that write: no steps, and disturbed all the same. What they answer need not come from the
//! ledger, but has to say the same.

use failover::contract::Timestamp;
use failover::testing::START;
use serde_json::{Value, json};

use super::rows::{Before, Row};
use crate::aws::{Aws, cloudwatch, sns};
use crate::director;
use crate::lambda;
use crate::sandbox::Plight;
use crate::workload::{PLAN, STANDBY};
use crate::world::Shared;

/// The failover that the rows are about.
pub const FAILOVER: &str = "matrix";

/// A request; one that goes on from earlier answers has them asked for first.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Known from the start.
    Known(Value),
    /// To decide a failover whose checks are through.
    Decide,
    /// To judge the fences of the run that was decided; a person has approved.
    JudgeFences,
    /// To conclude the run that was decided.
    Conclude,
}

impl Asked {
    pub(super) const fn known(request: Value) -> Self {
        Self::Known(request)
    }

    /// Sets a field of a known request.
    pub(super) fn set(&mut self, field: &str, value: Value) {
        if let Self::Known(request) = self {
            request[field] = value;
        }
    }

    /// The request itself.
    pub(super) async fn request(&self, world: &Shared) -> Value {
        match self {
            Self::Known(request) => request.clone(),
            Self::Decide => decision(world).await,
            Self::JudgeFences => {
                let run = decided(world).await;
                json!({ "command": "judge_fences", "ends": unanswered(&run["fences"]), "run": run, "approved": true })
            }
            Self::Conclude => json!({
                "command": "conclude", "failover_id": FAILOVER, "started_at": START, "outcome": "succeeded",
                "run": decided(world).await, "promotions": [], "scalings": [], "shifts": [], "error": null,
            }),
        }
    }
}

async fn ask(world: &Shared, request: Value) -> Value {
    let answer = lambda::begin_in(world, STANDBY, "health-probe", request, Plight::default()).await;
    answer.expect("every invocation ends").expect("an answer")
}

/// The decision that is asked for once the checks are through that the first answer names.
async fn decision(world: &Shared) -> Value {
    let mut request = json!({
        "command": "decide", "failover_id": FAILOVER, "started_at": START, "plan_document": PLAN.to_string(),
        "input": { "plan": "trading", "trigger": director::manual("failover", STANDBY) },
    });
    let first = ask(world, request.clone()).await;
    request["checked"] = unanswered(&first["checks"]);
    request
}

async fn decided(world: &Shared) -> Value {
    let request = decision(world).await;
    ask(world, request).await["run"].clone()
}

/// Whether a decision wants checks to be made first.
pub(super) fn asks_for_checks(answer: &Value) -> bool {
    answer["checks"].as_array().is_some_and(|checks| !checks.is_empty())
}

/// How calls end that are never answered.
pub(super) fn unanswered(calls: &Value) -> Value {
    let failure = json!({ "Error": "States.Timeout", "Cause": "no answer" });
    let end = |call: &Value| json!({ "call": call, "response": null, "failure": failure });
    calls.as_array().expect("calls").iter().map(end).collect()
}

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let row = |name, step, request, compared, outcome| Row {
        name,
        step,
        function: "health-probe",
        seed: 1,
        before: Before::Nothing,
        request,
        compared,
        facts: ledger,
        outcome,
    };
    let of_person = |command: &str| {
        Asked::Known(json!({ "command": command, "plan": "trading", "by": "ada", "reason": "a simulated order" }))
    };
    let mut kill_switch = of_person("kill_switch");
    kill_switch.set("set", json!(true));
    let state = |generation: Value, phase: Value, kill_switch: Value, operations: u32, executions: u32| {
        json!({
            "generation": generation, "phase": phase, "kill_switch": kill_switch,
            "operations": operations, "executions": executions, "told": executions > 0,
        })
    };
    let begun = |phase: &str, operations| state(json!("1"), json!(phase), Value::Null, operations, 0);
    vec![
        row(
            "health-probe is told of an alarm",
            "trigger",
            alarm(),
            &["/records"],
            state(Value::Null, Value::Null, Value::Null, 1, 1),
        ),
        row(
            "health-probe decides",
            "decide",
            Asked::Decide,
            &["/decision", "/run/generation", "/run/waves", "/run/shifts"],
            begun("active", 1),
        ),
        row(
            "health-probe judges the fences",
            "judge_fences",
            Asked::JudgeFences,
            &["/verdict", "/fences"],
            begun("active", 2),
        ),
        row(
            "health-probe concludes",
            "conclude",
            Asked::Conclude,
            &["/status", "/report/outcome"],
            begun("succeeded", 1),
        ),
        row(
            "health-probe sets the kill switch",
            "kill_switch",
            kill_switch,
            &["/kill_switch_set"],
            state(Value::Null, Value::Null, json!(true), 0, 0),
        ),
        row(
            "health-probe notes an acknowledgement",
            "acknowledge",
            of_person("acknowledge"),
            &["/kill_switch_set"],
            state(Value::Null, Value::Null, Value::Null, 0, 0),
        ),
    ]
}

fn alarm() -> Asked {
    let change = cloudwatch::AlarmChange {
        name: cloudwatch::METRIC_ALARMS[0].name.to_owned(),
        from: cloudwatch::AlarmState::Ok,
        to: cloudwatch::AlarmState::Alarm,
        at: START,
        reason: "a simulated alarm".to_owned(),
        topic: Some(sns::ALARM_TOPIC),
    };
    Asked::Known(cloudwatch::sns_event(&change, "00000000-0000-4000-8000-000000000001"))
}

/// What stands in the ledger, which executions were started, and whether people were told.
fn ledger(aws: &Aws, _: Timestamp) -> Value {
    let item = aws.dynamodb.table.item("plan#trading").unwrap_or_default();
    json!({
        "generation": item["generation"]["N"], "phase": item["phase"]["S"], "kill_switch": item["kill_switch"]["BOOL"],
        "operations": aws.dynamodb.table.items().filter(|(key, _)| !key.starts_with("plan#")).count(),
        "executions": aws.states.executions().count(),
        "told": !aws.sns.published().is_empty(),
    })
}
