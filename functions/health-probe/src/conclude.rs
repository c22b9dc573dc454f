//! `conclude`: does the new primary answer? Measure, report, and close the plan's generation (F8, X8).
//!
//! Safe to repeat: probing changes nothing, and closing what is closed leaves it as it is.

use std::cell::Cell;
use std::time::Duration;

use failover::contract::{
    ConcludeRequest, ConcludeResponse, Outcome, Report, RunPlan, StepResponse, StepStatus, Timestamp,
};
use failover::env::Deadline;
use failover::error::Error;
use failover::ledger::PlanItem;
use failover::ledger::plan_item::{Direction, Phase};
use failover::telemetry::metrics::{self, Unit};

use crate::HealthProbe;
use crate::http_probe::{self, PROBE_TIMEOUT, Url};
use crate::report::{self, Measured};

/// How long after the last step the new primary may take to answer. Connections are re-established and caches are cold
/// then; but a failover after which nothing answers is not a success.
pub(crate) const VERIFY_FOR: Duration = Duration::from_secs(5 * 60);
/// The time between two probes of one invocation: the recovery time is measured as finely as that.
const PROBE_AGAIN: Duration = Duration::from_secs(1);
/// When the state machine is to ask again, in seconds.
const ASK_AGAIN_SECONDS: u32 = 5;

/// Concludes a run.
///
/// # Errors
/// [`Error::Refused`] when every step is done and the new primary does not answer within [`VERIFY_FOR`]: then nothing
/// is closed, and the state machine concludes the run as failed. [`Error::Superseded`] when a newer failover has taken
/// over. [`Error::InvalidRequest`] that names the field, and the ledger's errors.
pub(crate) async fn conclude(
    probe: &HealthProbe,
    request: ConcludeRequest,
    deadline: Deadline,
) -> Result<ConcludeResponse, Error> {
    probe.tools.trace.annotate(request.failover_id.as_str());
    let answered_at = match &request.run {
        Some(run) => verify(probe, &request, run, deadline).await?,
        None => None,
    };
    let now = probe.tools.env.now();
    let report = report::measure(&request, &Measured { concluded_at: now, answered_at });
    let notification = report::notification(&report, &probe.tools.config.plan);
    if answered_at.is_none() && awaits_target(&request) {
        return Ok(ConcludeResponse {
            status: StepStatus::InProgress,
            ask_again_after_seconds: ASK_AGAIN_SECONDS,
            report,
            notification,
        });
    }
    if close(probe, &request).await? == Closed::Now {
        publish(probe, &request, &report);
    }
    tracing::info!(outcome = ?report.outcome, rto_ms = report.rto_ms, rpo_ms = report.rpo_ms, "concluded");
    Ok(ConcludeResponse { status: StepStatus::Done, ask_again_after_seconds: 0, report, notification })
}

/// Whether the conclusion depends on the target's answer: for a real run whose steps are all done.
fn awaits_target(request: &ConcludeRequest) -> bool {
    request.outcome == Outcome::Succeeded && request.run.as_ref().is_some_and(|run| !run.dry_run)
}

/// Probes the target's endpoint: until it answers, if the conclusion depends on it, otherwise once. Gives the moment it
/// answered.
async fn verify(
    probe: &HealthProbe,
    request: &ConcludeRequest,
    run: &RunPlan,
    deadline: Deadline,
) -> Result<Option<Timestamp>, Error> {
    let tools = &probe.tools;
    let url = Url::parse(&run.target_endpoint).map_err(|problem| Error::invalid("run.target_endpoint", problem))?;
    loop {
        let answer = http_probe::get(tools, &url).await;
        let now = tools.env.now();
        tracing::info!(%url, %answer, "probed the target");
        if answer.is_healthy() {
            return Ok(Some(now));
        }
        if !awaits_target(request) {
            return Ok(None);
        }
        if deadline.left(now) < PROBE_AGAIN + PROBE_TIMEOUT {
            if now >= give_up_at(request, run) {
                return Err(Error::Refused {
                    reason: format!(
                        "every step is done, but the new primary does not serve: {url} {answer}, {} s after the last \
                         step",
                        VERIFY_FOR.as_secs()
                    ),
                    cure: format!(
                        "look at the workload in {}; nothing is moved back by itself. When it serves, start the state \
                         machine with the input of this execution under the name {}--2",
                        run.target_region, run.failover_id
                    ),
                });
            }
            return Ok(None);
        }
        tools.env.sleep(PROBE_AGAIN).await;
    }
}

/// Until when to wait for the target. Counted from what the run itself says, so that it holds over all invocations.
fn give_up_at(request: &ConcludeRequest, run: &RunPlan) -> Timestamp {
    let longest = |steps: &[StepResponse]| steps.iter().map(|step| step.elapsed_ms).max().unwrap_or(0);
    let side_by_side = longest(&request.promotions).max(longest(&request.scalings));
    run.decided_at
        .plus_millis(side_by_side)
        .plus_millis(longest(&request.shifts))
        .plus_millis(failover::env::millis(VERIFY_FOR))
}

/// What became of the generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    /// This conclusion closed it.
    Now,
    /// It was closed before, or there was none to close.
    NotNow,
}

/// Closes the generation, so that the next failover can start.
async fn close(probe: &HealthProbe, request: &ConcludeRequest) -> Result<Closed, Error> {
    let ledger = &probe.tools.ledger;
    match &request.run {
        Some(run) if run.dry_run => Ok(Closed::NotNow),
        Some(run) => {
            let closed = Cell::new(Closed::Now);
            let rule = |item: &PlanItem, now: Timestamp| {
                if is_closed(item, request) {
                    closed.set(Closed::NotNow);
                    return Ok(item.clone());
                }
                let direction = Direction::new(run.source_region.clone(), run.target_region.clone());
                let cooldown_until = now.plus_millis(u64::from(run.cooldown_seconds) * 1000);
                item.close(&run.plan, run.generation, request.outcome, &direction, cooldown_until)
            };
            ledger.change_plan_item(&run.plan, rule).await?;
            Ok(closed.get())
        }
        None => close_lost_claim(probe, request).await,
    }
}

/// A run that ended without a decision has claimed nothing, unless the answer of the decision that claimed was lost.
async fn close_lost_claim(probe: &HealthProbe, request: &ConcludeRequest) -> Result<Closed, Error> {
    let tools = &probe.tools;
    let plan = &probe.tools.config.plan;
    let is_ours = |item: &PlanItem| {
        item.newest.as_ref().is_some_and(|newest| newest.id == request.failover_id && newest.phase == Phase::Active)
    };
    if is_ours(&tools.ledger.plan_item(plan).await?) {
        let rule = |item: &PlanItem, _: Timestamp| {
            if !is_ours(item) {
                return Ok(item.clone());
            }
            item.abandon(plan, item.generation)
        };
        tools.ledger.change_plan_item(plan, rule).await?;
    }
    Ok(Closed::NotNow)
}

/// Whether an earlier conclusion with the same outcome has closed it.
fn is_closed(item: &PlanItem, request: &ConcludeRequest) -> bool {
    let phase = match request.outcome {
        Outcome::Succeeded => Phase::Succeeded,
        Outcome::Failed => Phase::Failed,
    };
    item.newest.as_ref().is_some_and(|newest| newest.id == request.failover_id && newest.phase == phase)
}

/// The run's figures as metrics.
fn publish(probe: &HealthProbe, request: &ConcludeRequest, report: &Report) {
    let Some(run) = request.run.as_ref().filter(|run| !run.dry_run) else {
        return;
    };
    let now = probe.tools.env.now();
    let plan = run.plan.as_str();
    let succeeded = u64::from(report.outcome == Outcome::Succeeded);
    metrics::publish(now, plan, "FailoverSucceeded", Unit::Count, succeeded);
    for (name, value) in [("RtoMs", report.rto_ms), ("RpoMs", report.rpo_ms)] {
        if let Some(value) = value {
            metrics::publish(now, plan, name, Unit::Milliseconds, value);
        }
    }
}
