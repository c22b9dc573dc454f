//! Where the workload stands: database, services, traffic.

use super::{Check, listed};
use crate::stage::Evidence;
use crate::staging::{FULL_WEIGHT, Traffic};
use crate::state::RecordSet;
use crate::world::{BYSTANDER_SERVICE, FULL_COUNT, Site, WORKLOAD_SERVICES};

/// The database's one writer stands at `site`, by DescribeGlobalClusters.
#[must_use]
pub fn writer_at(evidence: &Evidence, site: Site) -> Check {
    let claim = format!("Aurora's only writer is the cluster in {site}");
    let passed = evidence.after.writes_at(site, &evidence.account_id);
    Check::new(claim, passed, listed(evidence.after.writers().map(|arn| short_arn(arn).to_owned())))
}

/// The workload's services run their tasks at `site`, by DescribeServices.
#[must_use]
pub fn services_run_at(evidence: &Evidence, site: Site) -> Check {
    let claim = format!("each service runs {FULL_COUNT} tasks in {site}");
    let found = WORKLOAD_SERVICES.map(|service| match evidence.after.services.get(&site.service_key(service)) {
        Some(count) => format!("{service} {} of {}", count.running, count.desired),
        None => format!("{service} is missing"),
    });
    let exact = WORKLOAD_SERVICES.iter().all(|service| {
        let count = evidence.after.services.get(&site.service_key(service));
        count.is_some_and(|count| count.running == FULL_COUNT && count.desired == FULL_COUNT)
    });
    Check::new(claim, exact, listed(found))
}

/// Automatic scaling at `site` can't undo the scaling.
#[must_use]
pub fn minimum_raised_at(evidence: &Evidence, site: Site) -> Check {
    let claim = format!("automatic scaling keeps at least {FULL_COUNT} tasks in {site}");
    let limits = |service: &str| evidence.after.limits.get(&site.service_key(service));
    let passed = WORKLOAD_SERVICES
        .iter()
        .all(|service| limits(service).is_some_and(|limits| limits.min == FULL_COUNT && limits.max >= FULL_COUNT))
        && WORKLOAD_SERVICES.iter().all(|service| limits(service).is_some_and(|limits| !limits.suspended));
    let found = WORKLOAD_SERVICES.map(|service| match limits(service) {
        Some(limits) if limits.suspended => format!("{service} {} to {}, suspended", limits.min, limits.max),
        Some(limits) => format!("{service} {} to {}", limits.min, limits.max),
        None => format!("{service} is not registered"),
    });
    Check::new(claim, passed, listed(found))
}

/// No failover may take tasks away, but where it fences: what every other Region ran before still runs.
#[must_use]
pub fn nothing_scaled_down(evidence: &Evidence, fenced: Option<Site>) -> Check {
    let is_fenced =
        |key: &str| fenced.is_some_and(|site| WORKLOAD_SERVICES.iter().any(|service| site.service_key(service) == key));
    let fewer = evidence.before.services.iter().filter(|(key, _)| !is_fenced(key)).filter_map(|(key, before)| {
        let after = evidence.after.services.get(key).copied().unwrap_or_default();
        (after.desired < before.desired).then(|| format!("{key} from {} to {}", before.desired, after.desired))
    });
    let fewer: Vec<String> = fewer.collect();
    Check::new("no service has fewer tasks than before", fewer.is_empty(), listed(fewer))
}

/// Services beside the workload have the tasks and the limits they had.
#[must_use]
pub fn other_services_untouched(evidence: &Evidence) -> Check {
    let (before, after) = (&evidence.before, &evidence.after);
    let keys = evidence.sites.iter().map(|site| site.service_key(BYSTANDER_SERVICE));
    let changed = keys.filter(|key| {
        before.services.get(key) != after.services.get(key) || before.limits.get(key) != after.limits.get(key)
    });
    let changed: Vec<String> = changed.collect();
    Check::new("all other services are as they were", changed.is_empty(), listed(changed))
}

/// Everything that sends clients to a Region sends them to `site`.
#[must_use]
pub fn traffic_at(evidence: &Evidence, site: Site) -> Vec<Check> {
    let each = evidence.traffic.iter().map(|way| match way {
        Traffic::FailoverRecords | Traffic::WeightedRecords => records_point_to(evidence, *way, site),
        Traffic::StandbyObject => {
            let there = evidence.after.standby_object;
            let (claim, found) = (format!("the standby object sends the traffic to {site}"), presence(there));
            Check::new(claim, evidence.after.traffic_goes_to(*way, site), found)
        }
        Traffic::RoutingControl => {
            let on = evidence.after.routing_controls.iter().filter(|(_, is_on)| **is_on);
            let found = listed(on.map(|(control, _)| control.to_string()));
            let claim = format!("of the routing controls only that of {site} is on");
            Check::new(claim, evidence.after.traffic_goes_to(*way, site), found)
        }
    });
    each.collect()
}

fn presence(there: bool) -> &'static str {
    if there { "it is there" } else { "it is not there" }
}

/// Every record that a failover moves points to `site` and is otherwise what it was, by ListResourceRecordSets.
fn records_point_to(evidence: &Evidence, way: Traffic, site: Site) -> Check {
    let moved = |records: &[RecordSet]| -> Vec<RecordSet> {
        records.iter().filter(|record| record.role.is_some()).cloned().collect()
    };
    let role = |is_ours: bool| match (way, is_ours) {
        (Traffic::WeightedRecords, true) => FULL_WEIGHT.to_string(),
        (Traffic::WeightedRecords, false) => "0".to_owned(),
        (Traffic::FailoverRecords | Traffic::StandbyObject | Traffic::RoutingControl, true) => "PRIMARY".to_owned(),
        (Traffic::FailoverRecords | Traffic::StandbyObject | Traffic::RoutingControl, false) => "SECONDARY".to_owned(),
    };
    let expected: Vec<RecordSet> = moved(&evidence.before.records)
        .into_iter()
        .map(|record| {
            let is_ours = record.set_identifier.as_deref() == Some(site.set_identifier());
            RecordSet { role: Some(role(is_ours)), ..record }
        })
        .collect();
    let found = moved(&evidence.after.records);
    let claim = format!("all records of the workload point to {site}, otherwise unchanged");
    let passed = !found.is_empty() && same_records(&expected, &found);
    let wrong = found.iter().filter(|record| !expected.contains(record)).map(describe_record);
    let found = if passed { format!("{} records", found.len()) } else { listed(wrong) };
    Check::new(claim, passed, found)
}

/// Every record that this failover does not move is what it was.
#[must_use]
pub fn other_records_untouched(evidence: &Evidence) -> Check {
    let by_records = |way: &Traffic| matches!(way, Traffic::FailoverRecords | Traffic::WeightedRecords);
    let moves_records = evidence.traffic.iter().any(by_records);
    let is_moved = |record: &RecordSet| moves_records && record.role.is_some();
    let others = |records: &[RecordSet]| -> Vec<RecordSet> {
        records.iter().filter(|record| !is_moved(record)).cloned().collect()
    };
    let (before, after) = (others(&evidence.before.records), others(&evidence.after.records));
    let changed = before.iter().filter(|record| !after.contains(record)).map(describe_record);
    let passed = same_records(&before, &after);
    let found = if passed { format!("{} records", after.len()) } else { listed(changed) };
    Check::new("all other records are as they were", passed, found)
}

/// The endpoint at `site` answers the drill's own request.
#[must_use]
pub fn endpoint_answers(evidence: &Evidence, site: Site) -> Check {
    let answers = evidence.endpoint_answers.get(&site).copied().unwrap_or_default();
    let found = if answers { "200" } else { "no success" };
    Check::new(format!("the endpoint in {site} answers"), answers, found)
}

/// What stands at `site` is as it was, but for the records' roles and the database's writer.
#[must_use]
pub fn site_unchanged(evidence: &Evidence, site: Site) -> Check {
    let (before, after) = (&evidence.before, &evidence.after);
    let here = |key: &&String| key.starts_with(site.region());
    let changed = before.services.keys().filter(here).filter(|key| {
        before.services.get(*key) != after.services.get(*key) || before.limits.get(*key) != after.limits.get(*key)
    });
    let mut changed: Vec<String> = changed.cloned().collect();
    if before.security_groups.get(&site) != after.security_groups.get(&site) {
        changed.push("security groups".to_owned());
    }
    let passed = changed.is_empty() && before.services.keys().any(|key| here(&key));
    Check::new(format!("services and security groups in {site} are as they were"), passed, listed(changed))
}

/// Nothing at all is different from before.
#[must_use]
pub fn world_unchanged(evidence: &Evidence) -> Check {
    let (before, after) = (&evidence.before, &evidence.after);
    let mut changed = Vec::new();
    let parts = [
        ("database", before.members != after.members),
        ("security groups", before.security_groups != after.security_groups),
        ("services", before.services != after.services),
        ("scaling limits", before.limits != after.limits),
        ("records", before.records != after.records),
        ("standby object", before.standby_object != after.standby_object),
        ("routing controls", before.routing_controls != after.routing_controls),
    ];
    changed.extend(parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part.to_owned()));
    Check::new("database, services and traffic are as they were", changed.is_empty(), listed(changed))
}

fn same_records(expected: &[RecordSet], found: &[RecordSet]) -> bool {
    expected.len() == found.len() && expected.iter().all(|record| found.contains(record))
}

fn describe_record(record: &RecordSet) -> String {
    let role = record.role.as_deref().unwrap_or("plain");
    let set = record.set_identifier.as_deref().unwrap_or("-");
    format!("{} {} {set} {role}: {}", record.name, record.record_type, record.content)
}

/// The part of a cluster's ARN that tells the Regions apart.
fn short_arn(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}
