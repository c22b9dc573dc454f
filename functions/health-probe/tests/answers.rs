//! What the answers of `decide` and `judge_fences` carry beside the decision, and what they leave in the ledger, to the
//! last field.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{all_is_well, answer, checked, decision, decision_after_checks, event, invoke, put_plan_item, set_alarms};
use failover::testing::{FakeAws, Reply, START};
use serde_json::{Value, json};

/// How long the sample plan lets a run take, in milliseconds.
const LONGEST_RUN_MS: i64 = 1_800_000;
const FAILOVER: &str = "alarm-0123456789abcdef01234567";

/// A look at which everything that is looked at is lost, or well.
fn look(seconds: u64, health: &str) -> Value {
    let one = |kind: &str| json!({ "kind": kind, "health": health, "rests_on": [kind], "detail": "seen" });
    json!({ "at": START.plus_millis(seconds * 1000).to_string(), "evidence": [one("endpoint"), one("aurora")] })
}

fn with_history(name: &str, looks: impl IntoIterator<Item = Value>) -> Value {
    let mut request = event(name);
    request["history"] = looks.into_iter().collect();
    request
}

fn active_until_ms(aws: &FakeAws) -> i64 {
    let item = aws.ledger_item("plan#trading").expect("claimed");
    item["active_until_ms"]["N"].as_str().expect("a number").parse().expect("whole")
}

#[tokio::test(start_paused = true)]
async fn a_history_of_200_looks_is_read_and_a_longer_one_is_not() {
    let aws = all_is_well();
    let longest = (0..200).map(|_| look(0, "healthy"));
    assert_eq!(answer(&aws, with_history("decide-alarm", longest)).await["decision"], "wait");
    let longer = with_history("decide-alarm", (0..201).map(|_| look(0, "healthy")));
    let error = invoke(&aws, longer).await.expect_err("too long");
    assert!(error.to_string().starts_with("history: expected at most 200 samples, found 201"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_persons_order_answers_with_its_own_look_alone() {
    let goes =
        decision(&all_is_well(), with_history("decide-switchover", [look(0, "healthy"), look(10, "healthy")])).await;
    assert_eq!(goes["decision"], "fail_over", "{goes}");
    assert_eq!(goes["history"].as_array().map(Vec::len), Some(1), "{}", goes["history"]);
}

#[tokio::test(start_paused = true)]
async fn a_failover_of_this_name_that_has_ended_without_a_decision_is_no_claim() {
    let aws = all_is_well();
    put_plan_item(
        &aws,
        json!({
            "generation": { "N": "4" }, "failover_id": { "S": FAILOVER }, "phase": { "S": "failed" },
            "active_until_ms": { "N": "0" }
        }),
    );
    let well = (0..=6).map(|index| look(index * 10, "healthy"));
    let stays = decision(&aws, with_history("decide-alarm", well)).await;
    assert_ne!(stays["decision"], "fail_over", "no evidence says that the Region is lost: {stays}");
    assert_eq!(aws.ledger_item("plan#trading").expect("there")["generation"]["N"], "4");
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_a_run_up_again_is_told_so() {
    let aws = all_is_well();
    let decided = decision(&aws, event("decide-switchover")).await;
    assert_eq!(decided["decision"], "fail_over", "{decided}");
    let again = answer(&aws, event("decide-switchover")).await;
    let subject = again["notification"]["subject"].as_str().expect("people are told");
    assert_eq!(subject, "Failover of trading resumed: eu-central-1 to eu-west-1");
}

#[tokio::test(start_paused = true)]
async fn a_failover_counts_as_under_way_for_as_long_as_the_plan_lets_a_run_take() {
    let aws = all_is_well();
    decision(&aws, event("decide-switchover")).await;
    assert_eq!(active_until_ms(&aws), START.as_millis() + LONGEST_RUN_MS);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_run_begins_when_it_is_claimed_however_slow_the_ledger_is() {
    let aws = all_is_well();
    let mut request = event("decide-switchover");
    let first = answer(&aws, request.clone()).await;
    request["checked"] = checked(&first, &json!([]));
    // The second read is the claim's, and goes through at the second attempt.
    let absent = || Reply::json(json!({}));
    aws.on("dynamodb", "GetItem", [absent(), Reply::Silence, absent()]);
    assert_eq!(answer(&aws, request).await["decision"], "fail_over");
    let reads = aws.requests_to("dynamodb", "GetItem");
    let waited = reads.last().expect("read").at.saturating_sub(reads[reads.len() - 2].at);
    assert!(!waited.is_zero(), "the ledger kept it waiting");
    let waited_ms = i64::try_from(waited.as_millis()).expect("small");
    assert_eq!(active_until_ms(&aws), START.as_millis() + LONGEST_RUN_MS + waited_ms);
}

#[tokio::test(start_paused = true)]
async fn a_question_to_a_person_comes_with_what_the_checks_found() {
    let aws = all_is_well();
    aws.lose_region(common::HOME);
    aws.on("http", common::HOME_ENDPOINT, [Reply::Silence]);
    set_alarms(&aws, "ALARM", "ALARM");
    tokio::time::advance(std::time::Duration::from_secs(65)).await;
    let blocker = json!([{
        "check": "target-has-an-instance", "subject": "trading-dr", "severity": "blocker",
        "message": "the cluster has no instance", "blocks": "promotion", "cure": "create one"
    }]);
    let lost = (0..=6).map(|index| look(index * 10, "unhealthy"));
    let asks = decision_after_checks(&aws, with_history("decide-alarm", lost), &blocker).await;
    assert_eq!(asks["decision"], "ask", "{asks}");
    assert_eq!(asks["findings"][0]["check"], "target-has-an-instance", "{}", asks["findings"]);
}

/// A run whose fences ended so; one fence for each status.
fn judged(statuses: &[&str], dry_run: bool) -> Value {
    let call = json!({
        "function": "scale-ecs",
        "request": { "target_region": common::HOME, "cluster": "trading", "services": "all", "capacity": "fenced" }
    });
    let end = |status: &&str| {
        let response = json!({
            "status": status, "operation_id": "x", "message": "seen", "observed": null, "action": null,
            "ask_again_after_seconds": 0, "attempt": 1, "elapsed_ms": 1, "from_ledger": false
        });
        json!({ "call": call, "response": response })
    };
    let mut run = event("conclude-succeeded")["run"].clone();
    run["dry_run"] = json!(dry_run);
    run["fences"] = statuses.iter().map(|_| call.clone()).collect();
    json!({ "command": "judge_fences", "run": run, "ends": statuses.iter().map(end).collect::<Vec<_>>() })
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_fences_is_written_down_when_there_are_some_and_it_is_no_rehearsal() {
    for (statuses, dry_run, is_written) in
        [(&["done"][..], false, true), (&["would_act"], true, false), (&[], false, false), (&[], true, false)]
    {
        let aws = FakeAws::new();
        assert_eq!(answer(&aws, judged(statuses, dry_run)).await["verdict"], "go_on");
        let record = aws.ledger_item(&format!("{FAILOVER}#fences"));
        assert_eq!(record.is_some(), is_written, "{statuses:?}, dry run {dry_run}: {record:?}");
    }
}
