//! `trigger` on the wire: SNS events in, requests to AWS out.

#![allow(clippy::expect_used, clippy::wildcard_enum_match_arm, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tokio's clock is paused here")]

mod common;

use std::time::Duration;

use common::{event, invoke, probe};
use failover::contract::{ProbeResponse, TriggerOutcome};
use failover::error::{Error, ErrorCode};
use failover::testing::{self, FakeAws, Reply};
use futures_util::future::join_all;
use health_probe::handle;
use serde_json::{Value, json};

fn ready() -> FakeAws {
    let aws = FakeAws::new();
    let started = json!({ "executionArn": "arn:aws:states:eu-west-1:123456789012:execution:x:y", "startDate": 1 });
    aws.on("states", "StartExecution", [Reply::json(started)]);
    aws.on("sns", "Publish", [published()]);
    aws
}

fn published() -> Reply {
    Reply::xml("<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>")
}

fn outcomes(answer: Result<ProbeResponse, Error>) -> Vec<TriggerOutcome> {
    match answer {
        Ok(ProbeResponse::Trigger(response)) => response.records,
        other => panic!("{other:?}"),
    }
}

fn calls(aws: &FakeAws) -> (usize, usize) {
    (aws.requests_to("states", "StartExecution").len(), aws.requests_to("sns", "Publish").len())
}

/// The one operation that the trigger has in the ledger, by the execution's name.
fn operation(aws: &FakeAws, name: &str) -> Value {
    let key = format!("{name}#trigger#failover-dev-trading-replication-lag");
    aws.ledger_item(&key).unwrap_or_else(|| panic!("no {key} in the ledger"))
}

fn name_of(outcome: &TriggerOutcome) -> String {
    match outcome {
        TriggerOutcome::Started { failover_id } => failover_id.to_string(),
        TriggerOutcome::Ignored { reason } => panic!("ignored: {reason}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_alarm_starts_the_execution_and_tells_people() {
    let aws = ready();
    let outcomes = outcomes(invoke(&aws, event("trigger-metric-alarm")).await);
    let name = name_of(&outcomes[0]);

    let started = &aws.requests_to("states", "StartExecution")[0];
    assert_eq!(started.region, "eu-west-1");
    assert_eq!(started.body["name"], name);
    assert_eq!(
        started.body["stateMachineArn"],
        "arn:aws:states:eu-west-1:123456789012:stateMachine:failover-dev-trading"
    );
    let input: Value = serde_json::from_str(started.body["input"].as_str().expect("text")).expect("JSON");
    assert_eq!(
        input,
        json!({
            "plan": "trading",
            "trigger": {
                "kind": "alarm",
                "alarm_arn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:failover-dev-trading-replication-lag",
                "alarm_name": "failover-dev-trading-replication-lag",
                "state_changed_at": "2026-11-21T03:59:30.123Z",
                "reason":
                    "Threshold Crossed: 2 out of the last 2 datapoints were greater than the threshold (60000.0)."
            }
        })
    );
    let told = &aws.requests_to("sns", "Publish")[0];
    assert_eq!(told.body["TopicArn"], "arn:aws:sns:eu-west-1:123456789012:failover-dev");
    assert_eq!(told.body["Subject"], "Failover of trading considered: alarm failover-dev-trading-replication-lag");
    assert!(told.body["Message"].as_str().expect("text").contains("kill_switch"));
    assert_eq!(operation(&aws, &name)["status"]["S"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_deliveries_one_after_another_start_once_and_each_later_one_costs_one_call() {
    let aws = ready();
    let mut names = Vec::new();
    for delivery in 0..100 {
        let before = aws.all_requests().len();
        names.push(name_of(&outcomes(invoke(&aws, event("trigger-metric-alarm")).await)[0]));
        if delivery > 0 {
            assert_eq!(aws.all_requests().len() - before, 1, "delivery {delivery}");
        }
    }
    names.dedup();
    assert_eq!(names.len(), 1);
    assert_eq!(calls(&aws), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_deliveries_at_once_start_once_and_none_fails() {
    let aws = ready();
    // The first answer to the one that works is lost, so that all others find it at work.
    let reply = |name: &str| json!({ "executionArn": name, "startDate": 1 });
    aws.on("states", "StartExecution", [Reply::Silence, Reply::json(reply("x"))]);
    let deliveries = (0..100).map(|_| invoke(&aws, event("trigger-metric-alarm")));
    for answer in join_all(deliveries).await {
        name_of(&outcomes(answer)[0]);
    }
    assert_eq!(calls(&aws), (2, 1), "one attempt whose answer was lost, repeated under the same name");
    let names: Vec<Value> =
        aws.requests_to("states", "StartExecution").iter().map(|request| request.body["name"].clone()).collect();
    assert_eq!(names[0], names[1]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_died_is_taken_over_once_its_lease_has_run_out() {
    let aws = ready();
    let dying = probe(&aws);
    aws.on("states", "StartExecution", [Reply::Silence]);
    let deadline = testing::deadline(&dying.tools.env, &dying.tools.config);
    let killed = tokio::time::timeout(Duration::from_secs(1), handle(&dying, event("trigger-metric-alarm"), deadline));
    killed.await.expect_err("killed while it called AWS");

    aws.on("states", "StartExecution", [Reply::error("ExecutionAlreadyExists", "it had arrived")]);
    let error = invoke(&aws, event("trigger-metric-alarm")).await.expect_err("the lease still runs");
    assert_eq!(error.code(), ErrorCode::InProgress, "Lambda tries again a minute later");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let name = name_of(&outcomes(invoke(&aws, event("trigger-metric-alarm")).await)[0]);
    assert_eq!(operation(&aws, &name)["status"]["S"], "completed");
    assert_eq!(calls(&aws), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_died_while_it_told_people_is_taken_over_and_tells_them_again() {
    let aws = ready();
    aws.on("sns", "Publish", [Reply::Silence, published()]);
    let dying = probe(&aws);
    let deadline = testing::deadline(&dying.tools.env, &dying.tools.config);
    let killed = tokio::time::timeout(Duration::from_secs(1), handle(&dying, event("trigger-metric-alarm"), deadline));
    killed.await.expect_err("killed while it called AWS");

    aws.on("states", "StartExecution", [Reply::error("ExecutionAlreadyExists", "it had been started")]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let name = name_of(&outcomes(invoke(&aws, event("trigger-metric-alarm")).await)[0]);
    assert_eq!(operation(&aws, &name)["status"]["S"], "completed");
    assert_eq!(calls(&aws), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn the_two_alarms_of_one_loss_are_two_incidents() {
    let aws = ready();
    let outcomes = outcomes(invoke(&aws, event("trigger-several-records")).await);
    assert_ne!(name_of(&outcomes[0]), name_of(&outcomes[2]));
    assert!(matches!(&outcomes[1], TriggerOutcome::Ignored { reason } if reason.contains("went to OK")));
    assert_eq!(calls(&aws), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_composite_alarm_starts_as_well() {
    let aws = ready();
    name_of(&outcomes(invoke(&aws, event("trigger-composite-alarm")).await)[0]);
    assert_eq!(calls(&aws), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_ok_transition_and_an_unknown_alarm_start_nothing_and_ask_nothing() {
    for (sample, reason) in [
        ("trigger-ok-transition", "went to OK, which starts nothing"),
        ("trigger-unknown-alarm", "is not among TRIGGER_ALARM_ARNS"),
    ] {
        let aws = FakeAws::new();
        let outcomes = outcomes(invoke(&aws, event(sample)).await);
        assert!(matches!(&outcomes[0], TriggerOutcome::Ignored { reason: found } if found.contains(reason)));
        assert!(aws.all_requests().is_empty(), "{sample}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_record_fails_the_event_after_the_good_ones_are_handled() {
    let aws = ready();
    for _ in 0..3 {
        let error = invoke(&aws, event("trigger-malformed")).await.expect_err("record 1 is malformed");
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        let text = error.to_string();
        assert!(text.starts_with("Records[1].Sns.Message") && text.contains("StateChangeTime"), "{text}");
    }
    assert_eq!(calls(&aws), (1, 1), "Lambda's repeats find the good record done");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_none_is_named_and_asks_nothing() {
    for (event, field) in [
        (event("trigger-not-an-alarm"), "Records[0].Sns.Message: "),
        (json!({ "Records": "none" }), "Records: "),
        (json!({ "Records": [] }), "Records: "),
        (json!({ "Records": [{ "EventSource": "aws:s3" }] }), "Records[0]"),
        (json!({ "Records": [7] }), "Records[0]: "),
    ] {
        let aws = FakeAws::new();
        let error = invoke(&aws, event.clone()).await.expect_err(field);
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{event}");
        assert!(error.to_string().starts_with(field), "{error}");
        assert!(aws.all_requests().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_execution_of_the_incident_that_has_ended_counts_as_started() {
    let aws = ready();
    aws.on("states", "StartExecution", [Reply::error("ExecutionAlreadyExists", "closed")]);
    name_of(&outcomes(invoke(&aws, event("trigger-metric-alarm")).await)[0]);
    assert_eq!(calls(&aws), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn each_error_of_start_execution_has_its_code_and_nobody_is_told() {
    for (status, code, expected, attempts) in [
        (400, "StateMachineDoesNotExist", ErrorCode::Config, 1),
        (400, "StateMachineDeleting", ErrorCode::Config, 1),
        (400, "InvalidArn", ErrorCode::Config, 1),
        (400, "AccessDeniedException", ErrorCode::Denied, 1),
        (400, "KmsAccessDeniedException", ErrorCode::Denied, 1),
        (400, "ThrottlingException", ErrorCode::Transient, 3),
        (400, "ExecutionLimitExceeded", ErrorCode::Transient, 1),
        (400, "KmsThrottlingException", ErrorCode::Transient, 1),
        (500, "InternalServerError", ErrorCode::Transient, 3),
    ] {
        let aws = ready();
        aws.on("states", "StartExecution", [Reply::Error(status, code.to_owned(), "because".to_owned())]);
        let error = invoke(&aws, event("trigger-metric-alarm")).await.expect_err(code);
        assert_eq!(error.code(), expected, "{code}: {error}");
        assert_eq!(calls(&aws), (attempts, 0), "{code}");

        let recovered = ready();
        recovered.on(
            "states",
            "StartExecution",
            [Reply::Error(status, code.to_owned(), "because".to_owned()), Reply::json(json!({ "startDate": 1 }))],
        );
        if invoke(&recovered, event("trigger-metric-alarm")).await.is_err() {
            name_of(&outcomes(invoke(&recovered, event("trigger-metric-alarm")).await)[0]);
        }
        assert_eq!(calls(&recovered).1, 1, "{code}: the repeat is not held up by the failure before");
    }
}

#[tokio::test(start_paused = true)]
async fn each_error_of_publish_has_its_code_and_the_repeat_tells_people_once() {
    for (status, code, expected) in [
        (404, "NotFound", ErrorCode::Config),
        (400, "InvalidParameter", ErrorCode::Config),
        (403, "AuthorizationError", ErrorCode::Denied),
        (403, "KMSAccessDenied", ErrorCode::Denied),
    ] {
        let aws = ready();
        aws.on("sns", "Publish", [Reply::Error(status, code.to_owned(), "because".to_owned()), published()]);
        let error = invoke(&aws, event("trigger-metric-alarm")).await.expect_err(code);
        assert_eq!(error.code(), expected, "{code}: {error}");
        name_of(&outcomes(invoke(&aws, event("trigger-metric-alarm")).await)[0]);
        assert_eq!(calls(&aws), (2, 2), "{code}: refused once, then accepted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_notification_is_sent_again_at_once() {
    for first in [Reply::error("Throttled", "slow down"), Reply::error("KMSThrottling", "slow down"), Reply::Refused] {
        let aws = ready();
        let described = format!("{first:?}");
        aws.on("sns", "Publish", [first, published()]);
        name_of(&outcomes(invoke(&aws, event("trigger-metric-alarm")).await)[0]);
        assert_eq!(calls(&aws), (1, 2), "{described}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_notification_of_unknown_fate_fails_the_delivery_whose_repeat_sends_it_again() {
    let failed = || Reply::Error(500, "InternalError".to_owned(), "failed".to_owned());
    for first in [Reply::Reset, Reply::Silence, failed()] {
        let aws = ready();
        let described = format!("{first:?}");
        aws.on("sns", "Publish", [first, published()]);
        let error = invoke(&aws, event("trigger-metric-alarm")).await.expect_err("unknown");
        assert_eq!(error.code(), ErrorCode::Transient, "{described}: {error}");
        name_of(&outcomes(invoke(&aws, event("trigger-metric-alarm")).await)[0]);
        assert_eq!(calls(&aws), (2, 2), "{described}");
    }
}
