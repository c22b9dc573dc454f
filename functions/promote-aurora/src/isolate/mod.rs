//! Isolating a cluster (X1): the database of the Region that is left gets security groups that let nobody in.
//!
//! See [`failover::contract::IsolateRequest`] for what that closes and what not. Whichever cluster the request names is
//! isolated, reader or writer; that it is not the one that is promoted is for whoever puts the run together to see to.

mod observe;
pub mod plan;

use std::time::Duration;

use failover::aws_call::CallError;
use failover::contract::{self, Finding, IsolateRequest, RunContext, Timestamp};
use failover::env::Deadline;
use failover::error::Error;
use failover::retry;
use failover::runtime::Toolbox;
use failover::step::{LastChange, Plan, Step};

use crate::act;
use crate::own_cluster;
use plan::{Action, Isolating, Observation};

/// The step that isolates a cluster.
#[derive(Clone, Debug)]
pub struct IsolateAurora {
    pub(crate) tools: Toolbox,
}

impl IsolateAurora {
    /// Checks what the type cannot.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] that names the field.
    pub(crate) fn complete(&self, request: IsolateRequest) -> Result<Isolating, Error> {
        let IsolateRequest { run, isolate, timeout_seconds } = request;
        let cluster = own_cluster("isolate.cluster_arn", isolate.cluster_arn, &self.tools)?;
        let security_groups =
            contract::check_security_groups("isolate.security_group_ids", &isolate.security_group_ids)?;
        let budget = timeout_seconds.map(contract::check_timeout).transpose()?;
        Ok(Isolating { run, cluster, security_groups, budget })
    }
}

impl Step for IsolateAurora {
    const NAME: &'static str = "isolate-aurora";
    type Request = Isolating;
    type Observation = Observation;
    type Action = Action;

    fn run_of(request: &Isolating) -> &RunContext {
        &request.run
    }

    fn resource(request: &Isolating) -> String {
        request.cluster.to_string()
    }

    fn budget(request: &Isolating) -> Option<Duration> {
        request.budget
    }

    async fn preflight(&self, request: &Isolating, decision: Finding, seen: Option<&Observation>) -> Vec<Finding> {
        match seen {
            None => vec![decision],
            Some(Observation { silent: Some(problem), .. }) => vec![plan::silent_region(request, problem)],
            Some(seen) => vec![decision, plan::isolation_groups(request, seen)],
        }
    }

    async fn observe(&self, request: &Isolating, _: Option<&LastChange<Action>>) -> Result<Observation, Error> {
        observe::observe(&self.tools, request).await
    }

    fn plan(request: &Isolating, seen: &Observation, _: Timestamp) -> Plan<Action> {
        plan::plan(request, seen)
    }

    async fn act(&self, _: &Isolating, action: &Action, deadline: Deadline) -> Result<Option<String>, CallError> {
        let Action { cluster, security_groups, .. } = action;
        let changed = retry::change(&self.tools.env, deadline, || {
            act::set_security_groups(&self.tools, cluster, security_groups)
        });
        changed.await.map(|()| None).map_err(CallError::in_a_region_that_may_be_gone)
    }
}
