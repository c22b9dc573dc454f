//! Topics: the stack's two in each Region with an orchestrator, and what was published.

use failover::contract::Timestamp;
use failover::testing::wire::Request;

use super::parameters::only_of_form;
use super::{Answer, Aws};
use crate::workload;

/// The topic of the trigger alarms, to which health-probe is subscribed, in the standby Region.
pub const ALARM_TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:failover-prod-alarms";
/// The topic that people read.
pub const NOTIFICATION_TOPIC: &str = workload::TOPIC_ARN;
/// The function that [`ALARM_TOPIC`] invokes.
pub const HEALTH_PROBE_ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:failover-prod-health-probe";

/// A message that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When.
    pub at: Timestamp,
    /// The topic's ARN.
    pub topic: String,
    /// Its subject, empty if it has none.
    pub subject: String,
    /// Its text.
    pub message: String,
}

/// Topics.
#[derive(Debug, Default)]
pub struct Sns {
    published: Vec<Message>,
}

impl Sns {
    /// Every message so far, in order.
    #[must_use]
    pub fn published(&self) -> &[Message] {
        &self.published
    }
}

/// Publishes a message; for whoever does so without a request over the network, such as Step Functions. None if there is
/// no such topic, otherwise the message's id.
pub fn publish(aws: &mut Aws, topic: &str, subject: &str, message: &str, at: Timestamp) -> Option<String> {
    let is_it = |known: &str| known == topic || workload::beside(known, workload::HOME) == topic;
    if ![ALARM_TOPIC, NOTIFICATION_TOPIC].into_iter().any(is_it) {
        return None;
    }
    let (topic, subject, message) = (topic.to_owned(), subject.to_owned(), message.to_owned());
    let published = &mut aws.sns.published;
    published.push(Message { at, topic, subject, message });
    Some(message_id(published.len()))
}

/// The id of the message with this number.
fn message_id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// Answers a request.
///
/// # Panics
/// On an operation or a parameter that is not simulated.
pub fn answer(aws: &mut Aws, request: &Request, now: Timestamp) -> Answer {
    let field = |name: &str| request.body[name].as_str().unwrap_or_default();
    let topic = field("TopicArn");
    match request.operation.as_str() {
        "Publish" => {
            only_of_form(request, &["TopicArn", "Subject", "Message"]);
            let Some(id) = publish(aws, topic, field("Subject"), field("Message"), now) else {
                return no_topic();
            };
            Answer::xml(format!(
                "<PublishResponse><PublishResult><MessageId>{id}</MessageId></PublishResult></PublishResponse>"
            ))
        }
        "ListSubscriptionsByTopic" => {
            only_of_form(request, &["TopicArn"]);
            let (protocol, endpoint) = match topic {
                ALARM_TOPIC => ("lambda", HEALTH_PROBE_ARN),
                NOTIFICATION_TOPIC => ("email", "oncall@example.com"),
                _ => return no_topic(),
            };
            let account = super::ACCOUNT;
            Answer::xml(format!(
                "<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions><member>\
                 <SubscriptionArn>{topic}:1</SubscriptionArn><Owner>{account}</Owner><Protocol>{protocol}</Protocol>\
                 <Endpoint>{endpoint}</Endpoint><TopicArn>{topic}</TopicArn></member></Subscriptions>\
                 </ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>"
            ))
        }
        _ => panic!("not simulated: {}", request.name()),
    }
}

fn no_topic() -> Answer {
    Answer::Error { status: 404, code: "NotFound".to_owned(), message: "Topic does not exist".to_owned() }
}
