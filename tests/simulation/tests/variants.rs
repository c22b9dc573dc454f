//! The properties notice when a rule of the orchestrator is broken: each on purpose, one at a time.
#![allow(clippy::print_stdout, reason = "how many seeds it took belongs into the report")]

use simulation::batch;
use simulation::play::Play;
use simulation::variant::Variant;

/// How many seeds a broken orchestrator may get away with.
const MOST_SEEDS: u64 = 2_000;

/// Breaks a rule and plays seeds until a run violates a property; says which it has to be.
fn is_caught(variant: Variant, property: &str) {
    let of = |seed| Play { variant: Some(variant), ..Play::of(seed) };
    let batch = batch::play(1..MOST_SEEDS + 1, of, |batch| !batch.failed.is_empty());
    let (seed, violations) = batch.failed.first_key_value().unwrap_or_else(|| panic!("{variant:?} is not noticed"));
    println!("{variant:?}: caught after {} seeds, by seed {seed}: {violations:?}", batch.runs);
    assert!(violations.iter().any(|violation| violation.starts_with(property)), "{violations:?}");
}

#[test]
fn a_write_that_does_not_ask_for_the_owner_is_caught() {
    is_caught(Variant::OwnerConditionDropped, "a completed operation stays as it is");
}

#[test]
fn a_change_that_was_not_written_down_is_caught() {
    is_caught(Variant::IntentNotRecorded, "every change is on record before it is sent");
}

#[test]
fn a_lease_that_ends_before_its_invocation_is_caught() {
    is_caught(Variant::LeaseShorterThanInvocation, "nothing is taken over from an invocation that is at work");
}

#[test]
fn an_unknown_outcome_that_is_taken_for_not_sent_is_caught() {
    is_caught(Variant::UnknownTakenForNotSent, "nothing is sent again once it was applied");
}

#[test]
fn a_generation_that_is_not_asked_for_is_caught() {
    is_caught(Variant::GenerationUnchecked, "no change is sent for a superseded generation");
}

#[test]
fn traffic_that_moves_before_the_database_is_caught() {
    is_caught(Variant::TrafficBeforePromotion, "traffic never points to a Region that was not seen to be ready");
}

#[test]
fn a_ledger_whose_replicas_agree_later_only_is_caught() {
    is_caught(Variant::EventualLedger, "a generation is one failover's");
}

#[test]
fn a_record_that_is_deleted_when_its_operation_fails_is_caught() {
    is_caught(Variant::RecordDeletedOnError, "no record is ever deleted");
}
