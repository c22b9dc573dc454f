//! The real SDK clients against a scripted AWS: what goes over the wire, and what becomes of each answer.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use failover::contract::{self, ScaleRequest, Severity, StepResponse, StepStatus};
use failover::error::{Error, ErrorCode, chain};
use failover::region_switch;
use failover::testing::{self, FakeAws, Reply, Request, START};
use scale_ecs::ScaleEcs;
use serde_json::{Value, json};

const KEY: &str = "f-1#scale-ecs#eu-west-1/standby/api";
/// What the function does for Region switch.
const REGION_SWITCH: &str = r#"{
    "ecs": {
        "clusters": { "eu-central-1": "primary", "eu-west-1": "standby" },
        "services": { "named": ["api"] }, "capacity": { "desired": 3 }
    },
    "fence_timeout_seconds": 10
}"#;

/// A service as `DescribeServices` gives it.
fn service(name: &str, desired: u32, running: u32) -> Value {
    json!({
        "serviceName": name, "status": "ACTIVE", "schedulingStrategy": "REPLICA",
        "desiredCount": desired, "runningCount": running, "pendingCount": desired.saturating_sub(running),
    })
}

fn services(services: &[Value]) -> Reply {
    Reply::json(json!({ "services": services, "failures": [] }))
}

/// Answers `DescribeServices` with every service that is asked for, as `each` makes it.
fn every_service(each: impl Fn(&str) -> Value + Send + Sync + 'static) -> Reply {
    Reply::from_fn(move |request| {
        let names = request.body["services"].as_array().expect("names");
        let found: Vec<Value> = names.iter().map(|name| each(name.as_str().expect("a name"))).collect();
        services(&found)
    })
}

fn limits(service: &str, min: u32, max: u32) -> Value {
    json!({
        "ServiceNamespace": "ecs", "ResourceId": format!("service/standby/{service}"),
        "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": min, "MaxCapacity": max,
        "RoleARN": "arn:aws:iam::123456789012:role/autoscaling", "CreationTime": 1_795_000_000,
    })
}

fn targets(targets: &[Value]) -> Reply {
    Reply::json(json!({ "ScalableTargets": targets }))
}

fn accepted() -> Reply {
    Reply::json(json!({}))
}

/// One service `api` with one task and limits 1 to 2, which does what it is told.
fn obedient() -> FakeAws {
    let aws = FakeAws::new();
    aws.on("ecs", "DescribeServices", [services(&[service("api", 1, 1)]), services(&[service("api", 3, 3)])]);
    aws.on(
        "application-autoscaling",
        "DescribeScalableTargets",
        [targets(&[limits("api", 1, 2)]), targets(&[limits("api", 3, 3)])],
    );
    aws.on("application-autoscaling", "RegisterScalableTarget", [accepted()]);
    aws.on("ecs", "UpdateService", [accepted()]);
    aws
}

/// As [`obedient`], without limits.
fn unlimited() -> FakeAws {
    let aws = obedient();
    aws.on("application-autoscaling", "DescribeScalableTargets", [targets(&[])]);
    aws
}

fn request() -> Value {
    json!({
        "run": { "failover_id": "f-1" },
        "cluster": "standby", "services": { "named": ["api"] }, "capacity": { "desired": 3 },
    })
}

fn percent_of_source(fallback: Option<u32>) -> Value {
    let mut request = request();
    request["capacity"] = json!({ "percent_of_source": {
        "percent": 100, "source_region": "eu-central-1", "source_cluster": "primary", "desired_if_unknown": fallback,
    } });
    request
}

/// One invocation.
async fn invoke(aws: &FakeAws, request: Value) -> Result<StepResponse, Error> {
    let tools = aws.toolbox();
    let deadline = testing::deadline(&tools.env, &tools.config);
    let step = ScaleEcs::new(tools, &BTreeMap::from([(region_switch::VARIABLE, REGION_SWITCH)])).expect("complete");
    scale_ecs::handle(Arc::new(step), request, deadline).await
}

fn changes(aws: &FakeAws) -> Vec<Request> {
    let mut requests = aws.requests();
    requests.retain(|request| ["RegisterScalableTarget", "UpdateService"].contains(&request.operation.as_str()));
    requests
}

fn names(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(|request| request.operation.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_limits_are_raised_before_the_count_and_nothing_but_the_count_is_updated() {
    let aws = obedient();
    let response = invoke(&aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    let sent = changes(&aws);
    assert_eq!(names(&sent), ["RegisterScalableTarget", "UpdateService"]);
    assert_eq!(
        sent[0].body,
        json!({
            "ServiceNamespace": "ecs", "ResourceId": "service/standby/api",
            "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 3, "MaxCapacity": 3,
        })
    );
    assert_eq!(sent[1].body, json!({ "cluster": "standby", "service": "api", "desiredCount": 3 }));
    assert_eq!(sent[0].host, "application-autoscaling.eu-west-1.amazonaws.com");
    assert_eq!(sent[1].host, "ecs.eu-west-1.amazonaws.com");
    assert_eq!(aws.ledger_item(KEY).expect("an item")["status"]["S"], "completed");
}

#[tokio::test(start_paused = true)]
async fn the_reads_ask_for_the_named_services_and_their_scalable_targets() {
    let aws = obedient();
    invoke(&aws, request()).await.expect("done");
    let read = &aws.requests_to("ecs", "DescribeServices")[0];
    assert_eq!(read.body, json!({ "cluster": "standby", "services": ["api"] }));
    let read = &aws.requests_to("application-autoscaling", "DescribeScalableTargets")[0];
    assert_eq!(
        read.body,
        json!({
            "ServiceNamespace": "ecs", "ResourceIds": ["service/standby/api"],
            "ScalableDimension": "ecs:service:DesiredCount",
        })
    );
    assert_eq!(aws.requests_to("ecs", "ListServices"), []);
}

#[tokio::test(start_paused = true)]
async fn a_target_region_in_the_request_goes_before_the_standby_region() {
    let aws = obedient();
    let mut request = request();
    request["target_region"] = json!("eu-central-1");
    let response = invoke(&aws, request).await.expect("done");
    assert_eq!(response.operation_id, "f-1#scale-ecs#eu-central-1/standby/api");
    assert!(aws.requests().iter().all(|request| request.region == "eu-central-1"));
}

#[tokio::test(start_paused = true)]
async fn a_service_without_autoscaling_gets_its_count_only() {
    let aws = unlimited();
    let response = invoke(&aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(names(&changes(&aws)), ["UpdateService"]);
}

#[tokio::test(start_paused = true)]
async fn every_service_of_a_cluster_is_found_page_by_page_and_described_in_tens() {
    let aws = FakeAws::new();
    let page = |from: u32, to: u32, next: Option<&str>| {
        let arns: Vec<String> =
            (from..to).map(|n| format!("arn:aws:ecs:eu-west-1:123456789012:service/standby/s{n:02}")).collect();
        Reply::json(json!({ "serviceArns": arns, "nextToken": next }))
    };
    aws.on("ecs", "ListServices", [page(0, 20, Some("more")), page(20, 25, None)]);
    let first = |name: &str| service(name, 1, 1);
    let then = |name: &str| service(name, 3, 3);
    let mut looks = vec![every_service(first); 3];
    looks.push(every_service(then));
    aws.on("ecs", "DescribeServices", looks);
    aws.on("application-autoscaling", "DescribeScalableTargets", [targets(&[])]);
    aws.on("ecs", "UpdateService", [accepted()]);

    let mut request = request();
    request["services"] = json!("all");
    let response = invoke(&aws, request).await.expect("done");
    assert_eq!(response.operation_id, "f-1#scale-ecs#eu-west-1/standby/*");
    assert_eq!(aws.requests_to("ecs", "ListServices").len(), 2);
    assert_eq!(aws.requests_to("ecs", "ListServices")[1].body["nextToken"], "more");
    let sizes: Vec<usize> = aws
        .requests_to("ecs", "DescribeServices")
        .iter()
        .map(|request| request.body["services"].as_array().map_or(0, Vec::len))
        .collect();
    assert_eq!(sizes, [10, 10, 5, 10, 10, 5]);
    let mut updated: Vec<String> = changes(&aws).iter().map(|request| request.body["service"].to_string()).collect();
    updated.sort();
    updated.dedup();
    assert_eq!((updated.len(), changes(&aws).len()), (25, 25));
}

#[tokio::test(start_paused = true)]
async fn scalable_targets_are_read_page_by_page() {
    let aws = obedient();
    let page = json!({ "ScalableTargets": [], "NextToken": "more" });
    let pages = [Reply::json(page), targets(&[limits("api", 1, 2)]), targets(&[limits("api", 3, 3)])];
    aws.on("application-autoscaling", "DescribeScalableTargets", pages);
    invoke(&aws, request()).await.expect("done");
    assert_eq!(aws.requests_to("application-autoscaling", "DescribeScalableTargets")[1].body["NextToken"], "more");
    assert_eq!(names(&changes(&aws)), ["RegisterScalableTarget", "UpdateService"]);
}

#[tokio::test(start_paused = true)]
async fn more_services_than_fit_are_refused_without_reading_on() {
    let aws = FakeAws::new();
    let pages = (0..3).map(|page| {
        let arns: Vec<String> =
            (0..100).map(|n| format!("arn:aws:ecs:eu-west-1:1:service/standby/p{page}n{n}")).collect();
        Reply::json(json!({ "serviceArns": arns, "nextToken": "more" }))
    });
    aws.on("ecs", "ListServices", pages);
    let mut request = request();
    request["services"] = json!("all");
    let error = invoke(&aws, request).await.expect_err("too many");
    assert_eq!(error.code(), ErrorCode::Refused);
    assert_eq!(aws.requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn services_and_clusters_that_are_not_there_are_refused_by_name_and_nothing_is_changed() {
    let missing = json!({ "arn": "arn:aws:ecs:eu-west-1:123456789012:service/standby/api", "reason": "MISSING" });
    let mut inactive = service("api", 0, 0);
    inactive["status"] = json!("INACTIVE");
    for (answer, named) in [
        (Reply::json(json!({ "services": [], "failures": [missing] })), "api: MISSING"),
        (services(&[inactive]), "api: INACTIVE"),
        (Reply::error("ClusterNotFoundException", "Cluster not found."), "standby: there is no such ECS cluster"),
    ] {
        let aws = obedient();
        aws.on("ecs", "DescribeServices", [answer]);
        let error = invoke(&aws, request()).await.expect_err(named);
        assert_eq!(error.code(), ErrorCode::Refused);
        assert!(error.to_string().contains(named), "{error}");
        assert_eq!(changes(&aws), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_percentage_is_taken_of_the_source_regions_counts() {
    let aws = obedient();
    aws.on_in("eu-central-1", "ecs", "DescribeServices", [services(&[service("api", 3, 0)])]);
    let response = invoke(&aws, percent_of_source(None)).await.expect("done");
    assert_eq!(response.action["services"][0]["target"], 3);
    let [asked] = &aws.requests().into_iter().filter(|one| one.region == "eu-central-1").collect::<Vec<_>>()[..] else {
        panic!("asked once")
    };
    assert_eq!(asked.body, json!({ "cluster": "primary", "services": ["api"] }));
}

#[tokio::test(start_paused = true)]
async fn a_lost_source_region_is_asked_once_and_the_count_for_that_case_is_taken() {
    let aws = obedient();
    aws.lose_region("eu-central-1");
    let response = invoke(&aws, percent_of_source(Some(3))).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(aws.requests().iter().filter(|one| one.region == "eu-central-1").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_source_region_without_a_count_for_that_case_is_refused() {
    let aws = obedient();
    aws.lose_region("eu-central-1");
    let error = invoke(&aws, percent_of_source(None)).await.expect_err("unknown");
    assert_eq!(error.code(), ErrorCode::Refused);
    assert!(error.to_string().contains("desired_if_unknown"), "{error}");
    assert_eq!(changes(&aws), []);
}

#[tokio::test(start_paused = true)]
async fn a_source_region_that_throttles_is_asked_again_later() {
    let aws = obedient();
    let throttled = Reply::error("ThrottlingException", "Rate exceeded");
    aws.on_in("eu-central-1", "ecs", "DescribeServices", [throttled]);
    let error = invoke(&aws, percent_of_source(Some(1))).await.expect_err("throttled");
    assert_eq!(error.code(), ErrorCode::Transient);
}

#[tokio::test(start_paused = true)]
async fn the_counts_decided_on_hold_though_the_source_region_is_lost_midway() {
    let aws = obedient();
    aws.on_in("eu-central-1", "ecs", "DescribeServices", [services(&[service("api", 3, 3)])]);
    aws.on("ecs", "DescribeServices", [services(&[service("api", 1, 1)])]);
    aws.on("ecs", "UpdateService", [Reply::Silence]);
    let killed = invoke(&aws, percent_of_source(None));
    tokio::time::timeout(Duration::from_secs(2), killed).await.expect_err("killed in the call");

    aws.lose_region("eu-central-1");
    aws.on("ecs", "UpdateService", [accepted()]);
    aws.on("ecs", "DescribeServices", [services(&[service("api", 1, 1)]), services(&[service("api", 3, 3)])]);
    tokio::time::advance(Duration::from_secs(30)).await;
    let response = invoke(&aws, percent_of_source(None)).await.expect("taken over");
    assert_eq!((response.status, response.attempt), (StepStatus::Done, 2));
    assert_eq!(response.action["services"][0]["target"], 3);
}

/// What becomes of each error that the API's models have for the changes.
const FAULTS: [(&str, &str, u16, ErrorCode); 14] = [
    ("RegisterScalableTarget", "ConcurrentUpdateException", 400, ErrorCode::Transient),
    ("RegisterScalableTarget", "LimitExceededException", 400, ErrorCode::Transient),
    ("RegisterScalableTarget", "ValidationException", 400, ErrorCode::Bug),
    ("RegisterScalableTarget", "AccessDeniedException", 400, ErrorCode::Denied),
    ("UpdateService", "AccessDeniedException", 400, ErrorCode::Denied),
    ("UpdateService", "ClientException", 400, ErrorCode::Bug),
    ("UpdateService", "ClusterNotFoundException", 400, ErrorCode::Refused),
    ("UpdateService", "InvalidParameterException", 400, ErrorCode::Bug),
    ("UpdateService", "NamespaceNotFoundException", 400, ErrorCode::Bug),
    ("UpdateService", "PlatformTaskDefinitionIncompatibilityException", 400, ErrorCode::Bug),
    ("UpdateService", "PlatformUnknownException", 400, ErrorCode::Bug),
    ("UpdateService", "ServiceNotActiveException", 400, ErrorCode::Transient),
    ("UpdateService", "ServiceNotFoundException", 400, ErrorCode::Refused),
    ("UpdateService", "UnsupportedFeatureException", 400, ErrorCode::Bug),
];

#[tokio::test(start_paused = true)]
async fn every_modelled_error_of_every_change_has_its_code() {
    for (operation, fault, status, code) in FAULTS {
        // Without limits, so that the update is the only change, or with limits, so that the registration fails first.
        let registers = operation == "RegisterScalableTarget";
        let aws = if registers { obedient() } else { unlimited() };
        let service = if registers { "application-autoscaling" } else { "ecs" };
        aws.on(service, operation, [Reply::Error(status, fault.to_owned(), "not now".to_owned())]);
        let error = invoke(&aws, request()).await.expect_err(fault);
        assert_eq!(error.code(), code, "{operation} {fault}");
        assert!(chain(&error).contains(fault), "{}", chain(&error));
        // What means "too many" is sent again; anything else is sent once, and the count is not set without its limits.
        let throttled = ["ConcurrentUpdateException", "LimitExceededException"].contains(&fault);
        let sent = changes(&aws);
        assert!(sent.iter().all(|request| request.operation == operation), "{fault}: {:?}", names(&sent));
        assert_eq!(sent.len() > 1, throttled, "{fault} was sent {} times", sent.len());
        assert_eq!(aws.ledger_item(KEY).expect("an item")["status"]["S"], "failed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_outcome_is_unknown_is_looked_for_and_never_sent_again() {
    let failure = |code: &str| Reply::Error(500, code.to_owned(), "sorry".to_owned());
    for (operation, lost) in [
        ("UpdateService", Reply::Silence),
        ("UpdateService", Reply::Reset),
        ("UpdateService", failure("ServerException")),
        ("RegisterScalableTarget", Reply::Silence),
        ("RegisterScalableTarget", failure("InternalServiceException")),
    ] {
        let what = format!("{operation} {lost:?}");
        let registers = operation == "RegisterScalableTarget";
        let aws = if registers { obedient() } else { unlimited() };
        let service = if registers { "application-autoscaling" } else { "ecs" };
        aws.on(service, operation, [lost]);
        let response = invoke(&aws, request()).await.expect(&what);
        assert_eq!(response.status, StepStatus::Done, "{what}");
        assert_eq!(aws.requests_to(service, operation).len(), 1, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_change_is_sent_again_after_two_to_the_n_seconds() {
    let aws = unlimited();
    let throttled = || Reply::error("ThrottlingException", "Rate exceeded");
    aws.on("ecs", "UpdateService", [throttled(), throttled(), throttled(), accepted()]);
    let response = invoke(&aws, request()).await.expect("after three waits");
    assert_eq!(response.status, StepStatus::Done);
    let sent = aws.requests_to("ecs", "UpdateService");
    assert_eq!(sent.len(), 4);
    for (n, pair) in sent.windows(2).enumerate() {
        let (waited, least) = (pair[1].at.saturating_sub(pair[0].at), Duration::from_secs(1 << n));
        assert!(waited >= least && waited <= least * 2, "wait {n} was {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_throttled_service_does_not_have_the_others_counts_set_again() {
    let aws = FakeAws::new();
    let first = |name: &str| service(name, 1, 1);
    let then = |name: &str| service(name, 3, 3);
    aws.on("ecs", "DescribeServices", [every_service(first), every_service(then)]);
    aws.on("application-autoscaling", "DescribeScalableTargets", [targets(&[])]);
    let throttled_once = std::sync::atomic::AtomicBool::new(false);
    aws.on(
        "ecs",
        "UpdateService",
        [Reply::from_fn(move |request| {
            let first_time = !throttled_once.load(std::sync::atomic::Ordering::Relaxed);
            if request.body["service"] == "web" && first_time {
                throttled_once.store(true, std::sync::atomic::Ordering::Relaxed);
                return Reply::error("ThrottlingException", "Rate exceeded");
            }
            accepted()
        })],
    );
    let mut request = request();
    request["services"] = json!({ "named": ["api", "web", "worker"] });
    let response = invoke(&aws, request).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    let times = |name: &str| changes(&aws).iter().filter(|request| request.body["service"] == name).count();
    assert_eq!((times("api"), times("web"), times("worker")), (1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn services_that_were_changed_beside_one_that_failed_are_not_changed_again() {
    let aws = FakeAws::new();
    let then = |name: &str| service(name, if name == "web" { 1 } else { 3 }, if name == "web" { 1 } else { 3 });
    aws.on("ecs", "DescribeServices", [every_service(|name| service(name, 1, 1)), every_service(then)]);
    aws.on("application-autoscaling", "DescribeScalableTargets", [targets(&[])]);
    let web_is_throttled = |request: &Request| {
        if request.body["service"] == "web" { Reply::error("ThrottlingException", "Rate exceeded") } else { accepted() }
    };
    aws.on("ecs", "UpdateService", [Reply::from_fn(web_is_throttled)]);
    let mut request = request();
    request["services"] = json!({ "named": ["api", "web"] });
    let response = invoke(&aws, request.clone()).await.expect("under way");
    assert_eq!(response.status, StepStatus::InProgress);

    aws.on("ecs", "UpdateService", [accepted()]);
    aws.on("ecs", "DescribeServices", [every_service(then), every_service(|name| service(name, 3, 3))]);
    tokio::time::advance(Duration::from_secs(10)).await;
    let before = changes(&aws).len();
    let response = invoke(&aws, request).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    let sent = &changes(&aws)[before..];
    assert_eq!(sent.iter().map(|request| request.body["service"].clone()).collect::<Vec<_>>(), ["web"]);
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_dies_in_the_call_is_taken_over_without_a_second_call() {
    let aws = unlimited();
    aws.on("ecs", "UpdateService", [Reply::Silence]);
    tokio::time::timeout(Duration::from_secs(2), invoke(&aws, request())).await.expect_err("killed");
    assert_eq!(aws.ledger_item(KEY).expect("an item")["status"]["S"], "intent");
    tokio::time::advance(Duration::from_secs(30)).await;
    let response = invoke(&aws, request()).await.expect("taken over");
    assert_eq!((response.status, response.attempt), (StepStatus::Done, 2));
    assert_eq!(changes(&aws).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn tasks_that_cannot_be_placed_are_reported_while_waiting_for_them() {
    let seconds = START.as_millis() / 1000;
    let event = |at: i64, message: &str| json!({ "id": "e", "createdAt": at, "message": message });
    let mut stuck = service("api", 3, 1);
    stuck["events"] = json!([
        event(seconds - 30, "(service api) was unable to place a task. Reason: Capacity is unavailable at this time."),
        event(seconds - 60, "(service api) has started 1 tasks: (task 1)."),
    ]);
    let aws = unlimited();
    aws.on("ecs", "DescribeServices", [services(&[stuck])]);
    let response = invoke(&aws, request()).await.expect("under way");
    assert_eq!(response.status, StepStatus::InProgress);
    assert!(response.message.contains("1 of 3 tasks run"), "{}", response.message);
    assert!(response.message.contains("Capacity is unavailable"), "{}", response.message);
    assert_eq!(response.observed["services"][0]["placement_failure"]["at"], "2026-11-21T03:59:30Z");
    assert_eq!(changes(&aws), []);
}

#[tokio::test(start_paused = true)]
async fn without_a_change_placement_failures_of_the_last_ten_minutes_are_reported_and_no_older_ones() {
    for (seconds_ago, is_reported) in [(599, true), (601, false)] {
        let at = START.as_millis() / 1000 - seconds_ago;
        let mut stuck = service("api", 3, 1);
        let message = "(service api) was unable to place a task. Reason: Capacity is unavailable at this time.";
        stuck["events"] = json!([{ "id": "e", "createdAt": at, "message": message }]);
        let aws = unlimited();
        aws.on("ecs", "DescribeServices", [services(&[stuck])]);
        let mut rehearsal = request();
        rehearsal["run"]["dry_run"] = json!(true);
        let response = invoke(&aws, rehearsal).await.expect("rehearsed");
        let reported = response.message.contains("Capacity is unavailable");
        assert_eq!(reported, is_reported, "{seconds_ago} s ago: {}", response.message);
    }
}

#[tokio::test(start_paused = true)]
async fn placement_failures_from_before_the_change_are_not_reported() {
    let old = |message: &str| json!({ "id": "e", "createdAt": START.as_millis() / 1000 - 30, "message": message });
    let mut starting = service("api", 3, 1);
    starting["events"] = json!([old("(service api) was unable to place a task.")]);
    let aws = unlimited();
    aws.on("ecs", "DescribeServices", [services(&[service("api", 1, 1)]), services(&[starting])]);
    let response = invoke(&aws, request()).await.expect("under way");
    assert_eq!(response.message, "api: 1 of 3 tasks run");
}

#[tokio::test(start_paused = true)]
async fn a_completed_scaling_is_answered_from_the_ledger_with_one_call() {
    let aws = obedient();
    let first = invoke(&aws, request()).await.expect("done");
    let before = aws.all_requests().len();
    let second = invoke(&aws, request()).await.expect("done before");
    assert_eq!(second, StepResponse { from_ledger: true, ..first });
    assert_eq!(aws.all_requests().len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_it_would_do_and_writes_nothing() {
    let aws = obedient();
    let mut request = request();
    request["run"]["dry_run"] = json!(true);
    let response = invoke(&aws, request).await.expect("rehearsed");
    assert_eq!(response.status, StepStatus::WouldAct);
    let expected =
        json!([{ "service": "api", "target": 3, "found": 1, "register": { "min": 3, "max": 3 }, "update": true }]);
    assert_eq!(response.action["services"], expected);
    let reads = ["GetItem", "DescribeServices", "DescribeScalableTargets"];
    assert!(aws.all_requests().iter().all(|request| reads.contains(&request.operation.as_str())));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_used_is_refused_with_the_field_before_anything_is_asked() {
    let many: Vec<String> = (0..201).map(|n| format!("s{n}")).collect();
    let percent = |percent: u32| {
        json!({ "percent_of_source":
            { "percent": percent, "source_region": "eu-central-1", "source_cluster": "primary" } })
    };
    let itself = json!({ "percent_of_source":
        { "percent": 100, "source_region": "eu-west-1", "source_cluster": "standby" } });
    for (field, value, named) in [
        ("cluster", json!(""), "cluster"),
        ("cluster", json!("arn:aws:ecs:eu-west-1:123456789012:cluster/standby"), "cluster"),
        ("services", json!({ "named": [] }), "services.named"),
        ("services", json!({ "named": ["api", "api"] }), "services.named[1]"),
        ("services", json!({ "named": ["api", "a b"] }), "services.named[1]"),
        ("services", json!({ "named": many }), "services.named"),
        ("services", json!("some"), "services"),
        ("capacity", percent(0), "capacity.percent_of_source.percent"),
        ("capacity", percent(1001), "capacity.percent_of_source.percent"),
        ("capacity", itself, "capacity.percent_of_source.source_cluster"),
        ("capacity", json!({ "desired": 5001 }), "capacity.desired"),
        ("capacity", json!({ "desired": -1 }), "capacity"),
        ("target_region", json!("Ireland"), "target_region"),
        ("force", json!(true), "force"),
    ] {
        let aws = obedient();
        let mut request = request();
        request[field] = value.clone();
        let error = invoke(&aws, request).await.expect_err(named);
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{field} {value}");
        assert!(error.to_string().contains(named), "{field} {value}: {error}");
        assert_eq!(aws.all_requests(), [], "{field} {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn different_lists_of_services_are_different_operations_whose_ids_have_an_end() {
    let mut ids = Vec::new();
    for count in [2, 3, 200] {
        let aws = FakeAws::new();
        aws.on("ecs", "DescribeServices", [every_service(|name| service(name, 3, 3))]);
        aws.on("application-autoscaling", "DescribeScalableTargets", [targets(&[])]);
        let mut request = request();
        request["services"] = json!({ "named": (0..count).map(|n| format!("service-{n}")).collect::<Vec<_>>() });
        ids.push(invoke(&aws, request).await.expect("done").operation_id);
    }
    assert!(ids.iter().all(|id| id.len() < 100), "{ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

/// The limits of a target that is suspended as by a fence.
fn fenced_limits(service: &str, max: u32) -> Value {
    let mut limits = limits(service, 0, max);
    limits["SuspendedState"] = suspended(true);
    limits
}

fn suspended(all: bool) -> Value {
    json!({
        "DynamicScalingInSuspended": all, "DynamicScalingOutSuspended": all, "ScheduledScalingSuspended": all,
    })
}

/// Fences the service `api` in Frankfurt, which is left.
fn fence() -> Value {
    json!({
        "run": { "failover_id": "f-1" }, "target_region": "eu-central-1", "cluster": "standby",
        "services": { "named": ["api"] }, "capacity": "fenced", "timeout_seconds": 20,
    })
}

const FENCE_KEY: &str = "f-1#scale-ecs#fence/eu-central-1/standby/api";

/// One service `api` with three tasks and limits 1 to 5, which lets itself be fenced.
fn fenceable() -> FakeAws {
    let aws = obedient();
    aws.on("ecs", "DescribeServices", [services(&[service("api", 3, 3)]), services(&[service("api", 0, 0)])]);
    aws.on(
        "application-autoscaling",
        "DescribeScalableTargets",
        [targets(&[limits("api", 1, 5)]), targets(&[fenced_limits("api", 5)])],
    );
    aws
}

#[tokio::test(start_paused = true)]
async fn a_fence_suspends_automatic_scaling_before_it_sets_the_count_to_zero() {
    let aws = fenceable();
    let response = invoke(&aws, fence()).await.expect("fenced");
    assert_eq!((response.status, response.operation_id.as_str()), (StepStatus::Done, FENCE_KEY));
    let sent = changes(&aws);
    assert_eq!(names(&sent), ["RegisterScalableTarget", "UpdateService"]);
    assert_eq!(
        sent[0].body,
        json!({
            "ServiceNamespace": "ecs", "ResourceId": "service/standby/api",
            "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 0, "MaxCapacity": 5,
            "SuspendedState": suspended(true),
        })
    );
    assert_eq!(sent[1].body, json!({ "cluster": "standby", "service": "api", "desiredCount": 0 }));
    assert!(aws.requests().iter().all(|request| request.region == "eu-central-1"));
    assert_eq!(aws.ledger_item(FENCE_KEY).expect("an item")["status"]["S"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_fence_is_not_done_before_the_last_task_is_gone() {
    let aws = fenceable();
    let looks = [service("api", 3, 3), service("api", 0, 2), service("api", 0, 0)];
    aws.on("ecs", "DescribeServices", looks.map(|look| services(&[look])));
    let response = invoke(&aws, fence()).await.expect("fenced");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(aws.requests_to("ecs", "DescribeServices").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_never_answers_is_tried_as_long_as_the_fence_may_take_and_is_then_still_in_progress() {
    for (timeout_seconds, tries) in [(20, 3), (10, 1)] {
        let aws = FakeAws::new();
        aws.lose_region("eu-central-1");
        let mut request = fence();
        request["timeout_seconds"] = json!(timeout_seconds);
        let response = invoke(&aws, request).await.expect("timed out");
        assert_eq!(response.status, StepStatus::InProgress, "{timeout_seconds}");
        assert!(response.message.starts_with("eu-central-1 does not answer: "), "{}", response.message);
        assert!(response.observed["silent"].is_string(), "{}", response.observed);
        assert_eq!(response.action, Value::Null);
        assert_eq!(aws.requests_to("ecs", "DescribeServices").len(), tries, "{timeout_seconds}");
        assert!(response.elapsed_ms <= timeout_seconds * 1000, "{} of {timeout_seconds} s", response.elapsed_ms);
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_that_answers_with_failures_only_is_no_error_of_the_fence() {
    for failure in [
        Reply::Refused,
        Reply::Reset,
        Reply::error("ThrottlingException", "Rate exceeded"),
        Reply::Error(503, "ServiceUnavailable".to_owned(), "sorry".to_owned()),
    ] {
        let reads = fenceable();
        reads.on("ecs", "DescribeServices", [failure.clone()]);
        let limits = fenceable();
        limits.on("application-autoscaling", "DescribeScalableTargets", [failure.clone()]);
        let registers = fenceable();
        registers.on("application-autoscaling", "RegisterScalableTarget", [failure.clone()]);
        registers.on("ecs", "DescribeServices", [services(&[service("api", 3, 3)])]);
        for aws in [reads, limits, registers] {
            let response = invoke(&aws, fence()).await.expect("timed out");
            assert_eq!(response.status, StepStatus::InProgress, "{failure:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_further_try_can_cure_is_an_error_of_the_fence_too() {
    let denied = || Reply::Error(400, "AccessDeniedException".to_owned(), "no".to_owned());
    let reads = fenceable();
    reads.on("ecs", "DescribeServices", [denied()]);
    let changes = fenceable();
    changes.on("ecs", "UpdateService", [denied()]);
    for aws in [reads, changes] {
        assert_eq!(invoke(&aws, fence()).await.expect_err("denied").code(), ErrorCode::Denied);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fence_of_every_service_looks_for_services_anew_and_waits_for_those_that_are_being_deleted() {
    let aws = fenceable();
    let list = |names: &[&str]| Reply::json(json!({ "serviceArns": names }));
    aws.on("ecs", "ListServices", [list(&["api", "old"]), list(&["api", "late", "old"]), list(&["api", "late"])]);
    let mut old = service("old", 0, 1);
    old["status"] = json!("DRAINING");
    let left = |name: &str, count| if name == "old" { old.clone() } else { service(name, count, count) };
    let looks: Vec<Reply> = [3, 0, 0]
        .map(|count| {
            let (api, late, old) = (left("api", count), left("late", 0), left("old", 0));
            every_service(move |name| {
                [&api, &late, &old].into_iter().find(|one| one["serviceName"] == name).expect("known").clone()
            })
        })
        .into();
    aws.on("ecs", "DescribeServices", looks);
    let mut request = fence();
    request["services"] = json!("all");
    let response = invoke(&aws, request).await.expect("fenced");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(aws.requests_to("ecs", "ListServices").len(), 3);
    assert_eq!(names(&changes(&aws)), ["RegisterScalableTarget", "UpdateService"]);
}

/// Scales in Ireland to what Frankfurt, of the cluster that [`fence`] fences, has.
fn percent_of_the_fenced() -> Value {
    let mut request = percent_of_source(None);
    request["capacity"]["percent_of_source"]["source_cluster"] = json!("standby");
    request
}

#[tokio::test(start_paused = true)]
async fn a_percentage_is_taken_of_what_the_source_had_before_this_failover_fenced_it() {
    let aws = obedient();
    let frankfurt = [service("api", 3, 3), service("api", 0, 0)].map(|look| services(&[look]));
    aws.on_in("eu-central-1", "ecs", "DescribeServices", frankfurt);
    let limits = [targets(&[limits("api", 1, 5)]), targets(&[fenced_limits("api", 5)])];
    aws.on_in("eu-central-1", "application-autoscaling", "DescribeScalableTargets", limits);
    invoke(&aws, fence()).await.expect("fenced");
    let asked = || aws.requests().iter().filter(|one| one.region == "eu-central-1").count();
    let before = asked();
    let response = invoke(&aws, percent_of_the_fenced()).await.expect("done");
    assert_eq!(response.action["services"][0]["target"], 3);
    // The Region that was left need not be asked again; it may be gone by now.
    assert_eq!(asked(), before);

    // Another failover knows nothing of that fence.
    aws.on("ecs", "DescribeServices", [services(&[service("api", 1, 1)])]);
    let mut other = percent_of_the_fenced();
    other["run"]["failover_id"] = json!("f-2");
    let response = invoke(&aws, other).await.expect("nothing is asked for");
    assert_eq!(response.observed["source"], json!({ "counts": { "api": 0 } }));
}

#[tokio::test(start_paused = true)]
async fn a_fence_in_two_attempts_still_knows_what_it_found_first() {
    let aws = fenceable();
    let looks = [service("api", 3, 3), service("api", 0, 3), service("api", 0, 0)];
    aws.on("ecs", "DescribeServices", looks.map(|look| services(&[look])));
    // The suspension does not hold at first.
    let still_open = || targets(&[limits("api", 0, 5)]);
    aws.on("application-autoscaling", "DescribeScalableTargets", [still_open()]);
    let response = invoke(&aws, fence()).await.expect("under way");
    assert_eq!(response.status, StepStatus::InProgress);
    let looks = [still_open(), targets(&[fenced_limits("api", 5)])];
    aws.on("application-autoscaling", "DescribeScalableTargets", looks);
    tokio::time::advance(Duration::from_secs(30)).await;
    let response = invoke(&aws, fence()).await.expect("fenced");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(names(&changes(&aws)), ["RegisterScalableTarget", "UpdateService", "RegisterScalableTarget"]);
    assert_eq!(response.action["services"][0]["found"], 3);
}

#[tokio::test(start_paused = true)]
async fn scaling_a_fenced_service_again_resumes_its_automatic_scaling() {
    let aws = obedient();
    aws.on("ecs", "DescribeServices", [services(&[service("api", 0, 0)]), services(&[service("api", 3, 3)])]);
    aws.on(
        "application-autoscaling",
        "DescribeScalableTargets",
        [targets(&[fenced_limits("api", 5)]), targets(&[limits("api", 3, 5)])],
    );
    let response = invoke(&aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    let sent = changes(&aws);
    assert_eq!(names(&sent), ["RegisterScalableTarget", "UpdateService"]);
    assert_eq!((&sent[0].body["MinCapacity"], &sent[0].body["MaxCapacity"]), (&json!(3), &json!(5)));
    assert_eq!(sent[0].body["SuspendedState"], suspended(false));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_of_a_fence_says_what_it_would_stop_and_stops_nothing() {
    let aws = fenceable();
    let mut request = fence();
    request["run"]["dry_run"] = json!(true);
    let response = invoke(&aws, request).await.expect("rehearsed");
    assert_eq!(response.status, StepStatus::WouldAct);
    let register = json!({ "min": 0, "max": 5, "suspend": true });
    let expected = json!([{ "service": "api", "target": 0, "found": 3, "register": register, "update": true }]);
    assert_eq!(response.action["services"], expected);
    assert_eq!(changes(&aws), []);
}

#[tokio::test(start_paused = true)]
async fn a_time_outside_of_what_a_plan_may_say_is_refused() {
    for seconds in [json!(0), json!(301), json!(-1)] {
        let mut request = fence();
        request["timeout_seconds"] = seconds;
        let error = invoke(&FakeAws::new(), request).await.expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert!(error.to_string().starts_with("timeout_seconds: "), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_fence_with_another_time_is_the_same_operation() {
    let aws = fenceable();
    invoke(&aws, fence()).await.expect("fenced");
    let mut request = fence();
    request["timeout_seconds"] = json!(30);
    assert!(invoke(&aws, request).await.expect("fenced before").from_ledger);
}

fn on_fargate(name: &str, desired: u32) -> Value {
    let mut service = service(name, desired, desired);
    service["launchType"] = json!("FARGATE");
    service["taskDefinition"] = json!(format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/{name}:7"));
    service
}

/// One service of half a vCPU a task, and a quota.
fn checkable(quota: f64) -> FakeAws {
    let aws = obedient();
    aws.on("ecs", "DescribeServices", [services(&[on_fargate("api", 1)])]);
    aws.on("application-autoscaling", "DescribeScalableTargets", [targets(&[limits("api", 1, 5)])]);
    aws.on("ecs", "DescribeTaskDefinition", [Reply::json(json!({ "taskDefinition": { "cpu": "512" } }))]);
    aws.on("servicequotas", "GetServiceQuota", [Reply::json(json!({ "Quota": { "Value": quota } }))]);
    aws
}

fn preflight(mut request: Value) -> Value {
    request["run"]["preflight"] = json!(true);
    request
}

/// Check and severity of each finding.
fn found(response: &StepResponse) -> Vec<(&str, Severity)> {
    response.findings.iter().map(|finding| (finding.check.as_str(), finding.severity)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_preflight_reads_quota_and_task_definition_and_changes_nothing() {
    let aws = checkable(6.0);
    let response = invoke(&aws, preflight(request())).await.expect("checked");
    assert_eq!(response.status, StepStatus::Checked);
    assert_eq!(
        found(&response),
        [
            ("step-can-run", Severity::Ok),
            ("services-are-active", Severity::Ok),
            ("autoscaling-limits", Severity::Ok),
            ("autoscaling-runs", Severity::Ok),
            ("fargate-quota", Severity::Ok),
            ("fargate-spot-quota", Severity::Ok),
            ("instance-capacity", Severity::Ok),
        ]
    );
    let read = &aws.requests_to("servicequotas", "GetServiceQuota")[0];
    assert_eq!(
        (read.region.as_str(), &read.body),
        ("eu-west-1", &json!({ "ServiceCode": "fargate", "QuotaCode": "L-3032A538" }))
    );
    let read = &aws.requests_to("ecs", "DescribeTaskDefinition")[0];
    assert_eq!(read.body, json!({ "taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/api:7" }));
    assert_eq!(changes(&aws), []);
    assert_eq!(aws.ledger_item(KEY), None);
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_too_small_blocks_and_one_that_cannot_be_read_is_unknown() {
    let severity = async |aws: FakeAws| {
        let response = invoke(&aws, preflight(request())).await.expect("checked");
        let found = response.findings.into_iter().find(|finding| finding.check == "fargate-quota");
        found.expect("a finding").severity
    };
    assert_eq!(severity(checkable(1.0)).await, Severity::Blocker);
    let denied = || Reply::Error(400, "AccessDeniedException".to_owned(), "no".to_owned());
    let no_quota = checkable(1.0);
    no_quota.on("servicequotas", "GetServiceQuota", [denied()]);
    assert_eq!(severity(no_quota).await, Severity::Unknown);
    let no_definition = checkable(9.0);
    no_definition.on("ecs", "DescribeTaskDefinition", [denied()]);
    assert_eq!(severity(no_definition).await, Severity::Unknown);
}

#[tokio::test(start_paused = true)]
async fn what_services_run_on_decides_which_quota_is_read() {
    let provider = |name: &str| json!([{ "capacityProvider": name, "weight": 1 }]);
    for (providers, code, instances) in [
        (provider("FARGATE_SPOT"), Some("L-36FBB829"), Severity::Ok),
        (provider("FARGATE"), Some("L-3032A538"), Severity::Ok),
        (provider("our-instances"), None, Severity::Unknown),
    ] {
        let aws = checkable(6.0);
        let mut api = on_fargate("api", 1);
        api["launchType"] = Value::Null;
        api["capacityProviderStrategy"] = providers.clone();
        aws.on("ecs", "DescribeServices", [services(&[api])]);
        let response = invoke(&aws, preflight(request())).await.expect("checked");
        let read = aws.requests_to("servicequotas", "GetServiceQuota");
        assert_eq!(read.first().and_then(|read| read.body["QuotaCode"].as_str()), code, "{providers}");
        assert_eq!(found(&response).last(), Some(&("instance-capacity", instances)), "{providers}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_preflight_of_a_fence_in_a_silent_region_is_unknown_and_of_a_service_that_is_missing_a_blocker() {
    let silent = FakeAws::new();
    silent.lose_region("eu-central-1");
    let response = invoke(&silent, preflight(fence())).await.expect("checked");
    assert_eq!(found(&response), [("step-can-run", Severity::Unknown)]);

    let missing = fenceable();
    missing.on("ecs", "DescribeServices", [Reply::error("ClusterNotFoundException", "Cluster not found.")]);
    let response = invoke(&missing, preflight(fence())).await.expect("checked");
    let expected = [
        ("step-can-run", Severity::Blocker),
        ("services-are-active", Severity::Blocker),
        ("fence-reaches-all", Severity::Ok),
    ];
    assert_eq!(found(&response), expected);
}

#[tokio::test(start_paused = true)]
async fn a_preflight_that_cannot_read_the_services_says_so_and_nothing_else() {
    let aws = obedient();
    aws.on("ecs", "DescribeServices", [Reply::Silence]);
    let response = invoke(&aws, preflight(request())).await.expect("checked");
    assert_eq!(found(&response), [("step-can-run", Severity::Unknown)]);
}

#[test]
fn the_sample_events_are_requests_of_each_kind() {
    for event in [
        include_str!("../events/one-service.json"),
        include_str!("../events/percent-of-source.json"),
        include_str!("../events/scale-down.json"),
        include_str!("../events/dry-run.json"),
        include_str!("../events/fence.json"),
        include_str!("../events/fence-dry-run.json"),
        include_str!("../events/preflight.json"),
        include_str!("../events/fence-preflight.json"),
    ] {
        let event: Value = serde_json::from_str(event).expect("JSON");
        contract::parse::<ScaleRequest>(event).expect("a request");
    }
}

/// As a custom action block of Region switch sends it.
fn switch_event(action: &str) -> Value {
    json!({
        "planArn": "arn:aws:arc-region-switch::123456789012:plan/trading:a1b2c3", "executionId": "eu-west-1/1b9d6bcd",
        "targetRegion": "eu-west-1", "action": action, "mode": "graceful",
    })
}

#[tokio::test(start_paused = true)]
async fn region_switch_is_told_to_ask_again_until_the_tasks_run_and_then_that_it_is_done() {
    let aws = obedient();
    aws.on("ecs", "DescribeServices", [services(&[service("api", 1, 1)]), services(&[service("api", 3, 1)])]);
    let error = invoke(&aws, switch_event("activate")).await.expect_err("tasks are starting");
    assert_eq!(error.code(), ErrorCode::InProgress);
    assert!(error.to_string().contains("is under way"), "{error}");
    aws.on("ecs", "DescribeServices", [services(&[service("api", 3, 3)])]);
    let response = invoke(&aws, switch_event("activate")).await.expect("done");
    assert_eq!((response.status, response.attempt), (StepStatus::Done, 2));
    assert_eq!(names(&changes(&aws)), ["RegisterScalableTarget", "UpdateService"], "once, whatever is asked again");
    assert!(invoke(&aws, switch_event("activate")).await.expect("done").from_ledger);
}

#[tokio::test(start_paused = true)]
async fn the_region_that_region_switch_deactivates_is_fenced() {
    let aws = fenceable();
    let response = invoke(&aws, switch_event("deactivate")).await.expect("fenced");
    assert!(response.operation_id.ends_with("#scale-ecs#fence/eu-west-1/standby/api"), "{}", response.operation_id);
    assert_eq!(changes(&aws)[1].body, json!({ "cluster": "standby", "service": "api", "desiredCount": 0 }));
}

#[tokio::test(start_paused = true)]
async fn without_its_variable_an_event_of_region_switch_changes_nothing_and_a_malformed_one_stops_the_start() {
    let aws = obedient();
    let tools = aws.toolbox();
    let deadline = testing::deadline(&tools.env, &tools.config);
    let step = ScaleEcs::new(tools, &BTreeMap::new()).expect("optional");
    let error = scale_ecs::handle(Arc::new(step), switch_event("activate"), deadline).await.expect_err("not set");
    assert_eq!(error.code(), ErrorCode::Config);
    assert!(error.to_string().contains(region_switch::VARIABLE), "{error}");
    assert_eq!(aws.requests(), []);
    let malformed = BTreeMap::from([(region_switch::VARIABLE, "{ \"esc\": {} }")]);
    let error = ScaleEcs::new(FakeAws::new().toolbox(), &malformed).expect_err("misspelt");
    assert!(error.to_string().contains("REGION_SWITCH_REQUEST") && error.to_string().contains("esc"), "{error}");
}
