//! The checks of a preflight of its own on the wire (X4): what is asked, of whom, and what becomes of the answers.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tokio's clock is paused here")]

mod common;

use common::{
    COMPOSITE, HOME, STANDBY_ENDPOINT, all_is_well, answer, checked, decision, event, put_plan_item, set_lag, status,
};
use failover::testing::{FakeAws, Reply};
use serde_json::{Value, json};

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:failover-dev-alarms";

/// A world in which nothing stands in a failover's way.
fn ready() -> FakeAws {
    let aws = all_is_well();
    set_wiring(&aws, |_| {});
    subscribe(&aws, "lambda", "arn:aws:lambda:eu-west-1:123456789012:function:under-test");
    aws.on("dynamodb", "DescribeTable", [table(json!({}))]);
    aws.on("iam", "SimulatePrincipalPolicy", [Reply::from_fn(|_| simulated("allowed"))]);
    aws
}

/// The three alarms with their actions, each after a change.
fn set_wiring(aws: &FakeAws, change: impl Fn(&mut Value)) {
    let alarm = |name: &str| {
        let mut alarm = json!({
            "AlarmName": name,
            "AlarmArn": format!("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{name}"),
            "AlarmRule": "TRUE",
            "Namespace": "Failover",
            "MetricName": "EndpointHealthy",
            "ActionsEnabled": true,
            "AlarmActions": [TOPIC],
            "StateValue": "OK"
        });
        change(&mut alarm);
        alarm
    };
    let metric = [alarm("failover-dev-trading-endpoint"), alarm("failover-dev-trading-replication-lag")];
    let composite = [alarm(COMPOSITE)];
    let reply = Reply::from_fn(move |request| {
        let asked = request.body["AlarmNames"].to_string();
        let of = |alarms: &[Value]| -> Value {
            let named = alarms.iter().filter(|alarm| asked.contains(&alarm["AlarmName"].to_string()));
            named.cloned().collect()
        };
        Reply::json(json!({ "MetricAlarms": of(&metric), "CompositeAlarms": of(&composite) }))
    });
    aws.on("cloudwatch", "DescribeAlarms", [reply]);
}

fn subscribe(aws: &FakeAws, protocol: &str, endpoint: &str) {
    let body = format!(
        "<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions><member>\
         <TopicArn>{TOPIC}</TopicArn><Protocol>{protocol}</Protocol><Endpoint>{endpoint}</Endpoint>\
         </member></Subscriptions></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>"
    );
    aws.on("sns", "ListSubscriptionsByTopic", [Reply::xml(body)]);
}

/// A table that is ACTIVE, with these fields instead.
fn table(fields: Value) -> Reply {
    let mut table = json!({ "TableName": "failover-state-test", "TableStatus": "ACTIVE" });
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    table.as_object_mut().expect("an object").extend(fields);
    Reply::json(json!({ "Table": table }))
}

fn simulated(decision: &str) -> Reply {
    Reply::xml(format!(
        "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults><member>\
         <EvalActionName>a:B</EvalActionName><EvalResourceName>arn:x</EvalResourceName>\
         <EvalDecision>{decision}</EvalDecision></member></EvaluationResults></SimulatePrincipalPolicyResult>\
         </SimulatePrincipalPolicyResponse>"
    ))
}

fn preflight() -> Value {
    let mut request = event("decide-switchover");
    request["input"]["trigger"] = json!({ "kind": "preflight" });
    request
}

/// What a preflight finds, with steps that find nothing.
async fn findings(aws: &FakeAws) -> Vec<Value> {
    let found = decision(aws, preflight()).await;
    assert_eq!(found["decision"], "checked", "{found}");
    found["findings"].as_array().expect("a list").clone()
}

/// Severity and subject of every finding that is not ok.
fn not_ok(findings: &[Value]) -> Vec<(String, String, String)> {
    let text = |finding: &Value, field: &str| finding[field].as_str().expect("text").to_owned();
    let bad = findings.iter().filter(|finding| finding["severity"] != "ok");
    bad.map(|one| (text(one, "severity"), text(one, "check"), text(one, "subject"))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_preflight_alone_tells_what_it_found_and_claims_nothing() {
    let aws = ready();
    let mut request = preflight();
    let first = answer(&aws, request.clone()).await;
    let sent: Vec<(&Value, &Value)> = first["checks"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|call| (&call["request"]["run"]["preflight"], &call["request"]["mode"]))
        .collect();
    let (yes, none, failover) = (json!(true), Value::Null, json!("failover"));
    assert_eq!(sent, [(&yes, &none), (&yes, &failover), (&yes, &none), (&yes, &none)], "as an alarm would");
    let blocker = json!([{
        "check": "engine-versions-match", "subject": "cluster trading-dr", "severity": "blocker", "message": "8.0 and 8.1",
        "blocks": "the switchover", "cure": "upgrade"
    }]);
    request["checked"] = checked(&first, &blocker);
    let found = answer(&aws, request).await;
    assert_eq!(found["decision"], "checked", "{found}");
    assert_eq!(found["findings"][0]["severity"], "blocker", "the worst first");
    let message = found["message"].as_str().expect("text");
    assert!(message.starts_with("from eu-central-1 to eu-west-1: ") && message.contains("BLOCKER"), "{message}");
    assert!(found["run"].is_null() && aws.ledger_item("plan#trading").is_none());
}

#[tokio::test(start_paused = true)]
async fn where_all_is_well_every_check_says_so() {
    let aws = ready();
    let findings = findings(&aws).await;
    assert_eq!(not_ok(&findings), []);
    let mut checks: Vec<&str> = findings.iter().map(|finding| finding["check"].as_str().expect("text")).collect();
    checks.sort_unstable();
    checks.dedup();
    let expected = [
        "endpoint-serves",
        "evidence-alarm-exists",
        "kill-switch-off",
        "lag-within-the-objective",
        "ledger-answers",
        "ledger-is-consistent",
        "ledger-table-works",
        "newest-failover-ended-well",
        "no-cooldown",
        "role-permits-the-run",
        "traffic-does-without-the-region",
        "trigger-alarm-has-data",
        "trigger-alarm-starts-a-run",
        "watch-knows-the-regions",
        "writer-lease-agrees",
    ];
    assert_eq!(checks, expected);
}

#[tokio::test(start_paused = true)]
async fn each_role_is_asked_one_action_at_a_time_with_its_resources_and_conditions() {
    let aws = ready();
    findings(&aws).await;
    let asked = aws.requests_to("iam", "SimulatePrincipalPolicy");
    let of = |action: &str| {
        let found: Vec<_> = asked.iter().filter(|request| request.body["ActionNames.member.1"] == action).collect();
        assert_eq!(found.len(), 1, "{action}");
        found[0].clone()
    };
    let promote = of("rds:FailoverGlobalCluster");
    assert_eq!((promote.region.as_str(), promote.host.as_str()), ("us-east-1", "iam.amazonaws.com"));
    assert_eq!(promote.body["PolicySourceArn"], "arn:aws:iam::123456789012:role/promote-aurora");
    assert_eq!(promote.body["ResourceArns.member.1"], "arn:aws:rds::123456789012:global-cluster:trading");
    assert_eq!(promote.body["ResourceArns.member.2"], "arn:aws:rds:eu-west-1:123456789012:cluster:trading-dr");
    let records = of("route53:ChangeResourceRecordSets").body;
    assert_eq!(records["ContextEntries.member.1.ContextKeyName"], "route53:ChangeResourceRecordSetsActions");
    assert_eq!(records["ContextEntries.member.1.ContextKeyType"], "stringList");
    assert_eq!(records["ContextEntries.member.1.ContextKeyValues.member.2"], "CREATE");
    assert!(asked.iter().all(|request| request.body["ActionNames.member.2"].is_null()));
}

#[tokio::test(start_paused = true)]
async fn no_run_asks_iam_nor_anything_else_that_only_a_preflight_needs() {
    for (name, aws) in [("decide-switchover", all_is_well()), ("decide-dry-run", all_is_well())] {
        // Nothing is scripted for them, so that a request would be a panic.
        let decided = decision(&aws, event(name)).await;
        assert_eq!(decided["decision"], "fail_over", "{decided}");
        assert!(aws.requests_to("dynamodb", "DescribeTable").is_empty());
    }
    let aws = all_is_well();
    let first = answer(&aws, preflight()).await;
    assert_eq!(first["decision"], "wait", "the steps' checks come first: {first}");
}

/// Breaks one thing.
type Break = fn(&FakeAws);

#[tokio::test(start_paused = true)]
async fn each_thing_that_is_broken_is_found_with_how_bad_it_is() {
    let cases: [(Break, &str, &str, usize); 12] = [
        (|aws| subscribe(aws, "email", "ops@example.com"), "blocker", "trigger-alarm-starts-a-run", 3),
        (|aws| set_wiring(aws, |alarm| alarm["AlarmActions"] = json!([])), "blocker", "trigger-alarm-starts-a-run", 3),
        (
            |aws| set_wiring(aws, |alarm| alarm["StateValue"] = json!("INSUFFICIENT_DATA")),
            "warning",
            "trigger-alarm-has-data",
            3,
        ),
        (
            |aws| aws.on("sns", "ListSubscriptionsByTopic", [Reply::error("AuthorizationError", "no")]),
            "unknown",
            "trigger-alarm-starts-a-run",
            3,
        ),
        (
            |aws| {
                let replica = json!([{ "RegionName": "eu-north-1", "ReplicaStatus": "ACTIVE" }]);
                aws.on("dynamodb", "DescribeTable", [table(json!({ "Replicas": replica }))]);
            },
            "blocker",
            "ledger-is-consistent",
            1,
        ),
        (
            |aws| aws.on("dynamodb", "DescribeTable", [table(json!({ "TableStatus": "ARCHIVED" }))]),
            "blocker",
            "ledger-table-works",
            1,
        ),
        (|aws| aws.on("http", STANDBY_ENDPOINT, [status(503)]), "warning", "endpoint-serves", 1),
        (|aws| aws.on("iam", "SimulatePrincipalPolicy", [Reply::Silence]), "unknown", "role-permits-the-run", 4),
        (
            |aws| aws.on("iam", "SimulatePrincipalPolicy", [Reply::Error(403, "AccessDenied".into(), "no".into())]),
            "unknown",
            "role-permits-the-run",
            4,
        ),
        (|aws| set_lag(aws, Some(900_000.0)), "warning", "lag-within-the-objective", 1),
        (|aws| set_lag(aws, None), "unknown", "lag-within-the-objective", 1),
        (|aws| put_plan_item(aws, json!({ "kill_switch": { "BOOL": true } })), "warning", "kill-switch-off", 1),
    ];
    for (index, (break_it, severity, check, times)) in cases.into_iter().enumerate() {
        let aws = ready();
        break_it(&aws);
        let bad = not_ok(&findings(&aws).await);
        assert_eq!(bad.len(), times, "case {index}: {bad:?}");
        let same = bad.iter().all(|(how, which, _)| how == severity && which == check);
        assert!(same, "case {index}: {bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_denied_action_is_a_blocker_for_its_function_alone() {
    let aws = ready();
    let reply = Reply::from_fn(|request| {
        let is_promotion = request.body["ActionNames.member.1"] == "rds:FailoverGlobalCluster";
        simulated(if is_promotion { "implicitDeny" } else { "allowed" })
    });
    aws.on("iam", "SimulatePrincipalPolicy", [reply]);
    let findings = findings(&aws).await;
    let expected = ("blocker", "role-permits-the-run", "role of promote-aurora");
    let expected = (expected.0.to_owned(), expected.1.to_owned(), expected.2.to_owned());
    assert_eq!(not_ok(&findings), [expected]);
    let message = findings[0]["message"].as_str().expect("text");
    assert!(message.contains("rds:FailoverGlobalCluster on arn:x"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_home_region_leaves_every_check_an_answer_in_time() {
    let aws = ready();
    aws.lose_region(HOME);
    let request = preflight();
    let first = answer(&aws, request.clone()).await;
    let mut request = request;
    request["checked"] = checked(&first, &json!([]));
    let began = tokio::time::Instant::now();
    let found = answer(&aws, request).await;
    assert_eq!(found["decision"], "checked", "{found}");
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}
