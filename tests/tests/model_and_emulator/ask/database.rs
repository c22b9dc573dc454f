//! Calls to RDS, as `promote-aurora` and `health-probe` make them.

use aws_sdk_rds::Client;
use aws_sdk_rds::primitives::DateTime;
use aws_sdk_rds::types::{DbCluster, DbInstance, Filter, GlobalCluster};
use failover::aws_call::CallError;
use serde_json::{Value, json};

use crate::sides::Side;

/// A call in a Region.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) region: &'static str,
    pub(crate) what: What,
}

/// What is asked for. Global clusters and DB clusters by their identifiers, targets by their ARNs.
#[derive(Debug)]
pub(crate) enum What {
    DescribeGlobalClusters {
        global: &'static str,
    },
    DescribeDbClusters {
        cluster: &'static str,
    },
    DescribeDbInstances {
        cluster: &'static str,
    },
    /// Of the last so many seconds.
    DescribeEvents {
        seconds: i64,
    },
    Change(Change),
}

/// A change, one call.
#[derive(Debug)]
#[expect(clippy::enum_variant_names, reason = "they are called as the operations are")]
pub(crate) enum Change {
    FailoverGlobalCluster { global: &'static str, target: String, switchover: bool },
    SwitchoverGlobalCluster { global: &'static str, target: String },
    RemoveFromGlobalCluster { global: &'static str, cluster: String },
    ModifyDbCluster { cluster: &'static str, group: &'static str },
}

impl Call {
    pub(crate) async fn ask(&self, side: &Side) -> Result<Value, CallError> {
        let (rds, calls) = (Client::new(&side.config(self.region)), &side.tools.calls);
        match &self.what {
            What::DescribeGlobalClusters { global } => {
                let read = rds.describe_global_clusters().global_cluster_identifier(*global).send();
                let answer = calls.call("rds", "DescribeGlobalClusters", read).await?;
                Ok(answer.global_clusters().iter().map(global_cluster).collect())
            }
            What::DescribeDbClusters { cluster } => {
                let read = rds.describe_db_clusters().db_cluster_identifier(*cluster).send();
                let answer = calls.call("rds", "DescribeDBClusters", read).await?;
                Ok(answer.db_clusters().iter().map(db_cluster).collect())
            }
            What::DescribeDbInstances { cluster } => {
                let of_cluster = Filter::builder().name("db-cluster-id").values(*cluster).build();
                let read = rds.describe_db_instances().filters(of_cluster).send();
                let answer = calls.call("rds", "DescribeDBInstances", read).await?;
                Ok(sorted(answer.db_instances().iter().map(db_instance).collect()))
            }
            What::DescribeEvents { seconds } => {
                let since = DateTime::from_millis(side.now().as_millis() - seconds * 1_000);
                let read = rds.describe_events().start_time(since).max_records(100).send();
                let answer = calls.call("rds", "DescribeEvents", read).await?;
                Ok(answer.events().iter().filter_map(|event| Some(json!(event.message()?))).collect())
            }
            What::Change(change) => change.ask(side, &rds).await,
        }
    }
}

impl Change {
    async fn ask(&self, side: &Side, rds: &Client) -> Result<Value, CallError> {
        let calls = &side.tools.calls;
        match self {
            Self::FailoverGlobalCluster { global, target, switchover } => {
                let change = rds
                    .failover_global_cluster()
                    .global_cluster_identifier(*global)
                    .target_db_cluster_identifier(target)
                    .allow_data_loss(true)
                    .set_switchover(switchover.then_some(true));
                calls.call("rds", "FailoverGlobalCluster", change.send()).await?;
            }
            Self::SwitchoverGlobalCluster { global, target } => {
                let change = rds
                    .switchover_global_cluster()
                    .global_cluster_identifier(*global)
                    .target_db_cluster_identifier(target);
                calls.call("rds", "SwitchoverGlobalCluster", change.send()).await?;
            }
            Self::RemoveFromGlobalCluster { global, cluster } => {
                let change =
                    rds.remove_from_global_cluster().global_cluster_identifier(*global).db_cluster_identifier(cluster);
                calls.call("rds", "RemoveFromGlobalCluster", change.send()).await?;
            }
            Self::ModifyDbCluster { cluster, group } => {
                let change = rds
                    .modify_db_cluster()
                    .db_cluster_identifier(*cluster)
                    .vpc_security_group_ids(side.own(group))
                    .apply_immediately(true);
                calls.call("rds", "ModifyDBCluster", change.send()).await?;
            }
        }
        Ok(Value::Null)
    }
}

/// In an order of our own: AWS promises none.
fn sorted(mut items: Vec<Value>) -> Value {
    items.sort_by_key(Value::to_string);
    Value::Array(items)
}

fn global_cluster(cluster: &GlobalCluster) -> Value {
    let member = |member: &aws_sdk_rds::types::GlobalClusterMember| {
        json!({
            "arn": member.db_cluster_arn(),
            "is_writer": member.is_writer().unwrap_or_default(),
            "synchronization": member.synchronization_status().map(|status| status.as_str().to_owned()),
        })
    };
    // RDS sends an element without content when nothing is pending.
    let transition = cluster.failover_state().filter(|state| state.status().is_some());
    json!({
        "status": cluster.status(),
        "members": sorted(cluster.global_cluster_members().iter().map(member).collect()),
        "transition": transition.map(|state| json!({
            "status": state.status().map(|status| status.as_str().to_owned()),
            "to": state.to_db_cluster_arn(),
            "data_loss_allowed": state.is_data_loss_allowed(),
        })),
    })
}

fn db_cluster(cluster: &DbCluster) -> Value {
    let group = |group: &aws_sdk_rds::types::VpcSecurityGroupMembership| json!({ "id": group.vpc_security_group_id(), "status": group.status() });
    let instance = |member: &aws_sdk_rds::types::DbClusterMember| {
        json!({
            "id": member.db_instance_identifier(),
            "is_writer": member.is_cluster_writer().unwrap_or_default(),
            "parameters": member.db_cluster_parameter_group_status(),
        })
    };
    json!({
        "status": cluster.status(),
        "engine_version": cluster.engine_version(),
        "parameter_group": cluster.db_cluster_parameter_group(),
        "security_groups": sorted(cluster.vpc_security_groups().iter().map(group).collect()),
        "instances": sorted(cluster.db_cluster_members().iter().map(instance).collect()),
    })
}

fn db_instance(instance: &DbInstance) -> Value {
    json!({ "id": instance.db_instance_identifier(), "status": instance.db_instance_status() })
}
