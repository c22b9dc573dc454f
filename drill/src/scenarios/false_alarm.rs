//! One signal alone is not the loss of a Region.

use super::{Play, Scenario, nothing_moved};
use crate::stage::{Evidence, Stage};
use crate::verdict::{self, Check};
use crate::world::Site;

/// The alarms go off while the primary Region serves.
pub(super) struct FalseAlarm;

impl Scenario for FalseAlarm {
    fn name(&self) -> &'static str {
        "false-alarm"
    }

    fn does(&self) -> &'static str {
        "Sets the plan's alarms to ALARM while the primary Region serves as always."
    }

    fn expects(&self) -> &'static str {
        "The execution looks at the evidence, stands down, and changes nothing."
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            let ordered = stage.raise_alarm().await?;
            // After the other one, whose change made CloudWatch evaluate this one anew.
            stage.raise_evidence_alarm().await?;
            stage.await_run("looking at the evidence", ordered, None).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = vec![verdict::executions_succeeded(evidence, 1)];
        for run in &evidence.runs {
            checks.push(verdict::only_unhealthy_evidence(run, "alarms"));
            checks.push(verdict::decided(run, "stand_down"));
            checks.push(verdict::people_told(run, &["considered", "stood down"]));
            checks.push(verdict::ledger_complete(evidence, run, &["trigger"]));
        }
        checks.push(verdict::endpoint_answers(evidence, Site::Primary));
        checks.extend(nothing_moved(evidence));
        checks
    }
}
