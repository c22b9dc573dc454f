//! The ledger's table.

use failover::contract::Timestamp;
use failover::testing::table::Table;
use failover::testing::wire::Request;

use super::{Answer, Aws};

/// The ledger's table, in the standby Region.
#[derive(Debug, Default)]
pub struct DynamoDb {
    /// Its items.
    pub table: Table,
}

/// Answers a request.
pub fn answer(aws: &mut Aws, request: &Request, _now: Timestamp) -> Answer {
    let (status, body) = aws.dynamodb.table.answer(&request.operation, &request.body);
    if status == 200 { Answer::Body(body) } else { Answer::ErrorBody { status, body } }
}
