//! The request of `shift-dns` (F6).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Region, RunContext, normal_dns_name};
use crate::error::Error;

/// How many records one request may move. Each costs some two calls, and Route 53 takes bursts of 50 for an account.
pub const MOST_RECORDS: usize = 50;
/// The longest set identifier.
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html>
const LONGEST_SET_IDENTIFIER: usize = 128;
/// The longest id of a hosted zone.
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
const LONGEST_ZONE_ID: usize = 32;

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

    /// What it cannot do without, and where that stands.
    #[must_use]
    pub fn depends_on(&self) -> Vec<String> {
        Vec::new()
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

    /// Checks the set identifiers: those of two Regions, and different.
    fn check_identifiers(&self, field: &str) -> Result<(), Error> {
        // Route 53 has one primary and one secondary record set for each name and type.
        // https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy-failover.html
        if self.set_identifiers.len() != 2 {
            let found = self.set_identifiers.len();
            return Err(invalid(field, format!("expected two Regions, a primary and a secondary one, found {found}")));
        }
        let mut seen: BTreeMap<&str, &Region> = BTreeMap::new();
        for (region, identifier) in &self.set_identifiers {
            let field = format!("{field}.{region}");
            if !(1..=LONGEST_SET_IDENTIFIER).contains(&identifier.chars().count()) {
                let problem = format!("expected 1 to {LONGEST_SET_IDENTIFIER} characters, found {identifier:?}");
                return Err(invalid(&field, problem));
            }
            if let Some(first) = seen.insert(identifier, region) {
                return Err(invalid(&field, format!("{identifier:?} is the set identifier of {first} already")));
            }
        }
        Ok(())
    }
}

/// Checks what the types of traffic cannot.
///
/// # Errors
/// [`Error::InvalidRequest`] that names the field, which begins with `field`.
pub fn check_traffic(field: &str, traffic: &Traffic) -> Result<(), Error> {
    match traffic {
        Traffic::FailoverRecords(zone) => {
            hosted_zone_id(&format!("{field}.failover_records.hosted_zone_id"), &zone.hosted_zone_id)?;
            check_records(&format!("{field}.failover_records.records"), &zone.records)
        }
        Traffic::WeightedRecords(_)
        | Traffic::StandbyObject(_)
        | Traffic::RoutingControl(_)
        | Traffic::TrafficDial(_) => Ok(()),
    }
}

/// Checks what the types of failover records cannot. A recovery plan's are checked before anything is done.
///
/// # Errors
/// [`Error::InvalidRequest`] that names the field, which begins with `field`.
pub fn check_records(field: &str, records: &[FailoverRecord]) -> Result<(), Error> {
    if records.is_empty() {
        return Err(invalid(field, "is empty: name at least one record to move".to_owned()));
    }
    if records.len() > MOST_RECORDS {
        return Err(invalid(field, format!("expected at most {MOST_RECORDS}, found {}", records.len())));
    }
    let mut seen = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        let at = format!("{field}[{index}]");
        let name = normal_dns_name(&record.name).map_err(|problem| invalid(&format!("{at}.name"), problem))?;
        if let Some(first) = seen.insert((name, record.record_type), index) {
            return Err(invalid(&at, format!("{} is {field}[{first}] already", record.title())));
        }
        record.check_identifiers(&format!("{at}.set_identifiers"))?;
    }
    Ok(())
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
        Err(invalid(field, format!("expected a hosted zone's id such as \"Z0123456789ABC\", found {text:?}")))
    }
}

fn invalid(field: &str, problem: String) -> Error {
    Error::InvalidRequest { field: field.to_owned(), problem }
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
