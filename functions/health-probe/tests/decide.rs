//! `decide` on the wire: a world that is scripted, and the state machine's loop around the function.

#![allow(clippy::expect_used, clippy::wildcard_enum_match_arm, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tokio's clock is paused here")]

mod common;

use std::time::Duration;

use common::{
    HOME, HOME_ENDPOINT, STANDBY, all_is_well, answer, asked, checked, db_clusters, decision, event, global_clusters,
    invoke, lose_home, put_plan_item, set_alarms, set_lag, status,
};
use failover::contract::{self, ProbeRequest};
use failover::error::ErrorCode;
use failover::testing::{FakeAws, Reply, START};
use serde_json::{Value, json};

/// Asks as the state machine does, until the decision is not to wait. Gives the last answer and the number of looks.
async fn decided(aws: &FakeAws, mut request: Value) -> (Value, u32) {
    for look in 1.. {
        let decision = answer(aws, request.clone()).await;
        if decision["decision"] != "wait" {
            return (decision, look);
        }
        if !decision["checks"].as_array().expect("a list").is_empty() {
            request["checked"] = checked(&decision, &json!([]));
        }
        assert!(decision["run"].is_null() && decision["notification"].is_null(), "{decision}");
        request["history"] = decision["history"].clone();
        let pause = decision["ask_again_after_seconds"].as_u64().expect("seconds");
        assert!(pause > 0 || !request["checked"].is_null(), "{decision}");
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
    unreachable!("an endless loop ends by returning")
}

/// Health by kind, in the newest sample.
fn health(decision: &Value) -> [String; 3] {
    let newest = decision["history"].as_array().and_then(|history| history.last()).expect("a sample");
    let of = |kind: &str| {
        let evidence = newest["evidence"].as_array().expect("a list").iter().find(|one| one["kind"] == kind);
        evidence.expect("one entry for each kind")["health"].as_str().expect("text").to_owned()
    };
    [of("alarms"), of("endpoint"), of("aurora")]
}

fn history_of(request: &Value, minutes: u64) -> Value {
    let at = |seconds: u64| failover::contract::Timestamp::from_millis(START.as_millis()).plus_millis(seconds * 1000);
    let sample = |seconds: u64| {
        let one = |kind: &str| json!({ "kind": kind, "health": "unhealthy", "rests_on": [kind], "detail": "lost" });
        json!({ "at": at(seconds).to_string(), "evidence": [one("endpoint"), one("aurora")] })
    };
    let mut request = request.clone();
    request["history"] = (0..=minutes * 6).map(|index| sample(index * 10)).collect();
    request
}

#[tokio::test(start_paused = true)]
async fn a_lost_region_is_failed_over_after_the_window_with_every_steps_request() {
    let aws = all_is_well();
    lose_home(&aws);
    let (decision, looks) = decided(&aws, event("decide-alarm")).await;
    assert_eq!(decision["decision"], "fail_over", "{decision}");
    assert!(looks <= 7, "{looks} looks for a window of 60 s");
    assert_eq!(health(&decision), ["unhealthy", "unhealthy", "unhealthy"]);

    let run = &decision["run"];
    let context = json!({
        "failover_id": "alarm-0123456789abcdef01234567",
        "plan": "trading",
        "generation": 1,
        "initiator": "alarm",
        "dry_run": false
    });
    assert_eq!(
        run["waves"][0]["promotions"],
        json!([{
            "run": context,
            "global_cluster_id": "trading",
            "target_cluster_arn": "arn:aws:rds:eu-west-1:123456789012:cluster:trading-dr",
            "source_cluster_arn": "arn:aws:rds:eu-central-1:123456789012:cluster:trading-primary",
            "mode": "failover"
        }])
    );
    assert_eq!(
        run["waves"][0]["scalings"],
        json!([{
            "run": context,
            "target_region": "eu-west-1",
            "cluster": "trading-dr",
            "services": { "named": ["web", "worker"] },
            "capacity": {
                "percent_of_source": {
                    "percent": 100,
                    "source_region": "eu-central-1",
                    "source_cluster": "trading",
                    "desired_if_unknown": 4
                }
            },
            "allow_scale_down": false
        }])
    );
    assert_eq!(run["shifts"][0]["run"], context);
    assert_eq!(run["shifts"][0]["traffic"]["failover_records"]["records"][0]["set_identifiers"][STANDBY], "ireland");
    assert_eq!((&run["source_region"], &run["target_region"]), (&json!(HOME), &json!(STANDBY)));
    assert_eq!(run["incident_at"], "2026-11-21T03:59:30.123Z");
    assert_eq!(run["lag_ms"], 120);
    assert_eq!(decision["notification"]["subject"], "Failover of trading started: eu-central-1 to eu-west-1");

    let item = aws.ledger_item("plan#trading").expect("claimed");
    assert_eq!((&item["generation"]["N"], &item["phase"]["S"]), (&json!("1"), &json!("active")));
}

#[tokio::test(start_paused = true)]
async fn asking_again_after_the_decision_finds_the_same_generation() {
    let aws = all_is_well();
    lose_home(&aws);
    let request = history_of(&event("decide-alarm"), 1);
    tokio::time::sleep(Duration::from_secs(65)).await;
    for _ in 0..3 {
        let decision = decision(&aws, request.clone()).await;
        assert_eq!((&decision["decision"], &decision["run"]["generation"]), (&json!("fail_over"), &json!(1)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_whose_answer_was_lost_stands_even_if_the_evidence_has_changed() {
    let aws = all_is_well();
    lose_home(&aws);
    decided(&aws, event("decide-alarm")).await;
    let recovered = all_is_well();
    recovered.put_ledger_item(aws.ledger_item("plan#trading").expect("claimed"));
    set_lag(&recovered, None);
    let decision = decision(&recovered, event("decide-alarm")).await;
    assert_eq!((&decision["decision"], &decision["run"]["generation"]), (&json!("fail_over"), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn one_look_asks_each_source_once_where_it_can_answer() {
    let aws = all_is_well();
    answer(&aws, event("decide-alarm")).await;
    assert_eq!(
        asked(&aws),
        [
            " http:GET https://app.eu-central-1.example.com/health",
            "eu-central-1 rds:DescribeDBClusters",
            "eu-west-1 cloudwatch:DescribeAlarms",
            "eu-west-1 cloudwatch:DescribeAlarms",
            "eu-west-1 cloudwatch:GetMetricData",
            "eu-west-1 rds:DescribeGlobalClusters",
        ]
    );
    let composite = &aws.requests_to("cloudwatch", "DescribeAlarms")[0].body;
    assert_eq!(composite["AlarmNames"], json!(["failover-dev-trading-region-impaired"]));
    assert_eq!(composite["AlarmTypes"], json!(["MetricAlarm", "CompositeAlarm"]));
    let parts = &aws.requests_to("cloudwatch", "DescribeAlarms")[1].body;
    assert_eq!(parts["AlarmNames"], json!(["failover-dev-trading-endpoint", "failover-dev-trading-replication-lag"]));
    let lag = &aws.requests_to("cloudwatch", "GetMetricData")[0].body;
    let query = &lag["MetricDataQueries"][0]["MetricStat"];
    assert_eq!(query["Metric"]["Namespace"], "AWS/RDS");
    assert_eq!(query["Metric"]["MetricName"], "AuroraGlobalDBReplicationLag");
    assert_eq!(query["Metric"]["Dimensions"], json!([{ "Name": "DBClusterIdentifier", "Value": "trading-dr" }]));
    let seconds = lag["EndTime"].as_i64().expect("a time") - lag["StartTime"].as_i64().expect("a time");
    assert_eq!(seconds, 15 * 60 + 1);
    let global = &aws.requests_to("rds", "DescribeGlobalClusters")[0].body;
    assert_eq!(global["GlobalClusterIdentifier"], "trading");
    let member = &aws.requests_to("rds", "DescribeDBClusters")[0].body;
    assert_eq!(member["DBClusterIdentifier"], "trading-primary");
}

#[tokio::test(start_paused = true)]
async fn a_false_alarm_stands_down_and_claims_nothing() {
    let aws = all_is_well();
    set_alarms(&aws, "ALARM", "ALARM");
    let (decision, _) = decided(&aws, event("decide-alarm")).await;
    assert_eq!(decision["decision"], "stand_down", "{decision}");
    assert_eq!(health(&decision), ["unhealthy", "healthy", "healthy"]);
    assert!(aws.ledger_item("plan#trading").is_none());
    let message = decision["notification"]["message"].as_str().expect("text");
    assert!(message.contains("unhealthy: alarms") && message.contains("Nothing has been changed"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_look_at_a_silent_region_takes_three_seconds_at_most() {
    let aws = all_is_well();
    lose_home(&aws);
    aws.on("cloudwatch", "DescribeAlarms", [Reply::Silence]);
    let began = tokio::time::Instant::now();
    let decision = answer(&aws, event("decide-alarm")).await;
    assert!(began.elapsed() <= Duration::from_millis(3100), "{:?}", began.elapsed());
    assert_eq!(health(&decision), ["unknown", "unhealthy", "unhealthy"]);
}

#[tokio::test(start_paused = true)]
async fn when_nothing_answers_it_may_be_our_own_network_and_nothing_counts() {
    let aws = all_is_well();
    lose_home(&aws);
    for (service, operation) in
        [("cloudwatch", "DescribeAlarms"), ("cloudwatch", "GetMetricData"), ("rds", "DescribeGlobalClusters")]
    {
        aws.on(service, operation, [Reply::Silence]);
    }
    let (decision, _) = decided(&aws, event("decide-alarm")).await;
    assert_eq!(decision["decision"], "stand_down");
    assert_eq!(health(&decision), ["unknown", "unknown", "unknown"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_no_proves_our_network_all_the_same() {
    let aws = all_is_well();
    lose_home(&aws);
    aws.on("cloudwatch", "DescribeAlarms", [Reply::error("AccessDenied", "not allowed")]);
    aws.on("cloudwatch", "GetMetricData", [Reply::Silence]);
    aws.on("rds", "DescribeGlobalClusters", [Reply::Silence]);
    assert_eq!(health(&answer(&aws, event("decide-alarm")).await), ["unknown", "unhealthy", "unhealthy"]);
}

#[tokio::test(start_paused = true)]
async fn each_modelled_error_of_the_reads_is_unknown_and_never_unhealthy() {
    for (region, service, operation, code, kind) in [
        (STANDBY, "cloudwatch", "DescribeAlarms", "InvalidNextToken", 0),
        (STANDBY, "cloudwatch", "DescribeAlarms", "AccessDenied", 0),
        (STANDBY, "cloudwatch", "DescribeAlarms", "Throttling", 0),
        (STANDBY, "rds", "DescribeGlobalClusters", "GlobalClusterNotFoundFault", 2),
        (STANDBY, "rds", "DescribeGlobalClusters", "AccessDenied", 2),
        (HOME, "rds", "DescribeDBClusters", "DBClusterNotFoundFault", 2),
        (HOME, "rds", "DescribeDBClusters", "AccessDenied", 2),
        (HOME, "rds", "DescribeDBClusters", "Throttling", 2),
        (STANDBY, "cloudwatch", "GetMetricData", "InvalidNextToken", 2),
        (STANDBY, "cloudwatch", "GetMetricData", "AccessDenied", 2),
    ] {
        let aws = all_is_well();
        aws.on_in(region, service, operation, [Reply::error(code, "because")]);
        let decision = decision(&aws, event("decide-alarm")).await;
        let mut expected = ["healthy"; 3];
        expected[kind] = "unknown";
        assert_eq!(health(&decision), expected, "{service}:{operation} {code}");
        assert!(decision["history"].to_string().contains(code), "{code} is in the detail");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_source_region_shows_of_its_cluster_counts() {
    for (reply, expected) in [
        (Reply::xml(db_clusters("available")), "healthy"),
        (Reply::xml(db_clusters("stopped")), "unhealthy"),
        (Reply::xml(db_clusters("upgrading")), "unknown"),
        (Reply::Error(503, "ServiceUnavailable".to_owned(), "down".to_owned()), "unhealthy"),
        (Reply::Refused, "unhealthy"),
        (Reply::Reset, "unhealthy"),
        (Reply::Silence, "unhealthy"),
    ] {
        let aws = all_is_well();
        let described = format!("{reply:?}");
        aws.on_in(HOME, "rds", "DescribeDBClusters", [reply]);
        assert_eq!(health(&answer(&aws, event("decide-alarm")).await)[2], expected, "{described}");
        assert_eq!(aws.requests_to("rds", "DescribeDBClusters").len(), 1, "{described}: asked once, not retried");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_endpoint_answers_counts() {
    for (reply, expected) in [
        (status(204), "healthy"),
        (status(302), "unknown"),
        (status(404), "unknown"),
        (status(500), "unhealthy"),
        (status(503), "unhealthy"),
        (Reply::Refused, "unhealthy"),
        (Reply::Reset, "unhealthy"),
        (Reply::Silence, "unhealthy"),
    ] {
        let aws = all_is_well();
        let described = format!("{reply:?}");
        aws.on("http", HOME_ENDPOINT, [reply]);
        assert_eq!(health(&answer(&aws, event("decide-alarm")).await)[1], expected, "{described}");
        assert_eq!(aws.requests_to("http", HOME_ENDPOINT).len(), 1, "{described}: asked once, not retried");
    }
}

#[tokio::test(start_paused = true)]
async fn the_endpoints_own_alarm_beside_a_silent_endpoint_is_one_witness_and_a_person_is_asked() {
    let aws = all_is_well();
    aws.on("http", HOME_ENDPOINT, [status(503)]);
    set_alarms(&aws, "ALARM", "OK");
    let mut request = event("decide-alarm");
    let plan = request["plan_document"].as_str().expect("text");
    request["plan_document"] = json!(plan.replace("region-impaired", "endpoint"));
    let (decision, _) = decided(&aws, request).await;
    assert_eq!(decision["decision"], "ask", "{decision}");
    assert_eq!(health(&decision), ["unhealthy", "unhealthy", "healthy"]);
    assert!(aws.ledger_item("plan#trading").is_none(), "asking claims nothing");
}

#[tokio::test(start_paused = true)]
async fn too_much_or_unknown_lag_asks_a_person_who_can_approve() {
    for (lag, stated) in [(Some(5001.0), "up to 5001 ms of writes"), (None, "is unknown")] {
        let aws = all_is_well();
        lose_home(&aws);
        set_lag(&aws, lag);
        let mut request = event("decide-alarm");
        let (asked, _) = decided(&aws, request.clone()).await;
        assert_eq!(asked["decision"], "ask", "{asked}");
        let message = asked["notification"]["message"].as_str().expect("text");
        assert!(message.contains(stated), "{message}");
        assert!(aws.ledger_item("plan#trading").is_none());

        request["approved"] = json!(true);
        request["history"] = asked["history"].clone();
        let approved = decision(&aws, request).await;
        assert_eq!(approved["decision"], "fail_over", "{approved}");
        assert!(approved["message"].as_str().expect("text").contains("approved by a person"));
        assert_eq!(approved["run"]["lag_ms"].as_f64(), lag);
    }
}

#[tokio::test(start_paused = true)]
async fn lag_at_the_limit_needs_nobody() {
    let aws = all_is_well();
    lose_home(&aws);
    set_lag(&aws, Some(5000.0));
    assert_eq!(decided(&aws, event("decide-alarm")).await.0["decision"], "fail_over");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_would_not_be_admitted_stands_down_without_a_look() {
    let later = START.plus_millis(60_000).as_millis().to_string();
    let ended = json!({ "S": "ended" });
    for (item, reason) in [
        (json!({ "kill_switch": { "BOOL": true } }), "kill switch"),
        (
            json!({
                "generation": { "N": "1" }, "failover_id": ended, "phase": { "S": "succeeded" },
                "active_until_ms": { "N": "0" }, "cooldowns": { "M": { "eu-central-1>eu-west-1": { "N": later } } }
            }),
            "the cooldown keeps alarms from",
        ),
        (
            json!({
                "generation": { "N": "1" }, "failover_id": { "S": "other-run" }, "phase": { "S": "active" },
                "active_until_ms": { "N": later }
            }),
            "other-run is under way",
        ),
        (
            json!({
                "generation": { "N": "1" }, "failover_id": ended, "phase": { "S": "succeeded" },
                "active_until_ms": { "N": "0" }, "active_region": { "S": STANDBY }
            }),
            "where the orchestrator itself stands",
        ),
    ] {
        let aws = all_is_well();
        lose_home(&aws);
        put_plan_item(&aws, item.clone());
        let decision = decision(&aws, event("decide-alarm")).await;
        assert_eq!(decision["decision"], "stand_down", "{decision}");
        assert!(decision["message"].as_str().expect("text").contains(reason), "{decision}");
        assert!(asked(&aws).is_empty(), "{:?}", asked(&aws));
        let mut approved = event("decide-alarm");
        approved["approved"] = json!(true);
        assert_eq!(answer(&aws, approved).await["decision"], "stand_down", "approval does not lift the gate: {reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_runs_that_decide_at_once_are_one_failover() {
    let aws = all_is_well();
    lose_home(&aws);
    let one = history_of(&event("decide-alarm"), 1);
    let mut two = one.clone();
    two["failover_id"] = json!("alarm-ffffffffffffffffffffffff");
    tokio::time::sleep(Duration::from_secs(65)).await;
    let (one, two) = tokio::join!(decision(&aws, one), decision(&aws, two));
    let mut decisions = [one["decision"].clone(), two["decision"].clone()].map(|decision| decision.to_string());
    decisions.sort();
    assert_eq!(decisions, ["\"fail_over\"", "\"stand_down\""]);
    assert_eq!(aws.ledger_item("plan#trading").expect("claimed")["generation"]["N"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_persons_order_needs_no_evidence_and_no_cooldown() {
    let aws = all_is_well();
    let later = START.plus_millis(60_000).as_millis().to_string();
    put_plan_item(
        &aws,
        json!({
            "generation": { "N": "4" }, "failover_id": { "S": "ended" }, "phase": { "S": "succeeded" },
            "active_until_ms": { "N": "0" }, "cooldowns": { "M": { "eu-central-1>eu-west-1": { "N": later } } }, "kill_switch": { "BOOL": true }
        }),
    );
    let decision = decision(&aws, event("decide-switchover")).await;
    assert_eq!(decision["decision"], "fail_over");
    let run = &decision["run"];
    assert_eq!(
        (&run["generation"], &run["initiator"], &run["mode"]),
        (&json!(5), &json!("person"), &json!("switchover"))
    );
    assert_eq!(run["waves"][0]["promotions"][0]["mode"], "switchover");
    assert_eq!(run["incident_at"], "2026-11-21T03:59:50Z");
    let message = decision["notification"]["message"].as_str().expect("text");
    assert!(
        message.contains("Patching the first Region's network.") && message.contains("loses no writes"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn failback_is_the_same_plan_in_the_other_direction() {
    let aws = all_is_well();
    aws.on("rds", "DescribeGlobalClusters", [Reply::xml(global_clusters(STANDBY))]);
    let decision = decision(&aws, event("decide-failback")).await;
    let run = &decision["run"];
    assert_eq!((&run["source_region"], &run["target_region"]), (&json!(STANDBY), &json!(HOME)));
    assert_eq!(
        run["waves"][0]["promotions"][0]["target_cluster_arn"],
        "arn:aws:rds:eu-central-1:123456789012:cluster:trading-primary"
    );
    assert_eq!(run["waves"][0]["scalings"][0]["cluster"], "trading");
    assert_eq!(run["waves"][0]["scalings"][0]["capacity"]["percent_of_source"]["source_cluster"], "trading-dr");
    assert_eq!(run["target_endpoint"], "https://app.eu-central-1.example.com/health");
    let lag = &aws.requests_to("cloudwatch", "GetMetricData")[0];
    assert_eq!(lag.region, HOME, "the lag is published in the Region of the secondary");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_goes_through_the_gates_and_writes_nothing() {
    let aws = all_is_well();
    let decision = decision(&aws, event("decide-dry-run")).await;
    assert_eq!(decision["decision"], "fail_over");
    assert_eq!((&decision["run"]["dry_run"], &decision["run"]["generation"]), (&json!(true), &json!(0)));
    assert_eq!(decision["run"]["shifts"][0]["run"]["dry_run"], true);
    assert!(decision["notification"]["subject"].as_str().expect("text").starts_with("Dry run of failover"));
    assert!(aws.requests_to("dynamodb", "UpdateItem").is_empty());

    let later = START.plus_millis(60_000).as_millis().to_string();
    put_plan_item(
        &aws,
        json!({
            "generation": { "N": "1" }, "failover_id": { "S": "other-run" }, "phase": { "S": "active" },
            "active_until_ms": { "N": later }
        }),
    );
    let error = invoke(&aws, event("decide-dry-run")).await.expect_err("another failover is under way");
    assert_eq!(error.code(), ErrorCode::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_person_is_refused_while_another_failover_is_under_way() {
    let aws = all_is_well();
    let later = START.plus_millis(60_000).as_millis().to_string();
    put_plan_item(
        &aws,
        json!({
            "generation": { "N": "1" }, "failover_id": { "S": "other-run" }, "phase": { "S": "active" },
            "active_until_ms": { "N": later }
        }),
    );
    let error = invoke(&aws, event("decide-switchover")).await.expect_err("one at a time");
    assert_eq!(error.code(), ErrorCode::Refused);
    assert!(error.to_string().contains("other-run"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn bad_input_is_named_and_nothing_is_asked() {
    let with = |field: &str, value: Value| {
        let mut request = event("decide-alarm");
        request[field] = value;
        request
    };
    let mut other_plan = event("decide-alarm");
    other_plan["input"]["plan"] = json!("payments");
    let mut misspelt = event("decide-switchover");
    misspelt["input"]["trigger"]["dryrun"] = json!(true);
    for (request, field) in [
        (with("failover_id", json!("two words")), "failover_id: "),
        (with("started_at", json!("yesterday")), "started_at: "),
        (with("plan_document", json!("{")), "plan_document: is not JSON"),
        (with("input", json!({})), "input: missing field `plan`"),
        (with("input", json!({ "plan": "trading", "trigger": { "kind": "cron" } })), "input.trigger.kind: "),
        (with("unheard_of", json!(1)), "unheard_of: "),
        (with("history", json!([{ "at": "x", "evidence": [] }])), "history[0].at: "),
        (other_plan, "input.plan: is payments"),
        (misspelt, "input.trigger"),
        (event("decide-wrong-region"), "input.trigger.target_region: us-east-1 is not in plan trading"),
        (event("decide-broken-plan"), "plan_document.detection.endpoints: has no entry for eu-west-1"),
        (event("unknown-command"), "command: "),
        (json!({}), "command: is missing"),
        (json!([]), "request: "),
        (json!({ "command": "watch", "url": "x" }), "url: "),
    ] {
        let aws = FakeAws::new();
        let error = invoke(&aws, request).await.expect_err(field);
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{error}");
        assert!(error.to_string().starts_with(field), "{error} does not begin with {field}");
        assert!(aws.all_requests().is_empty());
    }
    let mut endless = history_of(&event("decide-alarm"), 60);
    let history = endless["history"].as_array_mut().expect("a list");
    assert!(history.len() > 200);
    let error = invoke(&FakeAws::new(), endless).await.expect_err("too long");
    assert!(error.to_string().starts_with("history: expected at most 200 samples"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_does_not_answer_holds_everything_back() {
    let aws = all_is_well();
    lose_home(&aws);
    aws.on("dynamodb", "GetItem", [Reply::Silence]);
    let error = invoke(&aws, event("decide-alarm")).await.expect_err("fails closed");
    assert_eq!(error.code(), ErrorCode::Transient);
    assert!(asked(&aws).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_plan_without_aurora_has_no_lag_to_ask_about() {
    let aws = all_is_well();
    lose_home(&aws);
    let mut request = history_of(&event("decide-alarm"), 1);
    let mut plan: Value = serde_json::from_str(request["plan_document"].as_str().expect("text")).expect("JSON");
    plan["aurora"] = json!([]);
    plan["detection"]["alarm_names"] = json!(["failover-dev-trading-region-impaired"]);
    request["plan_document"] = json!(plan.to_string());
    tokio::time::sleep(Duration::from_secs(65)).await;
    let decision = decision(&aws, request).await;
    assert_eq!(decision["decision"], "fail_over", "{decision}");
    assert!(decision["run"]["lag_ms"].is_null());
    assert_eq!(decision["run"]["waves"][0]["promotions"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_the_contract_writes_is_what_is_read() {
    for sample in ["decide-alarm", "decide-switchover", "watch"] {
        let request: ProbeRequest = contract::parse(event(sample)).expect("a request of the contract");
        let written = serde_json::to_value(request).expect("JSON");
        assert!(invoke(&all_is_well(), written).await.is_ok(), "{sample}");
    }
}
