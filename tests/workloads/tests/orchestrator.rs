//! The orchestrator's own stack, expanded: what two stacks of one plan, one in each of its Regions, agree on.
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use serde_json::Value;
use workloads::{Deployment, Stack, project_root};

const HOME: &str = "eu-central-1";
const STANDBY: &str = "eu-west-1";

/// What one of the Regions has, by the template's side for it: `Primary` is where it fails over from, `Dr` where it is.
fn region(deployment: Deployment, side: &str, region: &str) -> Deployment {
    deployment
        .with(&format!("{side}ClusterId"), &format!("trading-{region}"))
        .with(&format!("{side}EcsCluster"), &format!("ecs-{region}"))
        .with(&format!("{side}SetIdentifier"), &format!("records-{region}"))
        .with(&format!("{side}EndpointUrl"), &format!("https://{region}.example.com/health"))
}

fn stack(in_region: &str, fails_over_from: &str, ledger_owner: &str) -> Stack {
    let deployment = Deployment::of_template(&project_root().join("infra/orchestrator.yaml"), in_region)
        .with("LedgerOwner", ledger_owner)
        .with("PrimaryRegion", fails_over_from)
        .with("GlobalClusterId", "trading")
        .with("HostedZoneId", "Z0123456789ABC")
        .with("RecordName", "app.example.com")
        .with("EcsServices", "orders,quotes")
        .with("EcsDesiredCount", "4");
    region(region(deployment, "Primary", fails_over_from), "Dr", in_region).expand().expect("the template expands")
}

fn plan(stack: &Stack) -> Value {
    serde_json::from_str(stack.at("PlanParameter").text("Value")).expect("a plan")
}

#[test]
fn both_stacks_of_a_plan_take_the_same_region_for_its_home_and_watch_it_first() {
    let in_standby = stack(STANDBY, HOME, "this-stack");
    let in_home = stack(HOME, STANDBY, "other-stack");

    for stack in [&in_standby, &in_home] {
        let plan = plan(stack);
        assert_eq!((&plan["home_region"], &plan["standby_regions"][0]), (&HOME.into(), &STANDBY.into()));
        for region in [HOME, STANDBY] {
            assert_eq!(plan["detection"]["endpoints"][region], format!("https://{region}.example.com/health"));
            assert_eq!(plan["ecs"][0]["clusters"][region], format!("ecs-{region}"));
            assert_eq!(
                plan["traffic"][0]["failover_records"]["records"][0]["set_identifiers"][region],
                format!("records-{region}")
            );
        }
        let variable =
            |name: &str| stack.at("HealthProbeFunction").text(&format!("Environment/Variables/{name}")).to_owned();
        assert_eq!(
            variable("WATCHED_ENDPOINTS"),
            "eu-central-1=https://eu-central-1.example.com/health,eu-west-1=https://eu-west-1.example.com/health"
        );
        assert_eq!(variable("WATCHED_CLUSTERS"), "eu-central-1=trading-eu-central-1,eu-west-1=trading-eu-west-1");
    }
}

/// The parameters that name what a composed plan consists of.
const NAMES: [(&str, &str); 7] = [
    ("GlobalClusterId", "trading"),
    ("PrimaryClusterId", "trading-home"),
    ("DrClusterId", "trading-standby"),
    ("PrimaryEcsCluster", "ecs-home"),
    ("DrEcsCluster", "ecs-standby"),
    ("HostedZoneId", "Z0123456789ABC"),
    ("RecordName", "app.example.com"),
];

fn named(all_but: &str) -> Deployment {
    let template = project_root().join("infra/orchestrator.yaml");
    let given = NAMES.into_iter().filter(|(name, _)| *name != all_but);
    given.fold(Deployment::of_template(&template, STANDBY), |deployment, (name, value)| deployment.with(name, value))
}

#[test]
fn a_composed_plan_is_refused_without_any_of_its_names_and_the_refusal_says_which() {
    assert!(named("nothing").expand().is_ok());
    for (name, _) in NAMES {
        let refused = named(name).expand().expect_err("the name is missing");
        assert!(refused.contains("Without PlanDocument") && refused.contains(&format!("needs {name}.")), "{refused}");
    }
}

#[test]
fn with_a_plan_document_each_part_is_named_whole_or_not_at_all() {
    let bare = || Deployment::of_template(&project_root().join("infra/orchestrator.yaml"), STANDBY);
    let document = |deployment: Deployment| deployment.with("PlanDocument", "{}").expand();
    assert!(document(bare()).is_ok());
    for (name, _) in NAMES {
        let refused = document(named(name)).expect_err("the part is not whole");
        assert!(refused.contains("A plan with ") && refused.contains(&format!("needs {name}.")), "{refused}");
    }
    // "More resources" add to a part that is there.
    let more = [
        ("MoreRdsArns", "GlobalClusterId"),
        ("MoreClusters", "DrClusterId"),
        ("MoreEcsArns", "DrEcsCluster"),
        ("MoreEcsClusterArns", "PrimaryEcsCluster"),
        ("MoreHostedZoneArns", "HostedZoneId"),
        ("MoreRecordNames", "HostedZoneId"),
    ];
    for (name, missing) in more {
        let refused = document(bare().with(name, "eu-north-1=more")).expect_err("there is no part to add to");
        assert!(refused.contains("A plan with ") && !refused.contains("Without"), "{name}: {refused}");
        assert!(document(named("nothing").with(name, "eu-north-1=more")).is_ok(), "{name}, with {missing}");
    }
}

#[test]
fn every_queue_of_the_orchestrator_is_encrypted() {
    let stack = named("nothing").expand().expect("the template expands");
    let queues = stack.all("AWS::SQS::Queue");
    assert!(!queues.is_empty());
    for queue in queues {
        assert_eq!(queue.get("SqsManagedSseEnabled"), &Value::Bool(true), "{}", queue.path);
    }
}

#[test]
fn every_function_of_the_orchestrator_and_its_state_machine_are_traced() {
    let stack = named("nothing").expand().expect("the template expands");
    let functions = stack.all("AWS::Serverless::Function");
    assert_eq!(functions.len(), 4);
    for function in functions {
        assert_eq!(function.text("Tracing"), "Active", "{}", function.path);
    }
    assert_eq!(stack.only("AWS::Serverless::StateMachine").get("Tracing/Enabled"), &Value::Bool(true));
}

/// Why each exception from the policies of checkov and parliament is one (`infra/check`).
#[test]
fn every_exception_from_a_policy_gives_its_reason() {
    let mut seen = 0;
    for file in workloads::template_files().expect("the templates") {
        let text = std::fs::read_to_string(&file).expect("a template");
        for line in text.lines().filter(|line| line.contains(":skip=")) {
            let reason = line.split_once(":skip=").and_then(|(_, rest)| rest.split_once(':')).map(|(_, reason)| reason);
            assert!(reason.is_some_and(|reason| reason.trim().len() > 20), "{}: {line}", file.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} exceptions: are they written in another way?");
}
