//! Metrics in CloudWatch's embedded metric format: a log line that CloudWatch turns into metrics, without any call.
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::io::Write;

use serde_json::{Value, json};

use crate::contract::{Region, Timestamp};

/// The namespace of the orchestrator's metrics, and of those of a workload's function that has no other.
pub const NAMESPACE: &str = "Failover";

/// A metric's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A duration.
    Milliseconds,
    /// Something else, such as an amount of money.
    None,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::None => "None",
        }
    }
}

/// Publishes one value, with the plan as its dimension.
pub fn publish(now: Timestamp, plan: &str, name: &str, unit: Unit, value: u64) {
    publish_in(NAMESPACE, now, &[("Plan", plan)], &[(name, unit, json!(value))]);
}

/// Publishes one value of one of the plan's Regions, with plan and Region as its dimensions: the Regions' values are
/// series of their own.
pub fn publish_of_region(now: Timestamp, plan: &str, region: &Region, name: &str, unit: Unit, value: u64) {
    publish_in(NAMESPACE, now, &[("Plan", plan), ("Region", region.as_str())], &[(name, unit, json!(value))]);
}

/// Publishes one value of a workload's function, which belongs to no plan, with the function as its dimension.
pub fn publish_of_function(now: Timestamp, function: &str, name: &str, unit: Unit, value: u64) {
    publish_in(NAMESPACE, now, &[("Function", function)], &[(name, unit, json!(value))]);
}

/// Publishes values in any namespace, with these dimensions.
pub fn publish_in(namespace: &str, now: Timestamp, dimensions: &[(&str, &str)], values: &[(&str, Unit, Value)]) {
    let line = embedded(namespace, now, dimensions, values);
    // Nobody can be told that standard output is gone; the function's work matters more than its metric.
    drop(std::io::stdout().write_all(format!("{line}\n").as_bytes()));
}

/// The line that publishes values.
#[must_use]
pub fn embedded(namespace: &str, now: Timestamp, dimensions: &[(&str, &str)], values: &[(&str, Unit, Value)]) -> Value {
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let declared: Vec<Value> =
        values.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit.as_str() })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": now.as_millis(),
            "CloudWatchMetrics": [{
                "Namespace": namespace,
                "Dimensions": [names],
                "Metrics": declared
            }]
        }
    });
    for (name, _, value) in values {
        line[*name] = value.clone();
    }
    for (name, value) in dimensions {
        line[*name] = json!(value);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_line_names_its_value_once_and_declares_it_once() {
        let dimensions = [("Plan", "trading"), ("Region", "eu-west-1")];
        let values = [("RtoMs", Unit::Milliseconds, json!(42))];
        let line = embedded(NAMESPACE, Timestamp::from_millis(5), &dimensions, &values);
        assert_eq!(line["RtoMs"], 42);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"], "RtoMs");
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Plan", "Region"]]));
        assert_eq!((&line["Plan"], &line["Region"]), (&json!("trading"), &json!("eu-west-1")));
        assert_eq!(line["_aws"]["Timestamp"], 5);
    }
}
