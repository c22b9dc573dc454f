//! Hears what an SNS topic sends, through a queue of the drill's own.

use std::time::Duration;

use serde_json::{Value, json};

use crate::aws::{Aws, xml_text, xml_texts};
use crate::error::{Error, Result};

/// Messages in one answer; the most that SQS gives.
const BATCH: &str = "10";
/// A drill sends far fewer than this many batches.
const MAX_BATCHES: u32 = 100;
const POLL: Duration = Duration::from_millis(50);

/// A queue on a topic.
#[derive(Clone, Debug)]
pub struct Listener {
    aws: Aws,
    region: String,
    queue_url: String,
}

/// A message as the topic's subscribers get it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Message {
    /// Subject; empty when there is none.
    pub subject: String,
    /// Text.
    pub text: String,
}

impl Listener {
    /// Creates the queue `name` in the topic's Region, lets the topic send to it, and subscribes it.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses something.
    pub async fn subscribe(aws: Aws, topic_arn: &str, name: &str) -> Result<Self> {
        let mut parts = topic_arn.split(':').skip(3);
        let (Some(region), Some(account_id)) = (parts.next(), parts.next()) else {
            return Err(Error::Unexpected(format!("the ARN of a topic: {topic_arn}")));
        };
        let created = aws.query("sqs", region, "CreateQueue", &[("QueueName", name)]).await?;
        let queue_url = xml_text(&created, &["QueueUrl"])
            .ok_or_else(|| Error::Unexpected(format!("the answer to CreateQueue: {created}")))?;
        let queue_arn = format!("arn:aws:sqs:{region}:{account_id}:{name}");
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
            "Resource": queue_arn, "Condition": { "ArnEquals": { "aws:SourceArn": topic_arn } },
        }] });
        let policy = policy.to_string();
        let attributes =
            [("QueueUrl", queue_url.as_str()), ("Attribute.1.Name", "Policy"), ("Attribute.1.Value", &policy)];
        aws.query("sqs", region, "SetQueueAttributes", &attributes).await?;
        let subscription = [("TopicArn", topic_arn), ("Protocol", "sqs"), ("Endpoint", queue_arn.as_str())];
        aws.query("sns", region, "Subscribe", &subscription).await?;
        Ok(Self { aws, region: region.to_owned(), queue_url })
    }

    /// The next message.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when none comes within `limit`.
    pub async fn next(&self, limit: Duration) -> Result<Message> {
        let deadline = tokio::time::Instant::now() + limit;
        while tokio::time::Instant::now() < deadline {
            if let Some(message) = self.receive("1").await?.into_iter().next() {
                return Ok(message);
            }
            tokio::time::sleep(POLL).await;
        }
        Err(Error::TimedOut { what: format!("a message in {}", self.queue_url), limit })
    }

    /// All messages that are there. None is received twice.
    ///
    /// # Errors
    /// [`Error::Aws`] when a call fails.
    pub async fn all(&self) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        for _ in 0..MAX_BATCHES {
            let batch = self.receive(BATCH).await?;
            if batch.is_empty() {
                return Ok(messages);
            }
            messages.extend(batch);
        }
        Err(Error::Unexpected(format!("{} never gets empty", self.queue_url)))
    }

    async fn receive(&self, count: &str) -> Result<Vec<Message>> {
        let region = self.region.as_str();
        let parameters = [("QueueUrl", self.queue_url.as_str()), ("MaxNumberOfMessages", count)];
        let answer = self.aws.query("sqs", region, "ReceiveMessage", &parameters).await?;
        for handle in xml_texts(&answer, &["Message", "ReceiptHandle"]) {
            let parameters = [("QueueUrl", self.queue_url.as_str()), ("ReceiptHandle", &handle)];
            self.aws.query("sqs", region, "DeleteMessage", &parameters).await?;
        }
        let bodies = xml_texts(&answer, &["Message", "Body"]);
        bodies.iter().map(|body| message_in(body)).collect()
    }
}

/// The message in the envelope that SNS puts around it.
fn message_in(envelope: &str) -> Result<Message> {
    let value: Value = serde_json::from_str(envelope)
        .map_err(|error| Error::Unexpected(format!("an SNS envelope ({error}): {envelope}")))?;
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    Ok(Message { subject: text("Subject"), text: text("Message") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_out_of_its_envelope() {
        let envelope = r#"{"Type":"Notification","Subject":"Failover starts","Message":"{\"a\":1}"}"#;
        let message = message_in(envelope).unwrap();
        assert_eq!(message, Message { subject: "Failover starts".to_owned(), text: "{\"a\":1}".to_owned() });
        assert_eq!(message_in("{}").unwrap(), Message::default(), "a message need not have a subject");
        assert!(message_in("nonsense").is_err());
    }
}
