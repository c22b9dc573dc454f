//! `replicate-parameters` (W4.5): makes the parameters of the other Region like those of this one.
//!
//! An event says only which parameter changed. What stands in both Regions now decides ([`plan`]), so late, doubled and
//! disordered events do no harm. After each write both are read again, until nothing is left to do.

mod act;
mod observe;
pub mod plan;
mod settings;

use std::pin::pin;
use std::time::Duration;

use act::Writer;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_ssm::Client;
use failover::aws_call::{CallError, Calls};
use failover::clients::Clients;
use failover::contract::parse;
use failover::env::{Deadline, Env};
use failover::error::{Error, chain};
use failover::telemetry::Trace;
use futures_util::future::{Either, select};
use observe::{Command, Store};
use plan::{Change, Decision};
use serde::Serialize;
use serde_json::Value;

pub use settings::Settings;

/// How long an invocation may work: the function's timeout of 30 s in the template less the time to answer.
pub const TIME_TO_WORK: Duration = Duration::from_secs(28);
/// So often a parameter is looked at in one go; who changes it more often meanwhile is waited for, and it comes again.
const MOST_LOOKS: usize = 5;

/// The function, ready for invocations.
#[derive(Clone, Debug)]
pub struct ReplicateParameters {
    settings: Settings,
    env: Env,
    here: Store,
    there: Store,
    writer: Writer,
}

impl ReplicateParameters {
    /// Puts it together.
    #[must_use]
    pub fn new(settings: Settings, env: Env, clients: &Clients) -> Self {
        let calls = Calls::new(Trace::new(env.clone()));
        let store = |region: &failover::contract::Region, copier: &str| Store {
            ssm: Client::new(&clients.reading(region)),
            region: region.clone(),
            copier: copier.to_owned(),
            calls: calls.clone(),
        };
        let writer = Writer {
            ssm: Client::new(&clients.once(&settings.destination_region)),
            region: settings.destination_region.clone(),
            key: settings.destination_key.clone(),
            calls: calls.clone(),
            env: env.clone(),
        };
        Self {
            here: store(&settings.region, &settings.peer_role),
            there: store(&settings.destination_region, &settings.own_role),
            writer,
            settings,
            env,
        }
    }
}

/// What the function answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Which messages come again.
    Batch(SqsBatchResponse),
    /// What became of all parameters.
    Sync(Synced),
}

/// The answer to the command `sync`.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Synced {
    /// How many parameters are in the other Region as they should be.
    pub done: usize,
    /// The parameters that could not be replicated; the log says why.
    pub failed: Vec<String>,
    /// How many parameters there was no time for.
    pub left: usize,
    /// Where to go on, as `after`, when something is left.
    pub last: Option<String>,
}

/// Carries out one invocation: a batch of messages with an event each, or a person's command.
///
/// # Errors
/// [`Error::InvalidRequest`] for what is neither; for `sync`, when the parameters cannot be listed.
pub async fn handle(function: &ReplicateParameters, event: Value, deadline: Deadline) -> Result<Answer, Error> {
    if event.get("Records").is_some() {
        return batch(function, parse(event)?, deadline).await.map(Answer::Batch);
    }
    let Command::Sync { after } = observe::command(event)?;
    sync(function, after.as_deref(), deadline).await.map(Answer::Sync)
}

async fn batch(function: &ReplicateParameters, event: SqsEvent, deadline: Deadline) -> Result<SqsBatchResponse, Error> {
    let mut answer = SqsBatchResponse::default();
    for (index, message) in event.records.iter().enumerate() {
        let Some(id) = message.message_id.clone() else {
            return Err(Error::invalid(format!("Records[{index}].messageId"), "is missing"));
        };
        if let Err(error) = one(function, message, deadline).await {
            tracing::error!(message_id = id, code = %error.code(), error = %chain(&error), "a change comes again");
            answer.add_failure(id);
        }
    }
    Ok(answer)
}

async fn one(function: &ReplicateParameters, message: &SqsMessage, deadline: Deadline) -> Result<(), Error> {
    match observe::change(message)? {
        Some((name, change)) => in_time(function, &name, change, deadline).await,
        None => Ok(()),
    }
}

async fn sync(function: &ReplicateParameters, after: Option<&str>, deadline: Deadline) -> Result<Synced, Error> {
    let mut names = function.here.names(&function.settings.prefix).await?;
    names.retain(|name| after.is_none_or(|after| name.as_str() > after));
    let mut synced = Synced { left: names.len(), ..Synced::default() };
    for name in names {
        if deadline.left(function.env.now()).is_zero() {
            break;
        }
        match in_time(function, &name, Change::Written, deadline).await {
            Ok(()) => synced.done += 1,
            Err(error) => {
                tracing::error!(name, code = %error.code(), error = %chain(&error), "a parameter was not replicated");
                synced.failed.push(name.clone());
            }
        }
        synced.left -= 1;
        synced.last = Some(name);
    }
    Ok(synced)
}

/// Replicates a parameter, or says that there was no time for it.
async fn in_time(function: &ReplicateParameters, name: &str, change: Change, deadline: Deadline) -> Result<(), Error> {
    let late = || Error::from_change(format!("replicating {name}"), CallError::too_late());
    let left = deadline.left(function.env.now());
    if left.is_zero() {
        return Err(late());
    }
    match select(pin!(replicate(function, name, change, deadline)), pin!(function.env.sleep(left))).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err(late()),
    }
}

/// Looks and acts, until nothing is left to do.
async fn replicate(
    function: &ReplicateParameters,
    name: &str,
    change: Change,
    deadline: Deadline,
) -> Result<(), Error> {
    function.settings.own(name)?;
    for _ in 0..MOST_LOOKS {
        let (here, there) = tokio::try_join!(function.here.parameter(name), function.there.parameter(name))?;
        let decision = plan::decide(change, here.as_ref(), there.as_ref());
        if decision == Decision::Nothing {
            return Ok(());
        }
        function.writer.act(name, &decision, deadline).await?;
        tracing::info!(name, done = verb(&decision), region = %function.settings.destination_region, "replicated");
    }
    Err(late_for(name))
}

fn late_for(name: &str) -> Error {
    let source = CallError { message: "it is being changed all the time".to_owned(), ..CallError::too_late() };
    Error::from_change(format!("replicating {name}"), source)
}

fn verb(decision: &Decision) -> &'static str {
    match decision {
        Decision::Nothing => "nothing",
        Decision::Put(_) => "written",
        Decision::Replace(_) => "replaced",
        Decision::Delete => "deleted",
    }
}
