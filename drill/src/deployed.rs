//! A deployed orchestrator: a stack of `infra/orchestrator.yaml`, and what can be asked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::aws::Aws;
use crate::deploy::{Deployment, deploy};
use crate::emulator::LocalAws;
use crate::error::{Error, Result};
use crate::execution::{self, Execution};
use crate::listener::Listener;
use crate::moment::Moment;
use crate::progress::Progress;
use crate::state::{LedgerItem, queue_length, read_ledger};
use crate::tools::{FUNCTIONS, Tools};

/// Where the orchestrator's template stands in the project.
const TEMPLATE: &str = "infra/orchestrator.yaml";
/// How long after an alarm the execution may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How often it is asked whether one has started; one that is to be stopped may be short.
const START_POLL: Duration = Duration::from_millis(20);
/// How often a run is looked at.
const END_POLL: Duration = Duration::from_millis(100);
/// How many lines of a function's log are kept.
const LOG_LINES: u32 = 10_000;

/// Where an orchestrator stands and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its Region.
    pub region: String,
    /// The stack's name.
    pub stack_name: String,
    /// `EnvironmentSuffix`.
    pub suffix: String,
    /// `PlanName`.
    pub plan: String,
}

/// A deployed orchestrator.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// Where it stands and what it is called.
    pub place: Place,
    /// The stack's outputs.
    pub outputs: BTreeMap<String, String>,
    /// What it tells people.
    pub notifications: Listener,
    aws: Aws,
}

impl Deployed {
    /// Deploys it, with these parameters of the template.
    ///
    /// # Errors
    /// Those of [`deploy`], and [`Error::Aws`] when its notifications cannot be subscribed to.
    pub async fn new(
        tools: &Tools,
        local: &LocalAws,
        place: Place,
        parameters: &BTreeMap<String, String>,
        run_dir: &Path,
        progress: &Progress,
    ) -> Result<Self> {
        let deployment = Deployment {
            template: Path::new(TEMPLATE),
            region: &place.region,
            stack_name: &place.stack_name,
            parameters,
            run_dir,
        };
        let outputs = deploy(tools, &local.emulator, &deployment, progress).await?;
        let aws = local.emulator.aws();
        let topic = output(&outputs, "NotificationTopicArn")?;
        let queue = format!("drill-notifications-{}", place.plan);
        let notifications = Listener::subscribe(aws.clone(), topic, &queue).await?;
        Ok(Self { place, outputs, notifications, aws })
    }

    /// One of the stack's outputs.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when the template has no such output.
    pub fn output(&self, name: &str) -> Result<&str> {
        output(&self.outputs, name)
    }

    /// Its Region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.place.region
    }

    /// Starts an execution of its state machine under a name.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn start(&self, name: &str, input: &str) -> Result<()> {
        let start = json!({ "stateMachineArn": self.output("StateMachineArn")?, "name": name, "input": input });
        self.aws.json("states", self.region(), "StartExecution", &start).await?;
        Ok(())
    }

    /// Stops an execution, as `aws stepfunctions stop-execution` does.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn stop(&self, execution_arn: &str) -> Result<()> {
        let input = json!({ "executionArn": execution_arn, "cause": "stopped by the drill" });
        self.aws.json("states", self.region(), "StopExecution", &input).await?;
        Ok(())
    }

    /// Sets an alarm's state, as CloudWatch does when its metric says so.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn set_alarm(&self, name: &str, state: &str) -> Result<()> {
        let parameters = [("AlarmName", name), ("StateValue", state), ("StateReason", "set by the drill")];
        self.aws.query("monitoring", self.region(), "SetAlarmState", &parameters).await?;
        Ok(())
    }

    /// Sends a message to a topic in its Region.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn publish(&self, topic_arn: &str, message: &str) -> Result<()> {
        let parameters = [("TopicArn", topic_arn), ("Message", message)];
        self.aws.query("sns", self.region(), "Publish", &parameters).await?;
        Ok(())
    }

    /// Sets or clears the plan's kill switch in the ledger, as the README's command does.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn set_kill_switch(&self, on: bool) -> Result<()> {
        self.change_plan_item(&json!({
            "UpdateExpression": "SET kill_switch = :on",
            "ExpressionAttributeValues": { ":on": { "BOOL": on } },
        }))
        .await
    }

    /// Sets in the ledger when the writer lease runs out.
    ///
    /// # Errors
    /// [`Error::Aws`] when nobody holds it.
    pub async fn end_lease_at(&self, moment: Moment) -> Result<()> {
        self.change_plan_item(&json!({
            "UpdateExpression": "SET writer_until_ms = :until",
            "ConditionExpression": "attribute_exists(writer_until_ms)",
            "ExpressionAttributeValues": { ":until": { "N": moment.as_millis().to_string() } },
        }))
        .await
    }

    /// Carries out an update, given without table and key.
    async fn change_plan_item(&self, update: &Value) -> Result<()> {
        let mut input = update.clone();
        input["TableName"] = self.output("LedgerTableName")?.into();
        input["Key"] = json!({ "operation_id": { "S": format!("plan#{}", self.place.plan) } });
        self.aws.json("dynamodb", self.region(), "UpdateItem", &input).await?;
        Ok(())
    }

    /// Invokes `health-probe` with the command `watch`, and answers what it saw.
    ///
    /// # Errors
    /// Those of [`Deployed::invoke`], and [`Error::Unexpected`] when the answer is no JSON.
    pub async fn watch(&self) -> Result<Value> {
        let command = json!({ "command": "watch" }).to_string();
        let answer = self.invoke(self.output("HealthProbeFunctionArn")?, &command).await?;
        serde_json::from_str(&answer).map_err(|error| Error::Unexpected(format!("watch answered {answer}: {error}")))
    }

    /// Invokes one of its functions, and answers what that answered.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it, [`Error::Unexpected`] when the function answers with an error.
    pub async fn invoke(&self, function_arn: &str, event: &str) -> Result<String> {
        let function = function_arn.rsplit(':').next().unwrap_or(function_arn);
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let answer =
            self.aws.rest("lambda", self.region(), "POST", &path, "application/json", event.as_bytes()).await?;
        if answer.contains("\"errorType\"") {
            return Err(Error::Unexpected(format!("{function} answered an event with an error: {answer}")));
        }
        Ok(answer)
    }

    /// All executions of its state machine, in the order in which they started.
    ///
    /// # Errors
    /// Those of [`execution::list`].
    pub async fn executions(&self) -> Result<Vec<Execution>> {
        execution::list(&self.aws, self.output("StateMachineArn")?).await
    }

    /// Waits for an execution that is not among the known ones, by ARN, and answers its ARN.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when none starts.
    pub async fn await_start(&self, known: &BTreeSet<String>) -> Result<String> {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            let executions = self.executions().await?;
            if let Some(started) = executions.into_iter().find(|execution| !known.contains(&execution.arn)) {
                return Ok(started.arn);
            }
            tokio::time::sleep(START_POLL).await;
        }
        Err(Error::TimedOut { what: "the start of an execution".to_owned(), limit: START_LIMIT })
    }

    /// Waits for an execution's end; `tell` hears in which state it is meanwhile.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it does not end.
    pub async fn await_end(&self, arn: &str, limit: Duration, tell: impl Fn(&str)) -> Result<Execution> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            let execution = execution::describe(&self.aws, arn).await?;
            if execution.has_ended() {
                return Ok(execution);
            }
            let history = execution::history(&self.aws, arn).await?;
            tell(&history.iter().rev().find_map(|event| event.state.clone()).unwrap_or_default());
            tokio::time::sleep(END_POLL).await;
        }
        Err(Error::TimedOut { what: format!("the end of {arn}"), limit })
    }

    /// Its ledger, as its own Region has it.
    ///
    /// # Errors
    /// Those of [`read_ledger`].
    pub async fn ledger(&self) -> Result<Vec<LedgerItem>> {
        read_ledger(&self.aws, self.region(), self.output("LedgerTableName")?).await
    }

    /// How many messages are in its dead-letter queues.
    ///
    /// # Errors
    /// [`Error::Aws`] when a call fails.
    pub async fn dead_letters(&self) -> Result<u64> {
        let mut count = 0;
        for queue in ["UndeliveredAlarmQueueUrl", "FailedEventQueueUrl"] {
            count += queue_length(&self.aws, self.region(), self.output(queue)?).await?;
        }
        Ok(count)
    }

    /// What its functions logged and what its executions went through, by file name.
    pub async fn logs(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for function in FUNCTIONS {
            let lines = self.function_log(function).await.unwrap_or_else(|error| error.to_string());
            files.insert(format!("{function}.log"), lines);
        }
        for execution in self.executions().await.unwrap_or_default() {
            let history = execution::history(&self.aws, &execution.arn).await.unwrap_or_default();
            let text = serde_json::to_string_pretty(&json!({ "execution": execution, "history": history }));
            files.insert(format!("execution-{}.json", execution.name), text.unwrap_or_default());
        }
        let place = format!("{}-{}", self.place.plan, self.region());
        files.into_iter().map(|(name, text)| (format!("{place}-{name}"), text)).collect()
    }

    async fn function_log(&self, function: &str) -> Result<String> {
        let group = format!("/aws/lambda/failover-{}-{function}", self.place.suffix);
        let input = json!({ "logGroupName": group, "limit": LOG_LINES });
        let answer: Value = self.aws.json("logs", self.region(), "FilterLogEvents", &input).await?;
        let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
        let lines: Vec<&str> = events.iter().filter_map(|event| event["message"].as_str()).map(str::trim_end).collect();
        Ok(lines.join("\n"))
    }
}

fn output<'a>(outputs: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str> {
    let value = outputs.get(name).map(String::as_str);
    value.ok_or_else(|| Error::Unexpected(format!("{TEMPLATE} has no output {name}")))
}
