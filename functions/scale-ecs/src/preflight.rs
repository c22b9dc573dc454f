//! Reads what the checks need beyond the observation, all of it in the target Region (X4).

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::Client as Ecs;
use aws_sdk_servicequotas::Client as Quotas;
use failover::contract::Finding;
use failover::runtime::Toolbox;
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::checks::{self, Demand, Quota};
use crate::plan::{self, Compute, Observation, ServiceChange, scalable};
use crate::request::Scaling;

/// Fargate in Service Quotas, and its vCPUs on demand and on Spot.
/// Source: <https://docs.aws.amazon.com/general/latest/gr/ecs-service.html#limits_fargate>
const FARGATE: &str = "fargate";
const ON_DEMAND_VCPUS: &str = "L-3032A538";
const SPOT_VCPUS: &str = "L-36FBB829";
/// So many task definitions are read at the same time.
const CONCURRENT: usize = 4;

/// Every check of a request.
pub(crate) async fn preflight(
    tools: &Toolbox,
    request: &Scaling,
    decision: Finding,
    seen: Option<&Observation>,
) -> Vec<Finding> {
    let Some(seen) = seen else {
        return vec![decision];
    };
    if let Some(problem) = &seen.silent {
        let message = format!("{} does not answer: {problem}", request.region);
        let cure = "check again; a fence in a Region that does not answer times out";
        return vec![Finding::unknown("step-can-run", request.place(), message, cure)];
    }
    let mut findings = vec![decision, checks::services_are_active(request, seen)];
    if request.is_fence() {
        findings.push(checks::fence_reaches_all(request, seen));
        return findings;
    }
    // Without the counts there is nothing to compare; the first finding says why.
    let Ok(changes) = plan::changes(request, seen) else {
        return findings;
    };
    findings.push(checks::autoscaling_limits(request, seen, &changes));
    findings.push(checks::autoscaling_runs(request, seen));
    findings.extend(quotas(tools, request, seen, &changes).await);
    findings.push(checks::instance_capacity(request, seen));
    findings
}

/// Fargate's quotas, on demand and on Spot, each read only where a service needs it.
async fn quotas(tools: &Toolbox, request: &Scaling, seen: &Observation, changes: &[ServiceChange]) -> Vec<Finding> {
    let sizes = sizes(tools, request, seen).await;
    let mut findings = Vec::new();
    for (kind, code) in [(Compute::Fargate, ON_DEMAND_VCPUS), (Compute::FargateSpot, SPOT_VCPUS)] {
        let demand = checks::demand(seen, changes, kind, &sizes);
        let quota = if demand == Ok(0) { Ok(0.0) } else { quota(tools, request, code).await };
        findings.push(checks::fargate_quota(request, kind, &demand, &quota));
    }
    findings
}

/// The CPU of the task definitions on Fargate, by definition.
async fn sizes(tools: &Toolbox, request: &Scaling, seen: &Observation) -> BTreeMap<String, Demand> {
    let ecs = Ecs::new(&tools.clients.reading(&request.region));
    let definitions: BTreeSet<&String> = scalable(seen)
        .filter(|service| service.compute != Compute::Instances)
        .filter_map(|service| service.task_definition.as_ref())
        .collect();
    let reads = stream::iter(definitions).map(|definition| {
        let read = ecs.describe_task_definition().task_definition(definition).send();
        async move {
            let size = match tools.calls.call("ecs", "DescribeTaskDefinition", read).await {
                Ok(answer) => checks::cpu_units(answer.task_definition().and_then(|found| found.cpu())),
                Err(error) => Err(error.to_string()),
            };
            (definition.clone(), size)
        }
    });
    reads.buffer_unordered(CONCURRENT).collect().await
}

async fn quota(tools: &Toolbox, request: &Scaling, code: &str) -> Quota {
    let quotas = Quotas::new(&tools.clients.reading(&request.region));
    let read = quotas.get_service_quota().service_code(FARGATE).quota_code(code).send();
    match tools.calls.call("servicequotas", "GetServiceQuota", read).await {
        Ok(answer) => {
            let value = answer.quota().and_then(aws_sdk_servicequotas::types::ServiceQuota::value);
            value.ok_or_else(|| format!("the quota {FARGATE} {code} has no value"))
        }
        Err(error) => Err(error.to_string()),
    }
}
