//! A state of the model: the ledger's own items, AWS, the workers, and what is on its way between them.
//!
//! Two states that differ only in when they are, or in how long ago something was that no longer matters, are the same
//! state to the checker: it compares [`World::key`], in which all times are relative to now and cut off where nothing
//! depends on them any more. That makes the state space finite without a horizon in time.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use failover::contract::Timestamp;
use failover::ledger::plan_item::Phase;
use failover::ledger::{Intent, PlanItem, Record, Status};

use super::setup::Orchestrator;

/// Something that must never happen. The first one ends a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    TwoChangesUnderWay,
    AppliedTwice,
    SentWithoutIntent,
    SentByAnotherThanTheOwner,
    SentAfterCompletion,
    SentWhileSuperseded,
    SentAfterTheDeadline,
    GenerationWentBack,
    WrittenByAnotherThanTheOwner,
    CompletedByAnotherThanTheOwner,
    CompletedRecordChanged,
    EventDidNotFit,
}

/// What a write to an operation's record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Claim,
    Intent,
    Receipt,
    Lost,
    Retract,
    Release,
    Complete,
    Fail,
}

/// A compare-and-set on its way.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) purpose: Purpose,
    pub(crate) expected: Option<Arc<Record>>,
    pub(crate) next: Arc<Record>,
}

/// What the gate said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    Yes,
    Superseded,
    Refused,
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It completed the operation, or found it completed.
    Done,
    /// Not finished; it may be asked again.
    Unfinished,
    /// A write of its was refused, since another owns the operation.
    TookNoEffect,
    /// The gate told it that it is superseded.
    Superseded,
    /// AWS refused the change.
    Rejected,
}

/// Where an invocation is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Not invoked yet.
    Idle,
    /// A write to the ledger is on its way.
    Writing(Write),
    /// The gate's read is on its way; with a change to come, or else a look.
    Gating { change: bool },
    /// The answer of the gate right before a change is on its way.
    Gated(Permit),
    /// A look at AWS is on its way; `settled`: whether the last change had had its time when it left.
    Looking { settled: bool },
    /// The answer that the change does not show is on its way.
    Looked { settled: bool },
    /// Waiting for the last change to show, until then.
    Sleeping { until: i64 },
    /// The intent is on record, the change about to be sent.
    Sending,
    /// The change was sent.
    Awaiting,
    /// Over.
    Ended(End),
    /// Dead.
    Crashed,
}

/// One invocation, which is one worker.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    /// How far its clock is ahead of the true time, in milliseconds.
    pub(crate) skew: i64,
    pub(crate) operation: usize,
    pub(crate) place: Place,
    /// When it goes on at the latest, in true time: a call is answered or given up within its timeout, and what stands
    /// still does so until its deadline.
    pub(crate) limit: i64,
    /// When its time is up, by its own clock.
    pub(crate) deadline: i64,
    pub(crate) held: Option<Arc<Record>>,
    /// The record as it held it before it wrote its intent down.
    pub(crate) earlier: Option<Arc<Record>>,
    pub(crate) acted: bool,
    /// The plan's generation when the gate before the change was read; 0 before that.
    pub(crate) gated_in: u64,
    /// Why it gives up.
    pub(crate) reason: End,
}

impl Worker {
    pub(crate) fn is_at_work(&self) -> bool {
        !matches!(self.place, Place::Idle | Place::Ended(_) | Place::Crashed)
    }

    /// Whether more is to come than the writing down of how it ended.
    fn may_go_on(&self) -> bool {
        match &self.place {
            Place::Writing(write) => !matches!(write.purpose, Purpose::Complete | Purpose::Release | Purpose::Fail),
            _ => self.is_at_work(),
        }
    }
}

/// A change on its way to AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) operation: usize,
    pub(crate) sender: usize,
    /// When it arrives at the latest, in true time.
    pub(crate) until: i64,
}

/// A write to the ledger whose sender no longer waits for it.
#[derive(Clone, Debug)]
pub(crate) struct Late {
    pub(crate) operation: usize,
    pub(crate) sender: usize,
    pub(crate) write: Write,
    pub(crate) until: i64,
}

/// A state.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// The true time, in milliseconds.
    pub(crate) now: i64,
    pub(crate) plan: Arc<PlanItem>,
    pub(crate) records: Vec<Option<Arc<Record>>>,
    /// For each operation, how often AWS has made its change.
    pub(crate) applied: Vec<u8>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) requests: Vec<Request>,
    pub(crate) late: Option<Late>,
    pub(crate) crashes: u8,
    pub(crate) mishaps: u8,
    pub(crate) breach: Option<Breach>,
    /// The only breach that counts; any if none.
    pub(crate) watched: Option<Breach>,
    /// Where times that are long past are cut off: beyond it nothing depends on them.
    pub(crate) cut: Cut,
}

/// How long ago something has to be for nothing to depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    settled: i64,
    expired: i64,
}

impl Cut {
    pub(crate) fn of(model: &Orchestrator) -> Self {
        let skew = model.timing.skews.iter().map(|skew| skew.abs()).max().unwrap_or(0);
        Self { settled: model.timing.settle + 2 * skew, expired: 2 * skew }
    }
}

/// The token of a worker.
pub(crate) fn token(worker: usize) -> String {
    format!("worker {}", worker + 1)
}

fn number_of(token: &str) -> i64 {
    token.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a worker's token")
}

impl World {
    pub(crate) fn breached(&mut self, breach: Breach) {
        if self.watched.is_none_or(|watched| watched == breach) {
            self.breach.get_or_insert(breach);
        }
    }

    pub(crate) fn own_now(&self, worker: usize) -> i64 {
        self.now + self.workers[worker].skew
    }

    pub(crate) fn own_timestamp(&self, worker: usize) -> Timestamp {
        Timestamp::from_millis(self.own_now(worker))
    }

    /// What is left of a worker's time, by its own clock.
    pub(crate) fn left(&self, worker: usize) -> i64 {
        (self.workers[worker].deadline - self.own_now(worker)).max(0)
    }

    /// Whether nobody is at work and nothing is on its way.
    pub(crate) fn is_still(&self) -> bool {
        self.requests.is_empty() && self.late.is_none() && !self.workers.iter().any(Worker::is_at_work)
    }

    /// Everything that what comes next can depend on.
    fn key(&self) -> Vec<i64> {
        let mut key = Vec::with_capacity(96);
        key.push(self.plan.generation.cast_signed());
        if let Some(newest) = &self.plan.newest {
            key.push(newest.phase as i64);
            key.push(newest.id.as_str().len().try_into().expect("short"));
            let left = if newest.phase == Phase::Active { newest.active_until.as_millis() - self.now } else { 0 };
            key.push(left.max(0));
        }
        for record in &self.records {
            self.push_record(&mut key, record.as_deref());
        }
        key.extend(self.applied.iter().map(|times| i64::from(*times)));
        for worker in 0..self.workers.len() {
            self.push_worker(&mut key, worker);
        }
        for request in &self.requests {
            key.extend([-1, position(request.operation), position(request.sender), request.until - self.now]);
        }
        key.push(-2);
        if let Some(late) = &self.late {
            key.extend([position(late.operation), position(late.sender), late.until - self.now]);
            self.push_write(&mut key, &late.write, late.operation);
        }
        key.extend([i64::from(self.crashes), i64::from(self.mishaps), self.breach.map_or(-1, |breach| breach as i64)]);
        key
    }

    fn push_record(&self, key: &mut Vec<i64>, record: Option<&Record>) {
        let Some(record) = record else {
            key.push(-3);
            return;
        };
        key.extend([record.status as i64, i64::from(record.attempt)]);
        if record.status == Status::Completed {
            return;
        }
        let lease = record.lease_expires;
        let left = if lease == Timestamp::default() {
            i64::MIN
        } else {
            (lease.as_millis() - self.now).max(-self.cut.expired)
        };
        key.extend([number_of(&record.owner), left, i64::from(record.retryable)]);
        self.push_intent(key, record.intent.as_ref());
    }

    fn push_intent(&self, key: &mut Vec<i64>, intent: Option<&Intent>) {
        match intent {
            None => key.push(-4),
            Some(intent) => {
                key.push((self.now - intent.at.as_millis()).min(self.cut.settled));
                key.push(i64::from(intent.receipt.is_some()));
            }
        }
    }

    fn push_write(&self, key: &mut Vec<i64>, write: &Write, operation: usize) {
        key.push(write.purpose as i64);
        self.push_record(key, write.expected.as_deref());
        self.push_record(key, Some(&write.next));
        // Told apart by their moments, which the key leaves out.
        key.push(i64::from(self.records[operation].as_deref() == Some(&*write.next)));
    }

    fn push_worker(&self, key: &mut Vec<i64>, index: usize) {
        let worker = &self.workers[index];
        match &worker.place {
            Place::Idle => key.push(0),
            // How it ended decides nothing that is to come; but a refusal is to be seen together with what follows.
            Place::Ended(End::Rejected) => key.extend([1, position(worker.operation)]),
            Place::Crashed | Place::Ended(_) => key.extend([2, position(worker.operation)]),
            Place::Writing(write) => {
                key.push(3);
                self.push_write(key, write, worker.operation);
            }
            Place::Gating { change } => key.extend([4, i64::from(*change)]),
            Place::Gated(permit) => key.extend([5, *permit as i64]),
            Place::Looking { settled } => key.extend([6, i64::from(*settled)]),
            Place::Looked { settled } => key.extend([7, i64::from(*settled)]),
            Place::Sleeping { until } => key.extend([8, (until - self.now).max(0)]),
            Place::Sending => key.push(9),
            Place::Awaiting => key.push(10),
        }
        if worker.is_at_work() {
            key.extend([worker.skew, position(worker.operation), worker.limit - self.now, worker.reason as i64]);
            self.push_record(key, worker.held.as_deref());
        }
        if worker.may_go_on() {
            key.extend([self.left(index), i64::from(worker.acted), worker.gated_in.cast_signed()]);
            self.push_intent(key, worker.earlier.as_ref().and_then(|record| record.intent.as_ref()));
        }
    }
}

fn position(index: usize) -> i64 {
    i64::try_from(index).expect("few")
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for World {}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}
