//! How many tasks each service is to have, and what is missing. Pure: no async, no SDK types, no clock.

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// The services that are asked for, or those of the recorded change, by name.
    pub services: Vec<Service>,
    /// Those that cannot be scaled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<Absent>,
    /// Whether the cluster has more services than one request may be about; then none is looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub too_many: bool,
    /// What the counts are taken from; none when they stand in the request or in the recorded change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The counts that this operation decided on with its last change; none before.
    #[serde(skip)]
    pub decided: Option<BTreeMap<String, u32>>,
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
}

/// Application Auto Scaling's limits of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The least number of tasks a policy leaves.
    pub min: u32,
    /// The most it brings.
    pub max: u32,
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
    /// How many it was to have when this was decided.
    pub found: u32,
    /// The limits to register before anything else; none if they are wide enough, or there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<Limits>,
    /// Whether the count is to be set.
    pub update: bool,
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
    if let Some(refusal) = unusable(request, seen) {
        return refusal;
    }
    let mut changes = Vec::new();
    for service in scalable(seen) {
        match wanted(request, seen, &service.name) {
            Ok(wanted) => changes.push(change(request, service, wanted)),
            Err(refusal) => return refusal,
        }
    }
    if changes.is_empty() {
        return refuse(
            format!("cluster {} in {} has no service whose count could be set", request.cluster, request.region),
            "deploy the services of the standby Region, or take the cluster out of the plan",
        );
    }
    if changes.iter().any(ServiceChange::is_needed) {
        let (region, cluster) = (request.region.clone(), request.cluster.clone());
        return Plan::Act(Action { region, cluster, services: changes });
    }
    running(seen, &changes)
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
        let wider = Limits { min: limits.min.max(target), max: limits.max.max(target) };
        (wider != limits).then_some(wider)
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
    let place = format!("cluster {} in {}", request.cluster, request.region);
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
fn scalable(seen: &Observation) -> impl Iterator<Item = &Service> {
    seen.services.iter().filter(|service| !service.daemon)
}

fn some_of(mut parts: Vec<String>) -> String {
    let more = parts.len().saturating_sub(MOST_NAMED);
    parts.truncate(MOST_NAMED);
    let listed = parts.join("; ");
    if more == 0 { listed } else { format!("{listed}; and {more} more") }
}

fn refuse(reason: String, cure: &str) -> Plan<Action> {
    Plan::Refuse { reason, cure: cure.to_owned() }
}
