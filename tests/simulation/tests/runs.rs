//! Runs of the whole orchestrator on the simulated AWS: what always holds, what sometimes happens, and that everything
//! comes to its end (X10, X7, F3, F4).
#![allow(clippy::print_stdout, reason = "a failing seed is printed with the command that plays it again")]

use simulation::batch::{self, Batch};
use simulation::faults::KINDS;
use simulation::play::{Play, Scenario};
use simulation::{run, shrink};

/// The seeds that the ordinary test command plays.
const SEEDS: std::ops::Range<u64> = 1..2_001;
/// The seeds of the long run.
const MANY_SEEDS: std::ops::Range<u64> = 1_000_000..1_100_000;
/// What has to be seen in the seeds of the ordinary test command, so that the search is known not to be vacuous.
const SOMETIMES: [&str; 33] = [
    "execution succeeded",
    "execution failed",
    "stand_down",
    "fail_over",
    "ask",
    "wait",
    "approves",
    "declines",
    "unanswered",
    "done",
    "in_progress",
    "checked",
    "would_act",
    "takeover",
    "resumed",
    "Failover.Transient",
    "Failover.InProgress",
    "Failover.OutcomeUnknown",
    "Failover.Refused",
    "Failover.Superseded",
    "Failover.PayloadMismatch",
    "Failover.InvalidRequest",
    "Failover.Config",
    "Failover.Denied",
    "Failover.Bug",
    "Runtime.ExitError",
    "Sandbox.Timedout",
    "Lambda.TooManyRequestsException",
    "an orchestrator in each Region was started",
    "one of two orchestrators was refused",
    "two orchestrators joined in one failover",
    "one orchestrator finished while the other one was gone",
    "one orchestrator finished what the one that was gone had begun",
];

fn expect_no_violation(batch: &Batch) {
    let Some((seed, violations)) = batch.failed.first_key_value() else { return };
    let shortest = shrink::shrink(&Play::of(*seed));
    println!("{shortest}\n{}", run::play(&shortest).trace.lines().join("\n"));
    let seeds: Vec<&u64> = batch.failed.keys().collect();
    panic!(
        "{} of {} runs violate something, of the seeds {seeds:?}. Seed {seed}: {violations:#?}\n\
         again: cargo simulate --seed {seed} --trace",
        batch.failed.len(),
        batch.runs
    );
}

#[test]
fn the_seeds_violate_nothing_and_see_every_fault_and_every_end() {
    println!("seeds {SEEDS:?}");
    let batch = batch::play(SEEDS, Play::of, |_| false);
    expect_no_violation(&batch);
    let never: Vec<&str> =
        KINDS.into_iter().filter(|kind| batch.struck.get(kind).is_none_or(|times| *times == 0)).collect();
    assert!(never.is_empty(), "these faults never struck: {never:?}");
    let missing = batch.missing(&SOMETIMES);
    assert!(missing.is_empty(), "never reached: {missing:?}; reached: {:#?}", batch.reached);
}

#[test]
#[ignore = "takes hours: for a nightly run"]
fn a_hundred_thousand_seeds_violate_nothing() {
    println!("seeds {MANY_SEEDS:?}");
    expect_no_violation(&batch::play(MANY_SEEDS, Play::of, |_| false));
}

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_was_played_before() {
    let seeds = 1..21;
    let forwards: Vec<String> = seeds.clone().map(|seed| run::play(&Play::of(seed)).trace.digest()).collect();
    let mut backwards: Vec<String> = seeds.rev().map(|seed| run::play(&Play::of(seed)).trace.digest()).collect();
    backwards.reverse();
    assert_eq!(forwards, backwards);
}

#[test]
fn an_undisturbed_run_of_every_scenario_ends_as_it_should() {
    for scenario in Scenario::ALL {
        let verdict = run::play(&Play::undisturbed(7, scenario));
        assert_eq!(verdict.violations, Vec::<String>::new(), "{scenario:?}");
        let reached = |end: &str| verdict.reached.contains(end);
        let as_it_should = match scenario {
            Scenario::FalseAlarm => !reached("fail_over"),
            Scenario::DryRun => reached("would_act") && !reached("execution failed"),
            Scenario::Superseded => reached("Failover.Superseded"),
            // Back before anybody noticed, or failed over.
            Scenario::RegionLossAndReturn => !reached("fail_over") || reached("execution succeeded"),
            // An order, or both, may end as failed when its Region goes away; what was left is brought to its end.
            Scenario::OwnRegionLost | Scenario::TwoOrchestrators => reached("execution succeeded"),
            Scenario::RegionLoss | Scenario::OrderedFailover | Scenario::Switchover | Scenario::ThereAndBack => {
                reached("fail_over") && reached("execution succeeded")
            }
        };
        assert!(as_it_should, "{scenario:?} reached {:?}", verdict.reached);
    }
}
