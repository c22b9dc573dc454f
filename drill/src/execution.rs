//! Executions of the state machine and their history, as Step Functions tells them.

use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::error::{Error, Result};
use crate::moment::Moment;

/// Events on one page of a history; the most that Step Functions gives.
const HISTORY_PAGE: u32 = 1000;
/// A history of more pages is not one of a drill.
const MAX_PAGES: u32 = 10;

/// What stands between a failover's id and the number of a continuation.
const CONTINUATION: &str = "--";

/// One execution.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Execution {
    /// ARN.
    pub arn: String,
    /// Name: the failover's id, and the number of the continuation behind `--` for one that continues another.
    pub name: String,
    /// What it was started with.
    pub input: String,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// When it started.
    pub started: Moment,
    /// When it ended.
    pub stopped: Option<Moment>,
    /// What it answered: the product's report, or its decision when it stood down.
    pub output: Value,
    /// Its error and cause, when it failed.
    pub failure: Option<String>,
}

impl Execution {
    /// The id of its failover, which all its continuations share (X7).
    #[must_use]
    pub fn failover_id(&self) -> &str {
        self.name.split_once(CONTINUATION).map_or(&self.name, |(failover_id, _)| failover_id)
    }

    /// The name under which the failover is continued after this execution: the first continuation is the second
    /// execution.
    #[must_use]
    pub fn next_name(&self) -> String {
        let number = self.name.split_once(CONTINUATION).and_then(|(_, number)| number.parse::<u32>().ok());
        format!("{}{CONTINUATION}{}", self.failover_id(), number.unwrap_or(1) + 1)
    }

    /// Whether it says that it moved the workload.
    #[must_use]
    pub fn says_moved(&self) -> bool {
        self.status == "SUCCEEDED" && self.output["outcome"] == "succeeded"
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.status != "RUNNING"
    }
}

/// One event of a history.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// Kind, such as `TaskStateEntered`.
    pub kind: String,
    /// The state's name, in events of entering and leaving one.
    pub state: Option<String>,
    /// The resource, in events of tasks.
    pub resource: Option<String>,
    /// What a task answered.
    pub output: Value,
    /// The error of a task that failed.
    pub error: Option<String>,
}

/// All executions of a state machine, in the order in which they started.
///
/// # Errors
/// [`Error::Aws`] when a call fails, [`Error::Unexpected`] when an answer is not understood.
pub async fn list(aws: &Aws, state_machine_arn: &str) -> Result<Vec<Execution>> {
    let input = json!({ "stateMachineArn": state_machine_arn, "maxResults": HISTORY_PAGE });
    let answer = aws.json("states", region_of(state_machine_arn), "ListExecutions", &input).await?;
    let listed = answer["executions"].as_array().ok_or_else(|| unexpected("ListExecutions", &answer))?;
    let mut executions = Vec::with_capacity(listed.len());
    for execution in listed {
        let arn = execution["executionArn"].as_str().ok_or_else(|| unexpected("ListExecutions", execution))?;
        executions.push(describe(aws, arn).await?);
    }
    executions.sort_by_key(|execution| execution.started);
    Ok(executions)
}

/// Reads one execution.
///
/// # Errors
/// Those of [`list`].
pub async fn describe(aws: &Aws, arn: &str) -> Result<Execution> {
    let input = json!({ "executionArn": arn });
    let answer = aws.json("states", region_of(arn), "DescribeExecution", &input).await?;
    execution_in(&answer).ok_or_else(|| unexpected("DescribeExecution", &answer))
}

fn execution_in(answer: &Value) -> Option<Execution> {
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    let failure = text("error").map(|error| match text("cause") {
        Some(cause) if !cause.is_empty() => format!("{error}: {cause}"),
        Some(_) | None => error,
    });
    Some(Execution {
        arn: text("executionArn")?,
        name: text("name")?,
        input: text("input").unwrap_or_default(),
        status: text("status")?,
        started: Moment::from_seconds(answer["startDate"].as_f64()?),
        stopped: answer["stopDate"].as_f64().map(Moment::from_seconds),
        output: embedded(&answer["output"]),
        failure,
    })
}

/// Reads an execution's whole history.
///
/// # Errors
/// Those of [`list`].
pub async fn history(aws: &Aws, arn: &str) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut token = Value::Null;
    for _ in 0..MAX_PAGES {
        let mut input = json!({ "executionArn": arn, "maxResults": HISTORY_PAGE, "includeExecutionData": true });
        if !token.is_null() {
            input["nextToken"] = token;
        }
        let page = aws.json("states", region_of(arn), "GetExecutionHistory", &input).await?;
        events.extend(events_in(&page).ok_or_else(|| unexpected("GetExecutionHistory", &page))?);
        token = page["nextToken"].clone();
        if token.is_null() {
            return Ok(events);
        }
    }
    Err(Error::Unexpected(format!("the history of {arn} has more than {} events", MAX_PAGES * HISTORY_PAGE)))
}

/// The events of one page of a history.
pub(crate) fn events_in(page: &Value) -> Option<Vec<Event>> {
    page["events"].as_array()?.iter().map(event_in).collect()
}

fn event_in(event: &Value) -> Option<Event> {
    // Each kind of event has its details under a name of its own.
    let details = event.as_object()?.iter().find(|(name, _)| name.ends_with("EventDetails")).map(|(_, value)| value);
    let detail = |name: &str| details.and_then(|details| details[name].as_str()).map(str::to_owned);
    Some(Event {
        at: Moment::from_seconds(event["timestamp"].as_f64()?),
        kind: event["type"].as_str()?.to_owned(),
        state: detail("name"),
        resource: detail("resource"),
        output: details.map_or(Value::Null, |details| embedded(&details["output"])),
        error: detail("error"),
    })
}

/// JSON within a JSON text; null when there is none.
fn embedded(text: &Value) -> Value {
    text.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The Region in the ARN of a state machine or an execution.
fn region_of(arn: &str) -> &str {
    arn.split(':').nth(3).unwrap_or_default()
}

fn unexpected(operation: &str, answer: &Value) -> Error {
    Error::Unexpected(format!("the answer to {operation}: {answer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_read_with_its_output_as_json() {
        let execution = execution_in(&json!({
            "executionArn": "arn:x", "name": "alarm-1", "status": "SUCCEEDED", "startDate": 1_795_238_646.099,
            "stopDate": 1_795_238_648.25, "output": "{\"rto_ms\": 7}",
        }));
        let execution = execution.unwrap();
        assert_eq!(execution.output["rto_ms"], 7);
        assert_eq!(execution.stopped.unwrap().since(execution.started).as_millis(), 2151);
        assert!(execution.has_ended() && execution.failure.is_none());
    }

    #[test]
    fn a_failover_is_continued_under_the_next_number() {
        let named = |name: &str| {
            let execution = json!({ "executionArn": "a", "name": name, "status": "ABORTED", "startDate": 1.0 });
            execution_in(&execution).unwrap()
        };
        assert_eq!((named("alarm-1").failover_id(), named("alarm-1").next_name().as_str()), ("alarm-1", "alarm-1--2"));
        let third = named("alarm-1--3");
        assert_eq!((third.failover_id(), third.next_name().as_str()), ("alarm-1", "alarm-1--4"));
    }

    #[test]
    fn a_failed_execution_says_what_failed() {
        let execution = execution_in(&json!({
            "executionArn": "arn:x", "name": "alarm-1", "status": "FAILED", "startDate": 1.0,
            "error": "Failover.Denied", "cause": "rds:FailoverGlobalCluster",
        }));
        assert_eq!(execution.unwrap().failure.as_deref(), Some("Failover.Denied: rds:FailoverGlobalCluster"));
    }

    #[test]
    fn events_are_read_whatever_their_details_are_called() {
        let page = json!({ "events": [
            { "id": 1, "type": "TaskStateEntered", "timestamp": 1.0, "stateEnteredEventDetails": { "name": "Decide" } },
            { "id": 2, "type": "TaskSucceeded", "timestamp": 1.5, "taskSucceededEventDetails": {
                "resource": "arn:aws:states:::lambda:invoke", "output": "{\"Payload\": {\"decision\": \"wait\"}}" } },
            { "id": 3, "type": "TaskFailed", "timestamp": 2.0, "taskFailedEventDetails": { "error": "Failover.Bug" } },
        ] });
        let events = events_in(&page).unwrap();
        assert_eq!(events[0].state.as_deref(), Some("Decide"));
        assert_eq!(events[1].output["Payload"]["decision"], "wait");
        assert_eq!(events[2].error.as_deref(), Some("Failover.Bug"));
    }
}
