//! The simulated AWS against the drill's local AWS, call by call: an emulator by others, with the drill's gateway in
//! front for what it lacks. Every difference is either listed with its reason, or one of the two is wrong.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

mod ask;
mod compare;
mod differences;
mod local_workload;
mod play;
mod sequences;
mod sides;

use std::time::SystemTime;

use failover::contract::Timestamp;
use failover_tests::local_aws;

use crate::differences::DIFFERENCES;
use crate::play::play;
use crate::sides::Side;

/// What the simulation leaves to chance follows from it.
const SEED: u64 = 1;

/// The beginning of this minute: datapoints of metrics begin with minutes.
fn this_minute() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_millis(i64::try_from(since.as_secs() / 60 * 60_000).expect("before the year 292,000,000"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulation_and_the_local_aws_differ_in_nothing_but_what_is_listed_with_its_reason() {
    let (_tools, local) = local_aws(SEED).await.expect("the local AWS starts");
    let began = this_minute();
    let (mut found, mut calls) = (Vec::new(), 0);
    for sequence in sequences::all() {
        let renamed = local_workload::create(&local, began).await.expect("the local AWS takes the workload");
        let endpoint = if sequence.past_the_gateway { local.emulator.endpoint() } else { local.gateway.endpoint() };
        let simulation = play(&Side::simulated(SEED, began), &sequence).await;
        let emulator = play(&Side::local(&local, endpoint, SEED, began, renamed), &sequence).await;
        calls += simulation.len();
        found.extend(compare::differences(sequence.name, &simulation, &emulator));
    }
    let problems = compare::problems(&found, DIFFERENCES);
    assert!(problems.is_empty(), "seed {SEED}, {calls} calls, of the differences in `differences.rs` are\n{problems}");
}
