//! Whether a cluster is isolated, and what is missing. Pure: no async, no SDK types, no clock.

use std::collections::BTreeSet;
use std::time::Duration;

use failover::contract::{ClusterArn, Finding, Region, RunContext};
use failover::step::Plan;
use serde::{Deserialize, Serialize};

use crate::plan::{PROMOTABLE, STUCK, SecurityGroup};

/// How soon to look again.
pub const ASK_AGAIN: Duration = Duration::from_secs(1);
/// The status of a security group that counts.
const ACTIVE: &str = "active";
/// The status of one on its way out.
const REMOVING: &str = "removing";

/// A complete and checked request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Isolating {
    /// The failover this belongs to.
    pub run: RunContext,
    /// The cluster.
    pub cluster: ClusterArn,
    /// The security groups that let nobody in.
    pub security_groups: BTreeSet<String>,
    /// For how long one invocation may try; none for the function's step budget. No part of what is asked for.
    #[serde(skip)]
    pub budget: Option<Duration>,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// The cluster; none if there is none of that name, or its Region does not answer.
    pub cluster: Option<Cluster>,
    /// What came instead of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
}

/// A DB cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// Its status.
    pub status: String,
    /// Its security groups.
    pub security_groups: Vec<SecurityGroup>,
}

/// One change of a cluster's security groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The Region it is sent to: the cluster's own.
    pub region: Region,
    /// The cluster.
    pub cluster: ClusterArn,
    /// The security groups it gets.
    pub security_groups: BTreeSet<String>,
    /// Those it had when this was decided, for whoever has to put them back.
    pub found_security_groups: BTreeSet<String>,
}

/// Decides.
#[must_use]
pub fn plan(request: &Isolating, seen: &Observation) -> Plan<Action> {
    if let Some(problem) = &seen.silent {
        return wait(format!("{} does not answer: {problem}", request.cluster.region()));
    }
    let Some(cluster) = &seen.cluster else {
        return Plan::Refuse {
            reason: format!("there is no DB cluster {} that could be isolated", request.cluster),
            cure: "correct the cluster in the request or plan".to_owned(),
        };
    };
    let with_status = |wanted: &str| -> BTreeSet<&String> {
        let groups = cluster.security_groups.iter().filter(|group| group.status == wanted);
        groups.map(|group| &group.id).collect()
    };
    let (active, removing) = (with_status(ACTIVE), with_status(REMOVING));
    let all: BTreeSet<&String> = cluster.security_groups.iter().map(|group| &group.id).collect();
    let wanted: BTreeSet<&String> = request.security_groups.iter().collect();
    if all == wanted && active == wanted {
        let names: Vec<&str> = request.security_groups.iter().map(String::as_str).collect();
        let proof = format!("{} has no security group but {}", request.cluster, names.join(", "));
        return Plan::AlreadyDone { proof };
    }
    // Set, and on the way.
    if wanted.is_subset(&all) && all.difference(&wanted).all(|other| removing.contains(other)) {
        return wait(format!("the security groups of {} are being changed", request.cluster));
    }
    match cluster.status.as_str() {
        status if PROMOTABLE.contains(&status) => Plan::Act(Action {
            region: request.cluster.region(),
            cluster: request.cluster.clone(),
            security_groups: request.security_groups.clone(),
            found_security_groups: all.into_iter().cloned().collect(),
        }),
        stuck if STUCK.contains(&stuck) => Plan::Refuse {
            reason: format!("{} is {stuck}, in which its security groups cannot be changed", request.cluster),
            cure: "see that it does not come back before its security groups are changed".to_owned(),
        },
        status => wait(format!("{} is {status}", request.cluster)),
    }
}

fn wait(reason: String) -> Plan<Action> {
    Plan::Wait { reason, ask_again: ASK_AGAIN }
}

/// The only finding about a Region that does not answer.
#[must_use]
pub fn silent_region(request: &Isolating, problem: &str) -> Finding {
    let message = format!("{} does not answer: {problem}", request.cluster.region());
    let cure = "check again; isolating a cluster in a Region that does not answer times out";
    Finding::unknown("step-can-run", request.cluster.as_str(), message, cure)
}

/// Whether the groups that let nobody in are others than those the cluster serves with. Whether they exist, and let nobody
/// in, is not to be seen in RDS.
#[must_use]
pub fn isolation_groups(request: &Isolating, seen: &Observation) -> Finding {
    const CHECK: &str = "isolation-groups";
    let subject = request.cluster.as_str();
    let Some(cluster) = &seen.cluster else {
        return Finding::unknown(CHECK, subject, "there is no such cluster", "correct the cluster in the plan");
    };
    let present: BTreeSet<String> = cluster.security_groups.iter().map(|group| group.id.clone()).collect();
    if present == request.security_groups {
        let cure = "give it the groups it serves with, unless it is meant to be closed";
        return Finding::warning(CHECK, subject, "the cluster is isolated now", cure);
    }
    let shared: Vec<&str> = present.intersection(&request.security_groups).map(String::as_str).collect();
    if shared.is_empty() {
        let message = "the groups differ from those it serves with; that they let nobody in is not checked";
        return Finding::ok(CHECK, subject, message);
    }
    let message = format!("it serves with {}, which is to let nobody in", shared.join(", "));
    Finding::warning(CHECK, subject, message, "name groups in the plan that have no ingress rule")
}
