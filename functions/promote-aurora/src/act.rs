//! One action, one mutating call, in the Region where it can work.

use aws_sdk_rds::Client;
use failover::aws_call::CallError;
use failover::contract::PromotionMode;
use failover::runtime::Toolbox;

use crate::plan::Action;

/// Makes the change.
///
/// # Errors
/// What became of the call. A member that is no longer there to be removed is no error.
pub(crate) async fn act(tools: &Toolbox, action: &Action) -> Result<(), CallError> {
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
