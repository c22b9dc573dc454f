//! Whether and how to promote. Pure: no async, no SDK types, no clock.

use std::time::Duration;

use failover::contract::{ClusterArn, ClusterId, PromotionMode, Region, RunContext, Timestamp};
use failover::env::millis;
use failover::step::Plan;
use serde::{Deserialize, Serialize};

/// The state in which a cluster or an instance can be used.
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/accessing-monitoring.html>
const AVAILABLE: &str = "available";
/// The states in which a secondary is asked to take over. What AWS makes of a running backup is for AWS to say.
const PROMOTABLE: [&str; 2] = [AVAILABLE, "backing-up"];
/// States of a cluster that it does not leave by itself, so that waiting for it would be in vain.
const STUCK: [&str; 7] = [
    "deleting",
    "stopping",
    "stopped",
    "inaccessible-encryption-credentials",
    "inaccessible-encryption-credentials-recoverable",
    "cloning-failed",
    "migration-failed",
];
/// How far back the replication lag is looked for, and so how long after its last data point a cluster that is no member
/// any more still counts as a replica that was detached just now.
pub const REPLICATED_RECENTLY: Duration = Duration::from_secs(10 * 60);
/// For so long after our change its effect is looked for at the shorter interval, and a source Region that falls silent
/// is not yet a reason to give up.
pub const JUST_CHANGED: Duration = Duration::from_secs(60);
/// How soon to look again just after a change.
pub const SOON: Duration = Duration::from_secs(1);
/// How soon to look again otherwise.
pub const LATER: Duration = Duration::from_secs(2);

/// A complete and checked request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Promotion {
    /// The failover this belongs to.
    pub run: RunContext,
    /// The global cluster.
    pub global_cluster: ClusterId,
    /// The cluster that is to become the writer.
    pub target: ClusterArn,
    /// How.
    pub mode: PromotionMode,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// The global cluster, as the target's Region sees it; none if there is none of that name.
    pub global: Option<Global>,
    /// The target; none if there is none of that name in its Region.
    pub target: Option<Target>,
    /// The present writer as its own Region sees it; looked at only before a switchover.
    pub source: Option<Source>,
    /// The newest replication lag of the last ten minutes, as long as nothing was changed; none if it is unknown.
    pub lag: Option<Lag>,
    /// The change this operation made last, if any.
    pub our_change: Option<OurChange>,
    /// Lag, loss and writer before the change.
    #[serde(flatten)]
    pub report: LagReport,
}

/// What a promotion may cost. Kept with the intent, so that the answer has it also after an interruption.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LagReport {
    /// The replication lag before the change, in milliseconds; none if it is unknown.
    pub lag_ms_before: Option<u64>,
    /// How much may be lost, in milliseconds of writes: zero by switchover, else the lag; none if it is unknown.
    pub data_loss_exposure_ms: Option<u64>,
    /// The writer before the change; none if there was none, or another than this operation changed it.
    pub writer_before: Option<ClusterArn>,
}

/// A global cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Global {
    /// Its status: free text that may run ahead of the facts, so nothing is decided by it.
    pub status: String,
    /// Its members.
    pub members: Vec<Member>,
    /// A switchover or failover under way.
    pub transition: Option<Transition>,
}

impl Global {
    /// The present writer.
    #[must_use]
    pub fn writer(&self) -> Option<ClusterArn> {
        self.members.iter().find(|member| member.is_writer).map(|member| member.arn.clone())
    }
}

/// A member of a global cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The cluster.
    pub arn: ClusterArn,
    /// Whether it is the global cluster's writer.
    pub is_writer: bool,
    /// `connected` or `pending-resync`.
    pub synchronization: Option<String>,
}

/// A switchover or failover under way (`FailoverState`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transition {
    /// `pending`, `failing-over`, `switching-over` or `cancelling`.
    pub status: String,
    /// The ARN of the cluster that is to be the writer.
    pub to: Option<String>,
    /// Whether it is a failover, which may lose data.
    pub data_loss_allowed: Option<bool>,
}

/// The target cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Its status.
    pub status: String,
    /// Its engine's version.
    pub engine_version: Option<String>,
    /// Its instances; none in a headless cluster.
    pub instances: Vec<Instance>,
}

/// A DB instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// Its identifier.
    pub id: String,
    /// Its status.
    pub status: String,
    /// Whether it is the one in its cluster that can write.
    pub is_writer: bool,
}

/// The present writer's Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// It answers.
    Answers {
        /// The present writer's status.
        status: String,
    },
    /// It does not.
    Silent {
        /// What came instead of an answer.
        problem: String,
    },
}

/// A data point of the replication lag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// The lag, in milliseconds.
    pub ms: u64,
    /// When it was measured.
    pub at: Timestamp,
}

/// The change this operation made last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OurChange {
    /// When it was written down, just before it was sent.
    pub at: Timestamp,
}

/// One promotion, with the state it expects to find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Which call: `SwitchoverGlobalCluster`, `FailoverGlobalCluster` or `RemoveFromGlobalCluster`.
    pub mode: PromotionMode,
    /// The Region it is sent to: the present writer's for a switchover, the target's otherwise.
    pub region: Region,
    /// The global cluster.
    pub global_cluster: ClusterId,
    /// The cluster that is to become the writer.
    pub target: ClusterArn,
    /// The writer that is expected to be found.
    pub expected_writer: Option<ClusterArn>,
    /// The replication lag before, in milliseconds; none if it is unknown.
    pub lag_ms_before: Option<u64>,
    /// How much may be lost, in milliseconds of writes; none if it is unknown.
    pub data_loss_exposure_ms: Option<u64>,
}

/// Decides.
#[must_use]
pub fn plan(request: &Promotion, seen: &Observation, now: Timestamp) -> Plan<Action> {
    let Some(target) = &seen.target else {
        return refuse(
            format!("there is no DB cluster {} ({})", request.target, naming(request)),
            "correct the target cluster in the request or plan",
        );
    };
    let member = seen.global.as_ref().and_then(|global| {
        let member = global.members.iter().find(|member| member.arn == request.target)?;
        Some((global, member))
    });
    let Some((global, member)) = member else {
        return outside(request, seen, target, now);
    };
    if let Some(transition) = &global.transition {
        return during(request, transition, seen, now);
    }
    if member.is_writer {
        let proof = format!("{} is the writer of global cluster {}", request.target, request.global_cluster);
        return promoted(&proof, request, target, seen, now);
    }
    if member.synchronization.as_deref() == Some("pending-resync") {
        return refuse(
            format!("{} is being synchronised anew, so what it holds is not a usable copy", request.target),
            "wait until its synchronisation status is connected, or promote another member",
        );
    }
    not_ready(&PROMOTABLE, request, target, seen, now).unwrap_or_else(|| before(request, seen, global, now))
}

/// A member that is not the writer, with nothing pending: make it the writer.
fn before(request: &Promotion, seen: &Observation, global: &Global, now: Timestamp) -> Plan<Action> {
    let writer = global.writer();
    let region = match (request.mode, &writer) {
        // Source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_SwitchoverGlobalCluster.html
        (PromotionMode::Switchover, Some(writer)) => {
            if let Some(objection) = source_objection(writer, seen, now) {
                return objection;
            }
            writer.region()
        }
        (PromotionMode::Switchover | PromotionMode::Failover, None) => {
            return refuse(
                format!(
                    "global cluster {} has no writer, so there is nothing to take over from",
                    request.global_cluster
                ),
                "use mode detach, which needs no writer",
            );
        }
        (PromotionMode::Failover | PromotionMode::Detach, _) => request.target.region(),
    };
    let lag_ms_before = seen.report.lag_ms_before;
    let data_loss_exposure_ms = match request.mode {
        PromotionMode::Switchover => Some(0),
        PromotionMode::Failover | PromotionMode::Detach => lag_ms_before,
    };
    Plan::Act(Action {
        mode: request.mode,
        region,
        global_cluster: request.global_cluster.clone(),
        target: request.target.clone(),
        expected_writer: writer,
        lag_ms_before,
        data_loss_exposure_ms,
    })
}

/// Why a switchover cannot be asked of the present writer now.
fn source_objection(writer: &ClusterArn, seen: &Observation, now: Timestamp) -> Option<Plan<Action>> {
    match seen.source.as_ref()? {
        Source::Answers { status } if status == AVAILABLE => None,
        Source::Answers { status } => Some(wait(format!("the present writer {writer} is {status}"), seen, now)),
        Source::Silent { problem } if changed_just_now(seen, now) => Some(wait(
            format!("the switchover was sent, and {} does not answer: {problem}", writer.region()),
            seen,
            now,
        )),
        Source::Silent { problem } => Some(refuse(
            format!(
                "a switchover needs the present writer's Region {}, which does not answer: {problem}",
                writer.region()
            ),
            "if the Region is lost, use mode failover, which may lose the writes that were not replicated",
        )),
    }
}

/// Something is pending on the global cluster.
fn during(request: &Promotion, transition: &Transition, seen: &Observation, now: Timestamp) -> Plan<Action> {
    let Transition { status, to, .. } = transition;
    match to {
        Some(to) if to != request.target.as_str() && status != "cancelling" => refuse(
            format!("global cluster {} is {status} to {to} at somebody else's request", request.global_cluster),
            "wait until that is through, look which cluster is the writer then, and start again if it is still needed",
        ),
        _ => wait(format!("global cluster {} is {status}", request.global_cluster), seen, now),
    }
}

/// The target is no member: it never was, or it has been detached.
fn outside(request: &Promotion, seen: &Observation, target: &Target, now: Timestamp) -> Plan<Action> {
    if request.mode == PromotionMode::Detach {
        let taken_out = format!("{} is detached from global cluster {}", request.target, request.global_cluster);
        if seen.our_change.is_some() {
            return promoted(&taken_out, request, target, seen, now);
        }
        // Only a secondary has this metric, so it was one until then. A cluster that was detached long ago, or never was
        // a member, has none, and must not be taken for an up-to-date copy.
        if let Some(lag) = &seen.lag {
            let proof = format!("{taken_out} by somebody else, after it last reported replication at {}", lag.at);
            return promoted(&proof, request, target, seen, now);
        }
    }
    let problem = match &seen.global {
        None => format!("there is no global cluster {}", request.global_cluster),
        Some(global) => {
            let members: Vec<&str> = global.members.iter().map(|member| member.arn.as_str()).collect();
            let members = if members.is_empty() { "no members".to_owned() } else { members.join(", ") };
            format!("global cluster {} has {members}", request.global_cluster)
        }
    };
    refuse(
        format!("{} is not in global cluster {} ({problem})", request.target, request.global_cluster),
        "correct global_cluster_id or target_cluster_arn; if the cluster was detached by hand and is to take over as it \
         is, take its promotion out of the plan",
    )
}

/// The target is where it should be: done once it can be written to.
fn promoted(proof: &str, request: &Promotion, target: &Target, seen: &Observation, now: Timestamp) -> Plan<Action> {
    if let Some(objection) = not_ready(&[AVAILABLE], request, target, seen, now) {
        return objection;
    }
    match target.instances.iter().find(|instance| instance.is_writer) {
        Some(writer) if writer.status == AVAILABLE => Plan::AlreadyDone {
            proof: format!("{proof}, its status is {AVAILABLE}, and its writer instance {} is {AVAILABLE}", writer.id),
        },
        Some(writer) => wait(format!("{proof}; its writer instance {} is {}", writer.id, writer.status), seen, now),
        None => wait(format!("{proof}; none of its instances is a writer yet"), seen, now),
    }
}

/// Why the target can be neither promoted nor used now.
fn not_ready(
    ready: &[&str],
    request: &Promotion,
    target: &Target,
    seen: &Observation,
    now: Timestamp,
) -> Option<Plan<Action>> {
    if target.instances.is_empty() {
        return Some(refuse(
            format!("{} has no DB instance", request.target),
            "add an instance to it (CreateDBInstance), wait until it is available, and start again",
        ));
    }
    match target.status.as_str() {
        status if ready.contains(&status) => None,
        stuck if STUCK.contains(&stuck) => Some(refuse(
            format!("{} is {stuck}", request.target),
            "bring the cluster back to available, or promote another member",
        )),
        status => Some(wait(format!("{} is {status}", request.target), seen, now)),
    }
}

fn naming(request: &Promotion) -> String {
    format!("asked to be the writer of global cluster {}", request.global_cluster)
}

fn changed_just_now(seen: &Observation, now: Timestamp) -> bool {
    seen.our_change.as_ref().is_some_and(|change| now.millis_since(change.at) < millis(JUST_CHANGED))
}

fn wait(reason: String, seen: &Observation, now: Timestamp) -> Plan<Action> {
    Plan::Wait { reason, ask_again: if changed_just_now(seen, now) { SOON } else { LATER } }
}

fn refuse(reason: String, cure: &str) -> Plan<Action> {
    Plan::Refuse { reason, cure: cure.to_owned() }
}
