//! What the preflight says of records (X4). Pure.

use std::collections::BTreeSet;

use failover::contract::Finding;

use super::plan::{self, UNCHECKED, WANTED_TTL_SECONDS, health_counts, long_ttl, wanted_sets};
use super::request::RecordShift;
use super::sets::{Record, RecordSet, Target};
use crate::checks::{self, BLOCKS, Reading};

/// How many health checks are looked at: Route 53 takes five requests a second of an account.
/// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html#limits-api-requests>
pub const MOST_HEALTH_CHECKS: usize = 10;
const HEALTH_CHECK: &str = "health-check-exists";

/// Whether Route 53's control plane would be lost with a Region that is left.
#[must_use]
pub fn independent_of_the_lost_region(request: &RecordShift) -> Vec<Finding> {
    let sets = request.records.iter().flat_map(|record| &record.sets);
    let left = request.common.left(sets.map(|set| &set.region));
    checks::independent_of_the_lost_region(&request.common.depends_on, &left)
}

/// Whether each record has a set for each Region, one that can be changed.
#[must_use]
pub fn record_sets_present(request: &RecordShift, records: &[Record]) -> Vec<Finding> {
    const SETS: &str = "record-sets-present";
    let each = request.records.iter().enumerate();
    each.map(|(index, wanted)| match plan::unsuitable(request, index, records.get(index)) {
        None => Finding::ok(SETS, wanted.title(), format!("has its {} record sets", wanted.sets.len())),
        Some((reason, cure)) => Finding::blocker(SETS, wanted.title(), reason, BLOCKS, cure),
    })
    .collect()
}

/// Whether resolvers follow within the time of F6.
#[must_use]
pub fn short_ttls(request: &RecordShift, records: &[Record]) -> Vec<Finding> {
    const CHECK: &str = "record-ttl-short";
    let one = |set: &RecordSet| match (long_ttl(set), &set.target) {
        (Some(problem), _) => {
            Finding::warning(CHECK, title(set), problem, format!("set its TTL to {WANTED_TTL_SECONDS} s"))
        }
        (None, Target::Values { ttl_seconds, .. }) => Finding::ok(CHECK, title(set), format!("{ttl_seconds} s")),
        (None, Target::Alias { .. }) => Finding::ok(CHECK, title(set), "an alias has its target's"),
    };
    wanted_sets(request, records).map(|(_, set)| one(set)).collect()
}

/// Whether each record's health decides if it is answered: each one gets the traffic at some time.
#[must_use]
pub fn health_decides(request: &RecordShift, records: &[Record]) -> Vec<Finding> {
    const CHECK: &str = "record-health-decides";
    let one = |set: &RecordSet| {
        if health_counts(set) {
            return Finding::ok(CHECK, title(set), "stops being answered when it is unhealthy");
        }
        let cure = "attach a health check, or for an alias evaluate its target's health";
        Finding::warning(CHECK, title(set), UNCHECKED, cure)
    };
    wanted_sets(request, records).map(|(_, set)| one(set)).collect()
}

/// The health checks of the records, each once.
#[must_use]
pub fn health_check_ids<'a>(request: &'a RecordShift, records: &'a [Record]) -> Vec<&'a str> {
    let ids: BTreeSet<&str> =
        wanted_sets(request, records).filter_map(|(_, set)| set.health_check_id.as_deref()).collect();
    ids.into_iter().collect()
}

/// Whether a health check is there. Route 53 creates no record with one that is not, so none could be moved.
#[must_use]
pub fn health_check_exists(id: &str, found: &Reading<()>) -> Finding {
    let cure = "create the health check and name it in the record, or take it out of the record";
    found.finding(HEALTH_CHECK, id, cure, |()| Finding::ok(HEALTH_CHECK, id, "exists"))
}

/// That some health checks were not looked at.
#[must_use]
pub fn health_checks_left_out(looked_at: usize, found: usize) -> Option<Finding> {
    let left_out = found.checked_sub(looked_at).filter(|left_out| *left_out > 0)?;
    let message = format!("{left_out} of {found} were not looked at");
    Some(Finding::unknown(HEALTH_CHECK, "further health checks", message, "look at them in Route 53"))
}

fn title(set: &RecordSet) -> String {
    format!("{} {} ({})", set.name, set.record_type.as_str(), set.set_identifier)
}

#[cfg(test)]
mod tests {
    use failover::contract::Severity;

    use super::*;

    #[test]
    fn health_checks_that_were_not_looked_at_are_counted() {
        assert_eq!(health_checks_left_out(2, 2), None);
        let finding = health_checks_left_out(10, 12).expect("two left out");
        assert_eq!((finding.severity, finding.message.as_str()), (Severity::Unknown, "2 of 12 were not looked at"));
    }
}
