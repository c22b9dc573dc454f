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
