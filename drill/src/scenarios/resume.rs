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

/// A state in which the run is stopped, and the call that holds it there.
struct Stop {
    place: &'static str,
    held_by: Option<Held>,
}

/// A function's call, by its operation and something that it contains.
struct Held {
    function: &'static str,
    operation: &'static str,
    text: &'static str,
}

/// In the order of the states. One that nothing holds lasts long enough by itself.
const STOPS: [Stop; 7] = [
    held("Decide", "health-probe", "DescribeAlarms", ""),
    held("Check", "shift-dns", "ListResourceRecordSets", ""),
    Stop { place: "Fence", held_by: None },
    held("JudgeFences", "health-probe", "UpdateItem", "#fences"),
    held("Act", "promote-aurora", "UpdateItem", "#promote-aurora#"),
    held("Shifts", "shift-dns", "UpdateItem", "#shift-dns#"),
    held("Conclude", "health-probe", "UpdateItem", "\"succeeded\""),
];

const fn held(place: &'static str, function: &'static str, operation: &'static str, text: &'static str) -> Stop {
    Stop { place, held_by: Some(Held { function, operation, text }) }
}

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
            for stop in &STOPS {
                stop_and_continue(stage, stop).await?;
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

async fn stop_and_continue(stage: &mut Stage, stop: &Stop) -> Result<()> {
    let rule = stop.held_by.as_ref().map(|held| {
        let caller = format!("failover-{}-{}", Workload::Trading.suffix(), held.function);
        let matcher = Matcher::any().caller(caller).operation(held.operation).body_contains(held.text);
        stage.local.gateway.add_rule(Rule::new(format!("held in {}", stop.place), matcher, Effect::Delay(HOLD)))
    });
    let stopped = stage.stop_in(stop.place).await?;
    if let Some(rule) = rule {
        stage.local.gateway.remove_rule(rule);
    }
    stage.resume(&stopped).await
}
