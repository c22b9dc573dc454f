//! SNS delivers at least once, and Lambda retries: the same alarm may come any number of times.

use super::{Play, Scenario, failed_over_once};
use crate::delivery::Alarms;
use crate::stage::{Evidence, Stage};
use crate::verdict::{self, Check};
use crate::world::Site;

/// Deliveries of the alarm in all, the first one included.
const DELIVERIES: usize = 100;

/// The Region is lost, and the alarm is delivered a hundred times, many at once.
pub(super) struct DuplicateAlarm;

impl Scenario for DuplicateAlarm {
    fn name(&self) -> &'static str {
        "duplicate-alarm"
    }

    fn does(&self) -> &'static str {
        "Loses the primary Region and delivers the same alarm 100 times, to the topic and to the function."
    }

    fn expects(&self) -> &'static str {
        "One execution and one promotion, as if the alarm had come once."
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            let alarms = Alarms::listen(stage.orchestrator(), stage.aws()).await?;
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            let copies = DELIVERIES - 1;
            stage.tell(format!("the same alarm is delivered {copies} times more, many at once"));
            alarms.first().await?.deliver_again(copies).await?;
            stage.await_run("failing over", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = failed_over_once(evidence, Site::Standby);
        checks.push(deliveries_handled(evidence));
        checks.extend(evidence.runs.iter().map(verdict::considered_once));
        checks
    }
}

/// All deliveries reached the function: each has tried to claim the operation at least once.
fn deliveries_handled(evidence: &Evidence) -> Check {
    let claims = evidence.calls.iter().filter(|call| {
        let write = call.ledger.as_ref();
        write
            .is_some_and(|write| write.operation_id.contains("#trigger#") && write.status.as_deref() == Some("claimed"))
    });
    let (claims, claim) = (claims.count(), format!("all {DELIVERIES} deliveries asked the ledger whether to start"));
    verdict::at_least(claim, DELIVERIES, claims)
}
