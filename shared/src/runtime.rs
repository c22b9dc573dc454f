//! How a function runs in Lambda: configuration once, then for each invocation its trace, its deadline and its span,
//! and after each answer the X-Ray subsegments.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::FutureExt;
use lambda_runtime::{Context, LambdaEvent, LambdaInvocation, Runtime, service_fn};
use serde::Serialize;
use serde_json::Value;
use tower::{Layer, Service};
use tracing::Instrument;

use crate::aws_call::Calls;
use crate::clients::Clients;
use crate::config::{Config, ProcessEnvironment};
use crate::env::{Deadline, Env};
use crate::error::{Error, ErrorCode, chain};
use crate::ledger::Ledger;
use crate::region_switch::Event;
use crate::telemetry::trace::SEND_TIMEOUT;
use crate::telemetry::{Trace, logs};

/// What every function works with.
#[derive(Clone, Debug)]
pub struct Toolbox {
    /// The environment, checked.
    pub config: Config,
    /// Time and randomness.
    pub env: Env,
    /// Configurations for SDK clients.
    pub clients: Clients,
    /// Makes calls to AWS.
    pub calls: Calls,
    /// The ledger.
    pub ledger: Ledger,
    /// The invocation's trace.
    pub trace: Trace,
}

impl Toolbox {
    /// Puts it together.
    #[must_use]
    pub fn new(config: Config, env: Env, clients: Clients) -> Self {
        let trace = Trace::new(env.clone());
        let calls = Calls::new(trace.clone());
        let dynamodb = aws_sdk_dynamodb::Client::new(&clients.reading(&config.dr_region));
        let ledger = Ledger::new(dynamodb, calls.clone(), env.clone(), config.ledger_table());
        Self { config, env, clients, calls, ledger, trace }
    }

    /// The deadline of an invocation that begins now.
    #[must_use]
    pub fn deadline(&self, context: &Context) -> Deadline {
        Deadline::new(self.env.now(), self.config.step_budget, context.deadline)
    }
}

/// Runs a function until Lambda ends it.
///
/// With an unusable environment it answers every invocation with `Failover.Config`, so that the state machine and the
/// operator see which variable is wrong instead of a process that exits.
///
/// # Errors
/// Only when Lambda's runtime API fails.
pub async fn serve<S, B, H, F, R>(function: &'static str, build: B, handle: H) -> Result<(), lambda_runtime::Error>
where
    B: FnOnce(Toolbox) -> Result<S, Error>,
    S: 'static,
    H: Fn(Arc<S>, Value, Deadline) -> F + Clone + 'static,
    F: Future<Output = Result<R, Error>> + 'static,
    R: Serialize + 'static,
{
    logs::start();
    let env = Env::system();
    let toolbox = Config::read(&ProcessEnvironment, function).map(|config| {
        let clients = Clients::new(&config, &env);
        Toolbox::new(config, env, clients)
    });
    match toolbox.and_then(|toolbox| Ok((toolbox.clone(), build(toolbox)?))) {
        Ok((toolbox, state)) => run(toolbox, Arc::new(state), handle).await,
        Err(error) => {
            tracing::error!(function, code = %error.code(), error = %chain(&error), "the function cannot work");
            let error = Arc::new(error);
            let answer = service_fn(move |_: LambdaEvent<Value>| {
                let error = Arc::clone(&error);
                async move { Err::<Value, _>(Failure::of(&error)) }
            });
            Runtime::new(answer).run().await
        }
    }
}

async fn run<S, H, F, R>(toolbox: Toolbox, state: Arc<S>, handle: H) -> Result<(), lambda_runtime::Error>
where
    S: 'static,
    H: Fn(Arc<S>, Value, Deadline) -> F + Clone + 'static,
    F: Future<Output = Result<R, Error>> + 'static,
    R: Serialize + 'static,
{
    let flush = Flush {
        trace: toolbox.trace.clone(),
        client: aws_sdk_xray::Client::new(&toolbox.clients.once(&toolbox.config.dr_region)),
    };
    let answer = service_fn(move |event: LambdaEvent<Value>| {
        let (toolbox, state, handle) = (toolbox.clone(), Arc::clone(&state), handle.clone());
        async move {
            toolbox.trace.follow(event.context.xray_trace_id.as_deref());
            let deadline = toolbox.deadline(&event.context);
            let failover_id = failover_id(&event.payload).unwrap_or_else(|| "none".to_owned());
            let span = tracing::info_span!("invocation", failover_id, request_id = event.context.request_id);
            span.in_scope(|| announce(&event.payload));
            answer(handle(state, event.payload, deadline)).instrument(span).await
        }
    });
    Runtime::new(answer).layer(flush).run().await
}

async fn answer<R: Serialize>(work: impl Future<Output = Result<R, Error>>) -> Result<R, Failure> {
    // Nothing is used after a panic but the answer, so no broken state can be seen.
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => {
            tracing::error!(code = %error.code(), error = %chain(&error), "the invocation failed");
            Err(Failure::of(&error))
        }
        Err(panic) => {
            let failure = Failure::of_panic(panic.as_ref());
            tracing::error!(code = failure.error_type, error = failure.error_message, "the invocation panicked");
            Err(failure)
        }
    }
}

/// Says which execution of Region switch an invocation belongs to, since its failover's id is a digest.
fn announce(payload: &Value) {
    if let Ok(Some(event)) = Event::of(payload) {
        let Event { plan_arn, execution_id, target_region, action, mode } = event;
        tracing::info!(plan_arn, execution_id, %target_region, ?action, ?mode, "invoked by Region switch");
    }
}

/// The failover's id where a request carries it or an event of Region switch stands for it, for the logs; requests are
/// validated elsewhere.
fn failover_id(request: &Value) -> Option<String> {
    match Event::of(request) {
        Ok(Some(event)) => Some(event.failover_id()),
        Ok(None) => request.get("run").unwrap_or(request).get("failover_id")?.as_str().map(ToOwned::to_owned),
        Err(_) => None,
    }
}

/// An error's answer to Lambda. Its `errorType` is the code, not a Rust type's name.
#[derive(Clone, Debug)]
struct Failure {
    error_type: String,
    error_message: String,
}

impl Failure {
    fn of(error: &Error) -> Self {
        Self { error_type: error.code().to_string(), error_message: chain(error) }
    }

    /// A panic may have come after a change was sent, so it counts as an unknown outcome: the next look observes.
    fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned());
        Self {
            error_type: ErrorCode::OutcomeUnknown.to_string(),
            error_message: format!(
                "the function panicked: {text}. This is a defect of the orchestrator; please report it"
            ),
        }
    }
}

impl From<Failure> for lambda_runtime::Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.error_type, error_message: failure.error_message }
    }
}

/// Sends the subsegments after the inner service is through, that is, after the answer was posted.
#[derive(Clone, Debug)]
struct Flush {
    trace: Trace,
    client: aws_sdk_xray::Client,
}

impl<S> Layer<S> for Flush {
    type Service = Flushing<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Flushing { inner, flush: self.clone() }
    }
}

#[derive(Clone, Debug)]
struct Flushing<S> {
    inner: S,
    flush: Flush,
}

impl<S> Service<LambdaInvocation> for Flushing<S>
where
    S: Service<LambdaInvocation, Response = ()>,
    S::Future: 'static,
{
    type Response = ();
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<(), S::Error>>>>;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let answered = self.inner.call(invocation);
        let Flush { trace, client } = self.flush.clone();
        Box::pin(async move {
            let outcome = answered.await;
            if tokio::time::timeout(SEND_TIMEOUT, trace.send(&client)).await.is_err() {
                tracing::warn!(timeout_ms = SEND_TIMEOUT.as_millis(), "X-Ray did not answer in time");
            }
            outcome
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_as_an_unknown_outcome_with_its_message() {
        let failure = answer(async { Ok::<Value, Error>([Value::Null][std::hint::black_box(3)].clone()) })
            .await
            .expect_err("panicked");
        assert_eq!(failure.error_type, "Failover.OutcomeUnknown");
        assert!(failure.error_message.contains("index is 3"), "{}", failure.error_message);
    }

    #[test]
    fn the_failovers_id_is_found_in_step_and_probe_requests_and_derived_for_region_switch() {
        let step = serde_json::json!({ "run": { "failover_id": "a" } });
        let probe = serde_json::json!({ "command": "decide", "failover_id": "b" });
        let switch = serde_json::json!({
            "planArn": "arn:aws:arc-region-switch::123456789012:plan/trading:a1b2c3", "executionId": "c",
            "targetRegion": "eu-west-1", "action": "activate",
        });
        assert_eq!(failover_id(&step).as_deref(), Some("a"));
        assert_eq!(failover_id(&probe).as_deref(), Some("b"));
        assert!(failover_id(&switch).expect("derived").starts_with("region-switch-"));
        assert_eq!(failover_id(&Value::Null), None);
    }
}
