//! What ECS, Application Auto Scaling and Service Quotas answer.

use failover::contract::Timestamp;
use failover::testing::wire::Request;
use serde_json::{Value, json};

use super::service::{Limits, Service, View};
use super::{Act, Ecs};
use crate::aws::{ACCOUNT, Answer, parameters};
use crate::workload::ECS_CLUSTER;

/// As many services as one `DescribeServices` takes.
/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html>
const MOST_DESCRIBED: usize = 10;
/// A task's CPU, in units.
const CPU_UNITS: &str = "512";
/// Fargate's quotas of vCPUs on demand and on Spot, as in Service Quotas, with their values.
/// Source: <https://docs.aws.amazon.com/general/latest/gr/ecs-service.html#limits_fargate>
const QUOTAS: [(&str, f64); 2] = [("L-3032A538", 100.0), ("L-36FBB829", 100.0)];
/// The only dimension of ECS services.
const DIMENSION: &str = "ecs:service:DesiredCount";

/// Answers a request.
pub(super) fn answer(ecs: &mut Ecs, request: &Request, now: Timestamp) -> Answer {
    match request.operation.as_str() {
        "ListServices" => list(ecs, request),
        "DescribeServices" => describe(ecs, request, now),
        "UpdateService" => update(ecs, request, now),
        "DescribeTaskDefinition" => describe_task_definition(request),
        "DescribeScalableTargets" => describe_targets(ecs, request, now),
        "RegisterScalableTarget" => register(ecs, request, now),
        "GetServiceQuota" => quota(request),
        _ => panic!("not simulated: {}", request.name()),
    }
}

fn no_cluster(request: &Request) -> Option<Answer> {
    let there = parameters::text(request, "cluster") == ECS_CLUSTER;
    (!there).then(|| Answer::error("ClusterNotFoundException", "Cluster not found."))
}

fn list(ecs: &Ecs, request: &Request) -> Answer {
    parameters::only(request, &["cluster", "maxResults"]);
    if let Some(answer) = no_cluster(request) {
        return answer;
    }
    let there = ecs.services.iter().filter(|service| service.region == request.region);
    let arns: Vec<String> = there.map(|service| arn(&request.region, service.name)).collect();
    let most = parameters::count(request, "maxResults").map_or(usize::MAX, |most| most as usize);
    assert!(arns.len() <= most, "pages of services are not simulated: {}", request.body);
    Answer::json(json!({ "serviceArns": arns }))
}

fn describe(ecs: &mut Ecs, request: &Request, now: Timestamp) -> Answer {
    parameters::only(request, &["cluster", "services"]);
    if let Some(answer) = no_cluster(request) {
        return answer;
    }
    let names = parameters::texts(request, "services").unwrap_or_default();
    if names.is_empty() || names.len() > MOST_DESCRIBED {
        return Answer::error("InvalidParameterException", format!("1 to {MOST_DESCRIBED} services can be described"));
    }
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        let found = ecs.services.iter().find(|service| service.region == request.region && service.name == name);
        match found {
            Some(service) => services.push(described(service, service.seen(now, &mut ecs.chance))),
            None => failures.push(json!({ "arn": arn(&request.region, name), "reason": "MISSING" })),
        }
    }
    Answer::json(json!({ "services": services, "failures": failures }))
}

fn update(ecs: &mut Ecs, request: &Request, now: Timestamp) -> Answer {
    parameters::only(request, &["cluster", "service", "desiredCount"]);
    if let Some(answer) = no_cluster(request) {
        return answer;
    }
    let Some(index) = ecs.index(&request.region, parameters::text(request, "service")) else {
        return Answer::error("ServiceNotFoundException", "Service not found.");
    };
    let count = parameters::count(request, "desiredCount").expect("a count is all that is ever updated");
    ecs.set_count(index, count, Act::Update, now);
    let service = &ecs.services[index];
    Answer::json(json!({ "service": described(service, service.view()) }))
}

fn describe_task_definition(request: &Request) -> Answer {
    parameters::only(request, &["taskDefinition"]);
    let definition = parameters::text(request, "taskDefinition");
    let known = crate::workload::SERVICES.iter().any(|service| task_definition(&request.region, service) == definition);
    if !known {
        return Answer::error("ClientException", "Unable to describe task definition.");
    }
    Answer::json(json!({ "taskDefinition": {
        "taskDefinitionArn": definition, "revision": 1, "status": "ACTIVE", "cpu": CPU_UNITS, "memory": "1024",
        "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
    } }))
}

fn describe_targets(ecs: &mut Ecs, request: &Request, now: Timestamp) -> Answer {
    parameters::only(request, &["ServiceNamespace", "ResourceIds", "ScalableDimension"]);
    let ids = parameters::texts(request, "ResourceIds");
    let mut targets = Vec::new();
    for service in ecs.services.iter().filter(|service| service.region == request.region) {
        if ids.as_ref().is_none_or(|ids| ids.contains(&resource_id(service.name).as_str())) {
            let limits = service.seen(now, &mut ecs.chance).limits;
            targets.push(target(service, limits));
        }
    }
    Answer::json(json!({ "ScalableTargets": targets }))
}

fn register(ecs: &mut Ecs, request: &Request, now: Timestamp) -> Answer {
    let known = ["ServiceNamespace", "ResourceId", "ScalableDimension", "MinCapacity", "MaxCapacity", "SuspendedState"];
    parameters::only(request, &known);
    let (dimension, id) = (parameters::text(request, "ScalableDimension"), parameters::text(request, "ResourceId"));
    assert_eq!((parameters::text(request, "ServiceNamespace"), dimension), ("ecs", DIMENSION), "{}", request.body);
    let index =
        ecs.services.iter().position(|service| service.region == request.region && resource_id(service.name) == id);
    let Some(index) = index else {
        return Answer::error("ValidationException", format!("ECS service doesn't exist: {id}"));
    };
    if ecs.services[index].is_being_adjusted() {
        let message = "You already have a pending update to an Auto Scaling resource.";
        return Answer::error("ConcurrentUpdateException", message);
    }
    let before = ecs.services[index].limits();
    let min = parameters::count(request, "MinCapacity").unwrap_or(before.min);
    let max = parameters::count(request, "MaxCapacity").unwrap_or(before.max);
    if min > max {
        return Answer::error("ValidationException", "Maximum capacity cannot be less than minimum capacity");
    }
    let limits = suspended(Limits { min, max, ..before }, &request.body["SuspendedState"]);
    ecs.set_limits(index, limits, now);
    Answer::json(json!({ "ScalableTargetARN": target_arn(&request.region, ecs.services[index].name) }))
}

/// A request that leaves the suspension out leaves it as it is; one that has it is false in what it leaves out.
/// Source: <https://docs.aws.amazon.com/autoscaling/application/APIReference/API_SuspendedState.html>
fn suspended(limits: Limits, state: &Value) -> Limits {
    if state.is_null() {
        return limits;
    }
    let flag = |name: &str| state[name].as_bool().unwrap_or_default();
    Limits {
        scale_in_suspended: flag("DynamicScalingInSuspended"),
        scale_out_suspended: flag("DynamicScalingOutSuspended"),
        scheduled_suspended: flag("ScheduledScalingSuspended"),
        ..limits
    }
}

fn quota(request: &Request) -> Answer {
    parameters::only(request, &["ServiceCode", "QuotaCode"]);
    let (service, code) = (parameters::text(request, "ServiceCode"), parameters::text(request, "QuotaCode"));
    match QUOTAS.iter().find(|(known, _)| service == "fargate" && *known == code) {
        Some((_, value)) => {
            Answer::json(json!({ "Quota": { "ServiceCode": service, "QuotaCode": code, "Value": value } }))
        }
        None => Answer::error("NoSuchResourceException", format!("there is no quota {code} of {service}")),
    }
}

fn described(service: &Service, view: View) -> Value {
    let events = service.events.iter().enumerate();
    let events: Vec<Value> = events
        .map(|(index, event)| json!({ "id": index.to_string(), "createdAt": seconds(event.at), "message": event.message }))
        .collect();
    json!({
        "serviceName": service.name,
        "serviceArn": arn(service.region, service.name),
        "clusterArn": format!("arn:aws:ecs:{}:{ACCOUNT}:cluster/{ECS_CLUSTER}", service.region),
        "status": "ACTIVE",
        "schedulingStrategy": "REPLICA",
        "launchType": "FARGATE",
        "taskDefinition": task_definition(service.region, service.name),
        "desiredCount": view.desired,
        "runningCount": view.running,
        "pendingCount": view.pending,
        "events": events,
    })
}

fn target(service: &Service, limits: Limits) -> Value {
    json!({
        "ServiceNamespace": "ecs",
        "ResourceId": resource_id(service.name),
        "ScalableDimension": DIMENSION,
        "MinCapacity": limits.min,
        "MaxCapacity": limits.max,
        "RoleARN": format!(
            "arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/\
             AWSServiceRoleForApplicationAutoScaling_ECSService"
        ),
        "CreationTime": 0,
        "SuspendedState": {
            "DynamicScalingInSuspended": limits.scale_in_suspended,
            "DynamicScalingOutSuspended": limits.scale_out_suspended,
            "ScheduledScalingSuspended": limits.scheduled_suspended,
        },
        "ScalableTargetARN": target_arn(service.region, service.name),
    })
}

fn resource_id(service: &str) -> String {
    format!("service/{ECS_CLUSTER}/{service}")
}

fn arn(region: &str, service: &str) -> String {
    format!("arn:aws:ecs:{region}:{ACCOUNT}:service/{ECS_CLUSTER}/{service}")
}

fn task_definition(region: &str, service: &str) -> String {
    format!("arn:aws:ecs:{region}:{ACCOUNT}:task-definition/{service}:1")
}

fn target_arn(region: &str, service: &str) -> String {
    format!("arn:aws:application-autoscaling:{region}:{ACCOUNT}:scalable-target/{ECS_CLUSTER}-{service}")
}

/// A moment as JSON protocols write it.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age fit into 53 bits")]
fn seconds(at: Timestamp) -> f64 {
    at.as_millis() as f64 / 1_000.0
}
