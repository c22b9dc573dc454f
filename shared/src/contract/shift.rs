//! The request of `shift-dns` (F6).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Region, RunContext};

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
