//! What could stand in the way of a scaling or a fence, known beforehand (X4). Pure: one function for each check.

use std::collections::BTreeMap;

use failover::contract::Finding;

use crate::plan::{Compute, Observation, Service, ServiceChange, Suspension, scalable, some_of};
use crate::request::Scaling;

/// So many CPU units are a vCPU.
/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html#task_size>
pub const UNITS_PER_VCPU: u32 = 1024;
/// What a blocker of these checks holds up.
const STEP: &str = "scale-ecs";

/// The CPU units that tasks need, or why that is not known.
pub type Demand = Result<u32, String>;
/// A quota of Fargate, in vCPUs, or why it is not known.
pub type Quota = Result<f64, String>;

/// Whether the cluster and each service that is asked for is there and active.
#[must_use]
pub fn services_are_active(request: &Scaling, seen: &Observation) -> Finding {
    const CHECK: &str = "services-are-active";
    if !seen.absent.is_empty() {
        let absent = seen.absent.iter().map(|absent| format!("{}: {}", absent.name, absent.reason)).collect();
        let cure = "correct the names in the plan, or create what is missing";
        return Finding::blocker(CHECK, request.place(), some_of(absent), STEP, cure);
    }
    if seen.too_many {
        let cure = "name the services in the plan";
        return Finding::unknown(CHECK, request.place(), "there are more services than one request is about", cure);
    }
    let names: Vec<String> = seen.services.iter().map(|service| service.name.clone()).collect();
    if names.is_empty() && !request.is_fence() {
        let cure = "deploy the services of the Region, or take the cluster out of the plan";
        return Finding::blocker(CHECK, request.place(), "the cluster has no service", STEP, cure);
    }
    Finding::ok(CHECK, request.place(), format!("{} services: {}", names.len(), some_of(names)))
}

/// Whether the services' autoscaling limits leave room for their counts. A scaling raises them, and nobody lowers them
/// again.
#[must_use]
pub fn autoscaling_limits(request: &Scaling, seen: &Observation, changes: &[ServiceChange]) -> Finding {
    const CHECK: &str = "autoscaling-limits";
    let narrow: Vec<String> = scalable(seen)
        .zip(changes)
        .filter_map(|(service, change)| {
            let limits = service.limits.filter(|limits| limits.max < change.target)?;
            Some(format!("{}: the maximum {} will be raised to {}", service.name, limits.max, change.target))
        })
        .collect();
    if narrow.is_empty() {
        return Finding::ok(CHECK, request.place(), "no maximum is below the count that is asked for");
    }
    let cure = "raise the maximum beforehand where the higher one is to stay; put it back by hand where it is not";
    Finding::warning(CHECK, request.place(), some_of(narrow), cure)
}

/// Whether the services can scale by themselves.
#[must_use]
pub fn autoscaling_runs(request: &Scaling, seen: &Observation) -> Finding {
    const CHECK: &str = "autoscaling-runs";
    let suspended: Vec<String> = scalable(seen)
        .filter_map(|service| {
            let suspended = service.limits?.suspended;
            let what = match suspended {
                Suspension::NONE => return None,
                Suspension::ALL => "all of it is suspended, as by a fence; the scaling resumes it",
                Suspension { .. } => "part of it is suspended, and stays so",
            };
            Some(format!("{}: {what}", service.name))
        })
        .collect();
    if !suspended.is_empty() {
        let cure = "see who suspended it and why; application-autoscaling register-scalable-target resumes it";
        return Finding::warning(CHECK, request.place(), some_of(suspended), cure);
    }
    let fixed: Vec<String> =
        scalable(seen).filter(|service| service.limits.is_none()).map(|service| service.name.clone()).collect();
    if fixed.is_empty() {
        return Finding::ok(CHECK, request.place(), "every service is scaled automatically");
    }
    let message = format!("services without automatic scaling keep the count they are given: {}", some_of(fixed));
    Finding::ok(CHECK, request.place(), message)
}

/// Whether a fence reaches every service: a daemon service has no count that could be zero.
#[must_use]
pub fn fence_reaches_all(request: &Scaling, seen: &Observation) -> Finding {
    const CHECK: &str = "fence-reaches-all";
    let daemons: Vec<String> =
        seen.services.iter().filter(|service| service.daemon).map(|service| service.name.clone()).collect();
    if daemons.is_empty() {
        return Finding::ok(CHECK, request.place(), "every service has a count that can be set to zero");
    }
    let message = format!("daemon services are not stopped by a fence: {}", some_of(daemons));
    let cure = "see that they do not write; drain the cluster's instances where they do";
    Finding::warning(CHECK, request.place(), message, cure)
}

/// Whether Fargate's quota of vCPUs holds the tasks. The account's other tasks of the Region count against it too, and
/// what they need cannot be seen here.
/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html#service-quotas-fargate>
#[must_use]
pub fn fargate_quota(request: &Scaling, kind: Compute, demand: &Demand, quota: &Quota) -> Finding {
    let check = if kind == Compute::FargateSpot { "fargate-spot-quota" } else { "fargate-quota" };
    let cure = "ask for a higher quota (Service Quotas, AWS Fargate) in this Region, or lower the counts";
    let (needed, quota) = match (demand, quota) {
        (Ok(0), _) => return Finding::ok(check, request.place(), "no task of the request runs on it"),
        (Ok(units), Ok(quota)) => (f64::from(*units) / f64::from(UNITS_PER_VCPU), *quota),
        (Err(problem), _) | (_, Err(problem)) => {
            let cure = "let the function's role read task definitions and quotas, or compare them by hand";
            return Finding::unknown(check, request.place(), problem, cure);
        }
    };
    let figures = format!("the tasks need {needed} vCPUs, the quota is {quota}");
    if needed > quota {
        return Finding::blocker(check, request.place(), figures, STEP, cure);
    }
    Finding::ok(check, request.place(), format!("{figures}; the account's other tasks count against it too"))
}

/// Whether there is room on the instances of services that do not run on Fargate: that cannot be seen beforehand.
#[must_use]
pub fn instance_capacity(request: &Scaling, seen: &Observation) -> Finding {
    const CHECK: &str = "instance-capacity";
    let on_instances: Vec<String> = scalable(seen)
        .filter(|service| service.compute == Compute::Instances)
        .map(|service| service.name.clone())
        .collect();
    if on_instances.is_empty() {
        return Finding::ok(CHECK, request.place(), "no service runs on instances");
    }
    let message = format!("whether the instances have room cannot be checked: {}", some_of(on_instances));
    Finding::unknown(CHECK, request.place(), message, "see that the instances, or their capacity provider, can grow")
}

/// The CPU units that the services of a kind are to have in all.
///
/// # Errors
/// Why it is not known: a task definition that could not be read, or says nothing of CPU.
pub fn demand(
    seen: &Observation,
    changes: &[ServiceChange],
    kind: Compute,
    sizes: &BTreeMap<String, Demand>,
) -> Demand {
    let mut total = 0u32;
    for (service, change) in scalable(seen).zip(changes).filter(|(service, _)| service.compute == kind) {
        let size = size(service, sizes)?;
        total = total.saturating_add(size.saturating_mul(change.target));
    }
    Ok(total)
}

fn size(service: &Service, sizes: &BTreeMap<String, Demand>) -> Demand {
    let size = service.task_definition.as_ref().and_then(|definition| sizes.get(definition));
    size.cloned().unwrap_or_else(|| Err(format!("{}: its task definition was not read", service.name)))
}

/// The CPU of a task definition, in units: `256`, or `.25 vCPU`.
///
/// # Errors
/// What cannot be understood.
pub fn cpu_units(cpu: Option<&str>) -> Demand {
    let unknown = || format!("a task definition's CPU is {cpu:?}");
    let text = cpu.ok_or_else(unknown)?.trim();
    let Some(vcpus) = text.to_ascii_lowercase().strip_suffix("vcpu").map(|number| number.trim().parse::<f64>()) else {
        return text.parse().map_err(|_| unknown());
    };
    let units = vcpus.map_err(|_| unknown())? * f64::from(UNITS_PER_VCPU);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a task's size")]
    (1.0..=1_048_576.0).contains(&units).then_some(units.ceil() as u32).ok_or_else(unknown)
}
