//! What people say by hand, against a scripted ledger: `acknowledge` and `kill_switch` (X5).
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

mod common;

use common::{answer, event, invoke, put_plan_item};
use failover::error::ErrorCode;
use failover::testing::{FakeAws, START};
use serde_json::{Value, json};

fn plan_item(aws: &FakeAws) -> Value {
    aws.ledger_item("plan#trading").expect("the plan's item")
}

/// The words in the ledger: what, and by whom.
fn said(aws: &FakeAws) -> Vec<(String, String)> {
    let statements = plan_item(aws)["statements"]["L"].clone();
    let text = |entry: &Value, name: &str| entry["M"][name]["S"].as_str().expect("text").to_owned();
    statements.as_array().expect("a list").iter().map(|entry| (text(entry, "said"), text(entry, "by"))).collect()
}

fn until(ms: u64) -> Value {
    json!({ "N": START.plus_millis(ms).as_millis().to_string() })
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_ends_the_cooldowns_that_run_and_is_written_down() {
    let aws = FakeAws::new();
    let cooldowns = json!({ "M": {
        "eu-central-1>eu-west-1": until(60_000), "eu-west-1>eu-central-1": until(60_000),
        "eu-west-1>us-east-1": { "N": "5" },
    }});
    put_plan_item(&aws, json!({ "cooldowns": cooldowns }));
    let done = answer(&aws, event("acknowledge")).await;
    assert_eq!(done["done"], "2 cooldowns are ended");
    assert_eq!(done["at"], START.to_string());
    assert_eq!(plan_item(&aws)["cooldowns"], json!({ "M": {} }));
    let statement = &plan_item(&aws)["statements"]["L"][0]["M"];
    assert_eq!(statement["by"]["S"], event("acknowledge")["by"]);
    assert_eq!(statement["reason"]["S"], event("acknowledge")["reason"]);
    assert_eq!(statement["at_ms"]["N"], START.as_millis().to_string());
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_ends_a_failover_that_overstayed_and_leaves_one_that_is_under_way() {
    for (active_until, phase, under_way) in [(until(0), "failed", Value::Null), (until(1), "active", json!("one"))] {
        let aws = FakeAws::new();
        put_plan_item(
            &aws,
            json!({
                "generation": { "N": "1" }, "failover_id": { "S": "one" }, "phase": { "S": "active" },
                "active_until_ms": active_until
            }),
        );
        let done = answer(&aws, event("acknowledge")).await;
        assert_eq!((&plan_item(&aws)["phase"]["S"], &done["under_way"]), (&json!(phase), &under_way));
        assert_eq!(done["done"].as_str().expect("text").contains("overstayed"), phase == "failed", "{done}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_kill_switch_is_set_and_cleared_and_both_are_written_down() {
    let aws = FakeAws::new();
    let set = answer(&aws, event("kill-switch-set")).await;
    assert_eq!((&set["kill_switch_set"], &plan_item(&aws)["kill_switch"]), (&json!(true), &json!({ "BOOL": true })));
    let again = answer(&aws, event("kill-switch-set")).await;
    assert_eq!(again["done"], "the kill switch was set already and stays set");
    let cleared = answer(&aws, event("kill-switch-clear")).await;
    assert_eq!(cleared["kill_switch_set"], json!(false));
    assert_eq!(plan_item(&aws)["kill_switch"], json!({ "BOOL": false }));
    let ada = |what: &str| (what.to_owned(), "ada@example.com".to_owned());
    assert_eq!(said(&aws), [ada("kill_switch_set"), ada("kill_switch_set"), ada("kill_switch_cleared")]);
    assert!(aws.requests().is_empty(), "nothing but the ledger is touched");
}

#[tokio::test(start_paused = true)]
async fn a_kill_switch_that_is_not_a_boolean_counts_as_set_until_it_is_cleared() {
    let aws = FakeAws::new();
    put_plan_item(&aws, json!({ "kill_switch": { "S": "off" } }));
    assert_eq!(answer(&aws, event("acknowledge")).await["kill_switch_set"], json!(true));
    assert_eq!(plan_item(&aws)["kill_switch"], json!({ "S": "off" }), "only a word about it touches it");
    answer(&aws, event("kill-switch-clear")).await;
    assert_eq!(plan_item(&aws)["kill_switch"], json!({ "BOOL": false }));
}

#[tokio::test(start_paused = true)]
async fn a_word_about_another_plan_or_without_a_reason_changes_nothing() {
    let aws = FakeAws::new();
    for (name, field) in [
        ("acknowledge-other-plan", "plan: "),
        ("acknowledge-without-reason", "reason: "),
        ("kill-switch-missing-field", "missing field `set`"),
        ("kill-switch-unknown-field", "unknown field `until`"),
    ] {
        let error = invoke(&aws, event(name)).await.expect_err(name);
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert!(error.to_string().contains(field), "{error}");
    }
    assert!(aws.all_requests().is_empty());
}
