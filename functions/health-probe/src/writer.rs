//! The writer lease of applications: handed to the target once nobody else may write (X1).

use std::time::Duration;

use failover::contract::{FenceOutcome, RunPlan};
use failover::error::Error;

use crate::HealthProbe;

/// What became of the hand-over.
pub(crate) enum HandOver {
    /// The plan has no lease.
    NoLease,
    /// The target holds it.
    Done(FenceOutcome),
    /// Another Region may still write.
    Running {
        /// For how long.
        left: Duration,
        /// In words.
        message: String,
    },
}

/// Hands the lease to the run's target.
pub(crate) async fn hand_over(_probe: &HealthProbe, _run: &RunPlan) -> Result<HandOver, Error> {
    Ok(HandOver::NoLease)
}
