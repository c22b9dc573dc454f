//! What stands outside of the machine: its tasks.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use serde_json::Value;
use tokio::time::Instant;

/// What tasks do.
pub trait Tasks {
    /// One attempt. `resource` is the ARN of the definition, `arguments` are evaluated; the answer is the whole result
    /// of the integration: a Lambda function's is in `Payload`.
    ///
    /// The future is dropped when the task's time is up, when a state beside it fails, and when the execution ends.
    /// What it stands for may go on, as a Lambda function does that is not waited for any more.
    ///
    /// # Errors
    /// The error as Step Functions would name it, such as `Lambda.TooManyRequestsException`.
    fn run(&self, task: &Task, resource: &str, arguments: Value) -> impl Future<Output = Result<Value, TaskError>>;
}

/// How a task failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskError {
    /// The name that `ErrorEquals` is compared with.
    pub error: String,
    /// For people.
    pub cause: String,
}

/// One attempt of a task.
#[derive(Debug, Clone)]
pub struct Task {
    /// The execution's name.
    pub execution: String,
    /// The state's name.
    pub state: String,
    /// Where it stands in the machine, as [`crate::Entered::path`].
    pub path: String,
    /// Retries before this attempt: 0 for the first.
    pub retry_count: u64,
    /// Of a resource that waits for one (`.waitForTaskToken`); each attempt has its own.
    pub token: Option<String>,
    pub(crate) last_heartbeat: Rc<Cell<Instant>>,
}

impl Task {
    /// Says that the task is alive: its HeartbeatSeconds begin anew.
    pub fn heartbeat(&self) {
        self.last_heartbeat.set(Instant::now());
    }
}
