//! The real SDK clients against a scripted AWS: what goes over the wire, and what becomes of each answer.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use failover::contract::{self, PromoteRequest, Severity, StepResponse, StepStatus, Timestamp};
use failover::error::{Error, ErrorCode, chain};
use failover::testing::{self, FakeAws, Reply, Request, START};
use promote_aurora::PromoteAurora;
use serde_json::{Value, json};

const FRANKFURT: &str = "arn:aws:rds:eu-central-1:123456789012:cluster:trading";
const IRELAND: &str = "arn:aws:rds:eu-west-1:123456789012:cluster:trading-dr";
/// What the function does for Region switch.
const REGION_SWITCH: &str = r#"{ "aurora": {
    "global_cluster_id": "trading-global", "unplanned_mode": "failover", "clusters": {
        "eu-central-1": "arn:aws:rds:eu-central-1:123456789012:cluster:trading",
        "eu-west-1": "arn:aws:rds:eu-west-1:123456789012:cluster:trading-dr"
    }
} }"#;
const SERVING: &str = "sg-5e5e5e5e";
const CLOSED: &str = "sg-0c105ed0";
const BLOCKED: &str = "Attempt to block writes for DB cluster trading in Region eu-central-1 succeeded.";
const TIMED_OUT: &str = "Attempt to block writes for DB cluster trading in Region eu-central-1 timed out.";
const CHANGES: [(&str, &str, &str); 3] = [
    ("switchover", "SwitchoverGlobalCluster", "eu-central-1"),
    ("failover", "FailoverGlobalCluster", "eu-west-1"),
    ("detach", "RemoveFromGlobalCluster", "eu-west-1"),
];

/// The global cluster: its members, each with whether it is the writer, and what is pending.
fn global(members: &[(&str, bool)], pending: &str) -> Reply {
    let members: Vec<String> = members
        .iter()
        .map(|(arn, writer)| {
            format!(
                "<GlobalClusterMember><DBClusterArn>{arn}</DBClusterArn><Readers/><IsWriter>{writer}</IsWriter>\
                 <SynchronizationStatus>connected</SynchronizationStatus></GlobalClusterMember>"
            )
        })
        .collect();
    let members = members.concat();
    Reply::xml(format!(
        "<DescribeGlobalClustersResponse><DescribeGlobalClustersResult><GlobalClusters><GlobalClusterMember>\
         <GlobalClusterIdentifier>trading-global</GlobalClusterIdentifier><Status>available</Status>\
         <FailoverState>{pending}</FailoverState><GlobalClusterMembers>{members}</GlobalClusterMembers>\
         </GlobalClusterMember></GlobalClusters></DescribeGlobalClustersResult></DescribeGlobalClustersResponse>"
    ))
}

fn frankfurt_writes() -> Reply {
    global(&[(FRANKFURT, true), (IRELAND, false)], "")
}

fn ireland_writes() -> Reply {
    global(&[(FRANKFURT, false), (IRELAND, true)], "")
}

fn ireland_is_gone() -> Reply {
    global(&[(FRANKFURT, true)], "")
}

fn after(operation: &str) -> Reply {
    if operation == "RemoveFromGlobalCluster" { ireland_is_gone() } else { ireland_writes() }
}

/// A cluster of one instance, with these security groups, each with its status.
fn cluster_with(id: &str, instance: &str, version: &str, groups: &[(&str, &str)]) -> Reply {
    let groups: Vec<String> = groups
        .iter()
        .map(|(id, status)| {
            format!(
                "<VpcSecurityGroupMembership><VpcSecurityGroupId>{id}</VpcSecurityGroupId><Status>{status}</Status>\
                 </VpcSecurityGroupMembership>"
            )
        })
        .collect();
    let groups = groups.concat();
    Reply::xml(format!(
        "<DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters><DBCluster>\
         <DBClusterIdentifier>{id}</DBClusterIdentifier><Status>available</Status>\
         <EngineVersion>{version}</EngineVersion><DBClusterParameterGroup>trading</DBClusterParameterGroup>\
         <VpcSecurityGroups>{groups}</VpcSecurityGroups>\
         <DBClusterMembers><DBClusterMember><DBInstanceIdentifier>{instance}</DBInstanceIdentifier>\
         <DBClusterParameterGroupStatus>in-sync</DBClusterParameterGroupStatus>\
         <IsClusterWriter>true</IsClusterWriter></DBClusterMember></DBClusterMembers></DBCluster></DBClusters>\
         </DescribeDBClustersResult></DescribeDBClustersResponse>"
    ))
}

fn cluster(id: &str, instance: &str) -> Reply {
    cluster_with(id, instance, "16.6", &[(SERVING, "active")])
}

/// Events, each with its seconds after [`START`] and its message.
fn events(events: &[(i64, &str)]) -> Reply {
    let events: Vec<String> = events
        .iter()
        .map(|(seconds, message)| {
            let at = Timestamp::from_millis(START.as_millis() + seconds * 1000);
            format!(
                "<Event><SourceIdentifier>trading-1</SourceIdentifier><SourceType>db-instance</SourceType>\
                 <Message>{message}</Message><Date>{at}</Date></Event>"
            )
        })
        .collect();
    let events = events.concat();
    Reply::xml(format!(
        "<DescribeEventsResponse><DescribeEventsResult><Events>{events}</Events></DescribeEventsResult>\
         </DescribeEventsResponse>"
    ))
}

fn instances() -> Reply {
    Reply::xml(
        "<DescribeDBInstancesResponse><DescribeDBInstancesResult><DBInstances><DBInstance>\
         <DBInstanceIdentifier>trading-dr-1</DBInstanceIdentifier><DBInstanceStatus>available</DBInstanceStatus>\
         </DBInstance></DBInstances></DescribeDBInstancesResult></DescribeDBInstancesResponse>",
    )
}

fn lag(ms: f64) -> Reply {
    let at = json!({ "$seconds": START.as_millis() / 1000 - 30 });
    let older = json!({ "$seconds": START.as_millis() / 1000 - 90 });
    Reply::json(json!({
        "MetricDataResults": [{ "Id": "lag", "Values": [ms, 9_999.0], "Timestamps": [at, older] }]
    }))
}

fn accepted(operation: &str) -> Reply {
    Reply::xml(format!("<{operation}Response><{operation}Result/></{operation}Response>"))
}

/// Frankfurt writes, Ireland follows 412 ms behind; nothing changes unless a test says so.
fn in_order() -> FakeAws {
    let aws = FakeAws::new();
    aws.on("rds", "DescribeGlobalClusters", [frankfurt_writes()]);
    aws.on_in("eu-west-1", "rds", "DescribeDBClusters", [cluster("trading-dr", "trading-dr-1")]);
    aws.on_in("eu-central-1", "rds", "DescribeDBClusters", [cluster("trading", "trading-1")]);
    aws.on("rds", "DescribeDBInstances", [instances()]);
    aws.on("cloudwatch", "GetMetricData", [lag(411.2)]);
    aws.on("rds", "DescribeEvents", [events(&[])]);
    aws
}

/// As [`in_order`], and the change takes effect with the look after it.
fn obedient(operation: &str) -> FakeAws {
    let aws = in_order();
    aws.on("rds", operation, [accepted(operation)]);
    aws.on("rds", "DescribeGlobalClusters", [frankfurt_writes(), after(operation)]);
    aws
}

fn variables() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("GLOBAL_CLUSTER_ID", "trading-global"),
        ("DR_CLUSTER_ID", "trading-dr"),
        (failover::region_switch::VARIABLE, REGION_SWITCH),
    ])
}

/// One invocation.
async fn invoke(aws: &FakeAws, request: Value) -> Result<StepResponse, Error> {
    let tools = aws.toolbox();
    let deadline = testing::deadline(&tools.env, &tools.config);
    let step = PromoteAurora::new(tools, &variables()).expect("a complete environment");
    promote_aurora::handle(Arc::new(step), request, deadline).await
}

fn request(mode: &str) -> Value {
    json!({ "run": { "failover_id": "f-1" }, "mode": mode })
}

fn key() -> String {
    format!("f-1#promote-aurora#{IRELAND}")
}

fn ledger_status(aws: &FakeAws) -> Value {
    aws.ledger_item(&key()).expect("an item")["status"]["S"].clone()
}

fn times_sent(aws: &FakeAws, operation: &str) -> usize {
    aws.requests_to("rds", operation).len()
}

#[tokio::test(start_paused = true)]
async fn each_mode_sends_its_call_once_to_the_region_where_it_works_and_ends_with_the_outcome_seen() {
    let bodies = [
        json!({ "Action": "SwitchoverGlobalCluster", "Version": "2014-10-31",
                "GlobalClusterIdentifier": "trading-global", "TargetDbClusterIdentifier": IRELAND }),
        json!({ "Action": "FailoverGlobalCluster", "Version": "2014-10-31", "AllowDataLoss": "true",
                "GlobalClusterIdentifier": "trading-global", "TargetDbClusterIdentifier": IRELAND }),
        json!({ "Action": "RemoveFromGlobalCluster", "Version": "2014-10-31",
                "GlobalClusterIdentifier": "trading-global", "DbClusterIdentifier": IRELAND }),
    ];
    for ((mode, operation, region), body) in CHANGES.into_iter().zip(bodies) {
        let aws = obedient(operation);
        let response = invoke(&aws, request(mode)).await.expect(mode);
        assert_eq!(response.status, StepStatus::Done, "{mode}");
        let [sent] = &aws.requests_to("rds", operation)[..] else { panic!("{mode}: {:?}", aws.requests()) };
        assert_eq!((sent.region.as_str(), &sent.body), (region, &body));
        assert_eq!(sent.host, format!("rds.{region}.amazonaws.com"));
        assert_eq!(ledger_status(&aws), "completed");
    }
}

#[tokio::test(start_paused = true)]
async fn the_reads_ask_for_nothing_but_this_global_cluster_this_target_and_its_lag() {
    let aws = obedient("FailoverGlobalCluster");
    invoke(&aws, request("failover")).await.expect("done");
    let body = |service: &str, operation: &str| aws.requests_to(service, operation)[0].body.clone();
    assert_eq!(body("rds", "DescribeGlobalClusters")["GlobalClusterIdentifier"], "trading-global");
    assert_eq!(body("rds", "DescribeDBClusters")["DBClusterIdentifier"], "trading-dr");
    let instances = body("rds", "DescribeDBInstances");
    assert_eq!(instances["Filters.Filter.1.Name"], "db-cluster-id");
    assert_eq!(instances["Filters.Filter.1.Values.Value.1"], "trading-dr");
    let now = START.as_millis() / 1000;
    assert_eq!(
        body("cloudwatch", "GetMetricData"),
        json!({
            "MetricDataQueries": [{
                "Id": "lag",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/RDS",
                        "MetricName": "AuroraGlobalDBReplicationLag",
                        "Dimensions": [{ "Name": "DBClusterIdentifier", "Value": "trading-dr" }],
                    },
                    "Period": 60,
                    "Stat": "Maximum",
                },
            }],
            "StartTime": now - 600,
            "EndTime": now,
            "ScanBy": "TimestampDescending",
        })
    );
    // The source Region may be gone: a failover asks it nothing, but for events once all is done.
    let asked = aws.requests().into_iter().filter(|request| request.region != "eu-west-1");
    assert_eq!(asked.map(|request| request.operation).collect::<Vec<_>>(), ["DescribeEvents"]);
}

#[tokio::test(start_paused = true)]
async fn the_answer_states_lag_loss_and_writer_from_before_the_change() {
    for (mode, exposure) in [("switchover", 0), ("failover", 412), ("detach", 412)] {
        let operation = CHANGES.into_iter().find(|(name, ..)| *name == mode).expect("a mode").1;
        let response = invoke(&obedient(operation), request(mode)).await.expect(mode);
        for stated in [&response.observed, &response.action] {
            assert_eq!(stated["lag_ms_before"], 412, "{mode}");
            assert_eq!(stated["data_loss_exposure_ms"], exposure, "{mode}");
        }
        assert_eq!(response.observed["writer_before"], FRANKFURT, "{mode}");
    }
}

/// What becomes of each error that the API's model has for the changes.
const FAULTS: [(&str, ErrorCode); 4] = [
    // The look before was stale: another may do better.
    ("InvalidDBClusterStateFault", ErrorCode::Transient),
    ("InvalidGlobalClusterStateFault", ErrorCode::Transient),
    ("GlobalClusterNotFoundFault", ErrorCode::Refused),
    ("DBClusterNotFoundFault", ErrorCode::Refused),
];

#[tokio::test(start_paused = true)]
async fn every_modelled_error_of_every_change_has_its_code_and_is_sent_once() {
    for (mode, operation, _) in CHANGES {
        for (fault, code) in FAULTS {
            let aws = in_order();
            aws.on("rds", operation, [Reply::error(fault, "not now")]);
            let error = invoke(&aws, request(mode)).await.expect_err(fault);
            assert_eq!(error.code(), code, "{operation} {fault}");
            assert!(chain(&error).contains(fault), "{}", chain(&error));
            assert_eq!(times_sent(&aws, operation), 1, "{operation} {fault}");
            let item = aws.ledger_item(&key()).expect("an item");
            assert_eq!((&item["status"]["S"], &item["retryable"]["BOOL"]), (&json!("failed"), &json!(true)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_stale_look_the_next_invocation_looks_again_and_goes_on() {
    let aws = in_order();
    aws.on(
        "rds",
        "FailoverGlobalCluster",
        [Reply::error("InvalidDBClusterStateFault", "not now"), accepted("FailoverGlobalCluster")],
    );
    invoke(&aws, request("failover")).await.expect_err("a stale look");
    tokio::time::advance(Duration::from_secs(30)).await;
    aws.on("rds", "DescribeGlobalClusters", [frankfurt_writes(), ireland_writes()]);
    let response = invoke(&aws, request("failover")).await.expect("the state allows it now");
    assert_eq!((response.status, response.attempt), (StepStatus::Done, 2));
    assert_eq!(response.observed["lag_ms_before"], 412);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_denied_fails_with_the_permission_that_is_missing() {
    for (mode, operation, _) in CHANGES {
        let aws = in_order();
        let message = format!("not authorized to perform: rds:{operation}");
        aws.on("rds", operation, [Reply::Error(403, "AccessDenied".to_owned(), message.clone())]);
        let error = invoke(&aws, request(mode)).await.expect_err("denied");
        assert_eq!(error.code(), ErrorCode::Denied);
        assert!(chain(&error).contains(&message), "{}", chain(&error));
        assert_eq!(times_sent(&aws, operation), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_removed_before_is_no_error() {
    let aws = obedient("RemoveFromGlobalCluster");
    let message = format!("DB cluster {IRELAND} is not found in global cluster trading-global");
    aws.on("rds", "RemoveFromGlobalCluster", [Reply::error("InvalidParameterValue", &message)]);
    let response = invoke(&aws, request("detach")).await.expect("already removed");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(times_sent(&aws, "RemoveFromGlobalCluster"), 1);
}

#[tokio::test(start_paused = true)]
async fn another_invalid_parameter_is_an_error() {
    let aws = in_order();
    let wrong = Reply::error("InvalidParameterValue", "The parameter DbClusterIdentifier is not a valid identifier");
    aws.on("rds", "RemoveFromGlobalCluster", [wrong]);
    let error = invoke(&aws, request("detach")).await.expect_err("invalid");
    assert_eq!(error.code(), ErrorCode::Bug);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_change_is_sent_again_after_two_to_the_n_seconds() {
    for (mode, operation, _) in CHANGES {
        let aws = obedient(operation);
        let throttled = || Reply::error("ThrottlingException", "Rate exceeded");
        aws.on("rds", operation, [throttled(), throttled(), throttled(), accepted(operation)]);
        let response = invoke(&aws, request(mode)).await.expect("after three waits");
        assert_eq!(response.status, StepStatus::Done);
        let sent = aws.requests_to("rds", operation);
        assert_eq!(sent.len(), 4, "{mode}");
        for (n, pair) in sent.windows(2).enumerate() {
            let (waited, least) = (pair[1].at.saturating_sub(pair[0].at), Duration::from_secs(1 << n));
            assert!(waited >= least && waited <= least * 2, "{mode}: wait {n} was {waited:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_was_not_sent_and_is_tried_again() {
    let aws = obedient("FailoverGlobalCluster");
    aws.on("rds", "FailoverGlobalCluster", [Reply::Refused, accepted("FailoverGlobalCluster")]);
    invoke(&aws, request("failover")).await.expect("the second connection holds");
    assert_eq!(times_sent(&aws, "FailoverGlobalCluster"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_outcome_is_unknown_is_looked_for_and_never_sent_again() {
    for (mode, operation, _) in CHANGES {
        let failure = Reply::Error(500, "InternalFailure".to_owned(), "sorry".to_owned());
        for lost in [Reply::Silence, Reply::Reset, failure] {
            let what = format!("{operation} {lost:?}");
            let aws = obedient(operation);
            aws.on("rds", operation, [lost]);
            let response = invoke(&aws, request(mode)).await.expect(&what);
            assert_eq!(response.status, StepStatus::Done, "{what}");
            assert_eq!(times_sent(&aws, operation), 1, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_lost_on_the_way_is_sent_again_only_after_it_had_time_to_show() {
    let aws = in_order();
    aws.on("rds", "FailoverGlobalCluster", [Reply::Silence, accepted("FailoverGlobalCluster")]);
    let response = invoke(&aws, request("failover")).await.expect("under way");
    assert_eq!(response.status, StepStatus::InProgress);
    assert_eq!(times_sent(&aws, "FailoverGlobalCluster"), 1);
    assert_eq!(ledger_status(&aws), "unknown");

    aws.on("rds", "DescribeGlobalClusters", [frankfurt_writes(), ireland_writes()]);
    let response = invoke(&aws, request("failover")).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    let sent = aws.requests_to("rds", "FailoverGlobalCluster");
    let waited = sent[1].at.saturating_sub(sent[0].at);
    assert!(waited >= Duration::from_secs(10), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_slow_to_show_is_still_ours_after_aws_refused_to_make_it_twice() {
    let aws = in_order();
    aws.on("rds", "RemoveFromGlobalCluster", [Reply::Silence]);
    invoke(&aws, request("detach")).await.expect("under way");
    // The removal was accepted after all, and does not show yet.
    aws.on("rds", "RemoveFromGlobalCluster", [Reply::error("InvalidGlobalClusterStateFault", "being removed")]);
    let error = invoke(&aws, request("detach")).await.expect_err("refused");
    assert_eq!(error.code(), ErrorCode::Transient);

    // Neither membership nor the metric show any more that the cluster was a member a moment ago.
    aws.on("rds", "DescribeGlobalClusters", [ireland_is_gone()]);
    aws.on("cloudwatch", "GetMetricData", [Reply::json(json!({ "MetricDataResults": [] }))]);
    let response = invoke(&aws, request("detach")).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(response.observed["data_loss_exposure_ms"], 412);
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_dies_in_the_call_is_taken_over_without_a_second_call() {
    for (mode, operation, _) in CHANGES {
        let aws = obedient(operation);
        aws.on("rds", operation, [Reply::Silence]);
        // Killed two seconds in: the request was sent and its intent written down.
        tokio::time::timeout(Duration::from_secs(2), invoke(&aws, request(mode))).await.expect_err("killed");
        assert_eq!(ledger_status(&aws), "intent");

        let error = invoke(&aws, request(mode)).await.expect_err("the lease still runs");
        assert_eq!(error.code(), ErrorCode::InProgress);
        tokio::time::advance(Duration::from_secs(30)).await;
        let response = invoke(&aws, request(mode)).await.expect("taken over");
        assert_eq!((response.status, response.attempt), (StepStatus::Done, 2), "{mode}");
        assert_eq!(times_sent(&aws, operation), 1, "{mode}");
        assert_eq!(response.observed["lag_ms_before"], 412, "{mode}");
        assert_eq!(response.observed["writer_before"], FRANKFURT, "{mode}");
        // The lag was read once, before the change: afterwards the metric says nothing about what was lost.
        assert_eq!(aws.requests_to("cloudwatch", "GetMetricData").len(), 1, "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_completed_promotion_is_answered_from_the_ledger_with_one_call() {
    let aws = obedient("FailoverGlobalCluster");
    let first = invoke(&aws, request("failover")).await.expect("done");
    let before = aws.all_requests().len();
    let second = invoke(&aws, request("failover")).await.expect("done before");
    assert_eq!(second, StepResponse { from_ledger: true, ..first });
    assert_eq!(aws.all_requests().len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn work_already_done_by_somebody_else_is_recognised_without_a_change() {
    for (mode, ..) in CHANGES {
        let aws = in_order();
        aws.on("rds", "DescribeGlobalClusters", [ireland_writes()]);
        let response = invoke(&aws, request(mode)).await.expect(mode);
        assert_eq!((response.status, response.action), (StepStatus::Done, Value::Null), "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_the_sdk_does_not_know_is_waited_for() {
    let aws = in_order();
    let pending = format!("<Status>switching-over</Status><ToDbClusterArn>{IRELAND}</ToDbClusterArn>");
    let switching = global(&[(FRANKFURT, true), (IRELAND, false)], &pending);
    aws.on("rds", "DescribeGlobalClusters", [switching.clone(), switching, ireland_writes()]);
    let response = invoke(&aws, request("switchover")).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(aws.requests_to("rds", "DescribeGlobalClusters").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_promotion_that_takes_longer_than_the_budget_is_left_in_progress_and_ends_in_a_later_invocation() {
    let aws = in_order();
    aws.on("rds", "FailoverGlobalCluster", [accepted("FailoverGlobalCluster")]);
    let pending = format!("<Status>failing-over</Status><ToDbClusterArn>{IRELAND}</ToDbClusterArn>");
    let failing = global(&[(FRANKFURT, true), (IRELAND, false)], &pending);
    aws.on("rds", "DescribeGlobalClusters", [frankfurt_writes(), failing]);
    let response = invoke(&aws, request("failover")).await.expect("under way");
    assert_eq!(response.status, StepStatus::InProgress);
    assert!(response.message.contains("failing-over"), "{}", response.message);
    assert!(response.ask_again_after_seconds >= 1);

    aws.on("rds", "DescribeGlobalClusters", [ireland_writes()]);
    let response = invoke(&aws, request("failover")).await.expect("through");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(times_sent(&aws, "FailoverGlobalCluster"), 1);
    assert_eq!(response.observed["data_loss_exposure_ms"], 412);
}

#[tokio::test(start_paused = true)]
async fn a_lag_that_cannot_be_read_is_unknown_and_stops_nothing() {
    let empty = Reply::json(json!({ "MetricDataResults": [{ "Id": "lag", "Values": [], "Timestamps": [] }] }));
    for unreadable in [Reply::Silence, Reply::Reset, Reply::error("AccessDenied", "no"), empty] {
        let aws = obedient("FailoverGlobalCluster");
        aws.on("cloudwatch", "GetMetricData", [unreadable]);
        let response = invoke(&aws, request("failover")).await.expect("done");
        assert_eq!(response.status, StepStatus::Done);
        assert_eq!(response.observed["lag_ms_before"], Value::Null);
        assert_eq!(response.observed["data_loss_exposure_ms"], Value::Null);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failover_out_of_a_lost_region_waits_two_seconds_for_its_events_at_most_and_is_done() {
    let aws = obedient("FailoverGlobalCluster");
    aws.lose_region("eu-central-1");
    let response = invoke(&aws, request("failover")).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(response.observed["write_fencing"]["outcome"], "unknown");
    let detail = response.observed["write_fencing"]["detail"].to_string();
    assert!(detail.contains("eu-central-1 did not answer within 2 s"), "{detail}");
    assert!((2_000..3_000).contains(&response.elapsed_ms), "{}", response.elapsed_ms);
}

#[tokio::test(start_paused = true)]
async fn a_failover_says_whether_aurora_kept_the_old_writer_from_writing_in_whichever_region_it_is_recorded() {
    for (region, message, outcome) in [
        ("eu-central-1", BLOCKED, "confirmed"),
        ("eu-west-1", BLOCKED, "confirmed"),
        ("eu-west-1", TIMED_OUT, "timed_out"),
        ("eu-west-1", "DB instance restarted", "unknown"),
    ] {
        let aws = obedient("FailoverGlobalCluster");
        aws.on_in(region, "rds", "DescribeEvents", [events(&[(1, message)])]);
        let response = invoke(&aws, request("failover")).await.expect("done");
        let said = &response.observed["write_fencing"];
        assert_eq!(said["outcome"], outcome, "{region} {message}");
        if outcome != "unknown" {
            assert_eq!((&said["detail"], &said["at"]), (&json!(message), &json!("2026-11-21T04:00:01Z")));
        }
        let asked = aws.requests_to("rds", "DescribeEvents");
        assert_eq!(asked.len(), 2, "one look in each Region");
        assert_eq!(asked[0].body["StartTime"], "2026-11-21T03:59:55Z");
        assert_eq!(asked[0].body["MaxRecords"], "100");
        // It is in the record, too.
        let again = invoke(&aws, request("failover")).await.expect("done before");
        assert_eq!((again.from_ledger, &again.observed["write_fencing"]), (true, said));
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_cannot_be_read_leave_it_unknown_and_fail_nothing() {
    for failure in [Reply::Reset, Reply::Silence, Reply::error("AccessDenied", "no")] {
        let aws = obedient("FailoverGlobalCluster");
        aws.on("rds", "DescribeEvents", [failure]);
        let response = invoke(&aws, request("failover")).await.expect("done");
        assert_eq!(response.status, StepStatus::Done);
        assert_eq!(response.observed["write_fencing"]["outcome"], "unknown");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_of_write_fencing_where_aurora_does_none_of_its_own_or_not_for_us() {
    for mode in ["switchover", "detach"] {
        let operation = CHANGES.into_iter().find(|(name, ..)| *name == mode).expect("a mode").1;
        let aws = obedient(operation);
        let response = invoke(&aws, request(mode)).await.expect(mode);
        assert_eq!(response.observed.get("write_fencing"), None, "{mode}");
        assert_eq!(aws.requests_to("rds", "DescribeEvents"), [], "{mode}");
    }
    let aws = in_order();
    aws.on("rds", "DescribeGlobalClusters", [ireland_writes()]);
    invoke(&aws, request("failover")).await.expect("done by somebody else");
    assert_eq!(aws.requests_to("rds", "DescribeEvents"), []);
}

/// Ireland was isolated when it was left; it is to be promoted with the group it serves with.
fn isolated(operation: &str) -> FakeAws {
    let aws = obedient(operation);
    let ireland = |group| cluster_with("trading-dr", "trading-dr-1", "16.6", &[(group, "active")]);
    aws.on_in("eu-west-1", "rds", "DescribeDBClusters", [ireland(CLOSED), ireland(SERVING)]);
    let seen = [frankfurt_writes(), frankfurt_writes(), after(operation)];
    aws.on("rds", "DescribeGlobalClusters", seen);
    aws.on("rds", "ModifyDBCluster", [accepted("ModifyDBCluster")]);
    aws
}

fn serving(mode: &str) -> Value {
    json!({ "run": { "failover_id": "f-1" }, "mode": mode, "security_group_ids": [SERVING] })
}

/// The changes that were sent, in order.
fn changes(aws: &FakeAws) -> Vec<String> {
    let reads =
        ["DescribeGlobalClusters", "DescribeDBClusters", "DescribeDBInstances", "DescribeEvents", "GetMetricData"];
    let names = aws.requests().into_iter().map(|request| request.operation);
    names.filter(|name| !reads.contains(&name.as_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn an_isolated_target_gets_its_security_groups_back_and_is_promoted_in_the_same_invocation() {
    for (mode, operation, _) in CHANGES {
        let aws = isolated(operation);
        let response = invoke(&aws, serving(mode)).await.expect(mode);
        assert_eq!(response.status, StepStatus::Done, "{mode}");
        assert_eq!(changes(&aws), ["ModifyDBCluster", operation], "{mode}");
        let [restored] = &aws.requests_to("rds", "ModifyDBCluster")[..] else { panic!("once") };
        assert_eq!(restored.region, "eu-west-1");
        assert_eq!(
            restored.body,
            json!({ "Action": "ModifyDBCluster", "Version": "2014-10-31", "DBClusterIdentifier": "trading-dr",
                    "VpcSecurityGroupIds.VpcSecurityGroupId.1": SERVING, "ApplyImmediately": "true" })
        );
        // What is reported of the promotion is what was seen before it, not before the restoration alone.
        assert_eq!(response.observed["lag_ms_before"], 412, "{mode}");
        assert_eq!(response.observed["writer_before"], FRANKFURT, "{mode}");
        assert_eq!(response.action["mode"], mode);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_switch_that_is_set_between_two_changes_of_an_invocation_stops_the_second() {
    for (initiator, made) in
        [("alarm", &["ModifyDBCluster"][..]), ("person", &["ModifyDBCluster", "FailoverGlobalCluster"])]
    {
        let aws = isolated("FailoverGlobalCluster");
        let item = |kill_switch: bool| {
            json!({
                "operation_id": { "S": "plan#trading" }, "generation": { "N": "1" }, "failover_id": { "S": "one" },
                "phase": { "S": "active" }, "active_until_ms": { "N": "9999999999999" },
                "kill_switch": { "BOOL": kill_switch },
            })
        };
        aws.put_ledger_item(item(false));
        let ledger = aws.clone();
        let given_back = move |_: &Request| {
            ledger.put_ledger_item(item(true));
            accepted("ModifyDBCluster")
        };
        aws.on("rds", "ModifyDBCluster", [Reply::from_fn(given_back)]);
        let mut request = serving("failover");
        request["run"] = json!({ "failover_id": "one", "plan": "trading", "generation": 1, "initiator": initiator });
        let outcome = invoke(&aws, request).await;
        assert_eq!(changes(&aws), made, "{initiator}");
        match outcome {
            Ok(response) => assert_eq!((initiator, response.status), ("person", StepStatus::Done)),
            Err(error) => {
                assert_eq!((initiator, error.code()), ("alarm", ErrorCode::Refused));
                assert!(error.to_string().contains("kill switch"), "{error}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_dies_while_giving_groups_back_is_taken_over_and_promotes() {
    let aws = isolated("RemoveFromGlobalCluster");
    aws.on("rds", "ModifyDBCluster", [Reply::Silence]);
    tokio::time::timeout(Duration::from_secs(2), invoke(&aws, serving("detach"))).await.expect_err("killed");
    tokio::time::advance(Duration::from_secs(30)).await;
    let response = invoke(&aws, serving("detach")).await.expect("taken over");
    assert_eq!((response.status, response.attempt), (StepStatus::Done, 2));
    assert_eq!(changes(&aws), ["ModifyDBCluster", "RemoveFromGlobalCluster"]);
    assert_eq!(response.observed["data_loss_exposure_ms"], 412);
}

#[tokio::test(start_paused = true)]
async fn groups_that_do_not_show_are_not_given_twice_at_once_and_nothing_is_promoted_without_them() {
    let aws = isolated("FailoverGlobalCluster");
    let closed = cluster_with("trading-dr", "trading-dr-1", "16.6", &[(CLOSED, "active")]);
    aws.on_in("eu-west-1", "rds", "DescribeDBClusters", [closed]);
    let response = invoke(&aws, serving("failover")).await.expect("under way");
    assert_eq!(response.status, StepStatus::InProgress);
    assert_eq!(changes(&aws), ["ModifyDBCluster"]);
}

#[tokio::test(start_paused = true)]
async fn a_security_group_that_does_not_exist_is_refused_with_what_aws_says() {
    let aws = isolated("FailoverGlobalCluster");
    let message = "Invalid security group , groupId= sg-5e5e5e5e, groupName=.";
    aws.on("rds", "ModifyDBCluster", [Reply::error("InvalidParameterValue", message)]);
    let error = invoke(&aws, serving("failover")).await.expect_err("refused");
    assert_eq!(error.code(), ErrorCode::Refused);
    assert!(error.to_string().contains(SERVING), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_switchover_between_different_versions_changes_nothing() {
    let aws = in_order();
    let older = cluster_with("trading", "trading-1", "16.4", &[(SERVING, "active")]);
    aws.on_in("eu-central-1", "rds", "DescribeDBClusters", [older]);
    let error = invoke(&aws, request("switchover")).await.expect_err("refused");
    assert_eq!(error.code(), ErrorCode::Refused);
    assert!(error.to_string().contains("16.4"), "{error}");
    assert_eq!(changes(&aws), Vec::<String>::new());
}

/// Check and severity of each finding.
fn found(response: &StepResponse) -> Vec<(&str, Severity)> {
    response.findings.iter().map(|finding| (finding.check.as_str(), finding.severity)).collect()
}

fn preflight(mut request: Value) -> Value {
    request["run"]["preflight"] = json!(true);
    request
}

#[tokio::test(start_paused = true)]
async fn a_preflight_finds_all_well_and_changes_nothing() {
    for (mode, ..) in CHANGES {
        let aws = in_order();
        let response = invoke(&aws, preflight(serving(mode))).await.expect("checked");
        assert_eq!(response.status, StepStatus::Checked);
        let names: Vec<&str> = found(&response).into_iter().map(|(check, _)| check).collect();
        assert_eq!(
            names,
            [
                "step-can-run",
                "global-cluster-exists",
                "target-is-a-member",
                "target-has-an-instance",
                "members-are-synchronised",
                "engine-versions-match",
                "parameter-groups-match",
                "replication-lag",
                "serving-security-groups",
            ]
        );
        assert!(found(&response).iter().all(|(_, severity)| *severity == Severity::Ok), "{:?}", response.findings);
        assert_eq!(changes(&aws), Vec::<String>::new());
        assert!(aws.ledger_item(&key()).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_preflight_with_a_silent_source_region_knows_all_but_what_only_that_can_tell() {
    let aws = in_order();
    aws.lose_region("eu-central-1");
    let response = invoke(&aws, preflight(request("failover"))).await.expect("checked");
    let unknown: Vec<&str> = found(&response)
        .into_iter()
        .filter(|(_, severity)| *severity != Severity::Ok)
        .map(|(check, severity)| {
            assert_eq!(severity, Severity::Unknown, "{check}");
            check
        })
        .collect();
    assert_eq!(unknown, ["engine-versions-match", "parameter-groups-match"]);
}

#[tokio::test(start_paused = true)]
async fn a_preflight_after_a_detach_lists_what_has_to_be_rebuilt() {
    let aws = in_order();
    aws.on("rds", "DescribeGlobalClusters", [ireland_is_gone()]);
    let response = invoke(&aws, preflight(request("switchover"))).await.expect("checked");
    let rebuild: Vec<(&str, Severity)> =
        found(&response).into_iter().filter(|(check, _)| check.starts_with("rebuild-")).collect();
    assert_eq!(
        rebuild,
        [
            ("rebuild-global-database", Severity::Ok),
            ("rebuild-secondary-cluster", Severity::Blocker),
            ("rebuild-instance", Severity::Blocker),
            ("rebuild-parameter-group", Severity::Ok),
            ("rebuild-synchronisation", Severity::Blocker),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_preflight_that_cannot_read_the_target_says_so_and_nothing_else() {
    let aws = in_order();
    aws.lose_region("eu-west-1");
    let response = invoke(&aws, preflight(request("failover"))).await.expect("checked");
    assert_eq!(found(&response), [("step-can-run", Severity::Unknown)]);
}

#[tokio::test(start_paused = true)]
async fn a_switchover_out_of_a_lost_region_is_refused_with_the_mode_that_works() {
    let aws = in_order();
    aws.lose_region("eu-central-1");
    let error = invoke(&aws, request("switchover")).await.expect_err("no answer");
    assert_eq!(error.code(), ErrorCode::Refused);
    assert!(error.to_string().contains("mode failover"), "{error}");
    assert_eq!(times_sent(&aws, "SwitchoverGlobalCluster"), 0);
}

#[tokio::test(start_paused = true)]
async fn clusters_that_are_not_there_are_refused_by_name_and_nothing_is_changed() {
    let no_global = in_order();
    no_global.on("rds", "DescribeGlobalClusters", [Reply::error("GlobalClusterNotFoundFault", "none")]);
    let no_cluster = in_order();
    no_cluster.on("rds", "DescribeDBClusters", [Reply::error("DBClusterNotFoundFault", "none")]);
    no_cluster.on_in("eu-west-1", "rds", "DescribeDBClusters", [Reply::error("DBClusterNotFoundFault", "none")]);
    let no_member = in_order();
    no_member.on("rds", "DescribeGlobalClusters", [ireland_is_gone()]);
    for aws in [no_global, no_cluster, no_member] {
        let error = invoke(&aws, request("failover")).await.expect_err("not there");
        assert_eq!(error.code(), ErrorCode::Refused);
        assert!(error.to_string().contains(IRELAND), "{error}");
        assert_eq!(times_sent(&aws, "FailoverGlobalCluster"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_it_would_do_and_writes_nothing() {
    let aws = in_order();
    let request = json!({ "run": { "failover_id": "f-1", "dry_run": true }, "mode": "failover" });
    let response = invoke(&aws, request).await.expect("rehearsed");
    assert_eq!(response.status, StepStatus::WouldAct);
    assert_eq!((&response.action["mode"], &response.action["target"]), (&json!("failover"), &json!(IRELAND)));
    assert_eq!(response.action["data_loss_exposure_ms"], 412);
    assert!(aws.ledger_item(&key()).is_none());
    let reads = ["GetItem", "DescribeGlobalClusters", "DescribeDBClusters", "DescribeDBInstances", "GetMetricData"];
    assert!(aws.all_requests().iter().all(|request| reads.contains(&request.operation.as_str())));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_used_is_refused_with_the_field_before_anything_is_asked() {
    let other_account = IRELAND.replace("123456789012", "210987654321");
    for (request, field) in [
        (json!({ "mode": "failover", "target_cluster_arn": other_account }), "target_cluster_arn"),
        (json!({ "mode": "failover", "target_cluster_arn": "trading-dr" }), "target_cluster_arn"),
        (json!({ "mode": "failover", "global_cluster_id": "1-global" }), "global_cluster_id"),
        (json!({ "mode": "sideways" }), "mode"),
        (json!({}), "mode"),
        (json!({ "mode": "failover", "force": true }), "force"),
        (json!({ "mode": "failover", "run": { "failover_id": "a b" } }), "run.failover_id"),
        (json!({ "mode": "failover", "security_group_ids": [] }), "security_group_ids"),
        (json!({ "mode": "failover", "security_group_ids": ["serving"] }), "security_group_ids[0]"),
    ] {
        let aws = in_order();
        let error = invoke(&aws, request.clone()).await.expect_err(field);
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{request}");
        assert!(error.to_string().contains(field), "{request}: {error}");
        assert_eq!(aws.all_requests(), [], "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_written_in_capitals_is_the_same_target() {
    let aws = obedient("FailoverGlobalCluster");
    let arn = IRELAND.replace("trading-dr", "Trading-DR");
    let request = json!({ "run": { "failover_id": "f-1" }, "mode": "failover", "target_cluster_arn": arn });
    let response = invoke(&aws, request).await.expect("done");
    assert_eq!(response.operation_id, key());
}

#[tokio::test(start_paused = true)]
async fn each_variable_that_is_missing_is_named() {
    for name in ["GLOBAL_CLUSTER_ID", "DR_CLUSTER_ID"] {
        let mut variables = variables();
        variables.remove(name);
        let error = PromoteAurora::new(FakeAws::new().toolbox(), &variables).expect_err(name);
        assert_eq!(error.to_string(), format!("environment variable {name}: is not set"));
    }
}

#[test]
fn the_sample_events_are_requests_of_each_mode() {
    for (event, mode) in [
        (include_str!("../events/switchover.json"), "switchover"),
        (include_str!("../events/failover.json"), "failover"),
        (include_str!("../events/detach.json"), "detach"),
        (include_str!("../events/dry-run.json"), "failover"),
        (include_str!("../events/preflight.json"), "failover"),
        (include_str!("../events/security-groups.json"), "switchover"),
    ] {
        let event: Value = serde_json::from_str(event).expect("JSON");
        assert_eq!(event["mode"], mode);
        contract::parse::<PromoteRequest>(event).expect("a request");
    }
}

/// As a custom action block of Region switch sends it.
fn switch_event(mode: &str) -> Value {
    json!({
        "planArn": "arn:aws:arc-region-switch::123456789012:plan/trading:a1b2c3", "executionId": "eu-west-1/1b9d6bcd",
        "targetRegion": "eu-west-1", "action": "activate", "mode": mode,
    })
}

#[tokio::test(start_paused = true)]
async fn region_switch_switches_over_gracefully_and_fails_over_ungracefully_each_once() {
    for (mode, operation) in [("graceful", "SwitchoverGlobalCluster"), ("ungraceful", "FailoverGlobalCluster")] {
        let aws = obedient(operation);
        let response = invoke(&aws, switch_event(mode)).await.expect("done");
        assert_eq!(response.status, StepStatus::Done);
        assert!(response.operation_id.starts_with("region-switch-"), "{}", response.operation_id);
        let again = invoke(&aws, switch_event(mode)).await.expect("done");
        assert!(again.from_ledger, "a retry of the block is the same operation");
        assert_eq!(aws.requests_to("rds", operation).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_execution_of_region_switch_that_becomes_ungraceful_on_its_way_is_another_operation() {
    let aws = in_order();
    aws.on("rds", "SwitchoverGlobalCluster", [Reply::error("InvalidGlobalClusterStateFault", "no")]);
    invoke(&aws, switch_event("graceful")).await.expect_err("no switchover");
    aws.on("rds", "FailoverGlobalCluster", [accepted("FailoverGlobalCluster")]);
    aws.on("rds", "DescribeGlobalClusters", [frankfurt_writes(), ireland_writes()]);
    let response = invoke(&aws, switch_event("ungraceful")).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
}

#[tokio::test(start_paused = true)]
async fn region_switch_is_told_to_ask_again_while_the_cluster_is_promoting() {
    let aws = in_order();
    aws.on("rds", "SwitchoverGlobalCluster", [accepted("SwitchoverGlobalCluster")]);
    let pending = "<Status>switching-over</Status>";
    aws.on(
        "rds",
        "DescribeGlobalClusters",
        [frankfurt_writes(), global(&[(FRANKFURT, true), (IRELAND, false)], pending)],
    );
    let error = invoke(&aws, switch_event("graceful")).await.expect_err("under way");
    assert_eq!(error.code(), ErrorCode::InProgress);
    assert!(error.to_string().contains("is under way"), "{error}");
    aws.on("rds", "DescribeGlobalClusters", [ireland_writes()]);
    let response = invoke(&aws, switch_event("graceful")).await.expect("done");
    assert_eq!((response.status, response.attempt), (StepStatus::Done, 2));
    assert_eq!(aws.requests_to("rds", "SwitchoverGlobalCluster").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn region_switch_changes_nothing_while_the_orchestrators_own_failover_is_under_way_or_the_kill_switch_is_set() {
    let until = START.plus_millis(60_000).as_millis().to_string();
    for (item, words) in [
        (
            json!({
                "operation_id": { "S": "plan#trading" }, "generation": { "N": "1" }, "failover_id": { "S": "one" },
                "phase": { "S": "active" }, "active_until_ms": { "N": until },
            }),
            "one",
        ),
        (json!({ "operation_id": { "S": "plan#trading" }, "kill_switch": { "BOOL": true } }), "kill switch"),
    ] {
        let aws = in_order();
        aws.put_ledger_item(item);
        let error = invoke(&aws, switch_event("ungraceful")).await.expect_err(words);
        assert_eq!(error.code(), ErrorCode::Refused);
        assert!(error.to_string().contains(words), "{error}");
        assert!(aws.requests_to("rds", "FailoverGlobalCluster").is_empty());
    }
}
