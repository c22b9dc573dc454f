//! A rehearsal: every gate and decision, and no change; then the real thing on the same world.

use super::{Play, Scenario, moved_to, switchover_changes, well_run};
use crate::stage::{Evidence, Order, Stage};
use crate::verdict::{self, Check};
use crate::world::Site;

/// A switchover is started by hand with `"dry_run": true`, nothing is broken, and then without it.
pub(super) struct DryRun;

impl Scenario for DryRun {
    fn name(&self) -> &'static str {
        "dry-run"
    }

    fn does(&self) -> &'static str {
        "Starts a switchover by hand as a dry run, and then, on the same world, for real."
    }

    fn expects(&self) -> &'static str {
        "The dry run writes nothing, not even to the ledger, and the real run finds and does exactly what it had said."
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            let ordered = stage.order(Order::RehearsedSwitchover, Site::Standby, "game day").await?;
            stage.await_run("rehearsing", ordered, None).await?;
            stage.settle().await?;
            let ordered = stage.order(Order::Switchover, Site::Standby, "game day").await?;
            stage.await_run("switching over", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = vec![verdict::executions_succeeded(evidence, 2)];
        if let [rehearsal, real] = evidence.runs.as_slice() {
            checks.extend([
                verdict::rehearsed(rehearsal, &["promote-aurora", "scale-ecs", "shift-dns"]),
                verdict::people_told(rehearsal, &["Dry run of failover of trading started", "succeeded"]),
                verdict::nothing_written_before(evidence, real.ordered),
                verdict::ledger_complete(evidence, rehearsal, &[]),
                verdict::rehearsal_came_true(rehearsal, real),
                verdict::same_findings(rehearsal, real),
            ]);
            checks.extend(well_run(evidence, real));
        }
        checks.extend(moved_to(evidence, Site::Standby));
        checks.push(verdict::changes_made(evidence, &switchover_changes()));
        checks.push(verdict::plan_concluded(evidence, 1, Site::Standby));
        checks
    }
}
