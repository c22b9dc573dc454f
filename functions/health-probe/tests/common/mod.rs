//! What the wire tests have in common: the sample events, and a small world that answers.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a test's helper fails by panicking")]

use std::collections::BTreeMap;

use failover::contract::ProbeResponse;
use failover::error::Error;
use failover::testing::{self, FakeAws, Reply, START};
use health_probe::{HealthProbe, Settings, handle};
use serde_json::{Value, json};

pub(crate) const HOME: &str = "eu-central-1";
pub(crate) const STANDBY: &str = "eu-west-1";
pub(crate) const HOME_ENDPOINT: &str = "GET https://app.eu-central-1.example.com/health";
pub(crate) const STANDBY_ENDPOINT: &str = "GET https://app.eu-west-1.example.com/health";
pub(crate) const COMPOSITE: &str = "failover-dev-trading-region-impaired";

/// A sample event of the repository.
pub(crate) fn event(name: &str) -> Value {
    let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).expect("an event is JSON")
}

/// A new invocation's function.
pub(crate) fn probe(aws: &FakeAws) -> HealthProbe {
    let tools = aws.toolbox();
    let alarm = |name: &str| format!("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:failover-dev-trading-{name}");
    let alarms = [alarm("endpoint"), alarm("replication-lag"), alarm("region-impaired")].join(",");
    let role = |function: &str| format!("{function}=arn:aws:iam::123456789012:role/{function}");
    let roles = ["promote-aurora", "scale-ecs", "shift-dns", "health-probe"].map(role).join(",");
    let variables = BTreeMap::from([
        ("STATE_MACHINE_ARN", "arn:aws:states:eu-west-1:123456789012:stateMachine:failover-dev-trading"),
        ("TRIGGER_ALARM_ARNS", alarms.as_str()),
        ("NOTIFICATION_TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:failover-dev"),
        (
            "WATCHED_ENDPOINTS",
            "eu-central-1=https://app.eu-central-1.example.com/health,eu-west-1=https://app.eu-west-1.example.com/health",
        ),
        ("WATCHED_CLUSTERS", "eu-central-1=trading-primary,eu-west-1=trading-dr"),
        ("WRITER_LEASE_SECONDS", "0"),
        ("FUNCTION_ROLES", &roles),
    ]);
    let settings = Settings::read(&variables, &tools.config).expect("complete");
    HealthProbe { tools, settings }
}

/// One invocation.
pub(crate) async fn invoke(aws: &FakeAws, event: Value) -> Result<ProbeResponse, Error> {
    let probe = probe(aws);
    let deadline = testing::deadline(&probe.tools.env, &probe.tools.config);
    handle(&probe, event, deadline).await
}

/// One invocation's answer as JSON.
pub(crate) async fn answer(aws: &FakeAws, event: Value) -> Value {
    let answer = invoke(aws, event).await.expect("an answer");
    serde_json::to_value(answer).expect("JSON")
}

/// One invocation's answer, and where it wants checks to be made first, the next one's, with checks that find nothing
/// wrong: what the state machine does.
pub(crate) async fn decision(aws: &FakeAws, event: Value) -> Value {
    decision_after_checks(aws, event, &json!([])).await
}

/// The same, with checks that find this.
pub(crate) async fn decision_after_checks(aws: &FakeAws, mut event: Value, findings: &Value) -> Value {
    let first = answer(aws, event.clone()).await;
    if first["checks"].as_array().expect("a list").is_empty() {
        return first;
    }
    assert_eq!(first["decision"], "wait", "{first}");
    event["checked"] = checked(&first, findings);
    answer(aws, event).await
}

/// The ends of the checks that an answer asks for.
pub(crate) fn checked(asked: &Value, findings: &Value) -> Value {
    let ends = asked["checks"].as_array().expect("a list").iter().map(|call| {
        let response = json!({
            "status": "checked",
            "operation_id": "x",
            "message": "checked",
            "observed": null,
            "action": null,
            "ask_again_after_seconds": 0,
            "attempt": 0,
            "elapsed_ms": 1,
            "from_ledger": false,
            "findings": findings
        });
        json!({ "call": call, "response": response })
    });
    ends.collect()
}

/// A world in which all is well: alarms OK, both endpoints answer, Aurora is available and lags by 120 ms.
pub(crate) fn all_is_well() -> FakeAws {
    let aws = FakeAws::new();
    aws.on("http", HOME_ENDPOINT, [status(200)]);
    aws.on("http", STANDBY_ENDPOINT, [status(200)]);
    set_alarms(&aws, "OK", "OK");
    set_lag(&aws, Some(120.0));
    aws.on("rds", "DescribeGlobalClusters", [Reply::xml(global_clusters(HOME))]);
    aws.on_in(HOME, "rds", "DescribeDBClusters", [Reply::xml(db_clusters("available"))]);
    aws.on_in(STANDBY, "rds", "DescribeDBClusters", [Reply::xml(db_clusters("available"))]);
    aws
}

/// The home Region is gone: nothing answers there, and both alarms have noticed.
pub(crate) fn lose_home(aws: &FakeAws) {
    aws.lose_region(HOME);
    aws.on("http", HOME_ENDPOINT, [Reply::Silence]);
    set_alarms(aws, "ALARM", "ALARM");
}

pub(crate) fn status(status: u16) -> Reply {
    Reply::Answer(status, json!("body"))
}

/// The composite alarm and its two parts; the composite one is in ALARM when both are.
pub(crate) fn set_alarms(aws: &FakeAws, endpoint: &str, lag: &str) {
    let both = if endpoint == "ALARM" && lag == "ALARM" { "ALARM" } else { "OK" };
    let composite = json!({
        "CompositeAlarms": [{
            "AlarmName": COMPOSITE,
            "AlarmArn": format!("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{COMPOSITE}"),
            "AlarmRule": "ALARM(\"failover-dev-trading-endpoint\") AND ALARM(\"failover-dev-trading-replication-lag\")",
            "StateValue": both,
        }],
        "MetricAlarms": []
    });
    let metric = |name: &str, namespace: &str, metric: &str, state: &str| {
        json!({
            "AlarmName": format!("failover-dev-trading-{name}"),
            "AlarmArn": format!("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:failover-dev-trading-{name}"),
            "Namespace": namespace,
            "MetricName": metric,
            "StateValue": state,
        })
    };
    let parts = json!({
        "CompositeAlarms": [],
        "MetricAlarms": [
            metric("endpoint", "Failover", "EndpointHealthy", endpoint),
            metric("replication-lag", "AWS/RDS", "AuroraGlobalDBReplicationLag", lag),
        ]
    });
    let reply = Reply::from_fn(move |request| {
        let asked = request.body["AlarmNames"].to_string();
        Reply::json(if asked.contains(COMPOSITE) { composite.clone() } else { parts.clone() })
    });
    aws.on("cloudwatch", "DescribeAlarms", [reply]);
}

/// The readings of the replication lag: one a minute ago, and an older one, which does not count.
pub(crate) fn set_lag(aws: &FakeAws, ms: Option<f64>) {
    let now = START.as_millis() / 1000;
    let (timestamps, values) = match ms {
        Some(ms) => (json!([{ "$seconds": now - 600 }, { "$seconds": now - 60 }]), json!([777_777.0, ms])),
        None => (json!([]), json!([])),
    };
    let result = json!({ "Id": "lag", "Timestamps": timestamps, "Values": values, "StatusCode": "Complete" });
    aws.on("cloudwatch", "GetMetricData", [Reply::json(json!({ "MetricDataResults": [result] }))]);
}

/// `DescribeGlobalClusters` with its writer in this Region.
pub(crate) fn global_clusters(writer: &str) -> String {
    let member = |region: &str, name: &str| {
        let arn = format!("arn:aws:rds:{region}:123456789012:cluster:{name}");
        let is_writer = region == writer;
        format!(
            "<GlobalClusterMember><DBClusterArn>{arn}</DBClusterArn><IsWriter>{is_writer}</IsWriter>\
             </GlobalClusterMember>"
        )
    };
    format!(
        "<DescribeGlobalClustersResponse><DescribeGlobalClustersResult><GlobalClusters><GlobalClusterMember>\
         <GlobalClusterIdentifier>trading</GlobalClusterIdentifier><Status>available</Status>\
         <GlobalClusterMembers>{}{}</GlobalClusterMembers>\
         </GlobalClusterMember></GlobalClusters></DescribeGlobalClustersResult></DescribeGlobalClustersResponse>",
        member(HOME, "trading-primary"),
        member(STANDBY, "trading-dr")
    )
}

/// `DescribeDBClusters` with one cluster in this status.
pub(crate) fn db_clusters(status: &str) -> String {
    format!(
        "<DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters><DBCluster>\
         <DBClusterIdentifier>trading-primary</DBClusterIdentifier><Status>{status}</Status>\
         </DBCluster></DBClusters></DescribeDBClustersResult></DescribeDBClustersResponse>"
    )
}

/// The plan's item in the ledger, with these attributes beside its key.
pub(crate) fn put_plan_item(aws: &FakeAws, attributes: Value) {
    let mut item = json!({ "operation_id": { "S": "plan#trading" } });
    let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
    item.as_object_mut().expect("an object").extend(attributes);
    aws.put_ledger_item(item);
}

/// Everything that was asked but to the ledger, as `Region service:operation`, in order of the alphabet.
pub(crate) fn asked(aws: &FakeAws) -> Vec<String> {
    let mut asked: Vec<String> =
        aws.requests().iter().map(|request| format!("{} {}", request.region, request.name())).collect();
    asked.sort();
    asked
}
