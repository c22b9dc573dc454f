//! The Region serves nobody, and still could write: it is fenced before the promotion (X1).

use super::{Play, Scenario, failover_changes, stands_at, well_run};
use crate::stage::{Evidence, Stage};
use crate::verdict::{self, Check};
use crate::world::{MAX_LAG_MS, MAX_RPO_MS, Site, WORKLOAD_SERVICES};

/// The primary Region's endpoint is gone and replication lags, but its AWS APIs answer.
pub(super) struct PrimaryHalfAlive;

impl Scenario for PrimaryHalfAlive {
    fn name(&self) -> &'static str {
        "primary-half-alive"
    }

    fn does(&self) -> &'static str {
        "Takes the primary Region's endpoint away and lets replication lag, while its tasks run and its AWS APIs answer."
    }

    fn expects(&self) -> &'static str {
        "The primary Region is kept from writing, and that is seen to hold, before the standby's database is promoted."
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            // Enough to count as evidence, and not so much that a person has to be asked.
            let lag_ms = stage.random.u64(MAX_LAG_MS..=MAX_RPO_MS);
            stage.fall_behind(lag_ms).await?;
            stage.lose_half(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            stage.await_run("failing over", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = vec![verdict::executions_succeeded(evidence, 1)];
        checks.extend(stands_at(evidence, Site::Standby, Some(Site::Primary)));
        checks.extend([
            verdict::endpoint_answers(evidence, Site::Standby),
            verdict::fenced(evidence, Site::Primary),
            verdict::fenced_before_promotion(evidence, Site::Primary),
            verdict::changes_made(evidence, &changes()),
            verdict::plan_concluded(evidence, 1, Site::Standby),
        ]);
        for run in &evidence.runs {
            checks.push(verdict::fences_reported(evidence, run, Site::Primary, Some("confirmed")));
            checks.extend(well_run(evidence, run));
        }
        checks
    }
}

/// Those of a failover, and of its fences: each service scaled to zero and its scaling suspended, one database isolated.
fn changes() -> Vec<(&'static str, u32)> {
    let services = u32::try_from(WORKLOAD_SERVICES.len()).unwrap_or(u32::MAX);
    let mut changes = failover_changes();
    for (action, count) in &mut changes {
        if matches!(*action, "ecs:UpdateService" | "application-autoscaling:RegisterScalableTarget") {
            *count += services;
        }
    }
    changes.push(("rds:ModifyDBCluster", 1));
    changes
}
