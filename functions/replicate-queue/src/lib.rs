//! `replicate-queue` (W2.5): sends what arrives in a queue to the other Region's queue, at least once, as it is.
//!
//! Lambda hands over batches of up to ten messages, and deletes from the queue what is not reported as failed. So
//! everything is reported that the other Region did not confirm, also when only the answer was lost: such a message comes
//! again, and may then be in the other Region twice.

mod act;
mod observe;
pub mod plan;
mod settings;

use std::collections::BTreeSet;
use std::time::Duration;

use act::Sender;
use aws_lambda_events::sqs::SqsBatchResponse;
use failover::aws_call::Calls;
use failover::clients::Clients;
use failover::contract::Timestamp;
use failover::env::{Deadline, Env};
use failover::error::Error;
use failover::telemetry::Trace;
use failover::telemetry::metrics::{self, Unit};
use serde_json::Value;

pub use settings::Settings;

/// How long an invocation may send: the function's timeout of 10 s in the template less the time to answer.
pub const TIME_TO_SEND: Duration = Duration::from_secs(8);
/// The function's name in its metrics.
const FUNCTION: &str = "replicate-queue";

/// The function, ready for invocations.
#[derive(Clone, Debug)]
pub struct ReplicateQueue {
    sender: Sender,
}

impl ReplicateQueue {
    /// Puts it together. Nothing is sent twice by itself: what is not confirmed comes again with the queue's own patience.
    #[must_use]
    pub fn new(settings: Settings, env: Env, clients: &Clients) -> Self {
        let sender = Sender {
            sqs: aws_sdk_sqs::Client::new(&clients.once(&settings.destination_region)),
            queue_url: settings.destination_queue_url,
            calls: Calls::new(Trace::new(env.clone())),
            env,
        };
        Self { sender }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How many messages the other Region confirmed.
    pub replicated: usize,
    /// How many were dropped, since they came from the other Region.
    pub echoes: usize,
    /// The ids of those that have to come again.
    pub failed: Vec<String>,
}

impl Outcome {
    /// Publishes the counts as metrics.
    pub fn publish(&self, now: Timestamp) {
        let counts = [("Replicated", self.replicated), ("Failed", self.failed.len()), ("Echoes", self.echoes)];
        for (name, count) in counts {
            metrics::publish_of_function(now, FUNCTION, name, Unit::Count, u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    /// The answer to Lambda, which deletes from the queue whatever is not in it.
    #[must_use]
    pub fn answer(self) -> SqsBatchResponse {
        let mut answer = SqsBatchResponse::default();
        answer.set_failures(self.failed);
        answer
    }
}

/// Sends one batch, and says what has to come again.
///
/// # Errors
/// [`Error::InvalidRequest`] for an event that is no batch of messages. Lambda then delivers all of it again.
pub async fn handle(queue: &ReplicateQueue, event: Value, deadline: Deadline) -> Result<Outcome, Error> {
    let batch = observe::messages(event)?;
    let received: Vec<String> = batch.iter().map(|received| received.id.clone()).collect();
    let plan = plan::plan(batch);
    for (message_id, problem) in &plan.unreadable {
        tracing::error!(message_id, problem, "a message cannot be read");
    }
    for message_id in &plan.echoes {
        tracing::warn!(message_id, "dropped a message that was replicated already");
    }
    let mut confirmed = BTreeSet::new();
    for messages in &plan.calls {
        confirmed.extend(queue.sender.send(messages, deadline).await?);
    }
    let done = |id: &String| confirmed.contains(id) || plan.echoes.contains(id);
    let failed = received.into_iter().filter(|id| !done(id)).collect();
    Ok(Outcome { replicated: confirmed.len(), echoes: plan.echoes.len(), failed })
}
