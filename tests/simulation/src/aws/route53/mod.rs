//! A hosted zone, health checks, and what resolvers are answered.
//!
//! A change shows in listings at once, and is answered by some name servers and not by others until it is INSYNC. The
//! health of a record follows what its health check looks at as late as Route 53's checkers notice it.

mod api;
mod batch;
mod health;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use failover::contract::Timestamp;
use failover::testing::wire::Request;
use serde_json::{Value, json};

pub use self::batch::{Action, Edit, Refusal};
pub use self::health::Watched;
use self::health::{HealthCheck, Signal};
pub use self::record::{RecordSet, Routing, Target};
use super::{Answer, Aws};
use crate::chance::Chance;
use crate::workload::{HOME, HOSTED_ZONE, RECORD, STANDBY, set_identifier};

/// Until a change is on all name servers, least and most, in milliseconds: usually within 60 seconds.
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
const PROPAGATION_MS: (u64, u64) = (1_000, 60_000);
/// A record with weights, all of it at home in the beginning.
pub const WEIGHTED_RECORD: &str = "weighted.example.com";
/// A record whose primary has the inverted health check of the standby object.
pub const SWITCHED_RECORD: &str = "switched.example.com";
/// A record whose health checks are routing controls.
pub const CONTROLLED_RECORD: &str = "controlled.example.com";
/// The weight of the one that gets the traffic.
pub const FULL_WEIGHT: u8 = 100;

/// Who made a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// A request, with the comment of its batch.
    Request(String),
    /// A person in the console.
    Person,
}

/// A change batch that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// Its id.
    pub id: String,
    /// By whom.
    pub author: Author,
    /// What it did.
    pub edits: Vec<Edit>,
    /// When it is on all name servers.
    pub in_sync_at: Timestamp,
}

/// How far a change has come, as long as it can be asked after.
#[derive(Debug)]
struct Progress {
    id: String,
    submitted: Timestamp,
    in_sync_at: Timestamp,
}

/// What name servers may still answer from.
#[derive(Debug)]
struct Old {
    sets: Vec<RecordSet>,
    until: Timestamp,
}

/// How many turns were heard of each that has some.
#[derive(Debug, Default)]
struct Heard {
    ecs: usize,
    s3: usize,
    controls: usize,
}

/// A hosted zone with its health checks.
#[derive(Debug)]
pub struct Route53 {
    /// In the order of a listing.
    sets: Vec<RecordSet>,
    old: Vec<Old>,
    progress: Vec<Progress>,
    changes: Vec<Change>,
    checks: Vec<HealthCheck>,
    /// How much was heard of ECS, S3 and routing controls.
    heard: Heard,
    /// Whether the tasks at home serve, whatever the endpoint there says.
    home_serves: bool,
    /// Up to when time has passed.
    passed: Option<Timestamp>,
    /// Until when the zone takes no change.
    taken_until: Option<Timestamp>,
    chance: Chance,
}

impl Route53 {
    /// As the workload has it, with records for the other ways of moving traffic and bystanders beside them.
    #[must_use]
    pub fn new(chance: &mut Chance) -> Self {
        let checks = HealthCheck::all();
        let mut sets = vec![
            RecordSet::simple("example.com", "NS", "ns-1.awsdns-1.com."),
            RecordSet::simple("example.com", "MX", "10 mx.example.com."),
            RecordSet::simple(RECORD, "TXT", "\"trading\""),
            RecordSet::simple("www.example.com", "CNAME", RECORD),
        ];
        for region in [HOME, STANDBY] {
            sets.extend(sets_of(region, &checks));
        }
        sets.sort_by(|one, other| one.key().cmp(&other.key()));
        Self {
            sets,
            old: Vec::new(),
            progress: Vec::new(),
            changes: Vec::new(),
            checks,
            heard: Heard::default(),
            home_serves: true,
            passed: None,
            taken_until: None,
            chance: Chance::new(chance.bits()),
        }
    }

    /// The Regions that clients are sent to who ask for this name and type now: one, or several while a change is not
    /// on all name servers.
    ///
    /// # Panics
    /// When the answer is no Region of the workload.
    #[must_use]
    pub fn answers(&self, name: &str, record_type: &str, now: Timestamp) -> BTreeSet<&'static str> {
        let name = record::normal(name);
        let old = self.old.iter().filter(|old| now < old.until).map(|old| old.sets.as_slice());
        let all = old.chain([self.sets.as_slice()]).flat_map(|sets| self.resolve(sets, &name, record_type));
        all.map(|set| set.region().unwrap_or_else(|| panic!("{name} {record_type} sends clients elsewhere"))).collect()
    }

    /// The Region that is to get the traffic of a record by its settings, whatever is healthy; none when there is no such
    /// record.
    #[must_use]
    pub fn preferred(&self, name: &str, record_type: &str) -> Option<&'static str> {
        self.by_settings(&record::normal(name), record_type)?.region()
    }

    /// The record sets, as a listing shows them.
    #[must_use]
    pub fn sets(&self) -> &[RecordSet] {
        &self.sets
    }

    /// Every change that was accepted, in order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether every change is on all name servers.
    #[must_use]
    pub fn is_in_sync(&self, now: Timestamp) -> bool {
        self.changes.iter().all(|change| change.in_sync_at <= now)
    }

    /// Whether a health check counts as healthy.
    ///
    /// # Panics
    /// When nothing watches it.
    #[must_use]
    pub fn is_healthy(&self, watched: Watched) -> bool {
        self.checks.iter().find(|check| check.watched == watched).expect("a health check").healthy
    }

    /// No change so far can be asked after any more, as after the control plane moved to another Region.
    /// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/accelerated-recovery.html>
    pub fn forget_changes(&mut self) {
        self.progress.clear();
    }

    /// By the settings alone.
    fn by_settings(&self, name: &str, record_type: &str) -> Option<&RecordSet> {
        let of_it = self.sets.iter().filter(|set| set.is_of(name, record_type));
        of_it.min_by_key(|set| match set.routing {
            Routing::Simple | Routing::Primary => 0,
            Routing::Weighted(weight) => 255 - weight,
            Routing::Secondary => u8::MAX,
        })
    }

    /// The record sets of a name and type that may be answered.
    /// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html>
    fn resolve<'a>(&self, sets: &'a [RecordSet], name: &str, record_type: &str) -> Vec<&'a RecordSet> {
        let of_it: Vec<&RecordSet> = sets.iter().filter(|set| set.is_of(name, record_type)).collect();
        let healthy = |set: &&&RecordSet| self.counts_as_healthy(set);
        let with = |routing: Routing| of_it.iter().find(|set| set.routing == routing).copied();
        let pair = [with(Routing::Primary), with(Routing::Secondary)];
        if let [Some(first), _] | [None, Some(first)] = pair {
            let chosen = pair.iter().flatten().find(healthy).copied();
            // With nothing healthy the primary one is answered.
            return vec![chosen.unwrap_or(first)];
        }
        let weighs = |set: &&&RecordSet| !matches!(set.routing, Routing::Weighted(0));
        let stages: [Vec<&RecordSet>; 4] = [
            of_it.iter().filter(weighs).filter(healthy).copied().collect(),
            of_it.iter().filter(healthy).copied().collect(),
            of_it.iter().filter(weighs).copied().collect(),
            of_it.clone(),
        ];
        stages.into_iter().find(|stage| !stage.is_empty()).unwrap_or_default()
    }

    /// A record's health is that of its check; a load balancer is as healthy as the endpoint in its Region.
    fn counts_as_healthy(&self, set: &RecordSet) -> bool {
        let check = |id: &String| self.checks.iter().any(|check| check.id == id && check.healthy);
        let of_check = set.health_check.as_ref().is_none_or(check);
        let of_target = match (&set.target, set.region()) {
            (Target::Alias { evaluate_health: true, .. }, Some(region)) => self.is_healthy(Watched::Endpoint(region)),
            (Target::Alias { .. } | Target::Values { .. }, _) => true,
        };
        of_check && of_target
    }

    fn apply(&mut self, edits: Vec<Edit>, author: Author, now: Timestamp) -> Result<String, Refusal> {
        let exists = |id: &str| self.checks.iter().any(|check| check.id == id);
        let after = batch::apply(&self.sets, &edits, exists)?;
        let before = std::mem::replace(&mut self.sets, after);
        let (least, most) = PROPAGATION_MS;
        let in_sync_at = now.plus_millis(self.chance.between(least, most));
        let id = change_id(self.chance.bits());
        self.old.push(Old { sets: before, until: in_sync_at });
        self.progress.push(Progress { id: id.clone(), submitted: now, in_sync_at });
        self.changes.push(Change { at: now, id: id.clone(), author, edits, in_sync_at });
        Ok(id)
    }

    fn take(&mut self, now: Timestamp, (least, most): (u64, u64)) {
        self.taken_until = Some(now.plus_millis(self.chance.between(least, most)));
    }
}

/// A change's id: the letter C, and letters and digits in upper case.
fn change_id(mut bits: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut id = String::from("C");
    for _ in 0..12 {
        id.push(char::from(DIGITS[usize::try_from(bits % 36).unwrap_or(0)]));
        bits /= 36;
    }
    id
}

/// A Region's part of each record.
fn sets_of(region: &'static str, checks: &[HealthCheck]) -> Vec<RecordSet> {
    let at_home = region == HOME;
    let role = if at_home { Routing::Primary } else { Routing::Secondary };
    let weight = Routing::Weighted(if at_home { FULL_WEIGHT } else { 0 });
    let check = |watched| {
        let id = checks.iter().find(|check| check.watched == watched).expect("a health check").id;
        Some(id.to_owned())
    };
    let endpoint = check(Watched::Endpoint(region));
    let switch = if at_home { check(Watched::StandbyObject) } else { None };
    let set = |name, record_type: &str, routing, target, health_check| RecordSet {
        name: record::normal(name),
        record_type: record_type.to_owned(),
        set_identifier: Some(set_identifier(region).to_owned()),
        routing,
        target,
        health_check,
    };
    let load_balancer = || record::load_balancer(region);
    vec![
        set(RECORD, "A", role, load_balancer(), endpoint.clone()),
        set(RECORD, "AAAA", role, record::address(region), endpoint.clone()),
        set(WEIGHTED_RECORD, "AAAA", weight, record::address(region), endpoint),
        set(SWITCHED_RECORD, "AAAA", role, record::address(region), switch),
        set(CONTROLLED_RECORD, "AAAA", role, record::address(region), check(Watched::Control(region))),
    ]
}

/// Lets time pass.
pub fn advance(aws: &mut Aws, now: Timestamp) {
    let signals = signals(aws, now);
    let route53 = &mut aws.route53;
    for signal in signals {
        for check in route53.checks.iter_mut().filter(|check| check.watched == signal.watched) {
            check.hear(signal, &mut route53.chance);
        }
    }
    for check in &mut route53.checks {
        check.advance(now);
    }
    route53.old.retain(|old| now < old.until);
}

/// What changed since the last time for what health checks look at, for each in order.
fn signals(aws: &mut Aws, now: Timestamp) -> Vec<Signal> {
    let Aws { route53, ecs, s3, routing_control, endpoint_down, .. } = aws;
    let passed = *route53.passed.get_or_insert(now);
    route53.passed = Some(passed.max(now));
    let mut signals = Vec::new();
    let home = |at, serves: bool| {
        // The endpoint at home may fail although the tasks run.
        Signal { at, watched: Watched::Endpoint(HOME), answers: serves && !*endpoint_down }
    };
    signals.push(home(passed, route53.home_serves));
    for turn in &ecs.turns()[route53.heard.ecs..] {
        if turn.region == HOME {
            route53.home_serves = turn.serves;
            signals.push(home(turn.at, turn.serves));
        } else {
            signals.push(Signal { at: turn.at, watched: Watched::Endpoint(turn.region), answers: turn.serves });
        }
    }
    for (at, answers) in &s3.turns()[route53.heard.s3..] {
        signals.push(Signal { at: *at, watched: Watched::StandbyObject, answers: *answers });
    }
    for turn in &routing_control.turns()[route53.heard.controls..] {
        signals.push(Signal { at: turn.at, watched: Watched::Control(turn.region), answers: turn.on });
    }
    route53.heard = Heard { ecs: ecs.turns().len(), s3: s3.turns().len(), controls: routing_control.turns().len() };
    signals
}

/// How traffic is moved by weights, as a plan has it.
#[must_use]
pub fn weighted_traffic() -> Value {
    json!({ "weighted_records": {
        "hosted_zone_id": HOSTED_ZONE,
        "weight": FULL_WEIGHT,
        "records": [{
            "name": WEIGHTED_RECORD,
            "type": "AAAA",
            "set_identifiers": { HOME: set_identifier(HOME), STANDBY: set_identifier(STANDBY) },
        }],
    } })
}

/// A person changes records in the console, all or none.
///
/// # Errors
/// Why Route 53 refuses it.
pub fn change_by_hand(aws: &mut Aws, edits: Vec<Edit>, now: Timestamp) -> Result<String, Refusal> {
    advance(aws, now);
    aws.route53.apply(edits, Author::Person, now)
}

/// A person swaps the roles of a failover record of this name and type.
///
/// # Errors
/// Why Route 53 refuses it.
pub fn swap_by_hand(aws: &mut Aws, name: &str, record_type: &str, now: Timestamp) -> Result<String, Refusal> {
    let name = record::normal(name);
    let pair: Vec<RecordSet> = aws.route53.sets.iter().filter(|set| set.is_of(&name, record_type)).cloned().collect();
    let swapped = pair.iter().map(|set| RecordSet {
        routing: match set.routing {
            Routing::Primary => Routing::Secondary,
            Routing::Secondary => Routing::Primary,
            other @ (Routing::Simple | Routing::Weighted(_)) => other,
        },
        ..set.clone()
    });
    let created: Vec<Edit> = swapped.map(|set| Edit { action: Action::Create, set }).collect();
    let deleted = pair.into_iter().map(|set| Edit { action: Action::Delete, set });
    change_by_hand(aws, deleted.chain(created).collect(), now)
}

/// Answers a request.
///
/// # Panics
/// On what is not simulated.
pub fn answer(aws: &mut Aws, request: &Request, now: Timestamp) -> Answer {
    api::answer(&mut aws.route53, request, now)
}
