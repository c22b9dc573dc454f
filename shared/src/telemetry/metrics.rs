//! Metrics in CloudWatch's embedded metric format: a log line that CloudWatch turns into metrics, without any call.
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::io::Write;

use serde_json::{Value, json};

use crate::contract::Timestamp;

/// The namespace of all the orchestrator's metrics.
pub const NAMESPACE: &str = "Failover";

/// A metric's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A duration.
    Milliseconds,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// Publishes one value, with the plan as its dimension.
pub fn publish(now: Timestamp, plan: &str, name: &str, unit: Unit, value: u64) {
    let mut line = embedded(now, plan, name, unit, value).to_string();
    line.push('\n');
    // Nobody can be told that standard output is gone; the function's work matters more than its metric.
    drop(std::io::stdout().write_all(line.as_bytes()));
}

fn embedded(now: Timestamp, plan: &str, name: &str, unit: Unit, value: u64) -> Value {
    json!({
        "_aws": {
            "Timestamp": now.as_millis(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["Plan"]],
                "Metrics": [{ "Name": name, "Unit": unit.as_str() }]
            }]
        },
        "Plan": plan,
        name: value
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_line_names_its_value_once_and_declares_it_once() {
        let line = embedded(Timestamp::from_millis(5), "trading", "RtoMs", Unit::Milliseconds, 42);
        assert_eq!(line["RtoMs"], 42);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"], "RtoMs");
        assert_eq!(line["_aws"]["Timestamp"], 5);
    }
}
