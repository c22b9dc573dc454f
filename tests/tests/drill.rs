//! The game day, scenario by scenario: the real template, state machine and binaries, judged by what the emulator's
//! own API says afterwards (X9, X10). `cargo drill` plays the same scenarios and shows what happens meanwhile.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use drill::progress::Progress;
use drill::report::{self, Style};
use drill::runner::{self, Played};
use drill::scenarios;
use drill::tools::{build_functions, ensure_tools};
use tokio::sync::Semaphore;

/// Shown with a failed verdict, so that the run can be repeated with `cargo drill --seed`.
const SEED: u64 = 20_261_121;

/// Scenarios wait most of the time, so two of them fit on two cores; with more, their times would mean nothing.
static SIDE_BY_SIDE: Semaphore = Semaphore::const_new(2);

/// Plays a scenario from nothing and expects every check of its verdict to hold.
async fn passes(name: &str) -> Played {
    let _place = SIDE_BY_SIDE.acquire().await.expect("never closed");
    let progress = Progress::silent();
    let tools = ensure_tools(&progress).await.expect("the tools install");
    build_functions(&tools, &progress).await.expect("the functions build");
    let scenario = scenarios::by_name(name).expect("a scenario of the drill");
    let played = runner::play(&tools, scenario, SEED, &progress).await.expect("the scenario gets to its verdict");
    let plain = Style { width: 120, colour: false };
    assert!(played.report.passed, "{}", report::text(&played.report, plain));
    played
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_region_is_recovered_in_the_other_one_with_each_change_made_once() {
    let played = passes("region-loss").await;
    let run = &played.report.runs[0];
    assert!(run.timeline.steps.iter().any(|step| step.name == "promote-aurora" && step.calls_made() > 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_switchover_moves_the_workload_and_loses_nothing() {
    let played = passes("planned-switchover").await;
    assert_eq!(played.report.runs[0].rpo_ms.reported, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_kind_of_evidence_alone_changes_nothing() {
    passes("false-alarm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_delivered_a_hundred_times_starts_one_failover() {
    passes("duplicate-alarm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_region_gets_the_workload_back_by_the_same_machinery() {
    let played = passes("failback").await;
    assert_eq!(played.report.runs.len(), 2, "there and back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing_and_the_real_run_does_what_it_had_said() {
    passes("dry-run").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kill_switch_holds_an_alarm_back_and_not_a_person() {
    let played = passes("kill-switch").await;
    assert_eq!(played.report.runs.len(), 2, "the alarm's and the person's");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_comes_again_moves_nothing_a_second_time() {
    let played = passes("cooldown-flap").await;
    assert_eq!(played.report.runs.len(), 4, "there, held, back, held");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_much_to_lose_a_person_is_asked_and_may_approve() {
    passes("lag-too-high").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_much_to_lose_a_person_is_asked_and_may_decline() {
    passes("lag-refused").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_much_to_lose_and_nobody_to_ask_nothing_happens() {
    passes("lag-timed-out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_half_alive_is_kept_from_writing_before_the_promotion() {
    passes("primary-half-alive").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fences_that_cannot_be_confirmed_hold_up_no_failover_whose_plan_only_tries_them() {
    passes("fence-timeout-best-effort").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_fences_are_required_and_cannot_be_confirmed_a_person_is_asked_and_may_approve() {
    passes("fence-timeout-required").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_fences_are_required_and_cannot_be_confirmed_a_person_may_decline_and_nothing_is_promoted() {
    passes("fence-timeout-declined").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_fencing_fences_nothing() {
    passes("fence-timeout-off").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_moves_while_the_control_plane_of_route_53_is_down() {
    passes("route53-control-plane-down").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_promotion_waits_until_the_lost_regions_applications_may_not_write_any_more() {
    passes("writer-lease").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_of_a_later_wave_wait_for_those_of_the_one_before() {
    passes("waves").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_standbys_the_one_that_would_lose_too_much_is_passed_over() {
    passes("three-regions").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_plans_fail_over_side_by_side_without_touching_each_other() {
    let played = passes("two-plans-at-once").await;
    assert_eq!(played.report.runs.len(), 2, "one of each plan");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_orders_in_two_regions_at_the_same_moment_one_is_admitted() {
    passes("both-regions-trigger-at-once").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_in_each_of_its_states_ends_where_an_undisturbed_one_does() {
    passes("resume").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_while_it_waits_for_people_or_for_time_goes_on_and_asks_again() {
    passes("resume-waiting").await;
}

#[test]
fn every_scenario_of_the_drill_has_a_test_here() {
    let source = include_str!("drill.rs");
    for scenario in scenarios::ALL {
        assert!(source.contains(&format!("passes(\"{}\")", scenario.name())), "{} has none", scenario.name());
    }
}
