//! What always holds, whatever goes wrong: watched at every call and every second of a run.
//!
//! Watched from outside: by what arrives at the simulated AWS and what stands in the ledger, never by what the code says
//! of itself.

use std::collections::{BTreeMap, BTreeSet};

use failover::contract::Timestamp;
use failover::testing::wire::Request;
use serde_json::{Map, Value};

use crate::aws::{Answer, Aws, aurora};
use crate::caller::Caller;
use crate::lambda::Failure;
use crate::workload::{HOME, RECORD, STANDBY};

/// For so long after a newer failover was admitted may a step of the older one still send what it decided on before, in
/// milliseconds: it asks the gate, writes down the intent and sends, each within one call's timeout of 5 s.
pub const SUPERSEDED_GRACE_MS: u64 = 15_000;

/// The states that tell people how a run ended.
const LAST_WORDS: [&str; 5] =
    ["NotifyStandDown", "NotifyFinished", "NotifyFailed", "NotifyUnconcluded", "NotifySuperseded"];

/// For so long may a database be seen to be available that is restarting: RDS shows a change some seconds late.
pub const AVAILABLE_WITHIN_MS: u64 = 15_000;

/// For so long at least an invocation may work, in milliseconds: no plan gives a step less.
pub const AT_WORK_MS: u64 = 9_000;

/// The ledger's operation that an invocation holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    key: String,
    owner: String,
}

/// Watches a run.
#[derive(Debug, Default)]
pub struct Monitor {
    held: BTreeMap<u64, Held>,
    /// When each invocation that has not ended began.
    alive: BTreeMap<u64, Timestamp>,
    /// What was applied under an intent: operation, moment of the intent, call.
    applied: BTreeSet<(String, i64, String)>,
    /// Which items there are, and which operations are completed, by the place where they are seen.
    keys: BTreeSet<(&'static str, String)>,
    completed: BTreeMap<(&'static str, String), Map<String, Value>>,
    /// When each generation was first seen.
    generations: BTreeMap<u64, Timestamp>,
    /// The failover that each generation was first seen with.
    admitted: BTreeMap<u64, String>,
    /// Which of the accepted promotions was each failover's last, by its number from 1.
    promotions: BTreeMap<String, usize>,
    /// Regions whose tasks were lost with them, and do not run again yet.
    tasks_lost: BTreeSet<&'static str>,
    /// Where traffic was pointed to last, and by when the database there has to be available.
    to_be_available: Option<(&'static str, Timestamp)>,
    /// Whether a person has changed the workload by hand: then what the workload looks like is theirs to answer for.
    pub by_hand: bool,
    /// Executions, by Region and name, and the states in which they told people something.
    told: BTreeSet<(&'static str, String, String)>,
    violations: Vec<String>,
    violated: BTreeSet<&'static str>,
    /// The codes and statuses that invocations ended with.
    pub reached: BTreeSet<String>,
}

impl Monitor {
    /// What was violated, in the order of events.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Notes a violation.
    pub fn violated(&mut self, property: &'static str, detail: &str) {
        // Once is enough: what is broken for a second mostly stays so.
        if self.violated.insert(property) {
            self.violations.push(format!("{property}: {detail}"));
        }
    }

    /// An invocation begins.
    pub fn begins(&mut self, caller: &Caller, now: Timestamp) {
        self.alive.insert(caller.invocation, now);
    }

    /// An invocation ends.
    pub fn ends(&mut self, caller: &Caller, outcome: &Result<Value, Failure>) {
        match outcome {
            Ok(answer) => {
                for field in ["status", "decision", "verdict"] {
                    if let Some(value) = answer[field].as_str() {
                        self.reached.insert(value.to_owned());
                    }
                }
                if answer["attempt"].as_u64().is_some_and(|attempt| attempt > 1) {
                    self.reached.insert("takeover".to_owned());
                }
            }
            Err(failure) => drop(self.reached.insert(failure.error.clone())),
        }
        self.held.remove(&caller.invocation);
        self.alive.remove(&caller.invocation);
    }

    /// A change leaves an invocation.
    pub fn sent(&mut self, aws: &Aws, caller: &Caller, request: &Request, now: Timestamp) {
        let what = format!("{caller} sends {}", request.name());
        if caller.only_looks {
            self.violated("a dry run or preflight changes nothing", &what);
        }
        let Some(held) = self.held.get(&caller.invocation).cloned() else {
            self.violated("every change belongs to a claimed operation", &what);
            return;
        };
        let record = aws.dynamodb.seen_from(caller.region).item(&held.key).unwrap_or_default();
        let text = |field: &str| record[field]["S"].as_str().unwrap_or_default();
        if text("owner") != held.owner {
            self.violated("no change is sent by an invocation that was overtaken", &format!("{what} for {}", held.key));
        } else if text("status") != "intent" || text("intent").is_empty() {
            let detail = format!("{what} for {}, which is {}", held.key, text("status"));
            self.violated("every change is on record before it is sent", &detail);
        } else if self.applied.contains(&(held.key.clone(), intent_at(&record), call(request))) {
            self.violated("nothing is sent again once it was applied", &format!("{what} for {}", held.key));
        }
        if let Some(generation) = caller.generation
            && let Some(superseded) = self.generations.range(generation + 1..).next().map(|(_, at)| *at)
            && now.millis_since(superseded) > SUPERSEDED_GRACE_MS
        {
            let detail = format!("{what} for generation {generation}, {} ms late", now.millis_since(superseded));
            self.violated("no change is sent for a superseded generation", &detail);
        }
    }

    /// A call was applied, or answered by AWS with an error.
    pub fn applied(&mut self, aws: &mut Aws, caller: &Caller, request: &Request, answer: &Answer, now: Timestamp) {
        if request.service == "dynamodb" {
            self.ledger(aws, caller, request, answer, now);
        }
        if !answer.is_success() || !crate::network::changes(request) {
            return;
        }
        if let Some(held) = self.held.get(&caller.invocation) {
            let record = aws.dynamodb.seen_from(caller.region).item(&held.key).unwrap_or_default();
            self.applied.insert((held.key.clone(), intent_at(&record), call(request)));
        }
        if ["FailoverGlobalCluster", "SwitchoverGlobalCluster", "RemoveFromGlobalCluster"]
            .contains(&request.operation.as_str())
        {
            self.promoted(aws, caller);
        }
        if request.operation == "ChangeResourceRecordSets" {
            self.traffic(aws, caller, now);
        }
    }

    /// A promotion was accepted. Aurora cancels a switchover that it cannot carry out; then it may be sent again.
    fn promoted(&mut self, aws: &Aws, caller: &Caller) {
        let failover = caller.failover.clone().unwrap_or_default();
        let accepted = aws.aurora.accepted_promotions().len();
        if let Some(earlier) = self.promotions.insert(failover.clone(), accepted)
            && let Some(promotion) = aws.aurora.accepted_promotions().get(earlier.saturating_sub(1))
            && !matches!(promotion.outcome, aurora::Outcome::Cancelled { .. })
        {
            self.violated("a failover promotes once", &format!("{failover}: {promotion:?} and another one"));
        }
    }

    /// Traffic was pointed somewhere: there has to be a writer there that is available, and tasks that run.
    fn traffic(&mut self, aws: &mut Aws, caller: &Caller, now: Timestamp) {
        aws.advance(now);
        let Some(region) = aws.route53.preferred(RECORD, "A") else { return };
        // A run that saw its tasks before the Region was lost does not look at them again; its request may be under way
        // when the Region is lost.
        let lost = self.tasks_lost.contains(region) || aws.lost.contains(region);
        let tasks = aws.ecs.serves(region) || lost;
        let ready = aws.aurora.writer_of_record() == Some(region) && tasks;
        self.to_be_available = Some((region, now.plus_millis(AVAILABLE_WITHIN_MS)));
        if !ready && !self.by_hand {
            let writer = aws.aurora.writer_of_record().unwrap_or("nobody");
            let detail = format!(
                "{caller} points {RECORD} to {region}; the writer is {writer}, tasks run: {}",
                aws.ecs.serves(region)
            );
            self.violated("traffic never points to a Region that was not seen to be ready", &detail);
        }
    }

    /// People were told something in a state of an execution.
    pub fn told(&mut self, region: &'static str, execution: &str, state: &str) {
        self.told.insert((region, execution.to_owned(), state.to_owned()));
    }

    /// An execution has ended: people were told how.
    pub fn ended(&mut self, region: &'static str, execution: &str) {
        let told = |state: &str| self.told.contains(&(region, execution.to_owned(), state.to_owned()));
        if !LAST_WORDS.into_iter().any(told) {
            self.violated("people are told of every run's end", execution);
        }
    }

    /// Once a second.
    pub fn tick(&mut self, aws: &mut Aws, now: Timestamp) {
        aws.advance(now);
        for region in [HOME, STANDBY] {
            if aws.ecs.serves(region) {
                self.tasks_lost.remove(region);
            } else if aws.lost.contains(region) {
                self.tasks_lost.insert(region);
            }
        }
        if let Some((region, by)) = self.to_be_available
            && now >= by
        {
            self.to_be_available = None;
            let is_lost = self.tasks_lost.contains(region);
            if !aws.aurora.is_available(region) && !aws.aurora.promotion_is_pending() && !self.by_hand && !is_lost {
                self.violated("traffic never points to a database that is not available", region);
            }
        }
        let writers = aurora::writers(aws, now);
        if writers.len() > 1 && !self.by_hand && !aws.aurora.writers_may_overlap() {
            let detail = format!("at {now}: {}", writers.join(" and "));
            self.violated("one Region at most is a writer", &detail);
        }
    }

    fn ledger(&mut self, aws: &Aws, caller: &Caller, request: &Request, answer: &Answer, now: Timestamp) {
        let (place, table) = (aws.dynamodb.place(caller.region), aws.dynamodb.seen_from(caller.region));
        for (_, key) in self.keys.iter().filter(|(seen_at, _)| *seen_at == place) {
            if table.item(key).is_none() {
                let detail = format!("{key} is gone, after a call of {caller}");
                self.violated("no record is ever deleted", &detail);
                return;
            }
        }
        for ((_, key), before) in self.completed.iter().filter(|((seen_at, _), _)| *seen_at == place) {
            if table.item(key).as_ref().and_then(Value::as_object) != Some(before) {
                let detail = format!("{key} was changed by {caller}");
                self.violated("a completed operation stays as it is", &detail);
                return;
            }
        }
        let Some(key) = request.body["Key"]["operation_id"]["S"].as_str() else { return };
        if request.operation != "UpdateItem" || !answer.is_success() {
            return;
        }
        let Some(Value::Object(item)) = table.item(key) else { return };
        self.keys.insert((place, key.to_owned()));
        if key.starts_with("plan#") {
            self.plan(&item, caller, now);
            return;
        }
        let text = |field: &str| item.get(field).and_then(|value| value["S"].as_str()).unwrap_or_default().to_owned();
        self.takes(caller, Held { key: key.to_owned(), owner: text("owner") }, now);
        if item.get("lease_expires_ms").is_some_and(|lease| lease["N"] == "0") {
            self.held.remove(&caller.invocation);
        }
        if text("status") == "completed" {
            self.completed.insert((place, key.to_owned()), item.clone());
            self.check_promoted(aws, key);
        }
    }

    /// An invocation has written to an operation's record as its owner.
    fn takes(&mut self, caller: &Caller, held: Held, now: Timestamp) {
        let began_lately =
            |invocation: &u64| self.alive.get(invocation).is_some_and(|began| now.millis_since(*began) < AT_WORK_MS);
        let from = self.held.iter().find(|(invocation, other)| {
            **invocation != caller.invocation && other.key == held.key && began_lately(invocation)
        });
        if let Some((invocation, _)) = from {
            let detail = format!("{caller} takes {} over from invocation {invocation}", held.key);
            self.violated("nothing is taken over from an invocation that is at work", &detail);
        }
        self.held.insert(caller.invocation, held);
    }

    /// A promotion that is written down as completed has come about.
    fn check_promoted(&mut self, aws: &Aws, key: &str) {
        let Some((_, target)) = key.split_once("#promote-aurora#") else { return };
        let region = target.split(':').nth(3).unwrap_or_default();
        let isolation = target.starts_with("isolate") || !target.starts_with("arn:");
        if !isolation && aws.aurora.writer_of_record() != Some(region) && !self.by_hand {
            self.violated("a completed promotion has come about", &format!("{key}, but {region} is not the writer"));
        }
    }

    fn plan(&mut self, item: &Map<String, Value>, caller: &Caller, now: Timestamp) {
        let generation = item.get("generation").and_then(|value| value["N"].as_str()?.parse().ok()).unwrap_or(0);
        let newest = self.generations.last_key_value().map_or(0, |(generation, _)| *generation);
        if generation < newest || generation > newest + 1 {
            let detail = format!("{caller} writes {generation} after {newest}");
            self.violated("generations only grow, one by one", &detail);
        }
        self.generations.entry(generation).or_insert(now);
        let failover = item.get("failover_id").and_then(|value| value["S"].as_str()).unwrap_or_default();
        let admitted = self.admitted.entry(generation).or_insert_with(|| failover.to_owned()).clone();
        if admitted != failover {
            let detail = format!("{caller} gives {generation} to {failover}, which is {admitted}'s");
            self.violated("a generation is one failover's", &detail);
        }
    }
}

fn intent_at(record: &Value) -> i64 {
    record["intent_at_ms"]["N"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// What identifies a change: the same one sent again is the same text.
pub(crate) fn call(request: &Request) -> String {
    format!("{} {} {} {}", request.region, request.name(), request.path, request.body)
}
