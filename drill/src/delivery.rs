//! The same alarm, delivered again: SNS delivers at least once, and Lambda tries an event again.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::deployed::Deployed;
use crate::error::Result;
use crate::listener::Listener;

/// Deliveries that are under way at a time.
const AT_ONCE: usize = 16;
/// How long the emulator may take to hand on the first one.
const FIRST_LIMIT: Duration = Duration::from_secs(10);

/// The alarms of an orchestrator, as its topic sends them.
#[derive(Debug)]
pub struct Alarms {
    listener: Listener,
    deployed: Deployed,
}

impl Alarms {
    /// Puts a queue on the topic, to get hold of the very message that an alarm sends.
    ///
    /// # Errors
    /// [`Error::Aws`](crate::Error::Aws) when the emulator refuses it.
    pub async fn listen(deployed: &Deployed, aws: Aws) -> Result<Self> {
        let listener = Listener::subscribe(aws, deployed.output("AlarmTopicArn")?, "drill-alarms").await?;
        Ok(Self { listener, deployed: deployed.clone() })
    }

    /// Waits for the first one.
    ///
    /// # Errors
    /// [`Error::TimedOut`](crate::Error::TimedOut) when none comes.
    pub async fn first(self) -> Result<Alarm> {
        let message = self.listener.next(FIRST_LIMIT).await?.text;
        Ok(Alarm { message, deployed: self.deployed })
    }
}

/// An alarm that was delivered.
#[derive(Clone, Debug)]
pub struct Alarm {
    message: String,
    deployed: Deployed,
}

impl Alarm {
    /// Delivers it so many times more, many at once: by turns to the topic and to the function.
    ///
    /// # Errors
    /// The first delivery's that failed, after all.
    pub async fn deliver_again(&self, copies: usize) -> Result<()> {
        let outcomes: Vec<Result<()>> =
            stream::iter(0..copies).map(|copy| self.deliver(copy % 2 == 0)).buffer_unordered(AT_ONCE).collect().await;
        outcomes.into_iter().collect()
    }

    async fn deliver(&self, to_topic: bool) -> Result<()> {
        let topic = self.deployed.output("AlarmTopicArn")?;
        if to_topic {
            return self.deployed.publish(topic, &self.message).await;
        }
        let function = self.deployed.output("HealthProbeFunctionArn")?;
        self.deployed.invoke(function, &sns_event(topic, &self.message).to_string()).await.map(drop)
    }
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
