//! `promote-aurora` (F5): makes the target cluster the writer of its Aurora Global Database.
//!
//! "Promoted" is a state, not an answer: nothing is pending on the global cluster, the target is its writer (or was taken
//! out of it), the target is available, and so is an instance that writes. Whoever brought that about, the step is done.
//!
//! A second step stands beside it, [`isolate`]: it closes the database of the Region that is left (X1). A request with the
//! field `isolate` is for that one.

mod act;
pub mod checks;
mod events;
pub mod isolate;
mod observe;
pub mod plan;
mod preflight;
pub mod rebuild;
pub mod versions;
pub mod write_fencing;

use std::sync::Arc;

use failover::aws_call::CallError;
use failover::config::{self, Variables};
use failover::contract::{self, ClusterArn, ClusterId, Finding, PromoteRequest, RunContext, StepResponse, Timestamp};
use failover::env::Deadline;
use failover::error::Error;
use failover::region_switch::{self, Event, RegionSwitch};
use failover::retry;
use failover::runtime::Toolbox;
use failover::step::{self, LastChange, Plan, Step};
use serde_json::Value;

use isolate::IsolateAurora;
use plan::{Action, Observation, Promotion};

/// The function, ready for invocations.
#[derive(Clone, Debug)]
pub struct PromoteAurora {
    tools: Toolbox,
    /// The other step.
    isolate: IsolateAurora,
    /// `GLOBAL_CLUSTER_ID`: for requests that name none.
    global_cluster: ClusterId,
    /// `DR_CLUSTER_ID` in `DR_REGION`: for requests that name none.
    target: ClusterArn,
    /// `REGION_SWITCH_REQUEST`: for events of Region switch (X9).
    region_switch: Option<RegionSwitch>,
}

impl PromoteAurora {
    /// Reads what this function needs of the environment beyond the common part.
    ///
    /// # Errors
    /// [`Error::Config`] that names `GLOBAL_CLUSTER_ID`, `DR_CLUSTER_ID` or `REGION_SWITCH_REQUEST`.
    pub fn new(tools: Toolbox, variables: &impl Variables) -> Result<Self, Error> {
        let global_cluster = config::cluster_id(variables, "GLOBAL_CLUSTER_ID")?;
        let cluster = config::cluster_id(variables, "DR_CLUSTER_ID")?;
        let target = ClusterArn::new(&tools.config.dr_region, &tools.config.account, &cluster);
        let region_switch = RegionSwitch::read(variables)?;
        Ok(Self { isolate: IsolateAurora { tools: tools.clone() }, tools, global_cluster, target, region_switch })
    }

    /// Fills in defaults and checks what the type cannot.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] that names the field.
    fn complete(&self, request: PromoteRequest) -> Result<Promotion, Error> {
        let target = request.target_cluster_arn.unwrap_or_else(|| self.target.clone());
        let target = own_cluster("target_cluster_arn", target, &self.tools)?;
        let security_groups = request.security_group_ids;
        let security_groups =
            security_groups.map(|ids| contract::check_security_groups("security_group_ids", &ids)).transpose()?;
        let global_cluster = request.global_cluster_id.unwrap_or_else(|| self.global_cluster.clone());
        let source = request.source_cluster_arn.map(|source| own_cluster("source_cluster_arn", source, &self.tools));
        let source = source.transpose()?;
        Ok(Promotion { run: request.run, global_cluster, target, source, mode: request.mode, security_groups })
    }
}

/// Carries out one invocation.
///
/// # Errors
/// See [`Error`]: its code tells the state machine what to do.
pub async fn handle(step: Arc<PromoteAurora>, request: Value, deadline: Deadline) -> Result<StepResponse, Error> {
    if let Some(event) = Event::of(&request)? {
        let request = RegionSwitch::needed(step.region_switch.as_ref())?.promotion(&event)?;
        let response = step::run(step.as_ref(), &step.tools, step.complete(request)?, deadline).await?;
        return region_switch::finished(response);
    }
    if request.get("isolate").is_some() {
        let request = step.isolate.complete(contract::parse(request)?)?;
        return step::run(&step.isolate, &step.tools, request, deadline).await;
    }
    let request = step.complete(contract::parse(request)?)?;
    step::run(step.as_ref(), &step.tools, request, deadline).await
}

impl Step for PromoteAurora {
    const NAME: &'static str = "promote-aurora";
    type Request = Promotion;
    type Observation = Observation;
    type Action = Action;

    fn run_of(request: &Promotion) -> &RunContext {
        &request.run
    }

    fn resource(request: &Promotion) -> String {
        request.target.to_string()
    }

    /// Security groups that were given back are one change, the promotion is another.
    fn repeats(last: &Action, next: &Action) -> bool {
        matches!(
            (last, next),
            (Action::Takeover(_), Action::Takeover(_)) | (Action::Restoration(_), Action::Restoration(_))
        )
    }

    async fn preflight(&self, request: &Promotion, decision: Finding, seen: Option<&Observation>) -> Vec<Finding> {
        preflight::preflight(&self.tools, request, decision, seen).await
    }

    async fn observe(&self, request: &Promotion, last: Option<&LastChange<Action>>) -> Result<Observation, Error> {
        observe::observe(&self.tools, request, last).await
    }

    fn plan(request: &Promotion, seen: &Observation, now: Timestamp) -> Plan<Action> {
        plan::plan(request, seen, now)
    }

    async fn act(&self, _: &Promotion, action: &Action, deadline: Deadline) -> Result<Option<String>, CallError> {
        retry::change(&self.tools.env, deadline, || act::act(&self.tools, action)).await.map(|()| None)
    }
}

/// A cluster of this account, as RDS writes it.
fn own_cluster(field: &str, cluster: ClusterArn, tools: &Toolbox) -> Result<ClusterArn, Error> {
    let (expected, found) = (&tools.config.account, cluster.account());
    if found != *expected {
        let problem = format!("{cluster} belongs to account {found}; this function works in account {expected}");
        return Err(Error::invalid(field, problem));
    }
    Ok(lower_case(cluster))
}

/// RDS stores identifiers in lower case whatever they were created with; answers are compared with the request.
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBCluster.html>
fn lower_case(arn: ClusterArn) -> ClusterArn {
    // Lower case is never a malformed ARN; an ARN that could not be read stays what it is.
    ClusterArn::parse(&arn.as_str().to_ascii_lowercase()).unwrap_or(arn)
}
