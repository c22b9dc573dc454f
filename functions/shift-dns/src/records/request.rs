//! What can be said of a request about records without looking at AWS. Pure.

use failover::contract::{self, FailoverRecord, FailoverRecords, RecordType, Region, WeightedRecords};
use failover::error::Error;
use serde::{Deserialize, Serialize};

use super::sets::{Policy, Role, Routing};
use crate::request::{Common, no_entry};

/// A request, complete and checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordShift {
    /// What every way is asked.
    #[serde(flatten)]
    pub common: Common,
    /// By which routing policy the traffic is moved.
    pub policy: Policy,
    /// The hosted zone's id alone.
    pub hosted_zone_id: String,
    /// The records, each once.
    pub records: Vec<WantedRecord>,
}

/// How a record is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedRecord {
    /// The name, in the form of [`contract::normal_dns_name`].
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// The record sets, that of the target Region first.
    pub sets: Vec<WantedSet>,
}

/// How one of a record's record sets is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedSet {
    /// The Region it points to.
    pub region: Region,
    /// Its set identifier.
    pub set_identifier: String,
    /// What it is to have.
    pub routing: Routing,
}

impl WantedRecord {
    /// Name and type, for people.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.record_type.as_str())
    }
}

impl RecordShift {
    /// Pairs of failover records, of which the target Region's is to be primary.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] that names the field.
    pub fn failover(common: Common, zone: &FailoverRecords) -> Result<Self, Error> {
        let (primary, secondary) = (Routing::Failover(Role::Primary), Routing::Failover(Role::Secondary));
        Self::new(common, Policy::Failover, &zone.hosted_zone_id, &zone.records, primary, secondary)
    }

    /// Weighted records, of which the target Region's is to have all the weight.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] that names the field.
    pub fn weighted(common: Common, zone: &WeightedRecords) -> Result<Self, Error> {
        let (all, none) = (Routing::Weighted(zone.weight.into()), Routing::Weighted(0));
        Self::new(common, Policy::Weighted, &zone.hosted_zone_id, &zone.records, all, none)
    }

    /// Brings names and the zone's id into one form.
    fn new(
        common: Common,
        policy: Policy,
        zone: &str,
        records: &[FailoverRecord],
        target: Routing,
        others: Routing,
    ) -> Result<Self, Error> {
        let hosted_zone_id = contract::hosted_zone_id(&format!("{}.hosted_zone_id", policy.field()), zone)?;
        let mut wanted = Vec::new();
        for (index, record) in records.iter().enumerate() {
            let field = format!("{}.records[{index}]", policy.field());
            let name = contract::normal_dns_name(&record.name);
            let name = name.map_err(|problem| Error::invalid(format!("{field}.name"), problem))?;
            if !record.set_identifiers.contains_key(&common.target_region) {
                return Err(no_entry(&format!("{field}.set_identifiers"), &common.target_region));
            }
            let set = |(region, identifier): (&Region, &String)| WantedSet {
                region: region.clone(),
                set_identifier: identifier.clone(),
                routing: if *region == common.target_region { target } else { others },
            };
            let mut sets: Vec<WantedSet> = record.set_identifiers.iter().map(set).collect();
            sets.sort_by_key(|set| set.region != common.target_region);
            wanted.push(WantedRecord { name, record_type: record.record_type, sets });
        }
        Ok(Self { common, policy, hosted_zone_id, records: wanted })
    }

    /// The field of one of its records.
    #[must_use]
    pub fn record_field(&self, index: usize) -> String {
        format!("{}.records[{index}]", self.policy.field())
    }
}
