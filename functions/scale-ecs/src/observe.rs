//! What AWS says about the services, their autoscaling limits, and where it matters the source Region's counts.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_applicationautoscaling::Client as AutoScaling;
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalableTarget, ServiceNamespace};
use aws_sdk_ecs::Client as Ecs;
use aws_sdk_ecs::types::{
    CapacityProviderStrategyItem, Failure, LaunchType, SchedulingStrategy, Service as EcsService,
};
use failover::aws_call::{CallError, Meaning};
use failover::contract::{Capacity, Region, ServiceSelection, Timestamp};
use failover::env::millis;
use failover::error::Error;
use failover::runtime::Toolbox;
use failover::step::LastChange;
use futures_util::stream;
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::plan::{
    Absent, Action, Compute, Leaving, Limits, Observation, PlacementFailure, RECENT_EVENTS, Service, Source,
    Suspension, is_placement_failure,
};
use crate::request::{MOST_SERVICES, Scaling};

/// As many services as `DescribeServices` takes.
/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html>
const SERVICES_PER_CALL: usize = 10;
/// As many services as `ListServices` gives at once.
const SERVICES_PER_PAGE: i32 = 100;
/// As many scalable targets as `DescribeScalableTargets` gives at once.
const TARGETS_PER_CALL: usize = 50;
/// So many calls are under way at the same time.
const CONCURRENT: usize = 4;

/// Looks at AWS.
///
/// # Errors
/// Reads in the target Region that fail. A source Region that does not answer is an observation, and so is a Region that
/// is fenced.
pub(crate) async fn observe(
    tools: &Toolbox,
    request: &Scaling,
    last: Option<&LastChange<Action>>,
) -> Result<Observation, Error> {
    let decided = last.map(|last| decided(&last.action));
    let found_before = last.map(|last| found(&last.action)).unwrap_or_default();
    match look(tools, request, last, decided.as_ref()).await {
        Ok(seen) => Ok(Observation { decided, found_before, ..seen }),
        Err(Error::Transient { source, .. }) if request.is_fence() && source.is_silence() => {
            Ok(Observation { decided, found_before, silent: Some(source.to_string()), ..Observation::default() })
        }
        Err(error) => Err(error),
    }
}

async fn look(
    tools: &Toolbox,
    request: &Scaling,
    last: Option<&LastChange<Action>>,
    decided: Option<&BTreeMap<String, u32>>,
) -> Result<Observation, Error> {
    let mut seen = Observation::default();
    // A fence asks a Region that may be gone: one try for each look, so that several looks fit into its time.
    let config =
        if request.is_fence() { tools.clients.once(&request.region) } else { tools.clients.reading(&request.region) };
    let ecs = Reader { tools, ecs: Ecs::new(&config), cluster: &request.cluster };
    let names = match (decided, &request.services) {
        (_, ServiceSelection::Named(names)) => names.clone(),
        // A fence is about whatever is there now; a scaling about what it decided on.
        (Some(decided), ServiceSelection::All) if !request.is_fence() => decided.keys().cloned().collect(),
        (_, ServiceSelection::All) => match ecs.list().await {
            Ok(names) => names,
            Err(error) => return without_cluster(request, error, seen),
        },
    };
    if names.len() > MOST_SERVICES {
        seen.too_many = true;
        return Ok(seen);
    }
    let autoscaling = AutoScaling::new(&config);
    let (described, limits, source) = tokio::join!(
        ecs.describe(&names),
        limits(tools, &autoscaling, &request.cluster, &names),
        source(tools, request, &names, decided.is_some()),
    );
    seen.source = source?;
    let (services, failures) = match described {
        Ok(described) => described,
        Err(error) => return without_cluster(request, error, seen),
    };
    let limits = limits?;
    let since = last.map_or_else(|| recently(tools), |last| last.at);
    for service in services {
        add(&mut seen, request, &service, &limits, since);
    }
    seen.absent.extend(failures.iter().map(absent));
    seen.services.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(seen)
}

/// A cluster that is not there is an observation; the decision names it.
fn without_cluster(request: &Scaling, error: CallError, mut seen: Observation) -> Result<Observation, Error> {
    if error.meaning == Meaning::NotFound {
        let reason = "there is no such ECS cluster".to_owned();
        seen.absent.push(Absent { name: request.cluster.clone(), reason });
        return Ok(seen);
    }
    Err(Error::from_read(format!("reading the services of cluster {} in {}", request.cluster, request.region), error))
}

fn decided(action: &Action) -> BTreeMap<String, u32> {
    action.services.iter().map(|change| (change.service.clone(), change.target)).collect()
}

fn found(action: &Action) -> BTreeMap<String, u32> {
    action.services.iter().map(|change| (change.service.clone(), change.found)).collect()
}

fn recently(tools: &Toolbox) -> Timestamp {
    let back = i64::try_from(millis(RECENT_EVENTS)).unwrap_or(i64::MAX);
    Timestamp::from_millis(tools.env.now().as_millis().saturating_sub(back))
}

fn add(
    seen: &mut Observation,
    request: &Scaling,
    service: &EcsService,
    limits: &BTreeMap<String, Limits>,
    since: Timestamp,
) {
    let name = service.service_name().unwrap_or_default().to_owned();
    let status = service.status().unwrap_or_default();
    let (running, pending) = (count(service.running_count()), count(service.pending_count()));
    if status != "ACTIVE" {
        // A service on its way out is listed with the others, but nobody asked for it by name.
        if matches!(request.services, ServiceSelection::Named(_)) {
            seen.absent.push(Absent { name, reason: status.to_owned() });
        } else if request.is_fence() {
            seen.leaving.push(Leaving { name, tasks: running.saturating_add(pending) });
        }
        return;
    }
    seen.services.push(Service {
        desired: count(service.desired_count()),
        running,
        pending,
        daemon: service.scheduling_strategy() == Some(&SchedulingStrategy::Daemon),
        limits: limits.get(&name).copied(),
        placement_failure: placement_failure(service, since),
        task_definition: service.task_definition().map(str::to_owned),
        compute: compute(service),
        name,
    });
}

/// A service has capacity providers or a launch type, and without either the launch type EC2.
/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html>
fn compute(service: &EcsService) -> Compute {
    let providers: Vec<&str> =
        service.capacity_provider_strategy().iter().map(CapacityProviderStrategyItem::capacity_provider).collect();
    if providers.is_empty() {
        let fargate = service.launch_type() == Some(&LaunchType::Fargate);
        return if fargate { Compute::Fargate } else { Compute::Instances };
    }
    if providers.contains(&"FARGATE") {
        Compute::Fargate
    } else if providers.contains(&"FARGATE_SPOT") {
        Compute::FargateSpot
    } else {
        Compute::Instances
    }
}

fn placement_failure(service: &EcsService, since: Timestamp) -> Option<PlacementFailure> {
    let failures = service.events().iter().filter_map(|event| {
        let at = Timestamp::from_millis(event.created_at()?.to_millis().ok()?);
        let message = event.message().filter(|message| is_placement_failure(message))?;
        (at >= since).then(|| PlacementFailure { at, message: message.to_owned() })
    });
    failures.max_by_key(|failure| failure.at)
}

fn absent(failure: &Failure) -> Absent {
    let reason = failure.reason().unwrap_or("UNKNOWN").to_owned();
    Absent { name: name_of(failure.arn().unwrap_or_default()).to_owned(), reason }
}

/// The counts in the source Region, when they are needed to decide and not decided yet.
async fn source(tools: &Toolbox, request: &Scaling, names: &[String], decided: bool) -> Result<Option<Source>, Error> {
    let Capacity::PercentOfSource { source_region, source_cluster, .. } = &request.capacity else {
        return Ok(None);
    };
    if decided {
        return Ok(None);
    }
    // A fence of this failover has taken the tasks away; what counts is what it found.
    let mut counts = before_the_fence(tools, request, source_region, source_cluster).await?;
    if names.iter().all(|name| counts.contains_key(name)) {
        return Ok(Some(Source::Counts(counts)));
    }
    // Asked once: the Region may be the one that is lost.
    let ecs = Ecs::new(&tools.clients.once(source_region));
    let reader = Reader { tools, ecs, cluster: source_cluster };
    match reader.describe(names).await {
        Ok((services, _)) => {
            for (name, count) in services.iter().filter_map(named_count) {
                counts.entry(name).or_insert(count);
            }
            Ok(Some(Source::Counts(counts)))
        }
        Err(error) if error.meaning == Meaning::Throttled => {
            Err(Error::from_read(format!("reading the counts of cluster {source_cluster} in {source_region}"), error))
        }
        // Whatever a Region in trouble answers, it is no reason not to scale where a count for this case is given.
        Err(error) => Ok(Some(Source::Unknown { problem: error.to_string() })),
    }
}

/// What the fence of the source's services found, by service; empty without a fence that got that far.
async fn before_the_fence(
    tools: &Toolbox,
    request: &Scaling,
    region: &Region,
    cluster: &str,
) -> Result<BTreeMap<String, u32>, Error> {
    let Some(fence) = request.fence_in(region, cluster) else {
        return Ok(BTreeMap::new());
    };
    let Some(intent) = tools.ledger.operation(&fence).await?.and_then(|record| record.intent) else {
        return Ok(BTreeMap::new());
    };
    let action: Action = serde_json::from_value(intent.action).map_err(|error| Error::Bug {
        doing: format!("reading the intent of operation {fence}"),
        problem: error.to_string(),
    })?;
    Ok(found(&action))
}

fn named_count(service: &EcsService) -> Option<(String, u32)> {
    let active = service.status() == Some("ACTIVE");
    active.then(|| (service.service_name().unwrap_or_default().to_owned(), count(service.desired_count())))
}

/// Reads the services of one cluster.
struct Reader<'a> {
    tools: &'a Toolbox,
    ecs: Ecs,
    cluster: &'a str,
}

impl Reader<'_> {
    /// The names of the cluster's services; stops beyond [`MOST_SERVICES`].
    async fn list(&self) -> Result<Vec<String>, CallError> {
        let mut names = BTreeSet::new();
        let mut next = None;
        loop {
            let read = self
                .ecs
                .list_services()
                .cluster(self.cluster)
                .max_results(SERVICES_PER_PAGE)
                .set_next_token(next)
                .send();
            let page = self.tools.calls.call("ecs", "ListServices", read).await?;
            names.extend(page.service_arns().iter().map(|arn| name_of(arn).to_owned()));
            next = page.next_token;
            if next.is_none() || names.len() > MOST_SERVICES {
                return Ok(names.into_iter().collect());
            }
        }
    }

    async fn describe(&self, names: &[String]) -> Result<(Vec<EcsService>, Vec<Failure>), CallError> {
        let batches = stream::iter(names.chunks(SERVICES_PER_CALL)).map(|batch| async move {
            let read = self.ecs.describe_services().cluster(self.cluster).set_services(Some(batch.to_vec())).send();
            let answer = self.tools.calls.call("ecs", "DescribeServices", read).await?;
            Ok((answer.services.unwrap_or_default(), answer.failures.unwrap_or_default()))
        });
        let add = |(mut services, mut failures): (Vec<_>, Vec<_>), (more, failed): (Vec<_>, Vec<_>)| {
            services.extend(more);
            failures.extend(failed);
            std::future::ready(Ok((services, failures)))
        };
        batches.buffered(CONCURRENT).try_fold((Vec::new(), Vec::new()), add).await
    }
}

/// The limits of the services that have some, by service.
async fn limits(
    tools: &Toolbox,
    autoscaling: &AutoScaling,
    cluster: &str,
    names: &[String],
) -> Result<BTreeMap<String, Limits>, Error> {
    let batches = stream::iter(names.chunks(TARGETS_PER_CALL))
        .map(|batch| limits_of(tools, autoscaling, cluster, batch))
        .buffered(CONCURRENT);
    let found: Vec<Vec<(String, Limits)>> = batches
        .try_collect()
        .await
        .map_err(|error| Error::from_read(format!("reading the autoscaling limits of cluster {cluster}"), error))?;
    Ok(found.into_iter().flatten().collect())
}

async fn limits_of(
    tools: &Toolbox,
    autoscaling: &AutoScaling,
    cluster: &str,
    names: &[String],
) -> Result<Vec<(String, Limits)>, CallError> {
    let ids: Vec<String> = names.iter().map(|name| resource_id(cluster, name)).collect();
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let read = autoscaling
            .describe_scalable_targets()
            .service_namespace(ServiceNamespace::Ecs)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .set_resource_ids(Some(ids.clone()))
            .set_next_token(next)
            .send();
        let page = tools.calls.call("application-autoscaling", "DescribeScalableTargets", read).await?;
        found.extend(
            page.scalable_targets().iter().map(|target| (name_of(target.resource_id()).to_owned(), limits_in(target))),
        );
        next = page.next_token;
        if next.is_none() {
            return Ok(found);
        }
    }
}

fn limits_in(target: &ScalableTarget) -> Limits {
    let suspended = target.suspended_state().map_or(Suspension::NONE, |state| Suspension {
        scale_in: state.dynamic_scaling_in_suspended().unwrap_or_default(),
        scale_out: state.dynamic_scaling_out_suspended().unwrap_or_default(),
        scheduled: state.scheduled_scaling_suspended().unwrap_or_default(),
    });
    Limits { min: count(target.min_capacity()), max: count(target.max_capacity()), suspended }
}

/// The service as Application Auto Scaling names it.
pub(crate) fn resource_id(cluster: &str, service: &str) -> String {
    format!("service/{cluster}/{service}")
}

/// The last part of an ARN or resource id.
fn name_of(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

fn count(count: i32) -> u32 {
    u32::try_from(count).unwrap_or_default()
}
