//! The one control flow of the step functions: claim, gate, observe, plan, record the intent, act once, observe again.
//!
//! A step is a level-triggered reconciler. It says how to observe and to act, and decides with a pure function;
//! everything that makes it happen once stands here. The order differs from a plain lock in two points:
//! - The claim comes before the gate, so that a completed operation is answered with a single call.
//! - A change whose outcome is not visible yet is not repeated before [`settle_time`] has passed: until then an earlier
//!   attempt's request may still arrive.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aws_call::CallError;
use crate::contract::{Finding, PlanName, RunContext, Severity, StepResponse, StepStatus, Timestamp};
use crate::digest::sha256_hex;
use crate::env::{Deadline, millis};
use crate::error::{Disposition, Error, chain};
use crate::ledger::{Claim, Claimed, Event, Intent, Record};
use crate::runtime::Toolbox;

/// How long after a change was sent it may still take effect without being seen, beyond the call's own timeout.
pub const SETTLE_MARGIN: Duration = Duration::from_secs(5);
/// Added to a lease beyond everything it covers: for clocks that differ between sandboxes.
pub const LEASE_MARGIN: Duration = Duration::from_secs(1);
/// The longest wait that a step may ask for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// One of the step functions.
pub trait Step {
    /// Its name, as in operation ids and traces.
    const NAME: &'static str;
    /// Its request, complete and checked.
    type Request: Serialize;
    /// What it sees.
    type Observation: Serialize;
    /// What it does, fully specified, with the state it expects to find.
    type Action: Serialize + DeserializeOwned;

    /// The failover the request belongs to.
    fn run_of(request: &Self::Request) -> &RunContext;

    /// What the operation is about, as part of its id.
    fn resource(request: &Self::Request) -> String;

    /// For how long one invocation may work on it; none for the function's own step budget.
    fn budget(_request: &Self::Request) -> Option<Duration> {
        None
    }

    /// Whether `next` is the change that `last` was, so that it has to have had its time to show before it is sent again.
    /// A step of several different changes says which is which; each is made as soon as the one before it shows.
    fn repeats(_last: &Self::Action, _next: &Self::Action) -> bool {
        true
    }

    /// Checks beforehand what could stand in the way of the request (X4). Reads, changes nothing. `decision` is what the
    /// step would do if it were asked now; it says why if nothing was `seen`.
    fn preflight(
        &self,
        request: &Self::Request,
        decision: Finding,
        seen: Option<&Self::Observation>,
    ) -> impl Future<Output = Vec<Finding>>;

    /// Looks at AWS. `last` is the change this operation made last, if any.
    fn observe(
        &self,
        request: &Self::Request,
        last: Option<&LastChange<Self::Action>>,
    ) -> impl Future<Output = Result<Self::Observation, Error>>;

    /// Decides. Pure.
    fn plan(request: &Self::Request, seen: &Self::Observation, now: Timestamp) -> Plan<Self::Action>;

    /// Makes the change; gives what can be used to ask after it, if AWS gave something. Each of its calls is tried again
    /// until the deadline, by [`crate::retry::change`].
    fn act(
        &self,
        request: &Self::Request,
        action: &Self::Action,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Option<String>, CallError>>;
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan<A> {
    /// The outcome is there.
    AlreadyDone {
        /// What shows it, in one sentence.
        proof: String,
    },
    /// It must not or cannot be done.
    Refuse {
        /// Why.
        reason: String,
        /// What an operator can do.
        cure: String,
    },
    /// It is under way.
    Wait {
        /// What is being waited for.
        reason: String,
        /// When to look again; at most [`LONGEST_WAIT`].
        ask_again: Duration,
    },
    /// Make this change.
    Act(A),
}

/// The change an operation made last, perhaps in an earlier invocation that was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastChange<A> {
    /// The change.
    pub action: A,
    /// When it was written down, just before it was sent; or when its outcome was lost.
    pub at: Timestamp,
    /// What AWS gave for asking after it; none if that was lost with its invocation.
    pub receipt: Option<String>,
}

/// How long after a change was written down it may still take effect: one call, and a margin.
#[must_use]
pub fn settle_time(call_timeout: Duration) -> Duration {
    call_timeout.saturating_add(SETTLE_MARGIN)
}

/// Until when an invocation holds what it works on: what it sends last, at its deadline, has taken effect by then.
#[must_use]
pub fn lease_of(deadline: Deadline, call_timeout: Duration) -> Timestamp {
    deadline.moment().plus_millis(millis(settle_time(call_timeout)) + millis(LEASE_MARGIN))
}

/// Carries out one invocation of a step.
///
/// # Errors
/// See [`Error`]: its code tells the state machine what to do.
pub async fn run<S: Step>(
    step: &S,
    tools: &Toolbox,
    request: S::Request,
    deadline: Deadline,
) -> Result<StepResponse, Error> {
    let context = S::run_of(&request);
    let operation = Operation::of::<S>(&request, tools)?;
    tools.trace.annotate(&operation.failover_id);
    let segment = tools.trace.begin(S::NAME, None);
    let deadline = S::budget(&request).map_or(deadline, |budget| deadline.capped(tools.env.now(), budget));
    let invocation = Invocation { step, tools, request: &request, deadline, plan: &operation.plan };
    let outcome = if context.preflight {
        Ok(invocation.check(&operation).await)
    } else if context.dry_run {
        invocation.rehearse(&operation).await
    } else {
        invocation.perform(&operation).await
    };
    tools.trace.end(segment, outcome.as_ref().err().map(|error| chain(error)));
    outcome
}

/// The check that every step has: what it would do if it were asked now, by the decision of the real run.
fn check_decision<S: Step>(request: &S::Request, seen: &Result<S::Observation, Error>, now: Timestamp) -> Finding {
    const CHECK: &str = "step-can-run";
    let (name, subject) = (S::NAME, S::resource(request));
    let seen = match seen {
        Ok(seen) => seen,
        Err(error @ (Error::Transient { .. } | Error::OutcomeUnknown { .. })) => {
            return Finding::unknown(CHECK, subject, chain(error), "check again; see what AWS answers");
        }
        Err(error) => {
            return Finding::blocker(CHECK, subject, chain(error), name, "remove the cause that the message names");
        }
    };
    match S::plan(request, seen, now) {
        Plan::AlreadyDone { proof } => Finding::ok(CHECK, subject, format!("nothing to do: {proof}")),
        Plan::Act(_) => Finding::ok(CHECK, subject, "can be carried out"),
        Plan::Wait { reason, .. } => {
            Finding::warning(CHECK, subject, format!("would wait: {reason}"), "see why it is not ready")
        }
        Plan::Refuse { reason, cure } => Finding::blocker(CHECK, subject, reason, name, cure),
    }
}

/// What identifies an operation.
struct Operation {
    id: String,
    failover_id: String,
    request_hash: String,
    plan: PlanName,
}

impl Operation {
    fn of<S: Step>(request: &S::Request, tools: &Toolbox) -> Result<Self, Error> {
        let context = S::run_of(request);
        let request_hash = hash(request)?;
        // Derived from the request, never random: a repeat by hand is the same operation.
        let failover_id = context
            .failover_id
            .as_ref()
            .map_or_else(|| format!("request-{}", &request_hash[..16]), ToString::to_string);
        let id = context
            .idempotency_key
            .as_ref()
            .map_or_else(|| format!("{failover_id}#{}#{}", S::NAME, S::resource(request)), ToString::to_string);
        let plan = context.plan.clone().unwrap_or_else(|| tools.config.plan.clone());
        Ok(Self { id, failover_id, request_hash, plan })
    }
}

/// The hash of what is asked for, apart from the run it is asked in.
fn hash(request: &impl Serialize) -> Result<String, Error> {
    let bug =
        |error: serde_json::Error| Error::Bug { doing: "hashing the request".to_owned(), problem: error.to_string() };
    let mut value = serde_json::to_value(request).map_err(bug)?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("run");
    }
    Ok(sha256_hex(&value.to_string()))
}

struct Invocation<'a, S: Step> {
    step: &'a S,
    tools: &'a Toolbox,
    request: &'a S::Request,
    deadline: Deadline,
    plan: &'a PlanName,
}

/// Where a round of observing and planning left the operation.
enum Round<A> {
    Done(String),
    Waiting { reason: String, ask_again: Duration },
    Act(A),
}

impl<S: Step> Invocation<'_, S> {
    /// The preflight: every check, and no write anywhere.
    async fn check(&self, operation: &Operation) -> StepResponse {
        let began = self.tools.env.now();
        let seen = self.step.observe(self.request, None).await;
        let decision = check_decision::<S>(self.request, &seen, self.tools.env.now());
        let findings = self.step.preflight(self.request, decision, seen.as_ref().ok()).await;
        let wrong = findings.iter().filter(|finding| finding.severity != Severity::Ok).count();
        StepResponse {
            status: StepStatus::Checked,
            operation_id: operation.id.clone(),
            message: format!("{} checks, {wrong} with something to say", findings.len()),
            observed: Value::Null,
            action: Value::Null,
            ask_again_after_seconds: 0,
            attempt: 0,
            elapsed_ms: self.tools.env.now().millis_since(began),
            from_ledger: false,
            findings,
        }
    }

    /// The dry run: the gates and the decision of the real run, and no write anywhere.
    async fn rehearse(&self, operation: &Operation) -> Result<StepResponse, Error> {
        let began = self.tools.env.now();
        self.gate().await?;
        let seen = self.step.observe(self.request, None).await?;
        let (status, message, action) = match S::plan(self.request, &seen, self.tools.env.now()) {
            Plan::AlreadyDone { proof } => (StepStatus::Done, proof, Value::Null),
            Plan::Refuse { reason, cure } => return Err(Error::Refused { reason, cure }),
            Plan::Wait { reason, .. } => (StepStatus::WouldAct, format!("would wait: {reason}"), Value::Null),
            Plan::Act(action) => (StepStatus::WouldAct, "dry run: nothing was changed".to_owned(), json(&action)?),
        };
        Ok(StepResponse {
            status,
            operation_id: operation.id.clone(),
            message,
            observed: json(&seen)?,
            action,
            ask_again_after_seconds: 0,
            attempt: 0,
            elapsed_ms: self.tools.env.now().millis_since(began),
            from_ledger: false,
            findings: Vec::new(),
        })
    }

    async fn perform(&self, operation: &Operation) -> Result<StepResponse, Error> {
        let claim = Claim {
            operation_id: operation.id.clone(),
            failover_id: operation.failover_id.clone(),
            request_hash: operation.request_hash.clone(),
            owner: self.tools.env.owner_token(),
            lease_expires: lease_of(self.deadline, self.tools.config.access.call_timeout),
        };
        let record = match self.tools.ledger.claim(&claim).await? {
            Claimed::Completed(record) => return answer_from_ledger(&record),
            Claimed::Granted(record) => *record,
        };
        tracing::info!(operation_id = record.operation_id, attempt = record.attempt, "claimed");
        let mut held = Held { record };
        match self.reconcile(&mut held).await {
            Ok(response) => Ok(response),
            Err(error) => Err(self.give_up(&held.record, error).await),
        }
    }

    /// Observes, decides and acts until the outcome is there or the time is up.
    async fn reconcile(&self, held: &mut Held) -> Result<StepResponse, Error> {
        self.gate().await?;
        let mut acted = false;
        loop {
            let last = held.last_change::<S::Action>()?;
            // Not when the answer is there: what it does not show may have come about since AWS was asked.
            let asked_at = self.tools.env.now();
            let seen = self.step.observe(self.request, last.as_ref()).await?;
            let unsettled = last.as_ref().filter(|last| acted || self.is_settling(last, asked_at));
            match self.decide(&seen, unsettled)? {
                Round::Done(proof) => return self.complete(held, proof, &seen).await,
                Round::Waiting { reason, ask_again } => {
                    let ask_again = ask_again.min(LONGEST_WAIT);
                    let left = self.deadline.left(self.tools.env.now());
                    if left < ask_again.saturating_add(self.tools.config.access.call_timeout) {
                        return self.pause(held, reason, ask_again, &seen).await;
                    }
                    self.tools.env.sleep(ask_again).await;
                }
                Round::Act(action) => {
                    // Looking takes time: a person may have set the kill switch meanwhile, or a newer failover have begun.
                    self.gate().await?;
                    acted = true;
                    self.act(held, &action).await?;
                }
            }
        }
    }

    /// Whether a change that did not show at a moment may still have been on its way then.
    fn is_settling(&self, last: &LastChange<S::Action>, asked_at: Timestamp) -> bool {
        asked_at.millis_since(last.at) < millis(settle_time(self.tools.config.access.call_timeout))
    }

    /// `unsettled` is the last change while it may not be repeated.
    fn decide(
        &self,
        seen: &S::Observation,
        unsettled: Option<&LastChange<S::Action>>,
    ) -> Result<Round<S::Action>, Error> {
        match S::plan(self.request, seen, self.tools.env.now()) {
            Plan::AlreadyDone { proof } => Ok(Round::Done(proof)),
            Plan::Refuse { reason, cure } => Err(Error::Refused { reason, cure }),
            Plan::Wait { reason, ask_again } => Ok(Round::Waiting { reason, ask_again }),
            Plan::Act(action) if unsettled.is_some_and(|last| S::repeats(&last.action, &action)) => {
                let reason = "the change was sent and does not show yet".to_owned();
                Ok(Round::Waiting { reason, ask_again: Duration::from_secs(1) })
            }
            Plan::Act(action) => Ok(Round::Act(action)),
        }
    }

    async fn act(&self, held: &mut Held, action: &S::Action) -> Result<(), Error> {
        let ledger = &self.tools.ledger;
        let earlier = held.record.intent.clone();
        held.record = ledger.record(&held.record, Event::RecordIntent { action: json(action)? }).await?;
        if self.tools.env.now() > self.deadline.moment() {
            // The lease covers what is sent by the deadline, and nothing later.
            held.record = ledger.record(&held.record, Event::Retract { earlier }).await?;
            return Err(Error::Unfinished {
                operation_id: held.record.operation_id.clone(),
                waiting_for: "the time was up before the change could be sent".to_owned(),
            });
        }
        tracing::info!(operation_id = held.record.operation_id, action = %json(action)?, "acting");
        let sent = self.step.act(self.request, action, self.deadline).await;
        let doing = format!("{} of {}", S::NAME, S::resource(self.request));
        match sent.map_err(|error| Error::from_change(doing, error)) {
            Ok(Some(receipt)) => {
                held.record = ledger.record(&held.record, Event::RecordReceipt { receipt }).await?;
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error @ Error::OutcomeUnknown { .. }) => {
                // Not the end of it: the next look tells whether it was applied.
                tracing::warn!(error = %chain(&error), "the outcome is unknown, observing");
                held.record = ledger.record(&held.record, Event::LoseOutcome { error: chain(&error) }).await?;
                Ok(())
            }
            Err(error) => {
                // Certainly not applied: the next attempt need not wait for it to show.
                held.record = ledger.record(&held.record, Event::Retract { earlier }).await?;
                Err(error)
            }
        }
    }

    async fn gate(&self) -> Result<(), Error> {
        let context = S::run_of(self.request);
        let item = self.tools.ledger.plan_item(self.plan).await?;
        item.permit(self.plan, context.generation, context.initiator, self.tools.env.now())
    }

    async fn complete(&self, held: &Held, proof: String, seen: &S::Observation) -> Result<StepResponse, Error> {
        let response = self.response(&held.record, StepStatus::Done, proof, Duration::ZERO, seen)?;
        self.tools.ledger.record(&held.record, Event::Complete { result: json(&response)? }).await?;
        tracing::info!(
            operation_id = response.operation_id,
            elapsed_ms = response.elapsed_ms,
            message = response.message,
            "done"
        );
        Ok(response)
    }

    async fn pause(
        &self,
        held: &Held,
        reason: String,
        ask_again: Duration,
        seen: &S::Observation,
    ) -> Result<StepResponse, Error> {
        self.tools.ledger.record(&held.record, Event::Release).await?;
        self.response(&held.record, StepStatus::InProgress, reason, ask_again, seen)
    }

    /// Writes the failure down, and gives the error to answer with. Whoever has taken over by now is not disturbed: the
    /// write is conditional; and what becomes of the operation is theirs to say.
    async fn give_up(&self, record: &Record, error: Error) -> Error {
        let retryable = match error.code().disposition() {
            Disposition::Retry | Disposition::AskAgain | Disposition::Stop => true,
            // A cause outside the request (permissions, configuration) can be removed, then the same operation goes on.
            Disposition::Yield | Disposition::Fail => !matches!(error, Error::Superseded { .. }),
        };
        let event = Event::Fail { error: chain(&error), retryable };
        match self.tools.ledger.record(record, event).await {
            Ok(_) => error,
            Err(overtaken @ Error::InProgress { .. }) => {
                tracing::warn!(error = %chain(&error), "overtaken, so this failure is not the operation's");
                overtaken
            }
            Err(second) => {
                tracing::warn!(error = %chain(&second), "the failure could not be written down; the lease will run out");
                error
            }
        }
    }

    fn response(
        &self,
        record: &Record,
        status: StepStatus,
        message: String,
        ask_again: Duration,
        seen: &S::Observation,
    ) -> Result<StepResponse, Error> {
        Ok(StepResponse {
            status,
            operation_id: record.operation_id.clone(),
            message,
            observed: json(seen)?,
            action: record.intent.as_ref().map_or(Value::Null, |intent| intent.action.clone()),
            ask_again_after_seconds: u32::try_from(ask_again.as_secs()).unwrap_or(u32::MAX),
            attempt: record.attempt,
            elapsed_ms: self.tools.env.now().millis_since(record.first_claimed),
            from_ledger: false,
            findings: Vec::new(),
        })
    }
}

/// The record an invocation holds, as it was last written.
struct Held {
    record: Record,
}

impl Held {
    fn last_change<A: DeserializeOwned>(&self) -> Result<Option<LastChange<A>>, Error> {
        let Some(Intent { action, at, receipt }) = self.record.intent.clone() else {
            return Ok(None);
        };
        let action = serde_json::from_value(action).map_err(|error| Error::Bug {
            doing: format!("reading the intent of operation {}", self.record.operation_id),
            problem: error.to_string(),
        })?;
        Ok(Some(LastChange { action, at, receipt }))
    }
}

fn answer_from_ledger(record: &Record) -> Result<StepResponse, Error> {
    let result = record.result.clone().unwrap_or_default();
    let response: StepResponse = serde_json::from_value(result).map_err(|error| Error::Bug {
        doing: format!("reading the result of operation {}", record.operation_id),
        problem: error.to_string(),
    })?;
    Ok(StepResponse { from_ledger: true, ..response })
}

fn json(value: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(value)
        .map_err(|error| Error::Bug { doing: "writing JSON".to_owned(), problem: error.to_string() })
}
