//! Moving traffic by ARC routing controls: what is decided, the exact requests to the cluster's endpoints, and its errors.

#![allow(clippy::expect_used, reason = "a test's helper fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{invoke, names, no_variables, preflight, severities, until_settled};
use failover::contract::{Region, RoutingControls, RunContext, Severity, StepStatus};
use failover::env::Deadline;
use failover::error::ErrorCode;
use failover::step::Plan;
use failover::testing::{FakeAws, Reply, Request};
use proptest::prelude::*;
use serde_json::{Value, json};
use shift_dns::ShiftDns;
use shift_dns::request::Common;
use shift_dns::routing_control::ControlShift;
use shift_dns::routing_control::plan::{Observation, State, plan};

const SERVICE: &str = "route53-recovery-cluster";
const ENDPOINTS: [&str; 5] = ["ap-northeast-1", "ap-southeast-2", "eu-west-1", "us-east-1", "us-west-2"];
const RULE: &str = "arn:aws:route53-recovery-control::123456789012:controlpanel/p1/safetyrule/r1";

fn control(name: &str) -> String {
    format!("arn:aws:route53-recovery-control::123456789012:controlpanel/p1/routingcontrol/{name}")
}

fn request() -> Value {
    let endpoints: BTreeMap<&str, String> =
        ENDPOINTS.map(|region| (region, format!("https://host-{region}.{region}.example.com/v1"))).into();
    json!({
        "run": { "failover_id": "f1" },
        "target_region": "eu-west-1",
        "traffic": { "routing_control": {
            "cluster_endpoints": endpoints,
            "controls": { "eu-central-1": control("frankfurt"), "eu-west-1": control("ireland") },
        } },
    })
}

/// A cluster with the controls of Frankfurt, which is On, and of Ireland.
#[derive(Clone)]
struct Cluster {
    aws: FakeAws,
    states: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Cluster {
    fn at_home() -> Self {
        let states = BTreeMap::from([(control("frankfurt"), "On".to_owned()), (control("ireland"), "Off".to_owned())]);
        let cluster = Self { aws: FakeAws::new(), states: Arc::new(Mutex::new(states)) };
        let all = Arc::clone(&cluster.states);
        let get = Reply::from_fn(move |request| {
            let arn = request.body["RoutingControlArn"].as_str().expect("an ARN").to_owned();
            let states = all.lock().expect("states");
            Reply::json(json!({ "RoutingControlArn": arn, "RoutingControlState": states[&arn] }))
        });
        cluster.aws.on(SERVICE, "GetRoutingControlState", [get]);
        cluster.aws.on(SERVICE, "UpdateRoutingControlStates", [cluster.applied(Reply::json(json!({})))]);
        cluster
    }

    /// Sets the states, and then this happens to the answer.
    fn applied(&self, fate: Reply) -> Reply {
        let all = Arc::clone(&self.states);
        Reply::from_fn(move |request| {
            for entry in request.body["UpdateRoutingControlStateEntries"].as_array().expect("entries") {
                let text = |field: &str| entry[field].as_str().expect("text").to_owned();
                all.lock().expect("states").insert(text("RoutingControlArn"), text("RoutingControlState"));
            }
            fate.clone()
        })
    }

    fn changes(&self) -> Vec<Request> {
        self.aws.requests_to(SERVICE, "UpdateRoutingControlStates")
    }
}

fn regions(requests: &[Request]) -> BTreeSet<&str> {
    requests.iter().map(|request| request.region.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_targets_control_is_set_on_and_the_other_off_by_one_atomic_call_to_an_endpoint() {
    let cluster = Cluster::at_home();
    let response = invoke(&cluster.aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    let expected = "the routing control of eu-west-1 is On and every other one Off, says the endpoint in ";
    assert!(response.message.starts_with(expected), "{}", response.message);
    let [change] = cluster.changes().try_into().expect("one change");
    assert_eq!(
        change.body,
        json!({ "UpdateRoutingControlStateEntries": [
            { "RoutingControlArn": control("ireland"), "RoutingControlState": "On" },
            { "RoutingControlArn": control("frankfurt"), "RoutingControlState": "Off" },
        ] })
    );
    assert_eq!(change.headers["x-amz-target"], "ToggleCustomerAPI.UpdateRoutingControlStates");
    let requests = cluster.aws.requests();
    let get = "GetRoutingControlState";
    assert_eq!(names(&requests), [get, get, "UpdateRoutingControlStates", get, get]);
    for request in &requests {
        assert_eq!(request.host, format!("host-{0}.{0}.example.com", request.region), "each has its own Region");
        assert_eq!(request.path, "/v1/");
    }
}

#[tokio::test(start_paused = true)]
async fn rounds_start_at_a_random_endpoint_and_ask_each_one_once() {
    let mut firsts = BTreeSet::new();
    let aws = FakeAws::new();
    aws.on(SERVICE, "GetRoutingControlState", [Reply::error("EndpointTemporarilyUnavailableException", "try another")]);
    for _ in 0..20 {
        let before = aws.requests().len();
        let error = invoke(&aws, request()).await.expect_err("no endpoint is available");
        assert_eq!(error.code(), ErrorCode::Transient);
        let asked: Vec<String> = aws.requests()[before..].iter().map(|request| request.region.clone()).collect();
        let mut in_order = asked.clone();
        let start = ENDPOINTS.iter().position(|region| *region == asked[0]).expect("an endpoint");
        in_order.rotate_right(start);
        assert_eq!(in_order, ENDPOINTS, "one round, rotated: {asked:?}");
        firsts.insert(asked[0].clone());
        aws.toolbox().env.sleep(Duration::from_secs(60)).await;
    }
    assert!(firsts.len() >= 3, "{firsts:?}");
}

#[tokio::test(start_paused = true)]
async fn one_endpoint_of_five_is_enough() {
    for alive in ENDPOINTS {
        let cluster = Cluster::at_home();
        for (index, dead) in ENDPOINTS.into_iter().filter(|region| *region != alive).enumerate() {
            let fate = [
                Reply::Silence,
                Reply::Refused,
                Reply::Reset,
                Reply::Error(503, "EndpointTemporarilyUnavailableException".to_owned(), "try another".to_owned()),
            ];
            for operation in ["GetRoutingControlState", "UpdateRoutingControlStates"] {
                cluster.aws.on_in(dead, SERVICE, operation, [fate[index].clone()]);
            }
        }
        let response = until_settled(&cluster.aws, request()).await.expect("done");
        assert_eq!(response.status, StepStatus::Done);
        assert!(response.message.ends_with(&format!("says the endpoint in {alive}")), "{}", response.message);
        let changes = cluster.changes();
        assert_eq!(changes.iter().filter(|change| change.region == alive).count(), 1, "{alive}: {changes:?}");
        assert!(changes.len() <= ENDPOINTS.len(), "one round: {changes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_round_of_endpoints_in_lost_regions_takes_a_second_each() {
    let cluster = Cluster::at_home();
    for region in ENDPOINTS {
        cluster.aws.lose_region(region);
    }
    let began = cluster.aws.toolbox().env.now();
    let error = invoke(&cluster.aws, request()).await.expect_err("no endpoint answers");
    assert_eq!(error.code(), ErrorCode::Transient);
    let took = cluster.aws.toolbox().env.now().millis_since(began);
    assert!((5_000..=5_500).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_was_lost_at_every_endpoint_is_looked_for() {
    for fate in
        [Reply::Silence, Reply::Reset, Reply::Error(500, "InternalServerException".to_owned(), "oops".to_owned())]
    {
        let cluster = Cluster::at_home();
        cluster.aws.on(SERVICE, "UpdateRoutingControlStates", [cluster.applied(fate.clone())]);
        let response = until_settled(&cluster.aws, request()).await.expect("done");
        assert_eq!(response.status, StepStatus::Done, "{fate:?}");
        let changes = cluster.changes();
        assert_eq!((changes.len(), regions(&changes).len()), (5, 5), "one round, and no second one: {fate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_round_of_silent_endpoints_that_begins_shortly_before_the_deadline_stops_at_it() {
    let cluster = Cluster::at_home();
    cluster.aws.on(SERVICE, "UpdateRoutingControlStates", [cluster.applied(Reply::Silence)]);
    let tools = cluster.aws.toolbox();
    // Each endpoint is given two seconds.
    let deadline = Deadline::new(tools.env.now(), Duration::from_secs(3), 0);
    let step = ShiftDns::new(tools, &no_variables()).expect("complete");
    let answer = shift_dns::handle(Arc::new(step), request(), deadline).await.expect("looked at again");
    assert_eq!((cluster.changes().len(), answer.status), (2, StepStatus::Done), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_lags_behind_is_asked_again_and_nothing_is_changed_twice() {
    let cluster = Cluster::at_home();
    let home = |request: &Request| {
        let arn = request.body["RoutingControlArn"].as_str().expect("an ARN").to_owned();
        let state = if arn.ends_with("frankfurt") { "On" } else { "Off" };
        Reply::json(json!({ "RoutingControlArn": arn, "RoutingControlState": state }))
    };
    let moved = |request: &Request| {
        let arn = request.body["RoutingControlArn"].as_str().expect("an ARN").to_owned();
        let state = if arn.ends_with("ireland") { "On" } else { "Off" };
        Reply::json(json!({ "RoutingControlArn": arn, "RoutingControlState": state }))
    };
    // Two looks at two controls each that show nothing yet, the first of them before the change.
    let replies = [home, home, home, home].map(Reply::from_fn).into_iter().chain([Reply::from_fn(moved)]);
    cluster.aws.on(SERVICE, "GetRoutingControlState", replies);
    let response = invoke(&cluster.aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(cluster.changes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_as_wanted_already_is_not_changed() {
    let cluster = Cluster::at_home();
    let mut request = request();
    request["target_region"] = json!("eu-central-1");
    let response = invoke(&cluster.aws, request).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert!(cluster.changes().is_empty());
}

/// Each error that the model of `UpdateRoutingControlStates` has.
#[tokio::test(start_paused = true)]
async fn an_error_of_the_change_is_answered_with_what_it_means() {
    for (status, aws_code, expected, attempts) in [
        (403, "AccessDeniedException", ErrorCode::Denied, 1),
        (404, "ResourceNotFoundException", ErrorCode::Refused, 1),
        (400, "ValidationException", ErrorCode::Refused, 1),
        (402, "ServiceLimitExceededException", ErrorCode::Refused, 1),
        (409, "ConflictException", ErrorCode::Refused, 2),
    ] {
        let cluster = Cluster::at_home();
        let reply = Reply::Error(status, aws_code.to_owned(), format!("what AWS says of {RULE}"));
        cluster.aws.on(SERVICE, "UpdateRoutingControlStates", [reply]);
        let error = invoke(&cluster.aws, request()).await.expect_err(aws_code);
        assert_eq!(error.code(), expected, "{error}");
        assert!(failover::error::chain(&error).contains(RULE), "the rule is named: {error}");
        assert_eq!(cluster.changes().len(), attempts, "{aws_code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_safety_rules_refusal_is_waited_out_once_and_then_refused_with_the_cure() {
    let cluster = Cluster::at_home();
    let refusal = Reply::Error(409, "ConflictException".to_owned(), format!("violates {RULE}"));
    cluster.aws.on(SERVICE, "UpdateRoutingControlStates", [refusal.clone(), cluster.applied(Reply::json(json!({})))]);
    let response = invoke(&cluster.aws, request()).await.expect("the rule's wait period is over");
    assert_eq!(response.status, StepStatus::Done);
    let changes = cluster.changes();
    assert_eq!(changes.len(), 2);
    assert!(changes[1].at.saturating_sub(changes[0].at) >= Duration::from_secs(6), "{changes:?}");

    let cluster = Cluster::at_home();
    cluster.aws.on(SERVICE, "UpdateRoutingControlStates", [refusal]);
    let error = invoke(&cluster.aws, request()).await.expect_err("still refused").to_string();
    assert!(error.contains(&format!("violates {RULE}")), "{error}");
    assert!(error.contains("To go on: satisfy the rule that AWS names"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_lost_answer_is_not_taken_for_one_before_another_look() {
    let cluster = Cluster::at_home();
    let refusal = Reply::Error(409, "ConflictException".to_owned(), format!("violates {RULE}"));
    // The first endpoint did it and its answer was lost, so that the rule's wait period begins.
    cluster.aws.on(SERVICE, "UpdateRoutingControlStates", [cluster.applied(Reply::Reset), refusal]);
    let response = until_settled(&cluster.aws, request()).await.expect("it was done");
    assert_eq!(response.status, StepStatus::Done);
}

#[tokio::test(start_paused = true)]
async fn safety_rules_are_overridden_only_when_the_request_names_them_and_that_is_reported() {
    let cluster = Cluster::at_home();
    let mut request = request();
    request["traffic"]["routing_control"]["safety_rules_to_override"] = json!([RULE]);
    let response = invoke(&cluster.aws, request).await.expect("done");
    assert_eq!(cluster.changes()[0].body["SafetyRulesToOverride"], json!([RULE]));
    assert!(response.message.ends_with(&format!("safety rules that could be overridden: {RULE}")), "{response:?}");
    assert_eq!(response.observed["overridden"], json!([RULE]));
    assert_eq!(response.action["safety_rules_to_override"], json!([RULE]));
}

#[tokio::test(start_paused = true)]
async fn throttling_at_every_endpoint_is_tried_again_after_a_pause() {
    let cluster = Cluster::at_home();
    let throttled = Reply::error("ThrottlingException", "Rate exceeded");
    let replies = vec![throttled; 5].into_iter().chain([cluster.applied(Reply::json(json!({})))]);
    cluster.aws.on(SERVICE, "UpdateRoutingControlStates", replies);
    let response = invoke(&cluster.aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    let changes = cluster.changes();
    assert_eq!(changes.len(), 6);
    assert!(changes[5].at.saturating_sub(changes[4].at) >= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_read_names_what_is_wrong_and_changes_nothing() {
    for (reply, code, expected) in [
        (
            Reply::Error(404, "ResourceNotFoundException".to_owned(), "no such control".to_owned()),
            ErrorCode::InvalidRequest,
            "(the routing control of eu-central-1)",
        ),
        (
            Reply::error("ValidationException", "bad ARN"),
            ErrorCode::InvalidRequest,
            "traffic.routing_control.controls: ",
        ),
        (
            Reply::Error(403, "AccessDeniedException".to_owned(), "no".to_owned()),
            ErrorCode::Denied,
            "route53-recovery-cluster:GetRoutingControlState",
        ),
        (Reply::error("ThrottlingException", "Rate exceeded"), ErrorCode::Transient, "Rate exceeded"),
        (
            Reply::Error(500, "InternalServerException".to_owned(), "oops".to_owned()),
            ErrorCode::Transient,
            "InternalServerException",
        ),
    ] {
        let cluster = Cluster::at_home();
        cluster.aws.on(SERVICE, "GetRoutingControlState", [reply]);
        let error = invoke(&cluster.aws, request()).await.expect_err(expected);
        assert_eq!(error.code(), code, "{error}");
        let text = failover::error::chain(&error);
        assert!(text.contains(expected), "{text}");
        assert!(cluster.changes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_without_a_control_is_refused() {
    let cluster = Cluster::at_home();
    let mut request = request();
    request["target_region"] = json!("us-east-1");
    let error = invoke(&cluster.aws, request).await.expect_err("no control");
    assert_eq!(error.to_string(), "traffic.routing_control.controls: has no entry for the target Region us-east-1");
    assert!(cluster.aws.all_requests().is_empty());
}

const CHECKS: [&str; 7] = [
    "step-can-run",
    "independent-of-the-lost-region",
    "cluster-endpoints-answer",
    "routing-control-readable",
    "routing-control-readable",
    "one-routing-control-on",
    "safety-rules-kept",
];

#[tokio::test(start_paused = true)]
async fn the_preflight_asks_every_endpoint_and_reads_every_control() {
    let cluster = Cluster::at_home();
    let findings = preflight(&cluster.aws, request()).await;
    assert_eq!(severities(&findings), CHECKS.map(|check| (check, Severity::Ok)), "{findings:?}");
    assert_eq!(regions(&cluster.aws.requests()).len(), 5);
    assert!(cluster.changes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn fewer_than_five_endpoints_are_a_warning_and_none_is_a_blocker() {
    for (lost, expected, message) in [
        (1, Severity::Warning, "4 of 5 answer"),
        (4, Severity::Warning, "1 of 5 answer"),
        (5, Severity::Blocker, "0 of 5 answer"),
    ] {
        let cluster = Cluster::at_home();
        for region in &ENDPOINTS[..lost] {
            cluster.aws.lose_region(region);
        }
        let findings = preflight(&cluster.aws, request()).await;
        let found = findings.iter().find(|finding| finding.check == "cluster-endpoints-answer").expect("checked");
        assert_eq!(found.severity, expected, "{found:?}");
        assert!(found.message.starts_with(message), "{found:?}");
    }
    let cluster = Cluster::at_home();
    let mut request = request();
    let endpoints = request["traffic"]["routing_control"]["cluster_endpoints"].as_object_mut().expect("endpoints");
    endpoints.remove("us-west-2");
    let findings = preflight(&cluster.aws, request).await;
    let cure =
        findings.iter().find(|finding| finding.check == "cluster-endpoints-answer").expect("checked").cure.clone();
    assert_eq!(cure.as_deref(), Some("name all endpoints of the cluster in the plan"));
}

#[tokio::test(start_paused = true)]
async fn the_preflight_warns_unless_exactly_one_control_is_on() {
    for (frankfurt, ireland, expected) in [
        ("On", "Off", Severity::Ok),
        ("Off", "On", Severity::Ok),
        ("On", "On", Severity::Warning),
        ("Off", "Off", Severity::Warning),
    ] {
        let cluster = Cluster::at_home();
        let states = [("frankfurt", frankfurt), ("ireland", ireland)];
        *cluster.states.lock().expect("states") = states.map(|(name, state)| (control(name), state.to_owned())).into();
        let findings = preflight(&cluster.aws, request()).await;
        let found = findings.iter().find(|finding| finding.check == "one-routing-control-on").expect("checked");
        assert_eq!(found.severity, expected, "{found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_control_that_does_not_exist_blocks_and_leaves_open_which_is_on() {
    let cluster = Cluster::at_home();
    let reply = Reply::Error(404, "ResourceNotFoundException".to_owned(), "no such control".to_owned());
    cluster.aws.on(SERVICE, "GetRoutingControlState", [reply]);
    let findings = preflight(&cluster.aws, request()).await;
    let of = |check: &str| -> Vec<Severity> {
        findings.iter().filter(|finding| finding.check == check).map(|finding| finding.severity).collect()
    };
    assert_eq!(of("routing-control-readable"), [Severity::Blocker, Severity::Blocker]);
    assert_eq!(of("one-routing-control-on"), [Severity::Unknown]);
    assert_eq!(of("cluster-endpoints-answer"), [Severity::Ok], "they did answer");
}

#[tokio::test(start_paused = true)]
async fn the_preflight_warns_of_safety_rules_that_the_plan_overrides() {
    let cluster = Cluster::at_home();
    let mut request = request();
    request["traffic"]["routing_control"]["safety_rules_to_override"] = json!([RULE]);
    let findings = preflight(&cluster.aws, request).await;
    let found = findings.last().expect("findings");
    assert_eq!((found.check.as_str(), found.severity), ("safety-rules-kept", Severity::Warning));
    assert!(found.message.contains(RULE), "{found:?}");
}

proptest! {
    /// Whatever was On before: the one change leaves the target's control On alone, and then it is done.
    #[test]
    fn after_one_change_never_two_regions_are_on(
        before in prop::collection::vec(any::<bool>(), 2..6),
        target in any::<prop::sample::Index>(),
    ) {
        let region = |number: usize| Region::parse(&format!("eu-west-{number}")).expect("a Region");
        let target = region(1 + target.index(before.len()));
        let controls: BTreeMap<Region, String> =
            (1..=before.len()).map(|number| (region(number), control(&number.to_string()))).collect();
        let common = Common {
            run: RunContext::default(),
            target_region: target.clone(),
            resource: "controls".to_owned(),
            depends_on: Vec::new(),
        };
        let settings = RoutingControls {
            cluster_endpoints: BTreeMap::new(), controls: controls.clone(), safety_rules_to_override: Vec::new(),
        };
        let request = ControlShift::new(common, &settings).expect("a good request");
        let states = before.iter().enumerate().map(|(index, on)| {
            (region(index + 1), if *on { State::On } else { State::Off })
        });
        let mut seen = Observation { endpoint: region(1), states: states.collect(), overridden: Vec::new() };
        if let Plan::Act(action) = plan(&request, &seen) {
            prop_assert_eq!(action.entries.len(), controls.len(), "all of them, in one call");
            for entry in &action.entries {
                prop_assert_eq!(Some(&entry.control), controls.get(&entry.region));
                seen.states.insert(entry.region.clone(), entry.state);
            }
        }
        let on: Vec<&Region> = seen.states.iter().filter(|(_, state)| **state == State::On).map(|(on, _)| on).collect();
        prop_assert_eq!(on, [&target]);
        let done = matches!(plan(&request, &seen), Plan::AlreadyDone { .. });
        prop_assert!(done);
    }
}
