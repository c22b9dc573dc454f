//! The primary Region is lost.

use super::{Play, Scenario, failover_changes, moved_to, well_run};
use crate::stage::{Evidence, Stage};
use crate::verdict::{self, Check};
use crate::world::Site;

/// No AWS API answers in the primary Region, its endpoint is gone, and the alarm goes off.
pub(super) struct RegionLoss;

impl Scenario for RegionLoss {
    fn name(&self) -> &'static str {
        "region-loss"
    }

    fn does(&self) -> &'static str {
        "Blacks out the primary Region and its endpoint, then sets the alarm on the endpoint to ALARM."
    }

    fn expects(&self) -> &'static str {
        "One failover: database, services and traffic move to the standby Region, each change made once."
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            stage.await_run("failing over", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = vec![verdict::executions_succeeded(evidence, 1)];
        checks.extend(moved_to(evidence, Site::Standby));
        checks.push(verdict::changes_made(evidence, &failover_changes()));
        checks.push(verdict::plan_concluded(evidence, 1, Site::Standby));
        checks.extend(evidence.runs.iter().flat_map(|run| well_run(evidence, run)));
        checks
    }
}
