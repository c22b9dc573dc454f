//! What the emulator's own API says of the world: the only thing that a verdict believes.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};
use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::dns::control_plane;
use crate::error::{Error, Result};
use crate::gateway::{Gateway, ScalableTarget};
use crate::staging::{Staging, Traffic};
use crate::world::{STANDBY_OBJECT, Site, WORKLOAD_SERVICES, Workload};

/// The ledger's items on one page of a scan; a drill writes a handful.
const LEDGER_PAGE: u32 = 1000;
/// Keys of plan items begin with this.
const PLAN_PREFIX: &str = "plan#";

/// Whose state is read, and where.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The workload.
    pub workload: Workload,
    /// The Regions, and what sends clients to them.
    pub staging: &'a Staging,
    /// The hosted zone.
    pub zone_id: &'a str,
    /// The account.
    pub account_id: &'a str,
}

/// A workload at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorldState {
    /// Whose state it is.
    pub workload: Workload,
    /// The global cluster's members by ARN; whether each is the writer.
    pub members: BTreeMap<String, bool>,
    /// The security groups of each Region's cluster.
    pub security_groups: BTreeMap<Site, Vec<String>>,
    /// ECS services by `region/service`.
    pub services: BTreeMap<String, ServiceCount>,
    /// Application Auto Scaling's limits by `region/service`.
    pub limits: BTreeMap<String, Limits>,
    /// The hosted zone's record sets, sorted; without those of other workloads' names.
    pub records: Vec<RecordSet>,
    /// Whether the object is there that takes the traffic to the standby Region.
    pub standby_object: bool,
    /// The routing controls; whether each is on.
    pub routing_controls: BTreeMap<Site, bool>,
}

/// How many tasks an ECS service has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServiceCount {
    /// Wanted.
    pub desired: i64,
    /// Running.
    pub running: i64,
}

/// Between what counts a service is scaled automatically.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Smallest count.
    pub min: i64,
    /// Largest count.
    pub max: i64,
    /// Whether all automatic scaling is suspended.
    pub suspended: bool,
}

/// A record set, with everything that a failover must not change as one text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RecordSet {
    /// Name, without the final dot.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub record_type: String,
    /// What tells record sets of one name and type apart.
    pub set_identifier: Option<String>,
    /// Target, TTL, health check: everything else but the role.
    pub content: String,
    /// `PRIMARY`, `SECONDARY` or the weight; none for a record that no failover moves.
    pub role: Option<String>,
}

/// An item of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LedgerItem {
    /// Key.
    pub operation_id: String,
    /// Status.
    pub status: String,
    /// The item's other attributes, as far as they are texts, numbers or booleans.
    pub attributes: BTreeMap<String, String>,
}

/// Whether an operation is a fence: a database's isolation, or the scaling of services to nothing.
#[must_use]
pub fn is_fence(operation_id: &str) -> bool {
    operation_id.contains("#isolate-aurora#") || operation_id.contains("#scale-ecs#fence/")
}

impl LedgerItem {
    /// Whether this is the plan's item.
    #[must_use]
    pub fn is_plan(&self) -> bool {
        self.operation_id.starts_with(PLAN_PREFIX)
    }

    /// Whether this is the operation of a fence.
    #[must_use]
    pub fn is_fence(&self) -> bool {
        is_fence(&self.operation_id)
    }

    /// The failover and the step that an operation belongs to.
    #[must_use]
    pub fn failover_and_step(&self) -> Option<(&str, &str)> {
        if self.is_plan() {
            return None;
        }
        let mut parts = self.operation_id.splitn(3, '#');
        Some((parts.next()?, parts.next()?))
    }
}

impl WorldState {
    /// Reads everything with root credentials, past the gateway; of the gateway itself what it models.
    ///
    /// # Errors
    /// [`Error::Aws`] when a call fails, [`Error::Unexpected`] when an answer is not understood.
    pub async fn read(aws: &Aws, gateway: &Gateway, view: View<'_>) -> Result<Self> {
        let workload = view.workload;
        let mut state = Self {
            workload,
            members: read_members(aws, Site::Standby.region(), workload.name()).await?,
            ..Self::default()
        };
        for site in &view.staging.sites {
            state.security_groups.insert(*site, read_security_groups(aws, workload, *site).await?);
            state.services.extend(read_services(aws, workload, *site).await?);
            let cluster = format!("service/{}/", workload.ecs_cluster(*site));
            state
                .limits
                .extend(gateway.scalable_targets().iter().filter_map(|target| limits_of(target, &cluster, *site)));
        }
        let others = view.staging.workloads().into_iter().filter(|other| *other != workload);
        let others: Vec<&str> = others.map(Workload::record_name).collect();
        state.records = read_records(aws, view.zone_id).await?;
        state.records.retain(|record| !others.contains(&record.name.as_str()));
        if view.staging.traffic.contains(&Traffic::StandbyObject) {
            state.standby_object = object_exists(aws, &workload.standby_bucket(view.account_id)).await?;
        }
        let controls = gateway.routing_controls();
        let of_site = |site: &Site| {
            let arn = workload.routing_control_arn(*site, view.account_id);
            controls.iter().find(|control| control.arn == arn).map(|control| (*site, control.on))
        };
        state.routing_controls = view.staging.sites.iter().filter_map(of_site).collect();
        Ok(state)
    }

    /// The writers of the global cluster, by ARN.
    pub fn writers(&self) -> impl Iterator<Item = &str> {
        self.members.iter().filter(|(_, is_writer)| **is_writer).map(|(arn, _)| arn.as_str())
    }

    /// Whether the database's only writer stands at `site`.
    #[must_use]
    pub fn writes_at(&self, site: Site, account_id: &str) -> bool {
        self.writers().eq([self.workload.cluster_arn(site, account_id).as_str()])
    }

    /// Whether each of the workload's services runs at least `count` tasks at `site`.
    #[must_use]
    pub fn runs_at(&self, site: Site, count: i64) -> bool {
        WORKLOAD_SERVICES
            .iter()
            .all(|service| self.services.get(&site.service_key(service)).is_some_and(|found| found.running >= count))
    }

    /// Whether this way of sending clients to a Region sends all of them to `site`.
    #[must_use]
    pub fn traffic_goes_to(&self, way: Traffic, site: Site) -> bool {
        match way {
            Traffic::FailoverRecords | Traffic::WeightedRecords => self.records_send_to(site),
            Traffic::StandbyObject => self.standby_object == (site == Site::Standby),
            Traffic::RoutingControl => {
                let on = self.routing_controls.iter().filter(|(_, is_on)| **is_on);
                on.map(|(control, _)| *control).eq([site])
            }
        }
    }

    /// Whether each of the records that a failover moves gives its clients to `site`: of a pair the primary one, of
    /// weighted ones the only one with a weight.
    fn records_send_to(&self, site: Site) -> bool {
        let mut moved = self.records.iter().filter_map(|record| {
            let chosen = !matches!(record.role.as_deref()?, "SECONDARY" | "0");
            Some((record.set_identifier.as_deref()? == site.set_identifier(), chosen))
        });
        let mut any = false;
        moved.all(|(is_ours, is_chosen)| {
            any = true;
            is_ours == is_chosen
        }) && any
    }
}

fn limits_of(target: &ScalableTarget, cluster: &str, site: Site) -> Option<(String, Limits)> {
    let service = target.resource_id.strip_prefix(cluster).filter(|_| target.region == site.region())?;
    let limits = Limits { min: target.min, max: target.max, suspended: target.suspended.entirely() };
    Some((site.service_key(service), limits))
}

/// The clusters of a global database, by ARN, and whether each is its writer.
///
/// # Errors
/// [`Error::Aws`] when the call fails, [`Error::Unexpected`] when the answer is not understood.
pub(crate) async fn read_members(aws: &Aws, region: &str, global_cluster: &str) -> Result<BTreeMap<String, bool>> {
    let name = [("GlobalClusterIdentifier", global_cluster)];
    let xml = aws.query("rds", region, "DescribeGlobalClusters", &name).await?;
    members_in(&xml)
}

fn members_in(xml: &str) -> Result<BTreeMap<String, bool>> {
    let document = parsed(xml)?;
    // The list of global clusters and the list of one's members have elements of the same name.
    let members = document.descendants().filter_map(|node| {
        let arn = child_text(node, "DBClusterArn")?;
        Some((arn.to_owned(), child_text(node, "IsWriter")? == "true"))
    });
    Ok(members.collect())
}

async fn read_security_groups(aws: &Aws, workload: Workload, site: Site) -> Result<Vec<String>> {
    let cluster = workload.cluster_id(site);
    let name = [("DBClusterIdentifier", cluster.as_str())];
    let xml = aws.query("rds", site.region(), "DescribeDBClusters", &name).await?;
    Ok(crate::aws::xml_texts(&xml, &["VpcSecurityGroupMembership", "VpcSecurityGroupId"]))
}

async fn object_exists(aws: &Aws, bucket: &str) -> Result<bool> {
    let region = Site::Standby.region();
    match aws.rest("s3", region, "GET", &format!("/{bucket}/{STANDBY_OBJECT}"), "text/plain", b"").await {
        Ok(_) => Ok(true),
        Err(error) if error.status == 404 => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn read_services(aws: &Aws, workload: Workload, site: Site) -> Result<BTreeMap<String, ServiceCount>> {
    let cluster = workload.ecs_cluster(site);
    let listed = aws.json("ecs", site.region(), "ListServices", &json!({ "cluster": cluster })).await?;
    let input = json!({ "cluster": cluster, "services": listed["serviceArns"] });
    let described = aws.json("ecs", site.region(), "DescribeServices", &input).await?;
    let services = described["services"].as_array().ok_or_else(|| unexpected("DescribeServices", &described))?;
    services
        .iter()
        .map(|service| {
            let name = service["serviceName"].as_str();
            let counts = (service["desiredCount"].as_i64(), service["runningCount"].as_i64());
            let (Some(name), (Some(desired), Some(running))) = (name, counts) else {
                return Err(unexpected("DescribeServices", service));
            };
            Ok((site.service_key(name), ServiceCount { desired, running }))
        })
        .collect()
}

async fn read_records(aws: &Aws, zone_id: &str) -> Result<Vec<RecordSet>> {
    records_in(&control_plane::get(aws, &format!("hostedzone/{zone_id}/rrset")).await?)
}

fn records_in(xml: &str) -> Result<Vec<RecordSet>> {
    let document = parsed(xml)?;
    let sets = document.descendants().filter(|node| node.has_tag_name_of("ResourceRecordSet"));
    let mut records: Vec<RecordSet> = sets.filter_map(record_in).collect();
    records.sort();
    Ok(records)
}

fn record_in(node: Node<'_, '_>) -> Option<RecordSet> {
    let mut content: Vec<String> = node.children().filter(Node::is_element).filter_map(content_of).collect();
    content.sort();
    Some(RecordSet {
        name: child_text(node, "Name")?.trim_end_matches('.').to_owned(),
        record_type: child_text(node, "Type")?.to_owned(),
        set_identifier: child_text(node, "SetIdentifier").map(str::to_owned),
        content: content.join(", "),
        role: child_text(node, "Failover").or_else(|| child_text(node, "Weight")).map(str::to_owned),
    })
}

/// One element as text, without those that have a field of their own.
fn content_of(node: Node<'_, '_>) -> Option<String> {
    let name = node.tag_name().name();
    if matches!(name, "Name" | "Type" | "SetIdentifier" | "Failover" | "Weight") {
        return None;
    }
    let texts: Vec<&str> = node.descendants().filter(Node::is_text).filter_map(|text| text.text()).collect();
    Some(format!("{name} {}", texts.iter().map(|text| text.trim()).collect::<Vec<_>>().join(" ").trim()))
}

/// Reads the whole ledger.
///
/// # Errors
/// [`Error::Aws`] when the call fails, [`Error::Unexpected`] when the answer is not understood or the
/// ledger is longer than a drill can make it.
pub async fn read_ledger(aws: &Aws, region: &str, table: &str) -> Result<Vec<LedgerItem>> {
    let input = json!({ "TableName": table, "ConsistentRead": true, "Limit": LEDGER_PAGE });
    let page = aws.json("dynamodb", region, "Scan", &input).await?;
    let items = page["Items"].as_array().ok_or_else(|| unexpected("Scan", &page))?;
    if page.get("LastEvaluatedKey").is_some_and(|key| !key.is_null()) {
        return Err(Error::Unexpected(format!("the ledger {table} has more than {LEDGER_PAGE} items")));
    }
    items.iter().map(ledger_item).collect()
}

fn ledger_item(item: &Value) -> Result<LedgerItem> {
    let attributes = item.as_object().ok_or_else(|| unexpected("Scan", item))?;
    let mut plain: BTreeMap<String, String> =
        attributes.iter().filter_map(|(name, value)| Some((name.clone(), plain_value(value)?))).collect();
    let operation_id = plain.remove("operation_id").ok_or_else(|| unexpected("Scan", item))?;
    let status = plain.remove("status").unwrap_or_default();
    Ok(LedgerItem { operation_id, status, attributes: plain })
}

fn plain_value(value: &Value) -> Option<String> {
    let (kind, value) = value.as_object()?.iter().next()?;
    match kind.as_str() {
        "S" | "N" => value.as_str().map(str::to_owned),
        "BOOL" => value.as_bool().map(|value| value.to_string()),
        _other => None,
    }
}

/// How many messages wait in a queue.
///
/// # Errors
/// [`Error::Aws`] when the call fails.
pub async fn queue_length(aws: &Aws, region: &str, queue_url: &str) -> Result<u64> {
    let parameters = [("QueueUrl", queue_url), ("AttributeName.1", "ApproximateNumberOfMessages")];
    let xml = aws.query("sqs", region, "GetQueueAttributes", &parameters).await?;
    let text = crate::aws::xml_text(&xml, &["Attribute", "Value"]);
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::Unexpected(format!("GetQueueAttributes of {queue_url}: {xml}")))
}

fn parsed(xml: &str) -> Result<Document<'_>> {
    Document::parse(xml).map_err(|error| Error::Unexpected(format!("an answer that is not XML ({error}): {xml}")))
}

fn unexpected(operation: &str, answer: &Value) -> Error {
    Error::Unexpected(format!("the answer to {operation}: {answer}"))
}

trait ByName {
    fn has_tag_name_of(&self, name: &str) -> bool;
}

impl ByName for Node<'_, '_> {
    /// The name without its namespace, which differs between services and from the documentation.
    fn has_tag_name_of(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

fn child_text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.children().find(|child| child.has_tag_name_of(name)).map(|child| child.text().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "123456789012";

    const GLOBAL_CLUSTERS: &str = r#"<DescribeGlobalClustersResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/">
        <DescribeGlobalClustersResult><GlobalClusters><GlobalClusterMember>
            <GlobalClusterIdentifier>trading</GlobalClusterIdentifier>
            <GlobalClusterMembers><GlobalClusterMember>
                <DBClusterArn>arn:aws:rds:eu-central-1:123456789012:cluster:trading-db-frankfurt</DBClusterArn>
                <Readers><member>arn:aws:rds:eu-west-1:123456789012:cluster:trading-db-ireland</member></Readers>
                <IsWriter>true</IsWriter>
            </GlobalClusterMember><GlobalClusterMember>
                <DBClusterArn>arn:aws:rds:eu-west-1:123456789012:cluster:trading-db-ireland</DBClusterArn>
                <Readers></Readers><IsWriter>false</IsWriter>
            </GlobalClusterMember></GlobalClusterMembers>
        </GlobalClusterMember></GlobalClusters></DescribeGlobalClustersResult></DescribeGlobalClustersResponse>"#;

    #[test]
    fn the_writer_is_read_from_the_global_clusters_members() {
        let state = WorldState { members: members_in(GLOBAL_CLUSTERS).unwrap(), ..WorldState::default() };
        assert_eq!(state.members.len(), 2);
        assert!(state.writes_at(Site::Primary, ACCOUNT));
        assert!(!state.writes_at(Site::Standby, ACCOUNT));
    }

    #[test]
    fn two_writers_are_no_writer() {
        let members = Site::PAIR.map(|site| (Workload::Trading.cluster_arn(site, ACCOUNT), true)).into();
        let state = WorldState { members, ..WorldState::default() };
        assert!(Site::PAIR.iter().all(|site| !state.writes_at(*site, ACCOUNT)));
    }

    fn record(set_identifier: &str, failover: &str) -> String {
        format!(
            "<ResourceRecordSet><Name>app.trading.example.com.</Name><Type>AAAA</Type>\
             <SetIdentifier>{set_identifier}</SetIdentifier><Failover>{failover}</Failover><TTL>60</TTL>\
             <ResourceRecords><ResourceRecord><Value>2001:db8::1</Value></ResourceRecord></ResourceRecords>\
             <HealthCheckId>h-1</HealthCheckId></ResourceRecordSet>"
        )
    }

    fn zone(records: &[String]) -> WorldState {
        let xml = format!(
            "<R xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ResourceRecordSets>{}\
             <ResourceRecordSet><Name>trading.example.com.</Name><Type>MX</Type><TTL>300</TTL><ResourceRecords>\
             <ResourceRecord><Value>10 mx.example.com.</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>\
             </ResourceRecordSets></R>",
            records.concat()
        );
        WorldState { records: records_in(&xml).unwrap(), ..WorldState::default() }
    }

    #[test]
    fn a_record_set_is_its_role_and_everything_else() {
        let state = zone(&[record("frankfurt", "PRIMARY")]);
        let [record, mail] = state.records.as_slice() else { panic!("{:?}", state.records) };
        assert_eq!(record.name, "app.trading.example.com");
        assert_eq!(record.role.as_deref(), Some("PRIMARY"));
        assert_eq!(record.content, "HealthCheckId h-1, ResourceRecords 2001:db8::1, TTL 60");
        assert_eq!(
            (mail.role.as_deref(), mail.content.as_str()),
            (None, "ResourceRecords 10 mx.example.com., TTL 300")
        );
    }

    fn weighted(set_identifier: &str, weight: u8) -> String {
        let failover = "<Failover>PRIMARY</Failover>";
        record(set_identifier, "PRIMARY").replace(failover, &format!("<Weight>{weight}</Weight>"))
    }

    #[test]
    fn traffic_goes_where_all_primary_records_point() {
        let goes = |state: &WorldState, site| state.traffic_goes_to(Traffic::FailoverRecords, site);
        let moved = zone(&[record("frankfurt", "SECONDARY"), record("ireland", "PRIMARY")]);
        assert!(goes(&moved, Site::Standby) && !goes(&moved, Site::Primary));
        let half = zone(&[
            record("frankfurt", "SECONDARY"),
            record("ireland", "PRIMARY"),
            record("frankfurt", "PRIMARY"),
            record("ireland", "SECONDARY"),
        ]);
        assert!(Site::PAIR.iter().all(|site| !goes(&half, *site)));
        assert!(!goes(&zone(&[]), Site::Primary), "without a pair there is no traffic");
    }

    #[test]
    fn traffic_goes_to_the_only_region_with_a_weight() {
        let goes = |state: &WorldState, site| state.traffic_goes_to(Traffic::WeightedRecords, site);
        let moved = zone(&[weighted("frankfurt", 0), weighted("ireland", 0), weighted("stockholm", 100)]);
        assert!(goes(&moved, Site::Reserve) && !goes(&moved, Site::Primary) && !goes(&moved, Site::Standby));
        let shared = zone(&[weighted("frankfurt", 1), weighted("ireland", 0), weighted("stockholm", 100)]);
        assert!(Site::THREE.iter().all(|site| !goes(&shared, *site)));
        assert_eq!(shared.records[0].content, "HealthCheckId h-1, ResourceRecords 2001:db8::1, TTL 60");
    }

    #[test]
    fn an_object_and_a_routing_control_send_the_traffic_too() {
        let mut state = WorldState { standby_object: true, ..WorldState::default() };
        let goes = |state: &WorldState, way, site| state.traffic_goes_to(way, site);
        assert!(goes(&state, Traffic::StandbyObject, Site::Standby));
        assert!(!goes(&state, Traffic::StandbyObject, Site::Primary));
        assert!(!goes(&state, Traffic::RoutingControl, Site::Standby), "no control is on");
        state.routing_controls = BTreeMap::from([(Site::Primary, false), (Site::Standby, true)]);
        assert!(goes(&state, Traffic::RoutingControl, Site::Standby));
        state.routing_controls.insert(Site::Primary, true);
        assert!(!goes(&state, Traffic::RoutingControl, Site::Standby), "both are on");
    }

    #[test]
    fn a_ledger_item_tells_its_failover_and_step() {
        let item = ledger_item(&json!({
            "operation_id": {"S": "alarm-1#promote-aurora#trading"}, "status": {"S": "completed"},
            "attempt": {"N": "2"}, "retryable": {"BOOL": false},
        }));
        let item = item.unwrap();
        assert_eq!(item.failover_and_step(), Some(("alarm-1", "promote-aurora")));
        assert_eq!((item.status.as_str(), item.attributes["attempt"].as_str()), ("completed", "2"));
        let plan = LedgerItem { operation_id: "plan#trading".to_owned(), ..LedgerItem::default() };
        assert!(plan.is_plan() && plan.failover_and_step().is_none());
    }
}
