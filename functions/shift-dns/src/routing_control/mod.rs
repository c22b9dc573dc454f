//! Moves traffic by ARC routing controls (X6): the target Region's is set On and all others Off, in one atomic call to
//! the data plane of ARC. Health checks of the controls' records follow; Route 53's control plane is not needed.
//!
//! A cluster has five endpoints, each in a Region of its own, and any one will do; AWS keeps at least three accessible.
//! They are tried in rotating order from a random start, each once in a round.
//! Source: <https://docs.aws.amazon.com/r53recovery/latest/dg/routing-control.update.api.html>

mod act;
pub mod checks;
mod cluster;
mod observe;
pub mod plan;

use failover::aws_call::CallError;
use failover::contract::{Finding, RoutingControls, RunContext, Timestamp};
use failover::env::Deadline;
use failover::error::Error;
use failover::runtime::Toolbox;
use failover::step::{LastChange, Plan, Step};

use self::cluster::Cluster;
pub use self::plan::ControlShift;
use self::plan::{Action, Observation};
use crate::checks::independent_of_the_lost_region;

/// The step.
#[derive(Debug)]
pub struct Controls<'a> {
    tools: &'a Toolbox,
    cluster: Cluster<'a>,
}

impl<'a> Controls<'a> {
    /// Puts it together.
    #[must_use]
    pub fn new(tools: &'a Toolbox, controls: &RoutingControls) -> Self {
        Self { tools, cluster: Cluster::new(tools, &controls.cluster_endpoints) }
    }
}

impl Step for Controls<'_> {
    const NAME: &'static str = crate::NAME;
    type Request = ControlShift;
    type Observation = Observation;
    type Action = Action;

    fn run_of(request: &ControlShift) -> &RunContext {
        &request.common.run
    }

    fn resource(request: &ControlShift) -> String {
        request.common.resource.clone()
    }

    async fn preflight(&self, request: &ControlShift, decision: Finding, _: Option<&Observation>) -> Vec<Finding> {
        let mut findings = vec![decision];
        let left = request.common.left(request.controls.keys());
        findings.extend(independent_of_the_lost_region(&request.common.depends_on, &left));
        let answers = self.ask_every_endpoint(request).await;
        findings.push(checks::endpoints_answer(&answers));
        let states = self.ask_for_every_control(request, &answers).await;
        findings.extend(checks::controls_readable(request, &states));
        findings.push(checks::one_control_on(request, &states));
        findings.push(checks::safety_rules_kept(request));
        findings
    }

    async fn observe(&self, request: &ControlShift, last: Option<&LastChange<Action>>) -> Result<Observation, Error> {
        self.look(request, last).await
    }

    fn plan(request: &ControlShift, seen: &Observation, _: Timestamp) -> Plan<Action> {
        plan::plan(request, seen)
    }

    async fn act(&self, _: &ControlShift, action: &Action, deadline: Deadline) -> Result<Option<String>, CallError> {
        self.change(action, deadline).await.map(Some)
    }
}
