//! What has to come of a workload's game day.

use std::time::Duration;

use serde_json::json;

use super::course::{Move, is_unmade};
use super::{Course, Estate, Reference};
use crate::error::Result;
use crate::state::read_members;
use crate::verdict::{self, Check};

/// From the alarm or the order until names lead to the other Region (W2.6, W3.10).
const MOVE_LIMIT: Duration = Duration::from_secs(60);
/// How many payments are named that are not as they have to be.
const SHOWN: usize = 5;
/// What a preflight calls a finding with which a failover would fail.
const BLOCKER: &str = "blocker";

/// Judges it, from the emulator's own state and what the client saw.
///
/// # Errors
/// [`Error::Aws`](crate::Error::Aws) when a call fails.
pub async fn judge(estate: &Estate, course: &Course) -> Result<Vec<Check>> {
    let mut checks = vec![preflight_passed(course)];
    checks.extend(course.moves.iter().flat_map(|one| [succeeded(one), led_in_time(one), paid(one)]));
    checks.extend(payments_kept(course));
    let serves = course.moves.last().map_or(estate.workload.primary(), |last| last.to.as_str());
    if estate.workload.has_database() {
        checks.push(writes_at(estate, serves).await?);
    }
    if estate.workload == Reference::Trading {
        checks.push(tasks_run_at(estate, serves).await?);
    }
    checks.push(verdict::none_denied(&estate.local.gateway.calls()));
    let dead = estate.deployed.dead_letters().await?;
    checks.push(Check::new("the orchestrator's dead-letter queues are empty", dead == 0, format!("{dead} messages")));
    Ok(checks)
}

fn preflight_passed(course: &Course) -> Check {
    let unwanted = course.preflight.iter().filter(|finding| finding.0 == BLOCKER || is_unmade(finding));
    let unwanted: Vec<String> = unwanted.map(|(severity, words)| format!("{severity}: {words}")).collect();
    let passed = unwanted.is_empty() && !course.preflight.is_empty();
    let found = format!("{} of {} checks: {}", unwanted.len(), course.preflight.len(), unwanted.join("; "));
    Check::new("the workload's plan passes the preflight: no blocker, and every check could be made", passed, found)
}

fn succeeded(one: &Move) -> Check {
    let execution = &one.run.execution;
    let found = format!("{} {}", execution.status, execution.failure.as_deref().unwrap_or_default());
    Check::new(format!("{}: the run moved the workload to {}", one.run.label, one.to), execution.says_moved(), found)
}

fn led_in_time(one: &Move) -> Check {
    let claim = format!("{}: clients are led to {} within {} s", one.run.label, one.to, MOVE_LIMIT.as_secs());
    match one.led_there.map(|at| at.since(one.run.ordered)) {
        Some(took) => Check::new(claim, took < MOVE_LIMIT, format!("{:.1} s", took.as_secs_f64())),
        None => Check::new(claim, false, "never"),
    }
}

fn paid(one: &Move) -> Check {
    let found = one.paid_there.map_or_else(
        || "none".to_owned(),
        |at| format!("the first one {:.1} s after the alarm or the order", at.since(one.run.ordered).as_secs_f64()),
    );
    let claim = format!("{}: payments are taken in {}", one.run.label, one.to);
    Check::new(claim, one.paid_there.is_some(), found)
}

fn payments_kept(course: &Course) -> Vec<Check> {
    let (takings, audit) = (&course.takings, &course.audit);
    let mut checks = vec![
        Check::new(
            "every payment that the client sent was acknowledged in the end",
            takings.open() == 0 && takings.sent() > 0,
            format!("{} of {} are open", takings.open(), takings.sent()),
        ),
        none_of("no payment is lost: whatever was acknowledged is in the store that serves", &audit.lost),
        none_of("no payment is doubled: each was charged once", &audit.doubled),
        none_of("no payment has another amount in the store", &audit.altered),
        none_of("the store has no payment that the client did not send", &audit.unknown),
    ];
    if let Some(state) = &course.lag_alarm {
        checks.push(Check::new(
            "a long replication lag sets off the workload's alarm",
            state == "ALARM",
            state.clone(),
        ));
    }
    if let Some(agree) = course.stores_agree {
        checks.push(Check::new(
            "both Regions have the same payments",
            agree,
            if agree { "the same" } else { "others" },
        ));
    }
    checks
}

fn none_of(claim: &str, ids: &[String]) -> Check {
    let shown = ids.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let found = if ids.is_empty() { "none".to_owned() } else { format!("{}, such as {shown}", ids.len()) };
    Check::new(claim, ids.is_empty(), found)
}

/// The global database writes in the Region, and nowhere else.
async fn writes_at(estate: &Estate, region: &str) -> Result<Check> {
    let (global, cluster) = (estate.output(region, "GlobalClusterId")?, estate.output(region, "ClusterArn")?);
    let members = read_members(&estate.aws(), estate.workload.standby(), global).await?;
    let writers: Vec<&str> = members.iter().filter(|(_, writes)| **writes).map(|(arn, _)| arn.as_str()).collect();
    Ok(Check::new(format!("the database writes in {region} alone"), writers == [cluster], writers.join(", ")))
}

/// The service runs as many tasks in the Region as it has to, by its template's least number in the primary.
async fn tasks_run_at(estate: &Estate, region: &str) -> Result<Check> {
    let (cluster, service) = (estate.output(region, "EcsCluster")?, estate.output(region, "EcsService")?);
    let input = json!({ "cluster": cluster, "services": [service] });
    let answer = estate.aws().json("ecs", region, "DescribeServices", &input).await?;
    let count = |of: &str| answer["services"][0][of].as_i64().unwrap_or_default();
    let (desired, running) = (count("desiredCount"), count("runningCount"));
    let claim = format!("the service runs its tasks in {region}");
    Ok(Check::new(claim, desired > 1 && running == desired, format!("{running} of {desired} run")))
}
