//! Record sets in types of our own: compared, planned with, and written to the ledger as part of an action.

use failover::contract::RecordType;
use serde::{Deserialize, Serialize};

/// A failover record set with everything it has, so that it can be deleted and created again exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverSet {
    /// The name as Route 53 writes it.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// Tells the two record sets of one name and type apart.
    pub set_identifier: String,
    /// Whether it is the primary one.
    pub role: Role,
    /// Where it points.
    pub target: Target,
    /// The health check that decides whether it is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_id: Option<String>,
}

/// A failover record set's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    /// Answered while it is healthy.
    Primary,
    /// Answered otherwise.
    Secondary,
}

/// Where a record set points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// To another AWS resource.
    Alias {
        /// The hosted zone that the resource's name is in.
        hosted_zone_id: String,
        /// The resource's name.
        dns_name: String,
        /// Whether the resource's health decides whether it is answered.
        evaluate_target_health: bool,
    },
    /// To values.
    Values {
        /// How long resolvers keep them, in seconds.
        ttl_seconds: i64,
        /// The values.
        values: Vec<String>,
    },
}

/// A record set of a wanted name and type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// One whose role can be changed.
    Failover(FailoverSet),
    /// Another, which is left alone.
    Unusable {
        /// Its set identifier, unless its routing policy is simple.
        set_identifier: Option<String>,
        /// Why its role cannot be changed, as the end of a sentence.
        reason: String,
    },
}

impl Found {
    /// The set identifier.
    #[must_use]
    pub fn set_identifier(&self) -> Option<&str> {
        match self {
            Self::Failover(set) => Some(&set.set_identifier),
            Self::Unusable { set_identifier, .. } => set_identifier.as_deref(),
        }
    }
}

/// All record sets of one name and type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The name, in the form of [`failover::contract::normal_dns_name`].
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// The record sets.
    pub found: Vec<Found>,
}
