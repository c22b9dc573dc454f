//! Changes record sets: one action is one `ChangeResourceRecordSets`.

use aws_sdk_route53::Client;
use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, ResourceRecordSetFailover,
    RrType,
};
use failover::aws_call::{CallError, Calls, Meaning, Sent};
use failover::contract::RecordType;

use crate::plan::Action;
use crate::records::{FailoverSet, Role, Target};

/// Sends the change batch; gives the change's id.
///
/// Each record set is deleted exactly as it was seen and created with its new role. Route 53 applies a batch as a whole
/// or not at all, and deletes only what matches exactly; so this is a compare-and-set over all records of the request,
/// and an attribute this crate does not know makes the batch fail instead of being lost.
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
///
/// # Errors
/// Those of the call. `InvalidChangeBatch` means that the records are not as they were seen: look again.
pub(crate) async fn act(client: &Client, calls: &Calls, action: &Action) -> Result<Option<String>, CallError> {
    let batch = change_batch(action).map_err(|error| CallError {
        service: "route53",
        operation: "ChangeResourceRecordSets",
        code: String::new(),
        message: error.to_string(),
        meaning: Meaning::Invalid,
        sent: Sent::NotSent,
    })?;
    let request =
        client.change_resource_record_sets().hosted_zone_id(&action.hosted_zone_id).change_batch(batch).send();
    let answer = calls.call("route53", "ChangeResourceRecordSets", request).await?;
    Ok(answer.change_info.map(|info| change_id(&info.id).to_owned()))
}

/// Deletions come first, so that there are never two primary record sets in between.
fn change_batch(action: &Action) -> Result<ChangeBatch, BuildError> {
    let mut batch = ChangeBatch::builder().comment(&action.comment);
    for change in &action.changes {
        batch = batch.changes(one_change(ChangeAction::Delete, &change.expected)?);
    }
    for change in &action.changes {
        batch = batch.changes(one_change(ChangeAction::Create, &change.wanted())?);
    }
    batch.build()
}

fn one_change(action: ChangeAction, set: &FailoverSet) -> Result<Change, BuildError> {
    Change::builder().action(action).resource_record_set(record_set(set)?).build()
}

/// The record set as the API has it.
pub(crate) fn record_set(set: &FailoverSet) -> Result<ResourceRecordSet, BuildError> {
    let role = match set.role {
        Role::Primary => ResourceRecordSetFailover::Primary,
        Role::Secondary => ResourceRecordSetFailover::Secondary,
    };
    let mut builder = ResourceRecordSet::builder()
        .name(&set.name)
        .r#type(rr_type(set.record_type))
        .set_identifier(&set.set_identifier)
        .failover(role)
        .set_health_check_id(set.health_check_id.clone());
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
pub(crate) fn rr_type(record_type: RecordType) -> RrType {
    match record_type {
        RecordType::A => RrType::A,
        RecordType::Aaaa => RrType::Aaaa,
        RecordType::Cname => RrType::Cname,
    }
}

/// The id alone: the API answers it behind a path.
fn change_id(id: &str) -> &str {
    id.strip_prefix("/change/").unwrap_or(id)
}
