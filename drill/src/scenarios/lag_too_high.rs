//! More would be lost than the plan allows: a person decides (X3), and approves.

use super::{Play, Scenario, failed_over_once};
use crate::error::Result;
use crate::moment::Moment;
use crate::question::Question;
use crate::stage::{Asks, Evidence, Stage};
use crate::verdict::{self, Check};
use crate::world::{MAX_RPO_MS, Site};

/// The Region is lost while replication is behind by more than `max_rpo_ms`, and a person approves.
pub(super) struct LagTooHigh;

impl Scenario for LagTooHigh {
    fn name(&self) -> &'static str {
        "lag-too-high"
    }

    fn does(&self) -> &'static str {
        "Loses the primary Region with more replication lag than the plan allows, and approves when asked."
    }

    fn expects(&self) -> &'static str {
        "The run asks a person and changes nothing until the answer, then fails over and reports the lag as RPO."
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            let (ordered, question) = lose_while_behind(stage).await?;
            stage.answer(&question.approve).await?;
            stage.await_run("failing over once approved", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = failed_over_once(evidence, Site::Standby);
        for run in &evidence.runs {
            checks.push(verdict::nothing_changed_before_the_answer(evidence, run));
            checks.push(verdict::asked_for_the_lag(run));
        }
        checks
    }
}

/// Loses the Region while its replica is further behind than the plan allows, and waits for the question.
pub(super) async fn lose_while_behind(stage: &mut Stage) -> Result<(Moment, Question)> {
    let lag_ms = stage.random.u64(MAX_RPO_MS + 1..2 * MAX_RPO_MS);
    stage.fall_behind(lag_ms).await?;
    stage.lose(Site::Primary);
    let ordered = stage.raise_alarm().await?;
    Ok((ordered, stage.await_question(Asks::Failover).await?))
}
