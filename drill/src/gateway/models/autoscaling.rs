//! `RegisterScalableTarget` and `DescribeScalableTargets` for ECS services, from the API model
//! `application-autoscaling/2016-02-06`.
//!
//! As the API reference of RegisterScalableTarget says, a count outside the new limits is moved to the
//! nearest one. The model does that with an UpdateService call to the emulator.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::fault::Fault;
use super::super::request::Seen;
use super::{Answer, parse, unknown_operation};
use crate::aws::{Aws, AwsError};
use crate::lock::lock;

/// The only dimension that ECS services have.
const ECS_DIMENSION: &str = "ecs:service:DesiredCount";
/// Targets on one page of an answer; the API's own default.
const PAGE: usize = 50;

/// A scalable target as it is registered now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScalableTarget {
    /// Region.
    pub region: String,
    /// Service namespace; `ecs`.
    pub namespace: String,
    /// E.g. `service/<cluster>/<service>`.
    pub resource_id: String,
    /// Scalable dimension; `ecs:service:DesiredCount`.
    pub dimension: String,
    /// Smallest count.
    pub min: i64,
    /// Largest count.
    pub max: i64,
    /// What of it is suspended.
    pub suspended: Suspended,
}

/// Which kinds of automatic scaling are suspended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Suspended {
    /// By a scaling policy, to fewer.
    pub dynamic_scaling_in_suspended: bool,
    /// By a scaling policy, to more.
    pub dynamic_scaling_out_suspended: bool,
    /// By a schedule.
    pub scheduled_scaling_suspended: bool,
}

impl Suspended {
    /// All kinds.
    #[must_use]
    pub const fn entirely(self) -> bool {
        self.dynamic_scaling_in_suspended && self.dynamic_scaling_out_suspended && self.scheduled_scaling_suspended
    }
}

type Key = (String, String);

#[derive(Debug, Default)]
pub(in super::super) struct AutoScaling {
    /// By Region and resource.
    targets: Mutex<BTreeMap<Key, ScalableTarget>>,
}

impl AutoScaling {
    pub(in super::super) fn targets(&self) -> Vec<ScalableTarget> {
        lock(&self.targets).values().cloned().collect()
    }

    pub(in super::super) fn put(&self, target: ScalableTarget) {
        let key = (target.region.clone(), target.resource_id.clone());
        lock(&self.targets).insert(key, target);
    }

    /// `aws` calls the emulator with root credentials.
    pub(in super::super) async fn answer(&self, seen: &Seen, body: &[u8], aws: &Aws, account_id: &str) -> Answer {
        let input = parse(body)?;
        match seen.operation.as_str() {
            "RegisterScalableTarget" => self.register(&seen.region, &input, aws, account_id).await,
            "DescribeScalableTargets" => self.describe(&seen.region, &input, account_id),
            _other => Err(unknown_operation(seen)),
        }
    }

    async fn register(&self, region: &str, input: &Value, aws: &Aws, account_id: &str) -> Answer {
        let target = self.merged(region, input)?;
        let (cluster, service) = cluster_and_service(&target.resource_id)?;
        let desired = desired_count(region, cluster, service, aws).await?;
        let moved = desired.clamp(target.min, target.max);
        if moved != desired {
            let update = json!({ "cluster": cluster, "service": service, "desiredCount": moved });
            aws.json("ecs", region, "UpdateService", &update).await.map_err(|error| of_ecs(&error))?;
        }
        let arn = arn(&target, account_id);
        self.put(target);
        Ok(json!({ "ScalableTargetARN": arn }))
    }

    /// The target after the request: limits that an existing target's request leaves out stay.
    fn merged(&self, region: &str, input: &Value) -> Result<ScalableTarget, Fault> {
        let namespace = required(input, "ServiceNamespace")?;
        let resource_id = required(input, "ResourceId")?;
        let dimension = required(input, "ScalableDimension")?;
        if namespace != "ecs" || dimension != ECS_DIMENSION {
            return Err(invalid("the gateway's model knows ECS services only"));
        }
        let key = (region.to_owned(), resource_id.to_owned());
        let known = lock(&self.targets).get(&key).cloned();
        let limit = |name: &str, known: Option<i64>| {
            input
                .get(name)
                .and_then(Value::as_i64)
                .or(known)
                .ok_or_else(|| invalid(&format!("{name} is required when registering a new scalable target")))
        };
        let min = limit("MinCapacity", known.as_ref().map(|known| known.min))?;
        let max = limit("MaxCapacity", known.as_ref().map(|known| known.max))?;
        if min < 0 || min > max {
            return Err(invalid("Maximum capacity cannot be less than minimum capacity"));
        }
        Ok(ScalableTarget {
            region: region.to_owned(),
            namespace: namespace.to_owned(),
            resource_id: resource_id.to_owned(),
            dimension: dimension.to_owned(),
            min,
            max,
            suspended: suspended(input, known.map(|known| known.suspended))?,
        })
    }

    fn describe(&self, region: &str, input: &Value, account_id: &str) -> Answer {
        let namespace = required(input, "ServiceNamespace")?;
        let ids = input.get("ResourceIds").and_then(Value::as_array);
        let start = match input.get("NextToken").and_then(Value::as_str) {
            Some(token) => token.parse().map_err(|_error| {
                Fault::error(400, "InvalidNextTokenException", "The next token supplied was invalid")
            })?,
            None => 0,
        };
        let wanted = |target: &ScalableTarget| {
            target.region == region
                && target.namespace == namespace
                && ids.is_none_or(|ids| ids.iter().any(|id| id == target.resource_id.as_str()))
        };
        let matching: Vec<ScalableTarget> = self.targets().into_iter().filter(wanted).collect();
        let page: Vec<Value> =
            matching.iter().skip(start).take(PAGE).map(|target| described(target, account_id)).collect();
        let end = start + page.len();
        let mut answer = json!({ "ScalableTargets": page });
        if end < matching.len() {
            answer["NextToken"] = json!(end.to_string());
        }
        Ok(answer)
    }
}

/// A request that leaves the suspension out leaves it as it is; one that has it is false in what it leaves out.
/// Source: <https://docs.aws.amazon.com/autoscaling/application/APIReference/API_SuspendedState.html>
fn suspended(input: &Value, known: Option<Suspended>) -> Result<Suspended, Fault> {
    match input.get("SuspendedState") {
        Some(state) => serde_json::from_value(state.clone())
            .map_err(|error| Fault::error(400, "SerializationException", error.to_string())),
        None => Ok(known.unwrap_or_default()),
    }
}

fn described(target: &ScalableTarget, account_id: &str) -> Value {
    let role = format!(
        "arn:aws:iam::{account_id}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/\
         AWSServiceRoleForApplicationAutoScaling_ECSService"
    );
    json!({
        "ServiceNamespace": target.namespace,
        "ResourceId": target.resource_id,
        "ScalableDimension": target.dimension,
        "MinCapacity": target.min,
        "MaxCapacity": target.max,
        "RoleARN": role,
        "CreationTime": 0,
        "SuspendedState": target.suspended,
        "ScalableTargetARN": arn(target, account_id),
    })
}

fn arn(target: &ScalableTarget, account_id: &str) -> String {
    // AWS gives each target a random name; one derived from the resource is stable over runs.
    let name = target.resource_id.replace('/', "-");
    format!("arn:aws:application-autoscaling:{}:{account_id}:scalable-target/{name}", target.region)
}

fn cluster_and_service(resource_id: &str) -> Result<(&str, &str), Fault> {
    let parts: Vec<&str> = resource_id.split('/').collect();
    match parts.as_slice() {
        ["service", cluster, service] => Ok((cluster, service)),
        _other => Err(invalid(&format!("Unsupported resource id: {resource_id}"))),
    }
}

async fn desired_count(region: &str, cluster: &str, service: &str, aws: &Aws) -> Result<i64, Fault> {
    let input = json!({ "cluster": cluster, "services": [service] });
    let answer = aws.json("ecs", region, "DescribeServices", &input).await.map_err(|error| of_ecs(&error))?;
    let count = answer.pointer("/services/0/desiredCount").and_then(Value::as_i64);
    count.ok_or_else(|| invalid(&format!("ECS service doesn't exist: service/{cluster}/{service}")))
}

fn of_ecs(error: &AwsError) -> Fault {
    invalid(&error.to_string())
}

fn required<'a>(input: &'a Value, name: &str) -> Result<&'a str, Fault> {
    input.get(name).and_then(Value::as_str).ok_or_else(|| invalid(&format!("{name} is required")))
}

fn invalid(message: &str) -> Fault {
    Fault::error(400, "ValidationException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(resource: &str, min: i64, max: i64) -> ScalableTarget {
        ScalableTarget {
            region: "eu-west-1".to_owned(),
            namespace: "ecs".to_owned(),
            resource_id: resource.to_owned(),
            dimension: ECS_DIMENSION.to_owned(),
            min,
            max,
            suspended: Suspended::default(),
        }
    }

    fn request(fields: &Value) -> Value {
        let mut request = json!({
            "ServiceNamespace": "ecs", "ResourceId": "service/c/s", "ScalableDimension": ECS_DIMENSION,
        });
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        request
    }

    #[test]
    fn a_limit_that_is_left_out_stays_as_it_was() {
        let scaling = AutoScaling::default();
        scaling.put(target("service/c/s", 1, 4));
        let merged = scaling.merged("eu-west-1", &request(&json!({ "MinCapacity": 3 }))).unwrap();
        assert_eq!((merged.min, merged.max), (3, 4));
    }

    #[test]
    fn a_suspension_stays_until_a_request_says_otherwise() {
        let scaling = AutoScaling::default();
        scaling.put(target("service/c/s", 1, 4));
        let all = json!({ "DynamicScalingInSuspended": true, "DynamicScalingOutSuspended": true,
            "ScheduledScalingSuspended": true });
        let register = |fields: Value| {
            let merged = scaling.merged("eu-west-1", &request(&fields)).unwrap();
            scaling.put(merged.clone());
            merged.suspended
        };
        assert!(register(json!({ "SuspendedState": all })).entirely());
        assert!(register(json!({ "MinCapacity": 2 })).entirely());
        let described = scaling.describe("eu-west-1", &json!({ "ServiceNamespace": "ecs" }), "1").unwrap();
        assert_eq!(described["ScalableTargets"][0]["SuspendedState"], all);
        assert_eq!(register(json!({ "SuspendedState": {} })), Suspended::default());
    }

    #[test]
    fn a_new_target_needs_both_limits() {
        let error = AutoScaling::default().merged("eu-west-1", &request(&json!({ "MinCapacity": 3 }))).unwrap_err();
        assert_eq!(error, invalid("MaxCapacity is required when registering a new scalable target"));
    }

    #[test]
    fn a_minimum_over_the_maximum_is_refused() {
        let fields = json!({ "MinCapacity": 3, "MaxCapacity": 2 });
        let error = AutoScaling::default().merged("eu-west-1", &request(&fields)).unwrap_err();
        assert_eq!(error.status(), 400);
    }

    #[test]
    fn targets_are_described_by_region_and_resource_in_pages() {
        let scaling = AutoScaling::default();
        for number in 0..60 {
            scaling.put(target(&format!("service/c/s{number:02}"), 1, 4));
        }
        scaling.put(ScalableTarget { region: "eu-central-1".to_owned(), ..target("service/c/s00", 2, 4) });
        let first = scaling.describe("eu-west-1", &json!({ "ServiceNamespace": "ecs" }), "1").unwrap();
        assert_eq!(first["ScalableTargets"].as_array().unwrap().len(), PAGE);
        let rest = json!({ "ServiceNamespace": "ecs", "NextToken": first["NextToken"] });
        let rest = scaling.describe("eu-west-1", &rest, "1").unwrap();
        assert_eq!(rest["ScalableTargets"].as_array().unwrap().len(), 10);
        let one = json!({ "ServiceNamespace": "ecs", "ResourceIds": ["service/c/s00"] });
        let one = scaling.describe("eu-central-1", &one, "1").unwrap();
        assert_eq!(one["ScalableTargets"][0]["MinCapacity"], 2);
    }

    #[test]
    fn a_resource_id_names_cluster_and_service() {
        assert_eq!(cluster_and_service("service/c/s"), Ok(("c", "s")));
        assert!(cluster_and_service("table/t").is_err());
    }
}
