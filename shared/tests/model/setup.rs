//! What is modelled: how many workers, failovers, mishaps; how long everything takes; what is broken on purpose.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use failover::config::{DEFAULT_CALL_TIMEOUT, DEFAULT_STEP_BUDGET};
use failover::env::millis;
use failover::step::{LEASE_MARGIN, settle_time};

use super::world::Breach;

/// Clocks that differ by less than `LEASE_MARGIN`, as SEMANTICS.md assumes.
pub(crate) fn promised_skews() -> [i64; 2] {
    [0, as_ms(LEASE_MARGIN) - 1]
}

/// Clocks that differ by a second more than `LEASE_MARGIN`.
pub(crate) fn excessive_skews() -> [i64; 2] {
    [0, as_ms(LEASE_MARGIN) + 1_000]
}

pub(crate) fn as_ms(duration: Duration) -> i64 {
    i64::try_from(millis(duration)).expect("a short duration")
}

/// A deviation from the product's behaviour, put around it from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flaw {
    /// The compare-and-set does not compare the owner.
    OwnerNotCompared,
    /// It does not compare the attempt.
    AttemptNotCompared,
    /// It does not compare the lease.
    LeaseNotCompared,
    /// A change is sent without having been written down.
    IntentNotRecorded,
    /// The lease covers one call instead of the whole invocation.
    LeaseTooShort,
    /// A change whose outcome is unknown is retracted, as one that was certainly not applied.
    UnknownTakenForNotSent,
    /// The plan's generation is not looked at.
    GenerationUnchecked,
    /// A change that does not show is repeated at once.
    NotSettled,
    /// An operation that failed is deleted from the ledger.
    DeletedOnError,
    /// A change is sent, and sent again, whatever the time.
    SentAfterTheDeadline,
    /// The time that a change has had to show is measured when the answer is there, not when AWS was asked.
    MeasuredAfterLooking,
    /// The intent of a change whose outcome was lost stays as old as it was written down.
    IntentKeepsItsAge,
}

/// How long things take, in milliseconds; all but the tick are the product's own figures.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    /// The model's clock moves in steps of this length.
    pub(crate) tick: i64,
    /// One call's timeout.
    pub(crate) call: i64,
    /// How long after it was sent a change may still arrive.
    pub(crate) arrival: i64,
    /// How long an invocation works.
    pub(crate) budget: i64,
    /// How long a change is looked for before it is repeated.
    pub(crate) settle: i64,
    /// How far each worker's clock may be ahead of the true time.
    pub(crate) skews: Vec<i64>,
}

impl Timing {
    /// The default configuration's, with the call timeout as the model's tick: 1 for a call, 2 to settle and for a change to
    /// arrive, 4 for a budget.
    pub(crate) fn product(skews: &[i64]) -> Self {
        Self {
            tick: as_ms(DEFAULT_CALL_TIMEOUT),
            call: as_ms(DEFAULT_CALL_TIMEOUT),
            // In less than the settling time, as SEMANTICS.md assumes.
            arrival: as_ms(settle_time(DEFAULT_CALL_TIMEOUT)) - 1,
            budget: as_ms(DEFAULT_STEP_BUDGET),
            settle: as_ms(settle_time(DEFAULT_CALL_TIMEOUT)),
            skews: skews.to_vec(),
        }
    }
}

/// The model: everything that may happen, within its bounds.
#[derive(Debug)]
pub(crate) struct Orchestrator {
    /// How many invocations there are, in any order and overlap.
    pub(crate) workers: usize,
    /// How many failovers of the plan there are, each with one operation.
    pub(crate) failovers: usize,
    /// How many invocations may die.
    pub(crate) crashes: u8,
    /// How many messages may be lost, doubled, late or refused.
    pub(crate) mishaps: u8,
    /// Whether AWS gives a receipt for the change.
    pub(crate) receipts: bool,
    /// How long everything takes.
    pub(crate) timing: Timing,
    /// What is broken on purpose.
    pub(crate) flaws: BTreeSet<Flaw>,
    /// The only thing looked for; everything if none.
    pub(crate) watched: Option<Breach>,
    /// How many states the checker has looked at.
    pub(crate) visited: AtomicUsize,
}

impl Orchestrator {
    pub(crate) fn new(workers: usize, failovers: usize, timing: Timing) -> Self {
        Self {
            workers,
            failovers,
            crashes: 0,
            mishaps: 0,
            receipts: false,
            timing,
            flaws: BTreeSet::new(),
            watched: None,
            visited: AtomicUsize::new(0),
        }
    }

    pub(crate) fn crashes(self, crashes: u8) -> Self {
        Self { crashes, ..self }
    }

    pub(crate) fn mishaps(self, mishaps: u8) -> Self {
        Self { mishaps, ..self }
    }

    pub(crate) fn receipts(self) -> Self {
        Self { receipts: true, ..self }
    }

    pub(crate) fn arrival(self, arrival: Duration) -> Self {
        Self { timing: Timing { arrival: as_ms(arrival), ..self.timing }, ..self }
    }

    pub(crate) fn budget(self, budget: Duration) -> Self {
        Self { timing: Timing { budget: as_ms(budget), ..self.timing }, ..self }
    }

    pub(crate) fn tick(self, tick: Duration) -> Self {
        Self { timing: Timing { tick: as_ms(tick), ..self.timing }, ..self }
    }

    pub(crate) fn broken(self, flaws: &[Flaw]) -> Self {
        Self { flaws: flaws.iter().copied().collect(), ..self }
    }

    pub(crate) fn watching(self, breach: Breach) -> Self {
        Self { watched: Some(breach), ..self }
    }

    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaws.contains(&flaw)
    }
}
