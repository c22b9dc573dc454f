//! Business metrics (W3.7) in CloudWatch's embedded metric format.

use failover::contract::{Region, Timestamp};
use failover::telemetry::metrics::{self, Unit};
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

impl Outcome<'_> {
    fn values(self) -> Vec<(&'static str, Unit, Value)> {
        match self {
            // CloudWatch keeps its values as binary fractions anyway.
            Outcome::Processed(amount) => vec![
                ("PaymentsProcessed", Unit::Count, json!(1)),
                ("PaymentAmount", Unit::None, json!(amount.approximately())),
            ],
            Outcome::Failed => vec![("PaymentsFailed", Unit::Count, json!(1))],
        }
    }
}

/// Publishes what became of a payment.
pub fn publish(namespace: &str, region: &Region, now: Timestamp, outcome: Outcome<'_>) {
    metrics::publish_in(namespace, now, &dimensions(region), &outcome.values());
}

/// The line that does.
#[must_use]
pub fn embedded(namespace: &str, region: &Region, now: Timestamp, outcome: Outcome<'_>) -> Value {
    metrics::embedded(namespace, now, &dimensions(region), &outcome.values())
}

/// The Region: dashboards of one Region can show the other one's.
fn dimensions(region: &Region) -> [(&str, &str); 1] {
    [("Region", region.as_str())]
}
