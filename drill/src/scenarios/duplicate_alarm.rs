//! SNS delivers at least once, and Lambda retries: the same alarm may come any number of times.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{ALARM_STEPS, Play, Scenario, failover_changes, figures_of, moved_to};
use crate::error::{Error, Result};
use crate::stage::{Evidence, Stage};
use crate::verdict::{self, Check};
use crate::world::Site;

/// Deliveries of the alarm in all, the first one included.
const DELIVERIES: usize = 100;
/// Deliveries that are under way at a time.
const AT_ONCE: usize = 16;
/// How long the emulator may take to hand on the first one.
const FIRST_LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// The Region is lost, and the alarm is delivered a hundred times, many at once.
pub(super) struct DuplicateAlarm;

impl Scenario for DuplicateAlarm {
    fn name(&self) -> &'static str {
        "duplicate-alarm"
    }

    fn does(&self) -> &'static str {
        "Loses the primary Region and delivers the same alarm 100 times, to the topic and to the function."
    }

    fn expects(&self) -> &'static str {
        "One execution and one promotion, as if the alarm had come once."
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            let queue = subscribe_queue(stage).await?;
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            let message = first_delivery(stage, &queue).await?;
            deliver_again(stage, &message).await?;
            stage.await_run("failing over", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = vec![verdict::executions_succeeded(evidence, 1)];
        checks.extend(moved_to(evidence, Site::Standby));
        checks.push(verdict::changes_made(evidence, &failover_changes()));
        checks.push(verdict::plan_concluded(evidence, 1, Site::Standby));
        for run in &evidence.runs {
            checks.push(verdict::ledger_complete(evidence, run, &ALARM_STEPS));
            checks.extend(figures_of(run));
        }
        checks
    }
}

/// A queue on the alarm topic, to get hold of the very message that the alarm sends.
async fn subscribe_queue(stage: &Stage) -> Result<String> {
    let (aws, region) = (stage.aws(), Site::Standby.region());
    let created = aws.query("sqs", region, "CreateQueue", &[("QueueName", "drill-copies")]).await?;
    let url = crate::aws::xml_text(&created, &["QueueUrl"])
        .ok_or_else(|| Error::Unexpected(format!("the answer to CreateQueue: {created}")))?;
    let topic = stage.output("AlarmTopicArn")?;
    let queue = format!("arn:aws:sqs:{region}:{}:drill-copies", stage.world.account_id);
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
        "Resource": queue, "Condition": { "ArnEquals": { "aws:SourceArn": topic } },
    }] });
    let policy = policy.to_string();
    let attributes = [("QueueUrl", url.as_str()), ("Attribute.1.Name", "Policy"), ("Attribute.1.Value", &policy)];
    aws.query("sqs", region, "SetQueueAttributes", &attributes).await?;
    let subscription = [
        ("TopicArn", topic),
        ("Protocol", "sqs"),
        ("Endpoint", &queue),
        ("Attributes.entry.1.key", "RawMessageDelivery"),
        ("Attributes.entry.1.value", "true"),
    ];
    aws.query("sns", region, "Subscribe", &subscription).await?;
    Ok(url)
}

async fn first_delivery(stage: &Stage, queue_url: &str) -> Result<String> {
    let deadline = tokio::time::Instant::now() + FIRST_LIMIT;
    let parameters = [("QueueUrl", queue_url)];
    while tokio::time::Instant::now() < deadline {
        let answer = stage.aws().query("sqs", Site::Standby.region(), "ReceiveMessage", &parameters).await?;
        if let Some(message) = crate::aws::xml_text(&answer, &["Message", "Body"]) {
            return Ok(message);
        }
        tokio::time::sleep(POLL).await;
    }
    Err(Error::TimedOut { what: "the alarm's first message".to_owned(), limit: FIRST_LIMIT })
}

async fn deliver_again(stage: &mut Stage, message: &str) -> Result<()> {
    let copies = DELIVERIES - 1;
    stage.tell(format!("the same alarm is delivered {copies} times more, {AT_ONCE} at a time"));
    let topic = stage.output("AlarmTopicArn")?.to_owned();
    let function = stage.output("HealthProbeFunctionArn")?.to_owned();
    let event = sns_event(&topic, message).to_string();
    let shared: &Stage = stage;
    let outcomes: Vec<Result<()>> = stream::iter(0..copies)
        .map(|copy| {
            let (topic, function, event) = (&topic, &function, &event);
            async move {
                if copy % 2 == 0 {
                    publish(shared, topic, message).await
                } else {
                    invoke(shared, function, event).await
                }
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    outcomes.into_iter().collect()
}

async fn publish(stage: &Stage, topic: &str, message: &str) -> Result<()> {
    let parameters = [("TopicArn", topic), ("Message", message)];
    stage.aws().query("sns", Site::Standby.region(), "Publish", &parameters).await?;
    Ok(())
}

async fn invoke(stage: &Stage, function_arn: &str, event: &str) -> Result<()> {
    let function = function_arn.rsplit(':').next().unwrap_or(function_arn);
    let path = format!("/2015-03-31/functions/{function}/invocations");
    let aws = stage.aws();
    aws.rest("lambda", Site::Standby.region(), "POST", &path, "application/json", event.as_bytes()).await?;
    Ok(())
}

/// The event that Lambda gets for a message on a topic.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>
fn sns_event(topic: &str, message: &str) -> Value {
    json!({ "Records": [{
        "EventVersion": "1.0",
        "EventSource": "aws:sns",
        "EventSubscriptionArn": format!("{topic}:00000000-0000-0000-0000-000000000000"),
        "Sns": {
            "Type": "Notification",
            "MessageId": "00000000-0000-0000-0000-000000000000",
            "TopicArn": topic,
            "Subject": null,
            "Message": message,
            "Timestamp": "2026-11-21T04:00:00.000Z",
            "SignatureVersion": "1",
            "Signature": "",
            "SigningCertUrl": "",
            "UnsubscribeUrl": "",
            "MessageAttributes": {},
        },
    }] })
}
