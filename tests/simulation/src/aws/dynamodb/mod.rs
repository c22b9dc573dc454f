//! The ledger's table: in the standby Region alone, or a global table in either of its consistency modes.
//!
//! A global table has a replica in each of the workload's Regions. The strongly consistent one has a witness in a third
//! Region beside them, as the template makes it.
//!
//! Sources: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-global-table-design.html>,
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html>,
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html>

mod eventual;
mod strong;
#[cfg(test)]
mod tests;

use failover::contract::Timestamp;
use failover::testing::table::Table;
use failover::testing::wire::Request;

use super::{Answer, Aws};
use crate::chance::Chance;
use crate::workload::{HOME, STANDBY};
use eventual::Replication;
use strong::Agreement;

pub use strong::WITNESS;

/// What a table's replicas promise each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// There is one table, in the standby Region.
    #[default]
    SingleRegion,
    /// Multi-Region strong consistency: one state, whichever replica is asked.
    Strong,
    /// Multi-Region eventual consistency: each replica decides by itself and hears of the others later.
    Eventual,
}

/// The ledger's table.
#[derive(Debug)]
pub struct DynamoDb {
    /// What its replicas promise each other.
    pub consistency: Consistency,
    /// Its items; of a table that agrees later only, those of the replica in the standby Region.
    pub table: Table,
    agreement: Agreement,
    replication: Replication,
}

impl DynamoDb {
    /// An empty table of a single Region.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            consistency: Consistency::default(),
            table: Table::default(),
            agreement: Agreement::new(Chance::of(seed, "strong table")),
            replication: Replication::new(Chance::of(seed, "eventual table")),
        }
    }

    /// The Region whose replica a Region asks and sees. Where all see one state, that is one Region for all.
    #[must_use]
    pub fn place(&self, region: &str) -> &'static str {
        if self.consistency == Consistency::Eventual && region == HOME { HOME } else { STANDBY }
    }

    /// What a Region sees.
    #[must_use]
    pub fn seen_from(&self, region: &str) -> &Table {
        if self.place(region) == HOME { &self.replication.at_home } else { &self.table }
    }

    /// The failover that the plan's item says is under way, as a Region sees it.
    #[must_use]
    pub fn failover_under_way(&self, region: &str) -> Option<String> {
        let item = self.seen_from(region).item("plan#trading")?;
        let active = item["status"]["S"] == "active";
        active.then(|| item["failover_id"]["S"].as_str().map(str::to_owned)).flatten()
    }
}

/// Lets time pass.
pub fn advance(aws: &mut Aws, now: Timestamp) {
    let Aws { dynamodb, lost, cut_off, .. } = aws;
    let is_apart = |region: &str| lost.contains(region) || cut_off.contains(region);
    match dynamodb.consistency {
        Consistency::SingleRegion => {}
        Consistency::Strong => dynamodb.agreement.look(is_apart, now),
        Consistency::Eventual => dynamodb.replication.deliver(&mut dynamodb.table, is_apart, now),
    }
}

/// Answers a request, once time has passed until `now`.
///
/// # Panics
/// On what the ledger never asks for: a read that is not strongly consistent.
pub fn answer(aws: &mut Aws, request: &Request, now: Timestamp) -> Answer {
    assert!(
        request.operation != "GetItem" || request.body["ConsistentRead"] == true,
        "not simulated: a read that may be old"
    );
    let dynamodb = &mut aws.dynamodb;
    match dynamodb.consistency {
        Consistency::SingleRegion if request.region != STANDBY => {
            Answer::error("ResourceNotFoundException", "Requested resource not found")
        }
        Consistency::SingleRegion => on(&mut dynamodb.table, request),
        Consistency::Strong => dynamodb.agreement.answer(&mut dynamodb.table, request, now),
        Consistency::Eventual => dynamodb.replication.answer(&mut dynamodb.table, request, now),
    }
}

fn on(table: &mut Table, request: &Request) -> Answer {
    let (status, body) = table.answer(&request.operation, &request.body);
    if status == 200 { Answer::Body(body) } else { Answer::ErrorBody { status, body } }
}

/// The key of the item that a request is about.
fn key(request: &Request) -> &str {
    request.body["Key"]["operation_id"]["S"].as_str().expect("the key of the ledger's table")
}
