//! Applications that ask before they write: the failover waits until those of the lost Region may not any more (X1).

use std::time::Duration;

use super::{Play, Scenario, failed_over_once};
use crate::stage::{Evidence, Stage};
use crate::staging::{LEASE_SECONDS, Staging};
use crate::verdict::{self, Check};
use crate::world::Site;

/// How long the lease has still to run when the Region is lost: longer than the run takes to get to its promotion.
const LEFT: Duration = Duration::from_secs(20);

/// The Region is lost while its applications hold the right to write.
pub(super) struct WriterLease;

impl Scenario for WriterLease {
    fn name(&self) -> &'static str {
        "writer-lease"
    }

    fn does(&self) -> &'static str {
        "Loses the primary Region while its applications may still write for 20 s by their lease."
    }

    fn expects(&self) -> &'static str {
        "Nothing is promoted before that time is over, then the lease is the new Region's."
    }

    fn staging(&self) -> Staging {
        Staging { writer_lease_seconds: Some(LEASE_SECONDS), ..Staging::default() }
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            stage.renew_lease().await?;
            stage.let_lease_age(LEFT).await?;
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            stage.await_run("failing over once the lease has run out", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = failed_over_once(evidence, Site::Standby);
        checks.push(verdict::promoted_after_the_lease(evidence));
        checks.push(verdict::lease_held_by(evidence, Site::Standby));
        checks.extend(evidence.runs.iter().map(|run| verdict::lease_reported(evidence, run)));
        checks
    }
}
