//! The game day by chance: a failover, disturbed by faults that are drawn from a seed.
//!
//! [`schedule`] draws what happens, as an explicit list; [`course`] carries it out on a [`Stage`](crate::stage::Stage)
//! with the real functions; [`judge`] holds what is left against what has to hold whatever happened; [`hits`] says where
//! each fault really struck.

pub mod course;
pub mod hits;
pub mod judge;
pub mod schedule;

use std::time::Duration;

/// Its name in reports.
pub const NAME: &str = "chaos";
/// How long after the start every fault has ceased.
pub const FAULTS_CEASE_AFTER: Duration = Duration::from_secs(15);
/// How long a run may go on undisturbed: the longest retry of the state machine and of an alarm's delivery, a lease and
/// two decision windows fit into it.
pub const RUNS_END_WITHIN: Duration = Duration::from_secs(90);

/// The command that plays a seed again.
#[must_use]
pub fn replay_command(seed: u64) -> String {
    format!("cargo drill --chaos {seed}")
}
