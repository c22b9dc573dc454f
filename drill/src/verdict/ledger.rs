//! What the ledger holds.

use std::collections::BTreeMap;

use super::{Check, listed};
use crate::moment::Moment;
use crate::stage::{Evidence, Run};
use crate::state::is_fence;
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

/// The scaling of `service` was begun only after every operation whose id has `earlier` in it was done, by the record of
/// what was written into the ledger.
#[must_use]
pub fn begun_after(evidence: &Evidence, service: &str, earlier: &str) -> Check {
    let claim = format!("the scaling of {service} was begun after {} was done", earlier.trim_matches(['#', '/']));
    let scaling = format!("/{service}");
    let writes = |is_it: &dyn Fn(&str) -> bool| -> Vec<(Moment, bool)> {
        let each = evidence.calls.iter().filter_map(|call| Some((call, call.ledger.as_ref()?)));
        let of_it = each.filter(|(_, write)| !is_fence(&write.operation_id) && is_it(&write.operation_id));
        of_it.map(|(call, write)| (Moment::from(call.at), write.status.as_deref() == Some("completed"))).collect()
    };
    let begun = writes(&|id| id.ends_with(&scaling)).into_iter().map(|(at, _)| at).min();
    let done = writes(&|id| id.contains(earlier)).into_iter().filter_map(|(at, done)| done.then_some(at)).max();
    let (Some(begun), Some(done)) = (begun, done) else {
        return Check::new(claim, false, "one of them was not recorded");
    };
    Check::new(claim, begun > done, format!("{} ms after it", begun.since(done).as_millis()))
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
