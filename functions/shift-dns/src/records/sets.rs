//! Record sets in types of our own: compared, planned with, and written to the ledger as part of an action.

use failover::contract::RecordType;
use serde::{Deserialize, Serialize};

/// A failover or weighted record set with everything it has, so that it can be deleted and created again exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    /// The name as Route 53 writes it.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// Tells the record sets of one name and type apart.
    pub set_identifier: String,
    /// What decides whether it is answered.
    pub routing: Routing,
    /// Where it points.
    pub target: Target,
    /// The health check that decides whether it is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_id: Option<String>,
}

/// What decides whether a record set is answered, besides its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// One of a failover pair.
    Failover(Role),
    /// One of several, each answered as often as its weight says, 0 to 255. With 0 it is answered only when no other one
    /// with a weight is healthy.
    /// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html>
    Weighted(i64),
}

impl Routing {
    /// Its policy alone.
    #[must_use]
    pub const fn policy(self) -> Policy {
        match self {
            Self::Failover(_) => Policy::Failover,
            Self::Weighted(_) => Policy::Weighted,
        }
    }
}

/// The routing policies that traffic is moved by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Swap the roles of a pair.
    Failover,
    /// Give one all the weight.
    Weighted,
}

impl Policy {
    /// Its name in a sentence.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Weighted => "weighted",
        }
    }

    /// The field of a request that its records stand in.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Failover => "traffic.failover_records",
            Self::Weighted => "traffic.weighted_records",
        }
    }
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
    /// One whose role or weight can be changed.
    Usable(RecordSet),
    /// Another, which is left alone.
    Unusable {
        /// Its set identifier, unless its routing policy is simple.
        set_identifier: Option<String>,
        /// Why it cannot be changed, as the end of a sentence.
        reason: String,
    },
}

impl Found {
    /// The set identifier.
    #[must_use]
    pub fn set_identifier(&self) -> Option<&str> {
        match self {
            Self::Usable(set) => Some(&set.set_identifier),
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
