//! The template's alarms against what `health-probe watch` publishes and what the plan takes for evidence (F8).
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeSet;

use failover_tests::template::template;
use serde_json::{Value, json};

/// The alarms that may start a look, by the kind of evidence they are of: as `health-probe` itself counts them.
const ENDPOINT: [&str; 1] = ["EndpointAlarm"];
const AURORA: [&str; 2] = ["RegionApiAlarm", "ReplicationLagAlarm"];

fn properties(resource: &str) -> Value {
    template().expect("readable")["Resources"][resource]["Properties"].clone()
}

/// A name in `${…}`, of each one in a text.
fn references(text: &str) -> BTreeSet<String> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

/// The composite alarm's rule, with these alarms in ALARM. Its operators are AND, OR and parentheses.
fn fires(rule: &str, in_alarm: &[&str]) -> bool {
    let mut text = rule.replace(" AND ", "&").replace(" OR ", "|");
    for name in references(rule) {
        let state = if in_alarm.contains(&name.as_str()) { "1" } else { "0" };
        text = text.replace(&format!("ALARM(\"${{{name}}}\")"), state);
    }
    let (value, rest) = any(&text);
    assert_eq!(rest, "", "{rule} was not understood");
    value
}

/// A sum of products, and what follows it.
fn any(text: &str) -> (bool, &str) {
    let (mut value, mut rest) = all(text);
    while let Some(next) = rest.strip_prefix('|') {
        let (other, after) = all(next);
        (value, rest) = (value || other, after);
    }
    (value, rest)
}

fn all(text: &str) -> (bool, &str) {
    let (mut value, mut rest) = one(text);
    while let Some(next) = rest.strip_prefix('&') {
        let (other, after) = one(next);
        (value, rest) = (value && other, after);
    }
    (value, rest)
}

fn one(text: &str) -> (bool, &str) {
    if let Some(inner) = text.strip_prefix('(') {
        let (value, rest) = any(inner);
        return (value, rest.strip_prefix(')').expect("closed"));
    }
    (text.starts_with('1'), text.strip_prefix(['0', '1']).expect("an alarm's state"))
}

#[test]
fn the_composite_alarm_fires_when_both_kinds_do_and_for_nothing_less() {
    let rules = &properties("RegionImpairedAlarm")["AlarmRule"]["Fn::If"];
    assert_eq!(rules[0], "HasAurora");
    // Without Aurora, the Region's API alone is the second kind.
    for (rule, second) in [(&rules[1], AURORA.as_slice()), (&rules[2], ["RegionApiAlarm"].as_slice())] {
        let rule = rule["Fn::Sub"].as_str().expect("a rule");
        let all: Vec<&str> = ENDPOINT.iter().chain(second).copied().collect();
        assert_eq!(references(rule), all.iter().map(|name| (*name).to_owned()).collect());
        for chosen in 0..1_u32 << all.len() {
            let in_alarm: Vec<&str> =
                (0..all.len()).filter(|bit| chosen & (1 << bit) != 0).map(|bit| all[bit]).collect();
            let of = |kind: &[&str]| kind.iter().any(|name| in_alarm.contains(name));
            assert_eq!(fires(rule, &in_alarm), of(&ENDPOINT) && of(second), "{in_alarm:?}");
        }
    }
}

#[test]
fn each_alarm_on_a_metric_of_watch_stands_on_the_primary_regions_series() {
    for (resource, metric) in [("EndpointAlarm", "EndpointHealthy"), ("RegionApiAlarm", "SourceRegionAnswers")] {
        let alarm = properties(resource);
        assert_eq!((&alarm["Namespace"], &alarm["MetricName"]), (&json!("Failover"), &json!(metric)));
        let dimensions = json!([
            { "Name": "Plan", "Value": { "Ref": "PlanName" } },
            { "Name": "Region", "Value": { "Ref": "PrimaryRegion" } },
        ]);
        assert_eq!(alarm["Dimensions"], dimensions, "{resource}");
        // A look that could not be made publishes nothing, and that must not count as unhealthy.
        assert_eq!(alarm["TreatMissingData"], "missing", "{resource}");
    }
}

#[test]
fn the_alarms_that_the_function_lets_start_a_look_are_those_that_reach_it() {
    let template = template().expect("readable");
    let resources = template["Resources"].as_object().expect("resources");
    let reaching: BTreeSet<String> = resources
        .iter()
        .filter(|(_, resource)| resource["Properties"]["AlarmActions"] == json!([{ "Ref": "AlarmTopic" }]))
        .map(|(name, _)| name.clone())
        .collect();
    let variables = &properties("HealthProbeFunction")["Environment"]["Variables"];
    let known = references(variables["TRIGGER_ALARM_ARNS"]["Fn::If"][1]["Fn::Sub"].as_str().expect("a list of ARNs"));
    assert_eq!(known, reaching.iter().map(|name| format!("{name}.Arn")).collect());
    assert_eq!(reaching, ENDPOINT.into_iter().chain(AURORA).map(str::to_owned).collect());
}
