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

/// Make the target Region's failover records the primary ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftRequest {
    /// The failover this belongs to.
    #[serde(default)]
    pub run: RunContext,
    /// The Region that is to get the traffic. Left out, `DR_REGION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_region: Option<Region>,
    /// The Route 53 hosted zone.
    pub hosted_zone_id: String,
    /// The failover record pairs to swap, all in one change batch.
    pub records: Vec<FailoverRecord>,
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
