//! The gates before and within a run on the wire: readiness, force, preflight alone, resume, fences, writer lease.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tokio's clock is paused here")]

mod common;

use std::time::Duration;

use common::{
    HOME, STANDBY, all_is_well, answer, asked, checked, decision, decision_after_checks, event, invoke, lose_home,
    put_plan_item,
};
use failover::error::ErrorCode;
use failover::testing::{FakeAws, START};
use serde_json::{Value, json};

fn blocker() -> Value {
    json!([{
        "check": "target-has-an-instance",
        "subject": "trading-dr",
        "severity": "blocker",
        "message": "the cluster has no instance",
        "blocks": "promotion",
        "cure": "create one"
    }])
}

fn unknown() -> Value {
    json!([{ "check": "quota", "subject": "fargate", "severity": "unknown", "message": "no answer", "cure": "look" }])
}

/// An alarm's request whose evidence has agreed for the whole window.
fn lasted() -> Value {
    let at = |seconds: u64| START.plus_millis(seconds * 1000).to_string();
    let one = |kind: &str| json!({ "kind": kind, "health": "unhealthy", "rests_on": [kind], "detail": "lost" });
    let mut request = event("decide-alarm");
    request["history"] =
        (0..=6).map(|index| json!({ "at": at(index * 10), "evidence": [one("endpoint"), one("aurora")] })).collect();
    request
}

async fn lost() -> FakeAws {
    let aws = all_is_well();
    lose_home(&aws);
    tokio::time::sleep(Duration::from_secs(65)).await;
    aws
}

#[tokio::test(start_paused = true)]
async fn every_step_is_checked_before_it_is_decided() {
    let aws = all_is_well();
    let first = answer(&aws, event("decide-switchover")).await;
    assert_eq!((&first["decision"], &first["ask_again_after_seconds"]), (&json!("wait"), &json!(0)));
    let functions: Vec<&Value> =
        first["checks"].as_array().expect("a list").iter().map(|call| &call["function"]).collect();
    assert_eq!(functions, ["promote-aurora", "scale-ecs", "shift-dns"]);
    assert!(aws.ledger_item("plan#trading").is_none(), "nothing is claimed before the checks");
}

#[tokio::test(start_paused = true)]
async fn checks_of_another_request_do_not_count() {
    let aws = all_is_well();
    let mut request = event("decide-switchover");
    let first = answer(&aws, request.clone()).await;
    let mut ends = checked(&first, &json!([]));
    ends[0]["call"]["request"]["mode"] = json!("detach");
    request["checked"] = ends;
    let second = answer(&aws, request).await;
    assert_eq!((&second["decision"], &second["checks"]), (&json!("wait"), &first["checks"]));
}

#[tokio::test(start_paused = true)]
async fn a_blocker_holds_a_persons_order_unless_it_is_forced_and_the_reason_is_written_down() {
    let aws = all_is_well();
    let mut request = event("decide-switchover");
    let first = answer(&aws, request.clone()).await;
    request["checked"] = checked(&first, &blocker());
    let refused = invoke(&aws, request.clone()).await.expect_err("a blocker");
    assert_eq!(refused.code(), ErrorCode::Refused);
    let text = refused.to_string();
    assert!(text.contains("the cluster has no instance") && text.contains("create one"), "{text}");
    assert!(aws.ledger_item("plan#trading").is_none());

    request["input"]["trigger"]["force"] = json!(true);
    let forced = answer(&aws, request).await;
    assert_eq!(forced["decision"], "fail_over", "{forced}");
    let reason = "Patching the first Region's network.";
    assert_eq!(forced["run"]["forced"], reason);
    let told = forced["notification"]["message"].as_str().expect("text");
    assert!(told.contains(&format!("FORCED by a person: {reason}")) && told.contains("BLOCKER"), "{told}");
    let record = aws.ledger_item("planned-2026-11-21#decide").expect("written down");
    assert!(record["result"].to_string().contains(reason), "{record}");
}

#[tokio::test(start_paused = true)]
async fn a_person_has_to_say_why() {
    for reason in ["", "  "] {
        let mut request = event("decide-switchover");
        request["input"]["trigger"]["reason"] = json!(reason);
        let aws = FakeAws::new();
        let error = invoke(&aws, request).await.expect_err("no reason");
        assert!(error.to_string().starts_with("input.trigger.reason: "), "{error}");
        assert!(aws.all_requests().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_blocker_makes_an_alarms_run_ask_and_what_cannot_be_checked_does_not() {
    let aws = lost().await;
    let asks = decision_after_checks(&aws, lasted(), &blocker()).await;
    assert_eq!(asks["decision"], "ask", "{asks}");
    let told = asks["notification"]["message"].as_str().expect("text");
    assert!(told.contains("the cluster has no instance"), "{told}");
    assert!(aws.ledger_item("plan#trading").is_none());

    let goes = decision_after_checks(&aws, lasted(), &unknown()).await;
    assert_eq!(goes["decision"], "fail_over", "{goes}");
    let told = goes["notification"]["message"].as_str().expect("text");
    assert!(told.contains("unknown: fargate (quota): no answer"), "what could not be checked is told: {told}");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_failed_is_unknown_and_holds_nobody() {
    let aws = all_is_well();
    let mut request = event("decide-switchover");
    let first = answer(&aws, request.clone()).await;
    let mut ends = checked(&first, &json!([]));
    let failure = json!({ "Error": "Failover.Denied", "Cause": "no permission" });
    ends[1] = json!({ "call": first["checks"][1], "failure": failure });
    request["checked"] = ends;
    let goes = answer(&aws, request).await;
    assert_eq!(goes["decision"], "fail_over", "{goes}");
    let worst = &goes["findings"][0];
    assert_eq!((&worst["severity"], &worst["check"]), (&json!("unknown"), &json!("checks-can-be-made")));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_decided_goes_on_with_the_very_same_requests_whatever_has_changed() {
    for phase in ["active", "failed", "succeeded"] {
        let aws = lost().await;
        let decided = decision(&aws, lasted()).await;
        assert_eq!(decided["decision"], "fail_over", "{decided}");
        let mut item = aws.ledger_item("plan#trading").expect("claimed");
        item["phase"]["S"] = json!(phase);
        let recovered = all_is_well();
        recovered.put_ledger_item(item);
        recovered.put_ledger_item(aws.ledger_item("alarm-0123456789abcdef01234567#decide").expect("written down"));
        let again = answer(&recovered, event("decide-alarm")).await;
        assert_eq!(again["decision"], "fail_over", "{again}");
        assert_eq!(again["run"], decided["run"], "{phase}");
        assert!(asked(&recovered).is_empty(), "no evidence is needed for what was decided: {:?}", asked(&recovered));
        let item = recovered.ledger_item("plan#trading").expect("there");
        assert_eq!((&item["phase"]["S"], &item["generation"]["N"]), (&json!("active"), &json!("1")), "{phase}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_superseded_failover_is_not_taken_up_again() {
    let aws = lost().await;
    decision(&aws, lasted()).await;
    let mut item = aws.ledger_item("plan#trading").expect("claimed");
    item["failover_id"]["S"] = json!("a-newer-one");
    item["generation"]["N"] = json!("2");
    aws.put_ledger_item(item);
    let answer = answer(&aws, lasted()).await;
    assert_eq!(answer["decision"], "stand_down", "{answer}");
    assert!(answer["message"].as_str().expect("text").contains("a-newer-one is under way"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn of_three_regions_the_preferred_one_that_is_near_enough_is_chosen() {
    let aws = all_is_well();
    let mut request = event("decide-switchover");
    let mut plan: Value = serde_json::from_str(request["plan_document"].as_str().expect("text")).expect("JSON");
    plan["standby_regions"] = json!(["eu-north-1", STANDBY]);
    plan["detection"]["endpoints"]["eu-north-1"] = json!("https://app.eu-north-1.example.com/health");
    plan["aurora"][0]["clusters"]["eu-north-1"] = json!("arn:aws:rds:eu-north-1:123456789012:cluster:trading-north");
    plan["ecs"][0]["clusters"]["eu-north-1"] = json!("trading-north");
    plan["traffic"] = json!([]);
    request["plan_document"] = json!(plan.to_string());
    request["input"]["trigger"].as_object_mut().expect("an object").remove("target_region");
    aws.on_in(
        "eu-north-1",
        "cloudwatch",
        "GetMetricData",
        [failover::testing::Reply::json(json!({
            "MetricDataResults": []
        }))],
    );
    let decided = decision(&aws, request).await;
    assert_eq!((&decided["run"]["source_region"], &decided["run"]["target_region"]), (&json!(HOME), &json!(STANDBY)));
}

fn fences(ends: &Value, policy: &str) -> Value {
    let mut run = event("conclude-succeeded")["run"].clone();
    run["fencing"] = json!(policy);
    run["fences"] = ends.as_array().expect("a list").iter().map(|end| end["call"].clone()).collect();
    json!({ "command": "judge_fences", "run": run, "ends": ends })
}

fn fence(status: &str) -> Value {
    let call = json!({
        "function": "scale-ecs",
        "request": {
            "target_region": HOME, "cluster": "trading", "services": "all", "capacity": "fenced",
            "timeout_seconds": 10
        }
    });
    let response = json!({
        "status": status, "operation_id": "x", "message": "seen", "observed": null, "action": null,
        "ask_again_after_seconds": 0, "attempt": 1, "elapsed_ms": 1, "from_ledger": false
    });
    json!({ "call": call, "response": response })
}

fn under_way(aws: &FakeAws, writer: Option<(&str, u64)>) {
    let at = |seconds: u64| START.plus_millis(seconds * 1000).as_millis().to_string();
    let mut item = json!({
        "generation": { "N": "1" },
        "failover_id": { "S": "alarm-0123456789abcdef01234567" },
        "phase": { "S": "active" },
        "active_until_ms": { "N": at(600) }
    });
    if let Some((region, until)) = writer {
        item["writer_region"] = json!({ "S": region });
        item["writer_until_ms"] = json!({ "N": at(until) });
        item["writer_generation"] = json!({ "N": "0" });
        item["writer_length_ms"] = json!({ "N": "180000" });
    }
    put_plan_item(aws, item);
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_each_fence_is_judged_and_written_down() {
    let aws = FakeAws::new();
    under_way(&aws, None);
    for (status, policy, verdict) in
        [("done", "required", "go_on"), ("in_progress", "required", "ask"), ("in_progress", "best_effort", "go_on")]
    {
        let judged = answer(&aws, fences(&json!([fence(status)]), policy)).await;
        assert_eq!(judged["verdict"], verdict, "{judged}");
        assert_eq!(judged["notification"].is_null(), verdict != "ask", "{judged}");
    }
    let record = aws.ledger_item("alarm-0123456789abcdef01234567#fences").expect("written down");
    assert!(record["result"].to_string().contains("confirmed"), "{record}");
    let mut short = fences(&json!([fence("done")]), "required");
    short["ends"] = json!([]);
    let error = invoke(&aws, short).await.expect_err("an end is missing");
    assert!(error.to_string().starts_with("ends: "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_promotion_waits_until_the_writer_lease_has_run_out_and_the_target_gets_it() {
    let aws = FakeAws::new();
    under_way(&aws, Some((HOME, 30)));
    let mut request = fences(&json!([fence("done")]), "required");
    request["run"]["writer_lease_seconds"] = json!(180);
    let waits = answer(&aws, request.clone()).await;
    assert_eq!(waits["verdict"], "wait", "{waits}");
    assert!(waits["ask_again_after_seconds"].as_u64().expect("seconds") > 0);
    tokio::time::sleep(Duration::from_secs(32)).await;
    let goes = answer(&aws, request).await;
    assert_eq!(goes["verdict"], "go_on", "{goes}");
    assert_eq!(goes["fences"][1]["outcome"], "confirmed");
    let item = aws.ledger_item("plan#trading").expect("there");
    assert_eq!(item["writer_region"]["S"], STANDBY, "{item}");
}
