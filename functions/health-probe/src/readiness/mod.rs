//! What this function itself checks of the next failover (X4): the plan's item in the ledger and whether `watch` fits
//! the plan before every run, and in a preflight of its own also the ledger's table, the alarms' wiring, the endpoints,
//! the roles' permissions, and what the plan depends on.
//!
//! Each check is a read and a pure judgement of what was read. A check that could not be made is a finding, not an error.

mod alarms;
mod dependence;
mod endpoints;
mod needs;
mod permissions;
mod plan_item;
mod table;
mod watched;

use failover::contract::{Finding, RunPlan};
use failover::recovery_plan::RecoveryPlan;

pub use needs::{NEEDS, Need};
pub(crate) use plan_item::of_ledger;
pub(crate) use watched::agrees;

use crate::HealthProbe;
use crate::evidence::Lag;

/// What a preflight of its own is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked<'a> {
    /// The recovery plan.
    pub(crate) plan: &'a RecoveryPlan,
    /// The run as it would be decided now.
    pub(crate) run: &'a RunPlan,
    /// How far the target is behind.
    pub(crate) lag: &'a Lag,
}

/// The checks that only a preflight of its own makes: they ask more, and more of others, than a run can wait for.
pub(crate) async fn checks(probe: &HealthProbe, checked: &Checked<'_>) -> Vec<Finding> {
    let tools = &probe.tools;
    let (alarms, table, endpoints, permissions) = tokio::join!(
        alarms::checks(probe, checked.plan),
        table::checks(tools),
        endpoints::checks(tools, checked.plan, &checked.run.source_region),
        permissions::checks(probe, checked.plan, checked.run),
    );
    let mut findings = [alarms, table, endpoints, permissions].concat();
    findings.extend(dependence::of_traffic(checked.plan, &checked.run.source_region));
    findings.push(dependence::of_lag(checked.plan, checked.lag));
    findings
}

#[cfg(test)]
mod tests {
    use failover::contract::{DecideRequest, ExecutionInput, Region, RunPlan, Timestamp, Trigger};
    use failover::recovery_plan::RecoveryPlan;
    use serde_json::Value;

    use crate::run_plan::{self, Decided};

    fn request() -> DecideRequest {
        let mut event: Value = serde_json::from_str(include_str!("../../events/decide-alarm.json")).expect("JSON");
        event.as_object_mut().expect("an object").remove("command");
        serde_json::from_value(event).expect("a request")
    }

    /// The plan of the sample events.
    pub(super) fn plan() -> RecoveryPlan {
        RecoveryPlan::parse(&request().plan_document).expect("a plan")
    }

    /// A run of it, away from home.
    pub(super) fn run(plan: &RecoveryPlan, trigger: Trigger) -> RunPlan {
        let target = Region::parse("eu-west-1").expect("a Region");
        let decided = Decided {
            failover_id: &request().failover_id,
            input: &ExecutionInput { plan: plan.name.clone(), trigger },
            source: &plan.home_region,
            target: &target,
            generation: 1,
            started_at: Timestamp::from_millis(0),
            now: Timestamp::from_millis(0),
            lag_ms: None,
        };
        run_plan::resolve(plan, &decided).expect("in the plan")
    }
}
