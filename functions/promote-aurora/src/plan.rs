//! Whether and how to promote. Pure: no async, no SDK types, no clock.

use std::collections::BTreeSet;
use std::time::Duration;

use failover::contract::{ClusterArn, ClusterId, PromotionMode, Region, RunContext, Timestamp};
use failover::env::millis;
use failover::step::Plan;
use serde::{Deserialize, Serialize};

use crate::rebuild;
use crate::versions::{self, Fit};
use crate::write_fencing::WriteFencing;

/// The state in which a cluster or an instance can be used.
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/accessing-monitoring.html>
pub(crate) const AVAILABLE: &str = "available";
/// The states in which a secondary is asked to take over. What AWS makes of a running backup is for AWS to say.
pub(crate) const PROMOTABLE: [&str; 2] = [AVAILABLE, "backing-up"];
/// States of a cluster that it does not leave by itself, so that waiting for it would be in vain.
pub(crate) const STUCK: [&str; 7] = [
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
    /// The cluster that is left; none if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<ClusterArn>,
    /// How.
    pub mode: PromotionMode,
    /// The security groups that the target serves with; none for those it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_groups: Option<BTreeSet<String>>,
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
    /// The promotion that this operation sent, if it did.
    pub our_change: Option<OurChange>,
    /// When this operation gave the target its security groups back, if that is the last change it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<Timestamp>,
    /// What became of Aurora's own attempt to keep the old writer from writing; only after an unplanned failover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_fencing: Option<WriteFencing>,
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
    /// Its DB cluster parameter group.
    pub parameter_group: Option<String>,
    /// Its security groups.
    pub security_groups: Vec<SecurityGroup>,
    /// Its instances; none in a headless cluster.
    pub instances: Vec<Instance>,
}

impl Target {
    /// The identifiers of its security groups.
    #[must_use]
    pub fn group_ids(&self) -> BTreeSet<String> {
        self.security_groups.iter().map(|group| group.id.clone()).collect()
    }
}

/// A security group of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecurityGroup {
    /// Its identifier.
    pub id: String,
    /// `active`, or on the way there or away.
    pub status: String,
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
    /// Whether it runs with its cluster's parameters as they are: `in-sync`, `pending-reboot`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
}

/// The present writer's Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// It answers.
    Answers {
        /// The present writer's status.
        status: String,
        /// Its engine's version.
        engine_version: Option<String>,
        /// Its DB cluster parameter group.
        parameter_group: Option<String>,
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

/// The promotion that this operation sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OurChange {
    /// When it was written down, just before it was sent.
    pub at: Timestamp,
}

/// One change, fully specified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Action {
    /// Promote.
    Takeover(Takeover),
    /// Give the target the security groups back that it serves with.
    Restoration(Box<Restoration>),
}

impl Action {
    /// The promotion that was sent, and when: this action, written down at `at`, or one before it.
    #[must_use]
    pub fn takeover(&self, at: Timestamp) -> Option<(&Takeover, Timestamp)> {
        match self {
            Self::Takeover(takeover) => Some((takeover, at)),
            Self::Restoration(restoration) => {
                restoration.after.as_ref().map(|(takeover, takeover_at)| (takeover, *takeover_at))
            }
        }
    }
}

/// The security groups that a cluster serves with, given back after it was isolated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restoration {
    /// The Region it is sent to: the target's.
    pub region: Region,
    /// The cluster.
    pub target: ClusterArn,
    /// The groups it gets.
    pub restore_security_groups: BTreeSet<String>,
    /// The groups it had when this was decided.
    pub found_security_groups: BTreeSet<String>,
    /// The promotion that was sent before this, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<(Takeover, Timestamp)>,
}

/// One promotion, with the state it expects to find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Takeover {
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
            rebuild_or("correct the target cluster in the request or plan", request, seen),
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
    if let Some(objection) = left_alone(request, seen, global).or_else(|| left_outside(request, seen)) {
        return objection;
    }
    if member.is_writer {
        let proof = format!("{} is the writer of global cluster {}", request.target, request.global_cluster);
        return promoted(&proof, request, target, seen, now);
    }
    if let Some(objection) = not_synchronised(request, member) {
        return objection;
    }
    let objection = not_ready(&PROMOTABLE, request, target, seen, now);
    objection.map_or_else(
        || before(request, seen, global, target, now),
        |objection| not_begun(request, seen, objection, "the cluster that is to take over"),
    )
}

/// A global cluster whose only member is the target, at a switchover that this operation has not sent: there is nobody to
/// switch over from. After a detach it looks like this, while the detached cluster has the data (F14).
fn left_alone(request: &Promotion, seen: &Observation, global: &Global) -> Option<Plan<Action>> {
    let alone = global.members.len() == 1;
    (request.mode == PromotionMode::Switchover && alone && seen.our_change.is_none()).then(|| {
        refuse(
            format!(
                "{} is the only member of global cluster {}, so there is none to switch over from; if another cluster \
                 was detached and has written since, this one does not have what it wrote",
                request.target, request.global_cluster
            ),
            rebuild_or("if no cluster was detached, take the promotion out of the plan", request, seen),
        )
    })
}

/// A switchover away from a cluster that is no member of the global cluster: its members do not have what it wrote since
/// it was detached (F14). A switchover that this operation has sent keeps both clusters as members.
fn left_outside(request: &Promotion, seen: &Observation) -> Option<Plan<Action>> {
    let source = rebuild::outside_source(request, seen)?;
    (request.mode == PromotionMode::Switchover && seen.our_change.is_none()).then(|| {
        refuse(
            format!(
                "{source}, which is to be left, is no member of global cluster {}, so {} does not have what it wrote \
                 since it was detached",
                request.global_cluster, request.target
            ),
            rebuild_or("correct the source cluster in the request or plan", request, seen),
        )
    })
}

/// A secondary that is not, or not surely, a copy of the writer.
fn not_synchronised(request: &Promotion, member: &Member) -> Option<Plan<Action>> {
    let cure = "wait until its synchronisation status is connected, or promote another member";
    match member.synchronization.as_deref() {
        Some("connected") => None,
        Some("pending-resync") => Some(refuse(
            format!("{} is being synchronised anew, so what it holds is not a usable copy", request.target),
            cure,
        )),
        status if request.mode == PromotionMode::Switchover => Some(refuse(
            format!(
                "a switchover needs {} to be connected to the writer; its synchronisation status is {}",
                request.target,
                status.unwrap_or("not known")
            ),
            cure,
        )),
        // An unplanned promotion goes by what is known to be wrong.
        Some(_) | None => None,
    }
}

/// A switchover is planned: as long as it was not sent, it does not wait for what is not in order, it says so (F14).
fn not_begun(request: &Promotion, seen: &Observation, objection: Plan<Action>, whose: &str) -> Plan<Action> {
    let begun = seen.our_change.is_some() || seen.restored_at.is_some();
    if request.mode == PromotionMode::Switchover
        && !begun
        && let Plan::Wait { reason, .. } = &objection
    {
        return refuse(
            format!("a switchover is begun only when {whose} is {AVAILABLE}: {reason}"),
            "look at the cluster's events, wait until it is available, and start again; nothing is lost by waiting",
        );
    }
    objection
}

/// A member that is not the writer, with nothing pending: make it the writer.
fn before(request: &Promotion, seen: &Observation, global: &Global, target: &Target, now: Timestamp) -> Plan<Action> {
    let writer = global.writer();
    let region = match (request.mode, &writer) {
        // Source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_SwitchoverGlobalCluster.html
        (PromotionMode::Switchover, Some(writer)) => {
            if let Some(objection) = source_objection(writer, seen, now) {
                return not_begun(request, seen, objection, "the present writer");
            }
            if let Some(objection) = version_objection(request, writer, seen, target) {
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
    if let Some(restoration) = restoration(request, target, None) {
        return Plan::Act(restoration);
    }
    let lag_ms_before = seen.report.lag_ms_before;
    let data_loss_exposure_ms = match request.mode {
        PromotionMode::Switchover => Some(0),
        PromotionMode::Failover | PromotionMode::Detach => lag_ms_before,
    };
    Plan::Act(Action::Takeover(Takeover {
        mode: request.mode,
        region,
        global_cluster: request.global_cluster.clone(),
        target: request.target.clone(),
        expected_writer: writer,
        lag_ms_before,
        data_loss_exposure_ms,
    }))
}

/// What gives the target its security groups back, if it has others: a writer that lets nobody in serves nobody.
fn restoration(request: &Promotion, target: &Target, after: Option<(Takeover, Timestamp)>) -> Option<Action> {
    let wanted = request.security_groups.as_ref()?;
    let found = target.group_ids();
    (found != *wanted).then(|| {
        Action::Restoration(Box::new(Restoration {
            region: request.target.region(),
            target: request.target.clone(),
            restore_security_groups: wanted.clone(),
            found_security_groups: found,
            after,
        }))
    })
}

/// Aurora switches over only between clusters of one version.
fn version_objection(
    request: &Promotion,
    writer: &ClusterArn,
    seen: &Observation,
    target: &Target,
) -> Option<Plan<Action>> {
    let Some(Source::Answers { engine_version: Some(of_writer), .. }) = &seen.source else {
        return None;
    };
    let of_target = target.engine_version.as_ref()?;
    (versions::fit(of_writer, of_target) == Fit::Differ).then(|| {
        refuse(
            format!(
                "a switchover needs one engine version: {writer} has {of_writer}, {} has {of_target}",
                request.target
            ),
            "upgrade the clusters to one version, the secondary first, and start again",
        )
    })
}

/// Why a switchover cannot be asked of the present writer now.
fn source_objection(writer: &ClusterArn, seen: &Observation, now: Timestamp) -> Option<Plan<Action>> {
    match seen.source.as_ref()? {
        Source::Answers { status, .. } if PROMOTABLE.contains(&status.as_str()) => None,
        Source::Answers { status, .. } => Some(wait(format!("the present writer {writer} is {status}"), seen, now)),
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
        rebuild_or(
            "correct global_cluster_id or target_cluster_arn; if the cluster was detached by hand and is to take over \
             as it is, take its promotion out of the plan",
            request,
            seen,
        ),
    )
}

/// The cure, and for the managed ways, which need a global database, what has to be rebuilt after a detach (F14).
fn rebuild_or(cure: &str, request: &Promotion, seen: &Observation) -> String {
    match request.mode {
        PromotionMode::Detach => cure.to_owned(),
        PromotionMode::Switchover | PromotionMode::Failover => {
            format!(
                "{cure}; after a detach, rebuild in this order: {}",
                rebuild::in_words(&rebuild::steps(request, seen))
            )
        }
    }
}

/// The target is where it should be: done once it can be written to.
fn promoted(proof: &str, request: &Promotion, target: &Target, seen: &Observation, now: Timestamp) -> Plan<Action> {
    if let Some(objection) = not_ready(&[AVAILABLE], request, target, seen, now) {
        return objection;
    }
    if let Some(restoration) = restoration(request, target, made(request, seen)) {
        return Plan::Act(restoration);
    }
    match target.instances.iter().find(|instance| instance.is_writer) {
        Some(writer) if writer.status == AVAILABLE => Plan::AlreadyDone {
            proof: format!("{proof}, its status is {AVAILABLE}, and its writer instance {} is {AVAILABLE}", writer.id),
        },
        Some(writer) => wait(format!("{proof}; its writer instance {} is {}", writer.id, writer.status), seen, now),
        None => wait(format!("{proof}; none of its instances is a writer yet"), seen, now),
    }
}

/// The promotion that this operation sent, as far as it has to be kept.
fn made(request: &Promotion, seen: &Observation) -> Option<(Takeover, Timestamp)> {
    let LagReport { lag_ms_before, data_loss_exposure_ms, writer_before } = seen.report.clone();
    let at = seen.our_change.as_ref()?.at;
    let asked = match request.mode {
        PromotionMode::Switchover => writer_before.as_ref().unwrap_or(&request.target),
        PromotionMode::Failover | PromotionMode::Detach => &request.target,
    };
    let takeover = Takeover {
        mode: request.mode,
        region: asked.region(),
        global_cluster: request.global_cluster.clone(),
        target: request.target.clone(),
        expected_writer: writer_before,
        lag_ms_before,
        data_loss_exposure_ms,
    };
    Some((takeover, at))
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
    let changes = seen.our_change.iter().map(|change| change.at).chain(seen.restored_at);
    changes.max().is_some_and(|at| now.millis_since(at) < millis(JUST_CHANGED))
}

fn wait(reason: String, seen: &Observation, now: Timestamp) -> Plan<Action> {
    Plan::Wait { reason, ask_again: if changed_just_now(seen, now) { SOON } else { LATER } }
}

fn refuse(reason: String, cure: impl Into<String>) -> Plan<Action> {
    Plan::Refuse { reason, cure: cure.into() }
}
