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

#[cfg(test)]
mod tests {
    use failover::contract::Severity;

    use super::*;
    use crate::aws::lab::{at, code, request};
    use crate::aws::steps::Steps;

    fn ask(aws: &mut Aws, operation: &str, body: Value, ms: u64) -> Answer {
        aws.answer(&request("globalaccelerator", CONTROL_PLANE, operation, body), at(ms))
    }

    #[test]
    fn a_dial_that_was_turned_shows_at_once_and_is_deployed_within_ninety_seconds() {
        for seed in 0..60 {
            let mut aws = Aws::new(seed);
            let group = json!({ "EndpointGroupArn": endpoint_group(STANDBY) });
            let mut turned = group.clone();
            turned["TrafficDialPercentage"] = json!(100.0);
            assert!(ask(&mut aws, "UpdateEndpointGroup", turned, 0).is_success());
            let Answer::Body(seen) = ask(&mut aws, "DescribeEndpointGroup", group, 1) else { panic!("a group") };
            assert_eq!(seen["EndpointGroup"]["TrafficDialPercentage"], 100.0);
            let mut status = |ms| {
                let Answer::Body(seen) = ask(&mut aws, "DescribeAccelerator", json!({ "AcceleratorArn": arn() }), ms)
                else {
                    panic!("an accelerator")
                };
                seen["Accelerator"]["Status"].clone()
            };
            assert_eq!([status(1_999), status(90_000)], ["IN_PROGRESS", "DEPLOYED"], "seed {seed}");
        }
    }

    #[test]
    fn what_is_not_there_or_no_percentage_is_refused() {
        let mut aws = Aws::new(1);
        let group = json!({ "EndpointGroupArn": "arn:none", "TrafficDialPercentage": 1.0 });
        let too_much = json!({ "EndpointGroupArn": endpoint_group(HOME), "TrafficDialPercentage": 101.0 });
        let elsewhere = json!({ "AcceleratorArn": "arn:none" });
        for (operation, body, expected) in [
            ("UpdateEndpointGroup", group, "EndpointGroupNotFoundException"),
            ("UpdateEndpointGroup", too_much, "InvalidArgumentException"),
            ("DescribeAccelerator", elsewhere, "AcceleratorNotFoundException"),
        ] {
            assert_eq!(code(&ask(&mut aws, operation, body, 0)), expected);
        }
        assert!(aws.accelerator.changes().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_real_step_turns_the_dials_there_and_back() {
        for seed in 0..20 {
            Steps::with(seed, async |steps| {
                for (failover, target, other) in [("f1", STANDBY, HOME), ("f2", HOME, STANDBY)] {
                    let request =
                        json!({ "run": { "failover_id": failover }, "target_region": target, "traffic": traffic() });
                    steps.settle("shift-dns", request).await.expect("moved");
                    steps.aws(|aws, now| {
                        let expected = BTreeMap::from([(target, 100.0), (other, 0.0)]);
                        assert_eq!(aws.accelerator.dials(), &expected, "seed {seed}");
                        assert!(aws.accelerator.is_deployed(now), "seed {seed}");
                    });
                }
                assert_eq!(steps.aws(|aws, _| aws.accelerator.changes().len()), 4, "seed {seed}");
            })
            .await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_real_preflight_finds_the_accelerator_and_its_groups() {
        Steps::with(1, async |steps| {
            let findings = steps.check("shift-dns", json!({ "target_region": STANDBY, "traffic": traffic() })).await;
            assert!(findings.iter().all(|finding| finding.severity == Severity::Ok), "{findings:?}");
            let groups = findings.iter().filter(|finding| finding.check == "endpoint-group-exists").count();
            assert_eq!(groups, 2, "{findings:?}");
        })
        .await;
    }
}
