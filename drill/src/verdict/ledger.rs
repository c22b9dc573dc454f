//! What the ledger holds.

use std::collections::BTreeMap;

use super::{Check, listed};
use crate::stage::{Evidence, Run};
use crate::world::Site;

/// The ledger has exactly one completed operation for each of `steps` of this run, and no other.
#[must_use]
pub fn ledger_complete(evidence: &Evidence, run: &Run, steps: &[&str]) -> Check {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for item in &evidence.ledger {
        if let Some((failover, step)) = item.failover_and_step()
            && failover == run.failover_id()
            // Whether a fence was completed is a matter of luck, and told by the checks on fencing.
            && !item.is_fence()
        {
            found.entry(step).or_default().push(&item.status);
        }
    }
    let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for step in steps {
        expected.entry(*step).or_default().push("completed");
    }
    let claim = format!("the ledger holds one completed operation for each step of {}", run.failover_id());
    let text = found.iter().map(|(step, statuses)| format!("{step} {}", statuses.join(" + ")));
    Check::new(claim, found == expected, listed(text))
}

/// The ledger has operations of these runs only.
#[must_use]
pub fn ledger_has_nothing_else(evidence: &Evidence) -> Check {
    let known = |failover: &str| evidence.runs.iter().any(|run| run.failover_id() == failover);
    let strangers =
        evidence.ledger.iter().filter(|item| item.failover_and_step().is_some_and(|(failover, _)| !known(failover)));
    let strangers: Vec<String> = strangers.map(|item| item.operation_id.clone()).collect();
    Check::new("the ledger holds no operation of any other failover", strangers.is_empty(), listed(strangers))
}

/// All orchestrators see the same ledger, each in its own Region.
#[must_use]
pub fn one_ledger(evidence: &Evidence) -> Check {
    let others = evidence.beside.iter().filter(|other| other.ledger != evidence.ledger);
    let others: Vec<String> = others.map(|other| other.orchestrator.site.to_string()).collect();
    let passed = !evidence.beside.is_empty() && others.is_empty();
    Check::new("the ledger is the same in each orchestrator's Region", passed, listed(others))
}

/// The plan's item says that its last failover ended well, and where the workload is active.
#[must_use]
pub fn plan_concluded(evidence: &Evidence, generation: u64, active: Site) -> Check {
    let expected = [
        ("generation", generation.to_string()),
        ("phase", "succeeded".to_owned()),
        ("active_region", active.region().to_owned()),
    ];
    let plan = evidence.ledger.iter().find(|item| item.is_plan());
    let value = |name: &str| plan.and_then(|plan| plan.attributes.get(name)).map_or("-", String::as_str);
    let passed = expected.iter().all(|(name, wanted)| value(name) == wanted);
    let found = expected.iter().map(|(name, _)| format!("{name} {}", value(name)));
    let claim = format!("the plan's item is closed: generation {generation}, active in {active}");
    Check::new(claim, passed, listed(found))
}

/// The plan's item claims no failover: either none ever began, or there is no item.
#[must_use]
pub fn no_generation_claimed(evidence: &Evidence) -> Check {
    let plan = evidence.ledger.iter().find(|item| item.is_plan());
    let generation = plan.and_then(|plan| plan.attributes.get("generation")).map_or("0", String::as_str);
    Check::new("no failover was claimed in the ledger", generation == "0", format!("generation {generation}"))
}

/// The plan's kill switch is still set.
#[must_use]
pub fn kill_switch_set(evidence: &Evidence) -> Check {
    let plan = evidence.ledger.iter().find(|item| item.is_plan());
    let value = plan.and_then(|plan| plan.attributes.get("kill_switch")).map_or("-", String::as_str);
    Check::new("the plan's kill switch is still set", value == "true", value)
}
