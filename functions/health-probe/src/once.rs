//! Something that is written into the ledger once, as the result of a completed operation.

use failover::contract::FailoverId;
use failover::digest::sha256_hex;
use failover::env::millis;
use failover::error::Error;
use failover::ledger::{Claim, Claimed, Event};
use failover::runtime::Toolbox;
use failover::step::LEASE_MARGIN;
use serde::Serialize;

/// Writes `value` down under `operation_id`; what was written first stays.
///
/// # Errors
/// [`Error::InProgress`] while another invocation is at it, and the ledger's.
pub(crate) async fn write(
    tools: &Toolbox,
    failover_id: &FailoverId,
    operation_id: String,
    doing: &str,
    value: &impl Serialize,
) -> Result<(), Error> {
    let result = serde_json::to_value(value)
        .map_err(|error| Error::Bug { doing: doing.to_owned(), problem: error.to_string() })?;
    let claim = Claim {
        request_hash: sha256_hex(&operation_id),
        operation_id,
        failover_id: failover_id.to_string(),
        owner: tools.env.owner_token(),
        // The claim and the completion, one call each.
        lease_expires: tools.env.now().plus_millis(2 * millis(tools.config.access.call_timeout) + millis(LEASE_MARGIN)),
    };
    match tools.ledger.claim(&claim).await? {
        Claimed::Completed(_) => Ok(()),
        Claimed::Granted(record) => tools.ledger.record(&record, Event::Complete { result }).await.map(drop),
    }
}
