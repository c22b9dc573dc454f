//! `health-probe` as the last block of a Region switch plan: a Region that serves is a success, anything else an error
//! that has Region switch ask again (X9).

mod common;

use common::{HOME, HOME_ENDPOINT, STANDBY, STANDBY_ENDPOINT, all_is_well, answer, asked, event, invoke, status};
use failover::error::ErrorCode;
use failover::testing::Reply;
use serde_json::{Value, json};

/// The sample event for this Region.
fn activate(region: &str) -> Value {
    let mut event = event("region-switch-activate");
    event["targetRegion"] = json!(region);
    event
}

#[tokio::test(start_paused = true)]
async fn a_region_that_serves_is_a_success_and_only_its_endpoint_is_asked() {
    for (region, endpoint) in [(HOME, HOME_ENDPOINT), (STANDBY, STANDBY_ENDPOINT)] {
        let aws = all_is_well();
        let seen = answer(&aws, activate(region)).await;
        assert_eq!((&seen["region"], &seen["healthy"]), (&json!(region), &json!(true)));
        assert_eq!(asked(&aws), [format!(" http:{endpoint}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_that_begins_to_serve_within_the_invocation_is_a_success() {
    let aws = all_is_well();
    aws.on("http", STANDBY_ENDPOINT, [status(503), Reply::Refused, status(200)]);
    let seen = answer(&aws, activate(STANDBY)).await;
    assert_eq!(seen["healthy"], true);
    assert_eq!(aws.requests_to("http", STANDBY_ENDPOINT).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_does_not_serve_is_an_error_that_says_what_was_seen() {
    for (reply, words) in [(status(503), "answered 503"), (Reply::Refused, "did not answer")] {
        let aws = all_is_well();
        aws.on("http", STANDBY_ENDPOINT, [reply]);
        let error = invoke(&aws, activate(STANDBY)).await.expect_err(words);
        assert_eq!(error.code(), ErrorCode::Refused);
        let message = error.to_string();
        assert!(message.contains(words) && message.contains("eu-west-1 does not serve"), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_action_and_a_region_without_an_endpoint_are_errors_that_ask_nobody() {
    let aws = all_is_well();
    let mut deactivate = activate(HOME);
    deactivate["action"] = json!("deactivate");
    for (event, field) in [(deactivate, "action: "), (activate("us-east-1"), "targetRegion: ")] {
        let error = invoke(&aws, event).await.expect_err(field);
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert!(error.to_string().starts_with(field), "{error}");
    }
    assert!(asked(&aws).is_empty());
}
