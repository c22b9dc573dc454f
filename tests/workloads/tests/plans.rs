//! The sample plans name what the workloads' stacks make, and the orchestrator's sample parameters name the same.
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeSet;

use serde_json::Value;
use workloads::{ACCOUNT, Deployment, Role, Stack, WORKLOADS, project_root, template, texts};

/// The workloads whose databases are promoted and whose traffic the switch moves.
const PROMOTED: [&str; 2] = ["trading", "payments-alb"];
/// The samples' environment.
const ENVIRONMENT: &str = "prod";

fn plan(workload: &str) -> Value {
    let text = std::fs::read_to_string(project_root().join(format!("infra/plans/{workload}.json"))).expect("the plan");
    serde_json::from_str(&text).expect("JSON")
}

fn stack(workload: &str, role: Role) -> Stack {
    Deployment::of(workload, role).with("EnvironmentSuffix", ENVIRONMENT).expand().expect("the template expands")
}

#[test]
fn a_plan_names_the_regions_clusters_services_and_the_switch_of_its_stacks() {
    for workload in PROMOTED {
        let plan = plan(workload);
        let [primary, standby] = Role::BOTH.map(|role| stack(workload, role));
        assert_eq!(plan["home_region"], primary.region);
        assert_eq!(plan["standby_regions"][0], standby.region);
        let global = primary.only("AWS::RDS::GlobalCluster");
        assert_eq!(plan["aurora"][0]["global_cluster_id"], global.text("GlobalClusterIdentifier"));
        for stack in [&primary, &standby] {
            let cluster = stack.only("AWS::RDS::DBCluster").text("DBClusterIdentifier");
            let arn = format!("arn:aws:rds:{}:{ACCOUNT}:cluster:{cluster}", stack.region);
            assert_eq!(plan["aurora"][0]["clusters"][&stack.region], arn, "{workload}");
            for service in stack.all("AWS::ECS::Service") {
                assert_eq!(plan["ecs"][0]["services"]["named"][0], service.text("ServiceName"));
                let cluster = stack.only("AWS::ECS::Cluster").text("ClusterName");
                assert_eq!(plan["ecs"][0]["clusters"][&stack.region], cluster);
            }
        }
        let switch = &plan["traffic"][0]["standby_object"];
        assert_eq!(switch["region"], standby.region, "{workload}");
        assert_eq!(switch["bucket"], standby.at("Switch/Bucket").text("BucketName"));
        assert_eq!(switch["key"], standby.outputs["SwitchKey"]);
        let check = primary.at("HealthCheck/SwitchCheck").get("HealthCheckConfig");
        let notice = check["RequestInterval"].as_u64().zip(check["FailureThreshold"].as_u64()).map(|(a, b)| a * b);
        assert_eq!(switch["notice_seconds"].as_u64(), notice);
    }
}

fn sample_parameters(workload: &str) -> Value {
    template(&project_root().join(format!("infra/plans/{workload}.parameters.yaml"))).expect("the parameters")
}

#[test]
fn the_orchestrators_sample_parameters_are_those_of_the_plan() {
    for (workload, home, standby) in WORKLOADS {
        let (plan, parameters) = (plan(workload), sample_parameters(workload));
        let parameter = |name: &str| parameters[name].as_str().unwrap_or_default();
        let document: Value = serde_json::from_str(parameter("PlanDocument")).expect("JSON");
        assert_eq!(document, plan, "{workload}");
        assert_eq!(plan["name"], parameter("PlanName"));
        assert_eq!(parameter("PrimaryRegion"), home);
        for (side, region) in [("Primary", home), ("Dr", standby)] {
            let endpoint = parameter(&format!("{side}EndpointUrl"));
            assert_eq!(plan["detection"]["endpoints"][region], endpoint);
            if let Some(cluster) = plan["aurora"][0]["clusters"][region].as_str() {
                let id = parameter(&format!("{side}ClusterId"));
                assert_eq!(cluster, format!("arn:aws:rds:{region}:{ACCOUNT}:cluster:{id}"));
            }
            if PROMOTED.contains(&workload) {
                let zone =
                    endpoint.strip_prefix(&format!("https://{region}.")).and_then(|rest| rest.strip_suffix("/health"));
                assert!(zone.is_some_and(|name| name.ends_with(".example.com")), "{workload}: {endpoint}");
            }
        }
        let switch = &plan["traffic"][0]["standby_object"];
        assert_eq!(switch["bucket"].as_str().unwrap_or_default(), parameter("StandbyBucket"));
        assert_eq!(switch["key"].as_str().unwrap_or_default(), parameter("StandbyObjectKey"));
        let dials = plan["traffic"][0]["traffic_dial"]["endpoint_groups"].as_object().cloned().unwrap_or_default();
        let groups: Vec<_> = dials.values().filter_map(Value::as_str).collect();
        assert_eq!(groups.join(","), parameter("EndpointGroupArns"));
        assert!(groups.iter().all(|group| group.starts_with(&format!("{}/", parameter("AcceleratorArn")))));
    }
}

#[test]
fn the_orchestrators_template_takes_the_sample_parameters() {
    let orchestrator = template(&project_root().join("infra/orchestrator.yaml")).expect("the template");
    let declared = orchestrator["Parameters"].as_object().expect("parameters");
    for (workload, ..) in WORKLOADS {
        let given = sample_parameters(workload);
        let given = given.as_object().expect("parameters");
        for name in given.keys() {
            assert!(declared.contains_key(name), "{workload}: there is no parameter {name}");
        }
        for (name, _) in declared.iter().filter(|(_, declaration)| declaration.get("Default").is_none()) {
            assert!(given.contains_key(name), "{workload}: {name} has no default");
        }
    }
}

/// The orchestrator's stack for a workload, with its sample parameters.
fn orchestrator(workload: &str, standby: &str) -> Stack {
    let parameters = sample_parameters(workload);
    let mut deployment = Deployment::of_template(&project_root().join("infra/orchestrator.yaml"), standby);
    for (name, value) in parameters.as_object().expect("parameters") {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        deployment = deployment.with(name, &text);
    }
    deployment.expand().unwrap_or_else(|error| panic!("{workload}: {error}"))
}

#[test]
fn an_orchestrator_may_do_nothing_with_what_its_plan_does_not_have() {
    // The part of a plan, or the way of moving traffic, with the services whose actions only it needs.
    let parts: [(&str, &[&str]); 6] = [
        ("/aurora", &["rds", "cloudwatch:GetMetricData"]),
        ("/ecs", &["ecs", "application-autoscaling", "servicequotas"]),
        ("/traffic/0/failover_records", &["route53"]),
        ("/traffic/0/standby_object", &["s3"]),
        ("/traffic/0/routing_control", &["route53-recovery-cluster"]),
        ("/traffic/0/traffic_dial", &["globalaccelerator"]),
    ];
    for (workload, _, standby) in WORKLOADS {
        let (plan, stack) = (plan(workload), orchestrator(workload, standby));
        let roles = stack.resources.iter().filter(|resource| resource.kind.starts_with("AWS::IAM::"));
        let statements: Vec<&Value> = roles.flat_map(workloads::Resource::statements).collect();
        let actions: BTreeSet<&str> = statements.iter().flat_map(|statement| texts(&statement["Action"])).collect();
        for (part, services) in parts {
            for service in services {
                let has = actions.iter().any(|action| action == service || action.starts_with(&format!("{service}:")));
                assert_eq!(has, plan.pointer(part).is_some(), "{workload}: {service} in the roles, {part} in the plan");
            }
        }
        for statement in statements {
            let empty = texts(statement).into_iter().find(|text| text.is_empty() || text.ends_with([':', '/']));
            assert_eq!(empty, None, "{workload}: {statement} names nothing");
        }
    }
}

#[test]
fn an_orchestrator_watches_no_database_that_its_plan_does_not_have() {
    for (workload, _, standby) in WORKLOADS {
        let (plan, stack) = (plan(workload), orchestrator(workload, standby));
        let aurora = plan.get("aurora").is_some();
        assert_eq!(stack.find("ReplicationLagAlarm").is_some(), aurora, "{workload}");
        let variable = |name: &str| stack.at("HealthProbeFunction").text(&format!("Environment/Variables/{name}"));
        assert_eq!(!variable("WATCHED_CLUSTERS").is_empty(), aurora, "{workload}");
        assert_eq!(variable("TRIGGER_ALARM_ARNS").contains("ReplicationLagAlarm"), aurora, "{workload}");
        assert!(variable("TRIGGER_ALARM_ARNS").contains("EndpointAlarm"), "{workload}");
    }
}

#[test]
fn every_orchestrator_has_two_kinds_of_evidence_of_the_primary_region_and_its_plan_names_their_alarm() {
    for (workload, _, standby) in WORKLOADS {
        let (plan, stack) = (plan(workload), orchestrator(workload, standby));
        let variable = |name: &str| stack.at("HealthProbeFunction").text(&format!("Environment/Variables/{name}"));
        assert!(variable("TRIGGER_ALARM_ARNS").contains("RegionApiAlarm"), "{workload}");
        let rule = stack.at("RegionImpairedAlarm").text("AlarmRule");
        assert!(rule.contains("EndpointAlarm") && rule.contains("RegionApiAlarm"), "{workload}: {rule}");
        let name = stack.at("RegionImpairedAlarm").text("AlarmName");
        assert_eq!(texts(&plan["detection"]["alarm_names"]), [name], "{workload}");
        // Asked for the cluster, or for the table; of both, the role permits the one.
        let asks_table = !variable("WATCHED_TABLE").is_empty();
        assert_eq!(asks_table, variable("WATCHED_CLUSTERS").is_empty(), "{workload}");
        let statements = stack.at("HealthProbeRole").statements();
        let describes: Vec<&Value> = statements.into_iter().filter(|one| one["Sid"] == "DescribeTable").collect();
        assert_eq!(describes.len(), usize::from(asks_table), "{workload}");
        for statement in describes {
            assert!(texts(&statement["Resource"])[0].ends_with(":table/transactions-prod"), "{workload}: {statement}");
        }
    }
}
