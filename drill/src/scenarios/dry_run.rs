//! A rehearsal: every gate and decision, and no change.

use super::{Play, Scenario};
use crate::stage::{Evidence, Stage};
use crate::verdict::{self, Check};
use crate::world::Site;

/// An execution is started by hand with `"dry_run": true`, nothing is broken.
pub(super) struct DryRun;

impl Scenario for DryRun {
    fn name(&self) -> &'static str {
        "dry-run"
    }

    fn does(&self) -> &'static str {
        "Starts an execution by hand, mode switchover, as a dry run."
    }

    fn expects(&self) -> &'static str {
        "Every step says what it would do; no function writes anything, not even to the ledger."
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            let ordered = stage.rehearse_switchover(Site::Standby, "game day").await?;
            stage.await_run("rehearsing", ordered, None).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = vec![verdict::executions_succeeded(evidence, 1)];
        for run in &evidence.runs {
            checks.push(verdict::rehearsed(run, &["promote-aurora", "scale-ecs", "shift-dns"]));
            checks.push(verdict::people_told(run, &["Dry run of failover of trading started", "succeeded"]));
        }
        checks.extend([
            verdict::nothing_written(evidence),
            verdict::world_unchanged(evidence),
            verdict::ledger_is_empty(evidence),
            verdict::endpoint_answers(evidence, Site::Primary),
            verdict::nothing_denied(evidence),
            verdict::nothing_undelivered(evidence),
        ]);
        checks
    }
}
