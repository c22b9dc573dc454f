//! A run in figures and in words (X8). Pure.

use failover::contract::{
    ConcludeRequest, Notification, Outcome, PromotionMode, Report, RunPlan, StepResponse, Timestamp,
};
use serde_json::Value;

use crate::notice;

/// The longest cause that is taken over from Step Functions, in characters.
const LONGEST_FAILURE: usize = 2000;

/// What the conclusion itself saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Now.
    pub(crate) concluded_at: Timestamp,
    /// When the target's endpoint answered; none if it did not.
    pub(crate) answered_at: Option<Timestamp>,
}

/// Measures a run.
pub(crate) fn measure(request: &ConcludeRequest, measured: &Measured) -> Report {
    let run = request.run.as_ref();
    let real = run.filter(|run| !run.dry_run);
    let succeeded = request.outcome == Outcome::Succeeded;
    Report {
        failover_id: request.failover_id.clone(),
        outcome: request.outcome,
        run: run.cloned(),
        started_at: request.started_at,
        concluded_at: measured.concluded_at,
        detection_ms: run.map(|run| request.started_at.millis_since(run.incident_at)),
        decision_ms: run.map(|run| run.decided_at.millis_since(request.started_at)),
        execution_ms: run.map(|run| measured.concluded_at.millis_since(run.decided_at)),
        rto_ms: real
            .filter(|_| succeeded)
            .and_then(|run| measured.answered_at.map(|answered_at| answered_at.millis_since(run.incident_at))),
        rpo_ms: real.and_then(|run| rpo_ms(run, &request.promotions)),
        target_healthy: measured.answered_at.is_some(),
        failure: if succeeded { None } else { Some(failure(&request.error)) },
    }
}

/// The writes that are lost at most: of the cluster that was furthest behind. Unknown when any is, and while it is not
/// known that anything was promoted.
fn rpo_ms(run: &RunPlan, promotions: &[StepResponse]) -> Option<u64> {
    if promotions.is_empty() || promotions.len() < run.promotions.len() {
        return None;
    }
    if run.mode == PromotionMode::Switchover {
        return Some(0);
    }
    let each = promotions.iter().map(|promotion| lag_before(promotion).or(run.lag_ms));
    each.collect::<Option<Vec<u64>>>()?.into_iter().max()
}

/// The lag that `promote-aurora` read just before it promoted: written into the action it took, or into what it saw.
fn lag_before(promotion: &StepResponse) -> Option<u64> {
    [&promotion.action, &promotion.observed].into_iter().find_map(|part| part.get("lag_ms_before")?.as_u64())
}

/// What failed, in words, from what Step Functions caught.
///
/// `Cause` of a failed function is JSON with `errorType` and `errorMessage`; the message names the cure.
pub(crate) fn failure(error: &Value) -> String {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let code = text(error, "Error");
    let cause = text(error, "Cause").filter(|cause| !cause.is_empty());
    let inner: Option<Value> = cause.as_deref().and_then(|cause| serde_json::from_str(cause).ok());
    let code = inner.as_ref().and_then(|inner| text(inner, "errorType")).or(code);
    let message = inner.as_ref().and_then(|inner| text(inner, "errorMessage")).or(cause);
    let words = match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => "a step failed; the execution's history says which".to_owned(),
    };
    words.chars().take(LONGEST_FAILURE).collect()
}

/// How it ended (F11).
pub(crate) fn notification(report: &Report) -> Notification {
    let plan = report.run.as_ref().map_or_else(|| "a plan".to_owned(), |run| run.plan.to_string());
    let what = match &report.run {
        Some(run) if run.dry_run => "Dry run of failover",
        Some(_) | None => "Failover",
    };
    let (ended, next) = match (report.outcome, &report.run) {
        (Outcome::Succeeded, Some(run)) if run.dry_run => {
            ("succeeded", "Nothing was changed: every gate and every decision was gone through.".to_owned())
        }
        (Outcome::Succeeded, Some(run)) => ("succeeded", after_success(run)),
        (Outcome::Succeeded, None) => ("ended", "There was nothing to do.".to_owned()),
        (Outcome::Failed, Some(run)) if !run.dry_run => ("FAILED", after_failure(run)),
        (Outcome::Failed, _) => ("FAILED", "Nothing was changed. Remove the cause, then start it again.".to_owned()),
    };
    let route = report
        .run
        .as_ref()
        .map(|run| format!("From {} to {}, generation {}.\n", run.source_region, run.target_region, run.generation))
        .unwrap_or_default();
    let failure = report.failure.as_ref().map(|failure| format!("What failed: {failure}\n")).unwrap_or_default();
    let message = format!(
        "{what} of {plan} {ended}.\n{route}{failure}\n{}\n\nWhat next: {next}\nExecution: {}",
        figures(report),
        report.failover_id
    );
    notice::notification(&format!("{what} of {plan} {ended}"), message)
}

fn after_success(run: &RunPlan) -> String {
    let old_writer = match run.mode {
        PromotionMode::Switchover => "The old Region follows as secondary.",
        PromotionMode::Failover => {
            "The old Region's cluster rejoins as secondary by itself when it is back; look for Aurora's snapshot of what \
             was not replicated."
        }
        PromotionMode::Detach => {
            "The promoted cluster stands alone: build the global database anew, and keep the old cluster from writing."
        }
    };
    let old_writer = if run.promotions.is_empty() { "" } else { old_writer };
    format!(
        "{old_writer} To move back, start the state machine with mode switchover and target_region {} once {} is well.",
        run.source_region, run.source_region
    )
    .trim_start()
    .to_owned()
}

fn after_failure(run: &RunPlan) -> String {
    format!(
        "Check by hand which Region serves. Steps that were done stay done; nothing is undone by itself. Remove the \
         cause, then redrive the execution, or start the state machine by hand with target_region {}.",
        run.target_region
    )
}

fn figures(report: &Report) -> String {
    let seconds =
        |ms: Option<u64>| ms.map_or_else(|| "unknown".to_owned(), |ms| format!("{}.{:03} s", ms / 1000, ms % 1000));
    format!(
        "Recovery time: {}\nData lost at most: {} of writes\nDetection {}, decision {}, execution {}\nThe target's \
         endpoint {}.",
        seconds(report.rto_ms),
        seconds(report.rpo_ms),
        seconds(report.detection_ms),
        seconds(report.decision_ms),
        seconds(report.execution_ms),
        if report.target_healthy { "answers" } else { "does not answer" },
    )
}
