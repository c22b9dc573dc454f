//! What can be said of a request without looking at AWS. Pure.

use std::collections::BTreeMap;

use failover::contract::{FailoverRecord, RecordType, Region, RunContext, ShiftRequest};
use failover::error::Error;
use serde::Serialize;

use crate::names::normal;
use crate::records::{Role, type_name};

/// How many records one request may move. Each costs some two calls, and Route 53 takes bursts of 50 for an account.
pub const MOST_RECORDS: usize = 50;
/// The longest set identifier.
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html>
const LONGEST_SET_IDENTIFIER: usize = 128;
/// The longest id of a hosted zone.
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
const LONGEST_ZONE_ID: usize = 32;

/// A request, complete and checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shift {
    /// The failover it belongs to.
    pub run: RunContext,
    /// The Region that is to get the traffic.
    pub target_region: Region,
    /// The hosted zone's id alone.
    pub hosted_zone_id: String,
    /// The records, each once.
    pub records: Vec<WantedRecord>,
}

/// How a record is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WantedRecord {
    /// The name, in the form of [`normal`].
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// The record set that is to be primary.
    pub primary: WantedSet,
    /// The record set that is to be secondary.
    pub secondary: WantedSet,
}

/// One of a record's two record sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WantedSet {
    /// The Region it points to.
    pub region: Region,
    /// Its set identifier.
    pub set_identifier: String,
}

impl WantedRecord {
    /// Name and type, for people.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.name, type_name(self.record_type))
    }

    /// Both record sets with the roles they are to have.
    #[must_use]
    pub fn sets(&self) -> [(Role, &WantedSet); 2] {
        [(Role::Primary, &self.primary), (Role::Secondary, &self.secondary)]
    }
}

/// Fills in the target Region, brings names and the zone's id into one form, and checks what the type cannot.
///
/// # Errors
/// [`Error::InvalidRequest`] that names the field.
pub fn complete(request: ShiftRequest, default_target: &Region) -> Result<Shift, Error> {
    let target = request.target_region.unwrap_or_else(|| default_target.clone());
    let hosted_zone_id = zone_id(&request.hosted_zone_id)?;
    if request.records.is_empty() {
        return Err(invalid("records", "is empty: name at least one record to move".to_owned()));
    }
    if request.records.len() > MOST_RECORDS {
        let found = request.records.len();
        return Err(invalid(
            "records",
            format!("expected at most {MOST_RECORDS}, found {found}; use several requests"),
        ));
    }
    let mut seen = BTreeMap::new();
    let mut records = Vec::new();
    for (index, record) in request.records.iter().enumerate() {
        let wanted = wanted_record(&format!("records[{index}]"), record, &target)?;
        if let Some(first) = seen.insert((wanted.name.clone(), wanted.record_type), index) {
            let problem = format!("{} is records[{first}] already", wanted.title());
            return Err(invalid(&format!("records[{index}]"), problem));
        }
        records.push(wanted);
    }
    Ok(Shift { run: request.run, target_region: target, hosted_zone_id, records })
}

fn wanted_record(field: &str, record: &FailoverRecord, target: &Region) -> Result<WantedRecord, Error> {
    let name = normal(&record.name).map_err(|problem| invalid(&format!("{field}.name"), problem))?;
    let field = format!("{field}.set_identifiers");
    let sets = record.set_identifiers.iter();
    let (at_target, elsewhere): (Vec<WantedSet>, Vec<WantedSet>) = sets
        .map(|(region, identifier)| WantedSet { region: region.clone(), set_identifier: identifier.clone() })
        .partition(|set| set.region == *target);
    let [primary] = <[WantedSet; 1]>::try_from(at_target)
        .map_err(|_| invalid(&field, format!("has no entry for the target Region {target}")))?;
    // Route 53 has one primary and one secondary record set for each name and type.
    // https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy-failover.html
    let [secondary] = <[WantedSet; 1]>::try_from(elsewhere).map_err(|others| {
        let found = others.len();
        invalid(&field, format!("expected one Region beside {target}, for the secondary record set, found {found}"))
    })?;
    for set in [&primary, &secondary] {
        if !(1..=LONGEST_SET_IDENTIFIER).contains(&set.set_identifier.chars().count()) {
            return Err(invalid(
                &format!("{field}.{}", set.region),
                format!("expected 1 to {LONGEST_SET_IDENTIFIER} characters, found {:?}", set.set_identifier),
            ));
        }
    }
    if primary.set_identifier == secondary.set_identifier {
        return Err(invalid(
            &format!("{field}.{}", secondary.region),
            format!("{:?} is the set identifier of {target} already", secondary.set_identifier),
        ));
    }
    Ok(WantedRecord { name, record_type: record.record_type, primary, secondary })
}

/// The id alone: the API answers it behind a path, and people copy it so.
fn zone_id(text: &str) -> Result<String, Error> {
    let id = text.strip_prefix("/hostedzone/").unwrap_or(text);
    if (1..=LONGEST_ZONE_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(id.to_owned())
    } else {
        Err(invalid(
            "hosted_zone_id",
            format!("expected a hosted zone's id such as \"Z0123456789ABC\", found {text:?}"),
        ))
    }
}

/// An [`Error::InvalidRequest`].
pub(crate) fn invalid(field: &str, problem: String) -> Error {
    Error::InvalidRequest { field: field.to_owned(), problem }
}
