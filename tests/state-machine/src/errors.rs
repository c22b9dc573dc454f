//! Errors, and which of them are retried and caught.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>

use std::time::Duration;

use serde_json::{Value, json};

use crate::definition::Leave;
use crate::fields::Fields;
use crate::{DefinitionError, TaskError};

/// Why a state failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) error: String,
    /// A timeout has none.
    pub(crate) cause: Option<String>,
}

impl Failure {
    pub(crate) fn new(error: &str, cause: impl Into<String>) -> Self {
        Self { error: error.to_owned(), cause: Some(cause.into()) }
    }

    /// `$states.errorOutput`.
    pub(crate) fn output(&self) -> Value {
        match &self.cause {
            None => json!({"Error": self.error}),
            Some(cause) => json!({"Error": self.error, "Cause": cause}),
        }
    }
}

impl From<TaskError> for Failure {
    fn from(TaskError { error, cause }: TaskError) -> Self {
        Self { error, cause: Some(cause) }
    }
}

pub(crate) const ALL: &str = "States.ALL";
pub(crate) const DATA_LIMIT: &str = "States.DataLimitExceeded";
pub(crate) const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
pub(crate) const QUERY: &str = "States.QueryEvaluationError";
pub(crate) const RUNTIME: &str = "States.Runtime";
pub(crate) const TASK_FAILED: &str = "States.TaskFailed";
pub(crate) const TIMEOUT: &str = "States.Timeout";

/// The reserved names that a retrier or catcher may name here. States.Runtime is none of them: nothing retries or
/// catches it.
const RESERVED: [&str; 8] =
    [ALL, DATA_LIMIT, HEARTBEAT_TIMEOUT, TASK_FAILED, TIMEOUT, "States.NoChoiceMatched", "States.Permissions", QUERY];

/// An entry of `Retry`.
#[derive(Debug)]
pub(crate) struct Retrier {
    pub(crate) errors: Vec<String>,
    pub(crate) max_attempts: u64,
    interval_seconds: u64,
    backoff_rate: f64,
    max_delay_seconds: Option<u64>,
    full_jitter: bool,
}

/// An entry of `Catch`.
#[derive(Debug)]
pub(crate) struct Catcher {
    pub(crate) errors: Vec<String>,
    pub(crate) leave: Leave,
}

/// No retry is further away than this, whatever the backoff makes of it: MaxDelaySeconds is less than 366 days.
const MAX_DELAY_SECONDS: f64 = 31_622_400.0;

impl Retrier {
    pub(crate) fn parse(entry: Value, path: &str) -> Result<Self, DefinitionError> {
        let mut fields = Fields::of(entry, path)?;
        let errors = names(&mut fields)?;
        // The defaults of the States Language: three attempts, one second apart, then two and four.
        let interval_seconds = fields.number("IntervalSeconds", 1)?.unwrap_or(1);
        let max_attempts = fields.number("MaxAttempts", 0)?.unwrap_or(3);
        let max_delay_seconds = fields.number("MaxDelaySeconds", interval_seconds + 1)?;
        let backoff_path = fields.path("BackoffRate");
        let backoff_rate = fields.take("BackoffRate").map_or(Some(2.0), |rate| rate.as_f64());
        let backoff_rate = backoff_rate
            .filter(|rate| *rate >= 1.0)
            .ok_or_else(|| DefinitionError::new(&backoff_path, "a number from 1 was expected"))?;
        let full_jitter = match fields.optional_text("JitterStrategy")?.as_deref() {
            None | Some("NONE") => false,
            Some("FULL") => true,
            Some(_) => return Err(DefinitionError::new(&fields.path("JitterStrategy"), "FULL or NONE was expected")),
        };
        fields.finish()?;
        Ok(Self { errors, max_attempts, interval_seconds, backoff_rate, max_delay_seconds, full_jitter })
    }

    /// How long to wait before a retry, when `before` retries were made by this retrier.
    pub(crate) fn delay(&self, before: u64, random: &mut fastrand::Rng) -> Duration {
        #[allow(clippy::cast_precision_loss, reason = "whole seconds, far below what a double holds exactly")]
        let seconds = |seconds: u64| seconds as f64;
        let power = i32::try_from(before).unwrap_or(i32::MAX);
        let most = self.max_delay_seconds.map_or(MAX_DELAY_SECONDS, seconds);
        let delay = (seconds(self.interval_seconds) * self.backoff_rate.powi(power)).min(most);
        Duration::from_secs_f64(if self.full_jitter { delay * random.f64() } else { delay })
    }
}

/// `ErrorEquals`.
pub(crate) fn names(fields: &mut Fields) -> Result<Vec<String>, DefinitionError> {
    let path = fields.path("ErrorEquals");
    let mut names = Vec::new();
    for (path, name) in fields.list("ErrorEquals")? {
        match name {
            Value::String(name) if !name.starts_with("States.") || RESERVED.contains(&name.as_str()) => {
                names.push(name);
            }
            other => return Err(DefinitionError::new(&path, format!("{other} is not supported"))),
        }
    }
    if names.is_empty() {
        return Err(DefinitionError::new(&path, "at least one error was expected"));
    }
    Ok(names)
}

/// States.ALL stands alone, and in the last entry.
pub(crate) fn check_wildcards<'a>(
    entries: impl Iterator<Item = &'a Vec<String>>,
    path: &str,
) -> Result<(), DefinitionError> {
    let mut entries = entries.peekable();
    while let Some(names) = entries.next() {
        if names.iter().any(|name| name == ALL) && (names.len() > 1 || entries.peek().is_some()) {
            return Err(DefinitionError::new(path, "States.ALL has to stand alone, and last"));
        }
    }
    Ok(())
}

/// Whether a retrier or catcher with these names answers to the failure.
pub(crate) fn matches(names: &[String], failure: &Failure) -> bool {
    let error = failure.error.as_str();
    let timed_out = error == TIMEOUT || error == HEARTBEAT_TIMEOUT;
    // "Terminal": only its own name catches the one, and nothing the other, since no entry may name it.
    let terminal = error == DATA_LIMIT || error == RUNTIME;
    names.iter().any(|name| match name.as_str() {
        ALL => !terminal,
        TIMEOUT => timed_out,
        TASK_FAILED => !terminal && !timed_out,
        name => name == error,
    })
}
