//! What the template tells each function to do for ARC Region switch (X9), read as CloudFormation would resolve it.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeMap;

use failover::region_switch::{Event, RegionSwitch, VARIABLE};
use failover_tests::template::template_file;
use serde_json::json;
use workloads::Deployment;

/// All variables of a function together, in bytes.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const MOST_BYTES: usize = 4 * 1024;

/// Parameters as they are set for a deployment.
const PARAMETERS: [(&str, &str); 15] = [
    ("PrimaryRegion", "eu-central-1"),
    ("GlobalClusterId", "trading"),
    ("PrimaryClusterId", "trading-primary"),
    ("DrClusterId", "trading-dr"),
    ("UnplannedMode", "failover"),
    ("PrimaryEcsCluster", "trading-frankfurt"),
    ("DrEcsCluster", "trading-ireland"),
    ("EcsDesiredCount", "2"),
    ("FenceTimeoutSeconds", "10"),
    ("HostedZoneId", "Z0123456789EXAMPLE"),
    ("RecordName", "app.trading.example.com"),
    ("RecordType", "A"),
    ("PrimarySetIdentifier", "frankfurt"),
    ("DrSetIdentifier", "ireland"),
    ("PlanName", "trading"),
];

/// What the template tells a function when the plan names these services.
fn configured(function: &str, services: &str) -> RegionSwitch {
    let deployment = Deployment::of_template(&template_file(), "eu-west-1").with("EcsServices", services);
    let deployment = PARAMETERS.iter().fold(deployment, |deployment, (name, value)| deployment.with(name, value));
    let stack = deployment.expand().expect("a template that can be deployed");
    let text = stack.at(function).text(&format!("Environment/Variables/{VARIABLE}")).to_owned();
    assert!(!text.contains("${"), "{text}");
    assert!(text.len() < MOST_BYTES / 2, "{} bytes leave too little for the other variables", text.len());
    let variables = BTreeMap::from([(VARIABLE, text.as_str())]);
    RegionSwitch::read(&variables).expect("well-formed").expect("set")
}

fn activate(region: &str) -> Event {
    let event = json!({
        "planArn": "arn:aws:arc-region-switch::123456789012:plan/trading:a1b2c3", "executionId": "one",
        "targetRegion": region, "action": "activate",
    });
    Event::of(&event).expect("well-formed").expect("of Region switch")
}

#[test]
fn each_step_function_can_activate_either_region_with_what_the_template_tells_it() {
    for (region, database, services) in
        [("eu-central-1", "trading-primary", "trading-frankfurt"), ("eu-west-1", "trading-dr", "trading-ireland")]
    {
        let event = activate(region);
        let promotion = configured("PromoteAuroraFunction", "").promotion(&event).expect("a promotion");
        assert_eq!(promotion.target_cluster_arn.expect("named").cluster_id().as_str(), database);
        for (named, expected) in [("", json!("all")), ("orders,quotes", json!({ "named": ["orders", "quotes"] }))] {
            let scaling = configured("ScaleEcsFunction", named).scaling(&event).expect("a scaling");
            assert_eq!(scaling.cluster, services);
            assert_eq!(serde_json::to_value(scaling.services).expect("JSON"), expected);
        }
        let shift = configured("ShiftDnsFunction", "").shift(&event).expect("a shift");
        assert_eq!(shift.target_region.expect("named").as_str(), region);
    }
}
