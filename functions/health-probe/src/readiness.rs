//! What this function itself checks before a run (X4): the ledger, the alarms, the endpoints.

use failover::contract::{Finding, Timestamp};
use failover::ledger::PlanItem;
use failover::recovery_plan::RecoveryPlan;

use crate::HealthProbe;

/// What the plan's item in the ledger says of the next run. It could be read, or there were no answer at all. Pure.
pub(crate) fn of_ledger(plan: &RecoveryPlan, item: &PlanItem, _now: Timestamp) -> Vec<Finding> {
    let subject = format!("plan {}", plan.name);
    let kill_switch = if item.kill_switch.holds() {
        Finding::warning(
            "kill-switch-off",
            &subject,
            "the kill switch is set: alarms start nothing",
            "remove it when automatic failovers are wanted again",
        )
    } else {
        Finding::ok("kill-switch-off", &subject, "alarms may start a failover")
    };
    vec![Finding::ok("ledger-answers", &subject, format!("generation {}", item.generation)), kill_switch]
}

/// The checks that only a preflight of its own makes: they need more than the run itself does.
pub(crate) async fn checks(_probe: &HealthProbe, _plan: &RecoveryPlan) -> Vec<Finding> {
    Vec::new()
}
