//! The reference workloads' game days (W1 to W4, W3.10): deployed by `infra/deploy`, paid by a client through DNS, judged
//! by what the client was told and by what the store has. `cargo drill --scenario NAME` plays the same and shows what
//! happens meanwhile.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use drill::progress::Progress;
use drill::reference::Reference;
use drill::report::{self, Style};
use drill::runner::{self, Played};
use drill::tools::{build_functions, build_workload_functions, ensure_tools};
use tokio::sync::Semaphore;

/// Shown with a failed verdict, so that the run can be repeated with `cargo drill --seed`.
const SEED: u64 = 20_261_122;

/// They wait for DNS most of the time, in real time; more of them would be in each other's way while they deploy.
static SIDE_BY_SIDE: Semaphore = Semaphore::const_new(2);

/// Plays a game day from nothing and expects every check of its verdict to hold.
async fn passes(workload: Reference) -> Played {
    let _place = SIDE_BY_SIDE.acquire().await.expect("never closed");
    let progress = Progress::silent();
    let tools = ensure_tools(&progress).await.expect("the tools install");
    build_functions(&tools, &progress).await.expect("the functions build");
    build_workload_functions(&tools, &progress).await.expect("the workloads' functions build");
    let played = runner::play_workload(&tools, workload, SEED, &progress).await.expect("it gets to its verdict");
    let plain = Style { width: 120, colour: false };
    assert!(played.report.passed, "{}", report::text(&played.report, plain));
    let clients = played.report.clients.as_ref().expect("clients");
    assert!(
        clients.payments > 100 && clients.failed_requests.values().sum::<usize>() > 0,
        "{clients:?}: nothing happened"
    );
    played
}

#[tokio::test(flavor = "multi_thread")]
async fn trading_fails_over_and_no_order_is_lost_or_doubled() {
    passes(Reference::Trading).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_serverless_fails_over_and_no_payment_is_lost_or_doubled() {
    passes(Reference::PaymentsServerless).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w3_10_payments_alb_fails_over_and_back_and_no_payment_is_lost_or_doubled() {
    let played = passes(Reference::PaymentsAlb).await;
    assert_eq!(played.report.runs.len(), 2, "there and back");
}

#[tokio::test(flavor = "multi_thread")]
async fn edge_fails_over_by_its_dials_and_no_payment_is_lost_or_doubled() {
    passes(Reference::Edge).await;
}
