//! The requests of `promote-aurora` (F5, X1).

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClusterArn, ClusterId, RunContext};
use crate::error::Error;

/// The most security groups of a network interface, with the quota raised as far as it goes.
/// Source: <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups>
const MOST_SECURITY_GROUPS: usize = 16;

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
    /// The cluster that is left, which writes now. After a detach it is no member of the global cluster, whose members do
    /// not have what it wrote: then a switchover is refused. Left out, it is not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_cluster_arn: Option<ClusterArn>,
    /// How to promote.
    pub mode: PromotionMode,
    /// The security groups that the target serves with. Left out, those it has. A cluster that was isolated when its
    /// Region was left gets them back before it is promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_group_ids: Option<Vec<String>>,
}

/// Close the database of the Region that is left (X1): its cluster gets security groups that let nobody in.
///
/// It closes the cluster to new connections, whatever sends them. It does not close connections that are established:
/// security groups track them, and a tracked connection goes on under new rules until it ends or times out. A writer that
/// keeps its connection open therefore goes on writing; only its end (the service's tasks stopped, the instance rebooted)
/// or a network ACL closes it at once. So a cluster is isolated beside the fence of the services that write to it, never
/// instead of it.
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html>
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

/// Checks the identifiers of a cluster's security groups.
///
/// # Errors
/// [`Error::InvalidRequest`] that names the field, or the element of it.
pub fn check_security_groups(field: &str, ids: &[String]) -> Result<BTreeSet<String>, Error> {
    if ids.is_empty() || ids.len() > MOST_SECURITY_GROUPS {
        let problem = format!("expected 1 to {MOST_SECURITY_GROUPS} security groups, found {}", ids.len());
        return Err(Error::invalid(field, problem));
    }
    let mut known = BTreeSet::new();
    for (index, id) in ids.iter().enumerate() {
        if !is_security_group_id(id) {
            let problem = format!("expected a security group such as \"sg-0123456789abcdef0\", found {id:?}");
            return Err(Error::invalid(format!("{field}[{index}]"), problem));
        }
        if !known.insert(id.clone()) {
            return Err(Error::invalid(format!("{field}[{index}]"), format!("{id:?} is named twice")));
        }
    }
    Ok(known)
}

/// `sg-` and 8 or 17 hexadecimal digits.
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html>
fn is_security_group_id(id: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    id.strip_prefix("sg-").is_some_and(|digits| [8, 17].contains(&digits.len()) && digits.bytes().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ids: &[&str]) -> Result<BTreeSet<String>, String> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        check_security_groups("isolate.security_group_ids", &ids).map_err(|error| error.to_string())
    }

    #[test]
    fn security_groups_of_both_lengths_are_known_and_what_cannot_be_one_is_named() {
        assert_eq!(check(&["sg-0123456789abcdef0", "sg-01234567"]).expect("valid").len(), 2);
        for bad in ["sg-", "sg-0123456789ABCDEF0", "sg-012345678", "0123456789abcdef0", "sg-0123456789abcdefg"] {
            let problem = check(&["sg-01234567", bad]).expect_err(bad);
            assert!(problem.starts_with("isolate.security_group_ids[1]: ") && problem.contains(bad), "{problem}");
        }
    }

    #[test]
    fn no_security_group_too_many_and_one_twice_are_refused() {
        let many: Vec<String> = (0..17).map(|n| format!("sg-{n:08x}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (ids, words) in [(&[][..], "found 0"), (&many[..], "found 17"), (&["sg-01234567"; 2][..], "named twice")] {
            let problem = check(ids).expect_err(words);
            assert!(problem.contains(words), "{problem}");
        }
    }
}
