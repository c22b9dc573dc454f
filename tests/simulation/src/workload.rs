//! The workload that is failed over: that of `plan.json`, whose traffic moves by failover records.

use std::sync::LazyLock;

use serde_json::Value;

/// Where it lives.
pub const HOME: &str = "eu-central-1";
/// Where it goes, and where the orchestrator lives; where there are two, the other one lives in [`HOME`].
pub const STANDBY: &str = "eu-west-1";
/// Its global cluster.
pub const GLOBAL_CLUSTER: &str = "trading";
/// Its ECS cluster, of the same name in both Regions.
pub const ECS_CLUSTER: &str = "trading";
/// Its ECS services, in both Regions.
pub const SERVICES: [&str; 2] = ["orders", "quotes"];
/// How many tasks each has at home.
pub const TASKS_AT_HOME: u32 = 4;
/// How many tasks each has in the standby Region.
pub const TASKS_IN_STANDBY: u32 = 1;
/// Its hosted zone.
pub const HOSTED_ZONE: &str = "Z0123456789ABC";
/// The name that clients ask for, with a PRIMARY and a SECONDARY failover record of each type.
pub const RECORD: &str = "app.example.com";
/// The types of its records.
pub const RECORD_TYPES: [&str; 2] = ["A", "AAAA"];
/// The stack's composite alarm, which the plan names.
pub const COMPOSITE_ALARM: &str = "failover-prod-trading-region-impaired";

/// Its DB cluster in a Region.
///
/// # Panics
/// For a Region in which it has none.
#[must_use]
pub fn db_cluster(region: &str) -> &'static str {
    match region {
        HOME => "trading-primary",
        STANDBY => "trading-standby",
        other => panic!("no cluster in {other}"),
    }
}

/// The ARN of its DB cluster in a Region.
#[must_use]
pub fn db_cluster_arn(region: &str) -> String {
    format!("arn:aws:rds:{region}:{}:cluster:{}", crate::aws::ACCOUNT, db_cluster(region))
}

/// The set identifier of a Region's records, as they are before any failover: PRIMARY at home, SECONDARY in the standby.
#[must_use]
pub fn set_identifier(region: &str) -> &'static str {
    if region == HOME { "primary" } else { "secondary" }
}

/// Its health endpoint in a Region.
#[must_use]
pub fn health_endpoint(region: &str) -> &'static str {
    if region == HOME { "https://primary.example.com/health" } else { "https://standby.example.com/health" }
}

/// The Region whose health endpoint has this host.
#[must_use]
pub fn region_of_endpoint(host: &str) -> Option<&'static str> {
    match host {
        "primary.example.com" => Some(HOME),
        "standby.example.com" => Some(STANDBY),
        _ => None,
    }
}

/// The recovery plan.
pub static PLAN: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../plan.json")).expect("the plan is JSON"));

/// The function that an ARN of the definition names.
#[must_use]
pub fn function_of(arn: &str) -> Option<&'static str> {
    let name = arn.rsplit("failover-prod-").next()?;
    crate::faults::FUNCTIONS.into_iter().find(|function| *function == name)
}

/// The Region of the workload that has this name.
#[must_use]
pub fn own(region: &str) -> Option<&'static str> {
    [HOME, STANDBY].into_iter().find(|own| *own == region)
}

/// The other Region of the workload.
#[must_use]
pub fn other(region: &str) -> &'static str {
    if region == HOME { STANDBY } else { HOME }
}

/// What the stack in a Region has where the one in the standby Region has this ARN: stacks differ in their Region only.
#[must_use]
pub fn beside(arn: &str, region: &str) -> String {
    arn.replace(STANDBY, region)
}

/// What the template puts into the state machine's definition in a Region.
#[must_use]
pub fn substitutions(region: &str) -> std::collections::BTreeMap<&'static str, String> {
    let in_standby = [
        ("Partition", "aws"),
        ("PlanParameterName", "/failover/prod/trading"),
        ("NotificationTopicArn", TOPIC_ARN),
        ("PromoteAuroraFunctionArn", "arn:aws:lambda:eu-west-1:123456789012:function:failover-prod-promote-aurora"),
        ("ScaleEcsFunctionArn", "arn:aws:lambda:eu-west-1:123456789012:function:failover-prod-scale-ecs"),
        ("ShiftDnsFunctionArn", "arn:aws:lambda:eu-west-1:123456789012:function:failover-prod-shift-dns"),
        ("HealthProbeFunctionArn", "arn:aws:lambda:eu-west-1:123456789012:function:failover-prod-health-probe"),
        ("Region", STANDBY),
        ("ApproverPolicyName", "failover-prod-trading-approver-eu-west-1"),
        ("ApprovalTimeoutSeconds", "1800"),
        ("ApprovalHeartbeatSeconds", "900"),
    ];
    in_standby.into_iter().map(|(name, value)| (name, beside(value, region))).collect()
}

/// The topic that people are told by.
pub const TOPIC_ARN: &str = "arn:aws:sns:eu-west-1:123456789012:failover-prod";
