//! Decides what to do about failover and weighted records (F6, X6). Pure: no clock, no AWS.

use std::time::Duration;

use failover::contract::{RecordType, Timestamp};
use failover::step::Plan;
use serde::{Deserialize, Serialize};

use super::request::{RecordShift, WantedSet};
use super::sets::{Found, Policy, Record, RecordSet, Role, Routing, Target};
use crate::whole_seconds;

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
    /// The record sets whose role or weight changes.
    pub changes: Vec<SetChange>,
}

/// A record set gets another role or weight, and nothing else of it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetChange {
    /// The record set that has to be there, exactly.
    pub expected: RecordSet,
    /// Its role or weight afterwards.
    pub routing: Routing,
}

impl SetChange {
    /// The record set afterwards.
    #[must_use]
    pub fn wanted(&self) -> RecordSet {
        RecordSet { routing: self.routing, ..self.expected.clone() }
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
pub fn plan(request: &RecordShift, seen: &Observation, now: Timestamp) -> Plan<Action> {
    let Some(records) = &seen.records else {
        return wait_for(seen.change.as_ref());
    };
    match set_changes(request, records) {
        Err(Unsuitable { reason, cure }) => Plan::Refuse { reason, cure },
        Ok(changes) if changes.is_empty() => settled(request, seen.change.as_ref(), now),
        Ok(changes) => act(request, changes),
    }
}

/// The record sets that are to change; none when all is as wanted.
fn set_changes(request: &RecordShift, records: &[Record]) -> Result<Vec<SetChange>, Unsuitable> {
    let mut changes = Vec::new();
    for index in 0..request.records.len() {
        changes.extend(changes_of(request, index, records.get(index))?);
    }
    Ok(changes)
}

fn changes_of(request: &RecordShift, index: usize, record: Option<&Record>) -> Result<Vec<SetChange>, Unsuitable> {
    let mut changes = Vec::new();
    for set in &request.records[index].sets {
        let found = find(request, index, set, record)?;
        if found.routing != set.routing {
            changes.push(SetChange { expected: found.clone(), routing: set.routing });
        }
    }
    check_others(request, index, record)?;
    Ok(changes)
}

/// Why one of the records cannot be moved, and what to do about it; none when it can.
#[must_use]
pub fn unsuitable(request: &RecordShift, index: usize, record: Option<&Record>) -> Option<(String, String)> {
    changes_of(request, index, record).err().map(|Unsuitable { reason, cure }| (reason, cure))
}

/// A weighted record set that the request does not name would go on being answered.
fn check_others(request: &RecordShift, index: usize, record: Option<&Record>) -> Result<(), Unsuitable> {
    let wanted = &request.records[index];
    let named = |identifier: &str| wanted.sets.iter().any(|set| set.set_identifier == identifier);
    for found in record.map_or_else(Default::default, |record| record.found.as_slice()) {
        if let Found::Usable(RecordSet { set_identifier, routing: Routing::Weighted(weight @ 1..), .. }) = found
            && !named(set_identifier)
        {
            let field = request.record_field(index);
            let title = wanted.title();
            return Err(Unsuitable {
                reason: format!("{field}: {title} has another record set, {set_identifier:?}, of weight {weight}"),
                cure: "name it in the plan with its Region, or give it the weight 0".to_owned(),
            });
        }
    }
    Ok(())
}

/// Why a record cannot be moved.
struct Unsuitable {
    reason: String,
    cure: String,
}

fn find<'a>(
    request: &RecordShift,
    index: usize,
    set: &WantedSet,
    record: Option<&'a Record>,
) -> Result<&'a RecordSet, Unsuitable> {
    let title = request.records[index].title();
    let field = request.record_field(index);
    let found = record.map_or_else(Default::default, |record| record.found.as_slice());
    if found.is_empty() {
        return Err(Unsuitable {
            reason: format!("{field}.name: the hosted zone has no record {title}"),
            cure: "create its record sets, or correct the name, type or zone".to_owned(),
        });
    }
    let field = format!("{field}.set_identifiers.{}", set.region);
    let identifier = &set.set_identifier;
    match found.iter().find(|found| found.set_identifier() == Some(identifier)) {
        Some(Found::Usable(set)) => Ok(set),
        Some(Found::Unusable { reason, .. }) => {
            Err(unusable(request.policy, &field, &format!("record set {identifier:?} of {title}"), reason))
        }
        None => match found {
            // With a simple routing policy there is just this one, and it has no identifier to ask for.
            [Found::Unusable { set_identifier: None, reason }] => Err(unusable(request.policy, &field, &title, reason)),
            _ => Err(Unsuitable {
                reason: format!("{field}: {title} has no record set {identifier:?}, only {}", identifiers(found)),
                cure: "create the record set, or correct the set identifier".to_owned(),
            }),
        },
    }
}

fn unusable(policy: Policy, field: &str, what: &str, reason: &str) -> Unsuitable {
    Unsuitable {
        reason: format!("{field}: {what} {reason}"),
        cure: format!("make it a {} record set, or take the record out of the request", policy.as_str()),
    }
}

fn identifiers(found: &[Found]) -> String {
    let quoted: Vec<String> =
        found.iter().filter_map(Found::set_identifier).map(|identifier| format!("{identifier:?}")).collect();
    quoted.join(" and ")
}

fn act(request: &RecordShift, changes: Vec<SetChange>) -> Plan<Action> {
    // Each set counts twice: it is deleted and created. Sizes of aliases are not documented; they count as one value.
    let values = 2 * changes.iter().map(|change| value_count(&change.expected)).sum::<usize>();
    let characters = 2 * changes.iter().map(|change| value_characters(&change.expected)).sum::<usize>();
    if values > MOST_VALUES || characters > MOST_VALUE_CHARACTERS {
        return Plan::Refuse {
            reason: format!(
                "{}.records: their change batch has {values} values of {characters} characters; Route 53 takes at most \
                 {MOST_VALUES} of {MOST_VALUE_CHARACTERS}",
                request.policy.field()
            ),
            cure: "move the records in several requests".to_owned(),
        };
    }
    Plan::Act(Action { hosted_zone_id: request.hosted_zone_id.clone(), comment: comment(request), changes })
}

fn value_count(set: &RecordSet) -> usize {
    match &set.target {
        Target::Alias { .. } => 1,
        Target::Values { values, .. } => values.len(),
    }
}

fn value_characters(set: &RecordSet) -> usize {
    match &set.target {
        Target::Alias { dns_name, .. } => dns_name.chars().count(),
        Target::Values { values, .. } => values.iter().map(|value| value.chars().count()).sum(),
    }
}

fn comment(request: &RecordShift) -> String {
    let becomes = match request.policy {
        Policy::Failover => "becomes primary",
        Policy::Weighted => "gets all the weight",
    };
    format!("{}: {} {becomes}", request.common.run_in_words(), request.common.target_region)
}

/// The records are as wanted: is it so on all name servers?
fn settled(request: &RecordShift, change: Option<&Change>, now: Timestamp) -> Plan<Action> {
    let shown = match request.policy {
        Policy::Failover => format!("{} is primary for every record", request.common.target_region),
        Policy::Weighted => format!("{} has all the weight of every record", request.common.target_region),
    };
    let Some(change) = change else {
        return Plan::AlreadyDone { proof: format!("{shown} already, by no change of ours") };
    };
    let since = Duration::from_millis(now.millis_since(change.at));
    match change.progress {
        Progress::Pending => wait_for(Some(change)),
        Progress::InSync => Plan::AlreadyDone { proof: format!("{shown}, and {} is INSYNC", describe(change)) },
        Progress::Unknown if since >= PROPAGATION_TIME => Plan::AlreadyDone {
            proof: format!(
                "{shown}, {} s after {}; name servers follow within {} s",
                since.as_secs(),
                describe(change),
                PROPAGATION_TIME.as_secs()
            ),
        },
        Progress::Unknown => Plan::Wait {
            reason: format!(
                "{shown}, but {} cannot be asked after; name servers follow within {} s",
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
        None => format!("the change of {} (whose id was lost)", change.at),
    }
}

/// What an operator should know about the records.
#[must_use]
pub fn warnings(request: &RecordShift, records: &[Record]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (set, found) in wanted_sets(request, records) {
        let title = format!("{} {} ({})", found.name, found.record_type.as_str(), found.set_identifier);
        warnings.extend(long_ttl(found).map(|warning| format!("{title}: {warning}")));
        if set.is_answered() && !health_counts(found) {
            warnings.push(format!("{title}: {UNCHECKED}"));
        }
    }
    warnings
}

/// What is wrong with a record set that gets traffic and has no health.
pub const UNCHECKED: &str = "nothing checks its health, so it is answered whatever happens to it";

/// Each wanted record set that was found.
pub fn wanted_sets<'a>(
    request: &'a RecordShift,
    records: &'a [Record],
) -> impl Iterator<Item = (&'a WantedSet, &'a RecordSet)> {
    request.records.iter().enumerate().flat_map(move |(index, wanted)| {
        let record = records.get(index);
        wanted.sets.iter().filter_map(move |set| Some((set, find(request, index, set, record).ok()?)))
    })
}

/// What is wrong with its TTL, if anything. An alias has none of its own.
#[must_use]
pub fn long_ttl(set: &RecordSet) -> Option<String> {
    match &set.target {
        Target::Values { ttl_seconds, .. } if *ttl_seconds > WANTED_TTL_SECONDS => Some(format!(
            "its TTL is {ttl_seconds} s, so resolvers may keep the old answer longer than {WANTED_TTL_SECONDS} s"
        )),
        Target::Values { .. } | Target::Alias { .. } => None,
    }
}

/// Whether it stops being answered when it is unhealthy.
#[must_use]
pub fn health_counts(set: &RecordSet) -> bool {
    match &set.target {
        Target::Values { .. } => set.health_check_id.is_some(),
        Target::Alias { evaluate_target_health, .. } => *evaluate_target_health || set.health_check_id.is_some(),
    }
}

impl WantedSet {
    /// Whether it is to be answered as long as it is healthy.
    fn is_answered(&self) -> bool {
        match self.routing {
            Routing::Failover(role) => role == Role::Primary,
            Routing::Weighted(weight) => weight > 0,
        }
    }
}
