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

impl DynamoDb {
    /// The failover that the plan's item says is under way.
    #[must_use]
    pub fn failover_under_way(&self) -> Option<String> {
        let item = self.table.item("plan#trading")?;
        let active = item["status"]["S"] == "active";
        active.then(|| item["failover_id"]["S"].as_str().map(str::to_owned)).flatten()
    }
}

/// Answers a request.
pub fn answer(aws: &mut Aws, request: &Request, _now: Timestamp) -> Answer {
    let (status, body) = aws.dynamodb.table.answer(&request.operation, &request.body);
    if status == 200 { Answer::Body(body) } else { Answer::ErrorBody { status, body } }
}
