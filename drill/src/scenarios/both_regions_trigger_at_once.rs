//! An orchestrator in each Region, one ledger between them, and two people with the same idea (X5).

use super::{Play, Scenario, moved_to, switchover_changes, well_run};
use crate::orchestrator::{Ledger, Orchestrator};
use crate::stage::{Evidence, Order, Stage};
use crate::staging::Staging;
use crate::verdict::{self, Check};
use crate::world::Site;

/// Places of the orchestrators in the staging.
const IN_STANDBY: usize = 0;
const IN_PRIMARY: usize = 1;

/// Two people start a switchover of the same plan at the same moment, each in another Region.
pub(super) struct BothRegionsTriggerAtOnce;

impl Scenario for BothRegionsTriggerAtOnce {
    fn name(&self) -> &'static str {
        "both-regions-trigger-at-once"
    }

    fn does(&self) -> &'static str {
        "Starts a switchover by hand in both Regions at once; their orchestrators share a strongly consistent ledger."
    }

    fn expects(&self) -> &'static str {
        "One of them is admitted and moves the workload; the other is refused and changes nothing."
    }

    fn staging(&self) -> Staging {
        let ledger = Ledger::Strong { replica: Site::Primary, witness: Site::Reserve };
        let in_standby = Orchestrator { ledger, ..Orchestrator::default() };
        let in_primary = Orchestrator { site: Site::Primary, ledger: Ledger::Shared, ..Orchestrator::default() };
        Staging { orchestrators: vec![in_standby, in_primary], ..Staging::default() }
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            let ordered = stage.order_everywhere(Order::Switchover, Site::Standby, "maintenance").await?;
            for (place, label) in [(IN_STANDBY, "in the standby Region"), (IN_PRIMARY, "in the primary Region")] {
                stage.turn_to(place)?;
                stage.await_run(label, ordered, Some(Site::Standby)).await?;
            }
            Ok(())
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let both: Vec<&Evidence> = std::iter::once(evidence).chain(&evidence.beside).collect();
        let has_succeeded = |one: &&Evidence| one.executions.iter().any(|execution| execution.status == "SUCCEEDED");
        let (admitted, others): (Vec<&Evidence>, Vec<&Evidence>) = both.into_iter().partition(has_succeeded);
        let mut checks = vec![
            verdict::exactly(1, "order was admitted", admitted.len()),
            verdict::exactly(1, "order was refused", others.len()),
            verdict::ran_side_by_side(evidence),
            verdict::one_ledger(evidence),
        ];
        for one in admitted {
            checks.push(verdict::executions_succeeded(one, 1));
            checks.extend(moved_to(one, Site::Standby));
            // Both orchestrators' functions go by one name, so that these are the changes of both.
            checks.push(verdict::changes_made(one, &switchover_changes()));
            checks.push(verdict::plan_concluded(one, 1, Site::Standby));
            checks.extend(one.runs.iter().flat_map(|run| well_run(one, run)));
        }
        for one in others {
            for run in &one.runs {
                checks.push(verdict::refused(run, "under way"));
                checks.push(verdict::people_told(run, &["FAILED"]));
                checks.push(verdict::ledger_complete(one, run, &[]));
            }
        }
        checks
    }
}
