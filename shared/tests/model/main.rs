//! Model checking of claim, lease, takeover and generation: every order in which workers, messages, crashes and time can
//! interleave, within bounds that each test names (F3).
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a failed expectation is a failed test, with its trace")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what concerns one of many moves or places leaves the others alone"
)]

mod check;
mod invocation;
mod moves;
mod promises;
mod setup;
mod world;

use std::time::Duration;

use failover::config::DEFAULT_CALL_TIMEOUT;
use failover::step::{LEASE_MARGIN, settle_time};

use check::{breaks, keeps_every_promise};
use setup::{Flaw, Orchestrator, Timing, excessive_skews, promised_skews};
use world::Breach;

fn one_operation(workers: usize, skews: &[i64]) -> Orchestrator {
    Orchestrator::new(workers, 1, Timing::product(skews))
}

/// In steps of a second, with as short a budget as makes no difference.
fn finely(model: Orchestrator) -> Orchestrator {
    model.tick(Duration::from_secs(1)).budget(DEFAULT_CALL_TIMEOUT)
}

fn two_failovers(workers: usize) -> Orchestrator {
    Orchestrator::new(workers, 2, Timing::product(&[0])).budget(Duration::from_secs(10))
}

#[test]
fn two_of_three_workers_die_at_any_moment_with_clocks_as_far_apart_as_promised() {
    keeps_every_promise(one_operation(3, &promised_skews()).crashes(2));
}

#[test]
fn of_three_workers_one_dies_and_any_message_is_lost_doubled_late_or_refused() {
    keeps_every_promise(one_operation(3, &[0]).crashes(1).mishaps(1));
}

#[test]
fn of_two_workers_with_receipts_one_dies_a_message_goes_astray_and_clocks_are_as_far_apart_as_promised() {
    keeps_every_promise(one_operation(2, &promised_skews()).crashes(1).mishaps(1).receipts());
}

#[test]
fn three_workers_of_two_failovers_each_at_any_moment_of_the_other() {
    keeps_every_promise(two_failovers(3));
}

#[test]
fn of_two_workers_of_two_failovers_one_dies() {
    keeps_every_promise(two_failovers(2).crashes(1));
}

/// The bounds of the tests above together.
#[test]
#[ignore = "takes more time and memory than was tried"]
fn three_workers_with_every_mishap_at_once() {
    keeps_every_promise(one_operation(3, &promised_skews()).crashes(2).mishaps(1));
}

#[test]
#[ignore = "takes minutes"]
fn two_workers_with_time_in_steps_of_a_second() {
    keeps_every_promise(one_operation(2, &promised_skews()).crashes(1).tick(Duration::from_secs(1)));
}

#[test]
#[ignore = "takes minutes"]
fn three_workers_of_two_failovers_of_which_one_dies() {
    keeps_every_promise(two_failovers(3).crashes(1));
}

/// A change that takes effect later after it was sent than SEMANTICS.md assumes can meet the one of a takeover: the lease
/// covers no more.
#[test]
fn a_change_that_arrives_later_than_assumed_lets_two_changes_be_under_way() {
    let arrival = settle_time(DEFAULT_CALL_TIMEOUT) + LEASE_MARGIN;
    breaks(finely(one_operation(2, &[0]).crashes(1).arrival(arrival)), Breach::TwoChangesUnderWay);
}

/// Without the assumption about the clocks a takeover meets a change that is still on its way.
#[test]
fn clocks_further_apart_than_promised_let_two_changes_be_under_way() {
    breaks(finely(one_operation(2, &excessive_skews()).crashes(1)), Breach::TwoChangesUnderWay);
}

/// Every invocation has a token of its own, and every claim is another attempt.
#[test]
fn of_owner_and_attempt_one_is_enough_to_be_compared() {
    for dropped in [Flaw::OwnerNotCompared, Flaw::AttemptNotCompared] {
        let model = one_operation(2, &[0]).mishaps(1);
        keeps_every_promise(model.broken(&[dropped, Flaw::LeaseNotCompared]));
    }
}

/// Two invocations that begin at the same moment have the same lease.
#[test]
fn the_lease_alone_does_not_tell_two_owners_apart() {
    let dropped = [Flaw::OwnerNotCompared, Flaw::AttemptNotCompared];
    breaks(one_operation(2, &[0]).mishaps(1).broken(&dropped), Breach::WrittenByAnotherThanTheOwner);
}

/// The deadline and the settling still keep two workers' changes apart.
#[test]
fn without_comparing_the_owner_in_any_way_a_late_writer_writes() {
    let dropped = [Flaw::OwnerNotCompared, Flaw::AttemptNotCompared, Flaw::LeaseNotCompared];
    breaks(one_operation(2, &[0]).broken(&dropped), Breach::WrittenByAnotherThanTheOwner);
}

#[test]
fn without_the_intent_on_record_a_change_is_sent_again_while_it_is_under_way() {
    let model = || one_operation(2, &[0]).mishaps(1).broken(&[Flaw::IntentNotRecorded]);
    breaks(model(), Breach::SentWithoutIntent);
    breaks(model(), Breach::TwoChangesUnderWay);
    breaks(model(), Breach::AppliedTwice);
}

#[test]
fn a_lease_shorter_than_the_invocation_lets_two_changes_be_under_way() {
    breaks(one_operation(2, &[0]).broken(&[Flaw::LeaseTooShort]), Breach::TwoChangesUnderWay);
}

#[test]
fn an_unknown_outcome_that_is_taken_for_not_sent_makes_a_change_twice() {
    let model = || one_operation(2, &[0]).mishaps(1).broken(&[Flaw::UnknownTakenForNotSent]);
    breaks(model(), Breach::TwoChangesUnderWay);
    breaks(model(), Breach::AppliedTwice);
}

#[test]
fn without_the_generation_a_superseded_worker_changes_something() {
    breaks(two_failovers(1).broken(&[Flaw::GenerationUnchecked]), Breach::SentWhileSuperseded);
}

#[test]
fn without_settling_a_change_is_made_twice() {
    let model = || one_operation(1, &[0]).mishaps(1).broken(&[Flaw::NotSettled]);
    breaks(model(), Breach::TwoChangesUnderWay);
    breaks(model(), Breach::AppliedTwice);
}

/// One mishap does no harm: the change is known to have been made, or certainly not to be.
#[test]
fn a_record_that_is_deleted_on_an_error_makes_a_change_twice_after_a_second_mishap() {
    let model = || one_operation(2, &[0]).broken(&[Flaw::DeletedOnError]);
    keeps_every_promise(model().mishaps(1));
    breaks(model().mishaps(2), Breach::TwoChangesUnderWay);
}

#[test]
fn a_change_that_is_sent_after_the_deadline_meets_that_of_a_takeover() {
    breaks(finely(one_operation(2, &[0])).broken(&[Flaw::SentAfterTheDeadline]), Breach::TwoChangesUnderWay);
}

#[test]
fn the_time_to_show_has_to_be_over_when_aws_is_asked_and_not_when_it_has_answered() {
    breaks(one_operation(2, &[0]).mishaps(1).broken(&[Flaw::MeasuredAfterLooking]), Breach::AppliedTwice);
}

#[test]
fn the_time_to_show_begins_when_the_outcome_was_lost_and_not_when_the_intent_was_written() {
    breaks(one_operation(2, &[0]).mishaps(1).broken(&[Flaw::IntentKeepsItsAge]), Breach::TwoChangesUnderWay);
}
