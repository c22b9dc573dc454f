//! The real steps on the simulated AWS, one after the other until each has settled.

use std::time::Duration;

use failover::contract::{Finding, StepResponse};
use serde_json::{Value, json};
use tokio::task::LocalSet;

use super::Aws;
use crate::lambda::{self, Failure};
use crate::workload::STANDBY;
use crate::world::{Shared, World};

/// How often a step is invoked at most until it has settled.
const MOST_INVOCATIONS: u32 = 100;

/// A world in which nothing goes wrong but what AWS leaves to chance.
pub(crate) struct Steps(Shared);

impl Steps {
    /// Does this in the world of a seed.
    pub(crate) async fn with<T>(seed: u64, body: impl AsyncFnOnce(&Self) -> T) -> T {
        let steps = Self(Shared::new(World::new(seed, Vec::new(), None)));
        LocalSet::new().run_until(body(&steps)).await
    }

    /// AWS at this moment.
    pub(crate) fn aws<T>(&self, look: impl FnOnce(&mut Aws, failover::contract::Timestamp) -> T) -> T {
        let mut world = self.0.lock();
        let now = world.now();
        world.aws.advance(now);
        look(&mut world.aws, now)
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    /// Invokes a step, and asks again as the state machine does, until it is done or has failed.
    pub(crate) async fn settle(&self, function: &'static str, request: Value) -> Result<StepResponse, Failure> {
        for _ in 0..MOST_INVOCATIONS {
            let pause = match lambda::invoke(&self.0, STANDBY, function, request.clone()).await {
                Ok(answer) if answer["status"] == "in_progress" => answer["ask_again_after_seconds"].as_u64(),
                Ok(answer) => return Ok(serde_json::from_value(answer).expect("a step's answer")),
                Err(failure) if failure.error == "Failover.Transient" => Some(1),
                Err(failure) => return Err(failure),
            };
            self.pass(pause.unwrap_or(1)).await;
        }
        panic!("{function} has not settled after {MOST_INVOCATIONS} invocations")
    }

    /// The findings of a preflight.
    pub(crate) async fn check(&self, function: &'static str, mut request: Value) -> Vec<Finding> {
        request["run"] = json!({ "preflight": true });
        let answer = lambda::invoke(&self.0, STANDBY, function, request).await.expect("findings");
        let answer: StepResponse = serde_json::from_value(answer).expect("a step's answer");
        answer.findings
    }
}
