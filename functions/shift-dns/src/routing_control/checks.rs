//! What the preflight says of routing controls and their cluster (X4). Pure.

use std::collections::BTreeMap;

use failover::contract::{Finding, Region};

use super::plan::{ControlShift, State};
use crate::checks::{BLOCKS, Reading};

/// How many endpoints a cluster has.
/// Source: <https://docs.aws.amazon.com/r53recovery/latest/dg/introduction-components-routing.html>
const ENDPOINTS: usize = 5;

/// How many of the cluster's endpoints answer: one will do, but the next loss may take it.
#[must_use]
pub fn endpoints_answer(answers: &[(Region, Reading<State>)]) -> Finding {
    const CHECK: &str = "cluster-endpoints-answer";
    let subject = format!("{} cluster endpoints", answers.len());
    let silent: Vec<String> = answers
        .iter()
        .filter_map(|(region, answer)| match answer {
            Reading::Unknown(why) => Some(format!("{region}: {why}")),
            Reading::Found(_) | Reading::Missing(_) | Reading::Denied(_) => None,
        })
        .collect();
    let answering = answers.len() - silent.len();
    let message = format!("{answering} of {ENDPOINTS} answer");
    if answering == 0 {
        let message = format!("{message}; {}", silent.join("; "));
        return Finding::blocker(CHECK, subject, message, BLOCKS, "correct the endpoints in the plan, or wait");
    }
    if !silent.is_empty() {
        let message = format!("{message}; {}", silent.join("; "));
        // https://docs.aws.amazon.com/r53recovery/latest/dg/routing-control.update.api.html
        let cure = "check again: AWS maintains up to two at a time; otherwise see what it says of these Regions";
        return Finding::warning(CHECK, subject, message, cure);
    }
    if answering < ENDPOINTS {
        return Finding::warning(CHECK, subject, message, "name all endpoints of the cluster in the plan");
    }
    Finding::ok(CHECK, subject, message)
}

/// Whether each control can be read.
#[must_use]
pub fn controls_readable(request: &ControlShift, states: &BTreeMap<Region, Reading<State>>) -> Vec<Finding> {
    const CHECK: &str = "routing-control-readable";
    let create = "create the routing control, or correct its ARN in the plan";
    let one = |(region, control): (&Region, &String)| {
        let state = states.get(region)?;
        let subject = format!("{region}: {control}");
        Some(state.finding(CHECK, &subject, create, |state| Finding::ok(CHECK, &subject, format!("is {state:?}"))))
    };
    request.controls.iter().filter_map(one).collect()
}

/// Whether one Region gets the traffic: with none or several On it is not clear which one serves.
#[must_use]
pub fn one_control_on(request: &ControlShift, states: &BTreeMap<Region, Reading<State>>) -> Finding {
    const CHECK: &str = "one-routing-control-on";
    let subject = format!("{} routing controls", request.controls.len());
    let readable = states.values().all(|state| matches!(state, Reading::Found(_)));
    let on: Vec<&str> = states
        .iter()
        .filter(|(_, state)| **state == Reading::Found(State::On))
        .map(|(region, _)| region.as_str())
        .collect();
    match on.as_slice() {
        _ if !readable => Finding::unknown(CHECK, subject, "not all of them could be read", "see the other findings"),
        [one] => Finding::ok(CHECK, subject, format!("only that of {one} is On")),
        [] => Finding::warning(CHECK, subject, "none is On", "set that of the serving Region On"),
        several => Finding::warning(
            CHECK,
            subject,
            format!("those of {} are On", several.join(" and ")),
            "set those of the Regions that do not serve Off",
        ),
    }
}

/// Whether the plan leaves the safety rules in force.
#[must_use]
pub fn safety_rules_kept(request: &ControlShift) -> Finding {
    const CHECK: &str = "safety-rules-kept";
    let rules = &request.safety_rules_to_override;
    if rules.is_empty() {
        return Finding::ok(CHECK, "safety rules", "none is overridden");
    }
    let message = format!("the plan overrides {}", rules.join(", "));
    Finding::warning(CHECK, "safety rules", message, "take them out of the plan's safety_rules_to_override")
}
