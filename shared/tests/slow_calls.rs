//! Invocations in which calls take long: nothing is sent after the deadline, and nothing again while it may be on its way.
//!
//! With the feature `test-util` only, which the workspace's tests switch on; `cargo test -p failover` alone needs
//! `--features test-util`.
#![cfg(feature = "test-util")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::cell::{Cell, RefCell};
use std::time::Duration;

use failover::aws_call::{CallError, Meaning, Sent};
use failover::config::DEFAULT_STEP_BUDGET;
use failover::contract::{Finding, IdempotencyKey, RunContext, StepStatus, Timestamp};
use failover::env::{Deadline, Env};
use failover::error::ErrorCode;
use failover::ledger::Status;
use failover::retry;
use failover::runtime::Toolbox;
use failover::step::{self, LastChange, Plan, Step};
use failover::testing::{FakeAws, deadline};
use serde::Serialize;

const OPERATION: &str = "by-hand";
/// Longer than an invocation's budget.
const VERY_SLOW: Duration = Duration::from_secs(25);

/// A step that is not done yet, whatever it does.
struct Slow {
    env: Env,
    look: Cell<Duration>,
    /// Whether a look that begins now finds what stands in the way.
    refuses: Cell<bool>,
    change: Cell<Duration>,
    sent: Cell<u32>,
}

#[derive(Serialize)]
struct Request {
    run: RunContext,
    /// Not what is asked for: any invocation may have its own.
    #[serde(skip)]
    budget: Duration,
}

impl Slow {
    fn new(tools: &Toolbox) -> Self {
        let (look, refuses, change, sent) = (Cell::default(), Cell::default(), Cell::default(), Cell::default());
        Self { env: tools.env.clone(), look, refuses, change, sent }
    }

    async fn invoke(&self, tools: &Toolbox, budget: Duration) -> Result<StepStatus, ErrorCode> {
        let key = IdempotencyKey::parse(OPERATION).expect("a key");
        let run = RunContext { idempotency_key: Some(key), ..RunContext::default() };
        let outcome = step::run(self, tools, Request { run, budget }, deadline(&tools.env, &tools.config)).await;
        outcome.map(|response| response.status).map_err(|error| error.code())
    }
}

impl Step for Slow {
    const NAME: &'static str = "slow";
    type Request = Request;
    type Observation = bool;
    type Action = ();

    fn run_of(request: &Request) -> &RunContext {
        &request.run
    }

    fn resource(_: &Request) -> String {
        "resource".to_owned()
    }

    fn budget(request: &Request) -> Option<Duration> {
        Some(request.budget)
    }

    async fn preflight(&self, _: &Request, _: Finding, _: Option<&bool>) -> Vec<Finding> {
        Vec::new()
    }

    async fn observe(&self, _: &Request, _: Option<&LastChange<()>>) -> Result<bool, failover::error::Error> {
        let refuses = self.refuses.get();
        self.env.sleep(self.look.get()).await;
        Ok(refuses)
    }

    fn plan(_: &Request, refuses: &bool, _: Timestamp) -> Plan<()> {
        if *refuses {
            return Plan::Refuse { reason: "something stands in the way".to_owned(), cure: "remove it".to_owned() };
        }
        Plan::Act(())
    }

    async fn act(&self, _: &Request, (): &(), _: Deadline) -> Result<Option<String>, CallError> {
        self.sent.set(self.sent.get() + 1);
        self.env.sleep(self.change.get()).await;
        let silence = CallError::rejected("rds", "FailoverGlobalCluster", "", "connection reset");
        Err(CallError { meaning: Meaning::Unreachable, sent: Sent::PossiblyApplied, ..silence })
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_turn_comes_after_the_deadline_is_taken_back_and_left_to_the_next_invocation() {
    let tools = FakeAws::new().toolbox();
    let step = Slow::new(&tools);
    step.look.set(VERY_SLOW);
    assert_eq!(step.invoke(&tools, DEFAULT_STEP_BUDGET).await, Err(ErrorCode::InProgress));
    let record = tools.ledger.operation(OPERATION).await.expect("readable").expect("claimed");
    assert_eq!((step.sent.get(), record.status, record.intent), (0, Status::Failed, None));
    step.look.set(Duration::ZERO);
    assert_eq!(step.invoke(&tools, DEFAULT_STEP_BUDGET).await, Ok(StepStatus::InProgress));
    assert_eq!(step.sent.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_took_long_before_its_outcome_was_lost_is_not_repeated_at_once() {
    let tools = FakeAws::new().toolbox();
    let step = Slow::new(&tools);
    step.change.set(Duration::from_secs(12));
    for _ in 0..2 {
        assert_eq!(step.invoke(&tools, Duration::from_secs(13)).await, Ok(StepStatus::InProgress));
        assert_eq!(step.sent.get(), 1);
    }
    tools.env.sleep(Duration::from_secs(10)).await;
    assert_eq!(step.invoke(&tools, Duration::from_secs(13)).await, Ok(StepStatus::InProgress));
    assert_eq!(step.sent.get(), 2, "it has had its time to show");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_was_asked_for_too_early_allows_no_repetition_however_late_it_is_answered() {
    let tools = FakeAws::new().toolbox();
    let step = Slow::new(&tools);
    let budget = Duration::from_secs(1);
    assert_eq!(step.invoke(&tools, budget).await, Ok(StepStatus::InProgress));
    tools.env.sleep(Duration::from_secs(9)).await;
    step.look.set(Duration::from_millis(1_001));
    let too_early = step.invoke(&tools, Duration::from_secs(5)).await;
    assert_eq!((too_early, step.sent.get()), (Ok(StepStatus::InProgress), 1));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_refused_slowly_is_not_sent_again_after_the_deadline() {
    let tools = FakeAws::new().toolbox();
    let end = deadline(&tools.env, &tools.config);
    let sent_at = RefCell::new(Vec::new());
    let outcome: Result<(), CallError> = retry::change(&tools.env, end, || async {
        sent_at.borrow_mut().push(tools.env.now());
        tools.env.sleep(Duration::from_millis(4_900)).await;
        Err(CallError::rejected("rds", "FailoverGlobalCluster", "ThrottlingException", "Rate exceeded"))
    })
    .await;
    assert!(outcome.is_err());
    let sent_at = sent_at.into_inner();
    assert!(sent_at.len() > 1, "it is sent again while there is time");
    assert!(sent_at.iter().all(|at| *at <= end.moment()), "{sent_at:?}, and the end is {}", end.moment());
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_first_attempt_comes_after_the_deadline_is_not_sent() {
    let tools = FakeAws::new().toolbox();
    let end = deadline(&tools.env, &tools.config);
    tools.env.sleep(VERY_SLOW).await;
    let sent = Cell::new(0);
    let outcome = retry::change(&tools.env, end, || async {
        sent.set(sent.get() + 1);
        Ok(())
    })
    .await;
    assert_eq!((outcome, sent.get()), (Err(CallError::too_late()), 0));
    assert_eq!(CallError::too_late().to_string(), "the time was up before the change could be sent");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_sent_at_the_deadline_itself_and_not_a_millisecond_later() {
    let tools = FakeAws::new().toolbox();
    let end = deadline(&tools.env, &tools.config);
    tools.env.sleep(end.left(tools.env.now())).await;
    assert_eq!(retry::in_time(&tools.env, end), Ok(()));
    tools.env.sleep(Duration::from_millis(1)).await;
    assert_eq!(retry::in_time(&tools.env, end), Err(CallError::too_late()));
}

#[tokio::test(start_paused = true)]
async fn what_an_overtaken_invocation_found_is_not_the_operations_failure() {
    let tools = FakeAws::new().toolbox();
    let step = Slow::new(&tools);
    step.refuses.set(true);
    step.look.set(Duration::from_secs(17));
    let successor = async {
        // The lease of a budget of one second ends after twelve.
        tools.env.sleep(Duration::from_secs(13)).await;
        step.refuses.set(false);
        step.look.set(Duration::ZERO);
        step.invoke(&tools, DEFAULT_STEP_BUDGET).await
    };
    let (overtaken, successor) = tokio::join!(step.invoke(&tools, Duration::from_secs(1)), successor);
    assert_eq!((overtaken, successor), (Err(ErrorCode::InProgress), Ok(StepStatus::InProgress)));
    step.refuses.set(true);
    assert_eq!(step.invoke(&tools, Duration::from_secs(1)).await, Err(ErrorCode::Refused), "nobody overtook this one");
}
