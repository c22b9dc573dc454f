//! Services that must be up before others: a plan in waves (X3).

use super::{Play, Scenario, failed_over_once};
use crate::stage::{Evidence, Stage};
use crate::staging::Staging;
use crate::verdict::{self, Check};
use crate::world::{Site, WORKLOAD_SERVICES};

/// The Region is lost, and the plan has the database and the first service in one wave, the second in the next.
pub(super) struct Waves;

impl Scenario for Waves {
    fn name(&self) -> &'static str {
        "waves"
    }

    fn does(&self) -> &'static str {
        "Loses the primary Region of a plan whose second service needs the database and the first one."
    }

    fn expects(&self) -> &'static str {
        "Nothing of the second wave is touched before the first one is done."
    }

    fn staging(&self) -> Staging {
        Staging { waves: true, ..Staging::default() }
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            stage.await_run("failing over wave by wave", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let [first, second] = WORKLOAD_SERVICES;
        let mut checks = failed_over_once(evidence, Site::Standby);
        checks.push(verdict::begun_after(evidence, second, "#promote-aurora#"));
        checks.push(verdict::begun_after(evidence, second, &format!("/{first}")));
        checks
    }
}
