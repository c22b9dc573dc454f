//! Moves traffic by the traffic dials of Global Accelerator's endpoint groups: 100 for the target Region, 0 for the
//! others. The static addresses stay, so no resolver has to follow.
//!
//! The calls go to the control plane of Global Accelerator, which stands in us-west-2 for all Regions; serving traffic,
//! and failing over by the endpoints' health, do without it.
//! Source: <https://docs.aws.amazon.com/global-accelerator/latest/dg/about-endpoint-groups-traffic-dial.html>

mod act;
pub mod checks;
mod observe;
pub mod plan;

use aws_sdk_globalaccelerator::Client;
use failover::aws_call::CallError;
use failover::contract::{Finding, Region, RunContext, Timestamp};
use failover::env::Deadline;
use failover::error::Error;
use failover::runtime::Toolbox;
use failover::step::{LastChange, Plan, Step};

pub use self::plan::DialShift;
use self::plan::{Action, Observation};
use crate::checks::{Reading, independent_of_the_lost_region};

/// The step.
#[derive(Debug)]
pub struct Dials<'a> {
    tools: &'a Toolbox,
    reading: Client,
    once: Client,
}

impl<'a> Dials<'a> {
    /// Puts it together.
    #[must_use]
    pub fn new(tools: &'a Toolbox) -> Self {
        let region = Region::us_west_2();
        let reading = Client::new(&tools.clients.reading(&region));
        let once = Client::new(&tools.clients.once(&region));
        Self { tools, reading, once }
    }
}

impl Step for Dials<'_> {
    const NAME: &'static str = crate::NAME;
    type Request = DialShift;
    type Observation = Observation;
    type Action = Action;

    fn run_of(request: &DialShift) -> &RunContext {
        &request.common.run
    }

    fn resource(request: &DialShift) -> String {
        request.common.resource.clone()
    }

    async fn preflight(&self, request: &DialShift, decision: Finding, _: Option<&Observation>) -> Vec<Finding> {
        let mut findings = vec![decision];
        let left = request.common.left(request.endpoint_groups.keys());
        findings.extend(independent_of_the_lost_region(&request.common.depends_on, &left));
        let accelerator = Reading::of(self.accelerator(&request.accelerator).await);
        findings.push(checks::accelerator_enabled(request, &accelerator));
        for (region, group) in &request.endpoint_groups {
            let dial = Reading::of(self.dial(group).await);
            findings.push(checks::endpoint_group_exists(region, group, &dial));
        }
        findings
    }

    async fn observe(&self, request: &DialShift, _: Option<&LastChange<Action>>) -> Result<Observation, Error> {
        self.look(request).await
    }

    fn plan(request: &DialShift, seen: &Observation, _: Timestamp) -> Plan<Action> {
        plan::plan(request, seen)
    }

    async fn act(&self, _: &DialShift, action: &Action, deadline: Deadline) -> Result<Option<String>, CallError> {
        self.turn(action, deadline).await.map(|()| None)
    }
}
