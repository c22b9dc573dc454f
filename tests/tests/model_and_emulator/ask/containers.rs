//! Calls to ECS, Application Auto Scaling and Service Quotas, as `scale-ecs` makes them.

use aws_sdk_applicationautoscaling::Client as AutoScaling;
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalableTarget, ServiceNamespace, SuspendedState};
use aws_sdk_ecs::Client as Ecs;
use aws_sdk_ecs::types::Service;
use failover::aws_call::CallError;
use serde_json::{Value, json};

use crate::sides::Side;

/// A call in a Region.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) region: &'static str,
    pub(crate) what: What,
}

/// Whom and for what.
#[derive(Debug)]
pub(crate) enum What {
    Ecs(OfEcs),
    AutoScaling(OfAutoScaling),
    GetServiceQuota { code: &'static str },
}

/// What ECS is asked for.
#[derive(Debug)]
pub(crate) enum OfEcs {
    ListServices { cluster: &'static str },
    DescribeServices { cluster: &'static str, services: &'static [&'static str] },
    UpdateService { cluster: &'static str, service: &'static str, count: i32 },
    DescribeTaskDefinition { definition: String },
}

/// What Application Auto Scaling is asked for.
#[derive(Debug)]
pub(crate) enum OfAutoScaling {
    DescribeScalableTargets { services: &'static [&'static str] },
    RegisterScalableTarget { service: &'static str, min: i32, max: i32, suspend: Option<bool> },
}

impl Call {
    pub(crate) async fn ask(&self, side: &Side) -> Result<Value, CallError> {
        match &self.what {
            What::Ecs(of_ecs) => of_ecs.ask(side, self.region).await,
            What::AutoScaling(of_autoscaling) => of_autoscaling.ask(side, self.region).await,
            What::GetServiceQuota { code } => {
                let quotas = aws_sdk_servicequotas::Client::new(&side.config(self.region));
                let read = quotas.get_service_quota().service_code("fargate").quota_code(*code).send();
                let answer = side.tools.calls.call("servicequotas", "GetServiceQuota", read).await?;
                Ok(json!({ "value": answer.quota().and_then(aws_sdk_servicequotas::types::ServiceQuota::value) }))
            }
        }
    }
}

impl OfEcs {
    async fn ask(&self, side: &Side, region: &str) -> Result<Value, CallError> {
        let (ecs, calls) = (Ecs::new(&side.config(region)), &side.tools.calls);
        match self {
            Self::ListServices { cluster } => {
                let read = ecs.list_services().cluster(*cluster).max_results(100).send();
                let answer = calls.call("ecs", "ListServices", read).await?;
                let mut arns = answer.service_arns().to_vec();
                arns.sort();
                Ok(json!(arns))
            }
            Self::DescribeServices { cluster, services } => {
                let names = services.iter().map(|name| (*name).to_owned()).collect();
                let read = ecs.describe_services().cluster(*cluster).set_services(Some(names)).send();
                let answer = calls.call("ecs", "DescribeServices", read).await?;
                let failure =
                    |failure: &aws_sdk_ecs::types::Failure| json!({ "arn": failure.arn(), "reason": failure.reason() });
                Ok(json!({
                    "services": answer.services().iter().map(service).collect::<Value>(),
                    "failures": answer.failures().iter().map(failure).collect::<Value>(),
                }))
            }
            Self::UpdateService { cluster, service, count } => {
                let change = ecs.update_service().cluster(*cluster).service(*service).desired_count(*count);
                calls.call("ecs", "UpdateService", change.send()).await?;
                Ok(Value::Null)
            }
            Self::DescribeTaskDefinition { definition } => {
                let read = ecs.describe_task_definition().task_definition(definition).send();
                let answer = calls.call("ecs", "DescribeTaskDefinition", read).await?;
                Ok(json!({ "cpu": answer.task_definition().and_then(|found| found.cpu()) }))
            }
        }
    }
}

impl OfAutoScaling {
    async fn ask(&self, side: &Side, region: &str) -> Result<Value, CallError> {
        let (autoscaling, calls) = (AutoScaling::new(&side.config(region)), &side.tools.calls);
        match self {
            Self::DescribeScalableTargets { services } => {
                let read = autoscaling
                    .describe_scalable_targets()
                    .service_namespace(ServiceNamespace::Ecs)
                    .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
                    .set_resource_ids(Some(services.iter().map(|name| resource_id(name)).collect()))
                    .send();
                let answer = calls.call("application-autoscaling", "DescribeScalableTargets", read).await?;
                let mut targets: Vec<Value> = answer.scalable_targets().iter().map(target).collect();
                targets.sort_by_key(Value::to_string);
                Ok(Value::Array(targets))
            }
            Self::RegisterScalableTarget { service, min, max, suspend } => {
                let suspended = suspend.map(|all| {
                    SuspendedState::builder()
                        .dynamic_scaling_in_suspended(all)
                        .dynamic_scaling_out_suspended(all)
                        .scheduled_scaling_suspended(all)
                        .build()
                });
                let change = autoscaling
                    .register_scalable_target()
                    .service_namespace(ServiceNamespace::Ecs)
                    .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
                    .resource_id(resource_id(service))
                    .min_capacity(*min)
                    .max_capacity(*max)
                    .set_suspended_state(suspended);
                calls.call("application-autoscaling", "RegisterScalableTarget", change.send()).await?;
                Ok(Value::Null)
            }
        }
    }
}

fn resource_id(service: &str) -> String {
    format!("service/{}/{service}", simulation::workload::ECS_CLUSTER)
}

fn service(service: &Service) -> Value {
    json!({
        "name": service.service_name(),
        "status": service.status(),
        "desired": service.desired_count(),
        "running": service.running_count(),
        "pending": service.pending_count(),
        "scheduling": service.scheduling_strategy().map(|strategy| strategy.as_str().to_owned()),
        "launch_type": service.launch_type().map(|launch_type| launch_type.as_str().to_owned()),
        "capacity_providers": service.capacity_provider_strategy().len(),
        "task_definition": service.task_definition(),
    })
}

fn target(target: &ScalableTarget) -> Value {
    let suspended = target.suspended_state();
    json!({
        "resource": target.resource_id(),
        "min": target.min_capacity(),
        "max": target.max_capacity(),
        "suspended": suspended.map(|state| json!({
            "in": state.dynamic_scaling_in_suspended(),
            "out": state.dynamic_scaling_out_suspended(),
            "scheduled": state.scheduled_scaling_suspended(),
        })),
    })
}
