//! The tasks of the state machine: invocations of the functions, messages to people, the plan from its parameter.

use serde_json::{Value, json};
use state_machine::{Task, TaskError, Tasks};

use crate::aws::sns;
use crate::chance::Chance;
use crate::faults::{Calls, Kind};
use crate::lambda;
use crate::workload;
use crate::world::{Shared, ms};

/// How long a task of Step Functions' own takes, in milliseconds.
const SERVICE_MS: u64 = 40;
/// In how many of a thousand cases a person approves, and declines; otherwise nobody answers.
const APPROVES_PERMILLE: u64 = 750;
const DECLINES_PERMILLE: u64 = 100;
/// How long a person takes to answer, least and most, in milliseconds.
const ANSWERS_MS: (u64, u64) = (5_000, 240_000);

/// The outside of one execution.
#[derive(Clone, Debug)]
pub struct Outside {
    world: Shared,
    /// Where it runs.
    region: &'static str,
    people: std::rc::Rc<std::cell::RefCell<Chance>>,
    /// Whether people approve of everything they are asked, at once.
    always_approve: bool,
}

impl Outside {
    /// The outside of an execution, with people whose answers follow from the seed.
    #[must_use]
    pub fn new(world: Shared, region: &'static str, seed: u64, always_approve: bool) -> Self {
        let people = std::rc::Rc::new(std::cell::RefCell::new(Chance::of(seed, "people")));
        Self { world, region, people, always_approve }
    }

    async fn publish(&self, task: &Task, arguments: &Value) -> Result<Value, TaskError> {
        self.service("sns", "SNS.InternalErrorException").await?;
        let mut here = self.world.lock();
        let now = here.now();
        let text = |field: &str| arguments[field].as_str().unwrap_or_default().to_owned();
        let (subject, message) = (text("Subject"), text("Message"));
        here.note("people are told", format!("{subject} ({})", task.state));
        here.monitor.told(self.region, &task.execution, &task.state);
        let id = sns::publish(&mut here.aws, &text("TopicArn"), &subject, &message, now);
        Ok(json!({ "MessageId": id.expect("the topic exists") }))
    }

    /// A call that Step Functions makes itself; the network's faults strike it, too.
    async fn service(&self, service: &'static str, error: &str) -> Result<(), TaskError> {
        tokio::time::sleep(ms(SERVICE_MS)).await;
        let struck = self.world.lock().strikes(|fault| match fault.kind {
            Kind::Throttled(calls) | Kind::Failed(calls) | Kind::Refused(calls) | Kind::Denied(calls) => {
                matches!(calls, Calls::All | Calls::Service(_)).then_some(calls).filter(|calls| match calls {
                    Calls::Service(about) => *about == service,
                    Calls::All => true,
                    Calls::Changes | Calls::Of(_) => false,
                })
            }
            _ => None,
        });
        match struck {
            Some((index, _)) => {
                self.world.lock().note("state machine", format!("{service} fails [fault {index}]"));
                Err(TaskError { error: error.to_owned(), cause: "the call failed".to_owned() })
            }
            None => Ok(()),
        }
    }

    async fn ask(&self, task: &Task, arguments: &Value) -> Result<Value, TaskError> {
        self.publish(task, arguments).await?;
        let (draw, after) = {
            let mut people = self.people.borrow_mut();
            (people.between(0, 999), people.between(ANSWERS_MS.0, ANSWERS_MS.1))
        };
        let approved = if self.always_approve || draw < APPROVES_PERMILLE {
            true
        } else if draw < APPROVES_PERMILLE + DECLINES_PERMILLE {
            false
        } else {
            self.world.lock().note("a person", "does not answer");
            self.world.lock().monitor.reached.insert("unanswered".to_owned());
            return std::future::pending().await;
        };
        tokio::time::sleep(ms(after)).await;
        let word = if approved { "approves" } else { "declines" };
        let mut here = self.world.lock();
        here.note("a person", word);
        here.monitor.reached.insert(word.to_owned());
        Ok(json!({ "approved": approved }))
    }
}

impl Tasks for Outside {
    async fn run(&self, task: &Task, resource: &str, arguments: Value) -> Result<Value, TaskError> {
        match resource.split_once(":states:::").map_or(resource, |(_, what)| what) {
            "lambda:invoke" => {
                let name = arguments["FunctionName"].as_str().unwrap_or_default();
                let function = workload::function_of(name).unwrap_or_else(|| panic!("there is no function {name}"));
                match lambda::invoke(&self.world, self.region, function, arguments["Payload"].clone()).await {
                    Ok(payload) => Ok(lambda::as_task_result(&payload)),
                    Err(failure) => {
                        let cause = json!({ "errorType": failure.error, "errorMessage": failure.message });
                        Err(TaskError { error: failure.error, cause: cause.to_string() })
                    }
                }
            }
            "sns:publish" => self.publish(task, &arguments).await,
            "sns:publish.waitForTaskToken" => self.ask(task, &arguments).await,
            "aws-sdk:ssm:getParameter" => {
                self.service("ssm", "Ssm.InternalServerError").await?;
                Ok(json!({ "Parameter": { "Name": arguments["Name"], "Value": workload::PLAN.to_string() } }))
            }
            other => panic!("{other} is not simulated"),
        }
    }
}
