//! The request of `shift-dns` (F6).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Dependency, Region, RunContext, normal_dns_name};
use crate::error::Error;

/// How many records one request may move. Each costs some two calls, and Route 53 takes bursts of 50 for an account.
pub const MOST_RECORDS: usize = 50;
/// The longest set identifier.
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html>
const LONGEST_SET_IDENTIFIER: usize = 128;
/// The longest id of a hosted zone.
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
const LONGEST_ZONE_ID: usize = 32;
/// How long Route 53's checkers can take to notice, in seconds: every 10 or 30 seconds, 1 to 10 times in a row.
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html>
const NOTICE_SECONDS: RangeInclusive<u32> = 10..=300;
/// The lengths of a bucket's name.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
const BUCKET_NAME: RangeInclusive<usize> = 3..=63;
/// The longest key of an object, in bytes.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
const LONGEST_KEY: usize = 1024;
/// How many endpoints an ARC cluster has, each in a Region of its own.
/// Source: <https://docs.aws.amazon.com/r53recovery/latest/dg/introduction-components-routing.html>
const CLUSTER_ENDPOINTS: usize = 5;

/// How the address of a local AWS begins.
const LOCAL_ENDPOINT: &str = "http://127.0.0.1:";

/// Give the target Region the traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftRequest {
    /// The failover this belongs to.
    #[serde(default)]
    pub run: RunContext,
    /// The Region that is to get the traffic. Left out, `DR_REGION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_region: Option<Region>,
    /// What to move, and how.
    pub traffic: Traffic,
}

/// What sends clients to a Region, by the way it is moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// Swap the roles of failover records. Needs Route 53's control plane, in us-east-1.
    FailoverRecords(FailoverRecords),
    /// Give weighted records of the target Region all the weight. Needs Route 53's control plane, in us-east-1.
    WeightedRecords(WeightedRecords),
    /// Create or delete an object in the standby Region that an inverted health check of the primary record looks at.
    /// Needs S3 in that Region alone.
    StandbyObject(StandbyObject),
    /// Flip ARC routing controls. Needs one of the cluster's five endpoints, each in a Region of its own.
    RoutingControl(RoutingControls),
    /// Turn the traffic dials of Global Accelerator's endpoint groups. Needs its control plane, in us-west-2.
    TrafficDial(TrafficDials),
}

impl Traffic {
    /// What it is about, as part of an operation's id: the zone, the object, the controls or the dials.
    #[must_use]
    pub fn key(&self) -> String {
        let first = |map: &BTreeMap<Region, String>| map.values().next().cloned().unwrap_or_default();
        match self {
            // Both kinds change the zone's records, and a zone takes one batch at a time.
            Self::FailoverRecords(FailoverRecords { hosted_zone_id, .. })
            | Self::WeightedRecords(WeightedRecords { hosted_zone_id, .. }) => {
                hosted_zone_id.strip_prefix("/hostedzone/").unwrap_or(hosted_zone_id).to_owned()
            }
            Self::StandbyObject(object) => format!("{}/{}", object.bucket, object.key),
            Self::RoutingControl(controls) => first(&controls.controls),
            Self::TrafficDial(dials) => first(&dials.endpoint_groups),
        }
    }

    /// The planes of AWS that have to work for it, and where they stand (X6).
    ///
    /// Reading and checking may ask others for information; without these nothing is moved.
    #[must_use]
    pub fn control_planes(&self) -> Vec<Dependency> {
        match self {
            Self::FailoverRecords(_) | Self::WeightedRecords(_) => vec![Dependency::route53()],
            Self::StandbyObject(object) => vec![Dependency::s3(&object.region)],
            Self::RoutingControl(controls) => vec![Dependency::routing_control(controls.cluster_endpoints.keys())],
            Self::TrafficDial(_) => vec![Dependency::global_accelerator()],
        }
    }

    /// How many Regions it can tell apart; none for any number.
    ///
    /// A failover pair has a primary and a secondary record set, and an object is there or not.
    #[must_use]
    pub const fn most_regions(&self) -> Option<usize> {
        match self {
            Self::FailoverRecords(_) | Self::StandbyObject(_) => Some(2),
            Self::WeightedRecords(_) | Self::RoutingControl(_) | Self::TrafficDial(_) => None,
        }
    }

    /// The fields that have one entry for each Region, and the Regions they name.
    #[must_use]
    pub fn regions(&self) -> Vec<(String, Vec<&Region>)> {
        fn of_records<'a>(strategy: &str, records: &'a [FailoverRecord]) -> Vec<(String, Vec<&'a Region>)> {
            let each = records.iter().enumerate();
            each.map(|(index, record)| {
                (format!("{strategy}.records[{index}].set_identifiers"), record.set_identifiers.keys().collect())
            })
            .collect()
        }
        match self {
            Self::FailoverRecords(zone) => of_records("failover_records", &zone.records),
            Self::WeightedRecords(zone) => of_records("weighted_records", &zone.records),
            Self::StandbyObject(_) => Vec::new(),
            Self::RoutingControl(controls) => {
                vec![("routing_control.controls".to_owned(), controls.controls.keys().collect())]
            }
            Self::TrafficDial(dials) => {
                vec![("traffic_dial.endpoint_groups".to_owned(), dials.endpoint_groups.keys().collect())]
            }
        }
    }
}

/// Pairs of failover records of one hosted zone, all swapped in one change batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailoverRecords {
    /// The Route 53 hosted zone.
    pub hosted_zone_id: String,
    /// The failover record pairs.
    pub records: Vec<FailoverRecord>,
}

/// Weighted records of one hosted zone, all changed in one change batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedRecords {
    /// The Route 53 hosted zone.
    pub hosted_zone_id: String,
    /// The records; one set for each Region, two Regions or more.
    pub records: Vec<FailoverRecord>,
    /// The weight of the target Region's record, 1 to 255; all others get 0.
    pub weight: u8,
}

/// The object whose presence takes traffic away from the primary record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StandbyObject {
    /// The Region the bucket stands in; while the object is there, clients are sent to this Region.
    pub region: Region,
    /// The bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// How long Route 53's checkers take to notice, in seconds: the health check's interval times its threshold.
    pub notice_seconds: u32,
}

/// ARC routing controls, one for each Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutingControls {
    /// The cluster's endpoints by the Region each stands in.
    pub cluster_endpoints: BTreeMap<Region, String>,
    /// The routing control of each Region, by ARN.
    pub controls: BTreeMap<Region, String>,
    /// Safety rules to override, by ARN. None unless somebody wrote them down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub safety_rules_to_override: Vec<String>,
}

/// The traffic dials of one accelerator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficDials {
    /// The endpoint group of each Region, by ARN.
    pub endpoint_groups: BTreeMap<Region, String>,
}

/// One pair of failover records, told apart by their set identifiers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailoverRecord {
    /// The record's name, such as `app.example.com`.
    pub name: String,
    /// The record's type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// For each Region, the set identifier of the record that points there.
    pub set_identifiers: BTreeMap<Region, String>,
}

impl FailoverRecord {
    /// Name and type, for people.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.record_type.as_str())
    }

    /// Checks the set identifiers: those of so many Regions, and different.
    fn check_identifiers(&self, field: &str, regions: Regions) -> Result<(), Error> {
        regions.check(field, self.set_identifiers.len())?;
        for (region, identifier) in &self.set_identifiers {
            if !(1..=LONGEST_SET_IDENTIFIER).contains(&identifier.chars().count()) {
                let problem = format!("expected 1 to {LONGEST_SET_IDENTIFIER} characters, found {identifier:?}");
                return Err(Error::invalid(format!("{field}.{region}"), problem));
            }
        }
        check_different(field, "the set identifier", &self.set_identifiers)
    }
}

/// How many Regions an entry has to name.
#[derive(Clone, Copy, Debug)]
enum Regions {
    /// Route 53 has one primary and one secondary record set for each name and type.
    /// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy-failover.html>
    Pair,
    /// One that gets the traffic, and one or more that do not.
    TwoOrMore,
}

impl Regions {
    fn check(self, field: &str, found: usize) -> Result<(), Error> {
        let problem = match (self, found) {
            (Self::Pair, 2) | (Self::TwoOrMore, 2..) => return Ok(()),
            (Self::Pair, _) => format!("expected two Regions, a primary and a secondary one, found {found}"),
            (Self::TwoOrMore, _) => format!("expected two Regions or more, found {found}"),
        };
        Err(Error::invalid(field, problem))
    }
}

/// That no two Regions have the same value.
fn check_different(field: &str, what: &str, values: &BTreeMap<Region, String>) -> Result<(), Error> {
    let mut seen: BTreeMap<&str, &Region> = BTreeMap::new();
    for (region, value) in values {
        if let Some(first) = seen.insert(value, region) {
            return Err(Error::invalid(format!("{field}.{region}"), format!("{value:?} is {what} of {first} already")));
        }
    }
    Ok(())
}

/// Checks what the types of traffic cannot.
///
/// # Errors
/// [`Error::InvalidRequest`] that names the field, which begins with `field`.
pub fn check_traffic(field: &str, traffic: &Traffic) -> Result<(), Error> {
    match traffic {
        Traffic::FailoverRecords(zone) => {
            hosted_zone_id(&format!("{field}.failover_records.hosted_zone_id"), &zone.hosted_zone_id)?;
            check_records(&format!("{field}.failover_records.records"), &zone.records, Regions::Pair)
        }
        Traffic::WeightedRecords(zone) => {
            hosted_zone_id(&format!("{field}.weighted_records.hosted_zone_id"), &zone.hosted_zone_id)?;
            if zone.weight == 0 {
                return Err(Error::invalid(
                    format!("{field}.weighted_records.weight"),
                    "expected 1 to 255: with 0 everywhere all records are answered alike",
                ));
            }
            check_records(&format!("{field}.weighted_records.records"), &zone.records, Regions::TwoOrMore)
        }
        Traffic::StandbyObject(object) => object.check(&format!("{field}.standby_object")),
        Traffic::RoutingControl(controls) => controls.check(&format!("{field}.routing_control")),
        Traffic::TrafficDial(dials) => dials.check(&format!("{field}.traffic_dial")),
    }
}

fn check_records(field: &str, records: &[FailoverRecord], regions: Regions) -> Result<(), Error> {
    if records.is_empty() {
        return Err(Error::invalid(field, "is empty: name at least one record to move"));
    }
    if records.len() > MOST_RECORDS {
        return Err(Error::invalid(field, format!("expected at most {MOST_RECORDS}, found {}", records.len())));
    }
    let mut seen = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        let at = format!("{field}[{index}]");
        let name = normal_dns_name(&record.name).map_err(|problem| Error::invalid(format!("{at}.name"), problem))?;
        if let Some(first) = seen.insert((name, record.record_type), index) {
            return Err(Error::invalid(&at, format!("{} is {field}[{first}] already", record.title())));
        }
        record.check_identifiers(&format!("{at}.set_identifiers"), regions)?;
    }
    Ok(())
}

impl StandbyObject {
    fn check(&self, field: &str) -> Result<(), Error> {
        let in_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
        if !(BUCKET_NAME.contains(&self.bucket.len()) && self.bucket.bytes().all(in_name)) {
            let problem = format!("expected a bucket's name such as \"failover-switch\", found {:?}", self.bucket);
            return Err(Error::invalid(format!("{field}.bucket"), problem));
        }
        if !(1..=LONGEST_KEY).contains(&self.key.len()) || self.key.chars().any(char::is_control) {
            let problem = format!("expected 1 to {LONGEST_KEY} bytes without control characters, found {:?}", self.key);
            return Err(Error::invalid(format!("{field}.key"), problem));
        }
        if !NOTICE_SECONDS.contains(&self.notice_seconds) {
            let (least, most) = (NOTICE_SECONDS.start(), NOTICE_SECONDS.end());
            let problem = format!(
                "expected {least} to {most}, the health check's interval times its threshold, found {}",
                self.notice_seconds
            );
            return Err(Error::invalid(format!("{field}.notice_seconds"), problem));
        }
        Ok(())
    }
}

impl RoutingControls {
    fn check(&self, field: &str) -> Result<(), Error> {
        let endpoints = format!("{field}.cluster_endpoints");
        let found = self.cluster_endpoints.len();
        if !(1..=CLUSTER_ENDPOINTS).contains(&found) {
            let problem = format!("expected the cluster's {CLUSTER_ENDPOINTS} endpoints, found {found}");
            return Err(Error::invalid(&endpoints, problem));
        }
        // A local AWS has one address for all of them.
        let mut remote = self.cluster_endpoints.clone();
        remote.retain(|_, url| !url.starts_with(LOCAL_ENDPOINT));
        for (region, url) in &remote {
            if !url.starts_with("https://") {
                let problem = format!("expected an https URL, found {url:?}");
                return Err(Error::invalid(format!("{endpoints}.{region}"), problem));
            }
        }
        check_different(&endpoints, "the endpoint", &remote)?;
        let controls = format!("{field}.controls");
        Regions::TwoOrMore.check(&controls, self.controls.len())?;
        for (region, arn) in &self.controls {
            check_arn(&format!("{controls}.{region}"), arn, "route53-recovery-control", "/routingcontrol/")?;
        }
        check_different(&controls, "the routing control", &self.controls)?;
        for (index, arn) in self.safety_rules_to_override.iter().enumerate() {
            let field = format!("{field}.safety_rules_to_override[{index}]");
            check_arn(&field, arn, "route53-recovery-control", "/safetyrule/")?;
        }
        Ok(())
    }
}

impl TrafficDials {
    /// The accelerator's ARN, of which an endpoint group's begins.
    ///
    /// # Errors
    /// The field below `endpoint_groups` and what is wrong with it.
    pub fn accelerator(&self) -> Result<&str, (String, String)> {
        let mut found: Option<(&Region, &str)> = None;
        for (region, arn) in &self.endpoint_groups {
            // Dials share out the traffic of one listener.
            let Some((listener, _)) = arn.split_once("/endpoint-group/") else {
                return Err((region.to_string(), format!("expected an endpoint group's ARN, found {arn:?}")));
            };
            match found {
                Some((first, other)) if other != listener => {
                    return Err((region.to_string(), format!("belongs to another listener than that of {first}")));
                }
                Some(_) => {}
                None => found = Some((region, listener)),
            }
        }
        let listener = found.map_or("", |(_, listener)| listener);
        Ok(listener.split("/listener/").next().unwrap_or_default())
    }

    fn check(&self, field: &str) -> Result<(), Error> {
        let groups = format!("{field}.endpoint_groups");
        Regions::TwoOrMore.check(&groups, self.endpoint_groups.len())?;
        for (region, arn) in &self.endpoint_groups {
            check_arn(&format!("{groups}.{region}"), arn, "globalaccelerator", "/endpoint-group/")?;
        }
        check_different(&groups, "the endpoint group", &self.endpoint_groups)?;
        self.accelerator().map(drop).map_err(|(region, problem)| Error::invalid(format!("{groups}.{region}"), problem))
    }
}

/// That it is an ARN of the service, of a resource with this in its path. Both services are global: no Region.
fn check_arn(field: &str, arn: &str, service: &str, kind: &str) -> Result<(), Error> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, found, "", account, resource]
            if *found == service
                && account.len() == 12
                && resource.contains(kind)
                && !arn.contains(char::is_whitespace) =>
        {
            Ok(())
        }
        _ => Err(Error::invalid(field, format!("expected an ARN of {service} with {kind}, found {arn:?}"))),
    }
}

/// A hosted zone's id alone: the API answers it behind a path, and people copy it so.
///
/// # Errors
/// [`Error::InvalidRequest`] that names `field`.
pub fn hosted_zone_id(field: &str, text: &str) -> Result<String, Error> {
    let id = text.strip_prefix("/hostedzone/").unwrap_or(text);
    if (1..=LONGEST_ZONE_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(id.to_owned())
    } else {
        Err(Error::invalid(field, format!("expected a hosted zone's id such as \"Z0123456789ABC\", found {text:?}")))
    }
}

/// The types of record that a failover moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum RecordType {
    /// An IPv4 address, or an alias.
    A,
    /// An IPv6 address, or an alias.
    #[serde(rename = "AAAA")]
    Aaaa,
    /// Another name.
    #[serde(rename = "CNAME")]
    Cname,
}

impl RecordType {
    /// Its name in DNS.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::contract::parse;

    fn pair() -> Value {
        json!({
            "name": "app.example.com", "type": "A",
            "set_identifiers": { "eu-central-1": "frankfurt", "eu-west-1": "ireland" },
        })
    }

    fn control(name: &str) -> String {
        format!("arn:aws:route53-recovery-control::123456789012:controlpanel/p1/routingcontrol/{name}")
    }

    fn group(listener: &str, name: &str) -> String {
        format!("arn:aws:globalaccelerator::123456789012:accelerator/a1/listener/{listener}/endpoint-group/{name}")
    }

    fn endpoints(regions: &[&str]) -> Value {
        regions.iter().map(|region| ((*region).to_owned(), json!(format!("https://{region}.example.com/v1")))).collect()
    }

    const FIVE: [&str; 5] = ["us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "ap-southeast-2"];

    /// One good entry for each strategy.
    fn every_strategy() -> Value {
        json!({
            "failover_records": { "hosted_zone_id": "Z1", "records": [pair()] },
            "weighted_records": { "hosted_zone_id": "Z1", "records": [pair()], "weight": 100 },
            "standby_object": {
                "region": "eu-west-1", "bucket": "failover-switch", "key": "trading/failed-over", "notice_seconds": 30,
            },
            "routing_control": {
                "cluster_endpoints": endpoints(&FIVE),
                "controls": { "eu-central-1": control("c1"), "eu-west-1": control("c2") },
            },
            "traffic_dial": {
                "endpoint_groups": { "eu-central-1": group("l1", "g1"), "eu-west-1": group("l1", "g2") },
            },
        })
    }

    fn read(strategy: &str, settings: &Value) -> Result<Traffic, Error> {
        let traffic: Traffic = parse(json!({ strategy: settings }))?;
        check_traffic("traffic", &traffic).map(|()| traffic)
    }

    fn good(strategy: &str) -> Traffic {
        read(strategy, &every_strategy()[strategy]).expect("a good entry")
    }

    #[test]
    fn each_strategy_is_written_as_it_is_read() {
        for (strategy, settings) in every_strategy().as_object().expect("an object") {
            let written = serde_json::to_value(good(strategy)).expect("JSON");
            assert_eq!(written, json!({ strategy: settings }));
        }
    }

    #[test]
    fn each_strategy_says_what_of_aws_it_depends_on() {
        for (strategy, expected) in [
            ("failover_records", "route53 control plane, us-east-1"),
            ("weighted_records", "route53 control plane, us-east-1"),
            ("standby_object", "s3 data plane, eu-west-1"),
            ("routing_control", "arc routing control data plane, any of 5 Regions"),
            ("traffic_dial", "global accelerator control plane, us-west-2"),
        ] {
            let planes: Vec<String> = good(strategy).control_planes().iter().map(ToString::to_string).collect();
            assert_eq!(planes, [expected], "{strategy}");
        }
    }

    #[test]
    fn of_several_regions_none_is_needed_and_of_one_that_one() {
        let needed = |strategy: &str, region: &str| {
            let region = Region::parse(region).expect("a Region");
            good(strategy).control_planes().iter().any(|plane| plane.needs(&region))
        };
        assert!(needed("failover_records", "us-east-1"));
        assert!(!needed("failover_records", "eu-west-1"));
        assert!(needed("standby_object", "eu-west-1"));
        assert!(needed("traffic_dial", "us-west-2"));
        for region in FIVE {
            assert!(!needed("routing_control", region), "{region}");
        }
    }

    #[test]
    fn what_tells_two_regions_apart_says_so() {
        let strategies = every_strategy();
        let pairs: Vec<&str> = strategies
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .filter(|strategy| good(strategy).most_regions() == Some(2))
            .collect();
        assert_eq!(pairs, ["failover_records", "standby_object"]);
    }

    #[test]
    fn an_endpoint_groups_arn_begins_with_its_accelerators() {
        let Traffic::TrafficDial(dials) = good("traffic_dial") else { panic!("dials") };
        assert_eq!(dials.accelerator(), Ok("arn:aws:globalaccelerator::123456789012:accelerator/a1"));
    }

    /// The strategy, a change of its good entry, the field that is named, and a part of the problem.
    type Case = (&'static str, fn(&mut Value), &'static str, &'static str);

    fn check(cases: &[Case]) {
        for (strategy, change, expected_field, expected_problem) in cases {
            let mut settings = every_strategy()[strategy].clone();
            change(&mut settings);
            match read(strategy, &settings) {
                Err(Error::InvalidRequest { field, problem }) => {
                    assert_eq!(field, format!("traffic.{strategy}.{expected_field}"), "{problem}");
                    assert!(problem.contains(expected_problem), "{field}: {problem}");
                }
                other => panic!("{settings} gave {other:?}"),
            }
        }
    }

    #[test]
    fn records_that_cannot_be_moved_name_the_field() {
        check(&[
            ("failover_records", |s| s["hosted_zone_id"] = json!("a.b"), "hosted_zone_id", "\"a.b\""),
            ("failover_records", |s| s["records"] = json!([]), "records", "is empty"),
            (
                "failover_records",
                |s| s["records"][0]["set_identifiers"]["us-east-1"] = json!("virginia"),
                "records[0].set_identifiers",
                "expected two Regions, a primary and a secondary one, found 3",
            ),
            ("weighted_records", |s| s["weight"] = json!(0), "weight", "1 to 255"),
            (
                "weighted_records",
                |s| s["records"][0]["set_identifiers"] = json!({ "eu-west-1": "ireland" }),
                "records[0].set_identifiers",
                "two Regions or more, found 1",
            ),
            (
                "weighted_records",
                |s| s["records"][0]["set_identifiers"]["us-east-1"] = json!("ireland"),
                "records[0].set_identifiers.us-east-1",
                "\"ireland\" is the set identifier of eu-west-1 already",
            ),
        ]);
    }

    #[test]
    fn weighted_records_may_name_more_regions_than_two() {
        let mut settings = every_strategy()["weighted_records"].clone();
        settings["records"][0]["set_identifiers"]["us-east-1"] = json!("virginia");
        read("weighted_records", &settings).expect("three Regions");
    }

    #[test]
    fn an_object_that_cannot_be_a_switch_names_the_field() {
        check(&[
            ("standby_object", |s| s["bucket"] = json!("Failover_Switch"), "bucket", "\"Failover_Switch\""),
            ("standby_object", |s| s["bucket"] = json!("ab"), "bucket", "\"ab\""),
            ("standby_object", |s| s["key"] = json!(""), "key", "1 to 1024"),
            ("standby_object", |s| s["key"] = json!("a\nb"), "key", "control characters"),
            ("standby_object", |s| s["notice_seconds"] = json!(9), "notice_seconds", "10 to 300"),
            ("standby_object", |s| s["notice_seconds"] = json!(301), "notice_seconds", "10 to 300"),
        ]);
    }

    #[test]
    fn routing_controls_that_cannot_be_flipped_name_the_field() {
        check(&[
            ("routing_control", |s| s["cluster_endpoints"] = json!({}), "cluster_endpoints", "found 0"),
            (
                "routing_control",
                |s| s["cluster_endpoints"]["sa-east-1"] = json!("https://x"),
                "cluster_endpoints",
                "found 6",
            ),
            (
                "routing_control",
                |s| s["cluster_endpoints"]["eu-west-1"] = json!("http://x"),
                "cluster_endpoints.eu-west-1",
                "https URL",
            ),
            (
                "routing_control",
                |s| s["cluster_endpoints"]["us-east-1"] = json!("https://eu-west-1.example.com/v1"),
                "cluster_endpoints.us-east-1",
                "is the endpoint of eu-west-1 already",
            ),
            ("routing_control", |s| s["controls"] = json!({ "eu-west-1": control("c1") }), "controls", "found 1"),
            (
                "routing_control",
                |s| s["controls"]["eu-west-1"] = json!("c2"),
                "controls.eu-west-1",
                "with /routingcontrol/",
            ),
            (
                "routing_control",
                |s| s["controls"]["eu-west-1"] = json!(control("c1")),
                "controls.eu-west-1",
                "is the routing control of eu-central-1 already",
            ),
            (
                "routing_control",
                |s| s["safety_rules_to_override"] = json!([control("c1")]),
                "safety_rules_to_override[0]",
                "with /safetyrule/",
            ),
        ]);
    }

    #[test]
    fn the_endpoints_of_a_local_aws_may_have_one_address() {
        let mut settings = every_strategy()["routing_control"].clone();
        settings["cluster_endpoints"] =
            FIVE.map(|region| (region.to_owned(), json!("http://127.0.0.1:4566"))).into_iter().collect();
        read("routing_control", &settings).expect("a local AWS");
    }

    #[test]
    fn dials_that_cannot_be_turned_name_the_field() {
        check(&[
            (
                "traffic_dial",
                |s| s["endpoint_groups"] = json!({ "eu-west-1": group("l1", "g1") }),
                "endpoint_groups",
                "found 1",
            ),
            (
                "traffic_dial",
                |s| s["endpoint_groups"]["eu-west-1"] = json!("g2"),
                "endpoint_groups.eu-west-1",
                "an ARN of globalaccelerator with /endpoint-group/",
            ),
            (
                "traffic_dial",
                |s| s["endpoint_groups"]["eu-west-1"] = json!(group("l2", "g2")),
                "endpoint_groups.eu-west-1",
                "another listener than that of eu-central-1",
            ),
        ]);
    }
}
