//! Moving traffic by Global Accelerator's dials: what is decided, the exact requests, and its errors.

#![allow(clippy::expect_used, reason = "a test's helper fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use common::{invoke, names, preflight, severities, until_settled};
use failover::contract::{Region, RunContext, Severity, StepStatus, TrafficDials};
use failover::error::ErrorCode;
use failover::step::Plan;
use failover::testing::{FakeAws, Reply, Request};
use proptest::prelude::*;
use serde_json::{Value, json};
use shift_dns::request::Common;
use shift_dns::traffic_dial::DialShift;
use shift_dns::traffic_dial::plan::{Accelerator, Observation, plan};

const SERVICE: &str = "globalaccelerator";
const ACCELERATOR: &str = "arn:aws:globalaccelerator::123456789012:accelerator/a1";

fn group(name: &str) -> String {
    format!("{ACCELERATOR}/listener/l1/endpoint-group/{name}")
}

fn request() -> Value {
    json!({
        "run": { "failover_id": "f1" },
        "target_region": "eu-west-1",
        "traffic": { "traffic_dial": {
            "endpoint_groups": {
                "eu-central-1": group("frankfurt"), "eu-west-1": group("ireland"), "us-east-1": group("virginia"),
            },
        } },
    })
}

/// An accelerator with dials in Frankfurt, which has all the traffic, Ireland and Virginia.
#[derive(Clone)]
struct Dialled {
    aws: FakeAws,
    dials: Arc<Mutex<BTreeMap<String, f64>>>,
}

impl Dialled {
    fn at_home() -> Self {
        let dials =
            [("frankfurt", 100.0), ("ireland", 0.0), ("virginia", 12.5)].map(|(name, dial)| (group(name), dial));
        let accelerator = Self { aws: FakeAws::new(), dials: Arc::new(Mutex::new(dials.into())) };
        let all = Arc::clone(&accelerator.dials);
        let describe = Reply::from_fn(move |request| {
            let arn = request.body["EndpointGroupArn"].as_str().expect("an ARN").to_owned();
            let dial = all.lock().expect("dials")[&arn];
            Reply::json(json!({ "EndpointGroup": { "EndpointGroupArn": arn, "TrafficDialPercentage": dial } }))
        });
        accelerator.aws.on(SERVICE, "DescribeEndpointGroup", [describe]);
        accelerator.aws.on(SERVICE, "UpdateEndpointGroup", [accelerator.applied(Reply::json(json!({})))]);
        accelerator.aws.on(SERVICE, "DescribeAccelerator", [status("IN_PROGRESS"), status("DEPLOYED")]);
        accelerator
    }

    /// Turns the dial, and then this happens to the answer.
    fn applied(&self, fate: Reply) -> Reply {
        let all = Arc::clone(&self.dials);
        Reply::from_fn(move |request| {
            let arn = request.body["EndpointGroupArn"].as_str().expect("an ARN").to_owned();
            let dial = request.body["TrafficDialPercentage"].as_f64().expect("a number");
            all.lock().expect("dials").insert(arn, dial);
            fate.clone()
        })
    }

    fn changes(&self) -> Vec<Request> {
        self.aws.requests_to(SERVICE, "UpdateEndpointGroup")
    }

    /// Each dial's name and value, in order of the changes.
    fn turned(&self) -> Vec<(String, f64)> {
        let name = |request: &Request| {
            let arn = request.body["EndpointGroupArn"].as_str().expect("an ARN");
            arn.rsplit('/').next().expect("a name").to_owned()
        };
        let dial = |request: &Request| request.body["TrafficDialPercentage"].as_f64().expect("a number");
        self.changes().iter().map(|request| (name(request), dial(request))).collect()
    }
}

fn status(status: &str) -> Reply {
    Reply::json(json!({ "Accelerator": { "AcceleratorArn": ACCELERATOR, "Enabled": true, "Status": status } }))
}

fn turned(dials: &[(&str, f64)]) -> Vec<(String, f64)> {
    dials.iter().map(|(name, dial)| ((*name).to_owned(), *dial)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_targets_dial_goes_up_first_then_the_others_down_and_it_is_done_when_deployed() {
    let accelerator = Dialled::at_home();
    let response = invoke(&accelerator.aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(
        response.message,
        "the dial of eu-west-1 is at 100, every other one at 0, and the accelerator is DEPLOYED"
    );
    assert_eq!(accelerator.turned(), turned(&[("ireland", 100.0), ("frankfurt", 0.0), ("virginia", 0.0)]));
    let requests = accelerator.aws.requests();
    let (dial, status) = ("DescribeEndpointGroup", "DescribeAccelerator");
    let update = "UpdateEndpointGroup";
    assert_eq!(names(&requests), [dial, dial, dial, status, update, update, update, dial, dial, dial, status]);
    assert!(requests.iter().all(|request| request.region == "us-west-2"), "{requests:?}");
    assert!(requests.iter().all(|request| request.host == "globalaccelerator.us-west-2.amazonaws.com"));
    for change in accelerator.changes() {
        assert_eq!(change.headers["x-amz-target"], "GlobalAccelerator_V20180706.UpdateEndpointGroup");
        let fields: Vec<&String> = change.body.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["EndpointGroupArn", "TrafficDialPercentage"], "endpoints and health checks stay");
    }
}

#[tokio::test(start_paused = true)]
async fn an_accelerator_that_is_not_deployed_yet_is_waited_for() {
    let accelerator = Dialled::at_home();
    accelerator.aws.on(SERVICE, "DescribeAccelerator", [status("IN_PROGRESS")]);
    let response = invoke(&accelerator.aws, request()).await.expect("in progress");
    assert_eq!(response.status, StepStatus::InProgress);
    assert_eq!(response.message, "eu-west-1 has all the traffic, but the accelerator is not deployed everywhere yet");
    assert_eq!(accelerator.changes().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn dials_that_stand_right_are_not_turned() {
    let accelerator = Dialled::at_home();
    let dials = [("frankfurt", 0.0), ("ireland", 100.0), ("virginia", 0.5)].map(|(name, dial)| (group(name), dial));
    *accelerator.dials.lock().expect("dials") = dials.into();
    invoke(&accelerator.aws, request()).await.expect("done");
    assert_eq!(accelerator.turned(), turned(&[("virginia", 0.0)]));
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_was_never_turned_stands_at_100() {
    let accelerator = Dialled::at_home();
    accelerator.aws.on(SERVICE, "DescribeEndpointGroup", [Reply::json(json!({ "EndpointGroup": {} }))]);
    let mut request = request();
    request["run"]["dry_run"] = json!(true);
    let response = invoke(&accelerator.aws, request).await.expect("would act");
    let dials = response.action["changes"].as_array().expect("changes").iter().map(|change| change["region"].clone());
    assert_eq!(dials.collect::<Vec<_>>(), [json!("eu-central-1"), json!("us-east-1")]);
    assert!(accelerator.changes().is_empty());
}

/// Each error that the model of `UpdateEndpointGroup` has, of the first dial.
#[tokio::test(start_paused = true)]
async fn an_error_of_the_first_dial_is_answered_with_what_it_means_and_no_other_dial_goes_down() {
    for (aws_code, expected) in [
        ("AccessDeniedException", ErrorCode::Denied),
        ("EndpointGroupNotFoundException", ErrorCode::Refused),
        ("InvalidArgumentException", ErrorCode::Bug),
    ] {
        let accelerator = Dialled::at_home();
        accelerator.aws.on(SERVICE, "UpdateEndpointGroup", [Reply::error(aws_code, "what AWS says")]);
        let error = invoke(&accelerator.aws, request()).await.expect_err(aws_code);
        assert_eq!(error.code(), expected, "{error}");
        assert!(failover::error::chain(&error).contains("what AWS says"), "{error}");
        assert_eq!(accelerator.turned(), turned(&[("ireland", 100.0)]), "{aws_code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_waited_for_and_tried_again() {
    let accelerator = Dialled::at_home();
    let limited = Reply::error("LimitExceededException", "slow down");
    accelerator.aws.on(SERVICE, "UpdateEndpointGroup", [limited, accelerator.applied(Reply::json(json!({})))]);
    let response = invoke(&accelerator.aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(accelerator.changes().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_dial_whose_answer_was_lost_is_looked_for_and_the_rest_is_turned_afterwards() {
    for fate in [Reply::error("InternalServiceErrorException", "oops"), Reply::Silence, Reply::Reset] {
        let accelerator = Dialled::at_home();
        let replies = [accelerator.applied(fate.clone()), accelerator.applied(Reply::json(json!({})))];
        accelerator.aws.on(SERVICE, "UpdateEndpointGroup", replies);
        let response = until_settled(&accelerator.aws, request()).await.expect("done");
        assert_eq!(response.status, StepStatus::Done, "{fate:?}");
        let expected = turned(&[("ireland", 100.0), ("frankfurt", 0.0), ("virginia", 0.0)]);
        assert_eq!(accelerator.turned(), expected, "each once: {fate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_dial_that_fails_leaves_the_first_one_up_and_is_turned_by_another_look() {
    let accelerator = Dialled::at_home();
    let applied = accelerator.applied(Reply::json(json!({})));
    let conflict = Reply::error("ConflictException", "another change");
    accelerator.aws.on(SERVICE, "UpdateEndpointGroup", [applied.clone(), conflict, applied]);
    let response = until_settled(&accelerator.aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    let expected = [("ireland", 100.0), ("frankfurt", 0.0), ("frankfurt", 0.0), ("virginia", 0.0)];
    assert_eq!(accelerator.turned(), turned(&expected));
}

#[tokio::test(start_paused = true)]
async fn a_denial_of_a_later_dial_is_one_whatever_was_turned_before() {
    let accelerator = Dialled::at_home();
    let denied = Reply::error("AccessDeniedException", "no");
    let replies = [accelerator.applied(Reply::json(json!({}))), denied];
    accelerator.aws.on(SERVICE, "UpdateEndpointGroup", replies);
    let error = invoke(&accelerator.aws, request()).await.expect_err("denied");
    assert_eq!(error.code(), ErrorCode::Denied);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_read_names_what_is_wrong_and_changes_nothing() {
    for (operation, reply, code, expected) in [
        (
            "DescribeEndpointGroup",
            Reply::error("EndpointGroupNotFoundException", "gone"),
            ErrorCode::InvalidRequest,
            "traffic.traffic_dial.endpoint_groups.eu-central-1: ",
        ),
        (
            "DescribeEndpointGroup",
            Reply::error("InvalidArgumentException", "bad ARN"),
            ErrorCode::InvalidRequest,
            "bad ARN",
        ),
        (
            "DescribeAccelerator",
            Reply::error("AcceleratorNotFoundException", "gone"),
            ErrorCode::InvalidRequest,
            "traffic.traffic_dial.endpoint_groups: ",
        ),
        ("DescribeAccelerator", Reply::error("AccessDeniedException", "no"), ErrorCode::Denied, "DescribeAccelerator"),
        ("DescribeEndpointGroup", Reply::Silence, ErrorCode::Transient, "reading traffic dials"),
        (
            "DescribeEndpointGroup",
            Reply::error("InternalServiceErrorException", "oops"),
            ErrorCode::Transient,
            "InternalServiceErrorException",
        ),
    ] {
        let accelerator = Dialled::at_home();
        accelerator.aws.on(SERVICE, operation, [reply]);
        let error = invoke(&accelerator.aws, request()).await.expect_err(expected);
        assert_eq!(error.code(), code, "{error}");
        let text = failover::error::chain(&error);
        assert!(text.contains(expected), "{text}");
        assert!(accelerator.changes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_without_an_endpoint_group_is_refused() {
    let accelerator = Dialled::at_home();
    let mut request = request();
    request["target_region"] = json!("sa-east-1");
    let error = invoke(&accelerator.aws, request).await.expect_err("no endpoint group");
    let expected = "traffic.traffic_dial.endpoint_groups: has no entry for the target Region sa-east-1";
    assert_eq!(error.to_string(), expected);
    assert!(accelerator.aws.all_requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_preflight_reads_accelerator_and_dials() {
    let accelerator = Dialled::at_home();
    accelerator.aws.on(SERVICE, "DescribeAccelerator", [status("DEPLOYED")]);
    let findings = preflight(&accelerator.aws, request()).await;
    let expected = [
        "step-can-run",
        "independent-of-the-lost-region",
        "accelerator-enabled",
        "endpoint-group-exists",
        "endpoint-group-exists",
        "endpoint-group-exists",
    ]
    .map(|check| (check, Severity::Ok));
    assert_eq!(severities(&findings), expected, "{findings:?}");
    assert!(accelerator.changes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_preflight_tells_what_is_disabled_missing_or_silent_apart() {
    let disabled = json!({ "Accelerator": { "AcceleratorArn": ACCELERATOR, "Enabled": false, "Status": "DEPLOYED" } });
    for (check, operation, reply, expected) in [
        ("accelerator-enabled", "DescribeAccelerator", Reply::json(disabled), Severity::Blocker),
        ("accelerator-enabled", "DescribeAccelerator", status("IN_PROGRESS"), Severity::Warning),
        ("accelerator-enabled", "DescribeAccelerator", Reply::Silence, Severity::Unknown),
        (
            "accelerator-enabled",
            "DescribeAccelerator",
            Reply::error("AcceleratorNotFoundException", "gone"),
            Severity::Blocker,
        ),
        (
            "endpoint-group-exists",
            "DescribeEndpointGroup",
            Reply::error("EndpointGroupNotFoundException", "gone"),
            Severity::Blocker,
        ),
        ("endpoint-group-exists", "DescribeEndpointGroup", Reply::Silence, Severity::Unknown),
    ] {
        let accelerator = Dialled::at_home();
        accelerator.aws.on(SERVICE, operation, [reply.clone()]);
        let findings = preflight(&accelerator.aws, request()).await;
        let found = findings.iter().find(|finding| finding.check == check).expect("checked");
        assert_eq!(found.severity, expected, "{reply:?}: {found:?}");
    }
}

#[test]
fn a_dial_that_is_off_its_end_by_as_little_as_a_float_can_tell_is_turned() {
    let region = |text: &str| Region::parse(text).expect("a Region");
    let (home, target) = (region("eu-central-1"), region("eu-west-1"));
    let groups = BTreeMap::from([(home.clone(), group("frankfurt")), (target.clone(), group("ireland"))]);
    let common = Common {
        run: RunContext::default(),
        target_region: target.clone(),
        resource: "dials".to_owned(),
        depends_on: Vec::new(),
    };
    let request = DialShift::new(common, &TrafficDials { endpoint_groups: groups }).expect("good");
    for (left, is_turned) in [(f32::EPSILON, true), (0.0, false)] {
        let accelerator = Accelerator { deployed: true, enabled: true };
        let seen = Observation { dials: BTreeMap::from([(home.clone(), left), (target.clone(), 100.0)]), accelerator };
        let decided = plan(&request, &seen);
        assert_eq!(matches!(decided, Plan::Act(_)), is_turned, "{left} %: {decided:?}");
    }
}

proptest! {
    /// However the dials stood: after each single step of the one action some Region has all that is routed to it, and
    /// after all of them only the target has any.
    #[test]
    fn there_is_always_somewhere_to_go_and_in_the_end_only_the_target(
        before in prop::collection::vec(0.0f32..=100.0, 2..6),
        target in any::<prop::sample::Index>(),
    ) {
        let region = |number: usize| Region::parse(&format!("eu-west-{number}")).expect("a Region");
        let target = region(1 + target.index(before.len()));
        let groups: BTreeMap<Region, String> =
            (1..=before.len()).map(|number| (region(number), group(&number.to_string()))).collect();
        let common = Common {
            run: RunContext::default(),
            target_region: target.clone(),
            resource: "dials".to_owned(),
            depends_on: Vec::new(),
        };
        let request = DialShift::new(common, &TrafficDials { endpoint_groups: groups.clone() }).expect("good");
        let mut seen = Observation {
            dials: before.iter().enumerate().map(|(index, dial)| (region(index + 1), *dial)).collect(),
            accelerator: Accelerator { deployed: true, enabled: true },
        };
        if let Plan::Act(action) = plan(&request, &seen) {
            for change in &action.changes {
                prop_assert_eq!(Some(&change.endpoint_group), groups.get(&change.region));
                prop_assert_eq!(seen.dials.insert(change.region.clone(), change.to), Some(change.from));
                prop_assert!(seen.dials[&target] >= 100.0, "the target first");
            }
        }
        for (region, dial) in &seen.dials {
            prop_assert_eq!(*dial > 0.0, *region == target);
        }
        let done = matches!(plan(&request, &seen), Plan::AlreadyDone { .. });
        prop_assert!(done);
    }
}
