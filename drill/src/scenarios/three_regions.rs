//! Three Regions: the workload goes to the first standby that would not lose too much (X3).

use super::{Play, Scenario, failed_over_once};
use crate::stage::{Evidence, Stage};
use crate::staging::{Staging, Traffic};
use crate::verdict::{self, Check};
use crate::world::{MAX_RPO_MS, Site};

/// The Region is lost while the preferred standby is further behind than the plan allows, and the second one is not.
pub(super) struct ThreeRegions;

impl Scenario for ThreeRegions {
    fn name(&self) -> &'static str {
        "three-regions"
    }

    fn does(&self) -> &'static str {
        "Loses the primary of three Regions while the preferred standby's database is too far behind."
    }

    fn expects(&self) -> &'static str {
        "The workload moves to the second standby, and what stands in the preferred one stays as it was."
    }

    fn staging(&self) -> Staging {
        let traffic = vec![Traffic::WeightedRecords];
        Staging { sites: Site::THREE.to_vec(), traffic, ..Staging::default() }
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            let lag_ms = stage.random.u64(MAX_RPO_MS + 1..2 * MAX_RPO_MS);
            stage.fall_behind_at(Site::Standby, lag_ms).await?;
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            stage.await_run("failing over", ordered, Some(Site::Reserve)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = failed_over_once(evidence, Site::Reserve);
        checks.push(verdict::site_unchanged(evidence, Site::Standby));
        checks
    }
}
