//! Functions killed in mid-call, by SIGKILL of the real process at chosen points of a failover, and changes whose answer
//! is lost: each run ends where an undisturbed one does, with each change to AWS made once (F3, X7).
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a failed expectation is a failed test, with its seed")]

use std::collections::BTreeMap;
use std::time::Duration;

use drill::gateway::{Effect, KillPoint, Matcher, Outcome, Rule};
use drill::progress::Progress;
use drill::scenarios;
use drill::stage::{Evidence, Stage};
use drill::staging::Staging;
use drill::tools::{build_functions, ensure_tools};
use drill::verdict::Check;
use drill::world::Workload;

const SEED: u64 = 20_261_121;
/// What an operation's status is while somebody has yet to finish it.
const UNFINISHED: [&str; 3] = ["claimed", "intent", "unknown"];
/// How often, and at what distance, the ledger is looked at for unfinished operations: for a minute.
const ENDED_LOOKS: u32 = 120;
const ENDED_POLL: Duration = Duration::from_millis(500);

/// Where in an operation the process dies, or what else befalls it.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// The claim is written; the gate's read never leaves.
    AfterClaim,
    /// The intent is written; the change never leaves.
    AfterIntent,
    /// AWS has made the change; its answer never arrives.
    AfterCall,
    /// The outcome was seen; the completion is never written.
    BeforeCompletion,
    /// AWS has made the change, and the connection breaks before its answer; the process lives.
    AnswerLost,
}

impl Point {
    fn rule(self, function: &str, change: &str) -> Rule {
        let caller = Matcher::any().caller(format!("failover-{}-{function}", Workload::Trading.suffix()));
        let (matcher, effect) = match self {
            Self::AfterClaim => (caller.operation("GetItem"), Effect::KillCaller(KillPoint::BeforeForwarding)),
            Self::AfterIntent => (caller.operation(change), Effect::KillCaller(KillPoint::BeforeForwarding)),
            Self::AfterCall => (caller.operation(change), Effect::KillCaller(KillPoint::AfterForwarding)),
            Self::BeforeCompletion => (
                caller.operation("UpdateItem").body_contains("\"completed\""),
                Effect::KillCaller(KillPoint::BeforeForwarding),
            ),
            Self::AnswerLost => (caller.operation(change), Effect::DropAnswer),
        };
        Rule::new(format!("{function}: {self:?}"), matcher, effect).times(1)
    }
}

/// Plays the loss of a Region with one such mishap in it, and judges it as if nothing had happened.
async fn a_failover_survives(function: &str, change: &str, point: Point) {
    println!("seed {SEED}");
    let progress = Progress::silent();
    let tools = ensure_tools(&progress).await.expect("the tools install");
    build_functions(&tools, &progress).await.expect("the functions build");
    let mut stage = Stage::set_up(&tools, SEED, Staging::default(), &progress).await.expect("the stage is set");
    let rule = stage.local.gateway.add_rule(point.rule(function, change));
    let scenario = scenarios::by_name("region-loss").expect("a scenario");

    scenario.play(&mut stage).await.expect("the run ends");

    assert_eq!(stage.local.gateway.rule_hits(rule), 1, "the mishap happened once");
    everything_has_ended(&stage).await;
    let evidence = stage.evidence().await.expect("the outcome can be read");
    for check in scenario.judge(&evidence) {
        assert!(check.passed || is_about_an_undisturbed_run(&check), "{}: found {}", check.claim, check.found);
    }
    let mut applied = changes_applied(&evidence);
    assert!(applied.remove("Publish").is_some_and(|times| times > 0), "people were told that a failover is considered");
    for (change, times) in applied {
        let expected = if change == "RegisterScalableTarget" { drill::world::WORKLOAD_SERVICES.len() } else { 1 };
        assert_eq!(times, expected, "{change} was applied");
    }
}

/// A change whose caller was killed before it left is on record without having been made, and a delivery that is tried
/// again may tell people when the run has ended already: what was made is counted apart. And a takeover confirms later
/// what has been serving for a while, so that the product's own figure is the larger one.
fn is_about_an_undisturbed_run(check: &Check) -> bool {
    ["the only changes", "people were told", "the reported RTO"].iter().any(|claim| check.claim.starts_with(claim))
}

/// Waits for a delivery that is tried again after the run has ended already. A fence in the Region that is lost has no
/// end to wait for: the plan's policy goes on without it.
async fn everything_has_ended(stage: &Stage) {
    let mut unfinished = Vec::new();
    for _ in 0..ENDED_LOOKS {
        unfinished = stage.orchestrator().ledger().await.expect("the ledger can be read");
        unfinished.retain(|item| UNFINISHED.contains(&item.status.as_str()) && !item.is_fence());
        if unfinished.is_empty() {
            return;
        }
        tokio::time::sleep(ENDED_POLL).await;
    }
    panic!("after a minute, these have not ended: {unfinished:?}");
}

/// How often each change reached AWS.
fn changes_applied(evidence: &Evidence) -> BTreeMap<&str, usize> {
    let mut applied = BTreeMap::from([
        ("FailoverGlobalCluster", 0),
        ("RegisterScalableTarget", 0),
        ("ChangeResourceRecordSets", 0),
        ("StartExecution", 0),
        ("Publish", 0),
    ]);
    for call in &evidence.calls {
        let reached = match &call.outcome {
            Outcome::Ok { .. } | Outcome::AnswerLost | Outcome::Killed { point: KillPoint::AfterForwarding } => true,
            Outcome::Killed { point: KillPoint::BeforeForwarding }
            | Outcome::Error { .. }
            | Outcome::NoAnswer
            | Outcome::EmulatorUnreachable => false,
        };
        if reached && let Some(times) = applied.get_mut(call.operation.as_str()) {
            *times += 1;
        }
    }
    applied
}

macro_rules! mishaps {
    ($($name:ident: $function:literal, $change:literal, $point:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                a_failover_survives($function, $change, Point::$point).await;
            }
        )*
    };
}

mishaps! {
    promote_aurora_killed_after_its_claim_is_taken_over: "promote-aurora", "FailoverGlobalCluster", AfterClaim;
    promote_aurora_killed_after_its_intent_promotes_once: "promote-aurora", "FailoverGlobalCluster", AfterIntent;
    promote_aurora_killed_after_its_call_promotes_once: "promote-aurora", "FailoverGlobalCluster", AfterCall;
    promote_aurora_killed_before_its_completion_promotes_once: "promote-aurora", "FailoverGlobalCluster", BeforeCompletion;
    scale_ecs_killed_after_its_claim_is_taken_over: "scale-ecs", "RegisterScalableTarget", AfterClaim;
    scale_ecs_killed_after_its_intent_scales_once: "scale-ecs", "RegisterScalableTarget", AfterIntent;
    scale_ecs_killed_after_its_call_scales_once: "scale-ecs", "RegisterScalableTarget", AfterCall;
    scale_ecs_killed_before_its_completion_scales_once: "scale-ecs", "RegisterScalableTarget", BeforeCompletion;
    shift_dns_killed_after_its_claim_is_taken_over: "shift-dns", "ChangeResourceRecordSets", AfterClaim;
    shift_dns_killed_after_its_intent_shifts_once: "shift-dns", "ChangeResourceRecordSets", AfterIntent;
    shift_dns_killed_after_its_call_shifts_once: "shift-dns", "ChangeResourceRecordSets", AfterCall;
    shift_dns_killed_before_its_completion_shifts_once: "shift-dns", "ChangeResourceRecordSets", BeforeCompletion;
    health_probe_killed_after_its_claim_starts_one_execution: "health-probe", "StartExecution", AfterIntent;
    health_probe_killed_after_its_call_starts_one_execution: "health-probe", "StartExecution", AfterCall;
    health_probe_killed_before_its_completion_starts_one_execution: "health-probe", "StartExecution", BeforeCompletion;
    health_probe_killed_at_its_first_gate_decides_once: "health-probe", "StartExecution", AfterClaim;
    promote_aurora_whose_answer_is_lost_promotes_once: "promote-aurora", "FailoverGlobalCluster", AnswerLost;
    scale_ecs_whose_answer_is_lost_scales_once: "scale-ecs", "RegisterScalableTarget", AnswerLost;
    shift_dns_whose_answer_is_lost_shifts_once: "shift-dns", "ChangeResourceRecordSets", AnswerLost;
}
