//! `watch` against a scripted AWS: whom it looks at, what it makes of silence, and whose writer lease it renews (X1).
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

mod common;

use std::time::Duration;

use common::{HOME, HOME_ENDPOINT, STANDBY, STANDBY_ENDPOINT, all_is_well, asked, event, probe, put_plan_item, status};
use failover::contract::ProbeResponse;
use failover::error::{Error, ErrorCode};
use failover::testing::{self, FakeAws, Reply, START};
use health_probe::handle;
use serde_json::{Value, json};

/// One look, for a plan whose applications hold a lease of 150 s.
async fn watch(aws: &FakeAws) -> Result<ProbeResponse, Error> {
    let mut probe = probe(aws);
    probe.settings.watched.writer_lease = Some(Duration::from_secs(150));
    let deadline = testing::deadline(&probe.tools.env, &probe.tools.config);
    handle(&probe, event("watch"), deadline).await
}

/// What it saw, as JSON.
async fn seen_by_watch(aws: &FakeAws) -> Value {
    serde_json::to_value(watch(aws).await.expect("an answer")).expect("JSON")
}

/// The lease in the ledger: its Region, and for how many seconds from the start it runs.
fn lease(aws: &FakeAws) -> Option<(String, i64)> {
    let item = aws.ledger_item("plan#trading")?;
    let until: i64 = item["writer_until_ms"]["N"].as_str()?.parse().expect("a number");
    Some((item["writer_region"]["S"].as_str()?.to_owned(), (until - START.as_millis()) / 1_000))
}

fn failover(phase: &str, more: &Value) -> Value {
    let mut item = json!({
        "generation": { "N": "1" }, "failover_id": { "S": "one" }, "phase": { "S": phase },
        "active_until_ms": { "N": START.plus_millis(60_000).as_millis().to_string() },
        "direction": { "S": format!("{HOME}>{STANDBY}") },
    });
    item.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    item
}

fn held_by(region: &str, generation: u64, until_ms: i64) -> Value {
    json!({
        "writer_region": { "S": region }, "writer_generation": { "N": generation.to_string() },
        "writer_until_ms": { "N": until_ms.to_string() }, "writer_length_ms": { "N": "150000" },
    })
}

#[tokio::test(start_paused = true)]
async fn before_the_first_failover_the_home_region_is_watched_and_its_lease_renewed() {
    let aws = all_is_well();
    let seen = seen_by_watch(&aws).await;
    assert_eq!(seen["region"], HOME);
    assert_eq!((&seen["healthy"], &seen["region_answers"]), (&json!(true), &json!(true)));
    assert_eq!(lease(&aws), Some((HOME.to_owned(), 150)));
    assert_eq!(asked(&aws), [format!(" http:{HOME_ENDPOINT}"), format!("{HOME} rds:DescribeDBClusters")]);
}

#[tokio::test(start_paused = true)]
async fn after_a_failover_the_new_region_is_watched_and_its_lease_renewed() {
    let aws = all_is_well();
    let mut item = failover("succeeded", &held_by(STANDBY, 1, START.as_millis()));
    item["active_region"] = json!({ "S": STANDBY });
    put_plan_item(&aws, item);
    let seen = seen_by_watch(&aws).await;
    assert_eq!((&seen["region"], &seen["healthy"]), (&json!(STANDBY), &json!(true)));
    assert_eq!(seen["region_answers"], Value::Null, "no witness in a case of its own");
    assert_eq!(lease(&aws), Some((STANDBY.to_owned(), 150)));
    assert!(aws.requests_to("rds", "DescribeDBClusters").is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_an_endpoint_that_answers_2xx_is_healthy_and_keeps_its_lease() {
    for (reply, healthy) in [
        (status(200), true),
        (status(404), false),
        (status(503), false),
        (Reply::Refused, false),
        (Reply::Silence, false),
    ] {
        let aws = all_is_well();
        let described = format!("{reply:?}");
        aws.on("http", HOME_ENDPOINT, [reply]);
        let seen = seen_by_watch(&aws).await;
        assert_eq!((&seen["healthy"], &seen["region_answers"]), (&json!(healthy), &json!(true)), "{described}");
        let detail = seen["detail"].as_str().expect("text");
        assert!(detail.starts_with("eu-central-1: https://app.eu-central-1.example.com/health "), "{detail}");
        assert_eq!(lease(&aws).is_some(), healthy, "{seen}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_that_is_gone_is_silent_twice_and_a_denied_call_tells_nothing() {
    let aws = all_is_well();
    aws.lose_region(HOME);
    aws.on("http", HOME_ENDPOINT, [Reply::Silence]);
    let seen = seen_by_watch(&aws).await;
    assert_eq!((&seen["healthy"], &seen["region_answers"]), (&json!(false), &json!(false)));

    let aws = all_is_well();
    for reply in [Reply::error("AccessDenied", "not authorized"), Reply::error("DBClusterNotFoundFault", "none")] {
        aws.on_in(HOME, "rds", "DescribeDBClusters", [reply]);
        let seen = seen_by_watch(&aws).await;
        assert_eq!((&seen["healthy"], &seen["region_answers"]), (&json!(true), &Value::Null));
    }
}

#[tokio::test(start_paused = true)]
async fn without_aurora_the_regions_dynamodb_is_asked_for_the_workloads_table() {
    let look = async |aws: &FakeAws| {
        let mut probe = probe(aws);
        probe.settings.watched.clusters.clear();
        probe.settings.watched.table = Some("transactions-prod".to_owned());
        let deadline = testing::deadline(&probe.tools.env, &probe.tools.config);
        let seen = handle(&probe, event("watch"), deadline).await.expect("an answer");
        serde_json::to_value(seen).expect("JSON")["region_answers"].clone()
    };
    let table = || json!({ "Table": { "TableName": "transactions-prod" } });
    for (reply, answers) in [
        (Reply::json(table()), json!(true)),
        (Reply::Error(500, "InternalServerError".to_owned(), "come again".to_owned()), json!(false)),
        (Reply::Silence, json!(false)),
        (Reply::error("AccessDeniedException", "not authorized"), Value::Null),
        (Reply::error("ResourceNotFoundException", "none"), Value::Null),
    ] {
        let aws = all_is_well();
        let described = format!("{reply:?}");
        aws.on_in(HOME, "dynamodb", "DescribeTable", [reply]);
        assert_eq!(look(&aws).await, answers, "{described}");
        let asked = aws.requests_to("dynamodb", "DescribeTable");
        assert_eq!(asked.len(), 1, "{described}: the next look is a minute away");
        assert_eq!(asked[0].body["TableName"], "transactions-prod");
        assert!(aws.requests_to("rds", "DescribeDBClusters").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn silence_proves_nothing_when_the_ledger_is_silent_too() {
    let aws = all_is_well();
    aws.on("http", HOME_ENDPOINT, [Reply::Silence]);
    let asked = std::sync::atomic::AtomicUsize::new(0);
    // The first read says whom to watch; then this side's network is gone.
    aws.on(
        "dynamodb",
        "GetItem",
        [Reply::from_fn(move |_| match asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Reply::json(json!({})),
            _ => Reply::Silence,
        })],
    );
    let error = watch(&aws).await.expect_err("nothing could be seen");
    assert_eq!(error.code(), ErrorCode::Transient);
}

#[tokio::test(start_paused = true)]
async fn a_failover_under_way_keeps_the_lease_from_being_renewed_and_the_watch_goes_on() {
    let aws = all_is_well();
    put_plan_item(&aws, failover("active", &held_by(HOME, 0, START.as_millis() + 100_000)));
    let seen = seen_by_watch(&aws).await;
    assert_eq!((&seen["region"], &seen["healthy"]), (&json!(HOME), &json!(true)));
    assert!(seen["writer_lease"].as_str().expect("said").contains("failover one is under way"), "{seen}");
    assert_eq!(lease(&aws), Some((HOME.to_owned(), 100)));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_handed_over_is_renewed_for_the_target_once_that_serves() {
    for phase in ["active", "failed"] {
        let aws = all_is_well();
        put_plan_item(&aws, failover(phase, &held_by(STANDBY, 1, START.as_millis() + 100_000)));
        aws.on("http", STANDBY_ENDPOINT, [status(503)]);
        let seen = seen_by_watch(&aws).await;
        assert_eq!(seen["region"], HOME, "by the ledger the plan is active there");
        assert_eq!(lease(&aws), Some((STANDBY.to_owned(), 100)), "{seen}");
        aws.on("http", STANDBY_ENDPOINT, [status(200)]);
        seen_by_watch(&aws).await;
        assert_eq!(lease(&aws), Some((STANDBY.to_owned(), 150)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_that_nobody_named_an_endpoint_for_is_a_fault_of_the_configuration() {
    let aws = all_is_well();
    put_plan_item(&aws, json!({ "active_region": { "S": "us-east-1" } }));
    let error = watch(&aws).await.expect_err("not watched");
    assert_eq!(error.code(), ErrorCode::Config);
    assert!(error.to_string().contains("WATCHED_ENDPOINTS") && error.to_string().contains("us-east-1"), "{error}");
}
