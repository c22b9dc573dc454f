//! SNS delivers at least once, and Lambda retries: the same alarm may come any number of times.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{Play, Scenario, failed_over_once};
use crate::error::Result;
use crate::listener::Listener;
use crate::stage::{Evidence, Stage};
use crate::verdict::{self, Check};
use crate::world::Site;

/// Deliveries of the alarm in all, the first one included.
const DELIVERIES: usize = 100;
/// Deliveries that are under way at a time.
const AT_ONCE: usize = 16;
/// How long the emulator may take to hand on the first one.
const FIRST_LIMIT: Duration = Duration::from_secs(10);

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
            // A queue on the topic, to get hold of the very message that the alarm sends.
            let listener = Listener::subscribe(stage.aws(), stage.output("AlarmTopicArn")?, "drill-alarms").await?;
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            let first = listener.next(FIRST_LIMIT).await?;
            deliver_again(stage, &first.text).await?;
            stage.await_run("failing over", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = failed_over_once(evidence, Site::Standby);
        checks.push(deliveries_handled(evidence));
        checks.extend(evidence.runs.iter().map(verdict::considered_once));
        checks
    }
}

/// All deliveries reached the function: each has tried to claim the operation at least once.
fn deliveries_handled(evidence: &Evidence) -> Check {
    let claims = evidence.calls.iter().filter(|call| {
        let write = call.ledger.as_ref();
        write
            .is_some_and(|write| write.operation_id.contains("#trigger#") && write.status.as_deref() == Some("claimed"))
    });
    let (claims, claim) = (claims.count(), format!("all {DELIVERIES} deliveries asked the ledger whether to start"));
    verdict::at_least(claim, DELIVERIES, claims)
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
                    shared.orchestrator().invoke(function, event).await.map(drop)
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
