//! The decided run in the ledger, so that a failover that was interrupted goes on as the same one (X7).

use failover::contract::{FailoverId, RunPlan};
use failover::error::Error;
use failover::ledger::Status;
use failover::runtime::Toolbox;
use serde_json::Value;

use crate::once;

/// The run that was decided under this id, if one was.
///
/// # Errors
/// The ledger's.
pub(crate) async fn read(tools: &Toolbox, failover_id: &FailoverId) -> Result<Option<RunPlan>, Error> {
    let record = tools.ledger.operation(&operation_id(failover_id)).await?;
    let decided = record.filter(|record| record.status == Status::Completed).and_then(|record| record.result);
    decided.map(|run| read_run(failover_id, run)).transpose()
}

/// Writes the run down; the one that was written first stays.
///
/// # Errors
/// [`Error::InProgress`] while another invocation is at it, and the ledger's.
pub(crate) async fn write(tools: &Toolbox, run: &RunPlan) -> Result<(), Error> {
    once::write(tools, &run.failover_id, operation_id(&run.failover_id), "writing the decided run", run).await
}

fn operation_id(failover_id: &FailoverId) -> String {
    format!("{failover_id}#decide")
}

fn read_run(failover_id: &FailoverId, value: Value) -> Result<RunPlan, Error> {
    serde_json::from_value(value).map_err(|error| Error::Bug {
        doing: format!("reading the run that was decided as {failover_id}"),
        problem: error.to_string(),
    })
}
