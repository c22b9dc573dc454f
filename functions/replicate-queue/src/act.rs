//! Sends messages, and says which of them the other Region confirmed.

use std::collections::BTreeSet;
use std::pin::pin;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{BatchResultErrorEntry, MessageAttributeValue, SendMessageBatchRequestEntry};
use failover::aws_call::{CallError, Calls, Meaning, Sent};
use failover::env::{Deadline, Env};
use failover::error::Error;
use futures_util::future::{Either, select};

use crate::plan::{Attribute, Content, Message};

/// Sends to one queue.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) sqs: Client,
    pub(crate) queue_url: String,
    pub(crate) calls: Calls,
    pub(crate) env: Env,
}

impl Sender {
    /// The ids of those messages that are certainly in the queue.
    ///
    /// # Errors
    /// [`Error::Bug`] for a message that the SDK cannot express.
    pub(crate) async fn send(&self, messages: &[Message], deadline: Deadline) -> Result<BTreeSet<String>, Error> {
        match self.call(messages, deadline).await? {
            // One message that SQS does not take at all can have the whole call refused.
            Err(error) if messages.len() > 1 && is_refused(&error) => {
                tracing::warn!(%error, messages = messages.len(), "refused together, sending each message for itself");
                let mut confirmed = BTreeSet::new();
                for message in messages {
                    let one = self.call(std::slice::from_ref(message), deadline).await?;
                    confirmed.extend(logged(one).unwrap_or_default());
                }
                Ok(confirmed)
            }
            answer => Ok(logged(answer).unwrap_or_default()),
        }
    }

    async fn call(
        &self,
        messages: &[Message],
        deadline: Deadline,
    ) -> Result<Result<BTreeSet<String>, CallError>, Error> {
        let left = deadline.left(self.env.now());
        if left.is_zero() {
            return Ok(Err(CallError::too_late()));
        }
        let entries = messages.iter().enumerate().map(|(index, message)| entry(index, message));
        let entries: Vec<_> = entries.collect::<Result<_, _>>()?;
        let request = self.sqs.send_message_batch().queue_url(&self.queue_url).set_entries(Some(entries)).send();
        let answer = pin!(self.calls.call("sqs", "SendMessageBatch", request));
        let answer = match select(answer, pin!(self.env.sleep(left))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(unanswered()),
        };
        Ok(answer.map(|answer| confirmed(messages, &answer)))
    }
}

fn is_refused(error: &CallError) -> bool {
    error.meaning == Meaning::Invalid && error.sent == Sent::Rejected
}

fn unanswered() -> CallError {
    CallError {
        service: "sqs",
        operation: "SendMessageBatch",
        code: String::new(),
        message: "the invocation's time is up".to_owned(),
        meaning: Meaning::Unreachable,
        sent: Sent::PossiblyApplied,
    }
}

fn logged(answer: Result<BTreeSet<String>, CallError>) -> Option<BTreeSet<String>> {
    answer.inspect_err(|error| tracing::warn!(%error, "messages were not confirmed, they come again")).ok()
}

/// Confirmed is what SQS calls successful and does not call failed as well; silence about a message is no confirmation.
fn confirmed(messages: &[Message], answer: &SendMessageBatchOutput) -> BTreeSet<String> {
    let failed: BTreeSet<&str> = answer.failed().iter().map(BatchResultErrorEntry::id).collect();
    for entry in answer.failed() {
        let message_id = message_of(messages, entry.id()).map(|message| message.id.as_str());
        let (code, problem, sender_fault) = (entry.code(), entry.message(), entry.sender_fault());
        tracing::warn!(message_id, code, problem, sender_fault, "SQS did not take a message, it comes again");
    }
    let taken = answer.successful().iter().filter(|entry| !failed.contains(entry.id()));
    taken.filter_map(|entry| Some(message_of(messages, entry.id())?.id.clone())).collect()
}

/// Entries are named by their place in the call: a message's id may be longer than an entry's.
fn message_of<'a>(messages: &'a [Message], entry_id: &str) -> Option<&'a Message> {
    messages.get(entry_id.parse::<usize>().ok()?)
}

fn entry(index: usize, message: &Message) -> Result<SendMessageBatchRequestEntry, Error> {
    let inexpressible = |problem: String| Error::Bug { doing: format!("copying message {}", message.id), problem };
    let mut entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(&message.body);
    for (name, attribute) in &message.attributes {
        let value = value(attribute).map_err(|error| inexpressible(error.to_string()))?;
        entry = entry.message_attributes(name, value);
    }
    entry
        .set_message_group_id(message.group.clone())
        .set_message_deduplication_id(message.deduplication.clone())
        .build()
        .map_err(|error| inexpressible(error.to_string()))
}

fn value(attribute: &Attribute) -> Result<MessageAttributeValue, aws_sdk_sqs::error::BuildError> {
    let value = MessageAttributeValue::builder().data_type(&attribute.data_type);
    match &attribute.content {
        Content::Text(text) => value.string_value(text),
        Content::Bytes(bytes) => value.binary_value(Blob::new(bytes.clone())),
    }
    .build()
}
