//! Step Functions as far as its API is called: executions by name. What they do is interpreted elsewhere.

use std::collections::{BTreeMap, VecDeque};

use failover::contract::Timestamp;
use failover::testing::wire::Request;
use serde_json::{Value, json};

use super::{Answer, Aws};

/// An execution that was started.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Its name.
    pub name: String,
    /// Its input.
    pub input: Value,
    /// When.
    pub started_at: Timestamp,
    /// Whether it has ended.
    pub ended: bool,
}

/// The executions of the account.
#[derive(Debug, Default)]
pub struct States {
    executions: BTreeMap<String, Execution>,
    begun: VecDeque<String>,
}

/// Why an execution was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exists;

impl States {
    /// Starts an execution. The same name and input while it runs is success and starts nothing.
    /// Source: <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
    ///
    /// # Errors
    /// [`Exists`] for the name of an execution that has ended or has another input.
    pub fn start(&mut self, name: &str, input: Value, now: Timestamp) -> Result<(), Exists> {
        match self.executions.get(name) {
            Some(present) if !present.ended && present.input == input => Ok(()),
            Some(_) => Err(Exists),
            None => {
                let execution = Execution { name: name.to_owned(), input, started_at: now, ended: false };
                self.executions.insert(name.to_owned(), execution);
                self.begun.push_back(name.to_owned());
                Ok(())
            }
        }
    }

    /// The next execution that was started and that nobody interprets yet.
    pub fn next_begun(&mut self) -> Option<Execution> {
        let name = self.begun.pop_front()?;
        self.executions.get(&name).cloned()
    }

    /// Marks an execution as ended.
    pub fn end(&mut self, name: &str) {
        if let Some(execution) = self.executions.get_mut(name) {
            execution.ended = true;
        }
    }

    /// The first execution of a failover, by the failover's id.
    #[must_use]
    pub fn first_of(&self, failover: &str) -> Option<Execution> {
        self.executions.get(failover).cloned()
    }

    /// Every execution that was started.
    pub fn executions(&self) -> impl Iterator<Item = &Execution> {
        self.executions.values()
    }

    /// Whether some execution has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.executions.values().any(|execution| !execution.ended)
    }
}

/// Answers a request.
///
/// # Panics
/// On anything but `StartExecution`.
pub fn answer(aws: &mut Aws, request: &Request, now: Timestamp) -> Answer {
    assert_eq!(request.operation, "StartExecution", "not simulated: {}", request.name());
    let text = |field: &str| request.body[field].as_str().expect("a field that the SDK sends");
    let input = serde_json::from_str(text("input")).expect("input is JSON");
    match aws.states.start(text("name"), input, now) {
        Ok(()) => Answer::json(json!({
            "executionArn": format!("{}:{}", text("stateMachineArn").replace(":stateMachine:", ":execution:"), text("name")),
            "startDate": now.as_millis() / 1000,
        })),
        Err(Exists) => Answer::error("ExecutionAlreadyExists", format!("Execution Already Exists: '{}'", text("name"))),
    }
}
