//! SNS events with alarm messages, as `health-probe` gets them.

use failover::contract::{ExecutionInput, FailoverId, ProbeResponse, TriggerOutcome};
use failover::error::ErrorCode;
use failover::testing::FakeAws;
use serde_json::{Value, json};

use super::world;

/// An SNS event. What is no SNS event is taken for the text of an alarm's message, so that both are tried out.
///
/// - A refused record starts nothing; and nothing is asked of AWS where every record was refused.
/// - An execution's name and input are such as Step Functions takes and the state machine reads.
/// - The same alarm has the same name, whoever delivers it, and is started once however often it is delivered.
pub fn alarm_event(bytes: &[u8]) {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let event = if value.get("Records").is_some() { value } else { around(bytes) };
    let (once, twice) = (world::run(after(&event, 1)), world::run(after(&event, 2)));
    assert_eq!(executions(&event, &once), executions(&event, &twice), "a repeat starts nothing new, and nothing else");
}

/// An SNS event around a message.
fn around(message: &[u8]) -> Value {
    let record = json!({
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": "arn:aws:sns:eu-west-1:123456789012:failover-dev-alarms:2bcfbf39",
        "Sns": {
            "Type": "Notification",
            "MessageId": "95df01b4",
            "TopicArn": "arn:aws:sns:eu-west-1:123456789012:failover-dev-alarms",
            "Subject": "ALARM",
            "Message": String::from_utf8_lossy(message),
            "Timestamp": "2026-11-21T03:59:31.000Z",
            "SignatureVersion": "1",
            "Signature": "EXAMPLE",
            "SigningCertUrl": "https://sns.eu-west-1.amazonaws.com/example.pem",
            "UnsubscribeUrl": "https://sns.eu-west-1.amazonaws.com/",
            "MessageAttributes": {}
        }
    });
    json!({ "Records": [record] })
}

/// AWS after so many deliveries of the event.
async fn after(event: &Value, deliveries: u32) -> FakeAws {
    let aws = world::aws();
    for _ in 0..deliveries {
        let asked_before = aws.all_requests().len();
        match world::probe(&aws, event.clone()).await {
            Ok(ProbeResponse::Trigger(answer)) => {
                let started: Vec<&FailoverId> = answer.records.iter().filter_map(started).collect();
                assert!(started.iter().all(|id| is_name(id.as_str())), "{started:?}");
            }
            Ok(other) => panic!("an SNS event was answered as something else: {other:?}"),
            Err(error) => {
                super::check_error(&error);
                if error.code() == ErrorCode::InvalidRequest && records(event) <= 1 {
                    assert_eq!(aws.all_requests().len(), asked_before, "{error}, but it asked something of AWS");
                }
            }
        }
    }
    aws
}

fn records(event: &Value) -> usize {
    event["Records"].as_array().map_or(0, Vec::len)
}

fn started(outcome: &TriggerOutcome) -> Option<&FailoverId> {
    match outcome {
        TriggerOutcome::Started { failover_id } => Some(failover_id),
        TriggerOutcome::Ignored { .. } => None,
    }
}

/// The names of the executions that were started, each with an input that the state machine can read.
fn executions(event: &Value, aws: &FakeAws) -> Vec<String> {
    world::written_keys(aws);
    let starts = aws.requests_to("states", "StartExecution");
    assert!(starts.len() <= records(event), "more than one start for a record");
    let mut names = Vec::new();
    for start in &starts {
        let name = start.body["name"].as_str().expect("a name").to_owned();
        assert!(is_name(&name), "no name for an execution: {name:?}");
        let input = start.body["input"].as_str().expect("an input");
        let input: Value = serde_json::from_str(input).expect("the input is JSON");
        assert!(super::read::<ExecutionInput>(&input).is_some(), "the state machine cannot read {input}");
        names.push(name);
    }
    for message in aws.requests_to("sns", "Publish") {
        let subject = message.body["Subject"].as_str().expect("a subject");
        let printable = subject.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        assert!(!subject.is_empty() && subject.len() <= 100 && printable, "SNS takes no such subject: {subject:?}");
    }
    names
}

/// Whether Step Functions takes it as an execution's name; the letters that it takes beside these are not used.
/// Source: <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
fn is_name(text: &str) -> bool {
    (1..=80).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
