//! The Lambda function `payment-processor` (W2.1, W2.2, W3.7): takes payments, each `transaction_id` once, and says that
//! it is well.
//!
//! It is a workload's, not one of the orchestrator's steps: nothing of a failover is known here. That a payment is
//! charged once, also under concurrent duplicates and across a failover, is the store's doing (`store`).

pub mod event;
pub mod metrics;
pub mod payment;
pub mod settings;
mod store;

use std::time::Duration;

use failover::clients::Clients;
use failover::env::{Deadline, Env};
use failover::error::Error;
use serde_json::{Value, json};

use event::{Answer, BadBody, Request};
use metrics::Outcome;
use payment::{Charge, Invalid, Payment, STATUS, Verdict};
use settings::Settings;
use store::{Store, StoreError};

/// No call to the store begins later than this after the invocation. With one call's timeout (5 s) and the answer it
/// stays below what an HTTP API waits (29 s) and below the shorter of the function's timeouts (30 s).
pub const WORK_BUDGET: Duration = Duration::from_secs(15);
/// When to ask again, after an answer of 503.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The function's state.
#[derive(Debug)]
pub struct PaymentProcessor {
    env: Env,
    ready: Result<Ready, String>,
}

/// What is there when the function is configured.
#[derive(Debug)]
struct Ready {
    settings: Settings,
    store: Store,
}

impl PaymentProcessor {
    /// Puts it together. With unusable settings it still answers, saying what is wrong with them (W2.2).
    #[must_use]
    pub fn new(configured: Result<(Settings, Clients), Error>, env: Env) -> Self {
        let ready = configured.map_err(|error| error.to_string()).map(|(settings, clients)| {
            let store = Store::new(&settings, &clients, &env);
            Ready { settings, store }
        });
        if let Err(problem) = &ready {
            tracing::error!(problem, "the function cannot take payments");
        }
        Self { env, ready }
    }

    /// Answers an event. `request_id` is Lambda's, `lambda_deadline_ms` the runtime's, in milliseconds since the epoch.
    ///
    /// # Errors
    /// What is wrong with an event that is no HTTP request; nobody waits for an answer to it.
    pub async fn handle(&self, event: Value, request_id: &str, lambda_deadline_ms: u64) -> Result<Value, String> {
        let deadline = Deadline::new(self.env.now(), WORK_BUDGET, lambda_deadline_ms);
        let Request { source, method, path, body } = Request::read(event)?;
        let answer = match (path.as_str(), method.as_str()) {
            ("/health", "GET") => self.health(),
            ("/payment", "POST") => self.pay(body, request_id, deadline).await,
            ("/health", _) => not_allowed("GET"),
            ("/payment", _) => not_allowed("POST"),
            _ => Answer::problem(404, "there is nothing here but GET /health and POST /payment"),
        };
        Ok(source.answer(&answer))
    }

    /// Whether the function works, not whether the store does: a lost store is the other Region's too, or is found by
    /// alarms of its own.
    fn health(&self) -> Answer {
        let time = self.env.now();
        match &self.ready {
            Ok(Ready { settings: Settings { region, role, .. }, .. }) => {
                Answer::new(200, json!({ "status": "ok", "region": region, "role": role, "time": time }))
            }
            Err(problem) => Answer::new(500, json!({ "status": "misconfigured", "error": problem, "time": time })),
        }
    }

    async fn pay(&self, body: Result<Vec<u8>, BadBody>, request_id: &str, deadline: Deadline) -> Answer {
        let Ready { settings, store } = match &self.ready {
            Ok(ready) => ready,
            Err(problem) => return Answer::problem(500, problem),
        };
        let payment = match body {
            Ok(body) => Payment::parse(&body),
            Err(BadBody::TooLong) => return Answer::problem(413, "the body is longer than a payment can be"),
            Err(BadBody::NotBase64) => return Answer::problem(400, "the body is not in base64"),
        };
        let payment = match payment {
            Ok(payment) => payment,
            Err(invalid) => return refused(&invalid),
        };
        let transaction_id = payment.transaction_id.as_str().to_owned();
        let charge = Charge {
            payment,
            time: self.env.now(),
            region: settings.region.clone(),
            request_id: request_id.to_owned(),
        };
        let outcome = store.charge(charge, deadline).await;
        match &outcome {
            Ok(Verdict::Charged(_)) => tracing::info!(transaction_id, "charged"),
            Ok(Verdict::Repeat(_)) => tracing::info!(transaction_id, "charged before, not again"),
            Ok(Verdict::OtherAmount) => tracing::warn!(transaction_id, "charged before with another amount"),
            Err(error) => tracing::error!(transaction_id, error = error.problem(), "not taken"),
        }
        if let (Some(namespace), Some(counted)) = (&settings.metric_namespace, counted(&outcome)) {
            metrics::publish(namespace, &settings.region, self.env.now(), counted);
        }
        answered(&transaction_id, &outcome)
    }
}

fn not_allowed(allowed: &str) -> Answer {
    Answer::problem(405, &format!("only {allowed} is allowed here")).with_header("allow", allowed)
}

fn refused(invalid: &Invalid) -> Answer {
    let (field, problem) = match invalid {
        Invalid::Malformed(problem) => return Answer::problem(400, &format!("malformed JSON: {problem}")),
        Invalid::Missing(field) => (field, "is missing"),
        Invalid::Field(field, problem) => (field, problem.as_str()),
    };
    Answer::new(400, json!({ "error": format!("{field}: {problem}"), "field": field }))
}

fn counted(outcome: &Result<Verdict, StoreError>) -> Option<Outcome<'_>> {
    match outcome {
        Ok(Verdict::Charged(charge)) => Some(Outcome::Processed(&charge.payment.amount)),
        Ok(Verdict::Repeat(_)) => None,
        Ok(Verdict::OtherAmount) | Err(_) => Some(Outcome::Failed),
    }
}

fn answered(transaction_id: &str, outcome: &Result<Verdict, StoreError>) -> Answer {
    let (charge, repeated) = match outcome {
        Ok(Verdict::Charged(charge)) => (charge, false),
        Ok(Verdict::Repeat(charge)) => (charge, true),
        Ok(Verdict::OtherAmount) => {
            let problem = "this transaction_id was charged before with another amount; nothing was charged now";
            return Answer::new(409, json!({ "error": problem, "transaction_id": transaction_id }));
        }
        // What the store said stays in the log: it names resources.
        Err(StoreError::Broken(_)) => return Answer::problem(500, "nothing was charged: the store cannot be used"),
        Err(StoreError::Unavailable(_)) => return later("nothing was charged: the store cannot be written now"),
        Err(StoreError::Unknown(_)) => {
            return later(
                "it is not known whether this was charged; send it again with the same transaction_id, \
                          which is charged once",
            );
        }
    };
    Answer::new(
        200,
        json!({
            "transaction_id": transaction_id,
            "amount": charge.payment.amount.as_str(),
            "region": charge.region,
            "time": charge.time,
            "status": STATUS,
            "repeated": repeated,
        }),
    )
}

fn later(problem: &str) -> Answer {
    Answer::problem(503, problem).with_header("retry-after", RETRY_AFTER.as_secs().to_string())
}

#[cfg(test)]
mod tests {
    use failover::contract::Region;

    use super::*;

    #[test]
    fn new_charges_are_counted_with_their_amount_repeats_not_at_all_and_everything_else_as_failed() {
        let payment = Payment::parse(br#"{"transaction_id": "t-1", "amount": 12.50}"#).expect("a payment");
        let region = Region::parse("us-east-1").expect("a Region");
        let charge = Charge { payment, time: failover::testing::START, region, request_id: "r-1".to_owned() };
        let charged = Ok(Verdict::Charged(charge.clone()));
        assert!(matches!(counted(&charged), Some(Outcome::Processed(amount)) if amount.as_str() == "12.50"));
        assert!(counted(&Ok(Verdict::Repeat(charge))).is_none());
        for failed in [
            Ok(Verdict::OtherAmount),
            Err(StoreError::Unavailable(String::new())),
            Err(StoreError::Unknown(String::new())),
            Err(StoreError::Broken(String::new())),
        ] {
            assert!(matches!(counted(&failed), Some(Outcome::Failed)), "{failed:?}");
        }
    }
}
