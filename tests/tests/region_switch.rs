//! What the template tells each function to do for ARC Region switch (X9), read as CloudFormation would resolve it.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeMap;

use failover::region_switch::{Event, RegionSwitch, VARIABLE};
use failover_tests::template::template;
use serde_json::{Value, json};

/// All variables of a function together, in bytes.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const MOST_BYTES: usize = 4 * 1024;

/// Parameters as they are set for a deployment.
const PARAMETERS: [(&str, &str); 18] = [
    ("AWS::Partition", "aws"),
    ("AWS::Region", "eu-west-1"),
    ("AWS::AccountId", "123456789012"),
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
    ("Names", "orders\",\"quotes"),
];

/// A `!Sub`, with or without values of its own; `all` says which way an `!If` on the services goes. The plan has all parts.
fn resolve(value: &Value, all: bool) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(_) => {
            if let Some(branches) = value["If"].as_array() {
                let holds = all || branches[0] != "AllEcsServices";
                return resolve(&branches[if holds { 1 } else { 2 }], all);
            }
            let sub = &value["Sub"];
            let (mut text, own) = match sub.as_array() {
                Some(parts) => (parts[0].as_str().expect("a text").to_owned(), parts[1].clone()),
                None => (sub.as_str().expect("a text").to_owned(), json!({})),
            };
            // What is joined of a list is set in the parameters above.
            for (name, inner) in own.as_object().expect("values").iter().filter(|(name, _)| *name != "Names") {
                text = text.replace(&format!("${{{name}}}"), &resolve(inner, all));
            }
            PARAMETERS.iter().fold(text, |text, (name, set)| text.replace(&format!("${{{name}}}"), set))
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => panic!("cannot resolve {other}"),
    }
}

fn configured(resource: &str, all: bool) -> RegionSwitch {
    let template = template().expect("readable");
    let variable = &template["Resources"][resource]["Properties"]["Environment"]["Variables"][VARIABLE];
    let text = resolve(variable, all);
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
        let promotion = configured("PromoteAuroraFunction", true).promotion(&event).expect("a promotion");
        assert_eq!(promotion.target_cluster_arn.expect("named").cluster_id().as_str(), database);
        for all in [true, false] {
            let scaling = configured("ScaleEcsFunction", all).scaling(&event).expect("a scaling");
            assert_eq!(scaling.cluster, services);
            let expected = if all { json!("all") } else { json!({ "named": ["orders", "quotes"] }) };
            assert_eq!(serde_json::to_value(scaling.services).expect("JSON"), expected);
        }
        let shift = configured("ShiftDnsFunction", true).shift(&event).expect("a shift");
        assert_eq!(shift.target_region.expect("named").as_str(), region);
    }
}
