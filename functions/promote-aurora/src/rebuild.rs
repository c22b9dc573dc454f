//! What has to be rebuilt before a managed promotion when the target is no secondary, as after a detach (F14). Pure.
//!
//! A detached cluster cannot be added to a global database again: a secondary is always created anew, from the writer.
//! Source: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html#aurora-global-database-failover.manual-unplanned>

use failover::contract::{ClusterArn, PromotionMode};

use crate::plan::{Global, Observation, Promotion, Target};

/// One thing that a managed promotion needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuildStep {
    /// The name of its check in a preflight.
    pub check: &'static str,
    /// What it is.
    pub what: String,
    /// What is there of it.
    pub there: String,
    /// What is missing, and how to make it; none when nothing is.
    pub missing: Option<String>,
}

/// The cluster that is to be left, if there is a global cluster and it is no member of it.
#[must_use]
pub fn outside_source<'a>(request: &'a Promotion, seen: &Observation) -> Option<&'a ClusterArn> {
    let global = seen.global.as_ref()?;
    request.source.as_ref().filter(|source| !global.members.iter().any(|member| member.arn == **source))
}

/// Whether something has to be rebuilt: the target is no member, or, for a switchover, the only one or no replica of the
/// cluster that is left.
#[must_use]
pub fn is_needed(request: &Promotion, seen: &Observation) -> bool {
    let members = || seen.global.iter().flat_map(|global| &global.members);
    let alone = request.mode == PromotionMode::Switchover && members().count() == 1;
    let stale = request.mode == PromotionMode::Switchover && outside_source(request, seen).is_some();
    alone || stale || !members().any(|member| member.arn == request.target)
}

/// What is needed, in the order in which it has to be made.
#[must_use]
pub fn steps(request: &Promotion, seen: &Observation) -> Vec<RebuildStep> {
    let target = seen.target.as_ref();
    vec![
        global_database(request, seen.global.as_ref()),
        secondary_cluster(request, target),
        instance(request, target),
        parameter_group(request, target),
        RebuildStep {
            check: "rebuild-synchronisation",
            what: "synchronisation".to_owned(),
            there: "none".to_owned(),
            missing: Some(format!("wait until the status of {} as member is connected", request.target)),
        },
    ]
}

/// The steps as one sentence, numbered.
#[must_use]
pub fn in_words(steps: &[RebuildStep]) -> String {
    let sentences: Vec<String> = steps
        .iter()
        .zip(1..)
        .map(|(step, number)| {
            let missing = step.missing.as_ref().map_or_else(|| "nothing to do".to_owned(), Clone::clone);
            format!("({number}) {}: {}; {missing}", step.what, step.there)
        })
        .collect();
    sentences.join(" ")
}

fn global_database(request: &Promotion, global: Option<&Global>) -> RebuildStep {
    let id = &request.global_cluster;
    let create = format!(
        "create {id} from the cluster that writes now (CreateGlobalCluster with SourceDBClusterIdentifier, in its Region)"
    );
    let writer = global.and_then(Global::writer);
    let (there, missing) = match (global, writer) {
        (None, _) => ("there is none".to_owned(), Some(create)),
        (Some(_), None) => ("there, without a writer".to_owned(), Some(format!("delete it and {create}"))),
        (Some(_), Some(writer)) if writer == request.target => (
            format!("there, written by {writer}, the very target"),
            Some(format!("if another cluster writes now, remove every member, delete it and {create}")),
        ),
        (Some(_), Some(writer)) => (format!("there, written by {writer}"), None),
    };
    RebuildStep { check: "rebuild-global-database", what: format!("global database {id}"), there, missing }
}

fn secondary_cluster(request: &Promotion, target: Option<&Target>) -> RebuildStep {
    let create = format!(
        "create {} in {} (CreateDBCluster with GlobalClusterIdentifier {}, the writer's engine and version, a KMS key, \
         subnet group and security groups of that Region, no user name or password)",
        request.target.cluster_id(),
        request.target.region(),
        request.global_cluster
    );
    let (there, missing) = match target {
        None => ("there is none".to_owned(), create),
        Some(target) => (
            format!("there, {}, but no secondary, and it cannot become one", target.status),
            format!("keep a snapshot of what only it holds, delete or rename it, and {create}"),
        ),
    };
    let what = format!("secondary cluster {}", request.target);
    RebuildStep { check: "rebuild-secondary-cluster", what, there, missing: Some(missing) }
}

fn instance(request: &Promotion, target: Option<&Target>) -> RebuildStep {
    let names: Vec<&str> =
        target.iter().flat_map(|target| &target.instances).map(|instance| instance.id.as_str()).collect();
    let there = if names.is_empty() {
        "there is none".to_owned()
    } else {
        format!("the present cluster has {}, which go with it", names.join(", "))
    };
    let missing = Some(format!("create at least one in {} (CreateDBInstance)", request.target.cluster_id()));
    RebuildStep { check: "rebuild-instance", what: "DB instance".to_owned(), there, missing }
}

fn parameter_group(request: &Promotion, target: Option<&Target>) -> RebuildStep {
    let known = target.and_then(|target| target.parameter_group.as_ref());
    let (there, missing) = if let Some(name) = known {
        (format!("there: {name}, to be given to the new cluster, which inherits none"), None)
    } else {
        let region = request.target.region();
        let missing = format!("give the new cluster one of {region} with the writer's values; it inherits none");
        ("not known".to_owned(), Some(missing))
    };
    let what = "DB cluster parameter group".to_owned();
    RebuildStep { check: "rebuild-parameter-group", what, there, missing }
}
