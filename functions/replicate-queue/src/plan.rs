//! What is sent, what is dropped, and in how many calls. Pure.

use std::collections::BTreeMap;

/// The attribute that says where a copy comes from, `REGION:MESSAGE_ID`.
pub const REPLICATED_FROM: &str = "replicated-from";
/// The longest message, and the most that one call takes of all its messages together, in bytes: bodies, and names, types
/// and values of attributes.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
pub const MOST_BYTES: usize = 1_048_576;
/// The most messages that one call takes.
/// Source: the same.
pub const MOST_ENTRIES: usize = 10;
/// The most attributes that a message has.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const MOST_ATTRIBUTES: usize = 10;

/// A message's content stays what it was; only the attribute [`REPLICATED_FROM`] is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id in the queue it was received from.
    pub id: String,
    /// The Region of that queue.
    pub region: String,
    /// The body.
    pub body: String,
    /// The attributes, by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// `MessageGroupId`, if it has one.
    pub group: Option<String>,
    /// `MessageDeduplicationId`, if it has one.
    pub deduplication: Option<String>,
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// `String`, `Number` or `Binary`, with a label of the sender's if it has one (`Number.int`).
    pub data_type: String,
    /// The value itself.
    pub content: Content,
}

/// What an attribute holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Of a string or number.
    Text(String),
    /// Of a binary value.
    Bytes(Vec<u8>),
}

/// What stood in the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The message's id, by which it is reported.
    pub id: String,
    /// The message, or why it cannot be read.
    pub message: Result<Message, String>,
}

/// What becomes of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is sent, one call for each.
    pub calls: Vec<Vec<Message>>,
    /// The ids of messages that came from the other Region: they are dropped.
    pub echoes: Vec<String>,
    /// The ids of messages that cannot be read, and why.
    pub unreadable: Vec<(String, String)>,
}

/// Decides.
#[must_use]
pub fn plan(batch: Vec<Received>) -> Plan {
    let mut plan = Plan::default();
    let mut copies = Vec::new();
    for received in batch {
        match received.message {
            Ok(message) if message.attributes.contains_key(REPLICATED_FROM) => plan.echoes.push(received.id),
            Ok(message) => copies.push(labelled(message)),
            Err(problem) => plan.unreadable.push((received.id, problem)),
        }
    }
    plan.calls = calls(copies);
    plan
}

/// The message with its origin, where there is room for it. The topology alone keeps messages from coming back, so a
/// message that has no room is better sent without than never.
fn labelled(mut message: Message) -> Message {
    if message.attributes.len() >= MOST_ATTRIBUTES {
        return message;
    }
    let origin = Content::Text(format!("{}:{}", message.region, message.id));
    message
        .attributes
        .insert(REPLICATED_FROM.to_owned(), Attribute { data_type: "String".to_owned(), content: origin });
    if size(&message) > MOST_BYTES {
        message.attributes.remove(REPLICATED_FROM);
    }
    message
}

/// As few calls as the limits allow without changing the order.
fn calls(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut calls: Vec<Vec<Message>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let more = size(&message);
        match calls.last_mut() {
            Some(call) if call.len() < MOST_ENTRIES && bytes + more <= MOST_BYTES => {
                call.push(message);
                bytes += more;
            }
            _ => {
                calls.push(vec![message]);
                bytes = more;
            }
        }
    }
    calls
}

/// What counts against [`MOST_BYTES`], in bytes.
#[must_use]
pub fn size(message: &Message) -> usize {
    let of_attribute = |(name, attribute): (&String, &Attribute)| {
        let content = match &attribute.content {
            Content::Text(text) => text.len(),
            Content::Bytes(bytes) => bytes.len(),
        };
        name.len() + attribute.data_type.len() + content
    };
    message.body.len() + message.attributes.iter().map(of_attribute).sum::<usize>()
}
