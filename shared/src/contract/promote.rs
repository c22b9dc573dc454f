//! The request of `promote-aurora` (F5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClusterArn, ClusterId, RunContext};

/// Make the target cluster the writer of its Aurora Global Database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteRequest {
    /// The failover this belongs to.
    #[serde(default)]
    pub run: RunContext,
    /// The global cluster. Left out, `GLOBAL_CLUSTER_ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_cluster_id: Option<ClusterId>,
    /// The cluster that is to become the writer. Left out, `DR_CLUSTER_ID` in `DR_REGION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_cluster_arn: Option<ClusterArn>,
    /// How to promote.
    pub mode: PromotionMode,
    /// The security groups that the target serves with. Left out, those it has. A cluster that was isolated when its
    /// Region was left gets them back before it is promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_group_ids: Option<Vec<String>>,
}

/// Close the database of the Region that is left (X1): its cluster gets security groups that let nobody in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IsolateRequest {
    /// The failover this belongs to.
    #[serde(default)]
    pub run: RunContext,
    /// What to isolate. The field's presence tells this request from a [`PromoteRequest`].
    pub isolate: Isolation,
    /// For how long to try, in seconds; a Region that is left may not answer. Left out, the function's step budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
}

/// A cluster, and the security groups that let nobody in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Isolation {
    /// The cluster.
    pub cluster_arn: ClusterArn,
    /// Security groups without ingress rules, in the cluster's VPC.
    pub security_group_ids: Vec<String>,
}

/// The three ways to make a secondary cluster the writer.
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromotionMode {
    /// Planned, no data lost; needs both Regions (`SwitchoverGlobalCluster`).
    Switchover,
    /// Unplanned, may lose what was not replicated; keeps the topology (`FailoverGlobalCluster`).
    Failover,
    /// Unplanned, takes the cluster out of the global database (`RemoveFromGlobalCluster`).
    /// For engines and states in which a managed failover cannot run; nothing rejoins by itself.
    Detach,
}
