//! What a scenario plays on: the local AWS with the world and the orchestrator in it, the means to break
//! and mend it, and the record of what came of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::deploy::{Deployment, deploy};
use crate::emulator::{LocalAws, LocalAwsOptions};
use crate::endpoints::Condition;
use crate::error::{Error, Result};
use crate::execution::{self, Event, Execution};
use crate::gateway::{Call, Rule, RuleId, TraceSegment};
use crate::listener::{Listener, Message};
use crate::moment::Moment;
use crate::progress::{Progress, Task};
use crate::question::{Answer, Question};
use crate::state::{LedgerItem, WorldState, queue_length, read_ledger};
use crate::tools::Tools;
use crate::watcher::Watcher;
use crate::world::{self, PlanSource, Site, World};

/// How long after an alarm the execution may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long a run may take.
const RUN_LIMIT: Duration = Duration::from_secs(120);
/// How often a run is looked at.
const POLL: Duration = Duration::from_millis(100);
/// How long a run may take to ask a person.
const QUESTION_LIMIT: Duration = Duration::from_secs(60);
/// What the subject of a question says.
pub const QUESTION: &str = "needs your approval";
/// How the names of executions begin that the product starts for an alarm.
const BY_ALARM: &str = "alarm-";
/// How long deliveries that came late may still be at work after a run's end.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);
/// When the gateway saw no call for this long, nothing is at work any more.
const QUIET: Duration = Duration::from_millis(400);
/// How many lines of a function's log are kept.
const LOG_LINES: u32 = 10_000;
const FUNCTIONS: [&str; 4] = ["promote-aurora", "scale-ecs", "shift-dns", "health-probe"];
/// Where the orchestrator's template stands in the project.
const TEMPLATE: &str = "infra/orchestrator.yaml";
const STACK: &str = "failover-trading";
/// Replication lag in milliseconds, of which a seed picks one: what Aurora typically has.
const LAG_MS: std::ops::Range<u64> = 120..900;

/// A stage. Everything on it stops when it is dropped.
#[derive(Debug)]
pub struct Stage {
    /// The local AWS.
    pub local: LocalAws,
    /// The workload.
    pub world: Arc<World>,
    /// The stack's outputs.
    pub outputs: BTreeMap<String, String>,
    /// Where the drill tells what it does.
    pub progress: Progress,
    /// The source of every random choice of a scenario.
    pub random: fastrand::Rng,
    /// Logs of this run.
    pub run_dir: PathBuf,
    watcher: Watcher,
    notifications: Listener,
    story: Vec<Note>,
    runs: Vec<Run>,
    lag_ms: u64,
    blackout: Option<RuleId>,
    incident: Option<Moment>,
    answered: Option<Moment>,
    heard: Vec<Message>,
}

/// Something that the drill did, or saw happen.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// When.
    pub at: Moment,
    /// What, in words.
    pub text: String,
}

/// One run of the state machine, as seen from outside.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// What it is, in words.
    pub label: String,
    /// The Region that it is to move the workload to; none when it is to stand down.
    pub target: Option<Site>,
    /// When the Region was lost or the order given.
    pub begins: Moment,
    /// When the alarm went off, or the order was given.
    pub ordered: Moment,
    /// The execution, at its end.
    pub execution: Execution,
    /// Its history.
    pub history: Vec<Event>,
    /// When clients were served from the target again, as the drill saw it; none if they were not.
    pub served_again: Option<Moment>,
    /// What an unplanned failover at `begins` would lose, in milliseconds of writes: the lag that the drill set.
    pub lag_ms: u64,
    /// Whether the Region was lost.
    pub unplanned: bool,
    /// When the drill answered its question, as a person; none if it asked none.
    pub answered: Option<Moment>,
    /// What people were told meanwhile.
    pub told: Vec<Message>,
}

impl Run {
    /// Whether an alarm started it, not a person.
    #[must_use]
    pub fn by_alarm(&self) -> bool {
        self.execution.name.starts_with(BY_ALARM)
    }
}

/// Everything that a verdict is made from.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The account.
    pub account_id: String,
    /// The world before.
    pub before: WorldState,
    /// The world after.
    pub after: WorldState,
    /// The ledger after.
    pub ledger: Vec<LedgerItem>,
    /// All executions of the state machine.
    pub executions: Vec<Execution>,
    /// The runs that the scenario waited for.
    pub runs: Vec<Run>,
    /// Every call that the functions made.
    pub calls: Vec<Call>,
    /// Whether each Region's endpoint answers, by the drill's own request.
    pub endpoint_answers: BTreeMap<Site, bool>,
    /// Messages in the dead-letter queues.
    pub dead_letters: u64,
    /// What the functions sent to X-Ray.
    pub traces: Vec<TraceSegment>,
}

impl Stage {
    /// Starts the local AWS, creates the world and deploys the orchestrator.
    ///
    /// # Errors
    /// Whatever keeps one of them from coming up.
    pub async fn set_up(tools: &Tools, seed: u64, progress: &Progress) -> Result<Self> {
        Self::set_up_with(tools, seed, PlanSource::default(), progress).await
    }

    /// The same with a recovery plan from elsewhere.
    ///
    /// # Errors
    /// Those of [`Stage::set_up`].
    pub async fn set_up_with(tools: &Tools, seed: u64, plan: PlanSource, progress: &Progress) -> Result<Self> {
        let run_dir = tools.new_run_dir()?;
        let options = LocalAwsOptions { run_dir: run_dir.clone(), seed, wait_scale: 1.0 };
        let local = LocalAws::start(tools, options, progress).await?;
        let task = progress.task("creating the trading world");
        let world = Arc::new(World::create(&local, plan).await?);
        task.done(format!("Aurora, ECS, DNS and endpoints in {} and {}", Site::Primary, Site::Standby));
        let parameters = world.stack_parameters();
        let deployment = Deployment {
            template: Path::new(TEMPLATE),
            region: Site::Standby.region(),
            stack_name: STACK,
            parameters: &parameters,
            run_dir: &run_dir,
        };
        let outputs = deploy(tools, &local.emulator, &deployment, progress).await?;
        let mut random = fastrand::Rng::with_seed(seed);
        let lag_ms = random.u64(LAG_MS);
        let aws = local.emulator.aws();
        world::publish_lag(&aws, Site::Standby, lag_ms).await?;
        let topic = output(&outputs, "NotificationTopicArn")?;
        let notifications = Listener::subscribe(aws.clone(), &world.account_id, topic, "drill-notifications").await?;
        let watcher = Watcher::start(Arc::clone(&world), aws, local.gateway.clone());
        // What clients see at first is no news.
        watcher.look().await;
        Ok(Self {
            local,
            world,
            outputs,
            watcher,
            notifications,
            progress: progress.clone(),
            random,
            run_dir,
            story: Vec::new(),
            runs: Vec::new(),
            lag_ms,
            blackout: None,
            incident: None,
            answered: None,
            heard: Vec::new(),
        })
    }

    /// A client with root credentials that goes past the gateway.
    #[must_use]
    pub fn aws(&self) -> Aws {
        self.local.emulator.aws()
    }

    /// One of the stack's outputs.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when the template has no such output.
    pub fn output(&self, name: &str) -> Result<&str> {
        output(&self.outputs, name)
    }

    /// What was done so far, and what clients saw of it.
    #[must_use]
    pub fn story(&self) -> Vec<Note> {
        let mut story = self.story.clone();
        if let Some(first) = self.story.first() {
            story.extend(self.watcher.notes(first.at));
        }
        story.sort_by_key(|note| note.at);
        story
    }

    /// The runs so far.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Tells the reader something, now and in the report.
    pub fn tell(&mut self, text: impl Into<String>) -> Moment {
        let note = Note { at: Moment::now(), text: text.into() };
        self.progress.line(format!("   >  {}", note.text));
        let at = note.at;
        self.story.push(note);
        at
    }

    /// Loses a Region: its endpoint no longer answers, nor does any AWS API there.
    pub fn lose(&mut self, site: Site) {
        let condition = if self.random.bool() { Condition::Unavailable } else { Condition::HangingUp };
        self.world.endpoint(site).set_condition(condition);
        self.blackout = Some(self.local.gateway.add_rule(Rule::blackout(site.region())));
        let lag_ms = self.lag_ms;
        let at = self.tell(format!(
            "{site} is lost: no AWS API answers there, its endpoint {condition}; replication was {lag_ms} ms behind"
        ));
        self.incident = Some(at);
    }

    /// Lets replication to the standby Region fall behind.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn fall_behind(&mut self, lag_ms: u64) -> Result<()> {
        self.lag_ms = lag_ms;
        world::publish_lag(&self.aws(), Site::Standby, lag_ms).await?;
        self.tell(format!("replication to {} falls {lag_ms} ms behind", Site::Standby));
        Ok(())
    }

    /// Brings a lost Region back; Aurora's cluster there rejoins as a secondary.
    ///
    /// # Errors
    /// [`Error::Aws`] when the lag of the new secondary can't be published.
    pub async fn restore(&mut self, site: Site) -> Result<()> {
        if let Some(rule) = self.blackout.take() {
            self.local.gateway.remove_rule(rule);
        }
        self.world.endpoint(site).set_condition(Condition::Serving);
        self.lag_ms = self.random.u64(LAG_MS);
        world::publish_lag(&self.aws(), site, self.lag_ms).await?;
        self.set_alarm(self.output("EndpointAlarmName")?, "OK").await?;
        self.incident = None;
        self.tell(format!("{site} is back; its database replicates from {}", site.other()));
        Ok(())
    }

    /// Sets the alarm on the endpoint to ALARM, as CloudWatch does when its metric says so.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn raise_alarm(&mut self) -> Result<Moment> {
        let at = self.tell("the alarm on the endpoint goes to ALARM; from here on the product acts");
        self.set_alarm(self.output("EndpointAlarmName")?, "ALARM").await?;
        Ok(at)
    }

    /// Sets the alarm on the endpoint to OK, which starts nothing.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn clear_alarm(&mut self) -> Result<()> {
        self.tell("the alarm on the endpoint goes to OK");
        self.set_alarm(self.output("EndpointAlarmName")?, "OK").await
    }

    /// Sets the alarm that the plan takes for evidence to ALARM; it starts nothing.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn raise_evidence_alarm(&mut self) -> Result<()> {
        let name = world::evidence_alarm_name();
        self.tell(format!("{name}, the alarm that counts as evidence, goes to ALARM without a reason"));
        self.set_alarm(&name, "ALARM").await
    }

    async fn set_alarm(&self, name: &str, state: &str) -> Result<()> {
        let parameters = [("AlarmName", name), ("StateValue", state), ("StateReason", "set by the drill")];
        self.aws().query("monitoring", Site::Standby.region(), "SetAlarmState", &parameters).await?;
        Ok(())
    }

    /// Starts an execution by hand, as `aws stepfunctions start-execution` does.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn order_switchover(&mut self, target: Site, reason: &str) -> Result<Moment> {
        self.tell(format!("a person starts a switchover to {target}: {reason}"));
        self.order(json!({ "mode": "switchover", "target_region": target.region(), "reason": reason }), target).await
    }

    /// The same, with mode failover.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn order_failover(&mut self, target: Site, reason: &str) -> Result<Moment> {
        self.tell(format!("a person starts a failover to {target}: {reason}"));
        self.order(json!({ "mode": "failover", "target_region": target.region(), "reason": reason }), target).await
    }

    /// A switchover as a dry run.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn rehearse_switchover(&mut self, target: Site, reason: &str) -> Result<Moment> {
        self.tell(format!("a person starts a dry run of a switchover to {target}: {reason}"));
        let order =
            json!({ "mode": "switchover", "target_region": target.region(), "reason": reason, "dry_run": true });
        self.order(order, target).await
    }

    async fn order(&mut self, mut trigger: Value, target: Site) -> Result<Moment> {
        trigger["kind"] = "manual".into();
        let name = format!("manual-to-{target}-{:08x}", self.random.u32(..));
        let input = json!({ "plan": world::PLAN, "trigger": trigger }).to_string();
        let start = json!({ "stateMachineArn": self.output("StateMachineArn")?, "name": name, "input": input });
        let at = Moment::now();
        self.aws().json("states", Site::Standby.region(), "StartExecution", &start).await?;
        Ok(at)
    }

    /// Sets the plan's kill switch in the ledger, as the README's command does.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn set_kill_switch(&mut self) -> Result<()> {
        self.tell("a person sets the plan's kill switch");
        let input = json!({
            "TableName": self.output("LedgerTableName")?,
            "Key": { "operation_id": { "S": format!("plan#{}", world::PLAN) } },
            "UpdateExpression": "SET kill_switch = :on",
            "ExpressionAttributeValues": { ":on": { "BOOL": true } },
        });
        self.aws().json("dynamodb", Site::Standby.region(), "UpdateItem", &input).await?;
        Ok(())
    }

    /// Waits until the run that is under way asks people, and reads the question.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it does not ask, [`Error::Unexpected`] when the message can't be answered.
    pub async fn await_question(&mut self) -> Result<Question> {
        let task = self.progress.task("waiting to be asked");
        let deadline = tokio::time::Instant::now() + QUESTION_LIMIT;
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let message = self.notifications.next(left).await?;
            self.heard.push(message.clone());
            if message.subject.contains(QUESTION) {
                task.done(&message.subject);
                return Question::parse(&message.text);
            }
        }
    }

    /// Answers a question as its message says, with `aws stepfunctions send-task-success`.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn answer(&mut self, answer: &Answer) -> Result<()> {
        self.answered = Some(self.tell(format!("a person answers {}", answer.output)));
        let input = json!({ "taskToken": answer.task_token, "output": answer.output });
        self.aws().json("states", &answer.region, "SendTaskSuccess", &input).await?;
        Ok(())
    }

    /// Waits for the run that an alarm or an order started, to its end.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it does not start or does not end.
    pub async fn await_run(&mut self, label: &str, ordered: Moment, target: Option<Site>) -> Result<()> {
        let begins = self.incident.unwrap_or(ordered);
        let task = self.progress.task(label);
        let arn = self.await_start(&task).await?;
        let execution = self.await_end(&arn, &task).await?;
        let history = execution::history(&self.aws(), &arn).await?;
        let served_again = target.and_then(|target| self.watcher.served_from_since(target, begins));
        let took = execution.stopped.unwrap_or_else(Moment::now).since(ordered).as_secs_f64();
        task.done(format!("{} after {took:.1} s", execution.status));
        let mut told = std::mem::take(&mut self.heard);
        told.extend(self.notifications.all().await?);
        self.runs.push(Run {
            label: label.to_owned(),
            target,
            begins,
            ordered,
            execution,
            history,
            served_again,
            lag_ms: self.lag_ms,
            unplanned: self.incident.is_some(),
            answered: self.answered.take(),
            told,
        });
        Ok(())
    }

    async fn await_start(&self, task: &Task) -> Result<String> {
        let machine = self.output("StateMachineArn")?;
        let deadline = tokio::time::Instant::now() + START_LIMIT;
        task.update("waiting for the execution to start");
        while tokio::time::Instant::now() < deadline {
            let executions = execution::list(&self.aws(), machine).await?;
            let known = |arn: &str| self.runs.iter().any(|run| run.execution.arn == arn);
            if let Some(started) = executions.into_iter().find(|execution| !known(&execution.arn)) {
                return Ok(started.arn);
            }
            tokio::time::sleep(POLL).await;
        }
        Err(Error::TimedOut { what: "the start of an execution".to_owned(), limit: START_LIMIT })
    }

    async fn await_end(&self, arn: &str, task: &Task) -> Result<Execution> {
        let deadline = tokio::time::Instant::now() + RUN_LIMIT;
        while tokio::time::Instant::now() < deadline {
            let execution = execution::describe(&self.aws(), arn).await?;
            if execution.has_ended() {
                // The watcher's last look may have been just before the last change.
                self.watcher.look().await;
                return Ok(execution);
            }
            let history = execution::history(&self.aws(), arn).await?;
            let state = history.iter().rev().find_map(|event| event.state.clone()).unwrap_or_default();
            let served = self.watcher.served_from().map_or("nowhere".to_owned(), |site| site.to_string());
            task.update(format!("{state}; clients are served from {served}"));
            tokio::time::sleep(POLL).await;
        }
        Err(Error::TimedOut { what: format!("the end of {arn}"), limit: RUN_LIMIT })
    }

    /// Waits until no function calls anything any more.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when they don't come to rest.
    pub async fn settle(&self) -> Result<()> {
        let deadline = tokio::time::Instant::now() + SETTLE_LIMIT;
        let mut seen = usize::MAX;
        while tokio::time::Instant::now() < deadline {
            let calls = self.local.gateway.calls().len();
            if calls == seen {
                return Ok(());
            }
            seen = calls;
            tokio::time::sleep(QUIET).await;
        }
        Err(Error::TimedOut { what: "the functions coming to rest".to_owned(), limit: SETTLE_LIMIT })
    }

    /// Gathers everything that the verdict needs, from the emulator itself.
    ///
    /// # Errors
    /// [`Error::Aws`] when a call fails.
    pub async fn evidence(&self) -> Result<Evidence> {
        self.settle().await?;
        let aws = self.aws();
        let mut dead_letters = 0;
        for queue in ["UndeliveredAlarmQueueUrl", "FailedEventQueueUrl"] {
            dead_letters += queue_length(&aws, self.output(queue)?).await?;
        }
        let mut endpoint_answers = BTreeMap::new();
        for site in Site::ALL {
            endpoint_answers.insert(site, self.world.endpoint(site).answers().await);
        }
        Ok(Evidence {
            account_id: self.world.account_id.clone(),
            before: self.world.before.clone(),
            after: self.world.read(&self.local).await?,
            ledger: read_ledger(&aws, self.output("LedgerTableName")?).await?,
            executions: execution::list(&aws, self.output("StateMachineArn")?).await?,
            runs: self.runs.clone(),
            calls: self.local.gateway.calls(),
            endpoint_answers,
            dead_letters,
            traces: self.local.gateway.trace_segments(),
        })
    }

    /// Writes what the functions logged, the gateway's calls and the executions' histories beside the
    /// emulator's log, for whoever has to find out what went wrong.
    pub async fn save_logs(&self) {
        let aws = self.aws();
        for function in FUNCTIONS {
            let lines = function_log(&aws, function).await.unwrap_or_else(|error| error.to_string());
            self.save(&format!("{function}.log"), &lines);
        }
        let calls = serde_json::to_string_pretty(&self.local.gateway.calls()).unwrap_or_default();
        self.save("calls.json", &calls);
        let Ok(machine) = self.output("StateMachineArn") else { return };
        for execution in execution::list(&aws, machine).await.unwrap_or_default() {
            let history = execution::history(&aws, &execution.arn).await.unwrap_or_default();
            let text = serde_json::to_string_pretty(&json!({ "execution": execution, "history": history }));
            self.save(&format!("execution-{}.json", execution.name), &text.unwrap_or_default());
        }
    }

    /// Logs that can't be written are no reason to stop.
    fn save(&self, name: &str, text: &str) {
        let path = self.run_dir.join(name);
        if let Err(error) = std::fs::write(&path, text) {
            self.progress.line(format!("      could not write {}: {error}", path.display()));
        }
    }
}

fn output<'a>(outputs: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str> {
    let value = outputs.get(name).map(String::as_str);
    value.ok_or_else(|| Error::Unexpected(format!("{TEMPLATE} has no output {name}")))
}

async fn function_log(aws: &Aws, function: &str) -> Result<String> {
    let group = format!("/aws/lambda/failover-{}-{function}", world::SUFFIX);
    let input = json!({ "logGroupName": group, "limit": LOG_LINES });
    let answer = aws.json("logs", Site::Standby.region(), "FilterLogEvents", &input).await?;
    let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines: Vec<&str> = events.iter().filter_map(|event| event["message"].as_str()).map(str::trim_end).collect();
    Ok(lines.join("\n"))
}
