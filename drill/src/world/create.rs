//! Databases, services, security groups, and what moves the traffic beside DNS.

use std::collections::BTreeMap;

use serde_json::json;

use super::{BYSTANDER_SERVICE, FULL_COUNT, STANDBY_COUNT, SecurityGroups, Site, WORKLOAD_SERVICES, Workload};
use crate::aws::{Aws, xml_text};
use crate::emulator::LocalAws;
use crate::error::{Error, Result};
use crate::gateway::{RoutingControl, ScalableTarget, Suspended};
use crate::staging::{Staging, Traffic};

const ENGINE: &str = "aurora-postgresql";
const INSTANCE_CLASS: &str = "db.r6g.large";
/// Largest counts that autoscaling allows at first; a standby's has to be raised by a failover.
const FULL_MAX: i64 = 8;
const STANDBY_MAX: i64 = 2;

/// A network of the Region, and in it a group that databases serve with and one without any rule for ingress.
pub(super) async fn security_groups(aws: &Aws, site: Site) -> Result<SecurityGroups> {
    let network = aws.query("ec2", site.region(), "CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).await?;
    let vpc_id = id_in(&network, &["vpc", "vpcId"])?;
    let group = async |name: &str| -> Result<String> {
        let parameters = [("GroupName", name), ("GroupDescription", name), ("VpcId", vpc_id.as_str())];
        id_in(&aws.query("ec2", site.region(), "CreateSecurityGroup", &parameters).await?, &["groupId"])
    };
    let groups = SecurityGroups { serving: group("database").await?, isolated: group("isolated").await? };
    let rule = [
        ("GroupId", groups.serving.as_str()),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "5432"),
        ("IpPermissions.1.ToPort", "5432"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/16"),
    ];
    aws.query("ec2", site.region(), "AuthorizeSecurityGroupIngress", &rule).await?;
    Ok(groups)
}

/// A global database whose writer stands in the primary Region.
pub(super) async fn database(
    aws: &Aws,
    workload: Workload,
    security_groups: &BTreeMap<Site, SecurityGroups>,
    account_id: &str,
) -> Result<()> {
    let primary = Site::Primary.region();
    let global = ("GlobalClusterIdentifier", workload.name());
    aws.query("rds", primary, "CreateGlobalCluster", &[global, ("Engine", ENGINE)]).await?;
    // In their order: the first one that joins becomes the writer.
    for (site, groups) in security_groups {
        let cluster = workload.cluster_id(*site);
        let instance = format!("{cluster}-1");
        let cluster_name = ("DBClusterIdentifier", cluster.as_str());
        let group = ("VpcSecurityGroupIds.VpcSecurityGroupId.1", groups.serving.as_str());
        let mut parameters = vec![global, cluster_name, group, ("Engine", ENGINE)];
        if *site == Site::Primary {
            // Aurora makes up the password and keeps it in Secrets Manager; nobody in the drill needs it.
            parameters.extend([("MasterUsername", "dbadmin"), ("ManageMasterUserPassword", "true")]);
        }
        aws.query("rds", site.region(), "CreateDBCluster", &parameters).await?;
        let instance = [
            cluster_name,
            ("DBInstanceIdentifier", instance.as_str()),
            ("DBInstanceClass", INSTANCE_CLASS),
            ("Engine", ENGINE),
        ];
        aws.query("rds", site.region(), "CreateDBInstance", &instance).await?;
    }
    let state = aws.query("rds", primary, "DescribeGlobalClusters", &[global]).await?;
    if state.contains(&workload.cluster_arn(Site::Primary, account_id)) {
        Ok(())
    } else {
        Err(Error::Unexpected(format!("the global cluster has no member in {primary}: {state}")))
    }
}

/// The workload's services and one beside them, each with automatic scaling.
pub(super) async fn services(aws: &Aws, workload: Workload, site: Site, local: &LocalAws) -> Result<()> {
    let (region, cluster) = (site.region(), workload.ecs_cluster(site));
    let (full, max) = if site == Site::Primary { (FULL_COUNT, FULL_MAX) } else { (STANDBY_COUNT, STANDBY_MAX) };
    aws.json("ecs", region, "CreateCluster", &json!({ "clusterName": cluster })).await?;
    for service in WORKLOAD_SERVICES.into_iter().chain([BYSTANDER_SERVICE]) {
        let count = if service == BYSTANDER_SERVICE { 1 } else { full };
        let container = json!({ "name": service, "image": format!("example.com/{service}:1"), "memory": 128 });
        let task = json!({ "family": service, "containerDefinitions": [container] });
        aws.json("ecs", region, "RegisterTaskDefinition", &task).await?;
        let input =
            json!({ "cluster": cluster, "serviceName": service, "taskDefinition": service, "desiredCount": count });
        aws.json("ecs", region, "CreateService", &input).await?;
        local.gateway.put_scalable_target(ScalableTarget {
            region: region.to_owned(),
            namespace: "ecs".to_owned(),
            resource_id: format!("service/{cluster}/{service}"),
            dimension: "ecs:service:DesiredCount".to_owned(),
            min: count,
            max,
            suspended: Suspended::default(),
        });
    }
    Ok(())
}

/// What the traffic strategies beside DNS records need.
pub(super) async fn traffic(local: &LocalAws, workload: Workload, staging: &Staging) -> Result<()> {
    let account_id = local.emulator.account_id();
    for way in &staging.traffic {
        match way {
            Traffic::StandbyObject => {
                let (region, bucket) = (Site::Standby.region(), workload.standby_bucket(account_id));
                let body = format!(
                    "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                     <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
                );
                let path = format!("/{bucket}");
                local.emulator.aws().rest("s3", region, "PUT", &path, "application/xml", body.as_bytes()).await?;
            }
            Traffic::RoutingControl => {
                for site in &staging.sites {
                    local.gateway.put_routing_control(RoutingControl {
                        arn: workload.routing_control_arn(*site, account_id),
                        name: site.city().to_owned(),
                        on: *site == Site::Primary,
                    });
                }
            }
            Traffic::FailoverRecords | Traffic::WeightedRecords => {}
        }
    }
    Ok(())
}

fn id_in(answer: &str, path: &[&str]) -> Result<String> {
    xml_text(answer, path).ok_or_else(|| Error::Unexpected(format!("an answer without an id: {answer}")))
}
