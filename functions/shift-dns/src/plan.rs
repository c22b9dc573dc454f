//! Decides what to do about failover records (F6). Pure: no clock, no AWS.

use std::time::Duration;

use failover::contract::{RecordType, Timestamp};
use failover::step::Plan;
use serde::{Deserialize, Serialize};

use crate::records::{FailoverSet, Found, Record, Role, Target};
use crate::request::{Shift, WantedRecord, WantedSet};

/// The time between two looks at a change that is pending.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long a change takes to reach all of Route 53's name servers, when it can't be asked after: "within 60 seconds".
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
pub const PROPAGATION_TIME: Duration = Duration::from_secs(60);
/// The TTL of F6, in seconds: with a longer one resolvers keep sending clients to the lost Region.
pub const WANTED_TTL_SECONDS: i64 = 60;
/// How many values one change batch may hold.
/// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html#limits-api-requests>
pub const MOST_VALUES: usize = 1_000;
/// How many characters the values of one change batch may have, all together. Same source.
pub const MOST_VALUE_CHARACTERS: usize = 32_000;

/// One change batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The zone.
    pub hosted_zone_id: String,
    /// What stands beside the change in CloudTrail.
    pub comment: String,
    /// The record sets whose role changes.
    pub changes: Vec<RoleChange>,
}

/// A record set gets another role, and nothing else of it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleChange {
    /// The record set that has to be there, exactly.
    pub expected: FailoverSet,
    /// Its role afterwards.
    pub role: Role,
}

impl RoleChange {
    /// The record set afterwards.
    #[must_use]
    pub fn wanted(&self) -> FailoverSet {
        FailoverSet { role: self.role, ..self.expected.clone() }
    }
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The change this operation made last.
    pub change: Option<Change>,
    /// The records, in the request's order. Not read while the change is pending.
    pub records: Option<Vec<Record>>,
    /// What Route 53 answers for the records; asked once the outcome is there.
    pub answers: Vec<Answer>,
    /// What an operator should know, but does not stand in the way.
    pub warnings: Vec<String>,
}

/// A change that was sent, or at least decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When it was written down, just before it was sent.
    pub at: Timestamp,
    /// Its id in Route 53, unless it was lost.
    pub id: Option<String>,
    /// How far it has come.
    pub progress: Progress,
}

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Not yet on all name servers.
    Pending,
    /// On all of them.
    InSync,
    /// It cannot be asked after: its id was lost with an invocation, or Route 53 does not know it any more, as after its
    /// control plane moved to another Region. It may never have been made.
    /// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/accelerated-recovery.html>
    Unknown,
}

/// What Route 53 answers for a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The record's name.
    pub name: String,
    /// The record's type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// The DNS response code, `NOERROR` when all is well.
    pub response_code: String,
    /// The values.
    pub values: Vec<String>,
}

/// Decides.
#[must_use]
pub fn plan(request: &Shift, seen: &Observation, now: Timestamp) -> Plan<Action> {
    let Some(records) = &seen.records else {
        return wait_for(seen.change.as_ref());
    };
    match role_changes(request, records) {
        Err(Unsuitable { reason, cure }) => Plan::Refuse { reason, cure },
        Ok(changes) if changes.is_empty() => settled(request, seen.change.as_ref(), now),
        Ok(changes) => act(request, changes),
    }
}

/// The record sets that are to change their roles; none when all is as wanted.
fn role_changes(request: &Shift, records: &[Record]) -> Result<Vec<RoleChange>, Unsuitable> {
    let mut changes = Vec::new();
    for (index, wanted) in request.records.iter().enumerate() {
        for (role, set) in wanted.sets() {
            let set = find(index, wanted, set, records.get(index))?;
            if set.role != role {
                changes.push(RoleChange { expected: set.clone(), role });
            }
        }
    }
    Ok(changes)
}

/// Why a record cannot be moved.
struct Unsuitable {
    reason: String,
    cure: String,
}

fn find<'a>(
    index: usize,
    wanted: &WantedRecord,
    set: &WantedSet,
    record: Option<&'a Record>,
) -> Result<&'a FailoverSet, Unsuitable> {
    let title = wanted.title();
    let found = record.map_or_else(Default::default, |record| record.found.as_slice());
    if found.is_empty() {
        return Err(Unsuitable {
            reason: format!("records[{index}].name: the hosted zone has no record {title}"),
            cure: "create its primary and its secondary record set, or correct the name, type or zone".to_owned(),
        });
    }
    let field = format!("records[{index}].set_identifiers.{}", set.region);
    let identifier = &set.set_identifier;
    match found.iter().find(|found| found.set_identifier() == Some(identifier)) {
        Some(Found::Failover(set)) => Ok(set),
        Some(Found::Unusable { reason, .. }) => {
            Err(unusable(&field, &format!("record set {identifier:?} of {title}"), reason))
        }
        None => match found {
            // With a simple routing policy there is just this one, and it has no identifier to ask for.
            [Found::Unusable { set_identifier: None, reason }] => Err(unusable(&field, &title, reason)),
            _ => Err(Unsuitable {
                reason: format!("{field}: {title} has no record set {identifier:?}, only {}", identifiers(found)),
                cure: "create the record set, or correct the set identifier".to_owned(),
            }),
        },
    }
}

fn unusable(field: &str, what: &str, reason: &str) -> Unsuitable {
    Unsuitable {
        reason: format!("{field}: {what} {reason}"),
        cure: "make it a failover record set, or take the record out of the request".to_owned(),
    }
}

fn identifiers(found: &[Found]) -> String {
    let quoted: Vec<String> =
        found.iter().filter_map(Found::set_identifier).map(|identifier| format!("{identifier:?}")).collect();
    quoted.join(" and ")
}

fn act(request: &Shift, changes: Vec<RoleChange>) -> Plan<Action> {
    // Each set counts twice: it is deleted and created. Sizes of aliases are not documented; they count as one value.
    let values = 2 * changes.iter().map(|change| value_count(&change.expected)).sum::<usize>();
    let characters = 2 * changes.iter().map(|change| value_characters(&change.expected)).sum::<usize>();
    if values > MOST_VALUES || characters > MOST_VALUE_CHARACTERS {
        return Plan::Refuse {
            reason: format!(
                "records: their change batch has {values} values of {characters} characters; Route 53 takes at most \
                 {MOST_VALUES} of {MOST_VALUE_CHARACTERS}"
            ),
            cure: "move the records in several requests".to_owned(),
        };
    }
    Plan::Act(Action { hosted_zone_id: request.hosted_zone_id.clone(), comment: comment(request), changes })
}

fn value_count(set: &FailoverSet) -> usize {
    match &set.target {
        Target::Alias { .. } => 1,
        Target::Values { values, .. } => values.len(),
    }
}

fn value_characters(set: &FailoverSet) -> usize {
    match &set.target {
        Target::Alias { dns_name, .. } => dns_name.chars().count(),
        Target::Values { values, .. } => values.iter().map(|value| value.chars().count()).sum(),
    }
}

fn comment(request: &Shift) -> String {
    let run = request.run.failover_id.as_ref().map_or_else(|| "by hand".to_owned(), |id| format!("failover {id}"));
    format!("{run}: {} becomes primary", request.target_region)
}

/// The records are as wanted: is it so on all name servers?
fn settled(request: &Shift, change: Option<&Change>, now: Timestamp) -> Plan<Action> {
    let target = &request.target_region;
    let Some(change) = change else {
        return Plan::AlreadyDone {
            proof: format!("{target} is primary for every record already, by no change of ours"),
        };
    };
    let since = Duration::from_millis(now.millis_since(change.at));
    match change.progress {
        Progress::Pending => wait_for(Some(change)),
        Progress::InSync => Plan::AlreadyDone {
            proof: format!("{target} is primary for every record, and {} is INSYNC", describe(change)),
        },
        Progress::Unknown if since >= PROPAGATION_TIME => Plan::AlreadyDone {
            proof: format!(
                "{target} is primary for every record, {} s after {}; name servers follow within {} s",
                since.as_secs(),
                describe(change),
                PROPAGATION_TIME.as_secs()
            ),
        },
        Progress::Unknown => Plan::Wait {
            reason: format!(
                "{target} is primary for every record, but {} cannot be asked after; name servers follow within {} s",
                describe(change),
                PROPAGATION_TIME.as_secs()
            ),
            ask_again: whole_seconds(PROPAGATION_TIME.saturating_sub(since)),
        },
    }
}

fn wait_for(change: Option<&Change>) -> Plan<Action> {
    let change = change.map_or_else(|| "the change".to_owned(), describe);
    Plan::Wait { reason: format!("{change} is not on all name servers yet"), ask_again: POLL_INTERVAL }
}

fn describe(change: &Change) -> String {
    match &change.id {
        Some(id) => format!("change {id}"),
        None => format!("the change of {}, whose id was lost,", change.at),
    }
}

/// Rounded up: waits cross the wire in seconds, and asking early would only mean asking again.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

/// What an operator should know about the records.
#[must_use]
pub fn warnings(request: &Shift, records: &[Record]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, wanted) in request.records.iter().enumerate() {
        for (role, set) in wanted.sets() {
            if let Ok(found) = find(index, wanted, set, records.get(index)) {
                let title = format!("{} ({})", wanted.title(), set.set_identifier);
                warnings.extend(warnings_of(found, role).iter().map(|warning| format!("{title}: {warning}")));
            }
        }
    }
    warnings
}

fn warnings_of(set: &FailoverSet, role: Role) -> Vec<String> {
    let mut warnings = Vec::new();
    let health_counts = match &set.target {
        Target::Values { ttl_seconds, .. } => {
            if *ttl_seconds > WANTED_TTL_SECONDS {
                warnings.push(format!(
                    "its TTL is {ttl_seconds} s, so resolvers may keep the old answer longer than {WANTED_TTL_SECONDS} s"
                ));
            }
            set.health_check_id.is_some()
        }
        Target::Alias { evaluate_target_health, .. } => *evaluate_target_health || set.health_check_id.is_some(),
    };
    if role == Role::Primary && !health_counts {
        warnings.push("nothing checks its health, so as the primary it is answered whatever happens to it".to_owned());
    }
    warnings
}
