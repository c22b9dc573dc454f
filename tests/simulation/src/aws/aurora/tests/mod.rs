//! Aurora's behaviour, over many seeds; `steps` drives the real step through it.

mod changes;
mod lag;
mod promotions;
mod steps;

use failover::contract::Timestamp;
use roxmltree::Document;

use super::{PromotionKind, answer};
use crate::aws::lab::{at, form};
use crate::aws::{Answer, Aws};
use crate::workload::{self, HOME, STANDBY};

/// How many worlds a test looks at.
const SEEDS: std::ops::Range<u64> = 0..25;

/// Loses a Region, or gives it back.
fn set_lost(aws: &mut Aws, region: &str, lost: bool, now: Timestamp) {
    aws.advance(now);
    if lost {
        aws.lost.insert(region.to_owned());
    } else {
        aws.lost.remove(region);
    }
}

/// Asks for a promotion of a Region's cluster, in the Region where it works.
fn promote(aws: &mut Aws, kind: PromotionKind, target: &str, now: Timestamp) -> Answer {
    let arn = workload::db_cluster_arn(target);
    let global = ("GlobalClusterIdentifier", workload::GLOBAL_CLUSTER);
    let by_target = ("TargetDbClusterIdentifier", arn.as_str());
    let request = match kind {
        PromotionKind::Failover => {
            form("rds", target, "FailoverGlobalCluster", &[global, by_target, ("AllowDataLoss", "true")])
        }
        PromotionKind::Switchover => {
            let writer = if target == HOME { STANDBY } else { HOME };
            form("rds", writer, "SwitchoverGlobalCluster", &[global, by_target])
        }
        PromotionKind::Detach => {
            form("rds", target, "RemoveFromGlobalCluster", &[global, ("DbClusterIdentifier", arn.as_str())])
        }
    };
    aws.advance(now);
    answer(aws, &request, now)
}

fn asked(aws: &mut Aws, region: &str, operation: &str, fields: &[(&str, &str)], now: Timestamp) -> String {
    aws.advance(now);
    let answer = answer(aws, &form("rds", region, operation, fields), now);
    let Answer::Body(body) = answer else { panic!("{operation} in {region}: {answer:?}") };
    body.as_str().expect("XML").to_owned()
}

/// What Describe says, as the step reads it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Described {
    /// `GlobalCluster.Status`.
    global: String,
    /// `FailoverState.Status`.
    pending: Option<String>,
    /// The ARN of each member, whether it is the writer, and its synchronisation.
    members: Vec<(String, bool, String)>,
    /// The status of the Region's cluster.
    cluster: String,
    /// The status of the instance that writes, if one does.
    writing: Option<String>,
    /// The security groups, with their statuses.
    groups: Vec<(String, String)>,
}

impl Described {
    fn is_writer(&self, region: &str) -> bool {
        let arn = workload::db_cluster_arn(region);
        self.members.iter().any(|(member, writes, _)| *member == arn && *writes)
    }

    fn synchronization(&self, region: &str) -> Option<&str> {
        let arn = workload::db_cluster_arn(region);
        self.members.iter().find(|(member, ..)| *member == arn).map(|(.., status)| status.as_str())
    }

    /// What the step takes for a promotion that has come about.
    fn is_promoted(&self, kind: PromotionKind, region: &str) -> bool {
        let in_place = match kind {
            PromotionKind::Detach => self.synchronization(region).is_none(),
            PromotionKind::Failover | PromotionKind::Switchover => self.is_writer(region),
        };
        let usable = self.cluster == "available" && self.writing.as_deref() == Some("available");
        self.pending.is_none() && in_place && usable
    }
}

fn describe(aws: &mut Aws, region: &str, now: Timestamp) -> Described {
    let id = workload::db_cluster(region);
    let global = asked(aws, region, "DescribeGlobalClusters", &[], now);
    let cluster = asked(aws, region, "DescribeDBClusters", &[("DBClusterIdentifier", id)], now);
    let filter = [("Filters.Filter.1.Name", "db-cluster-id"), ("Filters.Filter.1.Values.Value.1", id)];
    let instances = asked(aws, region, "DescribeDBInstances", &filter, now);
    let (global, cluster, instances) = (parse(&global), parse(&cluster), parse(&instances));
    let state = global.descendants().find(|node| node.has_tag_name("FailoverState")).expect("FailoverState");
    let members = global.descendants().filter(|node| node.has_tag_name("DBClusterArn")).map(|arn| {
        let member = arn.parent().expect("a member");
        (text(arn), child(member, "IsWriter") == "true", child(member, "SynchronizationStatus"))
    });
    let db_cluster = cluster.descendants().find(|node| node.has_tag_name("DBCluster")).expect("a cluster");
    let writing = cluster.descendants().filter(|node| node.has_tag_name("DBClusterMember"));
    let writing = writing.into_iter().find(|member| child(*member, "IsClusterWriter") == "true");
    let status_of = |id: &str| {
        let mut instances = instances.descendants().filter(|node| node.has_tag_name("DBInstance"));
        let instance = instances.find(|node| child(*node, "DBInstanceIdentifier") == id).expect("it is described");
        child(instance, "DBInstanceStatus")
    };
    let groups = cluster.descendants().filter(|node| node.has_tag_name("VpcSecurityGroupMembership"));
    Described {
        global: child(state.parent().expect("a global cluster"), "Status"),
        pending: state.children().find(|node| node.has_tag_name("Status")).map(text),
        members: members.collect(),
        cluster: child(db_cluster, "Status"),
        writing: writing.map(|member| status_of(&child(member, "DBInstanceIdentifier"))),
        groups: groups.map(|group| (child(group, "VpcSecurityGroupId"), child(group, "Status"))).collect(),
    }
}

fn parse(xml: &str) -> Document<'_> {
    Document::parse(xml).expect("XML")
}

fn text(node: roxmltree::Node<'_, '_>) -> String {
    node.text().unwrap_or_default().to_owned()
}

fn child(node: roxmltree::Node<'_, '_>, name: &str) -> String {
    node.children().find(|child| child.has_tag_name(name)).map(text).unwrap_or_default()
}

/// The events of a Region that can be read.
fn events(aws: &mut Aws, region: &str, now: Timestamp) -> Vec<String> {
    let since = at(0).to_string();
    let xml = asked(aws, region, "DescribeEvents", &[("StartTime", &since), ("MaxRecords", "100")], now);
    let xml = parse(&xml);
    xml.descendants().filter(|node| node.has_tag_name("Message")).map(text).collect()
}
