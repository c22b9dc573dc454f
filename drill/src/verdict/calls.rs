//! What was called, by the record of the gateway.

use std::collections::BTreeMap;

use super::{Check, counted_u64, listed};
use crate::gateway::{Call, Outcome};
use crate::moment::Moment;
use crate::orchestrator::function_of;
use crate::stage::{Evidence, Run};

/// Services in which a failover changes something. The ledger and notifications are not the workload.
const WORKLOAD_APIS: [&str; 6] = ["rds", "ecs", "route53", "application-autoscaling", "s3", "route53-recovery-cluster"];
/// What the functions send to X-Ray with.
const TRACES: &str = "PutTraceSegments";
/// How an operation that changes nothing begins.
const READING: [&str; 5] = ["Describe", "List", "Get", "Head", "Test"];

/// Until a moment, no function wrote anything anywhere.
#[must_use]
pub fn nothing_written_before(evidence: &Evidence, moment: Moment) -> Check {
    let early = writes(evidence).filter(|call| Moment::from(call.at) < moment && call.operation != TRACES);
    let early: Vec<String> = early.map(|call| call.iam_action.clone()).collect();
    Check::new("until then no function wrote anything, not even to the ledger", early.is_empty(), listed(early))
}

/// Until a person answered the run's question, no call changed the workload.
#[must_use]
pub fn nothing_changed_before_the_answer(evidence: &Evidence, run: &Run) -> Check {
    let early = |call: &&Call| run.answered.is_none_or(|answered| Moment::from(call.at) < answered);
    let early = writes(evidence).filter(|call| changes_workload(call)).filter(early);
    let early: Vec<String> = early.map(|call| call.iam_action.clone()).collect();
    let passed = run.answered.is_some() && early.is_empty();
    Check::new("nothing was changed before a person had answered", passed, listed(early))
}

/// The calls that changed the workload are exactly these, however they ended.
#[must_use]
pub fn changes_made(evidence: &Evidence, expected: &[(&str, u32)]) -> Check {
    let mut found: BTreeMap<&str, u32> = BTreeMap::new();
    for call in writes(evidence).filter(|call| changes_workload(call)) {
        *found.entry(&call.iam_action).or_default() += 1;
    }
    let claim = if expected.is_empty() {
        "no call changed anything".to_owned()
    } else {
        format!("the only changes: {}", listed(expected.iter().map(|(action, count)| format!("{count}×{action}"))))
    };
    let passed = found == expected.iter().copied().collect();
    Check::new(claim, passed, listed(found.iter().map(|(action, count)| format!("{count}×{action}"))))
}

/// AWS answered no call that changes traffic by `service`, and none was needed.
#[must_use]
pub fn unanswered(evidence: &Evidence, service: &str) -> Check {
    let answered = evidence.calls.iter().filter(|call| call.service == service && call.outcome.is_ok());
    let answered: Vec<String> = answered.map(|call| call.iam_action.clone()).collect();
    Check::new(format!("{service} answered no call"), answered.is_empty(), listed(answered))
}

/// No call of a function was refused for want of a permission.
#[must_use]
pub fn nothing_denied(evidence: &Evidence) -> Check {
    none_denied(&evidence.calls)
}

/// None of these calls was refused for want of a permission.
#[must_use]
pub fn none_denied(calls: &[Call]) -> Check {
    let denied = calls.iter().filter_map(|call| match &call.outcome {
        Outcome::Error { status: 403, code } => {
            Some(format!("{} by {} ({code})", call.iam_action, function_of(call).unwrap_or("?")))
        }
        Outcome::Error { .. }
        | Outcome::Ok { .. }
        | Outcome::NoAnswer
        | Outcome::AnswerLost
        | Outcome::Killed { .. }
        | Outcome::EmulatorUnreachable => None,
    });
    let denied: Vec<String> = denied.collect();
    Check::new("no call was denied by IAM", denied.is_empty(), listed(denied))
}

/// No alarm got lost on the way.
#[must_use]
pub fn nothing_undelivered(evidence: &Evidence) -> Check {
    let count = evidence.dead_letters;
    Check::new("the dead-letter queues are empty", count == 0, counted_u64(count, "message"))
}

/// X-Ray has a subsegment for each of the steps of this run, under the failover's id, and for calls that it made (F10).
#[must_use]
pub fn traced(evidence: &Evidence, run: &Run, steps: &[&str]) -> Check {
    let of_run = evidence.traces.iter().map(|segment| &segment.document);
    let of_run = of_run.filter(|document| document["annotations"]["failover_id"] == run.failover_id());
    let (calls, own): (Vec<_>, Vec<_>) = of_run.partition(|document| document["namespace"] == "aws");
    let missing = steps.iter().filter(|step| !own.iter().any(|document| document["name"] == **step));
    let missing: Vec<String> = missing.map(|step| (*step).to_owned()).collect();
    let claim = format!("X-Ray has each step of {}, and its calls to AWS", run.failover_id());
    let found =
        format!("{} steps and {} calls; without a subsegment: {}", own.len(), calls.len(), listed(missing.clone()));
    Check::new(claim, missing.is_empty() && !calls.is_empty(), found)
}

/// The functions' calls that write something, however they ended.
fn writes(evidence: &Evidence) -> impl Iterator<Item = &Call> {
    let reads = |call: &Call| READING.iter().any(|verb| call.operation.starts_with(verb));
    evidence.calls.iter().filter(move |call| function_of(call).is_some() && !reads(call))
}

fn changes_workload(call: &Call) -> bool {
    WORKLOAD_APIS.contains(&call.service.as_str())
}
