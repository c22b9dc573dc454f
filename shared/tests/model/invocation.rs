//! One invocation's control flow, as in `step::run`, cut where it waits for something: every function here goes from
//! one await to the next. What it decides on is the product's own: [`Record::claim`], [`Record::apply`],
//! [`PlanItem::permit`](failover::ledger::PlanItem::permit).

use std::sync::Arc;

use failover::contract::{Generation, Initiator, PlanName, Timestamp};
use failover::error::Error;
use failover::ledger::{Claim, ClaimRefused, Event, Record, Status};
use failover::step::LEASE_MARGIN;
use serde_json::json;

use super::setup::{Flaw, Orchestrator, as_ms};
use super::world::{Breach, End, Late, Permit, Place, Purpose, Request, World, Write, token};

/// How long an invocation sleeps before it looks for its change again, as `step.rs` has it.
const ASK_AGAIN: i64 = 1_000;

pub(crate) fn plan_name() -> PlanName {
    PlanName::parse("trading").expect("valid")
}

/// The n-th operation is the n-th failover's, whose generation is n.
fn generation_of(operation: usize) -> Generation {
    u64::try_from(operation + 1).expect("few")
}

/// What became of a write, as the ledger's store tells it.
enum Written {
    Yes(Arc<Record>),
    Lost(Option<Arc<Record>>),
    NoAnswer,
}

impl Orchestrator {
    /// Begins an invocation. Where the operation is on record, the first write, which expects that it is not, has lost
    /// already, and the claim goes on from what that gave back. None if it is refused: then it is as if nobody had asked.
    pub(crate) fn start(&self, world: &World, worker: usize, operation: usize, skew: i64) -> Option<World> {
        let mut next = world.clone();
        let invocation = &mut next.workers[worker];
        invocation.operation = operation;
        invocation.skew = skew;
        invocation.deadline = world.now + skew + self.timing.budget;
        let stored = world.records[operation].clone();
        let claimed = Record::claim(stored.as_deref(), &self.claim_of(&next, worker), next.own_timestamp(worker));
        self.write(&mut next, worker, Purpose::Claim, stored, claimed.ok()?);
        Some(next)
    }

    fn claim_of(&self, world: &World, worker: usize) -> Claim {
        let invocation = &world.workers[worker];
        let covered = if self.has(Flaw::LeaseTooShort) { self.timing.budget - self.timing.call } else { 0 };
        let lease = invocation.deadline - covered + self.timing.settle + as_ms(LEASE_MARGIN);
        Claim {
            operation_id: format!("failover {}#step#resource", invocation.operation + 1),
            failover_id: format!("failover {}", invocation.operation + 1),
            request_hash: "hash".to_owned(),
            owner: token(worker),
            lease_expires: Timestamp::from_millis(lease),
        }
    }

    fn write(&self, world: &mut World, worker: usize, purpose: Purpose, expected: Option<Arc<Record>>, next: Record) {
        let write = Write { purpose, expected, next: Arc::new(next) };
        self.call(world, worker, Place::Writing(write));
    }

    /// Waits for a call that is begun now.
    fn call(&self, world: &mut World, worker: usize, place: Place) {
        let answered_by = world.now + self.timing.call;
        let invocation = &mut world.workers[worker];
        let stands_still_until = match &place {
            Place::Writing(Write { purpose: Purpose::Intent, .. }) | Place::Sleeping { .. } | Place::Sending => {
                invocation.deadline - invocation.skew
            }
            Place::Writing(Write { purpose: Purpose::Complete, .. }) if self.failovers == 1 => {
                invocation.deadline - invocation.skew
            }
            // Standing still here is as standing still in what follows.
            _ => answered_by,
        };
        invocation.limit = answered_by.max(stands_still_until);
        invocation.place = place;
    }

    fn report(&self, world: &mut World, worker: usize, purpose: Purpose, event: Event) {
        let held = world.workers[worker].held.clone().expect("who reports has claimed");
        let now = world.own_timestamp(worker);
        match held.apply(event, now) {
            Ok(mut next) => {
                if self.has(Flaw::IntentKeepsItsAge) && purpose != Purpose::Intent {
                    let moment = held.intent.as_ref().map(|intent| intent.at);
                    next.intent.iter_mut().zip(moment).for_each(|(intent, at)| intent.at = at);
                }
                self.write(world, worker, purpose, Some(held), next);
            }
            Err(_) => world.breached(Breach::EventDidNotFit),
        }
    }

    /// Whether the compare-and-set of `store.rs` holds: these four attributes identify what was read.
    fn holds(&self, expected: Option<&Record>, stored: Option<&Record>) -> bool {
        match (expected, stored) {
            (None, None) => true,
            (Some(expected), Some(stored)) => {
                expected.status == stored.status
                    && (self.has(Flaw::OwnerNotCompared) || expected.owner == stored.owner)
                    && (self.has(Flaw::AttemptNotCompared) || expected.attempt == stored.attempt)
                    && (self.has(Flaw::LeaseNotCompared) || expected.lease_expires == stored.lease_expires)
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// A write reaches the ledger.
    fn store(&self, world: &mut World, operation: usize, sender: usize, write: &Write) -> Written {
        let stored = world.records[operation].clone();
        if !self.holds(write.expected.as_deref(), stored.as_deref()) {
            let own = stored.as_deref().is_some_and(|stored| stored.is_same_write(&write.next));
            return if own { Written::Yes(Arc::clone(&write.next)) } else { Written::Lost(stored) };
        }
        if let Some(stored) = &stored {
            let is_owner = stored.owner == token(sender);
            match (write.purpose, stored.status) {
                (_, Status::Completed) => world.breached(Breach::CompletedRecordChanged),
                (Purpose::Claim, _) => {}
                (Purpose::Complete, _) if !is_owner => world.breached(Breach::CompletedByAnotherThanTheOwner),
                (_, _) if !is_owner => world.breached(Breach::WrittenByAnotherThanTheOwner),
                (_, _) => {}
            }
        }
        let deleted = self.has(Flaw::DeletedOnError) && write.purpose == Purpose::Fail;
        world.records[operation] = if deleted { None } else { Some(Arc::clone(&write.next)) };
        Written::Yes(Arc::clone(&write.next))
    }

    /// A worker's write reaches the ledger, and nobody hears of it.
    pub(crate) fn store_unheard(&self, world: &mut World, worker: usize) {
        let Place::Writing(write) = world.workers[worker].place.clone() else { return };
        let operation = world.workers[worker].operation;
        self.store(world, operation, worker, &write);
    }

    /// A worker's write reaches the ledger, and its answer the worker.
    pub(crate) fn deliver(&self, world: &mut World, worker: usize) {
        let Place::Writing(write) = world.workers[worker].place.clone() else { return };
        let operation = world.workers[worker].operation;
        let written = self.store(world, operation, worker, &write);
        self.go_on_after(world, worker, &write, written);
    }

    /// A worker's write is given up.
    pub(crate) fn time_out(&self, world: &mut World, worker: usize) {
        let Place::Writing(write) = world.workers[worker].place.clone() else { return };
        self.go_on_after(world, worker, &write, Written::NoAnswer);
    }

    /// A copy of a worker's write stays on its way, for one call timeout.
    pub(crate) fn leave_late(&self, world: &mut World, worker: usize) {
        let Place::Writing(write) = world.workers[worker].place.clone() else { return };
        let operation = world.workers[worker].operation;
        world.late = Some(Late { operation, sender: worker, write, until: world.now + self.timing.call });
    }

    pub(crate) fn late_arrives(&self, world: &mut World) {
        if let Some(late) = world.late.take() {
            self.store(world, late.operation, late.sender, &late.write);
        }
    }

    fn go_on_after(&self, world: &mut World, worker: usize, write: &Write, written: Written) {
        match (write.purpose, written) {
            (Purpose::Claim, Written::Lost(stored)) => self.claim_again(world, worker, stored.as_ref()),
            (Purpose::Claim, Written::NoAnswer) => end(world, worker, End::Unfinished),
            (Purpose::Fail, Written::Lost(_)) => end(world, worker, End::TookNoEffect),
            (Purpose::Fail, Written::NoAnswer) => {
                let reason = world.workers[worker].reason;
                end(world, worker, reason);
            }
            (_, Written::Lost(_)) => self.give_up(world, worker, End::TookNoEffect),
            (_, Written::NoAnswer) => self.give_up(world, worker, End::Unfinished),
            (purpose, Written::Yes(record)) => {
                world.workers[worker].held = Some(record);
                self.go_on_with(world, worker, purpose);
            }
        }
    }

    fn go_on_with(&self, world: &mut World, worker: usize, purpose: Purpose) {
        match purpose {
            Purpose::Claim => self.gate(world, worker, false),
            Purpose::Intent => world.workers[worker].place = Place::Sending,
            Purpose::Receipt | Purpose::Lost => self.look(world, worker),
            Purpose::Retract => {
                let reason = world.workers[worker].reason;
                self.give_up(world, worker, reason);
            }
            Purpose::Release => end(world, worker, End::Unfinished),
            Purpose::Complete => end(world, worker, End::Done),
            Purpose::Fail => {
                let reason = world.workers[worker].reason;
                end(world, worker, reason);
            }
        }
    }

    fn claim_again(&self, world: &mut World, worker: usize, stored: Option<&Arc<Record>>) {
        let now = world.own_timestamp(worker);
        match Record::claim(stored.map(|record| &**record), &self.claim_of(world, worker), now) {
            Ok(next) => self.write(world, worker, Purpose::Claim, stored.cloned(), next),
            Err(ClaimRefused::Completed(_)) => end(world, worker, End::Done),
            // Nothing was done: it may be invoked again as if it had not been.
            Err(ClaimRefused::Held { .. }) => world.workers[worker].place = Place::Idle,
            Err(ClaimRefused::FailedForGood { .. }) => end(world, worker, End::Superseded),
            Err(ClaimRefused::OtherRequest) => world.breached(Breach::EventDidNotFit),
        }
    }

    fn gate(&self, world: &mut World, worker: usize, change: bool) {
        if self.failovers == 1 || self.has(Flaw::GenerationUnchecked) {
            world.workers[worker].gated_in = world.plan.generation;
            return self.go_on_behind_gate(world, worker, change, Permit::Yes);
        }
        self.call(world, worker, Place::Gating { change });
    }

    /// The gate's read is answered by the ledger. Only right before a change does it matter when the worker hears it.
    pub(crate) fn read_gate(&self, world: &mut World, worker: usize, change: bool) {
        let generation = generation_of(world.workers[worker].operation);
        let now = world.own_timestamp(worker);
        let permit = match world.plan.permit(&plan_name(), Some(generation), Initiator::Alarm, now) {
            Ok(()) => Permit::Yes,
            Err(Error::Superseded { .. }) => Permit::Superseded,
            Err(_) => Permit::Refused,
        };
        if change {
            world.workers[worker].gated_in = world.plan.generation;
            hear_late(world, worker, Place::Gated(permit));
        } else {
            self.go_on_behind_gate(world, worker, false, permit);
        }
    }

    pub(crate) fn go_on_behind_gate(&self, world: &mut World, worker: usize, change: bool, permit: Permit) {
        match permit {
            Permit::Superseded => self.give_up(world, worker, End::Superseded),
            Permit::Refused => self.give_up(world, worker, End::Unfinished),
            Permit::Yes if change => self.record_intent(world, worker),
            Permit::Yes => self.look(world, worker),
        }
    }

    fn record_intent(&self, world: &mut World, worker: usize) {
        let invocation = &mut world.workers[worker];
        invocation.acted = true;
        invocation.earlier.clone_from(&invocation.held);
        if self.has(Flaw::IntentNotRecorded) {
            return self.call(world, worker, Place::Sending);
        }
        self.report(world, worker, Purpose::Intent, Event::RecordIntent { action: json!("change") });
    }

    fn look(&self, world: &mut World, worker: usize) {
        let settled = self.is_settled(world, worker);
        self.call(world, worker, Place::Looking { settled });
    }

    /// Whether the last change has had its time to show.
    fn is_settled(&self, world: &World, worker: usize) -> bool {
        let invocation = &world.workers[worker];
        let last = invocation.held.as_ref().and_then(|record| record.intent.as_ref());
        last.is_none_or(|last| {
            let age = world.own_timestamp(worker).millis_since(last.at);
            !invocation.acted && i64::try_from(age).expect("short") >= self.timing.settle
        })
    }

    /// AWS answers a look. What shows stays so; that nothing shows, the worker may hear late.
    pub(crate) fn serve_look(&self, world: &mut World, worker: usize, settled: bool) {
        if world.applied[world.workers[worker].operation] > 0 {
            self.report(world, worker, Purpose::Complete, Event::Complete { result: json!("done") });
        } else if self.failovers == 1 {
            hear_late(world, worker, Place::Looked { settled });
        } else {
            world.workers[worker].place = Place::Looked { settled };
        }
    }

    /// The worker hears that the change did not show, and decides.
    pub(crate) fn decide(&self, world: &mut World, worker: usize, settled: bool) {
        let late_measure = self.has(Flaw::MeasuredAfterLooking) && self.is_settled(world, worker);
        if settled || late_measure || self.has(Flaw::NotSettled) {
            self.gate(world, worker, true);
        } else if world.left(worker) < ASK_AGAIN + self.timing.call {
            self.report(world, worker, Purpose::Release, Event::Release);
        } else {
            self.call(world, worker, Place::Sleeping { until: world.now + ASK_AGAIN });
        }
    }

    pub(crate) fn wake(&self, world: &mut World, worker: usize) {
        self.look(world, worker);
    }

    /// Sends the change, or takes it back if the time is up.
    pub(crate) fn send(&self, world: &mut World, worker: usize) {
        let sender = &world.workers[worker];
        let operation = sender.operation;
        let late = world.own_now(worker) > sender.deadline;
        if late && !self.has(Flaw::SentAfterTheDeadline) {
            return self.retract(world, worker, End::Unfinished);
        }
        for breach in Self::breaches_by_sending(world, worker) {
            world.breached(breach);
        }
        world.requests.push(Request { operation, sender: worker, until: world.now + self.timing.arrival });
        self.call(world, worker, Place::Awaiting);
    }

    /// What is wrong with sending a change now.
    fn breaches_by_sending(world: &World, worker: usize) -> Vec<Breach> {
        let sender = &world.workers[worker];
        let stored = world.records[sender.operation].as_ref();
        let mut breaches = Vec::new();
        let mut forbid = |forbidden: bool, breach| breaches.extend(forbidden.then_some(breach));
        let others = world.requests.iter().filter(|request| request.operation == sender.operation);
        forbid(others.count() > 0, Breach::TwoChangesUnderWay);
        forbid(stored.is_some_and(|stored| stored.status == Status::Completed), Breach::SentAfterCompletion);
        forbid(stored.is_none_or(|stored| stored.intent.is_none()), Breach::SentWithoutIntent);
        forbid(stored.is_none_or(|stored| stored.owner != token(worker)), Breach::SentByAnotherThanTheOwner);
        let gate_was_read = world.records.len() > 1;
        forbid(gate_was_read && sender.gated_in != generation_of(sender.operation), Breach::SentWhileSuperseded);
        forbid(world.own_now(worker) > sender.deadline, Breach::SentAfterTheDeadline);
        breaches
    }

    fn retract(&self, world: &mut World, worker: usize, reason: End) {
        world.workers[worker].reason = reason;
        let earlier = world.workers[worker].earlier.as_ref().and_then(|record| record.intent.clone());
        self.report(world, worker, Purpose::Retract, Event::Retract { earlier });
    }

    /// AWS certainly did not apply the change: the worker sends it again, or takes it back.
    pub(crate) fn hear_rejection(&self, world: &mut World, worker: usize, again: bool) {
        if again {
            world.workers[worker].place = Place::Sending;
        } else {
            self.retract(world, worker, End::Rejected);
        }
    }

    /// AWS has made the change.
    pub(crate) fn hear_success(&self, world: &mut World, worker: usize) {
        if self.receipts && !self.has(Flaw::IntentNotRecorded) {
            self.report(world, worker, Purpose::Receipt, Event::RecordReceipt { receipt: "receipt".to_owned() });
        } else {
            self.look(world, worker);
        }
    }

    /// The worker does not know what became of its change.
    pub(crate) fn lose_sight(&self, world: &mut World, worker: usize) {
        if self.has(Flaw::IntentNotRecorded) {
            self.look(world, worker);
        } else if self.has(Flaw::UnknownTakenForNotSent) {
            self.retract(world, worker, End::Unfinished);
        } else {
            self.report(world, worker, Purpose::Lost, Event::LoseOutcome { error: "no answer".to_owned() });
        }
    }

    /// Writes the failure down, whatever becomes of that.
    pub(crate) fn give_up(&self, world: &mut World, worker: usize, reason: End) {
        world.workers[worker].reason = reason;
        let retryable = reason != End::Superseded;
        self.report(world, worker, Purpose::Fail, Event::Fail { error: "failed".to_owned(), retryable });
    }
}

/// An answer is on its way to a worker, which may stand still meanwhile.
fn hear_late(world: &mut World, worker: usize, place: Place) {
    let invocation = &mut world.workers[worker];
    invocation.limit = invocation.limit.max(invocation.deadline - invocation.skew);
    invocation.place = place;
}

fn end(world: &mut World, worker: usize, end: End) {
    world.workers[worker].place = Place::Ended(end);
}
