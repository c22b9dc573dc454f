//! Global Accelerator: one accelerator with an endpoint group in each Region.

use std::collections::BTreeMap;

use failover::contract::Timestamp;
use failover::testing::wire::Request;
use serde_json::{Value, json};

use super::{ACCOUNT, Answer, Aws, parameters};
use crate::chance::Chance;
use crate::workload::{HOME, STANDBY};

/// Where the control plane stands.
/// Source: <https://docs.aws.amazon.com/global-accelerator/latest/api/Welcome.html>
const CONTROL_PLANE: &str = "us-west-2";
/// Until a change is deployed everywhere, least and most, in milliseconds.
const DEPLOYMENT_MS: (u64, u64) = (2_000, 90_000);

/// A dial that was turned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// The Region of the endpoint group.
    pub region: &'static str,
    /// Where the dial stands, in percent.
    pub dial: f64,
}

/// The accelerator.
#[derive(Debug)]
pub struct Accelerator {
    dials: BTreeMap<&'static str, f64>,
    changes: Vec<Change>,
    deployed_at: Option<Timestamp>,
    chance: Chance,
}

impl Accelerator {
    /// With all the traffic at home.
    #[must_use]
    pub fn new(chance: &mut Chance) -> Self {
        Self {
            dials: BTreeMap::from([(HOME, 100.0), (STANDBY, 0.0)]),
            changes: Vec::new(),
            deployed_at: None,
            chance: Chance::new(chance.bits()),
        }
    }

    /// Where each Region's dial stands, in percent.
    #[must_use]
    pub const fn dials(&self) -> &BTreeMap<&'static str, f64> {
        &self.dials
    }

    /// Every dial that was turned, in order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether every change is deployed everywhere.
    #[must_use]
    pub fn is_deployed(&self, now: Timestamp) -> bool {
        self.deployed_at.is_none_or(|moment| moment <= now)
    }
}

/// The accelerator's ARN.
#[must_use]
pub fn arn() -> String {
    format!("arn:aws:globalaccelerator::{ACCOUNT}:accelerator/a1")
}

/// The ARN of a Region's endpoint group.
#[must_use]
pub fn endpoint_group(region: &str) -> String {
    format!("{}/listener/l1/endpoint-group/{region}", arn())
}

/// How traffic is moved by the dials, as a plan has it.
#[must_use]
pub fn traffic() -> Value {
    let groups: BTreeMap<&str, String> = [HOME, STANDBY].map(|region| (region, endpoint_group(region))).into();
    json!({ "traffic_dial": { "endpoint_groups": groups } })
}

/// Answers a request.
///
/// # Panics
/// On what is not simulated, and on a request that is signed for another Region than that of the control plane.
pub fn answer(aws: &mut Aws, request: &Request, now: Timestamp) -> Answer {
    assert_eq!(request.region, CONTROL_PLANE, "{} is signed for the Region of the control plane", request.name());
    let accelerator = &mut aws.accelerator;
    match request.operation.as_str() {
        "DescribeAccelerator" => describe(accelerator, request, now),
        "DescribeEndpointGroup" => {
            parameters::only(request, &["EndpointGroupArn"]);
            let group = parameters::text(request, "EndpointGroupArn");
            region_of(group).map_or_else(|| unknown(group), |region| described(accelerator, region))
        }
        "UpdateEndpointGroup" => update(accelerator, request, now),
        _ => panic!("not simulated: {}", request.name()),
    }
}

fn describe(accelerator: &Accelerator, request: &Request, now: Timestamp) -> Answer {
    parameters::only(request, &["AcceleratorArn"]);
    let asked = parameters::text(request, "AcceleratorArn");
    if asked != arn() {
        return Answer::error("AcceleratorNotFoundException", format!("There is no accelerator {asked}"));
    }
    let status = if accelerator.is_deployed(now) { "DEPLOYED" } else { "IN_PROGRESS" };
    Answer::json(json!({ "Accelerator": { "AcceleratorArn": asked, "Enabled": true, "Status": status } }))
}

fn update(accelerator: &mut Accelerator, request: &Request, now: Timestamp) -> Answer {
    parameters::only(request, &["EndpointGroupArn", "TrafficDialPercentage"]);
    let group = parameters::text(request, "EndpointGroupArn");
    let Some(region) = region_of(group) else {
        return unknown(group);
    };
    let dial = request.body["TrafficDialPercentage"].as_f64().expect("a dial is all that is ever turned");
    if !(0.0..=100.0).contains(&dial) {
        return Answer::error("InvalidArgumentException", "TrafficDialPercentage has to be 0 to 100");
    }
    accelerator.dials.insert(region, dial);
    accelerator.changes.push(Change { at: now, region, dial });
    let (least, most) = DEPLOYMENT_MS;
    let deployed = now.plus_millis(accelerator.chance.between(least, most));
    accelerator.deployed_at = accelerator.deployed_at.max(Some(deployed));
    described(accelerator, region)
}

fn described(accelerator: &Accelerator, region: &str) -> Answer {
    Answer::json(json!({ "EndpointGroup": {
        "EndpointGroupArn": endpoint_group(region),
        "EndpointGroupRegion": region,
        "TrafficDialPercentage": accelerator.dials.get(region),
    } }))
}

fn region_of(arn: &str) -> Option<&'static str> {
    [HOME, STANDBY].into_iter().find(|region| endpoint_group(region) == arn)
}

fn unknown(group: &str) -> Answer {
    Answer::error("EndpointGroupNotFoundException", format!("There is no endpoint group {group}"))
}
