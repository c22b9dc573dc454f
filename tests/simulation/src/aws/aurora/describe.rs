//! The answers of Describe.

use std::fmt::Write;

use failover::contract::Timestamp;
use failover::testing::wire::Request;

use super::{AVAILABLE, Aurora, Cluster, site};
use crate::aws::Answer;
use crate::aws::parameters::only_of_form;
use crate::workload;

/// The engine's version, of every cluster.
const ENGINE_VERSION: &str = "16.8";
/// The name of every cluster's parameter group.
const PARAMETER_GROUP: &str = "trading";
/// For how long back events are described when the request does not say, in milliseconds.
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeEvents.html>
const EVENTS_OF_MS: u64 = 60 * 60 * 1000;

impl Aurora {
    pub(super) fn describe_global_clusters(&mut self, request: &Request, now: Timestamp) -> Answer {
        only_of_form(request, &["GlobalClusterIdentifier"]);
        let asked = request.body["GlobalClusterIdentifier"].as_str();
        if let Some(other) = asked.filter(|id| *id != workload::GLOBAL_CLUSTER) {
            return no_global_cluster(other);
        }
        let site = site_of(request);
        described("DescribeGlobalClusters", "GlobalClusters", self.shown[site].at(now))
    }

    pub(super) fn describe_db_clusters(&mut self, request: &Request, now: Timestamp) -> Answer {
        only_of_form(request, &["DBClusterIdentifier"]);
        let cluster = &mut self.clusters[site_of(request)];
        let asked = request.body["DBClusterIdentifier"].as_str();
        if let Some(other) = asked.filter(|id| *id != cluster.id && *id != cluster.arn) {
            return no_db_cluster(other);
        }
        described("DescribeDBClusters", "DBClusters", cluster.shown.at(now))
    }

    pub(super) fn describe_db_instances(&mut self, request: &Request, now: Timestamp) -> Answer {
        only_of_form(request, &["Filters.Filter.1.Name", "Filters.Filter.1.Values.Value.1"]);
        let filter = request.body["Filters.Filter.1.Name"].as_str();
        assert_eq!(filter, Some("db-cluster-id"), "not simulated: this filter of {}", request.name());
        let cluster = &mut self.clusters[site_of(request)];
        let asked = request.body["Filters.Filter.1.Values.Value.1"].as_str().unwrap_or_default();
        let found = if asked == cluster.id || asked == cluster.arn { cluster.shown_instances.at(now) } else { "" };
        described("DescribeDBInstances", "DBInstances", found)
    }

    pub(super) fn describe_events(&mut self, request: &Request, now: Timestamp) -> Answer {
        only_of_form(request, &["StartTime", "MaxRecords"]);
        let since = request.body["StartTime"].as_str().map_or_else(
            || now.minus_millis(EVENTS_OF_MS),
            |text| Timestamp::parse(text).expect("a moment as an SDK writes it"),
        );
        let most = request.body["MaxRecords"].as_str().map_or(100, |text| text.parse().expect("a number"));
        let mut xml = String::new();
        let here = self
            .events
            .iter()
            .filter(|event| event.region == request.region && event.at >= since && event.readable <= now);
        for event in here.take(most) {
            let (source, message, at) = (&event.source, &event.message, event.at);
            let _ = write!(
                xml,
                "<Event><SourceIdentifier>{source}</SourceIdentifier><SourceType>db-instance</SourceType>\
                 <Message>{message}</Message><EventCategories/><Date>{at}</Date></Event>"
            );
        }
        described("DescribeEvents", "Events", &xml)
    }

    /// The global cluster as it is.
    pub(super) fn global_xml(&self) -> String {
        let mut xml = format!(
            "<GlobalClusterMember><GlobalClusterIdentifier>{}</GlobalClusterIdentifier><Status>{}</Status>\
             <Engine>aurora-postgresql</Engine><EngineVersion>{ENGINE_VERSION}</EngineVersion><FailoverState>",
            workload::GLOBAL_CLUSTER,
            self.global_status
        );
        if let Some(transition) = &self.transition {
            let _ = write!(
                xml,
                "<Status>{}</Status><FromDbClusterArn>{}</FromDbClusterArn><ToDbClusterArn>{}</ToDbClusterArn>\
                 <IsDataLossAllowed>{}</IsDataLossAllowed>",
                transition.status,
                self.clusters[transition.from].arn,
                self.clusters[transition.to].arn,
                transition.allows_data_loss
            );
        }
        xml.push_str("</FailoverState><GlobalClusterMembers>");
        let members = self.clusters.iter().enumerate().filter(|(_, cluster)| cluster.is_member);
        for (place, cluster) in members {
            let _ = write!(
                xml,
                "<GlobalClusterMember><DBClusterArn>{}</DBClusterArn><Readers/><IsWriter>{}</IsWriter>\
                 <SynchronizationStatus>{}</SynchronizationStatus></GlobalClusterMember>",
                cluster.arn,
                place == self.global_writer,
                cluster.synchronization
            );
        }
        xml.push_str("</GlobalClusterMembers></GlobalClusterMember>");
        xml
    }
}

impl Cluster {
    /// What its status is said to be.
    pub(super) fn described_status(&self) -> &'static str {
        if self.status == AVAILABLE && self.shows_modifying { "modifying" } else { self.status }
    }

    /// The cluster as it is.
    pub(super) fn xml(&self) -> String {
        let mut xml = format!(
            "<DBCluster><DBClusterIdentifier>{}</DBClusterIdentifier><DBClusterArn>{}</DBClusterArn>\
             <Status>{}</Status><Engine>aurora-postgresql</Engine><EngineVersion>{ENGINE_VERSION}</EngineVersion>\
             <DBClusterParameterGroup>{PARAMETER_GROUP}</DBClusterParameterGroup><VpcSecurityGroups>",
            self.id,
            self.arn,
            self.described_status()
        );
        for group in &self.security_groups {
            let _ = write!(
                xml,
                "<VpcSecurityGroupMembership><VpcSecurityGroupId>{}</VpcSecurityGroupId><Status>{}</Status>\
                 </VpcSecurityGroupMembership>",
                group.id, group.status
            );
        }
        xml.push_str("</VpcSecurityGroups><DBClusterMembers>");
        for instance in &self.instances {
            let _ = write!(
                xml,
                "<DBClusterMember><DBInstanceIdentifier>{}</DBInstanceIdentifier>\
                 <IsClusterWriter>{}</IsClusterWriter>\
                 <DBClusterParameterGroupStatus>in-sync</DBClusterParameterGroupStatus></DBClusterMember>",
                instance.id, instance.writes
            );
        }
        xml.push_str("</DBClusterMembers></DBCluster>");
        xml
    }

    /// Its instances as they are.
    pub(super) fn instances_xml(&self) -> String {
        let mut xml = String::new();
        for instance in &self.instances {
            let _ = write!(
                xml,
                "<DBInstance><DBInstanceIdentifier>{}</DBInstanceIdentifier>\
                 <DBInstanceStatus>{}</DBInstanceStatus><DBClusterIdentifier>{}</DBClusterIdentifier></DBInstance>",
                instance.id, instance.status, self.id
            );
        }
        xml
    }
}

fn described(operation: &str, list: &str, items: &str) -> Answer {
    Answer::xml(format!(
        "<{operation}Response><{operation}Result><{list}>{items}</{list}></{operation}Result></{operation}Response>"
    ))
}

/// The place of the Region that is asked.
pub(super) fn site_of(request: &Request) -> usize {
    site(&request.region).unwrap_or_else(|| panic!("not simulated: {} in {}", request.name(), request.region))
}

pub(super) fn no_global_cluster(id: &str) -> Answer {
    not_found("GlobalClusterNotFoundFault", format!("Global cluster {id} not found"))
}

pub(super) fn no_db_cluster(id: &str) -> Answer {
    not_found("DBClusterNotFoundFault", format!("DBCluster {id} not found."))
}

fn not_found(code: &str, message: String) -> Answer {
    Answer::Error { status: 404, code: code.to_owned(), message }
}
