//! Payments in a DynamoDB table, written under the condition that the id is new.
//!
//! The condition holds in both Regions when the global table is strongly consistent, so a duplicate that reaches the
//! other Region, also after a failover, is not charged again. Two Regions that write the same item at once are told so
//! (`ReplicatedWriteConflictException`), and the write is tried again. With eventual consistency, a payment of the last
//! second or so before the loss of a Region may be unknown to the other one, and would be charged again there.
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html>

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use failover::aws_call::CallError;
use failover::env::{Deadline, Env};
use failover::retry;

use super::{StoreError, read_charge};
use crate::payment::{Charge, STATUS, Verdict, judge};

type Item = HashMap<String, AttributeValue>;

#[derive(Clone, Debug)]
pub(crate) struct DynamoDb {
    client: Client,
    env: Env,
    table: String,
}

impl DynamoDb {
    pub(super) fn new(client: Client, env: &Env, table: &str) -> Self {
        Self { client, env: env.clone(), table: table.to_owned() }
    }

    pub(super) async fn charge(&self, charge: Charge, deadline: Deadline) -> Result<Verdict, StoreError> {
        let put = retry::change_under_condition(&self.env, deadline, || self.put(&charge));
        match put.await? {
            None => Ok(Verdict::Charged(charge)),
            Some(present) => {
                let text = |name: &str| present.get(name)?.as_s().ok().cloned();
                Ok(judge(&charge, read_charge(text)?))
            }
        }
    }

    /// Writes it unless the id is there; then, what is there.
    async fn put(&self, charge: &Charge) -> Result<Option<Item>, CallError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(charge)))
            .condition_expression("attribute_not_exists(transaction_id)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match Box::pin(request.send()).await {
            Ok(_) => Ok(None),
            Err(error) => match present_item(&error) {
                Some(item) => Ok(Some(item)),
                None => Err(CallError::from_sdk("dynamodb", "PutItem", &error)),
            },
        }
    }
}

fn item(charge: &Charge) -> Item {
    [
        ("transaction_id", charge.payment.transaction_id.as_str().to_owned()),
        // As text: DynamoDB's numbers lose trailing zeros.
        ("amount", charge.payment.amount.as_str().to_owned()),
        ("time", charge.time.to_string()),
        ("region", charge.region.to_string()),
        ("status", STATUS.to_owned()),
        ("request_id", charge.request_id.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), AttributeValue::S(value)))
    .into()
}

fn present_item(error: &SdkError<PutItemError, HttpResponse>) -> Option<Item> {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(lost)) => Some(lost.item.clone().unwrap_or_default()),
        _ => None,
    }
}
