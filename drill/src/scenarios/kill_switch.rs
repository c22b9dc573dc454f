//! The kill switch holds alarms back, and never a person.

use super::{Play, Scenario, failover_changes, moved_to, stood_down, well_run};
use crate::stage::{Evidence, Order, Run, Stage};
use crate::verdict::{self, Check};
use crate::world::Site;

/// The Region is lost while the plan's kill switch is set; then a person starts the failover.
pub(super) struct KillSwitch;

impl Scenario for KillSwitch {
    fn name(&self) -> &'static str {
        "kill-switch"
    }

    fn does(&self) -> &'static str {
        "Sets the plan's kill switch, loses the primary Region, and starts a failover by hand after the alarm's."
    }

    fn expects(&self) -> &'static str {
        "The alarm's run stands down and changes nothing; the person's succeeds, with the switch still set."
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            stage.set_kill_switch(true).await?;
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            stage.await_run("being held back", ordered, None).await?;
            let ordered = stage.order(Order::Failover, Site::Standby, "the primary Region is lost").await?;
            stage.await_run("failing over by hand", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let (by_alarm, by_hand): (Vec<&Run>, Vec<&Run>) = evidence.runs.iter().partition(|run| run.by_alarm());
        let mut checks = vec![verdict::executions_succeeded(evidence, 2)];
        checks.extend(by_alarm.into_iter().flat_map(|run| stood_down(evidence, run, "kill switch")));
        checks.extend(moved_to(evidence, Site::Standby));
        // One failover's changes; that the alarm's run made none of them shows in the ledger, and in the generation.
        checks.push(verdict::changes_made(evidence, &failover_changes()));
        checks.push(verdict::plan_concluded(evidence, 1, Site::Standby));
        checks.push(verdict::kill_switch_set(evidence));
        checks.extend(by_hand.into_iter().flat_map(|run| well_run(evidence, run)));
        checks
    }
}
