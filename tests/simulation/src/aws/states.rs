//! Step Functions as far as its API is called: each Region's executions by name. What they do is interpreted elsewhere.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use failover::contract::Timestamp;
use failover::testing::wire::Request;
use serde_json::{Value, json};

use super::{Answer, Aws};
use crate::workload;

/// An execution that was started.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Where it runs.
    pub region: &'static str,
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
    executions: BTreeMap<Id, Execution>,
    begun: VecDeque<Id>,
}

/// Region and name: a Region knows nothing of another one's executions.
type Id = (&'static str, String);

/// Why an execution was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exists;

impl States {
    /// Starts an execution. The same name and input while it runs is success and starts nothing.
    /// Source: <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
    ///
    /// # Errors
    /// [`Exists`] for the name of an execution that has ended or has another input.
    pub fn start(&mut self, region: &'static str, name: &str, input: Value, now: Timestamp) -> Result<(), Exists> {
        let id = (region, name.to_owned());
        match self.executions.get(&id) {
            Some(present) if !present.ended && present.input == input => Ok(()),
            Some(_) => Err(Exists),
            None => {
                let execution = Execution { region, name: name.to_owned(), input, started_at: now, ended: false };
                self.executions.insert(id.clone(), execution);
                self.begun.push_back(id);
                Ok(())
            }
        }
    }

    /// The next execution that was started and that nobody interprets yet.
    pub fn next_begun(&mut self) -> Option<Execution> {
        let id = self.begun.pop_front()?;
        self.executions.get(&id).cloned()
    }

    /// Marks an execution as ended.
    pub fn end(&mut self, region: &'static str, name: &str) {
        if let Some(execution) = self.executions.get_mut(&(region, name.to_owned())) {
            execution.ended = true;
        }
    }

    /// The first execution of a failover, by the failover's id; of two Regions' either.
    #[must_use]
    pub fn first_of(&self, failover: &str) -> Option<Execution> {
        self.executions().find(|execution| execution.name == failover).cloned()
    }

    /// Every execution that was started.
    pub fn executions(&self) -> impl Iterator<Item = &Execution> {
        self.executions.values()
    }

    /// Whether some execution has not ended; those in Regions that are lost stand still.
    #[must_use]
    pub fn is_running(&self, lost: &BTreeSet<String>) -> bool {
        self.executions().any(|execution| !execution.ended && !lost.contains(execution.region))
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
    let region = workload::own(&request.region).expect("a Region with an orchestrator");
    match aws.states.start(region, text("name"), input, now) {
        Ok(()) => Answer::json(json!({
            "executionArn": format!("{}:{}", text("stateMachineArn").replace(":stateMachine:", ":execution:"), text("name")),
            "startDate": now.as_millis() / 1000,
        })),
        Err(Exists) => Answer::error("ExecutionAlreadyExists", format!("Execution Already Exists: '{}'", text("name"))),
    }
}
