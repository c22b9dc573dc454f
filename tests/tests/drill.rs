//! The game day, scenario by scenario: the real template, state machine and binaries, judged by what the emulator's
//! own API says afterwards (X9, X10). `cargo drill` plays the same scenarios and shows what happens meanwhile.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use drill::progress::Progress;
use drill::report::{self, Style};
use drill::runner::{self, Played};
use drill::scenarios;
use drill::tools::{build_functions, ensure_tools};
use tokio::sync::Mutex;

/// Shown with a failed verdict, so that the run can be repeated with `cargo drill --seed`.
const SEED: u64 = 20_261_121;

/// A scenario's times mean something only while it has the machine to itself.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Plays a scenario from nothing and expects every check of its verdict to hold.
async fn passes(name: &str) -> Played {
    let _alone = ONE_AT_A_TIME.lock().await;
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
async fn a_dry_run_goes_through_every_gate_and_writes_nothing() {
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

#[test]
fn every_scenario_of_the_drill_has_a_test_here() {
    let source = include_str!("drill.rs");
    for scenario in scenarios::ALL {
        assert!(source.contains(&format!("passes(\"{}\")", scenario.name())), "{} has none", scenario.name());
    }
}
