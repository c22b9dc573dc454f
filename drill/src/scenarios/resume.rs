//! A run that was stopped half way is continued, and ends where an undisturbed one does (X7).

use std::time::Duration;

use super::{Play, Scenario, failover_changes, moved_to, well_run};
use crate::error::Result;
use crate::gateway::{Effect, Matcher, Rule};
use crate::stage::{Evidence, Stage};
use crate::verdict::{self, Check};
use crate::world::{Site, Workload};

/// How long a state is held: more than the stage needs to see it, less than a function gives a call.
const HOLD: Duration = Duration::from_millis(1_200);

/// The states in which the run is stopped, in their order, each with the call that holds it there: its function, its
/// operation, and what it contains. A state without one lasts long enough by itself.
const STOPS: [(&str, Option<(&str, &str, &str)>); 7] = [
    ("Decide", Some(("health-probe", "DescribeAlarms", ""))),
    ("Check", Some(("shift-dns", "ListResourceRecordSets", ""))),
    ("Fence", None),
    ("JudgeFences", Some(("health-probe", "UpdateItem", "#fences"))),
    ("Act", Some(("promote-aurora", "UpdateItem", "#promote-aurora#"))),
    ("Shifts", Some(("shift-dns", "UpdateItem", "#shift-dns#"))),
    ("Conclude", Some(("health-probe", "UpdateItem", "\"succeeded\""))),
];

/// The run of a lost Region is stopped in each of its states in turn.
pub(super) struct Resume;

impl Scenario for Resume {
    fn name(&self) -> &'static str {
        "resume"
    }

    fn does(&self) -> &'static str {
        "Loses the primary Region, stops the execution at once and then in each state in turn, and continues it each time."
    }

    fn expects(&self) -> &'static str {
        "The failover ends as if it had never been stopped, with each change made once."
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            let stopped = stage.stop_at_once().await?;
            stage.resume(&stopped).await?;
            for (state, hold) in STOPS {
                stop_and_continue(stage, state, hold).await?;
            }
            stage.await_run("failing over", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut checks = vec![verdict::stopped_and_continued(evidence, STOPS.len() + 1)];
        checks.extend(moved_to(evidence, Site::Standby));
        checks.push(verdict::changes_made(evidence, &failover_changes()));
        checks.push(verdict::plan_concluded(evidence, 1, Site::Standby));
        checks.extend(evidence.runs.iter().flat_map(|run| well_run(evidence, run)));
        checks
    }
}

async fn stop_and_continue(stage: &mut Stage, state: &str, hold: Option<(&str, &str, &str)>) -> Result<()> {
    let rule = hold.map(|(function, operation, text)| {
        let caller = format!("failover-{}-{function}", Workload::Trading.suffix());
        let matcher = Matcher::any().caller(caller).operation(operation).body_contains(text);
        stage.local.gateway.add_rule(Rule::new(format!("held in {state}"), matcher, Effect::Delay(HOLD)))
    });
    let stopped = stage.stop_in(state).await?;
    if let Some(rule) = rule {
        stage.local.gateway.remove_rule(rule);
    }
    stage.resume(&stopped).await
}
