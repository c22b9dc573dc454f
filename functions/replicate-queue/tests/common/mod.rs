//! What the tests of this function have in common: the function itself over a scripted AWS.

use failover::contract::Region;
use failover::env::{Deadline, Env};
use failover::error::Error;
use failover::testing::FakeAws;
use replicate_queue::{Outcome, ReplicateQueue, Settings, TIME_TO_SEND};
use serde_json::{Value, json};

/// The function of a Region, with the clock it lives by.
pub(crate) struct Function {
    queue: ReplicateQueue,
    env: Env,
}

impl Function {
    /// One that sends to `destination`.
    pub(crate) fn to(destination: &str, aws: &FakeAws) -> Self {
        let tools = aws.toolbox();
        let settings = Settings {
            destination_region: Region::parse(destination).expect("a Region"),
            destination_queue_url: queue_url(destination),
        };
        Self { queue: ReplicateQueue::new(settings, tools.env.clone(), &tools.clients), env: tools.env }
    }

    /// What becomes of a batch.
    pub(crate) async fn outcome(&self, event: Value) -> Result<Outcome, Error> {
        let deadline = Deadline::new(self.env.now(), TIME_TO_SEND, 0);
        replicate_queue::handle(&self.queue, event, deadline).await
    }

    /// The ids of the messages that Lambda is to deliver again.
    pub(crate) async fn failures(&self, event: Value) -> Result<Vec<String>, Error> {
        let answer = serde_json::to_value(self.outcome(event).await?.answer()).expect("an answer");
        let items = answer["batchItemFailures"].as_array().expect("a list").clone();
        Ok(items.iter().map(|item| item["itemIdentifier"].as_str().expect("an id").to_owned()).collect())
    }
}

pub(crate) fn queue_url(region: &str) -> String {
    format!("https://sqs.{region}.amazonaws.com/123456789012/payments-queue")
}

/// A message as it stands in Lambda's event.
pub(crate) fn record(id: &str, region: &str, body: &str, attributes: &Value) -> Value {
    json!({
        "messageId": id, "receiptHandle": format!("handle-{id}"), "body": body, "awsRegion": region,
        "attributes": { "ApproximateReceiveCount": "1" }, "messageAttributes": attributes,
        "eventSource": "aws:sqs", "eventSourceARN": format!("arn:aws:sqs:{region}:123456789012:payments-replication"),
    })
}

/// An entry of SQS's answer for a message that it took.
pub(crate) fn taken(entry: &Value) -> Value {
    json!({ "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "d" })
}

/// The entries of a request.
pub(crate) fn entries(body: &Value) -> Vec<Value> {
    body["Entries"].as_array().expect("entries").clone()
}
