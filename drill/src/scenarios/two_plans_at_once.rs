//! Two workloads with plans of their own fail over at the same moment, and neither gets into the other's way (X5).

use super::{Play, Scenario, failover_changes, moved_to, well_run};
use crate::orchestrator::Orchestrator;
use crate::stage::{Evidence, Stage};
use crate::staging::Staging;
use crate::verdict::{self, Check};
use crate::world::{Site, Workload};

/// Places of the orchestrators in the staging.
const TRADING: usize = 0;
const SETTLEMENT: usize = 1;

/// The Region is lost, and with it two workloads whose records share a hosted zone.
pub(super) struct TwoPlansAtOnce;

impl Scenario for TwoPlansAtOnce {
    fn name(&self) -> &'static str {
        "two-plans-at-once"
    }

    fn does(&self) -> &'static str {
        "Loses the primary Region of two workloads, with a plan and an orchestrator each and records in one hosted zone."
    }

    fn expects(&self) -> &'static str {
        "Both fail over side by side, each with its own changes made once, and neither touches what is the other's."
    }

    fn staging(&self) -> Staging {
        let settlement = Orchestrator { workload: Workload::Settlement, ..Orchestrator::default() };
        Staging { orchestrators: vec![Orchestrator::default(), settlement], ..Staging::default() }
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            stage.lose(Site::Primary);
            let trading = stage.raise_alarm().await?;
            stage.turn_to(SETTLEMENT)?;
            let settlement = stage.raise_alarm().await?;
            stage.turn_to(TRADING)?;
            stage.await_run("failing trading over", trading, Some(Site::Standby)).await?;
            stage.turn_to(SETTLEMENT)?;
            stage.await_run("failing settlement over", settlement, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = vec![verdict::ran_side_by_side(evidence)];
        for one in std::iter::once(evidence).chain(&evidence.beside) {
            let workload = one.orchestrator.workload;
            let of_one = failed_over(one).into_iter();
            checks.extend(of_one.map(|check| Check { claim: format!("{workload}: {}", check.claim), ..check }));
        }
        checks
    }
}

fn failed_over(evidence: &Evidence) -> Vec<Check> {
    let mut checks = vec![verdict::executions_succeeded(evidence, 1)];
    checks.extend(moved_to(evidence, Site::Standby));
    checks.push(verdict::changes_made(evidence, &failover_changes()));
    checks.push(verdict::plan_concluded(evidence, 1, Site::Standby));
    checks.extend(evidence.runs.iter().flat_map(|run| well_run(evidence, run)));
    checks
}
