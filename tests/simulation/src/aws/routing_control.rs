//! An ARC cluster: its five endpoints, the routing control of each Region, and a safety rule over them.

use std::collections::BTreeMap;

use failover::contract::Timestamp;
use failover::testing::wire::Request;
use serde_json::{Value, json};

use super::{ACCOUNT, Answer, Aws, parameters};
use crate::chance::Chance;
use crate::workload::{HOME, STANDBY};

/// Where the endpoints stand.
/// Source: <https://docs.aws.amazon.com/general/latest/gr/r53arc.html>
pub const ENDPOINTS: [&str; 5] = ["ap-northeast-1", "ap-southeast-2", "eu-west-1", "us-east-1", "us-west-2"];
/// In how many of a thousand cases an endpoint says that another one is to be asked.
const UNAVAILABLE_PERMILLE: u64 = 50;
/// In how many of a thousand cases an endpoint shows what was a moment ago.
const LAG_PERMILLE: u64 = 200;
/// How long ago at most, in milliseconds.
const MOST_LAG_MS: u64 = 2_000;
/// How long the safety rule refuses every change after one, in milliseconds: its default.
/// Source: <https://docs.aws.amazon.com/recovery-cluster/latest/api/safetyrule.html> (`WaitPeriodMs`)
pub const WAIT_PERIOD_MS: u64 = 5_000;

/// What was set: each Region whose control is On.
type On = Vec<&'static str>;

/// A change that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// The Regions whose controls are On afterwards.
    pub on: On,
}

/// That a Region's control was set On or Off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) at: Timestamp,
    pub(super) region: &'static str,
    pub(super) on: bool,
}

/// The cluster. A safety rule asserts that one control is On at least.
#[derive(Debug)]
pub struct RoutingControl {
    on: On,
    changes: Vec<Change>,
    turns: Vec<Turn>,
    chance: Chance,
}

impl RoutingControl {
    /// With the home Region's control On.
    #[must_use]
    pub fn new(chance: &mut Chance) -> Self {
        Self { on: vec![HOME], changes: Vec::new(), turns: Vec::new(), chance: Chance::new(chance.bits()) }
    }

    /// The Regions whose controls are On.
    #[must_use]
    pub fn on(&self) -> &[&'static str] {
        &self.on
    }

    /// Every change that was accepted, in order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    pub(super) fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// What an endpoint shows: what is, or what was a moment ago.
    fn seen(&mut self, now: Timestamp) -> On {
        let lag = if self.chance.permille(LAG_PERMILLE) { self.chance.between(1, MOST_LAG_MS) } else { 0 };
        let moment = now.minus_millis(lag);
        let last = self.changes.iter().rev().find(|change| change.at <= moment);
        last.map_or_else(|| vec![HOME], |change| change.on.clone())
    }

    fn set(&mut self, on: On, now: Timestamp) {
        for region in [HOME, STANDBY] {
            if on.contains(&region) != self.on.contains(&region) {
                self.turns.push(Turn { at: now, region, on: on.contains(&region) });
            }
        }
        self.on.clone_from(&on);
        self.changes.push(Change { at: now, on });
    }
}

/// The ARN of a Region's routing control.
#[must_use]
pub fn control(region: &str) -> String {
    format!("arn:aws:route53-recovery-control::{ACCOUNT}:controlpanel/p1/routingcontrol/{region}")
}

/// The ARN of the safety rule.
#[must_use]
pub fn safety_rule() -> String {
    format!("arn:aws:route53-recovery-control::{ACCOUNT}:controlpanel/p1/safetyrule/one-is-on")
}

/// How traffic is moved by the controls, as a plan has it.
#[must_use]
pub fn traffic() -> Value {
    let endpoint = |region| (region, format!("https://host-{region}.{region}.example.com/v1"));
    let endpoints: BTreeMap<&str, String> = ENDPOINTS.map(endpoint).into();
    let controls: BTreeMap<&str, String> = [HOME, STANDBY].map(|region| (region, control(region))).into();
    json!({ "routing_control": { "cluster_endpoints": endpoints, "controls": controls } })
}

/// Answers a request.
///
/// # Panics
/// On what is not simulated, and at an endpoint that the cluster does not have.
pub fn answer(aws: &mut Aws, request: &Request, now: Timestamp) -> Answer {
    let expected = format!("host-{0}.{0}.example.com", request.region);
    assert!(ENDPOINTS.contains(&request.region.as_str()), "the cluster has no endpoint in {}", request.region);
    assert_eq!(request.host, expected, "{} is signed for the endpoint's own Region", request.name());
    let cluster = &mut aws.routing_control;
    if cluster.chance.permille(UNAVAILABLE_PERMILLE) {
        let code = "EndpointTemporarilyUnavailableException".to_owned();
        return Answer::Error { status: 503, code, message: "try another endpoint".to_owned() };
    }
    match request.operation.as_str() {
        "GetRoutingControlState" => get(cluster, request, now),
        "UpdateRoutingControlStates" => update(cluster, request, now),
        _ => panic!("not simulated: {}", request.name()),
    }
}

fn get(cluster: &mut RoutingControl, request: &Request, now: Timestamp) -> Answer {
    parameters::only(request, &["RoutingControlArn"]);
    let arn = parameters::text(request, "RoutingControlArn");
    let Some(region) = region_of(arn) else {
        return unknown(arn);
    };
    let state = if cluster.seen(now).contains(&region) { "On" } else { "Off" };
    Answer::json(json!({ "RoutingControlArn": arn, "RoutingControlName": region, "RoutingControlState": state }))
}

/// All entries or none.
fn update(cluster: &mut RoutingControl, request: &Request, now: Timestamp) -> Answer {
    parameters::only(request, &["UpdateRoutingControlStateEntries", "SafetyRulesToOverride"]);
    let entries = request.body["UpdateRoutingControlStateEntries"].as_array().expect("entries");
    let mut on = cluster.on.clone();
    for entry in entries {
        let arn = entry["RoutingControlArn"].as_str().expect("an ARN");
        let Some(region) = region_of(arn) else {
            return unknown(arn);
        };
        on.retain(|other| *other != region);
        match entry["RoutingControlState"].as_str() {
            Some("On") => on.push(region),
            Some("Off") => {}
            other => panic!("{other:?} is no state of a routing control"),
        }
    }
    on.sort_unstable();
    let overridden = parameters::texts(request, "SafetyRulesToOverride").unwrap_or_default();
    if !overridden.contains(&safety_rule().as_str()) {
        let waits = cluster.changes.last().is_some_and(|last| now.millis_since(last.at) < WAIT_PERIOD_MS);
        if waits {
            return conflict("the controls were changed within the wait period of safety rule one-is-on");
        }
        if on.is_empty() {
            return conflict("safety rule one-is-on asserts that one control is On");
        }
    }
    if on != cluster.on {
        cluster.set(on, now);
    }
    Answer::json(json!({}))
}

fn region_of(arn: &str) -> Option<&'static str> {
    [HOME, STANDBY].into_iter().find(|region| control(region) == arn)
}

fn unknown(arn: &str) -> Answer {
    let message = format!("There is no routing control {arn}");
    Answer::Error { status: 404, code: "ResourceNotFoundException".to_owned(), message }
}

fn conflict(message: &str) -> Answer {
    Answer::Error { status: 409, code: "ConflictException".to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use failover::contract::Severity;

    use super::*;
    use crate::aws::lab::{at, code, request};
    use crate::aws::route53::CONTROLLED_RECORD;
    use crate::aws::steps::Steps;

    fn ask(aws: &mut Aws, endpoint: &str, operation: &str, body: &Value, ms: u64) -> Answer {
        let request = Request {
            host: format!("host-{endpoint}.{endpoint}.example.com"),
            ..request("route53-recovery-cluster", endpoint, operation, body.clone())
        };
        loop {
            let answer = aws.answer(&request, at(ms));
            if code(&answer) != "EndpointTemporarilyUnavailableException" {
                return answer;
            }
        }
    }

    fn set(states: &[(&str, &str)]) -> Value {
        let entry = |(arn, state): &(&str, &str)| json!({ "RoutingControlArn": arn, "RoutingControlState": state });
        json!({ "UpdateRoutingControlStateEntries": states.iter().map(entry).collect::<Vec<_>>() })
    }

    const UPDATE: &str = "UpdateRoutingControlStates";

    #[test]
    fn what_one_endpoint_took_shows_at_every_other_one_within_two_seconds() {
        let mut lagging = 0;
        for seed in 0..60 {
            let mut aws = Aws::new(seed);
            let moved = set(&[(&control(STANDBY), "On"), (&control(HOME), "Off")]);
            assert!(ask(&mut aws, "us-west-2", UPDATE, &moved, 10_000).is_success());
            let get = json!({ "RoutingControlArn": control(STANDBY) });
            let mut state = |endpoint, ms| {
                let Answer::Body(answer) = ask(&mut aws, endpoint, "GetRoutingControlState", &get, ms) else {
                    panic!("a state")
                };
                answer["RoutingControlState"].clone()
            };
            for endpoint in ENDPOINTS {
                lagging += u32::from(state(endpoint, 10_001) == "Off");
                assert_eq!(state(endpoint, 12_000), "On", "seed {seed}");
            }
        }
        assert!(lagging > 0);
    }

    #[test]
    fn the_safety_rule_refuses_a_change_soon_after_another_and_one_that_leaves_none_on_unless_overridden() {
        let mut aws = Aws::new(1);
        let none = set(&[(&control(HOME), "Off")]);
        assert_eq!(code(&ask(&mut aws, "eu-west-1", UPDATE, &none, 0)), "ConflictException");
        let both = set(&[(&control(STANDBY), "On")]);
        assert!(ask(&mut aws, "eu-west-1", UPDATE, &both, 0).is_success());
        assert_eq!(code(&ask(&mut aws, "us-east-1", UPDATE, &none, 4_999)), "ConflictException");
        assert!(ask(&mut aws, "us-east-1", UPDATE, &none, 5_000).is_success());
        assert_eq!(aws.routing_control.on(), [STANDBY]);
        let mut forced = set(&[(&control(STANDBY), "Off")]);
        forced["SafetyRulesToOverride"] = json!([safety_rule()]);
        assert!(ask(&mut aws, "us-east-1", UPDATE, &forced, 6_000).is_success());
        assert!(aws.routing_control.on().is_empty());
    }

    #[test]
    fn an_update_that_names_an_unknown_control_changes_nothing() {
        let mut aws = Aws::new(1);
        let entries = set(&[(&control(STANDBY), "On"), ("arn:unknown", "Off")]);
        assert_eq!(code(&ask(&mut aws, "eu-west-1", UPDATE, &entries, 0)), "ResourceNotFoundException");
        assert_eq!(aws.routing_control.on(), [HOME]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_real_step_moves_the_traffic_there_and_back_by_the_controls() {
        for seed in 0..20 {
            Steps::with(seed, async |steps| {
                for (failover, target) in [("f1", STANDBY), ("f2", HOME)] {
                    let request =
                        json!({ "run": { "failover_id": failover }, "target_region": target, "traffic": traffic() });
                    steps.settle("shift-dns", request).await.expect("moved");
                    steps.pass(5).await;
                    steps.aws(|aws, now| {
                        assert_eq!(aws.routing_control.on(), [target], "seed {seed}");
                        let answers = aws.route53.answers(CONTROLLED_RECORD, "AAAA", now);
                        assert_eq!(answers, BTreeSet::from([target]), "seed {seed}");
                    });
                }
                assert_eq!(steps.aws(|aws, _| aws.routing_control.changes().len()), 2, "seed {seed}");
            })
            .await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_real_preflight_reads_every_control() {
        for seed in 0..20 {
            Steps::with(seed, async |steps| {
                let request = json!({ "target_region": STANDBY, "traffic": traffic() });
                let findings = steps.check("shift-dns", request).await;
                let blocks = |finding: &&failover::contract::Finding| finding.severity == Severity::Blocker;
                assert_eq!(findings.iter().find(blocks), None, "seed {seed}");
                assert!(steps.aws(|aws, _| aws.routing_control.changes().is_empty()));
            })
            .await;
        }
    }
}
