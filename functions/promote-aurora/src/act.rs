//! One action, one mutating call, in the Region where it can work.

use std::collections::BTreeSet;

use aws_sdk_rds::Client;
use failover::aws_call::{CallError, Meaning};
use failover::contract::{ClusterArn, PromotionMode};
use failover::runtime::Toolbox;

use crate::plan::{Action, Takeover};

/// Makes the change.
///
/// # Errors
/// What became of the call. A member that is no longer there to be removed is no error.
pub(crate) async fn act(tools: &Toolbox, action: &Action) -> Result<(), CallError> {
    match action {
        Action::Takeover(takeover) => promote(tools, takeover).await,
        Action::Restoration(change) => {
            set_security_groups(tools, &change.target, &change.restore_security_groups).await
        }
    }
}

/// Gives a cluster its security groups, in its own Region; those of its instances follow it.
///
/// # Errors
/// What became of the call. A security group that does not exist counts as not found.
pub(crate) async fn set_security_groups(
    tools: &Toolbox,
    cluster: &ClusterArn,
    groups: &BTreeSet<String>,
) -> Result<(), CallError> {
    let rds = Client::new(&tools.clients.once(&cluster.region()));
    let change = rds
        .modify_db_cluster()
        .db_cluster_identifier(cluster.cluster_id().as_str())
        .set_vpc_security_group_ids(Some(groups.iter().cloned().collect()))
        .apply_immediately(true);
    match tools.calls.call("rds", "ModifyDBCluster", change.send()).await {
        Err(error) if names_a_wrong_group(&error) => Err(CallError { meaning: Meaning::NotFound, ..error }),
        outcome => outcome.map(drop),
    }
}

/// RDS has no modelled error for a security group that does not exist, or is in another VPC.
fn names_a_wrong_group(error: &CallError) -> bool {
    error.code.starts_with("InvalidParameter") && error.message.to_ascii_lowercase().contains("security group")
}

async fn promote(tools: &Toolbox, action: &Takeover) -> Result<(), CallError> {
    let rds = Client::new(&tools.clients.once(&action.region));
    let (global, target) = (action.global_cluster.as_str(), action.target.as_str());
    match action.mode {
        PromotionMode::Switchover => {
            let change =
                rds.switchover_global_cluster().global_cluster_identifier(global).target_db_cluster_identifier(target);
            tools.calls.call("rds", "SwitchoverGlobalCluster", change.send()).await.map(drop)
        }
        PromotionMode::Failover => {
            let change = rds
                .failover_global_cluster()
                .global_cluster_identifier(global)
                .target_db_cluster_identifier(target)
                .allow_data_loss(true);
            tools.calls.call("rds", "FailoverGlobalCluster", change.send()).await.map(drop)
        }
        PromotionMode::Detach => {
            let change =
                rds.remove_from_global_cluster().global_cluster_identifier(global).db_cluster_identifier(target);
            match tools.calls.call("rds", "RemoveFromGlobalCluster", change.send()).await {
                Err(error) if was_removed_before(&error) => Ok(()),
                outcome => outcome.map(drop),
            }
        }
    }
}

/// RDS has no modelled error for a cluster that was removed already; this is what it answers.
fn was_removed_before(error: &CallError) -> bool {
    error.code == "InvalidParameterValue" && error.message.contains("is not found in global cluster")
}
