//! Reads the messages out of the event that Lambda makes of a batch.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>

use aws_lambda_events::sqs::{SqsEvent, SqsMessage, SqsMessageAttribute};
use failover::contract;
use failover::error::Error;
use serde_json::Value;

use crate::plan::{Attribute, Content, Message, Received};

/// The batch's messages, in their order. One that cannot be read is named with its problem; the others are not held up.
///
/// # Errors
/// [`Error::InvalidRequest`] for what is no batch, or has a message without an id, which could not be reported as failed:
/// the whole batch comes again.
pub(crate) fn messages(event: Value) -> Result<Vec<Received>, Error> {
    let event: SqsEvent = contract::parse(event)?;
    event.records.into_iter().enumerate().map(|(index, record)| received(index, record)).collect()
}

fn received(index: usize, record: SqsMessage) -> Result<Received, Error> {
    let Some(id) = record.message_id.clone().filter(|id| !id.is_empty()) else {
        return Err(Error::invalid(format!("Records[{index}].messageId"), "is missing"));
    };
    Ok(Received { message: message(&id, record), id })
}

fn message(id: &str, mut record: SqsMessage) -> Result<Message, String> {
    let region = record.aws_region.filter(|region| !region.is_empty()).ok_or("its awsRegion is missing")?;
    let body = record.body.filter(|body| !body.is_empty()).ok_or("its body is missing")?;
    let attributes = record.message_attributes.into_iter().map(|(name, found)| {
        let attribute = attribute(found).ok_or_else(|| format!("its attribute {name:?} has no type or no value"))?;
        Ok((name, attribute))
    });
    Ok(Message {
        id: id.to_owned(),
        region,
        body,
        attributes: attributes.collect::<Result<_, String>>()?,
        group: record.attributes.remove("MessageGroupId"),
        deduplication: record.attributes.remove("MessageDeduplicationId"),
    })
}

/// Strings and numbers have a text, whatever label follows their type.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_MessageAttributeValue.html>
fn attribute(found: SqsMessageAttribute) -> Option<Attribute> {
    let data_type = found.data_type?;
    let content = if data_type.starts_with("Binary") {
        Content::Bytes(found.binary_value?.0)
    } else {
        Content::Text(found.string_value?)
    };
    Some(Attribute { data_type, content })
}
