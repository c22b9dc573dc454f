//! `conclude` and `watch` on the wire.

#![allow(clippy::expect_used, clippy::wildcard_enum_match_arm, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tokio's clock is paused here")]

mod common;

use std::time::Duration;

use common::{STANDBY_ENDPOINT, answer, asked, event, invoke, put_plan_item, status};
use failover::error::ErrorCode;
use failover::testing::{FakeAws, Reply, START};
use serde_json::{Value, json};

const ID: &str = "alarm-0123456789abcdef01234567";

/// A world in which the run of the sample events is under way.
fn under_way() -> FakeAws {
    let aws = FakeAws::new();
    let until = START.plus_millis(1_800_000).as_millis().to_string();
    put_plan_item(
        &aws,
        json!({
            "generation": { "N": "1" }, "failover_id": { "S": ID }, "phase": { "S": "active" },
            "active_until_ms": { "N": until }, "cooldown_until_ms": { "N": "0" }
        }),
    );
    aws.on("http", STANDBY_ENDPOINT, [status(200)]);
    aws
}

fn plan_item(aws: &FakeAws) -> Value {
    aws.ledger_item("plan#trading").expect("the plan's item")
}

#[tokio::test(start_paused = true)]
async fn a_new_primary_that_answers_concludes_the_run_with_its_figures() {
    let aws = under_way();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let conclusion = answer(&aws, event("conclude-succeeded")).await;
    assert_eq!(conclusion["status"], "done");
    let report = &conclusion["report"];
    assert_eq!(report["outcome"], "succeeded");
    assert_eq!(report["target_healthy"], true);
    assert_eq!(report["detection_ms"], 19_877);
    assert_eq!(report["decision_ms"], 10_000);
    assert_eq!(report["execution_ms"], 20_000);
    assert_eq!(report["rto_ms"], 49_877);
    assert_eq!(report["rpo_ms"], 950, "the lag that promote-aurora read just before it promoted");
    assert!(report["failure"].is_null());
    assert_eq!(conclusion["notification"]["subject"], "Failover of trading succeeded");
    let item = plan_item(&aws);
    assert_eq!((&item["phase"]["S"], &item["active_region"]["S"]), (&json!("succeeded"), &json!("eu-west-1")));
    let cooldown = START.plus_millis(20_000 + 3_600_000).as_millis().to_string();
    for way in ["eu-central-1>eu-west-1", "eu-west-1>eu-central-1"] {
        assert_eq!(item["cooldowns"]["M"][way]["N"], cooldown, "{way}");
    }
    assert_eq!(asked(&aws), [" http:GET https://app.eu-west-1.example.com/health"]);
}

#[tokio::test(start_paused = true)]
async fn concluding_again_leaves_what_is_closed_as_it_is() {
    let aws = under_way();
    answer(&aws, event("conclude-succeeded")).await;
    let before = plan_item(&aws);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(answer(&aws, event("conclude-succeeded")).await["status"], "done");
    let after = plan_item(&aws);
    for attribute in ["phase", "active_region", "cooldown_until_ms", "generation"] {
        assert_eq!(before[attribute], after[attribute], "{attribute}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_primary_that_answers_late_is_waited_for_and_measured_when_it_answers() {
    let aws = under_way();
    let mut replies = vec![status(503); 5];
    replies.push(status(200));
    aws.on("http", STANDBY_ENDPOINT, replies);
    let conclusion = answer(&aws, event("conclude-succeeded")).await;
    assert_eq!(conclusion["status"], "done");
    assert_eq!(conclusion["report"]["rto_ms"], 29_877 + 5_000, "to the second");
}

#[tokio::test(start_paused = true)]
async fn a_new_primary_that_never_answers_is_no_success_and_is_not_closed_as_one() {
    let aws = under_way();
    aws.on("http", STANDBY_ENDPOINT, [Reply::Silence]);
    let began = tokio::time::Instant::now();
    let error = loop {
        match invoke(&aws, event("conclude-succeeded")).await {
            Ok(answer) => {
                let answer = serde_json::to_value(answer).expect("JSON");
                assert_eq!((&answer["status"], &answer["ask_again_after_seconds"]), (&json!("in_progress"), &json!(5)));
                assert_eq!(answer["report"]["target_healthy"], false);
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), ErrorCode::Refused);
    assert!(error.to_string().contains("https://app.eu-west-1.example.com/health"), "{error}");
    let waited = began.elapsed();
    // Five minutes after the last step, which ended 15 s after the decision.
    assert!(waited > Duration::from_secs(310) && waited < Duration::from_secs(345), "{waited:?}");
    assert_eq!(plan_item(&aws)["phase"]["S"], "active");
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_is_closed_as_failed_with_the_cause_in_words() {
    for endpoint in [status(200), Reply::Silence] {
        let aws = under_way();
        aws.on("http", STANDBY_ENDPOINT, [endpoint]);
        let conclusion = answer(&aws, event("conclude-failed")).await;
        assert_eq!(conclusion["status"], "done");
        let report = &conclusion["report"];
        assert_eq!(report["outcome"], "failed");
        assert_eq!(
            report["failure"],
            "Failover.Refused: refused: the record app.example.com has another target. To go on: correct the record"
        );
        assert!(report["rto_ms"].is_null());
        assert_eq!(report["rpo_ms"], 950, "Aurora was promoted all the same");
        let item = plan_item(&aws);
        assert_eq!((&item["phase"]["S"], item.get("active_region")), (&json!("failed"), None));
        assert_eq!(aws.requests_to("http", STANDBY_ENDPOINT).len(), 1, "looked at once, not waited for");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ended_before_its_decision_closes_nothing() {
    let aws = FakeAws::new();
    let conclusion = answer(&aws, event("conclude-before-decision")).await;
    assert_eq!(conclusion["status"], "done");
    assert!(conclusion["report"]["run"].is_null());
    assert!(conclusion["report"]["failure"].as_str().expect("text").contains("No such parameter"));
    assert!(aws.requests_to("dynamodb", "UpdateItem").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_generation_that_was_claimed_by_a_decision_whose_answer_was_lost_is_closed() {
    let aws = under_way();
    answer(&aws, event("conclude-before-decision")).await;
    let item = plan_item(&aws);
    assert_eq!((&item["phase"]["S"], &item["cooldown_until_ms"]["N"]), (&json!("failed"), &json!("0")));
}

#[tokio::test(start_paused = true)]
async fn a_superseded_run_cannot_close_its_successors_generation() {
    for sample in ["conclude-succeeded", "conclude-failed"] {
        let aws = under_way();
        let until = START.plus_millis(1_800_000).as_millis().to_string();
        put_plan_item(
            &aws,
            json!({
                "generation": { "N": "2" }, "failover_id": { "S": "newer" }, "phase": { "S": "active" },
                "active_until_ms": { "N": until }
            }),
        );
        let before = plan_item(&aws);
        let error = invoke(&aws, event(sample)).await.expect_err("superseded");
        assert_eq!(error.code(), ErrorCode::Superseded);
        assert_eq!(plan_item(&aws), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_is_concluded_without_a_write_whatever_the_target_answers() {
    for endpoint in [status(200), status(503)] {
        let aws = FakeAws::new();
        aws.on("http", STANDBY_ENDPOINT, [endpoint]);
        let mut request = event("conclude-succeeded");
        request["run"]["dry_run"] = json!(true);
        let conclusion = answer(&aws, request).await;
        assert_eq!((&conclusion["status"], &conclusion["report"]["outcome"]), (&json!("done"), &json!("succeeded")));
        assert!(conclusion["report"]["rto_ms"].is_null() && conclusion["report"]["rpo_ms"].is_null());
        assert!(conclusion["notification"]["message"].as_str().expect("text").contains("Nothing was changed"));
        assert!(aws.requests_to("dynamodb", "UpdateItem").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn bad_input_to_conclude_is_named() {
    let mut endpoint = event("conclude-succeeded");
    endpoint["run"]["target_endpoint"] = json!("app");
    let mut outcome = event("conclude-succeeded");
    outcome["outcome"] = json!("perhaps");
    let mut promotions = event("conclude-succeeded");
    promotions["promotions"][0]["elapsed_ms"] = json!(-1);
    for (request, field) in
        [(endpoint, "run.target_endpoint: "), (outcome, "outcome: "), (promotions, "promotions[0].elapsed_ms: ")]
    {
        let aws = FakeAws::new();
        let error = invoke(&aws, request).await.expect_err(field);
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert!(error.to_string().starts_with(field), "{error}");
        assert!(aws.all_requests().is_empty());
    }
}
