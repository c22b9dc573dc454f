//! A person moves the workload while all is well.

use super::{Play, Scenario, moved_to, switchover_changes, well_run};
use crate::stage::{Evidence, Order, Stage};
use crate::staging::{PlanSource, Staging};
use crate::verdict::{self, Check};
use crate::world::Site;

/// An execution is started by hand, nothing is broken.
pub(super) struct PlannedSwitchover;

impl Scenario for PlannedSwitchover {
    fn name(&self) -> &'static str {
        "planned-switchover"
    }

    fn does(&self) -> &'static str {
        "Starts an execution by hand, mode switchover, while both Regions are well."
    }

    fn expects(&self) -> &'static str {
        "The workload moves to the standby Region by one switchover, and loses no data."
    }

    /// The plan that most people will have.
    fn staging(&self) -> Staging {
        Staging { plan: PlanSource::Template, ..Staging::default() }
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            let ordered = stage.order(Order::Switchover, Site::Standby, "maintenance in the primary Region").await?;
            stage.await_run("switching over", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = vec![verdict::executions_succeeded(evidence, 1)];
        checks.extend(moved_to(evidence, Site::Standby));
        checks.push(verdict::changes_made(evidence, &switchover_changes()));
        checks.push(verdict::plan_concluded(evidence, 1, Site::Standby));
        checks.extend(evidence.runs.iter().flat_map(|run| well_run(evidence, run)));
        checks
    }
}
