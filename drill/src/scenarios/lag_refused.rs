//! More would be lost than the plan allows: a person decides (X3), and declines.

use super::lag_too_high::lose_while_behind;
use super::{Play, Scenario, nothing_moved};
use crate::stage::{Evidence, Stage};
use crate::verdict::{self, Check};

/// The Region is lost while replication is behind by more than `max_rpo_ms`, and a person declines.
pub(super) struct LagRefused;

impl Scenario for LagRefused {
    fn name(&self) -> &'static str {
        "lag-refused"
    }

    fn does(&self) -> &'static str {
        "Loses the primary Region with more replication lag than the plan allows, and declines when asked."
    }

    fn expects(&self) -> &'static str {
        "The run asks a person, stands down, and changes nothing."
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            let (ordered, question) = lose_while_behind(stage).await?;
            stage.answer(&question.decline).await?;
            stage.await_run("standing down once declined", ordered, None).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = vec![verdict::executions_succeeded(evidence, 1)];
        for run in &evidence.runs {
            checks.push(verdict::decided(run, "stand_down"));
            checks.push(verdict::reason_names(run, "declined"));
            checks.push(verdict::asked_for_the_lag(run));
            checks.push(verdict::people_told(run, &["considered", "declined"]));
            checks.push(verdict::ledger_complete(evidence, run, &["trigger"]));
        }
        checks.extend(nothing_moved(evidence));
        checks
    }
}
