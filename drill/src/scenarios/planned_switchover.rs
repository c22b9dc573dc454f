//! A person moves the workload while all is well.

use super::{Play, Scenario, moved_to, well_run};
use crate::stage::{Evidence, Stage};
use crate::verdict::{self, Check};
use crate::world::{PlanSource, Site, WORKLOAD_SERVICES};

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
    fn plan(&self) -> PlanSource {
        PlanSource::Template
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            let ordered = stage.order_switchover(Site::Standby, "maintenance in the primary Region").await?;
            stage.await_run("switching over", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let services = u32::try_from(WORKLOAD_SERVICES.len()).unwrap_or(u32::MAX);
        let changes = [
            ("rds:SwitchoverGlobalCluster", 1),
            ("application-autoscaling:RegisterScalableTarget", services),
            ("ecs:UpdateService", services),
            ("route53:ChangeResourceRecordSets", 1),
        ];
        let mut checks = vec![verdict::executions_succeeded(evidence, 1)];
        checks.extend(moved_to(evidence, Site::Standby));
        checks.push(verdict::changes_made(evidence, &changes));
        checks.push(verdict::plan_concluded(evidence, 1, Site::Standby));
        checks.extend(evidence.runs.iter().flat_map(|run| well_run(evidence, run)));
        checks
    }
}
