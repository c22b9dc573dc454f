//! Decides what to do about traffic dials. Pure: no clock, no AWS.

use std::collections::BTreeMap;
use std::time::Duration;

use failover::contract::{Region, TrafficDials};
use failover::error::Error;
use failover::step::Plan;
use serde::{Deserialize, Serialize};

use crate::request::{Common, no_entry};

/// The field of a request that the dials stand in.
pub const FIELD: &str = "traffic.traffic_dial";
/// All traffic that is routed to the Region, in percent. A dial that was never turned stands here.
pub const FULL: f32 = 100.0;
/// No traffic at all.
pub const NONE: f32 = 0.0;
/// The time between two looks at an accelerator that is being changed.
pub const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// A request, complete and checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialShift {
    /// What every way is asked.
    #[serde(flatten)]
    pub common: Common,
    /// The accelerator, by ARN.
    pub accelerator: String,
    /// The endpoint group of each Region, by ARN.
    pub endpoint_groups: BTreeMap<Region, String>,
}

impl DialShift {
    /// Puts it together.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] when the target Region has no endpoint group.
    pub fn new(common: Common, dials: &TrafficDials) -> Result<Self, Error> {
        let groups = format!("{FIELD}.endpoint_groups");
        if !dials.endpoint_groups.contains_key(&common.target_region) {
            return Err(no_entry(&groups, &common.target_region));
        }
        let accelerator = dials.accelerator();
        let accelerator =
            accelerator.map_err(|(region, problem)| Error::invalid(format!("{groups}.{region}"), problem))?.to_owned();
        Ok(Self { common, accelerator, endpoint_groups: dials.endpoint_groups.clone() })
    }

    fn wanted(&self, region: &Region) -> f32 {
        if *region == self.common.target_region { FULL } else { NONE }
    }
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Each Region's dial, in percent.
    pub dials: BTreeMap<Region, f32>,
    /// The accelerator.
    pub accelerator: Accelerator,
}

/// An accelerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accelerator {
    /// Whether it has every change everywhere.
    pub deployed: bool,
    /// Whether it takes traffic at all.
    pub enabled: bool,
}

/// Dials to turn, in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// The one that goes up first, so that there is always somewhere to go.
    pub changes: Vec<DialChange>,
}

/// One dial to turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DialChange {
    /// Its Region.
    pub region: Region,
    /// Its endpoint group, by ARN.
    pub endpoint_group: String,
    /// Where it stood, in percent.
    pub from: f32,
    /// Where it is turned to, in percent.
    pub to: f32,
}

/// Decides.
#[must_use]
pub fn plan(request: &DialShift, seen: &Observation) -> Plan<Action> {
    let mut changes: Vec<DialChange> =
        request.endpoint_groups.iter().filter_map(|(region, group)| change(request, seen, region, group)).collect();
    let target = &request.common.target_region;
    if !changes.is_empty() {
        changes.sort_by_key(|change| change.region != *target);
        return Plan::Act(Action { changes });
    }
    if !seen.accelerator.deployed {
        let reason = format!("{target} has all the traffic, but the accelerator is not deployed everywhere yet");
        return Plan::Wait { reason, ask_again: POLL_INTERVAL };
    }
    Plan::AlreadyDone {
        proof: format!("the dial of {target} is at 100, every other one at 0, and the accelerator is DEPLOYED"),
    }
}

fn change(request: &DialShift, seen: &Observation, region: &Region, group: &str) -> Option<DialChange> {
    let to = request.wanted(region);
    let from = seen.dials.get(region).copied().unwrap_or(FULL);
    let stands = (from - to).abs() < f32::EPSILON;
    (!stands).then(|| DialChange { region: region.clone(), endpoint_group: group.to_owned(), from, to })
}
