//! What must never happen, and what has to be possible.

use failover::ledger::Status;
use stateright::Property;

use super::setup::Orchestrator;
use super::world::{Breach, End, Place, Purpose, World};

/// The promises that a model is to keep, each by the words of the checker's report.
pub(crate) fn of(model: &Orchestrator) -> Vec<Property<Orchestrator>> {
    let mut promises = about_changes();
    promises.extend(about_the_ledger());
    if model.watched.is_some() {
        return promises;
    }
    promises
        .push(Property::always("whatever happened, the operation can still be completed", |model, world: &World| {
            !world.is_still() || model.completes_undisturbed(world)
        }));
    promises.push(Property::always("as long as somebody is at work, something goes on", |model, world: &World| {
        world.is_still() || world.breach.is_some() || model.regular_moves(world).iter().any(|made| made.is_progress())
    }));
    promises.extend(possible(model));
    promises
}

/// The promise that a breach breaks, or all of them keep while there is none.
pub(crate) fn broken_by(breach: Breach) -> &'static str {
    match breach {
        Breach::TwoChangesUnderWay => "at most one change of an operation is under way",
        Breach::AppliedTwice => "a change is made at most once",
        Breach::SentWithoutIntent => "a change is on record before it is sent",
        Breach::SentByAnotherThanTheOwner => "only the owner sends a change",
        Breach::SentAfterCompletion => "nothing is sent for a completed operation",
        Breach::SentWhileSuperseded => "nothing is sent behind a gate that was closed when it was read",
        Breach::SentAfterTheDeadline => "nothing is sent after an invocation's deadline",
        Breach::GenerationWentBack => "generations only grow",
        Breach::WrittenByAnotherThanTheOwner => "only the owner writes",
        Breach::CompletedByAnotherThanTheOwner => "only the owner completes",
        Breach::CompletedRecordChanged => "a completed record stays as it is",
        Breach::EventDidNotFit => "every event fits the record's status",
    }
}

/// The promise that a breach never happens.
macro_rules! never {
    ($breach:ident) => {
        Property::always(broken_by(Breach::$breach), |_, world: &World| world.breach != Some(Breach::$breach))
    };
}

fn about_changes() -> Vec<Property<Orchestrator>> {
    vec![
        never!(TwoChangesUnderWay),
        never!(AppliedTwice),
        never!(SentWithoutIntent),
        never!(SentByAnotherThanTheOwner),
        never!(SentAfterCompletion),
        never!(SentWhileSuperseded),
        never!(SentAfterTheDeadline),
    ]
}

fn about_the_ledger() -> Vec<Property<Orchestrator>> {
    vec![
        never!(GenerationWentBack),
        never!(WrittenByAnotherThanTheOwner),
        never!(CompletedByAnotherThanTheOwner),
        never!(CompletedRecordChanged),
        never!(EventDidNotFit),
        Property::always("what is completed was made", |_, world: &World| {
            (0..world.records.len()).all(|operation| !is_completed(world, operation) || world.applied[operation] > 0)
        }),
    ]
}

/// What the model has to reach, so that the promises are not kept because nothing happens in it.
fn possible(model: &Orchestrator) -> Vec<Property<Orchestrator>> {
    let mut possible = vec![
        Property::sometimes("an operation is completed", |_, world: &World| is_completed(world, 0)),
        Property::sometimes("a late writer loses", |_, world: &World| ended(world, End::TookNoEffect)),
    ];
    if model.crashes > 0 {
        possible.push(Property::sometimes(
            "the operation of a worker that died is completed by another",
            |_, world: &World| {
                let died = world.workers.iter().any(|worker| matches!(worker.place, Place::Crashed));
                died && is_completed(world, 0) && world.records[0].as_ref().is_some_and(|record| record.attempt > 1)
            },
        ));
    }
    if model.mishaps > 0 {
        possible.push(Property::sometimes("an unknown outcome is resolved by looking", |_, world: &World| {
            world.workers.iter().any(|worker| {
                matches!(&worker.place, Place::Writing(write) if write.purpose == Purpose::Complete)
                    && worker.held.as_ref().is_some_and(|held| held.status == Status::Unknown)
            })
        }));
        possible
            .push(Property::sometimes("a change that was refused is made by another attempt", |_, world: &World| {
                is_completed(world, 0) && ended(world, End::Rejected)
            }));
    }
    if model.failovers > 1 {
        possible.push(Property::sometimes("a superseded worker is refused", |_, world: &World| {
            ended(world, End::Superseded)
        }));
        possible.push(Property::sometimes("both failovers complete", |_, world: &World| {
            is_completed(world, 0) && is_completed(world, 1)
        }));
    }
    possible
}

pub(crate) fn is_completed(world: &World, operation: usize) -> bool {
    world.records[operation].as_ref().is_some_and(|record| record.status == Status::Completed)
}

fn ended(world: &World, end: End) -> bool {
    world.workers.iter().any(|worker| matches!(worker.place, Place::Ended(this) if this == end))
}
