//! What comes and goes moves the workload once, not back and forth.

use super::{Play, Scenario, stands_at, stood_down, there_and_back_changes, well_run};
use crate::stage::{Evidence, Order, Stage};
use crate::verdict::{self, Check};
use crate::world::Site;

/// The alarm goes off again right after its failover, and again when the workload is back home.
pub(super) struct CooldownFlap;

impl Scenario for CooldownFlap {
    fn name(&self) -> &'static str {
        "cooldown-flap"
    }

    fn does(&self) -> &'static str {
        "Repeats the alarm after its failover, moves the workload home, and loses the primary Region once more."
    }

    fn expects(&self) -> &'static str {
        "Neither later alarm moves anything: the first would lead back, and the second comes within the cooldown."
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            stage.await_run("failing over", ordered, Some(Site::Standby)).await?;
            stage.clear_alarm().await?;
            let ordered = stage.raise_alarm().await?;
            stage.await_run("staying in the standby Region", ordered, None).await?;
            stage.restore(Site::Primary).await?;
            let ordered = stage.order(Order::Switchover, Site::Primary, "the primary Region is back").await?;
            stage.await_run("failing back", ordered, Some(Site::Primary)).await?;
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            stage.await_run("waiting for the cooldown to pass", ordered, None).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = vec![verdict::executions_succeeded(evidence, 4)];
        checks.extend(stands_at(evidence, Site::Primary, None));
        checks.push(verdict::changes_made(evidence, &there_and_back_changes()));
        checks.push(verdict::plan_concluded(evidence, 2, Site::Primary));
        // The first of them would lead back; only the cooldown holds the second, since the Region is lost again.
        let (moves, held): (Vec<_>, Vec<_>) = evidence.runs.iter().partition(|run| run.target.is_some());
        checks.extend(moves.into_iter().flat_map(|run| well_run(evidence, run)));
        for (run, reason) in
            held.into_iter().zip(["moving back is ordered by a person", "the cooldown keeps alarms from"])
        {
            checks.extend(stood_down(evidence, run, reason));
        }
        checks
    }
}
