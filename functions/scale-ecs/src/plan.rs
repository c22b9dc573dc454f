//! How many tasks each service is to have, and what is missing. Pure: no async, no SDK types, no clock.
//!
//! A fence (X1) is a scaling to nothing that holds: the minimum is lowered to zero and every kind of automatic scaling is
//! suspended before the count is set, so that neither a policy nor a scheduled action brings tasks back. It closes the
//! services of the request; tasks that were started by themselves (`RunTask`), and daemon services, are not reached.
//!
//! A normal scaling takes the fence away again. Application Auto Scaling does not say who suspended a target, so a target
//! of which all three kinds are suspended counts as fenced, whoever did it: clients are about to be sent to the service,
//! and one that cannot scale would not hold. Where only some are suspended it was a person's choice, which stays.

use std::collections::BTreeMap;
use std::time::Duration;

use failover::contract::{Capacity, Region, ServiceSelection, Timestamp};
use failover::step::Plan;
use serde::{Deserialize, Serialize};

use crate::request::{MOST_SERVICES, Scaling};

/// The most tasks that a service can have.
/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html>
pub const MOST_TASKS: u32 = 5000;
/// Without a change of ours, placement failures of this time back are reported.
pub const RECENT_EVENTS: Duration = Duration::from_secs(10 * 60);
/// How soon to look again: starting a task takes seconds at best.
pub const ASK_AGAIN: Duration = Duration::from_secs(2);
/// So many services are named in a sentence; the rest is counted.
const MOST_NAMED: usize = 5;
/// What a service's event says when tasks cannot be placed or started. ECS reports it nowhere else.
/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html>
const PLACEMENT_FAILURES: [&str; 4] = [
    "unable to place a task",
    "reached the limit on the number of vCPUs",
    "operations are being throttled",
    "unable to consistently start tasks",
];

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// The services that are asked for, or those of the recorded change, by name.
    pub services: Vec<Service>,
    /// Those that cannot be scaled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<Absent>,
    /// Services that are being deleted and still have tasks; looked for only by a fence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<Leaving>,
    /// What came instead of an answer of the Region that is fenced; then nothing else was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
    /// Whether the cluster has more services than one request may be about; then none is looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub too_many: bool,
    /// What the counts are taken from; none when they stand in the request or in the recorded change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The counts that this operation decided on with its last change; none before.
    #[serde(skip)]
    pub decided: Option<BTreeMap<String, u32>>,
    /// The counts that this operation found before its first change; empty before.
    #[serde(skip)]
    pub found_before: BTreeMap<String, u32>,
}

/// An ECS service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// How many tasks it is to have.
    pub desired: u32,
    /// How many of them run.
    pub running: u32,
    /// How many are being started.
    pub pending: u32,
    /// Whether it runs one task on each instance, so that it has no count of its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub daemon: bool,
    /// The limits of Application Auto Scaling; none for a service that is not scaled by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// The newest event that says why tasks are not placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement_failure: Option<PlacementFailure>,
    /// What its tasks are made of, for the preflight.
    #[serde(skip)]
    pub task_definition: Option<String>,
    /// What its tasks run on, for the preflight.
    #[serde(skip)]
    pub compute: Compute,
}

/// What a service's tasks run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compute {
    /// Fargate, at least in part.
    #[default]
    Fargate,
    /// Nothing but Fargate Spot, which has a quota of its own.
    FargateSpot,
    /// Instances: of EC2, or somebody's own.
    Instances,
}

/// Application Auto Scaling's limits of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// The least number of tasks a policy leaves.
    pub min: u32,
    /// The most it brings.
    pub max: u32,
    /// What is suspended of it.
    #[serde(skip_serializing_if = "Suspension::is_none")]
    pub suspended: Suspension,
}

/// Which kinds of automatic scaling are suspended.
/// Source: <https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-suspend-resume-scaling.html>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Suspension {
    /// Removing tasks by a policy.
    pub scale_in: bool,
    /// Adding tasks by a policy.
    pub scale_out: bool,
    /// Scheduled actions.
    pub scheduled: bool,
}

impl Suspension {
    /// All of it, as a fence leaves it.
    pub const ALL: Self = Self { scale_in: true, scale_out: true, scheduled: true };
    /// Nothing.
    pub const NONE: Self = Self { scale_in: false, scale_out: false, scheduled: false };

    /// Whether nothing is suspended.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

/// A service that is being deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leaving {
    /// Its name.
    pub name: String,
    /// How many tasks it still has, running or being started.
    pub tasks: u32,
}

/// Why tasks of a service were not placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlacementFailure {
    /// When ECS said so.
    pub at: Timestamp,
    /// What it said.
    pub message: String,
}

/// A service, or a whole cluster, that cannot be scaled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Absent {
    /// What it is called.
    pub name: String,
    /// What is wrong with it, as ECS puts it: `MISSING`, `INACTIVE`.
    pub reason: String,
}

/// The counts in the source Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// By service; a service that is not there has none.
    Counts(BTreeMap<String, u32>),
    /// They could not be read.
    Unknown {
        /// What came instead of an answer.
        problem: String,
    },
}

/// The change to a cluster's services: the counts decided on for all of them, and what each still lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The Region.
    pub region: Region,
    /// The cluster.
    pub cluster: String,
    /// Its services.
    pub services: Vec<ServiceChange>,
}

/// The change to one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceChange {
    /// The service.
    pub service: String,
    /// How many tasks it is to have.
    pub target: u32,
    /// How many it was to have when this was decided; in a fence, before anything was changed, so that a scaling by
    /// percentage knows what the Region had, and a person what to put back.
    pub found: u32,
    /// The limits to register before anything else; none if they are as they should be, or there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<Registration>,
    /// Whether the count is to be set.
    pub update: bool,
}

/// What is registered with Application Auto Scaling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The least number of tasks.
    pub min: u32,
    /// The most.
    pub max: u32,
    /// Whether all of the automatic scaling is suspended from now on, or none of it; left out, as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

impl ServiceChange {
    /// Whether there is anything to do.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.update || self.register.is_some()
    }
}

/// Whether an event of a service says that tasks cannot be placed or started.
#[must_use]
pub fn is_placement_failure(message: &str) -> bool {
    PLACEMENT_FAILURES.iter().any(|phrase| message.contains(phrase))
}

/// Decides.
#[must_use]
pub fn plan(request: &Scaling, seen: &Observation) -> Plan<Action> {
    if let Some(problem) = &seen.silent {
        return Plan::Wait { reason: format!("{} does not answer: {problem}", request.region), ask_again: ASK_AGAIN };
    }
    let changes = match changes(request, seen) {
        Ok(changes) => changes,
        Err(refusal) => return refusal,
    };
    if changes.iter().any(ServiceChange::is_needed) {
        let (region, cluster) = (request.region.clone(), request.cluster.clone());
        return Plan::Act(Action { region, cluster, services: changes });
    }
    if request.is_fence() { stopped(seen) } else { running(seen, &changes) }
}

/// What each service with a count of its own is to have, and lacks.
///
/// # Errors
/// The refusal, when that cannot be said of each, or there is none.
pub(crate) fn changes(request: &Scaling, seen: &Observation) -> Result<Vec<ServiceChange>, Plan<Action>> {
    if let Some(refusal) = unusable(request, seen) {
        return Err(refusal);
    }
    if request.is_fence() {
        // A cluster without services has nothing that could write.
        return Ok(scalable(seen).map(|service| fenced(seen, service)).collect());
    }
    let mut changes = Vec::new();
    for service in scalable(seen) {
        changes.push(change(request, service, wanted(request, seen, &service.name)?));
    }
    if changes.is_empty() {
        return Err(refuse(
            format!("{} has no service whose count could be set", request.place()),
            "deploy the services of the standby Region, or take the cluster out of the plan",
        ));
    }
    Ok(changes)
}

/// What a service lacks that is to have no tasks, and to stay so.
fn fenced(seen: &Observation, service: &Service) -> ServiceChange {
    let register = service.limits.and_then(|limits| {
        let closed = limits.min == 0 && limits.suspended == Suspension::ALL;
        (!closed).then_some(Registration { min: 0, max: limits.max, suspend: Some(true) })
    });
    let update = service.desired > 0;
    let found = seen.found_before.get(&service.name).copied().unwrap_or_default().max(service.desired);
    ServiceChange { service: service.name.clone(), target: 0, found, register, update }
}

/// Every count is zero: done when no task is left, not even one that is still being started.
fn stopped(seen: &Observation) -> Plan<Action> {
    let left = scalable(seen).map(|service| (&service.name, service.running.saturating_add(service.pending)));
    let left = left.chain(seen.leaving.iter().map(|leaving| (&leaving.name, leaving.tasks)));
    let left: Vec<String> =
        left.filter(|(_, tasks)| *tasks > 0).map(|(name, tasks)| format!("{name}: {tasks} tasks left")).collect();
    if !left.is_empty() {
        return Plan::Wait { reason: some_of(left), ask_again: ASK_AGAIN };
    }
    let daemons: Vec<String> =
        seen.services.iter().filter(|service| service.daemon).map(|service| service.name.clone()).collect();
    let beside = if daemons.is_empty() {
        String::new()
    } else {
        format!("; daemon services, which have no count, were left: {}", some_of(daemons))
    };
    let count = scalable(seen).count();
    Plan::AlreadyDone {
        proof: format!("none of {count} services has a task, and automatic scaling brings none back{beside}"),
    }
}

/// Every count is set: done when the tasks run.
fn running(seen: &Observation, changes: &[ServiceChange]) -> Plan<Action> {
    let mut lacking = Vec::new();
    for (service, change) in scalable(seen).zip(changes) {
        if service.running < change.target {
            let why =
                service.placement_failure.as_ref().map_or(String::new(), |failure| format!(" ({})", failure.message));
            lacking.push(format!("{}: {} of {} tasks run{why}", service.name, service.running, change.target));
        }
    }
    if lacking.is_empty() {
        let counts = changes.iter().map(|change| format!("{}: {}", change.service, change.target)).collect();
        return Plan::AlreadyDone { proof: format!("every service runs at least its tasks: {}", some_of(counts)) };
    }
    Plan::Wait { reason: some_of(lacking), ask_again: ASK_AGAIN }
}

/// What one service lacks.
fn change(request: &Scaling, service: &Service, wanted: u32) -> ServiceChange {
    let least = service.limits.map_or(0, |limits| limits.min);
    // A policy would move a count below the minimum back to it, and a minimum is never lowered.
    let target = if service.desired < wanted {
        wanted.max(least)
    } else if request.allow_scale_down {
        wanted.max(least).min(service.desired)
    } else {
        wanted
    };
    let register = service.limits.and_then(|limits| {
        let (min, max) = (limits.min.max(target), limits.max.max(target));
        let resume = limits.suspended == Suspension::ALL;
        let needed = resume || (min, max) != (limits.min, limits.max);
        needed.then_some(Registration { min, max, suspend: resume.then_some(false) })
    });
    let update = service.desired < target || (service.desired > target && request.allow_scale_down);
    ServiceChange { service: service.name.clone(), target, found: service.desired, register, update }
}

/// How many tasks a service is to have.
fn wanted(request: &Scaling, seen: &Observation, service: &str) -> Result<u32, Plan<Action>> {
    // Once decided it stays: the source may be gone by now, or be scaled down.
    if let Some(count) = seen.decided.as_ref().and_then(|decided| decided.get(service)) {
        return Ok(*count);
    }
    match &request.capacity {
        Capacity::Desired(count) => Ok(*count),
        Capacity::Fenced => Ok(0),
        Capacity::PercentOfSource { percent, source_region, source_cluster, desired_if_unknown } => {
            let unknown = |problem: String| {
                desired_if_unknown.ok_or_else(|| {
                    refuse(
                        format!(
                            "the count of {service} in {source_cluster} in {source_region} is not known: {problem}"
                        ),
                        "give desired_if_unknown, the count to take then, or an absolute count",
                    )
                })
            };
            match &seen.source {
                Some(Source::Counts(counts)) => match counts.get(service) {
                    Some(count) => share(*count, *percent, service),
                    None => unknown("there is no such service there".to_owned()),
                },
                Some(Source::Unknown { problem }) => unknown(problem.clone()),
                None => unknown("it was not looked for".to_owned()),
            }
        }
    }
}

/// A percentage of a count, rounded up.
fn share(count: u32, percent: u32, service: &str) -> Result<u32, Plan<Action>> {
    let share = (u64::from(count) * u64::from(percent)).div_ceil(100);
    u32::try_from(share).ok().filter(|share| *share <= MOST_TASKS).ok_or_else(|| {
        refuse(
            format!("{percent} % of the {count} tasks of {service} are {share}; a service has at most {MOST_TASKS}"),
            "lower the percentage, or give an absolute count",
        )
    })
}

fn unusable(request: &Scaling, seen: &Observation) -> Option<Plan<Action>> {
    let place = request.place();
    if !seen.absent.is_empty() {
        let absent = seen.absent.iter().map(|absent| format!("{}: {}", absent.name, absent.reason)).collect();
        return Some(refuse(
            format!("{place}: not there to be scaled: {}", some_of(absent)),
            "correct the names in the request or plan, or create what is missing",
        ));
    }
    if seen.too_many {
        return Some(refuse(
            format!("{place} has more than {MOST_SERVICES} services"),
            "name the services, at most so many in one request",
        ));
    }
    let named = matches!(request.services, ServiceSelection::Named(_));
    let daemon = seen.services.iter().find(|service| service.daemon && named)?;
    Some(refuse(
        format!("{place}: {} is a daemon service, which has as many tasks as the cluster has instances", daemon.name),
        "take it out of the request, and scale the cluster's instances",
    ))
}

/// The services with a count of their own; daemons follow the instances.
pub(crate) fn scalable(seen: &Observation) -> impl Iterator<Item = &Service> {
    seen.services.iter().filter(|service| !service.daemon)
}

pub(crate) fn some_of(mut parts: Vec<String>) -> String {
    let more = parts.len().saturating_sub(MOST_NAMED);
    parts.truncate(MOST_NAMED);
    let listed = parts.join("; ");
    if more == 0 { listed } else { format!("{listed}; and {more} more") }
}

fn refuse(reason: String, cure: &str) -> Plan<Action> {
    Plan::Refuse { reason, cure: cure.to_owned() }
}
