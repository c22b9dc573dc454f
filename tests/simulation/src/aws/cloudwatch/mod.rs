//! CloudWatch: the stack's alarms, as `infra/orchestrator.yaml` makes them, and the metrics that are asked for.
//!
//! The alarms stand in the standby Region. Two stand on what `watch` publishes every minute of the Region where the plan
//! is active, one on the replication lag; the composite one on these. What `watch` would publish is taken from the
//! simulated world, unless a run tells what the real one said: see [`CloudWatch::publish_watch`].
//!
//! Sources: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>,
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html>

mod alarm;
mod answer;
mod event;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use failover::contract::Timestamp;
use serde_json::Value;

pub use alarm::{AlarmState, METRIC_ALARMS};
pub use answer::answer;
pub use event::sns_event;

use super::Aws;
use super::aurora::{Aurora, LAG_PERIOD_MS};
use crate::chance::Chance;
use crate::workload;
use alarm::{MetricAlarm, Source, judge};

/// The period of every alarm, in milliseconds.
const PERIOD_MS: u64 = LAG_PERIOD_MS;
/// After which part of a minute `watch` looks, or an alarm is evaluated, in milliseconds.
const WITHIN_A_MINUTE_MS: (u64, u64) = (1_000, 59_000);
/// How long a composite alarm takes to follow its children, in milliseconds.
const COMPOSITE_FOLLOWS_MS: (u64, u64) = (0, 5_000);
/// How many periods an alarm looks at: more than it needs, since some may be missing.
const RANGE: usize = alarm::EVALUATION_PERIODS + 2;

/// CloudWatch.
#[derive(Debug)]
pub struct CloudWatch {
    /// The metric alarms in the order of [`METRIC_ALARMS`], and the composite one as the last.
    states: Vec<Evaluated>,
    changes: Vec<AlarmChange>,
    /// What `watch` said of the home Region, by the number of the period.
    endpoint: BTreeMap<i64, f64>,
    region_api: BTreeMap<i64, f64>,
    watch_is_told: bool,
    next_watch: Option<Timestamp>,
    composite_due: Option<Timestamp>,
    chance: Chance,
}

/// An alarm's state.
#[derive(Debug)]
struct Evaluated {
    state: AlarmState,
    since: Timestamp,
    reason: String,
    /// When it is evaluated next.
    next: Timestamp,
}

/// An alarm's change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmChange {
    /// The alarm's name.
    pub name: String,
    /// Its state before.
    pub from: AlarmState,
    /// Its state since.
    pub to: AlarmState,
    /// When it changed.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The topic it tells of this change; none if it tells nobody.
    pub topic: Option<&'static str>,
}

impl CloudWatch {
    /// Every alarm is OK.
    #[must_use]
    pub fn new(chance: &mut Chance) -> Self {
        let unknown = Timestamp::from_millis(0);
        let evaluated = || Evaluated {
            state: AlarmState::Ok,
            since: unknown,
            reason: "Threshold not crossed".to_owned(),
            next: unknown,
        };
        Self {
            states: (0..=METRIC_ALARMS.len()).map(|_| evaluated()).collect(),
            changes: Vec::new(),
            endpoint: BTreeMap::new(),
            region_api: BTreeMap::new(),
            watch_is_told: false,
            next_watch: None,
            composite_due: None,
            chance: Chance::new(chance.bits()),
        }
    }

    /// Every change of an alarm's state so far, in order. Those with [`AlarmChange::topic`] the alarms' topic start a
    /// look at the evidence: deliver [`sns_event`] of them.
    #[must_use]
    pub fn changes(&self) -> &[AlarmChange] {
        &self.changes
    }

    /// The state of an alarm.
    ///
    /// # Panics
    /// If there is no such alarm.
    #[must_use]
    pub fn state(&self, name: &str) -> AlarmState {
        self.states[place(name)].state
    }

    /// What a real `watch` said of a Region: whether its endpoint is healthy, and whether its RDS API answers, none if
    /// it could not tell. From the first time on nothing is taken from the world itself.
    pub fn publish_watch(&mut self, region: &str, healthy: bool, region_answers: Option<bool>, now: Timestamp) {
        self.watch_is_told = true;
        self.note(region, healthy, region_answers, now);
    }

    /// As a person or a fault does it by `SetAlarmState`: it stands until the alarm is evaluated next.
    ///
    /// # Panics
    /// If there is no such alarm.
    pub fn set_alarm_state(&mut self, name: &str, state: AlarmState, now: Timestamp) {
        self.change(place(name), state, "set by hand".to_owned(), now);
    }

    /// The alarms stand on what is said of the home Region.
    fn note(&mut self, region: &str, healthy: bool, region_answers: Option<bool>, now: Timestamp) {
        if region != workload::HOME {
            return;
        }
        let period = period_of(now);
        note_maximum(&mut self.endpoint, period, healthy);
        if let Some(answers) = region_answers {
            note_maximum(&mut self.region_api, period, answers);
        }
    }

    fn change(&mut self, place: usize, state: AlarmState, reason: String, now: Timestamp) {
        let evaluated = &mut self.states[place];
        if evaluated.state == state {
            return;
        }
        let from = std::mem::replace(&mut evaluated.state, state);
        evaluated.since = now;
        evaluated.reason.clone_from(&reason);
        let (name, topic) = match METRIC_ALARMS.get(place) {
            Some(alarm) => (alarm.name, (state == AlarmState::Alarm).then_some(alarm::ALARM_TOPIC)),
            None => (workload::COMPOSITE_ALARM, alarm::composite_tells(state)),
        };
        self.changes.push(AlarmChange { name: name.to_owned(), from, to: state, at: now, reason, topic });
        if place < METRIC_ALARMS.len() {
            let (least, most) = COMPOSITE_FOLLOWS_MS;
            let follows = now.plus_millis(self.chance.between(least, most));
            self.composite_due = Some(self.composite_due.map_or(follows, |due| due.max(follows)));
        }
    }

    /// The first moment: all has been well for some minutes.
    fn begin(&mut self, now: Timestamp) {
        let period = period_of(now);
        for ago in 1..=i64::try_from(RANGE).unwrap_or(0) {
            self.endpoint.insert(period - ago, 1.0);
            self.region_api.insert(period - ago, 1.0);
        }
        let (least, most) = WITHIN_A_MINUTE_MS;
        let minute = Timestamp::from_millis(now.as_millis() - now.as_millis().rem_euclid(PERIOD_MS.cast_signed()));
        let mut within = || {
            let at = minute.plus_millis(self.chance.between(least, most));
            if at < now { at.plus_millis(PERIOD_MS) } else { at }
        };
        self.next_watch = Some(within());
        for evaluated in &mut self.states {
            evaluated.since = now;
            evaluated.next = within();
        }
    }

    /// The datapoints of an alarm's metric, the newest period first; none where there is none.
    fn datapoints(&self, alarm: &MetricAlarm, aurora: &Aurora, now: Timestamp) -> [Option<f64>; RANGE] {
        let newest = period_of(now) - 1;
        let mut found = [None; RANGE];
        match alarm.source {
            Source::Endpoint | Source::RegionApi => {
                let series = if alarm.source == Source::Endpoint { &self.endpoint } else { &self.region_api };
                for (ago, place) in (0..).zip(&mut found) {
                    *place = series.get(&(newest - ago)).copied();
                }
            }
            Source::Lag => {
                let cluster = workload::db_cluster(workload::STANDBY);
                for datapoint in aurora.lag_datapoints(workload::STANDBY, cluster, now) {
                    let ago = usize::try_from(newest - period_of(datapoint.start)).ok();
                    if let Some(place) = ago.and_then(|ago| found.get_mut(ago)) {
                        *place = Some(datapoint.average);
                    }
                }
            }
        }
        found
    }

    fn evaluate(&mut self, place: usize, aurora: &Aurora, now: Timestamp) {
        let alarm = &METRIC_ALARMS[place];
        let datapoints = self.datapoints(alarm, aurora, now);
        if let Some((state, reason)) = judge(alarm, &datapoints) {
            self.change(place, state, reason, now);
        }
    }

    fn evaluate_composite(&mut self, now: Timestamp) {
        let children: Vec<AlarmState> = self.states[..METRIC_ALARMS.len()].iter().map(|child| child.state).collect();
        let state = alarm::composite(&children);
        let newest = (0..METRIC_ALARMS.len()).max_by_key(|place| self.states[*place].since).unwrap_or(0);
        let child = &self.states[newest];
        let arn = alarm::arn(METRIC_ALARMS[newest].name);
        let reason = format!("{arn} transitioned to {} at {}", child.state.name(), child.since);
        self.change(METRIC_ALARMS.len(), state, reason, now);
    }
}

fn place(name: &str) -> usize {
    let metric = METRIC_ALARMS.iter().position(|alarm| alarm.name == name);
    let composite = (name == workload::COMPOSITE_ALARM).then_some(METRIC_ALARMS.len());
    metric.or(composite).unwrap_or_else(|| panic!("there is no alarm {name}"))
}

/// The number of the period that a moment lies in.
fn period_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(PERIOD_MS.cast_signed())
}

fn note_maximum(series: &mut BTreeMap<i64, f64>, period: i64, well: bool) {
    let value = if well { 1.0 } else { 0.0 };
    let known = series.entry(period).or_insert(value);
    *known = known.max(value);
    while series.len() > RANGE + 1 {
        series.pop_first();
    }
}

/// The events with which SNS invokes health-probe for the alarms that went to ALARM after `since`, until the newest
/// [`advance`]. An event that is delivered again has the same message id.
#[must_use]
pub fn alarms_since(aws: &Aws, since: Timestamp) -> Vec<Value> {
    let news = aws.cloudwatch.changes.iter().enumerate().filter(|(_, change)| change.at > since);
    let to_probe = news.filter(|(_, change)| change.topic == Some(alarm::ALARM_TOPIC));
    to_probe.map(|(number, change)| sns_event(change, &format!("{number:08x}-ee98-5cb9-9903-4c221d41eb01"))).collect()
}

/// Where the plan is active, by the ledger.
fn active_region(aws: &Aws) -> String {
    let item = aws.dynamodb.table.item("plan#trading").unwrap_or_default();
    item["active_region"]["S"].as_str().unwrap_or(workload::HOME).to_owned()
}

/// Lets time pass. What `watch` and the alarms see at a moment is the world as it is at `now`, so a run has to let time
/// pass in steps of seconds, not of minutes.
pub fn advance(aws: &mut Aws, now: Timestamp) {
    if aws.cloudwatch.next_watch.is_none() {
        aws.cloudwatch.begin(now);
    }
    while let Some(watch) = aws.cloudwatch.next_watch.filter(|watch| *watch <= now) {
        aws.cloudwatch.next_watch = Some(watch.plus_millis(PERIOD_MS));
        if aws.cloudwatch.watch_is_told || aws.lost.contains(workload::STANDBY) {
            continue;
        }
        let region = active_region(aws);
        let answers = !aws.lost.contains(&region);
        let fails = aws.endpoint_down && region == workload::HOME;
        let healthy = answers && !fails && aws.ecs.serves(&region);
        aws.cloudwatch.note(&region, healthy, Some(answers), watch);
    }
    let Aws { cloudwatch, aurora, lost, .. } = aws;
    cloudwatch.evaluate_all(aurora, lost, now);
}

impl CloudWatch {
    fn evaluate_all(&mut self, aurora: &Aurora, lost: &BTreeSet<String>, now: Timestamp) {
        for place in 0..METRIC_ALARMS.len() {
            while self.states[place].next <= now {
                let at = self.states[place].next;
                self.states[place].next = at.plus_millis(PERIOD_MS);
                if !lost.contains(workload::STANDBY) {
                    self.evaluate(place, aurora, at);
                }
            }
        }
        if let Some(due) = self.composite_due.filter(|due| *due <= now) {
            self.composite_due = None;
            self.evaluate_composite(due);
        }
    }
}
