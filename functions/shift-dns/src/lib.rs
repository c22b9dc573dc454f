//! Moves traffic to another Region by swapping Route 53 failover records (F6).
//!
//! For each record the target Region's record set becomes the primary one and the other the secondary one, all by one
//! change batch that holds only if the records are as they were seen. Everything else in the zone stays untouched.

mod act;
mod observe;
pub mod plan;
pub mod records;
pub mod request;

use std::sync::Arc;

use aws_sdk_route53::Client;
use failover::aws_call::CallError;
use failover::contract::{Finding, RunContext, ShiftRequest, StepResponse, Timestamp};
use failover::env::Deadline;
use failover::error::Error;
use failover::retry;
use failover::runtime::Toolbox;
use failover::step::{self, LastChange, Plan, Step};
use serde_json::Value;

use crate::observe::Observer;
use crate::plan::{Action, Observation};
use crate::request::Shift;

/// The step.
#[derive(Debug)]
pub struct ShiftDns {
    tools: Toolbox,
    reading: Client,
    once: Client,
}

impl ShiftDns {
    /// Puts it together.
    ///
    /// Route 53 is one service for all Regions: the SDK finds its endpoint from whichever Region it is given.
    #[must_use]
    pub fn new(tools: Toolbox) -> Self {
        let region = &tools.config.dr_region;
        let reading = Client::new(&tools.clients.reading(region));
        let once = Client::new(&tools.clients.once(region));
        Self { tools, reading, once }
    }
}

/// Answers one invocation.
///
/// # Errors
/// See [`Error`].
pub async fn handle(step: Arc<ShiftDns>, request: Value, deadline: Deadline) -> Result<StepResponse, Error> {
    step::run(step.as_ref(), &step.tools, request, deadline).await
}

impl Step for ShiftDns {
    const NAME: &'static str = "shift-dns";
    type Wire = ShiftRequest;
    type Request = Shift;
    type Observation = Observation;
    type Action = Action;

    fn complete(&self, request: ShiftRequest) -> Result<Shift, Error> {
        request::complete(request, &self.tools.config.dr_region)
    }

    fn run_of(request: &Shift) -> &RunContext {
        &request.run
    }

    fn resource(request: &Shift) -> String {
        request.hosted_zone_id.clone()
    }

    async fn preflight(&self, request: &Shift) -> Vec<Finding> {
        vec![step::check_decision(self, &self.tools, request).await]
    }

    async fn observe(&self, request: &Shift, last: Option<&LastChange<Action>>) -> Result<Observation, Error> {
        let now = self.tools.env.now();
        let observer = Observer { reading: &self.reading, once: &self.once, calls: &self.tools.calls, now };
        observer.observe(request, last).await
    }

    fn plan(request: &Shift, seen: &Observation, now: Timestamp) -> Plan<Action> {
        plan::plan(request, seen, now)
    }

    async fn act(&self, _: &Shift, action: &Action, deadline: Deadline) -> Result<Option<String>, CallError> {
        retry::change(&self.tools.env, deadline, || act::act(&self.once, &self.tools.calls, action)).await
    }
}
