//! `judge_fences`: how far is the source Region known not to write, and may the promotion begin (X1)?
//!
//! A fence that is done was seen to hold. One that did not get there in its time, and one that failed, are not: then the
//! plan's policy decides. The outcome is written into the ledger. Safe to repeat: the same ends give the same verdict.

use std::time::Duration;

use failover::contract::{
    FenceOutcome, FenceVerdict, Fenced, FencingPolicy, JudgeFencesRequest, JudgeFencesResponse, RunPlan, StepEnd,
    StepStatus,
};
use failover::error::Error;

use crate::writer::{self, HandOver};
use crate::{HealthProbe, notice, once, report};

/// The longest wait between two looks at a writer lease that is running out.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Judges the fences, and hands the writer lease over once nothing stands in the way.
///
/// # Errors
/// [`Error::InvalidRequest`] that names the field, [`Error::Superseded`] when a newer failover has taken over, and the
/// ledger's errors.
pub(crate) async fn judge_fences(
    probe: &HealthProbe,
    request: JudgeFencesRequest,
) -> Result<JudgeFencesResponse, Error> {
    let run = &request.run;
    probe.tools.trace.annotate(run.failover_id.as_str());
    if request.ends.len() != run.fences.len() {
        return Err(Error::invalid(
            "ends",
            format!("expected {}, one for each fence of the run, found {}", run.fences.len(), request.ends.len()),
        ));
    }
    let mut fences: Vec<FenceOutcome> = request.ends.iter().map(outcome).collect();
    if !run.dry_run && !fences.is_empty() {
        let operation_id = format!("{}#fences", run.failover_id);
        once::write(&probe.tools, &run.failover_id, operation_id, "writing the fences' outcome", &fences).await?;
    }
    let (verdict, message) = verdict(run, &fences, request.approved);
    if verdict == FenceVerdict::Ask {
        let notification = notice::fence_approval(run, &fences);
        return Ok(JudgeFencesResponse {
            verdict,
            message,
            ask_again_after_seconds: 0,
            fences,
            notification: Some(notification),
        });
    }
    match writer::hand_over(&probe.tools, run).await? {
        HandOver::NoLease => {}
        HandOver::Done(outcome) => fences.push(outcome),
        HandOver::Running { until } => {
            let left = Duration::from_millis(until.millis_since(probe.tools.env.now()));
            let seconds = left.min(LOOK_AGAIN).as_secs().saturating_add(1);
            return Ok(JudgeFencesResponse {
                verdict: FenceVerdict::Wait,
                message: format!("applications in {} may write until {until}, by their lease", run.source_region),
                ask_again_after_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
                fences,
                notification: None,
            });
        }
    }
    Ok(JudgeFencesResponse { verdict, message, ask_again_after_seconds: 0, fences, notification: None })
}

/// What an end says of its target.
fn outcome(end: &StepEnd) -> FenceOutcome {
    let target = end.call.request.subject();
    let (outcome, detail) = match &end.response {
        Some(response) => match response.status {
            StepStatus::Done => (Fenced::Confirmed, response.message.clone()),
            StepStatus::InProgress => (Fenced::TimedOut, response.message.clone()),
            StepStatus::WouldAct => (Fenced::WouldFence, response.message.clone()),
            StepStatus::Checked => (Fenced::Unknown, "it was only checked".to_owned()),
        },
        None => (Fenced::Unknown, report::failure(&end.failure)),
    };
    FenceOutcome { target, outcome, detail }
}

/// What the plan's policy makes of the outcomes. Pure.
fn verdict(run: &RunPlan, fences: &[FenceOutcome], approved: bool) -> (FenceVerdict, String) {
    let open: Vec<&str> = fences
        .iter()
        .filter(|fence| match fence.outcome {
            Fenced::Confirmed | Fenced::WouldFence => false,
            Fenced::TimedOut | Fenced::Unknown => true,
        })
        .map(|fence| fence.target.as_str())
        .collect();
    if open.is_empty() {
        return (FenceVerdict::GoOn, format!("{} of {} fences hold", fences.len(), fences.len()));
    }
    let open = format!("not known to be kept from writing: {}", open.join(", "));
    match run.fencing {
        FencingPolicy::BestEffort | FencingPolicy::Off => (FenceVerdict::GoOn, format!("{open}; the plan goes on")),
        FencingPolicy::Required if approved => (FenceVerdict::GoOn, format!("{open}; a person says that it may go on")),
        FencingPolicy::Required => match &run.forced {
            Some(reason) => (FenceVerdict::GoOn, format!("{open}; forced: {reason}")),
            None => (FenceVerdict::Ask, format!("{open}; the plan requires it")),
        },
    }
}

#[cfg(test)]
mod tests {
    use failover::contract::{StepCall, StepResponse};
    use serde_json::{Value, json};

    use super::*;

    fn run(fencing: FencingPolicy) -> RunPlan {
        let mut event: Value = serde_json::from_str(include_str!("../events/conclude-succeeded.json")).expect("JSON");
        RunPlan { fencing, ..serde_json::from_value(event["run"].take()).expect("a run") }
    }

    fn call() -> StepCall {
        let request =
            json!({ "target_region": "eu-central-1", "cluster": "a", "services": "all", "capacity": "fenced" });
        serde_json::from_value(json!({ "function": "scale-ecs", "request": request })).expect("a call")
    }

    fn ended(status: StepStatus) -> StepEnd {
        let response = StepResponse {
            status,
            operation_id: "x".to_owned(),
            message: "seen".to_owned(),
            observed: Value::Null,
            action: Value::Null,
            ask_again_after_seconds: 0,
            attempt: 1,
            elapsed_ms: 0,
            from_ledger: false,
            findings: Vec::new(),
        };
        StepEnd { call: call(), response: Some(response), failure: Value::Null }
    }

    fn failed() -> StepEnd {
        StepEnd { call: call(), response: None, failure: json!({ "Error": "Failover.Denied", "Cause": "no" }) }
    }

    #[test]
    fn done_is_confirmed_in_progress_timed_out_and_a_failure_unknown() {
        for (end, expected) in [
            (ended(StepStatus::Done), Fenced::Confirmed),
            (ended(StepStatus::InProgress), Fenced::TimedOut),
            (ended(StepStatus::WouldAct), Fenced::WouldFence),
            (ended(StepStatus::Checked), Fenced::Unknown),
            (failed(), Fenced::Unknown),
        ] {
            let outcome = outcome(&end);
            assert_eq!((outcome.outcome, outcome.target.as_str()), (expected, "ECS cluster a in eu-central-1"));
        }
        assert!(outcome(&failed()).detail.contains("Failover.Denied"));
    }

    #[test]
    fn the_policy_decides_on_every_outcome() {
        let all = [Fenced::Confirmed, Fenced::TimedOut, Fenced::Unknown, Fenced::WouldFence];
        for fenced in all {
            let fences = [FenceOutcome { target: "a".to_owned(), outcome: fenced, detail: String::new() }];
            let holds = matches!(fenced, Fenced::Confirmed | Fenced::WouldFence);
            for policy in [FencingPolicy::Required, FencingPolicy::BestEffort, FencingPolicy::Off] {
                let asks = policy == FencingPolicy::Required && !holds;
                let expected = if asks { FenceVerdict::Ask } else { FenceVerdict::GoOn };
                assert_eq!(verdict(&run(policy), &fences, false).0, expected, "{policy:?} {fenced:?}");
                assert_eq!(verdict(&run(policy), &fences, true).0, FenceVerdict::GoOn, "approved {policy:?}");
                let forced = RunPlan { forced: Some("it is dead".to_owned()), ..run(policy) };
                assert_eq!(verdict(&forced, &fences, false).0, FenceVerdict::GoOn, "forced {policy:?}");
            }
        }
        assert_eq!(verdict(&run(FencingPolicy::Required), &[], false).0, FenceVerdict::GoOn, "nothing to fence");
    }

    #[test]
    fn a_required_fence_names_what_is_not_known_to_be_kept_from_writing() {
        let fences = [
            FenceOutcome { target: "one".to_owned(), outcome: Fenced::Confirmed, detail: String::new() },
            FenceOutcome { target: "two".to_owned(), outcome: Fenced::TimedOut, detail: String::new() },
        ];
        let (_, message) = verdict(&run(FencingPolicy::Required), &fences, false);
        assert!(message.contains("two") && !message.contains("one"), "{message}");
    }
}
