//! Business metrics (W3.7) in CloudWatch's embedded metric format: a log line that becomes metrics, without any call.
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! Not by `failover::telemetry::metrics`: that module's namespace and dimensions are the orchestrator's, and its values
//! are whole.

use std::io::Write;

use failover::contract::{Region, Timestamp};
use serde_json::{Value, json};

use crate::payment::Amount;

/// What is counted of a payment.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// It was charged now: `PaymentsProcessed`, and `PaymentAmount`.
    Processed(&'a Amount),
    /// A well-formed payment was not taken, or is not known to have been: `PaymentsFailed`. A repeat is neither.
    Failed,
}

/// Publishes what became of a payment.
pub fn publish(namespace: &str, region: &Region, now: Timestamp, outcome: Outcome<'_>) {
    let line = embedded(namespace, region, now, outcome);
    // Nobody can be told that standard output is gone; the payment matters more than its metric.
    drop(std::io::stdout().write_all(format!("{line}\n").as_bytes()));
}

/// The line, with the Region as the metrics' dimension: dashboards of one Region can show the other one's.
#[must_use]
pub fn embedded(namespace: &str, region: &Region, now: Timestamp, outcome: Outcome<'_>) -> Value {
    let values = match outcome {
        // CloudWatch keeps its values as binary fractions anyway.
        Outcome::Processed(amount) => {
            vec![("PaymentsProcessed", "Count", json!(1)), ("PaymentAmount", "None", json!(amount.approximately()))]
        }
        Outcome::Failed => vec![("PaymentsFailed", "Count", json!(1))],
    };
    let declared: Vec<Value> = values.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": now.as_millis(),
            "CloudWatchMetrics": [{ "Namespace": namespace, "Dimensions": [["Region"]], "Metrics": declared }]
        },
        "Region": region,
    });
    for (name, _, value) in values {
        line[name] = value;
    }
    line
}
