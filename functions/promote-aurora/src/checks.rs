//! What could stand in the way of a promotion, known beforehand (X4). Pure: one function for each check.

use std::time::Duration;

use failover::contract::{ClusterArn, Finding, PromotionMode, Timestamp};
use failover::env::millis;

use crate::plan::{AVAILABLE, Observation, Promotion, Source};
use crate::rebuild;
use crate::versions::{self, Fit};

/// What a blocker of these checks holds up.
const STEP: &str = "promote-aurora";
/// Aurora publishes the lag every minute; one that is older than this is no longer the present one.
pub const LAG_IS_OLD: Duration = Duration::from_secs(180);

/// Whether the global cluster is there.
#[must_use]
pub fn global_cluster_exists(request: &Promotion, seen: &Observation) -> Finding {
    const CHECK: &str = "global-cluster-exists";
    let id = request.global_cluster.as_str();
    match &seen.global {
        Some(global) => Finding::ok(CHECK, id, format!("there, with {} members", global.members.len())),
        None => Finding::blocker(CHECK, id, "there is no such global cluster", STEP, "correct its id in the plan"),
    }
}

/// Whether the target belongs to the global cluster.
#[must_use]
pub fn target_is_a_member(request: &Promotion, seen: &Observation) -> Finding {
    const CHECK: &str = "target-is-a-member";
    let subject = request.target.as_str();
    let Some(global) = &seen.global else {
        return Finding::unknown(CHECK, subject, "there is no global cluster to ask", "correct its id in the plan");
    };
    match global.members.iter().find(|member| member.arn == request.target) {
        Some(member) if member.is_writer => Finding::ok(CHECK, subject, "a member, and the writer already"),
        Some(_) => Finding::ok(CHECK, subject, "a member"),
        None => {
            let members: Vec<&str> = global.members.iter().map(|member| member.arn.as_str()).collect();
            let message = format!("no member of {}, which has {}", request.global_cluster, members.join(", "));
            let cure = "correct the cluster in the plan, or rebuild it as secondary (see the findings rebuild-…)";
            Finding::blocker(CHECK, subject, message, STEP, cure)
        }
    }
}

/// Whether the cluster that is left replicates to the target at all; no finding if the request does not name it.
#[must_use]
pub fn source_is_a_member(request: &Promotion, seen: &Observation) -> Option<Finding> {
    const CHECK: &str = "source-is-a-member";
    let source = request.source.as_ref()?;
    seen.global.as_ref()?;
    Some(match rebuild::outside_source(request, seen) {
        None => Finding::ok(CHECK, source.as_str(), "a member"),
        Some(source) => {
            let id = &request.global_cluster;
            let message = format!("no member of {id}: {} does not have what it wrote since", request.target);
            let cure = "rebuild the global database from it (see the runbook rebuild-after-detach)";
            Finding::blocker(CHECK, source.as_str(), message, STEP, cure)
        }
    })
}

/// Whether the target has an instance that can become the writer; a headless cluster has none.
#[must_use]
pub fn target_has_an_instance(request: &Promotion, seen: &Observation) -> Finding {
    const CHECK: &str = "target-has-an-instance";
    let subject = request.target.as_str();
    let Some(target) = &seen.target else {
        return Finding::unknown(CHECK, subject, "there is no such cluster", "correct the cluster in the plan");
    };
    let is_ready = |status: &str| status == AVAILABLE;
    let ready = target.instances.iter().filter(|instance| is_ready(&instance.status)).count();
    let all = target.instances.len();
    if all == 0 {
        let cure = "add an instance (CreateDBInstance); it takes minutes, and capacity that others want too by then";
        return Finding::blocker(CHECK, subject, "it has no DB instance", STEP, cure);
    }
    if ready == 0 {
        let cure = "see why none is available";
        return Finding::blocker(CHECK, subject, format!("none of its {all} instances is {AVAILABLE}"), STEP, cure);
    }
    Finding::ok(CHECK, subject, format!("{ready} of {all} instances are {AVAILABLE}"))
}

/// Whether each secondary is a copy of the writer.
#[must_use]
pub fn members_are_synchronised(request: &Promotion, seen: &Observation) -> Finding {
    const CHECK: &str = "members-are-synchronised";
    let id = request.global_cluster.as_str();
    let members = seen.global.iter().flat_map(|global| &global.members);
    let secondaries: Vec<(&ClusterArn, &str)> = members
        .filter(|member| !member.is_writer)
        .map(|member| (&member.arn, member.synchronization.as_deref().unwrap_or("not known")))
        .collect();
    let status_of_target = secondaries.iter().find(|(arn, _)| **arn == request.target).map(|(_, status)| *status);
    let all: Vec<String> = secondaries.iter().map(|(arn, status)| format!("{arn}: {status}")).collect();
    let cure = "wait until it is connected; a secondary that was rebuilt copies the whole database first";
    match status_of_target {
        _ if all.is_empty() => Finding::unknown(CHECK, id, "there is no secondary to ask", "add the secondary"),
        Some("pending-resync") => Finding::blocker(CHECK, id, all.join("; "), STEP, cure),
        Some("not known") => Finding::unknown(CHECK, id, all.join("; "), cure),
        _ if secondaries.iter().any(|(_, status)| *status != "connected") => {
            Finding::warning(CHECK, id, all.join("; "), cure)
        }
        _ => Finding::ok(CHECK, id, all.join("; ")),
    }
}

/// Whether the versions of writer and target allow a managed promotion.
#[must_use]
pub fn engine_versions_match(request: &Promotion, seen: &Observation) -> Finding {
    const CHECK: &str = "engine-versions-match";
    let subject = request.target.as_str();
    if is_writer(request, seen) {
        return Finding::ok(CHECK, subject, "it is the writer itself");
    }
    let of_target = seen.target.as_ref().and_then(|target| target.engine_version.as_ref());
    let of_writer = match &seen.source {
        Some(Source::Answers { engine_version, .. }) => engine_version.as_ref(),
        Some(Source::Silent { problem }) => return no_writer(CHECK, subject, problem),
        None => None,
    };
    let (Some(of_target), Some(of_writer)) = (of_target, of_writer) else {
        return no_writer(CHECK, subject, "a version is not known");
    };
    let both = format!("the writer has {of_writer}, the target {of_target}");
    let cure = "upgrade the clusters to one version, the secondary first";
    match (versions::fit(of_writer, of_target), request.mode) {
        (Fit::Same, _) => Finding::ok(CHECK, subject, format!("both have {of_target}")),
        (Fit::Differ, PromotionMode::Switchover | PromotionMode::Failover) => {
            let blocks = "promote-aurora by switchover or failover; a detach works";
            Finding::blocker(CHECK, subject, both, blocks, cure)
        }
        (Fit::Differ, PromotionMode::Detach) | (Fit::PatchesDiffer, _) => Finding::warning(CHECK, subject, both, cure),
    }
}

/// Whether writer and target have parameter groups of one name, and the instances run with it. The values are not
/// compared: a promotion changes none, and the groups of two Regions are two.
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html>
#[must_use]
pub fn parameter_groups_match(request: &Promotion, seen: &Observation) -> Finding {
    const CHECK: &str = "parameter-groups-match";
    let subject = request.target.as_str();
    let Some(target) = &seen.target else {
        return no_writer(CHECK, subject, "there is no such cluster");
    };
    let behind =
        target.instances.iter().filter(|one| one.parameters.as_deref().is_some_and(|state| state != "in-sync"));
    let behind: Vec<&str> = behind.map(|instance| instance.id.as_str()).collect();
    if !behind.is_empty() {
        let message = format!("parameters that wait for a restart: {}", behind.join(", "));
        return Finding::warning(CHECK, subject, message, "reboot the instances while the cluster does not serve");
    }
    if is_writer(request, seen) {
        return Finding::ok(CHECK, subject, "it is the writer itself");
    }
    let of_writer = match &seen.source {
        Some(Source::Answers { parameter_group, .. }) => parameter_group.as_ref(),
        Some(Source::Silent { problem }) => return no_writer(CHECK, subject, problem),
        None => None,
    };
    let (Some(of_target), Some(of_writer)) = (&target.parameter_group, of_writer) else {
        return no_writer(CHECK, subject, "a parameter group is not known");
    };
    if of_target == of_writer {
        return Finding::ok(CHECK, subject, format!("both have a group {of_target}"));
    }
    let message = format!("the writer has {of_writer}, the target {of_target}; none is inherited at a promotion");
    Finding::warning(CHECK, subject, message, "compare the values of both groups, and give them one name")
}

/// How far the target is behind, and how old that reading is. What it may be is for the decision to say.
#[must_use]
pub fn replication_lag(request: &Promotion, seen: &Observation, now: Timestamp) -> Finding {
    const CHECK: &str = "replication-lag";
    let subject = request.target.as_str();
    if is_writer(request, seen) {
        return Finding::ok(CHECK, subject, "it is the writer itself, which has none");
    }
    let Some(lag) = &seen.lag else {
        let cure = "see AuroraGlobalDBReplicationLag of the cluster; without it the loss is not known beforehand";
        return Finding::unknown(CHECK, subject, "there is no reading of the last minutes", cure);
    };
    let age_ms = now.millis_since(lag.at);
    let message = format!("{} ms, read {} s ago", lag.ms, age_ms / 1000);
    if age_ms > millis(LAG_IS_OLD) {
        return Finding::warning(CHECK, subject, message, "see why the metric is no longer published");
    }
    Finding::ok(CHECK, subject, message)
}

/// Whether the target has the security groups it is to serve with.
#[must_use]
pub fn serving_security_groups(request: &Promotion, seen: &Observation) -> Finding {
    const CHECK: &str = "serving-security-groups";
    let subject = request.target.as_str();
    let Some(wanted) = &request.security_groups else {
        return Finding::ok(CHECK, subject, "the plan names none, so those it has stay");
    };
    let Some(target) = &seen.target else {
        return Finding::unknown(CHECK, subject, "there is no such cluster", "correct the cluster in the plan");
    };
    let found = target.group_ids();
    if found == *wanted {
        return Finding::ok(CHECK, subject, "it has those it serves with");
    }
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    let message = format!("it has {}, as after a fence; the promotion gives back the others first", found.join(", "));
    Finding::warning(CHECK, subject, message, "give it the groups it serves with, so that a failover need not")
}

/// What has to be rebuilt, one finding for each thing, when the target is no secondary (F14); nothing when it is one.
#[must_use]
pub fn rebuild(request: &Promotion, seen: &Observation) -> Vec<Finding> {
    if !rebuild::is_needed(request, seen) {
        return Vec::new();
    }
    let steps = rebuild::steps(request, seen).into_iter().map(|step| match step.missing {
        None => Finding::ok(step.check, step.what, step.there),
        Some(missing) => Finding::blocker(step.check, step.what, step.there, STEP, missing),
    });
    steps.collect()
}

fn is_writer(request: &Promotion, seen: &Observation) -> bool {
    let members = seen.global.iter().flat_map(|global| &global.members);
    members.into_iter().any(|member| member.is_writer && member.arn == request.target)
}

fn no_writer(check: &str, subject: &str, problem: &str) -> Finding {
    Finding::unknown(check, subject, format!("cannot be compared: {problem}"), "compare them by hand")
}
