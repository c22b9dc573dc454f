//! Record sets between the API's types and our own.

use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types::{AliasTarget, ResourceRecord, ResourceRecordSet, ResourceRecordSetFailover, RrType};
use failover::contract::RecordType;

use super::sets::{Found, Policy, RecordSet, Role, Routing, Target};

/// The record set as the API has it.
pub(super) fn record_set(set: &RecordSet) -> Result<ResourceRecordSet, BuildError> {
    let mut builder = ResourceRecordSet::builder()
        .name(&set.name)
        .r#type(rr_type(set.record_type))
        .set_identifier(&set.set_identifier)
        .set_health_check_id(set.health_check_id.clone());
    builder = match set.routing {
        Routing::Failover(Role::Primary) => builder.failover(ResourceRecordSetFailover::Primary),
        Routing::Failover(Role::Secondary) => builder.failover(ResourceRecordSetFailover::Secondary),
        Routing::Weighted(weight) => builder.weight(weight),
    };
    match &set.target {
        Target::Alias { hosted_zone_id, dns_name, evaluate_target_health } => {
            let target = AliasTarget::builder()
                .hosted_zone_id(hosted_zone_id)
                .dns_name(dns_name)
                .evaluate_target_health(*evaluate_target_health)
                .build()?;
            builder = builder.alias_target(target);
        }
        Target::Values { ttl_seconds, values } => {
            builder = builder.ttl(*ttl_seconds);
            for value in values {
                builder = builder.resource_records(ResourceRecord::builder().value(value).build()?);
            }
        }
    }
    builder.build()
}

/// The type as the API has it.
pub(super) fn rr_type(record_type: RecordType) -> RrType {
    match record_type {
        RecordType::A => RrType::A,
        RecordType::Aaaa => RrType::Aaaa,
        RecordType::Cname => RrType::Cname,
    }
}

/// A listed record set, as one that can be changed under this policy or another one.
pub(super) fn found(set: &ResourceRecordSet, record_type: RecordType, policy: Policy) -> Found {
    match usable_set(set, record_type, policy) {
        Ok(own) => Found::Usable(own),
        Err(reason) => Found::Unusable { set_identifier: set.set_identifier.clone(), reason },
    }
}

/// The record set in our own type, or why it cannot be, as the end of a sentence.
fn usable_set(set: &ResourceRecordSet, record_type: RecordType, policy: Policy) -> Result<RecordSet, String> {
    let routing = match (policy, &set.failover, set.weight) {
        (Policy::Failover, Some(ResourceRecordSetFailover::Primary), _) => Routing::Failover(Role::Primary),
        (Policy::Failover, Some(ResourceRecordSetFailover::Secondary), _) => Routing::Failover(Role::Secondary),
        (Policy::Failover, Some(_), _) => {
            return Err("has a failover role that this version does not know".to_owned());
        }
        (Policy::Weighted, _, Some(weight)) => Routing::Weighted(weight),
        (Policy::Failover, None, _) | (Policy::Weighted, _, None) => {
            return Err(format!("has {} routing, not {}", routing_of(set), policy.as_str()));
        }
    };
    if set.traffic_policy_instance_id.is_some() {
        return Err("belongs to a traffic policy, which would undo the change".to_owned());
    }
    let target = match (&set.alias_target, set.ttl) {
        (Some(alias), None) => Target::Alias {
            hosted_zone_id: alias.hosted_zone_id.clone(),
            dns_name: alias.dns_name.clone(),
            evaluate_target_health: alias.evaluate_target_health,
        },
        (None, Some(ttl_seconds)) => Target::Values {
            ttl_seconds,
            values: set.resource_records().iter().map(|record| record.value.clone()).collect(),
        },
        (Some(_), Some(_)) | (None, None) => return Err("is neither an alias nor values with a TTL".to_owned()),
    };
    let own = RecordSet {
        name: set.name.clone(),
        record_type,
        set_identifier: set.set_identifier.clone().unwrap_or_default(),
        routing,
        target,
        health_check_id: set.health_check_id.clone(),
    };
    // Whatever our type does not hold would be lost when the record set is created again.
    match record_set(&own) {
        Ok(same) if same == *set => Ok(own),
        Ok(_) | Err(_) => Err("has attributes that this version does not know and would lose".to_owned()),
    }
}

fn routing_of(set: &ResourceRecordSet) -> &'static str {
    if set.failover.is_some() {
        "failover"
    } else if set.weight.is_some() {
        "weighted"
    } else if set.region.is_some() {
        "latency"
    } else if set.geo_location.is_some() {
        "geolocation"
    } else if set.geo_proximity_location.is_some() {
        "geoproximity"
    } else if set.multi_value_answer.is_some() {
        "multivalue answer"
    } else if set.cidr_routing_config.is_some() {
        "IP-based"
    } else {
        "simple"
    }
}
