//! A failover that is disturbed by faults drawn from a seed, for twenty seeds: the real template, state machine and
//! binaries, judged by what has to hold whatever happened. `cargo drill --chaos SEED` plays one of them and shows it.
#![expect(clippy::print_stdout, reason = "how long each seed takes, and the seed of a failure")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use drill::chaos::schedule::{Kind, Schedule};
use drill::chaos::{hits, replay_command};
use drill::progress::Progress;
use drill::report::{self, Report, Style};
use drill::runner::play_chaos;
use drill::tools::{Tools, build_functions, ensure_tools};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// Chosen so that every kind of fault is in at least four of them, and a function is killed before and after each kind of
/// call.
const SEEDS: [u64; 20] = [1, 2, 4, 5, 6, 14, 15, 17, 18, 56, 63, 82, 95, 150, 167, 176, 184, 202, 210, 252];
/// Seeds that are played at a time, each on a local AWS of its own: most of the time they wait.
const SIDE_BY_SIDE: usize = 3;

/// What came of a seed: its report, or why there is none.
type Outcome = Result<Report, String>;

/// Plays seeds until there is none left.
async fn play_some(tools: Tools, seeds: Arc<Mutex<VecDeque<u64>>>) -> Vec<(u64, Outcome)> {
    let mut outcomes = Vec::new();
    while let Some(seed) = { seeds.lock().await.pop_front() } {
        let began = Instant::now();
        let played = play_chaos(&tools, &Schedule::draw(seed), &Progress::silent()).await;
        // The stage ends here.
        let outcome = played.map(|played| played.report).map_err(|error| error.to_string());
        let word = if outcome.as_ref().is_ok_and(|report| report.passed) { "passed" } else { "FAILED" };
        println!("seed {seed} {word} after {:.0} s; again: {}", began.elapsed().as_secs_f64(), replay_command(seed));
        outcomes.push((seed, outcome));
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_seeds_of_faults_change_nothing_twice_and_end_where_people_want_to_go() {
    let progress = Progress::silent();
    let tools = ensure_tools(&progress).await.expect("the tools install");
    build_functions(&tools, &progress).await.expect("the functions build");
    let seeds = Arc::new(Mutex::new(VecDeque::from(SEEDS)));
    let mut lanes = JoinSet::new();
    for _ in 0..SIDE_BY_SIDE {
        lanes.spawn(play_some(tools.clone(), Arc::clone(&seeds)));
    }

    let outcomes: Vec<(u64, Outcome)> = lanes.join_all().await.into_iter().flatten().collect();

    let failures: Vec<String> = outcomes.iter().filter_map(|(seed, outcome)| failure(*seed, outcome)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let reports = outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().ok());
    let coverage = hits::coverage(reports.flat_map(|report| &report.faults));
    println!("{}", report::coverage_text(&coverage));
    let never: Vec<Kind> = coverage.iter().filter(|(_, count)| count.struck == 0).map(|(kind, _)| *kind).collect();
    assert_eq!((outcomes.len(), never), (SEEDS.len(), Vec::new()), "every seed was played, and every kind struck");
}

/// What to tell of a seed that did not hold.
fn failure(seed: u64, outcome: &Outcome) -> Option<String> {
    let plain = Style { width: 120, colour: false };
    let text = match outcome {
        Ok(report) if report.passed => return None,
        Ok(report) => report::text(report, plain),
        Err(error) => error.clone(),
    };
    Some(format!("seed {seed}; again: {}\n{}\n{text}", replay_command(seed), Schedule::draw(seed).in_words()))
}
