//! There and back: the same machinery moves the workload home again (F14).

use super::{Play, Scenario, moved_to, there_and_back_changes, well_run};
use crate::stage::{Evidence, Order, Stage};
use crate::verdict::{self, Check};
use crate::world::Site;

/// A Region is lost, comes back, and gets the workload back.
pub(super) struct Failback;

impl Scenario for Failback {
    fn name(&self) -> &'static str {
        "failback"
    }

    fn does(&self) -> &'static str {
        "Loses the primary Region, restores it after the failover, and starts a switchover back to it."
    }

    fn expects(&self) -> &'static str {
        "The workload is back in the primary Region, by a planned switchover that loses no data."
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            stage.await_run("failing over", ordered, Some(Site::Standby)).await?;
            stage.restore(Site::Primary).await?;
            let ordered = stage.order(Order::Switchover, Site::Primary, "the primary Region is back").await?;
            stage.await_run("failing back", ordered, Some(Site::Primary)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = vec![verdict::executions_succeeded(evidence, 2)];
        checks.extend(moved_to(evidence, Site::Primary));
        checks.push(verdict::changes_made(evidence, &there_and_back_changes()));
        checks.push(verdict::plan_concluded(evidence, 2, Site::Primary));
        checks.extend(evidence.runs.iter().flat_map(|run| well_run(evidence, run)));
        checks
    }
}
