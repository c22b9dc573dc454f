//! The real SDK client against a scripted AWS: what goes over the wire, and what becomes of each answer.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use common::{Function, entries, queue_url, record, taken};
use failover::config::{Access, Variables};
use failover::error::ErrorCode;
use failover::testing::{FakeAws, Reply};
use replicate_queue::plan::MOST_BYTES;
use replicate_queue::{Outcome, Settings};
use serde_json::{Value, json};

const BATCH: &str = include_str!("../events/batch.json");
const ECHO: &str = include_str!("../events/echo.json");
const BAD: &str = include_str!("../events/bad-missing-field.json");

fn read(event: &str) -> Value {
    serde_json::from_str(event).expect("an event")
}

fn everything_taken() -> Reply {
    Reply::from_fn(|request| {
        let taken: Vec<Value> = entries(&request.body).iter().map(taken).collect();
        Reply::json(json!({ "Successful": taken, "Failed": [] }))
    })
}

fn aws(replies: impl IntoIterator<Item = Reply>) -> (FakeAws, Function) {
    let aws = FakeAws::new();
    aws.on_in("us-east-2", "sqs", "SendMessageBatch", replies);
    let function = Function::to("us-east-2", &aws);
    (aws, function)
}

fn batch_of(messages: &[(&str, &str)]) -> Value {
    let records: Vec<Value> = messages.iter().map(|(id, body)| record(id, "us-east-1", body, &json!({}))).collect();
    json!({ "Records": records })
}

#[tokio::test(start_paused = true)]
async fn body_and_attributes_arrive_as_they_were_with_the_origin_added() {
    let (aws, function) = aws([everything_taken()]);
    assert_eq!(function.failures(read(BATCH)).await.expect("sent"), Vec::<String>::new());
    let requests = aws.requests();
    assert_eq!(requests.len(), 1, "one call for the batch");
    assert_eq!(requests[0].body["QueueUrl"], queue_url("us-east-2"));
    let origin = |id: &str| json!({ "DataType": "String", "StringValue": format!("us-east-1:{id}") });
    assert_eq!(
        entries(&requests[0].body),
        [
            json!({
                "Id": "0",
                "MessageBody": "{\"transaction_id\":\"T-1\",\"amount\":\"12.50\"}",
                "MessageAttributes": {
                    "kind": { "DataType": "String", "StringValue": "payment" },
                    "amount": { "DataType": "Number.EUR", "StringValue": "12.50" },
                    "signature": { "DataType": "Binary", "BinaryValue": "AAEC/w==" },
                    "replicated-from": origin("059f36b4-87a3-44ab-83d2-661975830a7d"),
                },
            }),
            json!({
                "Id": "1",
                "MessageBody": "plain",
                "MessageGroupId": "account-7",
                "MessageAttributes": { "replicated-from": origin("2e1424d4-f796-459a-8184-9c92662be6da") },
            }),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_came_from_the_other_region_is_dropped_without_a_call() {
    let (aws, function) = aws([everything_taken()]);
    let outcome = function.outcome(read(ECHO)).await.expect("dropped");
    assert_eq!(outcome, Outcome { replicated: 0, echoes: 1, failed: Vec::new() });
    assert_eq!(aws.requests(), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_or_not_mentioned_or_contradictory_comes_again_and_the_rest_does_not() {
    let (_, function) = aws([Reply::from_fn(|request| {
        let sent = entries(&request.body);
        let refused = |entry: &Value, fault: bool| json!({ "Id": entry["Id"], "SenderFault": fault, "Code": "InternalError", "Message": "try again" });
        Reply::json(json!({
            "Successful": [taken(&sent[0]), taken(&sent[3]), json!({ "Id": "9", "MessageId": "m", "MD5OfMessageBody": "d" })],
            "Failed": [refused(&sent[1], true), refused(&sent[2], false), refused(&sent[3], false)],
        }))
    })]);
    let event = batch_of(&[("taken", "x"), ("fault", "x"), ("failed", "x"), ("both", "x"), ("silent", "x")]);
    let outcome = function.outcome(event).await.expect("answered");
    let failed = ["fault", "failed", "both", "silent"].map(str::to_owned).to_vec();
    assert_eq!(outcome, Outcome { replicated: 1, echoes: 0, failed });
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_everything_comes_again() {
    let losses = [Reply::Silence, Reply::Reset, Reply::Refused, Reply::Error(500, "Oops".into(), "later".into())];
    for reply in
        losses.into_iter().chain([Reply::error("RequestThrottled", "slow"), Reply::error("AccessDenied", "no")])
    {
        let (_, function) = aws([reply.clone()]);
        let failures = function.failures(batch_of(&[("a", "x"), ("b", "y")])).await.expect("answered");
        assert_eq!(failures, ["a", "b"], "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_for_which_all_are_refused_does_not_hold_up_the_others() {
    let (aws, function) = aws([Reply::from_fn(|request| {
        let sent = entries(&request.body);
        if sent.iter().any(|entry| entry["MessageBody"] == "poison") {
            return Reply::error("InvalidMessageContents", "not allowed");
        }
        Reply::json(json!({ "Successful": sent.iter().map(taken).collect::<Vec<_>>() }))
    })]);
    let failures = function.failures(batch_of(&[("a", "x"), ("b", "poison"), ("c", "z")])).await.expect("answered");
    assert_eq!(failures, ["b"]);
    assert_eq!(aws.requests().len(), 4, "together, then each for itself");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_large_for_one_call_is_sent_in_several() {
    let (aws, function) = aws([everything_taken()]);
    let body = "x".repeat(MOST_BYTES / 2);
    let event = batch_of(&[("a", &body), ("b", &body), ("c", "small")]);
    assert_eq!(function.failures(event).await.expect("sent"), Vec::<String>::new());
    let sizes: Vec<usize> = aws.requests().iter().map(|request| entries(&request.body).len()).collect();
    assert_eq!(sizes, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_through_in_time_comes_again() {
    let (aws, function) = aws([Reply::Silence]);
    let body = "x".repeat(MOST_BYTES - 100);
    let event = batch_of(&[("a", &body), ("b", &body), ("c", &body), ("d", &body)]);
    assert_eq!(function.failures(event).await.expect("answered"), ["a", "b", "c", "d"]);
    let began: Vec<u64> = aws.requests().iter().map(|request| request.at.as_secs()).collect();
    assert_eq!(began, [0, 5], "two calls fit into the time, the second cut short");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_comes_again_and_holds_up_nobody() {
    let (_, function) = aws([everything_taken()]);
    let unreadable = json!({ "odd": { "dataType": "String" } });
    let records = [record("good", "us-east-1", "x", &json!({})), record("odd", "us-east-1", "x", &unreadable)];
    assert_eq!(function.failures(json!({ "Records": records })).await.expect("answered"), ["odd"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_no_batch_is_refused_with_the_field() {
    for (event, field) in [(read(BAD), "Records[0].messageId"), (json!({ "command": "sync" }), "Records")] {
        let (aws, function) = aws([everything_taken()]);
        let error = function.failures(event).await.expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert!(error.to_string().contains(field), "{error}");
        assert_eq!(aws.requests(), []);
    }
}

/// An environment in which everything is set, and which remembers what was asked for.
struct Remembering(RefCell<BTreeSet<String>>);

impl Variables for Remembering {
    fn get(&self, name: &str) -> Option<String> {
        self.0.borrow_mut().insert(name.to_owned());
        let value = match name {
            "DESTINATION_REGION" => "us-east-2",
            "AWS_CALL_TIMEOUT_SECONDS" => "5",
            _ => "https://example.com/queue",
        };
        Some(value.to_owned())
    }
}

#[test]
fn the_variables_that_are_read_are_those_that_the_template_sets() {
    let variables = Remembering(RefCell::default());
    Settings::read(&variables).expect("complete");
    let template = workloads::template(&workloads::project_root().join("infra/modules/queues.yaml")).expect("readable");
    let set = &template["Resources"]["ReplicateQueueFunction"]["Properties"]["Environment"]["Variables"];
    let set: BTreeSet<String> = set.as_object().expect("variables").keys().cloned().collect();
    assert_eq!(variables.0.take(), set);
    // What all functions have beyond that comes from Lambda, or has a default.
    Access::read(&variables, "replicate-queue").expect("complete");
    assert!(variables.0.take().iter().all(|name| name.starts_with("AWS_")));
}

#[test]
fn a_variable_that_is_missing_or_malformed_is_named() {
    let complete = BTreeMap::from([("DESTINATION_REGION", "us-east-2"), ("DESTINATION_QUEUE_URL", "https://x/q")]);
    Settings::read(&complete).expect("complete");
    for (name, wrong) in [("DESTINATION_REGION", "Ohio"), ("DESTINATION_QUEUE_URL", "queue")] {
        let mut variables = complete.clone();
        variables.insert(name, wrong);
        assert!(Settings::read(&variables).expect_err(name).to_string().contains(name));
        variables.remove(name);
        assert!(Settings::read(&variables).expect_err(name).to_string().contains(name));
    }
}
