//! One cell of the matrix: a step in a world of its own, disturbed at one point.

use std::sync::Arc;
use std::time::Duration;

use failover::contract::Timestamp;
use failover::step::LEASE_MARGIN;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use super::Column;
use super::commands;
use super::rows::Row;
use crate::lambda::{self, Failure};
use crate::network::Mishap;
use crate::sandbox::{Gate, Plight};
use crate::workload::STANDBY;
use crate::world::{Shared, World, ms};

/// How long a cell may take, in milliseconds of its own time.
const LONGEST_CELL_MS: u64 = 3_600_000;
/// How often a step is asked until it is done.
const MOST_INVOCATIONS: u32 = 100;
/// How long until what was prepared shows everywhere, and how long what is under way in the end may take, in milliseconds.
const SETTLING_MS: u64 = 10_000;
/// How soon the state machine asks again after an error, in milliseconds.
const AGAIN_MS: u64 = 1_000;
/// How long after the other one has begun an overtaken invocation goes on, in milliseconds.
const IN_WORK_MS: u64 = 60;
const LATER_MS: u64 = 4_000;
/// How often it is looked what always has to hold, in milliseconds.
const WATCH_MS: u64 = 1_000;
/// The errors after which the state machine asks a step again, as its definition has them.
const RETRIED: [&str; 4] = ["Failover.Transient", "Failover.OutcomeUnknown", "Sandbox.Timedout", "Runtime.ExitError"];

/// What became of a cell.
#[derive(Clone, Debug)]
pub struct Played {
    /// Whether the disturbance struck; otherwise its point lies beyond the run's end.
    pub disturbed: bool,
    /// What everybody who asked was answered in the end.
    pub answers: Vec<Value>,
    /// What a repeat of the request was answered afterwards.
    pub repeated: Value,
    /// How many calls the repeat made.
    pub calls_of_repeat: u64,
    /// What AWS looks like, as the row sees it.
    pub facts: Value,
    /// The changes that AWS accepted.
    pub accepted: Vec<String>,
    /// The operations in the ledger that are not completed.
    pub open_records: Vec<String>,
    /// What was violated, and how the step failed.
    pub violations: Vec<String>,
    /// What happened.
    pub trace: Vec<String>,
}

/// Plays a cell.
///
/// # Panics
/// When the runtime cannot be built, or the simulation meets what it does not know.
#[must_use]
pub fn play(row: &Row, column: Column, point: u64) -> Played {
    // The SDK's own jitter comes from this generator.
    fastrand::seed(row.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    let world = runtime.block_on(async { Shared::new(World::new(row.seed, Vec::new(), None)) });
    let mut cell = Cell { row, world, request: Value::Null };
    let played = async {
        tokio::time::timeout(ms(LONGEST_CELL_MS), cell.play(column, point))
            .await
            .unwrap_or_else(|_| panic!("{}, {column:?} at {point}: does not end", row.name))
    };
    LocalSet::new().block_on(&runtime, played)
}

struct Cell<'a> {
    row: &'a Row,
    world: Shared,
    request: Value,
}

impl Cell<'_> {
    async fn play(&mut self, column: Column, point: u64) -> Played {
        self.row.before.prepare(&self.world).await;
        self.request = self.row.request.request(&self.world).await;
        tokio::time::sleep(ms(SETTLING_MS)).await;
        spawn_local(watch(self.world.clone()));
        let (disturbed, ends) = self.disturb(column, point).await;
        tokio::time::sleep(ms(SETTLING_MS)).await;
        let calls = self.world.lock().calls;
        let repeated = self.ask_for(self.request.clone()).await;
        tokio::time::sleep(ms(SETTLING_MS)).await;
        let mut here = self.world.lock();
        let now = here.now();
        here.aws.advance(now);
        let mut violations = here.monitor.violations().to_vec();
        let mut answers = Vec::new();
        for end in ends {
            match end {
                Ok(answer) => answers.push(answer),
                Err(failure) => violations.push(format!("fails with {}: {}", failure.error, failure.message)),
            }
        }
        Played {
            disturbed,
            answers,
            repeated: repeated.unwrap_or_else(|failure| Value::String(failure.error)),
            calls_of_repeat: here.calls - calls,
            facts: (self.row.facts)(&here.aws, now),
            accepted: here.accepted.clone(),
            open_records: open_records(&here),
            violations,
            trace: here.trace.lines().to_vec(),
        }
    }

    /// Whether the disturbance struck, and what everybody who asked was answered in the end.
    async fn disturb(&self, column: Column, point: u64) -> (bool, Vec<Result<Value, Failure>>) {
        match column {
            Column::Undisturbed => (true, vec![self.until_done().await]),
            Column::Killed => {
                let plight = Plight { killed_at: Some(point), ..Plight::default() };
                let outcome = end_of(self.begin(plight)).await;
                let killed = outcome.as_ref().is_err_and(|failure| failure.error == "Runtime.ExitError");
                (killed, vec![self.go_on(outcome).await])
            }
            Column::AnswerLost => self.mishap(point, Mishap::Lost).await,
            Column::ConnectionReset => self.mishap(point, Mishap::Reset).await,
            Column::Twin => self.twin(point, None).await,
            Column::OvertakenInWork => self.twin(point, Some(IN_WORK_MS)).await,
            Column::OvertakenLater => self.twin(point, Some(LATER_MS)).await,
        }
    }

    async fn mishap(&self, call: u64, mishap: Mishap) -> (bool, Vec<Result<Value, Failure>>) {
        {
            let mut here = self.world.lock();
            let number = here.calls + call;
            here.mishap_at = Some((number, mishap));
        }
        let answer = self.until_done().await;
        let struck = self.world.lock().mishap_at.take().is_none();
        (struck, vec![answer])
    }

    /// Another invocation of the same request: at once, or so many milliseconds before the first one, which was held until
    /// its lease was over, goes on.
    async fn twin(&self, poll: u64, overtaken: Option<u64>) -> (bool, Vec<Result<Value, Failure>>) {
        let gate = Arc::new(Gate::default());
        let mut first = self.begin(Plight { held_at: Some((poll, Arc::clone(&gate))), ..Plight::default() });
        tokio::select! {
            biased;
            () = gate.reached() => {}
            outcome = &mut first => {
                let outcome = outcome.expect("every invocation ends");
                return (false, vec![self.go_on(outcome).await]);
            }
        }
        if overtaken.is_some() {
            self.until_lease_is_over().await;
        }
        let first_goes_on = async {
            tokio::time::sleep(ms(overtaken.unwrap_or(0))).await;
            gate.open();
            self.go_on(end_of(first).await).await
        };
        let (twin, first) = tokio::join!(self.until_done(), first_goes_on);
        (true, vec![twin, first])
    }

    /// Until whatever invocation holds an operation holds it no more. Without a record nothing is held.
    async fn until_lease_is_over(&self) {
        let (now, over) = {
            let here = self.world.lock();
            let leases = here.aws.dynamodb.table.items().filter_map(|(_, item)| {
                item.get("lease_expires_ms")?["N"].as_str()?.parse().ok().map(Timestamp::from_millis)
            });
            (here.now(), leases.max())
        };
        let left = over.map_or(0, |over| over.millis_since(now));
        tokio::time::sleep(ms(left) + LEASE_MARGIN).await;
    }

    fn begin(&self, plight: Plight) -> oneshot::Receiver<Result<Value, Failure>> {
        lambda::begin_in(&self.world, STANDBY, self.row.function, self.request.clone(), plight)
    }

    async fn ask_for(&self, request: Value) -> Result<Value, Failure> {
        end_of(lambda::begin_in(&self.world, STANDBY, self.row.function, request, Plight::default())).await
    }

    /// Asks until it is done, as the state machine does.
    async fn until_done(&self) -> Result<Value, Failure> {
        let outcome = self.ask_for(self.request.clone()).await;
        self.go_on(outcome).await
    }

    /// Goes on asking after this outcome; while another invocation is at work, when its lease is over.
    async fn go_on(&self, mut outcome: Result<Value, Failure>) -> Result<Value, Failure> {
        let mut request = self.request.clone();
        for _ in 0..MOST_INVOCATIONS {
            match &outcome {
                Ok(answer) if answer["status"] == "in_progress" => {
                    let pause = answer["ask_again_after_seconds"].as_u64().expect("a pause");
                    tokio::time::sleep(Duration::from_secs(pause)).await;
                }
                Ok(answer) if commands::asks_for_checks(answer) => {
                    request["checked"] = commands::unanswered(&answer["checks"]);
                }
                Err(failure) if failure.error == "Failover.InProgress" => self.until_lease_is_over().await,
                Err(failure) if RETRIED.contains(&failure.error.as_str()) => tokio::time::sleep(ms(AGAIN_MS)).await,
                Ok(_) | Err(_) => return outcome,
            }
            outcome = self.ask_for(request.clone()).await;
        }
        outcome
    }
}

async fn end_of(invocation: oneshot::Receiver<Result<Value, Failure>>) -> Result<Value, Failure> {
    invocation.await.expect("every invocation ends")
}

/// Watches what always has to hold.
async fn watch(world: Shared) {
    loop {
        {
            let mut here = world.lock();
            let now = here.now();
            let World { aws, monitor, .. } = &mut *here;
            monitor.tick(aws, now);
        }
        tokio::time::sleep(ms(WATCH_MS)).await;
    }
}

fn open_records(world: &World) -> Vec<String> {
    let operations = world.aws.dynamodb.table.items().filter(|(key, _)| !key.starts_with("plan#"));
    let open = operations.filter(|(_, item)| item.get("status").is_none_or(|status| status["S"] != "completed"));
    open.map(|(key, _)| key.to_owned()).collect()
}
