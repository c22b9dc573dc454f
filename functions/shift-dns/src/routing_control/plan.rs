//! Decides what to do about routing controls. Pure: no clock, no AWS.

use std::collections::BTreeMap;

use failover::contract::{Region, RoutingControls};
use failover::error::Error;
use failover::step::Plan;
use serde::{Deserialize, Serialize};

use crate::request::{Common, no_entry};

/// The field of a request that the controls stand in.
pub const FIELD: &str = "traffic.routing_control";

/// A request, complete and checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlShift {
    /// What every way is asked.
    #[serde(flatten)]
    pub common: Common,
    /// The routing control of each Region, by ARN.
    pub controls: BTreeMap<Region, String>,
    /// Safety rules to override, by ARN.
    pub safety_rules_to_override: Vec<String>,
}

impl ControlShift {
    /// Puts it together.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] when the target Region has no control.
    pub fn new(common: Common, controls: &RoutingControls) -> Result<Self, Error> {
        let RoutingControls { controls, safety_rules_to_override, .. } = controls.clone();
        if !controls.contains_key(&common.target_region) {
            return Err(no_entry(&format!("{FIELD}.controls"), &common.target_region));
        }
        Ok(Self { common, controls, safety_rules_to_override })
    }

    /// The target Region's control.
    pub(super) fn target_control(&self) -> &str {
        self.controls.get(&self.common.target_region).map_or("", String::as_str)
    }

    fn wanted(&self, region: &Region) -> State {
        if *region == self.common.target_region { State::On } else { State::Off }
    }
}

/// A routing control's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Traffic flows to its Region.
    On,
    /// None does.
    Off,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The Region of the endpoint that answered.
    pub endpoint: Region,
    /// Each Region's control.
    pub states: BTreeMap<Region, State>,
    /// The safety rules that this operation's change was allowed to override.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub overridden: Vec<String>,
}

/// All controls at once: either every one of them is set, or none is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The controls, that of the target Region first.
    pub entries: Vec<Entry>,
    /// Safety rules to override, by ARN.
    pub safety_rules_to_override: Vec<String>,
}

/// What one control is set to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its Region.
    pub region: Region,
    /// Its ARN.
    pub control: String,
    /// What it is set to.
    pub state: State,
}

/// Decides.
#[must_use]
pub fn plan(request: &ControlShift, seen: &Observation) -> Plan<Action> {
    let as_wanted = request.controls.keys().all(|region| seen.states.get(region) == Some(&request.wanted(region)));
    if !as_wanted {
        return Plan::Act(action(request));
    }
    let (target, endpoint) = (&request.common.target_region, &seen.endpoint);
    let mut proof =
        format!("the routing control of {target} is On and every other one Off, says the endpoint in {endpoint}");
    if !seen.overridden.is_empty() {
        proof = format!("{proof}; safety rules that could be overridden: {}", seen.overridden.join(", "));
    }
    Plan::AlreadyDone { proof }
}

fn action(request: &ControlShift) -> Action {
    let entry = |(region, control): (&Region, &String)| Entry {
        region: region.clone(),
        control: control.clone(),
        state: request.wanted(region),
    };
    let mut entries: Vec<Entry> = request.controls.iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.state == State::Off);
    Action { entries, safety_rules_to_override: request.safety_rules_to_override.clone() }
}
