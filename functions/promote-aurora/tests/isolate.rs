//! Isolating a cluster: the decision state by state, and the real SDK client against a scripted AWS.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use failover::contract::{self, ClusterArn, Finding, IsolateRequest, RunContext, Severity, StepResponse, StepStatus};
use failover::error::{Error, ErrorCode};
use failover::step::Plan;
use failover::testing::{self, FakeAws, Reply};
use promote_aurora::PromoteAurora;
use promote_aurora::isolate::plan::{Action, Cluster, Isolating, Observation, isolation_groups, plan};
use promote_aurora::plan::SecurityGroup;
use proptest::prelude::*;
use serde_json::{Value, json};

const FRANKFURT: &str = "arn:aws:rds:eu-central-1:123456789012:cluster:trading";
const SERVING: &str = "sg-5e5e5e5e";
const CLOSED: &str = "sg-0c105ed0";
const KEY: &str = "f-1#isolate-aurora#arn:aws:rds:eu-central-1:123456789012:cluster:trading";

fn isolating(groups: &[&str]) -> Isolating {
    Isolating {
        run: RunContext::default(),
        cluster: ClusterArn::parse(FRANKFURT).expect("an ARN"),
        security_groups: groups.iter().map(ToString::to_string).collect(),
        budget: None,
    }
}

fn seen(status: &str, groups: &[(&str, &str)]) -> Observation {
    let groups = groups.iter().map(|(id, status)| SecurityGroup { id: (*id).to_owned(), status: (*status).to_owned() });
    let cluster = Cluster { status: status.to_owned(), security_groups: groups.collect() };
    Observation { cluster: Some(cluster), silent: None }
}

fn waiting(seen: &Observation) -> String {
    let decided = plan(&isolating(&[CLOSED]), seen);
    let Plan::Wait { reason, .. } = decided else { panic!("expected to wait, got {decided:?}") };
    reason
}

fn refusal(seen: &Observation) -> String {
    let decided = plan(&isolating(&[CLOSED]), seen);
    let Plan::Refuse { reason, .. } = decided else { panic!("expected a refusal, got {decided:?}") };
    reason
}

#[test]
fn a_cluster_that_serves_gets_the_groups_that_let_nobody_in_and_those_it_had_are_kept_in_the_record() {
    let decided = plan(&isolating(&[CLOSED]), &seen("available", &[(SERVING, "active")]));
    let Plan::Act(Action { region, cluster, security_groups, found_security_groups }) = decided else {
        panic!("expected to act, got {decided:?}")
    };
    assert_eq!((region.as_str(), cluster.as_str()), ("eu-central-1", FRANKFURT));
    assert_eq!(security_groups, BTreeSet::from([CLOSED.to_owned()]));
    assert_eq!(found_security_groups, BTreeSet::from([SERVING.to_owned()]));
}

#[test]
fn a_cluster_with_a_further_group_is_not_isolated() {
    let decided = plan(&isolating(&[CLOSED]), &seen("available", &[(CLOSED, "active"), (SERVING, "active")]));
    assert!(matches!(decided, Plan::Act(_)), "{decided:?}");
}

#[test]
fn a_cluster_is_isolated_when_it_has_these_groups_and_they_are_active() {
    let decided = plan(&isolating(&[CLOSED]), &seen("available", &[(CLOSED, "active")]));
    let Plan::AlreadyDone { proof } = decided else { panic!("expected it to be done, got {decided:?}") };
    assert!(proof.contains(FRANKFURT) && proof.contains(CLOSED), "{proof}");
    assert!(waiting(&seen("available", &[(CLOSED, "adding")])).contains("being changed"));
    assert!(waiting(&seen("available", &[(CLOSED, "active"), (SERVING, "removing")])).contains("being changed"));
}

#[test]
fn a_cluster_that_is_being_changed_is_waited_for_and_one_that_stays_as_it_is_refused() {
    assert!(waiting(&seen("modifying", &[(SERVING, "active")])).contains("modifying"));
    for stuck in ["stopped", "deleting"] {
        assert!(refusal(&seen(stuck, &[(SERVING, "active")])).contains(stuck));
    }
    assert!(refusal(&Observation::default()).contains(FRANKFURT));
}

#[test]
fn a_region_that_does_not_answer_is_waited_for() {
    let silent = Observation { cluster: None, silent: Some("timed out".to_owned()) };
    assert_eq!(waiting(&silent), "eu-central-1 does not answer: timed out");
}

#[test]
fn groups_that_let_nobody_in_are_not_those_it_serves_with() {
    let request = isolating(&[CLOSED]);
    let check = |seen: &Observation| -> Finding { isolation_groups(&request, seen) };
    assert_eq!(check(&seen("available", &[(SERVING, "active")])).severity, Severity::Ok);
    let isolated = check(&seen("available", &[(CLOSED, "active")]));
    assert_eq!(isolated.severity, Severity::Warning);
    assert!(isolated.message.contains("isolated now"), "{}", isolated.message);
    let shared = check(&seen("available", &[(CLOSED, "active"), (SERVING, "active")]));
    assert_eq!(shared.severity, Severity::Warning);
    assert!(shared.message.contains("serves with sg-0c105ed0"), "{}", shared.message);
    assert_eq!(check(&Observation::default()).severity, Severity::Unknown);
}

proptest! {
    #[test]
    fn it_is_never_called_isolated_with_a_group_too_many_or_too_few_or_one_that_is_not_active(
        groups in proptest::collection::btree_map(
            proptest::sample::select(vec![CLOSED, SERVING, "sg-00000001"]),
            proptest::sample::select(vec!["active", "adding", "removing", ""]),
            0..3,
        ),
        status in proptest::sample::select(vec!["available", "modifying", "stopped"]),
    ) {
        let groups: Vec<(&str, &str)> = groups.into_iter().collect();
        if let Plan::AlreadyDone { .. } = plan(&isolating(&[CLOSED]), &seen(status, &groups)) {
            prop_assert_eq!(groups, [(CLOSED, "active")]);
        }
    }
}

fn cluster(groups: &[&str]) -> Reply {
    let groups: Vec<String> = groups
        .iter()
        .map(|id| {
            format!(
                "<VpcSecurityGroupMembership><VpcSecurityGroupId>{id}</VpcSecurityGroupId><Status>active</Status>\
                 </VpcSecurityGroupMembership>"
            )
        })
        .collect();
    let groups = groups.concat();
    Reply::xml(format!(
        "<DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters><DBCluster>\
         <DBClusterIdentifier>trading</DBClusterIdentifier><Status>available</Status>\
         <VpcSecurityGroups>{groups}</VpcSecurityGroups></DBCluster></DBClusters>\
         </DescribeDBClustersResult></DescribeDBClustersResponse>"
    ))
}

fn accepted() -> Reply {
    Reply::xml("<ModifyDBClusterResponse><ModifyDBClusterResult/></ModifyDBClusterResponse>")
}

/// A cluster that serves, and does what it is told.
fn obedient() -> FakeAws {
    let aws = FakeAws::new();
    aws.on("rds", "DescribeDBClusters", [cluster(&[SERVING]), cluster(&[CLOSED])]);
    aws.on("rds", "ModifyDBCluster", [accepted()]);
    aws
}

fn request() -> Value {
    json!({
        "run": { "failover_id": "f-1" },
        "isolate": { "cluster_arn": FRANKFURT, "security_group_ids": [CLOSED] },
        "timeout_seconds": 20,
    })
}

/// One invocation.
async fn invoke(aws: &FakeAws, request: Value) -> Result<StepResponse, Error> {
    let tools = aws.toolbox();
    let deadline = testing::deadline(&tools.env, &tools.config);
    let variables = BTreeMap::from([("GLOBAL_CLUSTER_ID", "trading-global"), ("DR_CLUSTER_ID", "trading-dr")]);
    let step = PromoteAurora::new(tools, &variables).expect("a complete environment");
    promote_aurora::handle(Arc::new(step), request, deadline).await
}

fn times_sent(aws: &FakeAws) -> usize {
    aws.requests_to("rds", "ModifyDBCluster").len()
}

#[tokio::test(start_paused = true)]
async fn a_request_with_the_field_isolate_changes_the_groups_in_the_clusters_region_and_nothing_else() {
    let aws = obedient();
    let response = invoke(&aws, request()).await.expect("isolated");
    assert_eq!((response.status, response.operation_id.as_str()), (StepStatus::Done, KEY));
    let [sent] = &aws.requests_to("rds", "ModifyDBCluster")[..] else { panic!("{:?}", aws.requests()) };
    assert_eq!(sent.host, "rds.eu-central-1.amazonaws.com");
    assert_eq!(
        sent.body,
        json!({ "Action": "ModifyDBCluster", "Version": "2014-10-31", "DBClusterIdentifier": "trading",
                "VpcSecurityGroupIds.VpcSecurityGroupId.1": CLOSED, "ApplyImmediately": "true" })
    );
    assert!(aws.requests().iter().all(|request| request.region == "eu-central-1"));
    assert_eq!(response.action["found_security_groups"], json!([SERVING]));
    assert_eq!(aws.ledger_item(KEY).expect("an item")["status"]["S"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_isolated_already_is_not_changed() {
    let aws = obedient();
    aws.on("rds", "DescribeDBClusters", [cluster(&[CLOSED])]);
    let response = invoke(&aws, request()).await.expect("isolated before");
    assert_eq!((response.status, response.action), (StepStatus::Done, Value::Null));
    assert_eq!(times_sent(&aws), 0);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_never_answers_is_tried_as_long_as_it_may_take_and_is_then_still_in_progress() {
    for (timeout_seconds, tries) in [(20, 3), (10, 1)] {
        let aws = FakeAws::new();
        aws.lose_region("eu-central-1");
        let mut request = request();
        request["timeout_seconds"] = json!(timeout_seconds);
        let response = invoke(&aws, request).await.expect("timed out");
        assert_eq!(response.status, StepStatus::InProgress);
        assert!(response.message.starts_with("eu-central-1 does not answer: "), "{}", response.message);
        assert!(response.observed["silent"].is_string(), "{}", response.observed);
        assert_eq!(aws.requests().len(), tries, "{timeout_seconds}");
        assert!(response.elapsed_ms <= timeout_seconds * 1000, "{} of {timeout_seconds} s", response.elapsed_ms);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_another_try_can_cure_is_no_error() {
    for failure in [
        Reply::Refused,
        Reply::Reset,
        Reply::error("Throttling", "Rate exceeded"),
        Reply::error("InvalidDBClusterStateFault", "not now"),
        Reply::Error(503, "ServiceUnavailable".to_owned(), "sorry".to_owned()),
    ] {
        let aws = obedient();
        aws.on("rds", "DescribeDBClusters", [cluster(&[SERVING])]);
        aws.on("rds", "ModifyDBCluster", [failure.clone()]);
        let response = invoke(&aws, request()).await.expect("timed out");
        assert_eq!(response.status, StepStatus::InProgress, "{failure:?}");
        assert!(times_sent(&aws) >= 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_further_try_can_cure_is_an_error() {
    let wrong_group = "Invalid security group , groupId= sg-0c105ed0, groupName=.";
    for (operation, failure, code) in [
        ("DescribeDBClusters", Reply::error("AccessDenied", "no"), ErrorCode::Denied),
        ("DescribeDBClusters", Reply::error("DBClusterNotFoundFault", "none"), ErrorCode::Refused),
        ("ModifyDBCluster", Reply::error("AccessDenied", "no"), ErrorCode::Denied),
        ("ModifyDBCluster", Reply::error("DBClusterNotFoundFault", "none"), ErrorCode::Refused),
        ("ModifyDBCluster", Reply::error("InvalidParameterCombination", wrong_group), ErrorCode::Refused),
        ("ModifyDBCluster", Reply::error("InvalidParameterValue", "another one"), ErrorCode::Bug),
    ] {
        let aws = obedient();
        aws.on("rds", operation, [failure.clone()]);
        let error = invoke(&aws, request()).await.expect_err("an error");
        assert_eq!(error.code(), code, "{operation} {failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_outcome_is_unknown_is_looked_for_and_never_sent_again() {
    for lost in [Reply::Silence, Reply::Reset] {
        let aws = obedient();
        aws.on("rds", "ModifyDBCluster", [lost]);
        let response = invoke(&aws, request()).await.expect("isolated");
        assert_eq!((response.status, times_sent(&aws)), (StepStatus::Done, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_dies_in_the_call_is_taken_over_without_a_second_call() {
    let aws = obedient();
    aws.on("rds", "ModifyDBCluster", [Reply::Silence]);
    tokio::time::timeout(Duration::from_secs(2), invoke(&aws, request())).await.expect_err("killed");
    tokio::time::advance(Duration::from_secs(30)).await;
    let response = invoke(&aws, request()).await.expect("taken over");
    assert_eq!((response.status, response.attempt, times_sent(&aws)), (StepStatus::Done, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_and_a_preflight_change_nothing() {
    let aws = obedient();
    aws.on("rds", "DescribeDBClusters", [cluster(&[SERVING])]);
    let mut rehearsal = request();
    rehearsal["run"]["dry_run"] = json!(true);
    let response = invoke(&aws, rehearsal).await.expect("rehearsed");
    assert_eq!(response.status, StepStatus::WouldAct);
    assert_eq!(response.action["security_groups"], json!([CLOSED]));
    let mut check = request();
    check["run"]["preflight"] = json!(true);
    let response = invoke(&aws, check.clone()).await.expect("checked");
    let found = |response: &StepResponse| -> Vec<(String, Severity)> {
        response.findings.iter().map(|finding| (finding.check.clone(), finding.severity)).collect()
    };
    let expected = [("step-can-run".to_owned(), Severity::Ok), ("isolation-groups".to_owned(), Severity::Ok)];
    assert_eq!(found(&response), expected);
    assert_eq!(times_sent(&aws), 0);
    assert!(aws.ledger_item(KEY).is_none());
    aws.lose_region("eu-central-1");
    let response = invoke(&aws, check).await.expect("checked");
    assert_eq!(found(&response), [("step-can-run".to_owned(), Severity::Unknown)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_used_is_refused_with_the_field_before_anything_is_asked() {
    let with = |cluster: &str, groups: Value| json!({ "cluster_arn": cluster, "security_group_ids": groups });
    let others = FRANKFURT.replace("123456789012", "210987654321");
    for (field, value, named) in [
        ("isolate", with(FRANKFURT, json!([])), "isolate.security_group_ids"),
        ("isolate", with(FRANKFURT, json!([CLOSED, "closed"])), "isolate.security_group_ids[1]"),
        ("isolate", with(FRANKFURT, json!([CLOSED, CLOSED])), "isolate.security_group_ids[1]"),
        ("isolate", with("trading", json!([CLOSED])), "isolate.cluster_arn"),
        ("isolate", with(&others, json!([CLOSED])), "isolate.cluster_arn"),
        ("isolate", Value::Null, "isolate"),
        ("timeout_seconds", json!(0), "timeout_seconds"),
        ("timeout_seconds", json!(301), "timeout_seconds"),
        ("mode", json!("failover"), "mode"),
    ] {
        let aws = FakeAws::new();
        let mut request = request();
        request[field] = value.clone();
        let error = invoke(&aws, request).await.expect_err(named);
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{field} {value}");
        assert!(error.to_string().contains(named), "{field} {value}: {error}");
        assert_eq!(aws.all_requests(), [], "{field} {value}");
    }
}

#[test]
fn the_sample_events_are_requests() {
    for event in [
        include_str!("../events/isolate.json"),
        include_str!("../events/isolate-dry-run.json"),
        include_str!("../events/isolate-preflight.json"),
    ] {
        let event: Value = serde_json::from_str(event).expect("JSON");
        contract::parse::<IsolateRequest>(event).expect("a request");
    }
}
