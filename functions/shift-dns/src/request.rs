//! What can be said of a request without looking at AWS. Pure.

use failover::contract::{self, FailoverRecord, RecordType, Region, RunContext, ShiftRequest, Traffic};
use failover::error::Error;
use serde::Serialize;

use crate::records::Role;

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
    /// The name, in the form of [`contract::normal_dns_name`].
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
        format!("{} {}", self.name, self.record_type.as_str())
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
    contract::check_traffic("traffic", &request.traffic)?;
    let Traffic::FailoverRecords(zone) = &request.traffic else {
        return Err(invalid("traffic", "is not supported".to_owned()));
    };
    let hosted_zone_id = contract::hosted_zone_id("hosted_zone_id", &zone.hosted_zone_id)?;
    let records = zone.records.iter().enumerate();
    let records = records.map(|(index, record)| wanted_record(&format!("records[{index}]"), record, &target));
    let records = records.collect::<Result<_, _>>()?;
    Ok(Shift { run: request.run, target_region: target, hosted_zone_id, records })
}

fn wanted_record(field: &str, record: &FailoverRecord, target: &Region) -> Result<WantedRecord, Error> {
    let name = contract::normal_dns_name(&record.name).map_err(|problem| invalid(&format!("{field}.name"), problem))?;
    let identifiers = &record.set_identifiers;
    let elsewhere = identifiers.iter().find(|(region, _)| *region != target);
    let (Some(primary), Some((other, secondary))) = (identifiers.get(target), elsewhere) else {
        let problem = format!("has no entry for the target Region {target}");
        return Err(invalid(&format!("{field}.set_identifiers"), problem));
    };
    Ok(WantedRecord {
        name,
        record_type: record.record_type,
        primary: WantedSet { region: target.clone(), set_identifier: primary.clone() },
        secondary: WantedSet { region: other.clone(), set_identifier: secondary.clone() },
    })
}

/// An [`Error::InvalidRequest`].
pub(crate) fn invalid(field: &str, problem: String) -> Error {
    Error::InvalidRequest { field: field.to_owned(), problem }
}
