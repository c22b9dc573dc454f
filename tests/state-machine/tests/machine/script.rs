//! Tasks that answer from a script, and a definition's run with them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};
use state_machine::{Definition, End, Entered, Start, Task, TaskError, Tasks, run};
use tokio::time::sleep;

/// What the template would fill in.
pub(crate) const SUBSTITUTIONS: [(&str, &str); 11] = [
    ("Partition", "aws"),
    ("PlanParameterName", "/failover/trading/plan"),
    ("NotificationTopicArn", "arn:aws:sns:eu-central-1:111122223333:failover"),
    ("PromoteAuroraFunctionArn", "arn:aws:lambda:eu-central-1:111122223333:function:promote-aurora"),
    ("ScaleEcsFunctionArn", "arn:aws:lambda:eu-central-1:111122223333:function:scale-ecs"),
    ("ShiftDnsFunctionArn", "arn:aws:lambda:eu-central-1:111122223333:function:shift-dns"),
    ("HealthProbeFunctionArn", "arn:aws:lambda:eu-central-1:111122223333:function:health-probe"),
    ("Region", "eu-central-1"),
    ("ApproverPolicyName", "failover-approver"),
    ("ApprovalTimeoutSeconds", "3600"),
    ("ApprovalHeartbeatSeconds", "900"),
];

/// 2026-11-21T12:00:00Z
pub(crate) const STARTED_AT_MS: i64 = 1_795_262_400_000;

/// One attempt's answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Result(Value),
    Error(&'static str, &'static str),
    /// After so many seconds.
    After(u64, Box<Answer>),
    /// None.
    Never,
    /// Heartbeats at these seconds after the attempt began, then silence.
    Heartbeats(Vec<u64>),
    /// As many bytes as a result.
    Bytes(usize),
}

/// A Lambda function's answer.
pub(crate) fn answered(payload: &Value) -> Answer {
    Answer::Result(json!({"Payload": payload, "StatusCode": 200}))
}

/// An error with the cause "of the script".
pub(crate) fn failed(error: &'static str) -> Answer {
    Answer::Error(error, "of the script")
}

pub(crate) fn after(seconds: u64, answer: Answer) -> Answer {
    Answer::After(seconds, Box::new(answer))
}

/// Answers by the state's name, attempt after attempt; the last one is repeated. Tasks without a script succeed.
#[derive(Debug, Default)]
pub(crate) struct Script {
    answers: RefCell<BTreeMap<&'static str, VecDeque<Answer>>>,
    /// Every attempt, with its resource and arguments.
    pub(crate) attempts: RefCell<Vec<(Task, String, Value)>>,
    /// The paths of the attempts that came to their end.
    pub(crate) finished: RefCell<Vec<String>>,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn on(self, state: &'static str, answer: Answer) -> Self {
        self.answers.borrow_mut().entry(state).or_default().push_back(answer);
        self
    }

    /// Only if nothing is scripted for the state.
    pub(crate) fn otherwise(self, state: &'static str, answer: Answer) -> Self {
        self.answers.borrow_mut().entry(state).or_insert_with(|| VecDeque::from([answer]));
        self
    }

    /// A state's first attempt, with its arguments.
    pub(crate) fn attempt(&self, state: &str) -> (Task, Value) {
        let attempts = self.attempts.borrow();
        let (task, _, arguments) = attempts.iter().find(|(task, ..)| task.state == state).unwrap();
        (task.clone(), arguments.clone())
    }

    pub(crate) fn arguments(&self, state: &str) -> Vec<Value> {
        let attempts = self.attempts.borrow();
        attempts.iter().filter(|(task, ..)| task.state == state).map(|(.., arguments)| arguments.clone()).collect()
    }

    fn next(&self, state: &str) -> Answer {
        match self.answers.borrow_mut().get_mut(state) {
            Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
            Some(answers) => answers.front().unwrap().clone(),
            None if state == "LoadPlan" => Answer::Result(json!({"Parameter": {"Value": "the plan"}})),
            None => Answer::Result(json!({"MessageId": "1"})),
        }
    }
}

impl Tasks for Script {
    async fn run(&self, task: &Task, resource: &str, arguments: Value) -> Result<Value, TaskError> {
        self.attempts.borrow_mut().push((task.clone(), resource.to_owned(), arguments));
        let mut answer = self.next(&task.state);
        while let Answer::After(seconds, later) = answer {
            sleep(Duration::from_secs(seconds)).await;
            answer = *later;
        }
        let result = match answer {
            Answer::Result(result) => Ok(result),
            Answer::Error(error, cause) => Err(TaskError { error: error.to_owned(), cause: cause.to_owned() }),
            Answer::Bytes(size) => Ok(Value::String("x".repeat(size - 2))),
            Answer::Never => std::future::pending().await,
            Answer::Heartbeats(times) => {
                let mut now = 0;
                for time in times {
                    sleep(Duration::from_secs(time - now)).await;
                    now = time;
                    task.heartbeat();
                }
                std::future::pending().await
            }
            Answer::After(..) => unreachable!("handled above"),
        };
        self.finished.borrow_mut().push(task.path.clone());
        result
    }
}

/// The definition that is deployed.
pub(crate) fn deployed() -> Definition {
    Definition::parse(&deployed_text(), &BTreeMap::from(SUBSTITUTIONS)).unwrap()
}

pub(crate) fn deployed_text() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/failover.asl.json");
    std::fs::read_to_string(path).unwrap()
}

/// A definition of these states; it begins with the one whose name comes first in the alphabet.
pub(crate) fn definition(states: &Value) -> Definition {
    let start_at = states.as_object().unwrap().keys().next().unwrap().clone();
    let text = json!({"QueryLanguage": "JSONata", "StartAt": start_at, "States": states}).to_string();
    Definition::parse(&text, &BTreeMap::new()).unwrap()
}

pub(crate) fn start(input: Value) -> Start {
    Start { name: "abc--2".to_owned(), input, started_at_ms: STARTED_AT_MS, seed: 7 }
}

/// The end, and the paths of the states that were entered.
pub(crate) async fn drive(definition: &Definition, script: &Script) -> (End, Vec<String>) {
    drive_with(definition, script, json!({})).await
}

pub(crate) async fn drive_with(definition: &Definition, script: &Script, input: Value) -> (End, Vec<String>) {
    let mut paths = Vec::new();
    let end = run(definition, start(input), script, |entered: Entered| paths.push(entered.path)).await;
    (end, paths)
}
