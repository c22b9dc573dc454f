//! A run that was stopped while it waited for time or for people is continued, too (X7).

use std::time::Duration;

use super::{Play, Scenario, failover_changes, moved_to};
use crate::error::Result;
use crate::stage::{Asks, Evidence, Stage};
use crate::staging::{Fencing, LEASE_SECONDS, Staging};
use crate::verdict::{self, Check};
use crate::world::{MAX_RPO_MS, Site};

/// How long the lease has still to run when the Region is lost: longer than the run takes to get to it, stops included.
const LEFT: Duration = Duration::from_secs(30);
/// In how many states the run is stopped.
const STOPS: usize = 4;

/// The Region is lost with every reason to wait: too much lag, fences that have to hold, a writer lease.
pub(super) struct ResumeWaiting;

impl Scenario for ResumeWaiting {
    fn name(&self) -> &'static str {
        "resume-waiting"
    }

    fn does(&self) -> &'static str {
        "Loses the primary Region, stops the execution while it waits for a look, for answers and for the writer lease."
    }

    fn expects(&self) -> &'static str {
        "Each time it goes on, asks again what was not answered, and ends with each change made once."
    }

    fn staging(&self) -> Staging {
        Staging { fencing: Fencing::Required, writer_lease_seconds: Some(LEASE_SECONDS), ..Staging::default() }
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            stage.renew_lease().await?;
            stage.fall_behind(MAX_RPO_MS + 1).await?;
            stage.let_lease_age(LEFT).await?;
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            stop_and_continue(stage, "AwaitNextLook").await?;
            stage.await_question(Asks::Failover).await?;
            stop_and_continue(stage, "AskPerson").await?;
            approve(stage, Asks::Failover).await?;
            stage.await_question(Asks::Fencing).await?;
            stop_and_continue(stage, "AskAboutFences").await?;
            approve(stage, Asks::Fencing).await?;
            stop_and_continue(stage, "AwaitLease").await?;
            approve(stage, Asks::Fencing).await?;
            stage.await_run("failing over", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = vec![verdict::stopped_and_continued(evidence, STOPS)];
        checks.extend(moved_to(evidence, Site::Standby));
        checks.push(verdict::changes_made(evidence, &failover_changes()));
        checks.push(verdict::plan_concluded(evidence, 1, Site::Standby));
        checks.push(verdict::promoted_after_the_lease(evidence));
        checks.push(verdict::lease_held_by(evidence, Site::Standby));
        checks.extend(evidence.runs.iter().map(|run| verdict::lease_reported(evidence, run)));
        checks
    }
}

async fn stop_and_continue(stage: &mut Stage, place: &str) -> Result<()> {
    let stopped = stage.stop_in(place).await?;
    stage.resume(&stopped).await
}

async fn approve(stage: &mut Stage, asks: Asks) -> Result<()> {
    let question = stage.await_question(asks).await?;
    stage.answer(&question.approve).await
}
