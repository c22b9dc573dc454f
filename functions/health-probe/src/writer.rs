//! The writer lease of applications: handed to the target once nobody else may write (X1).

use std::time::Duration;

use failover::contract::{FenceOutcome, Fenced, RunPlan, Timestamp};
use failover::error::Error;
use failover::ledger::writer;
use failover::runtime::Toolbox;

/// What became of the hand-over.
#[derive(Debug)]
pub(crate) enum HandOver {
    /// The plan has no lease.
    NoLease,
    /// Nobody in the source Region may write any more, by the lease.
    Done(FenceOutcome),
    /// The source Region may still write.
    Running {
        /// Until when.
        until: Timestamp,
    },
}

/// Hands the lease to the run's target; a dry run only says that it would.
///
/// # Errors
/// [`Error::Superseded`] when a newer failover has taken over, and the ledger's.
pub(crate) async fn hand_over(tools: &Toolbox, run: &RunPlan) -> Result<HandOver, Error> {
    let Some(seconds) = run.writer_lease_seconds else {
        return Ok(HandOver::NoLease);
    };
    let target = format!("writer lease of plan {}", run.plan);
    if run.dry_run {
        let detail = format!("it would run out in {}, and be granted to {}", run.source_region, run.target_region);
        return Ok(HandOver::Done(FenceOutcome { target, outcome: Fenced::WouldFence, detail }));
    }
    let length = Duration::from_secs(seconds.into());
    let ledger = &tools.ledger;
    match ledger.hand_over_writer(&run.plan, run.generation, &run.target_region, length).await? {
        writer::HandOver::WaitUntil(until) => Ok(HandOver::Running { until }),
        writer::HandOver::Granted(_) => {
            let detail =
                format!("nobody holds it in {} any more; {} holds it now", run.source_region, run.target_region);
            Ok(HandOver::Done(FenceOutcome { target, outcome: Fenced::Confirmed, detail }))
        }
    }
}
