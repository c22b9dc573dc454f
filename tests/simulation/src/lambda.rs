//! Lambda: invocations of the real functions, each with its own environment, clock and network.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::shared::IntoShared;
use failover::clients::Clients;
use failover::config::Config;
use failover::env::{Deadline, Env, Random};
use failover::error::{Error, ErrorCode, chain};
use failover::runtime::Toolbox;
use failover::testing::{self, START};
use futures_util::FutureExt;
use health_probe::{HealthProbe, Settings};
use promote_aurora::PromoteAurora;
use scale_ecs::ScaleEcs;
use serde::Serialize;
use serde_json::{Value, json};
use shift_dns::ShiftDns;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::caller::Caller;
use crate::chance::Chance;
use crate::faults::Kind;
use crate::network::Wire;
use crate::outage;
use crate::sandbox::{self, Killed, Plight};
use crate::workload;
use crate::world::{Shared, ms};

/// How long an invocation may take, in seconds: `promote-aurora` as F13 asks, the others as the template has it.
const PROMOTE_TIMEOUT_SECONDS: u64 = 300;
const TIMEOUT_SECONDS: u64 = 60;
/// How long a lost answer keeps its caller waiting, in milliseconds.
const LOST_ANSWER_MS: u64 = 2_000;

/// How an invocation failed, as its caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `errorType`, or Lambda's own error's name.
    pub error: String,
    /// The message.
    pub message: String,
}

impl Failure {
    fn new(error: &str, message: impl Into<String>) -> Self {
        Self { error: error.to_owned(), message: message.into() }
    }
}

/// Invokes a function in a Region and waits for its answer. Dropping the future does not stop the invocation.
///
/// # Errors
/// What Lambda or the function answers.
pub async fn invoke(
    world: &Shared,
    region: &'static str,
    function: &'static str,
    request: Value,
) -> Result<Value, Failure> {
    let of_function = |about: &'static str| about == function;
    if world.lock().strikes(|fault| matches!(fault.kind, Kind::NotStarted(f) if of_function(f)).then_some(())).is_some()
    {
        world.lock().monitor.reached.insert("Lambda.TooManyRequestsException".to_owned());
        world.lock().note(function, "not started: too many requests");
        return Err(Failure::new("Lambda.TooManyRequestsException", "Rate Exceeded."));
    }
    twin(world, region, function, &request);
    let answer = begin(world, region, function, request).await.unwrap_or_else(|_| {
        // The task is only dropped with the whole run.
        Err(Failure::new("Lambda.Unknown", "the run has ended"))
    });
    let lost =
        world.lock().strikes(|fault| matches!(fault.kind, Kind::InvocationLost(f) if of_function(f)).then_some(()));
    if lost.is_some() {
        world.lock().note(function, "the invocation's answer is lost");
        tokio::time::sleep(ms(LOST_ANSWER_MS)).await;
        return Err(Failure::new("Lambda.ServiceException", "the answer was lost"));
    }
    answer
}

/// A second delivery of the same request, if a fault wants one.
fn twin(world: &Shared, region: &'static str, function: &'static str, request: &Value) {
    let after = world.lock().strikes(|fault| match fault.kind {
        Kind::Twin(about, after) if about == function => Some(after),
        _ => None,
    });
    if let Some((_, after)) = after {
        let (world, request) = (world.clone(), request.clone());
        tokio::task::spawn_local(async move {
            tokio::time::sleep(ms(after)).await;
            world.lock().note(function, "a twin of an invocation begins");
            // Nobody waits for it.
            drop(begin(&world, region, function, request).await);
        });
    }
}

/// Begins an invocation as the faults have it; it goes on whether or not anybody waits for its answer.
fn begin(
    world: &Shared,
    region: &'static str,
    function: &'static str,
    request: Value,
) -> oneshot::Receiver<Result<Value, Failure>> {
    let plight = {
        let mut here = world.lock();
        let killed = here.strikes(|fault| match fault.kind {
            Kind::Killed(about, poll) if about == function => Some(poll),
            _ => None,
        });
        let paused = here.strikes(|fault| match fault.kind {
            Kind::Paused(about, poll, length) if about == function => Some((poll, ms(length))),
            _ => None,
        });
        let panics = here.strikes(|fault| match fault.kind {
            Kind::Panicked(about, poll) if about == function => Some(poll),
            _ => None,
        });
        Plight {
            killed_at: panics.or(killed).map(|(_, poll)| poll),
            panics: panics.is_some(),
            paused_at: paused.map(|(_, pause)| pause),
            held_at: None,
        }
    };
    begin_in(world, region, function, request, plight)
}

/// Begins an invocation in a Region that this befalls.
#[must_use]
pub fn begin_in(
    world: &Shared,
    region: &'static str,
    function: &'static str,
    request: Value,
    plight: Plight,
) -> oneshot::Receiver<Result<Value, Failure>> {
    let (answer, answered) = oneshot::channel();
    let caller = {
        let mut here = world.lock();
        let caller = Caller::of(region, function, here.next_invocation(), &request);
        let now = here.now();
        here.monitor.begins(&caller, now);
        caller
    };
    let world = world.clone();
    tokio::task::spawn_local(async move {
        let caller = Arc::new(caller);
        let work = outage::dying_with(region, world.clone(), until_timeout(&world, &caller, request, plight));
        let outcome = work.await.unwrap_or_else(|Killed| Err(killed()));
        {
            let mut world = world.lock();
            let line = match &outcome {
                Ok(answer) => {
                    format!("answers {}", answer["status"].as_str().or(answer["decision"].as_str()).unwrap_or("ok"))
                }
                Err(failure) => format!("fails with {}: {}", failure.error, failure.message),
            };
            world.note(&caller.to_string(), line);
            world.monitor.ends(&caller, &outcome);
        }
        drop(answer.send(outcome));
    });
    answered
}

async fn until_timeout(world: &Shared, caller: &Arc<Caller>, request: Value, plight: Plight) -> Result<Value, Failure> {
    let seconds = if caller.function == "promote-aurora" { PROMOTE_TIMEOUT_SECONDS } else { TIMEOUT_SECONDS };
    let limit = Duration::from_secs(seconds);
    let panics = plight.panics;
    let work = sandbox::run(AssertUnwindSafe(function(world, caller, request, limit)).catch_unwind(), plight);
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(Ok(outcome))) => outcome,
        Ok(Ok(Err(_))) => {
            world.lock().monitor.violated("a function panicked", &caller.to_string());
            Err(Failure::new("Failover.OutcomeUnknown", "the function panicked"))
        }
        // What the function's runtime makes of a panic.
        Ok(Err(Killed)) if panics => Err(Failure::new("Failover.OutcomeUnknown", "the function panicked")),
        Ok(Err(Killed)) => Err(killed()),
        Err(_) => Err(Failure::new("Sandbox.Timedout", format!("Task timed out after {seconds}.00 seconds"))),
    }
}

fn killed() -> Failure {
    Failure::new("Runtime.ExitError", "Runtime exited with error: signal: killed")
}

/// The function itself, put together as its `main` does.
async fn function(world: &Shared, caller: &Arc<Caller>, request: Value, limit: Duration) -> Result<Value, Failure> {
    let tools = match toolbox(world, caller) {
        Ok(tools) => tools,
        Err(error) => return Err(failure(&error)),
    };
    let environment = environment(caller.region);
    let environment: BTreeMap<&str, &str> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let lambda_deadline = tools.env.now().plus_millis(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    let deadline = Deadline::new(
        tools.env.now(),
        tools.config.step_budget,
        u64::try_from(lambda_deadline.as_millis()).unwrap_or_default(),
    );
    match caller.function {
        "promote-aurora" => {
            let built = PromoteAurora::new(tools, &environment);
            answer(built, |function| promote_aurora::handle(Arc::new(function), request, deadline)).await
        }
        "scale-ecs" => {
            let built = ScaleEcs::new(tools, &environment);
            answer(built, |function| scale_ecs::handle(Arc::new(function), request, deadline)).await
        }
        "shift-dns" => {
            let built = ShiftDns::new(tools, &environment);
            answer(built, |function| shift_dns::handle(Arc::new(function), request, deadline)).await
        }
        "health-probe" => {
            let built = Settings::read(&environment, &tools.config).map(|settings| HealthProbe { tools, settings });
            answer(built, |probe| async move { health_probe::handle(&probe, request, deadline).await }).await
        }
        other => panic!("there is no function {other}"),
    }
}

async fn answer<S, F, R>(built: Result<S, Error>, handle: impl FnOnce(S) -> F) -> Result<Value, Failure>
where
    F: Future<Output = Result<R, Error>>,
    R: Serialize,
{
    let response = match built {
        Ok(built) => handle(built).await,
        Err(error) => Err(error),
    };
    match response {
        Ok(response) => Ok(serde_json::to_value(response).expect("an answer is JSON")),
        Err(error) => Err(failure(&error)),
    }
}

fn failure(error: &Error) -> Failure {
    Failure { error: ErrorCode::to_string(&error.code()), message: chain(error) }
}

fn toolbox(world: &Shared, caller: &Arc<Caller>) -> Result<Toolbox, Error> {
    let (began, seed, skew_ms, broken) = {
        let mut here = world.lock();
        let about = |function: &str| function == caller.function;
        let broken = here.strikes(|fault| matches!(fault.kind, Kind::Misconfigured(f) if about(f)).then_some(()));
        let skew = here.strikes(|fault| match fault.kind {
            Kind::Skew(function, ms) if about(function) => Some(ms),
            _ => None,
        });
        (here.began(), here.aws.chance.bits(), skew.map_or(0, |(_, ms)| ms), broken.is_some())
    };
    let env = Env::new(Clock { began, skew_ms }, TokioSleep::new(), Seeded(std::sync::Mutex::new(Chance::new(seed))));
    let variables = variables(caller.region, caller.function);
    let variables: BTreeMap<&str, &str> = variables
        .iter()
        .filter(|(name, _)| !(broken && **name == "DR_REGION"))
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let config = Config::read(&variables, caller.function)?;
    let clients = Clients::with_http_client(&config, &env, Wire::new(world.clone(), Arc::clone(caller)).into_shared());
    Ok(Toolbox::new(config, env, clients))
}

/// What every function's environment has, as the template sets it.
fn variables(region: &str, function: &str) -> BTreeMap<&'static str, String> {
    let config = testing::config();
    BTreeMap::from([
        ("AWS_ACCOUNT_ID", config.account.to_string()),
        ("DR_REGION", region.to_owned()),
        ("ENVIRONMENT_SUFFIX", "prod".to_owned()),
        ("PLAN_NAME", "trading".to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", format!("failover-prod-{function}")),
        ("AWS_ACCESS_KEY_ID", config.access.credentials.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", config.access.credentials.secret_access_key.clone()),
    ])
}

/// What single functions' environments have beyond that.
fn environment(region: &str) -> BTreeMap<&'static str, String> {
    // The stack in the home Region calls the other one its primary Region.
    let watched =
        |of: fn(&str) -> String| [workload::other(region), region].map(|it| format!("{it}={}", of(it))).join(",");
    let in_standby = [
        ("GLOBAL_CLUSTER_ID", workload::GLOBAL_CLUSTER),
        ("STATE_MACHINE_ARN", "arn:aws:states:eu-west-1:123456789012:stateMachine:failover-prod-trading"),
        (
            "TRIGGER_ALARM_ARNS",
            "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:failover-prod-trading-endpoint,\
             arn:aws:cloudwatch:eu-west-1:123456789012:alarm:failover-prod-trading-region-api,\
             arn:aws:cloudwatch:eu-west-1:123456789012:alarm:failover-prod-trading-replication-lag",
        ),
        ("NOTIFICATION_TOPIC_ARN", crate::aws::sns::NOTIFICATION_TOPIC),
        ("WRITER_LEASE_SECONDS", "0"),
        (
            "FUNCTION_ROLES",
            "promote-aurora=arn:aws:iam::123456789012:role/failover-prod-promote-aurora,\
             scale-ecs=arn:aws:iam::123456789012:role/failover-prod-scale-ecs,\
             shift-dns=arn:aws:iam::123456789012:role/failover-prod-shift-dns,\
             health-probe=arn:aws:iam::123456789012:role/failover-prod-health-probe",
        ),
    ];
    let same = in_standby.into_iter().map(|(name, value)| (name, workload::beside(value, region)));
    same.chain([
        ("DR_CLUSTER_ID", workload::db_cluster(region).to_owned()),
        ("WATCHED_ENDPOINTS", watched(|region| workload::health_endpoint(region).to_owned())),
        ("WATCHED_CLUSTERS", watched(|region| workload::db_cluster(region).to_owned())),
    ])
    .collect()
}

/// The answer of a successful invocation as Step Functions has it.
#[must_use]
pub fn as_task_result(payload: &Value) -> Value {
    json!({ "ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200 })
}

/// A clock on the run's virtual time, off by so much.
#[derive(Debug)]
struct Clock {
    began: Instant,
    skew_ms: i64,
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        let elapsed = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let at = START.as_millis() + elapsed + self.skew_ms;
        UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or_default())
    }
}

#[derive(Debug)]
struct Seeded(std::sync::Mutex<Chance>);

impl Random for Seeded {
    fn next(&self) -> u64 {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).bits()
    }
}
