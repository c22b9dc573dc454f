//! How the fences ended, in the ledger (X1).

use failover::contract::{FenceOutcome, RunPlan};
use failover::error::Error;
use failover::runtime::Toolbox;

use crate::once;

/// Writes the outcomes down; those that were written first stay.
///
/// # Errors
/// The ledger's.
pub(crate) async fn write(tools: &Toolbox, run: &RunPlan, fences: &[FenceOutcome]) -> Result<(), Error> {
    let operation_id = format!("{}#fences", run.failover_id);
    once::write(tools, &run.failover_id, operation_id, "writing the fences' outcome", &fences).await
}
