//! Moves traffic by records of a Route 53 hosted zone (F6): failover records swap their roles, or weighted records give
//! the target Region's all the weight.
//!
//! Both change by one batch that holds only if the records are as they were seen. Everything else in the zone stays
//! untouched. The calls go to Route 53's control plane, which is one for all Regions and stands in us-east-1.

mod act;
pub mod checks;
mod observe;
pub mod plan;
pub mod request;
mod sdk;
pub mod sets;

use aws_sdk_route53::Client;
use failover::aws_call::CallError;
use failover::contract::{Finding, RunContext, Timestamp};
use failover::env::Deadline;
use failover::error::Error;
use failover::retry;
use failover::runtime::Toolbox;
use failover::step::{LastChange, Plan, Step};

use self::observe::Observer;
use self::plan::{Action, Observation};
pub use self::request::RecordShift;
use crate::checks::Reading;

/// The step.
#[derive(Debug)]
pub struct Records<'a> {
    tools: &'a Toolbox,
    reading: Client,
    once: Client,
}

impl<'a> Records<'a> {
    /// Puts it together.
    ///
    /// Route 53 is one service for all Regions: the SDK finds its endpoint from whichever Region it is given.
    #[must_use]
    pub fn new(tools: &'a Toolbox) -> Self {
        let region = &tools.config.dr_region;
        let reading = Client::new(&tools.clients.reading(region));
        let once = Client::new(&tools.clients.once(region));
        Self { tools, reading, once }
    }

    fn observer(&self) -> Observer<'_> {
        let now = self.tools.env.now();
        Observer { reading: &self.reading, once: &self.once, calls: &self.tools.calls, now }
    }

    /// The health checks of the records: some of them, and none after one that was not answered.
    async fn health_checks(&self, ids: &[&str]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for id in ids.iter().take(checks::MOST_HEALTH_CHECKS) {
            let request = self.once.get_health_check().health_check_id(*id).send();
            let answer = self.tools.calls.call("route53", "GetHealthCheck", request).await;
            let reading = Reading::of(answer.map(drop));
            findings.push(checks::health_check_exists(id, &reading));
            if matches!(reading, Reading::Unknown(_)) {
                break;
            }
        }
        findings.extend(checks::health_checks_left_out(findings.len(), ids.len()));
        findings
    }
}

impl Step for Records<'_> {
    const NAME: &'static str = crate::NAME;
    type Request = RecordShift;
    type Observation = Observation;
    type Action = Action;

    fn run_of(request: &RecordShift) -> &RunContext {
        &request.common.run
    }

    fn resource(request: &RecordShift) -> String {
        request.common.resource.clone()
    }

    async fn preflight(&self, request: &RecordShift, decision: Finding, seen: Option<&Observation>) -> Vec<Finding> {
        let mut findings = vec![decision];
        findings.extend(checks::independent_of_the_lost_region(request));
        if let Some(records) = seen.and_then(|seen| seen.records.as_deref()) {
            findings.extend(checks::record_sets_present(request, records));
            findings.extend(checks::short_ttls(request, records));
            findings.extend(checks::health_decides(request, records));
            findings.extend(self.health_checks(&checks::health_check_ids(request, records)).await);
        }
        findings
    }

    async fn observe(&self, request: &RecordShift, last: Option<&LastChange<Action>>) -> Result<Observation, Error> {
        self.observer().observe(request, last).await
    }

    fn plan(request: &RecordShift, seen: &Observation, now: Timestamp) -> Plan<Action> {
        plan::plan(request, seen, now)
    }

    async fn act(&self, _: &RecordShift, action: &Action, deadline: Deadline) -> Result<Option<String>, CallError> {
        retry::change(&self.tools.env, deadline, || act::act(&self.once, &self.tools.calls, action)).await
    }
}
