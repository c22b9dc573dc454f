//! A run in figures and in words (X8). Pure.

use failover::contract::{
    ConcludeRequest, Dependency, FenceOutcome, Fenced, Notification, Outcome, PlanName, Plane, PromotionMode, Region,
    Report, RunPlan, StepResponse, Timestamp,
};
use serde::Deserialize as _;
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
        fences: fences(request),
        depended_on: run.map(depended_on).unwrap_or_default(),
        failure: if succeeded { None } else { Some(failure(&request.error)) },
    }
}

/// The plan's fences and the writer lease, and what Aurora says of its own fencing in each promotion.
fn fences(request: &ConcludeRequest) -> Vec<FenceOutcome> {
    let own = request.promotions.iter().filter_map(|promotion| {
        let said = promotion.observed.get("write_fencing")?;
        // What cannot be read is not known.
        let outcome = said.get("outcome").and_then(|outcome| Fenced::deserialize(outcome).ok());
        let outcome = outcome.unwrap_or(Fenced::Unknown);
        let detail = said.get("detail").and_then(Value::as_str).unwrap_or("Aurora says no more").to_owned();
        Some(FenceOutcome { target: format!("Aurora's own fencing, {}", promotion.operation_id), outcome, detail })
    });
    request.fences.iter().cloned().chain(own).collect()
}

/// What the run could not have done without, beside the orchestrator's own Region (X6).
fn depended_on(run: &RunPlan) -> Vec<Dependency> {
    let control = |service: &str, region: &Region| Dependency {
        service: service.to_owned(),
        plane: Plane::Control,
        regions: vec![region.clone()],
    };
    let mut all = Vec::new();
    for promotion in run.promotions() {
        all.push(control("rds", &run.target_region));
        if promotion.mode == PromotionMode::Switchover {
            all.push(control("rds", &run.source_region));
        }
    }
    if run.scalings().next().is_some() {
        all.push(control("ecs", &run.target_region));
        all.push(control("application auto scaling", &run.target_region));
    }
    all.extend(run.shifts.iter().flat_map(|shift| shift.traffic.control_planes()));
    let mut distinct: Vec<Dependency> = Vec::new();
    for dependency in all {
        if !distinct.contains(&dependency) {
            distinct.push(dependency);
        }
    }
    distinct
}

/// The writes that are lost at most: of the cluster that was furthest behind. Unknown when any is, and while it is not
/// known that anything was promoted.
fn rpo_ms(run: &RunPlan, promotions: &[StepResponse]) -> Option<u64> {
    if promotions.is_empty() || promotions.len() < run.promotions().count() {
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
pub(crate) fn notification(report: &Report, own_plan: &PlanName) -> Notification {
    // Without a decided run it ended before the plan was read: it can only be the one that the function is for.
    let plan = report.run.as_ref().map_or(own_plan, |run| &run.plan);
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
    let fences = match notice::fences_in_words(&report.fences) {
        none if none.is_empty() => none,
        fences => format!("Fences:{fences}\n"),
    };
    let depended_on = report.depended_on.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let message = format!(
        "{what} of {plan} {ended}.\n{route}{failure}\n{}\n{fences}Depended on: {}\n\nWhat next: {next}\n\
         Execution: {}",
        figures(report),
        depended_on,
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
    let old_writer = if run.promotions().next().is_none() { "" } else { old_writer };
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
         cause, then resume it: start the state machine with the input of this execution under the name {}--2 (then \
         --3, and so on).",
        run.failover_id
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_233_620_000);

    fn request() -> ConcludeRequest {
        let mut event: Value = serde_json::from_str(include_str!("../events/conclude-succeeded.json")).expect("JSON");
        event.as_object_mut().expect("an object").remove("command");
        serde_json::from_value(event).expect("a request")
    }

    fn run(request: &mut ConcludeRequest) -> &mut RunPlan {
        request.run.as_mut().expect("a run")
    }

    fn measured(request: &ConcludeRequest) -> Report {
        measure(request, &Measured { concluded_at: NOW, answered_at: Some(NOW) })
    }

    fn step(action: Value, observed: Value) -> StepResponse {
        StepResponse { action, observed, ..request().promotions[0].clone() }
    }

    #[test]
    fn a_switchover_loses_nothing_whatever_the_lag_was() {
        let mut request = request();
        run(&mut request).mode = PromotionMode::Switchover;
        assert_eq!(measured(&request).rpo_ms, Some(0));
    }

    #[test]
    fn the_loss_is_read_from_the_action_then_from_what_was_seen_then_from_the_decision() {
        let mut request = request();
        for (action, observed, rpo_ms) in [
            (json!({ "lag_ms_before": 7 }), json!({ "lag_ms_before": 8 }), Some(7)),
            (Value::Null, json!({ "lag_ms_before": 8 }), Some(8)),
            (json!({ "lag_ms_before": null }), json!({ "lag_ms_before": null }), Some(800)),
            (Value::Null, Value::Null, Some(800)),
        ] {
            request.promotions = vec![step(action.clone(), observed.clone())];
            assert_eq!(measured(&request).rpo_ms, rpo_ms, "{action} {observed}");
        }
        run(&mut request).lag_ms = None;
        assert_eq!(measured(&request).rpo_ms, None, "unknown is not zero");
    }

    #[test]
    fn of_several_clusters_the_greatest_loss_counts_and_one_unknown_makes_it_unknown() {
        let mut request = request();
        let promotion = run(&mut request).waves[0].promotions[0].clone();
        run(&mut request).waves[0].promotions.push(promotion);
        let known = |ms: u64| step(json!({ "lag_ms_before": ms }), Value::Null);
        request.promotions = vec![known(5), known(90)];
        assert_eq!(measured(&request).rpo_ms, Some(90));
        request.promotions = vec![known(5)];
        assert_eq!(measured(&request).rpo_ms, None, "the other one's promotion is not known to have happened");
        run(&mut request).lag_ms = None;
        request.promotions = vec![known(5), step(Value::Null, Value::Null)];
        assert_eq!(measured(&request).rpo_ms, None);
    }

    #[test]
    fn the_recovery_time_ends_with_the_first_answer_not_with_the_conclusion() {
        let request = request();
        let answered_at = Timestamp::from_millis(NOW.as_millis() - 5_000);
        let report = measure(&request, &Measured { concluded_at: NOW, answered_at: Some(answered_at) });
        assert_eq!(report.rto_ms, Some(44_877));
        assert_eq!(report.execution_ms, Some(20_000));
        let silent = measure(&request, &Measured { concluded_at: NOW, answered_at: None });
        assert_eq!((silent.rto_ms, silent.target_healthy), (None, false));
    }

    #[test]
    fn a_failed_run_has_no_recovery_time_even_if_the_target_answers() {
        let request = ConcludeRequest { outcome: Outcome::Failed, ..request() };
        let report = measured(&request);
        assert_eq!((report.rto_ms, report.target_healthy), (None, true));
        assert!(report.failure.is_some());
    }

    #[test]
    fn what_step_functions_caught_is_told_in_words() {
        let lambda = json!({ "errorType": "Failover.Denied", "errorMessage": "promoting was denied" }).to_string();
        for (error, words) in [
            (json!({ "Error": "Failover.Denied", "Cause": lambda }), "Failover.Denied: promoting was denied"),
            (json!({ "Error": "States.Timeout" }), "States.Timeout"),
            (json!({ "Error": "States.Timeout", "Cause": "" }), "States.Timeout"),
            (json!({ "Error": "Sns.X", "Cause": "no topic" }), "Sns.X: no topic"),
            (json!({ "Error": "Sns.X", "Cause": "[1, 2]" }), "Sns.X: [1, 2]"),
            (json!({ "Cause": "no topic" }), "no topic"),
            (Value::Null, "a step failed; the execution's history says which"),
            (json!("text"), "a step failed; the execution's history says which"),
        ] {
            assert_eq!(failure(&error), words, "{error}");
        }
        let long = json!({ "Error": "E", "Cause": "é".repeat(10_000) });
        assert_eq!(failure(&long).chars().count(), LONGEST_FAILURE);
    }

    #[test]
    fn what_people_are_told_says_how_it_ended_what_was_lost_and_what_is_next() {
        let mut request = request();
        let own_plan = PlanName::parse("trading").expect("a name");
        let told = |request: &ConcludeRequest| notification(&measured(request), &own_plan);
        let success = told(&request);
        assert_eq!(success.subject, "Failover of trading succeeded");
        for part in ["Recovery time: 49.877 s", "Data lost at most: 0.950 s", "target_region eu-central-1", "rejoins"] {
            assert!(success.message.contains(part), "no {part:?} in {}", success.message);
        }
        run(&mut request).mode = PromotionMode::Detach;
        assert!(told(&request).message.contains("build the global database anew"));
        run(&mut request).waves.clear();
        assert!(!told(&request).message.contains("global database"), "nothing was promoted");

        request.outcome = Outcome::Failed;
        request.error = json!({ "Error": "Failover.Refused", "Cause": "a gate" });
        let failure = told(&request);
        assert_eq!(failure.subject, "Failover of trading FAILED");
        for part in ["What failed: Failover.Refused: a gate", "Recovery time: unknown", "--2"] {
            assert!(failure.message.contains(part), "no {part:?} in {}", failure.message);
        }
        request.run = None;
        let failure = told(&request);
        assert_eq!(failure.subject, "Failover of trading FAILED");
        assert!(failure.message.contains("Nothing was changed."), "{}", failure.message);
    }
}
