//! How far a secondary is behind, and the metric that says so.

use std::collections::VecDeque;

use failover::contract::Timestamp;

use super::LAG_PERIOD_MS;
use crate::chance::Chance;

/// The usual lag, in milliseconds.
const USUAL_LAG_MS: (u64, u64) = (50, 900);
/// How much faster than the writer writes a secondary takes in what it missed.
const CATCHES_UP: u64 = 10;
/// After how long a datapoint can be read, in milliseconds after the end of its period.
const PUBLISHED_AFTER_MS: (u64, u64) = (2_000, 30_000);
/// For how long a secondary whose writer does not answer still publishes its growing lag, in milliseconds, if it does at
/// all. AWS does not say.
const GROWS_FOR_MS: (u64, u64) = (60_000, 600_000);
/// In how many of a thousand worlds the lag is published while the writer does not answer.
const GROWS_PERMILLE: u64 = 500;
/// How many datapoints are kept: more than anybody asks for.
const KEPT: usize = 30;
/// How many datapoints there are when the simulation begins.
const HISTORY: u64 = 15;

/// A datapoint of the lag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Datapoint {
    /// When its period begins.
    pub start: Timestamp,
    /// The largest lag, in milliseconds.
    pub maximum: f64,
    /// The average lag, in milliseconds.
    pub average: f64,
    /// From when on it can be read.
    pub readable: Timestamp,
}

/// What a secondary has of its writer's writes.
#[derive(Debug)]
pub(super) struct Replica {
    /// It has every write up to this moment.
    pub(super) has_until: Timestamp,
    /// Somebody or something holds it up.
    pub(super) held: bool,
    usual_lag_ms: u64,
    published_after_ms: u64,
    grows_for_ms: u64,
    /// Since when the writer does not answer.
    cut_off: Option<Timestamp>,
    minute: Minute,
    datapoints: VecDeque<Datapoint>,
}

/// What was measured since the period began.
#[derive(Debug, Default)]
struct Minute {
    maximum: u64,
    lag_by_time: f64,
    measured_ms: u64,
}

impl Replica {
    pub(super) fn new(chance: &mut Chance) -> Self {
        let grows = chance.permille(GROWS_PERMILLE);
        let grows_for_ms = draw(chance, GROWS_FOR_MS);
        Self {
            has_until: Timestamp::from_millis(0),
            held: false,
            usual_lag_ms: draw(chance, USUAL_LAG_MS),
            published_after_ms: draw(chance, PUBLISHED_AFTER_MS),
            grows_for_ms: if grows { grows_for_ms } else { 0 },
            cut_off: None,
            minute: Minute::default(),
            datapoints: VecDeque::new(),
        }
    }

    /// It has everything but the usual lag.
    pub(super) fn synchronised(&mut self, now: Timestamp) {
        self.has_until = now.minus_millis(self.usual_lag_ms);
        self.cut_off = None;
        self.minute = Minute::default();
    }

    /// As if it had replicated before `now`, too.
    pub(super) fn invent_history(&mut self, now: Timestamp) {
        let lag = as_f64(self.usual_lag_ms);
        let began = LAG_PERIOD_MS * (u64::try_from(now.as_millis()).unwrap_or(0) / LAG_PERIOD_MS);
        for ago in (1..=HISTORY).rev() {
            let start = at(began.saturating_sub(ago * LAG_PERIOD_MS));
            let readable = start.plus_millis(LAG_PERIOD_MS + self.published_after_ms);
            self.keep(Datapoint { start, maximum: lag, average: lag, readable });
        }
    }

    /// Time passes from `from` to `to`, in which the writer answers or not.
    pub(super) fn pass(&mut self, from: Timestamp, to: Timestamp, writer_answers: bool) {
        let before = from.millis_since(self.has_until);
        let passed = to.millis_since(from);
        if writer_answers {
            self.cut_off = None;
        } else {
            self.cut_off.get_or_insert(from);
        }
        if writer_answers && !self.held {
            let near = to.minus_millis(self.usual_lag_ms);
            let reachable = self.has_until.plus_millis(passed.saturating_mul(CATCHES_UP));
            self.has_until = self.has_until.max(near.min(reachable));
        }
        if self.publishes(to) {
            let after = to.millis_since(self.has_until);
            self.minute.maximum = self.minute.maximum.max(before).max(after);
            self.minute.lag_by_time += f64::midpoint(as_f64(before), as_f64(after)) * as_f64(passed);
            self.minute.measured_ms += passed;
        }
    }

    fn publishes(&self, now: Timestamp) -> bool {
        self.cut_off.is_none_or(|since| now.millis_since(since) <= self.grows_for_ms)
    }

    /// A period of the metric ends.
    pub(super) fn minute_ends(&mut self, now: Timestamp, chance: &mut Chance) {
        let minute = std::mem::take(&mut self.minute);
        self.usual_lag_ms = draw(chance, USUAL_LAG_MS);
        if minute.measured_ms > 0 {
            self.keep(Datapoint {
                start: now.minus_millis(LAG_PERIOD_MS),
                maximum: as_f64(minute.maximum),
                average: minute.lag_by_time / as_f64(minute.measured_ms),
                readable: now.plus_millis(self.published_after_ms),
            });
        }
    }

    fn keep(&mut self, datapoint: Datapoint) {
        if self.datapoints.len() == KEPT {
            self.datapoints.pop_front();
        }
        self.datapoints.push_back(datapoint);
    }

    /// What can be read at `now`, the oldest first.
    pub(super) fn datapoints(&self, now: Timestamp) -> impl DoubleEndedIterator<Item = &Datapoint> {
        self.datapoints.iter().filter(move |datapoint| datapoint.readable <= now)
    }
}

pub(super) fn draw(chance: &mut Chance, (least, most): (u64, u64)) -> u64 {
    chance.between(least, most)
}

pub(super) fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of hours, far below 2^53")]
const fn as_f64(ms: u64) -> f64 {
    ms as f64
}
