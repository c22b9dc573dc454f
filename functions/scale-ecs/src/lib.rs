//! `scale-ecs` (F7): brings ECS services to their capacity, with Application Auto Scaling's limits raised first, so that
//! no policy undoes it.
//!
//! It scales out; it never lowers a minimum, and lowers a count only where the request says so. It is done when the
//! tasks run, not when ECS took the order.
//!
//! The opposite is the fence (X1): the services of the Region that is left get no tasks, and nothing that brings tasks
//! back. See [`plan`].

mod act;
pub mod checks;
mod observe;
pub mod plan;
mod preflight;
mod request;

use std::sync::Arc;
use std::time::Duration;

use failover::aws_call::CallError;
use failover::config::Variables;
use failover::contract::{self, Finding, RunContext, ScaleRequest, StepResponse, Timestamp};
use failover::env::Deadline;
use failover::error::Error;
use failover::region_switch::{self, Event, RegionSwitch};
use failover::runtime::Toolbox;
use failover::step::{self, LastChange, Plan, Step};
use serde_json::Value;

use plan::{Action, Observation};
pub use request::{MOST_SERVICES, Scaling};

/// The function, ready for invocations.
#[derive(Clone, Debug)]
pub struct ScaleEcs {
    tools: Toolbox,
    /// `REGION_SWITCH_REQUEST`: for events of Region switch (X9).
    region_switch: Option<RegionSwitch>,
}

impl ScaleEcs {
    /// Reads what this function needs of the environment beyond the common part.
    ///
    /// # Errors
    /// [`Error::Config`] that names `REGION_SWITCH_REQUEST`.
    pub fn new(tools: Toolbox, variables: &impl Variables) -> Result<Self, Error> {
        Ok(Self { tools, region_switch: RegionSwitch::read(variables)? })
    }

    fn complete(&self, request: ScaleRequest) -> Result<Scaling, Error> {
        Scaling::complete(request, &self.tools.config.dr_region)
    }
}

/// Carries out one invocation.
///
/// # Errors
/// See [`Error`]: its code tells the state machine what to do.
pub async fn handle(step: Arc<ScaleEcs>, request: Value, deadline: Deadline) -> Result<StepResponse, Error> {
    if let Some(event) = Event::of(&request)? {
        let request = RegionSwitch::needed(step.region_switch.as_ref())?.scaling(&event)?;
        let response = step::run(step.as_ref(), &step.tools, step.complete(request)?, deadline).await?;
        return region_switch::finished(response);
    }
    let request = step.complete(contract::parse(request)?)?;
    step::run(step.as_ref(), &step.tools, request, deadline).await
}

impl Step for ScaleEcs {
    const NAME: &'static str = "scale-ecs";
    type Request = Scaling;
    type Observation = Observation;
    type Action = Action;

    fn run_of(request: &Scaling) -> &RunContext {
        &request.run
    }

    fn resource(request: &Scaling) -> String {
        request.resource()
    }

    fn budget(request: &Scaling) -> Option<Duration> {
        request.budget
    }

    async fn preflight(&self, request: &Scaling, decision: Finding, seen: Option<&Observation>) -> Vec<Finding> {
        preflight::preflight(&self.tools, request, decision, seen).await
    }

    async fn observe(&self, request: &Scaling, last: Option<&LastChange<Action>>) -> Result<Observation, Error> {
        observe::observe(&self.tools, request, last).await
    }

    fn plan(request: &Scaling, seen: &Observation, _: Timestamp) -> Plan<Action> {
        plan::plan(request, seen)
    }

    async fn act(&self, request: &Scaling, action: &Action, deadline: Deadline) -> Result<Option<String>, CallError> {
        let outcome = act::act(&self.tools, action, deadline).await.map(|()| None);
        if request.is_fence() { outcome.map_err(CallError::in_a_region_that_may_be_gone) } else { outcome }
    }
}
