//! The primary Region is lost.

use super::{Play, Scenario, failed_over_once};
use crate::stage::{Evidence, Stage};
use crate::verdict::Check;
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
        failed_over_once(evidence, Site::Standby)
    }
}
