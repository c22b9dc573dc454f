//! Calls to Route 53, as `shift-dns` makes them.

use aws_sdk_route53::Client;
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, ResourceRecordSetFailover,
    RrType,
};
use failover::aws_call::CallError;
use serde_json::{Value, json};
use simulation::aws::route53::{Action, Edit, RecordSet, Routing, Target};

use crate::sides::{Side, lock};

/// Route 53's control plane.
pub(crate) const CONTROL_PLANE: &str = "us-east-1";

/// A call. Zones, records and health checks by their names in the simulation.
#[derive(Debug)]
pub(crate) enum Call {
    /// From a name and type on.
    ListResourceRecordSets {
        zone: &'static str,
        name: &'static str,
        kind: &'static str,
    },
    ChangeResourceRecordSets {
        zone: &'static str,
        edits: Vec<Edit>,
    },
    /// Of the newest change that was accepted.
    GetNewestChange,
    GetChange {
        id: &'static str,
    },
    TestDnsAnswer {
        zone: &'static str,
        name: &'static str,
        kind: &'static str,
    },
    GetHealthCheck {
        id: &'static str,
    },
}

impl Call {
    pub(crate) async fn ask(&self, side: &Side) -> Result<Value, CallError> {
        let (client, calls) = (Client::new(&side.config(CONTROL_PLANE)), &side.tools.calls);
        match self {
            Self::ListResourceRecordSets { zone, name, kind } => {
                let read = client
                    .list_resource_record_sets()
                    .hosted_zone_id(side.own(zone))
                    .start_record_name(*name)
                    .start_record_type(RrType::from(*kind))
                    .max_items(100);
                let answer = calls.call("route53", "ListResourceRecordSets", read.send()).await?;
                let sets = answer.resource_record_sets();
                Ok(json!({ "sets": sets.iter().map(listed).collect::<Value>(), "more": answer.is_truncated() }))
            }
            Self::ChangeResourceRecordSets { zone, edits } => {
                let change = client.change_resource_record_sets().hosted_zone_id(side.own(zone));
                let change = change.change_batch(batch(side, edits)).send();
                let answer = calls.call("route53", "ChangeResourceRecordSets", change).await?;
                let info = answer.change_info();
                let id = info.map(|info| info.id().to_owned());
                let is_path = id.as_ref().is_some_and(|id| id.starts_with("/change/"));
                *lock(&side.newest_change) = id;
                Ok(json!({ "id_is_a_path": is_path, "status": info.map(|info| info.status().as_str().to_owned()) }))
            }
            Self::GetNewestChange => {
                let id = lock(&side.newest_change).clone().expect("a change was accepted");
                get_change(side, &client, id.trim_start_matches("/change/")).await
            }
            Self::GetChange { id } => get_change(side, &client, id).await,
            Self::TestDnsAnswer { zone, name, kind } => {
                let question = client
                    .test_dns_answer()
                    .hosted_zone_id(side.own(zone))
                    .record_name(*name)
                    .record_type(RrType::from(*kind));
                let answer = calls.call("route53", "TestDNSAnswer", question.send()).await?;
                Ok(json!({ "code": answer.response_code(), "values": answer.record_data() }))
            }
            Self::GetHealthCheck { id } => {
                let read = client.get_health_check().health_check_id(side.own(id)).send();
                calls.call("route53", "GetHealthCheck", read).await.map(|_| Value::Null)
            }
        }
    }
}

async fn get_change(side: &Side, client: &Client, id: &str) -> Result<Value, CallError> {
    let answer = side.tools.calls.call("route53", "GetChange", client.get_change().id(id).send()).await?;
    Ok(json!({ "status": answer.change_info().map(|info| info.status().as_str().to_owned()) }))
}

fn batch(side: &Side, edits: &[Edit]) -> ChangeBatch {
    let mut batch = ChangeBatch::builder().comment("compared");
    for edit in edits {
        let action = match edit.action {
            Action::Create => ChangeAction::Create,
            Action::Delete => ChangeAction::Delete,
        };
        let set = record_set(&edit.set, |check| side.own(check));
        batch = batch.changes(Change::builder().action(action).resource_record_set(set).build().expect("complete"));
    }
    batch.build().expect("some changes")
}

/// A record set as the API has it, with this name for its health check.
pub(crate) fn record_set(set: &RecordSet, check: impl Fn(&str) -> String) -> ResourceRecordSet {
    let builder = ResourceRecordSet::builder()
        .name(&set.name)
        .r#type(RrType::from(set.record_type.as_str()))
        .set_set_identifier(set.set_identifier.clone())
        .set_health_check_id(set.health_check.as_deref().map(check));
    let builder = match set.routing {
        Routing::Simple => builder,
        Routing::Primary => builder.failover(ResourceRecordSetFailover::Primary),
        Routing::Secondary => builder.failover(ResourceRecordSetFailover::Secondary),
        Routing::Weighted(weight) => builder.weight(weight.into()),
    };
    let builder = match &set.target {
        Target::Alias { zone, name, evaluate_health } => {
            let alias = AliasTarget::builder().hosted_zone_id(zone).dns_name(name);
            builder.alias_target(alias.evaluate_target_health(*evaluate_health).build().expect("complete"))
        }
        Target::Values { ttl, values } => {
            let records = values.iter().map(|value| ResourceRecord::builder().value(value).build().expect("complete"));
            builder.ttl((*ttl).into()).set_resource_records(Some(records.collect()))
        }
    };
    builder.build().expect("complete")
}

fn listed(set: &ResourceRecordSet) -> Value {
    let values: Vec<&str> = set.resource_records().iter().map(ResourceRecord::value).collect();
    json!({
        "name": set.name(),
        "type": set.r#type().as_str(),
        "identifier": set.set_identifier(),
        "failover": set.failover().map(|role| role.as_str().to_owned()),
        "weight": set.weight(),
        "ttl": set.ttl(),
        "values": values,
        "alias": set.alias_target().map(|alias| json!({
            "zone": alias.hosted_zone_id(),
            "name": alias.dns_name(),
            "evaluates_health": alias.evaluate_target_health(),
        })),
        "health_check": set.health_check_id(),
    })
}
