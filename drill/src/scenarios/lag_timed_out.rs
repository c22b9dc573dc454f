//! More would be lost than the plan allows, and nobody answers (X3).

use super::lag_too_high::lose_while_behind;
use super::{Play, Scenario, nothing_moved};
use crate::stage::{Evidence, Stage};
use crate::staging::Staging;
use crate::verdict::{self, Check};

/// For how long each question stays open, in seconds.
const APPROVAL_TIMEOUT_SECONDS: u32 = 2;

/// The Region is lost while replication is behind by more than `max_rpo_ms`, and no person answers.
pub(super) struct LagTimedOut;

impl Scenario for LagTimedOut {
    fn name(&self) -> &'static str {
        "lag-timed-out"
    }

    fn does(&self) -> &'static str {
        "Loses the primary Region with more replication lag than the plan allows, and answers no question."
    }

    fn expects(&self) -> &'static str {
        "The run asks a bounded number of times, gives up without having changed anything, and tells people."
    }

    fn staging(&self) -> Staging {
        Staging { approval_timeout_seconds: Some(APPROVAL_TIMEOUT_SECONDS), ..Staging::default() }
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            let (ordered, _question) = lose_while_behind(stage).await?;
            stage.tell("nobody answers");
            stage.await_run("waiting for an answer", ordered, None).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = Vec::new();
        for run in &evidence.runs {
            checks.extend([
                verdict::gave_up(run, "unanswered questions"),
                verdict::people_told(run, &["considered", "FAILED"]),
                verdict::ledger_complete(evidence, run, &["trigger"]),
                verdict::asked_repeatedly(run),
            ]);
        }
        checks.extend(nothing_moved(evidence));
        checks
    }
}
