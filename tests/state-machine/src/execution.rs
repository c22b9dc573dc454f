//! One execution of a definition.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use futures_util::stream;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::definition::{Definition, Kind, Leave, Machine, MapState, State, TaskState, Work, WorkKind};
use crate::errors::{Failure, HEARTBEAT_TIMEOUT, QUERY, RUNTIME, TIMEOUT, matches};
use crate::limits::{HistoryEvents, check_size};
use crate::task::{Task, Tasks};
use crate::template::Template;
use crate::timestamp;

/// What an execution begins with.
#[derive(Debug, Clone)]
pub struct Start {
    /// The execution's name.
    pub name: String,
    /// Its input.
    pub input: Value,
    /// When it begins, in milliseconds since 1970: tokio's clock goes on from there.
    pub started_at_ms: i64,
    /// Of the jitter between retries.
    pub seed: u64,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// In a Succeed state, or in one that has `End`.
    Succeeded {
        /// The last state's output.
        output: Value,
    },
    /// In a Fail state, or by an error that nothing caught.
    Failed {
        /// Its name.
        error: String,
        /// For people; empty where there is none.
        cause: String,
    },
    /// After the definition's own TimeoutSeconds.
    TimedOut,
}

/// A state was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// In milliseconds since 1970.
    pub at_ms: i64,
    /// The state's name.
    pub state: String,
    /// Its name with the states around it and the index of the branch or iteration: `Act[0]/Promotions[1]/Promote`.
    pub path: String,
}

/// Runs a definition to its end. `history` is told each state that is entered, in order.
///
/// To stop an execution, drop the future.
pub async fn run(definition: &Definition, start: Start, tasks: &impl Tasks, history: impl FnMut(Entered)) -> End {
    let execution = Execution {
        tasks,
        history: RefCell::new(history),
        events: HistoryEvents::default(),
        random: RefCell::new(fastrand::Rng::with_seed(start.seed)),
        tokens: Cell::new(0),
        begun: Instant::now(),
        name: start.name,
        started_at_ms: start.started_at_ms,
        input: start.input,
    };
    let place = Place { path: String::new(), map_item: None, variables: None };
    let whole = async {
        check_size(&execution.input, "The input of the execution")?;
        execution.events.add(1)?;
        execution.machine(&definition.machine, execution.input.clone(), place).await
    };
    let ended = match definition.timeout {
        None => Some(whole.await),
        Some(limit) => timeout(limit, whole).await.ok(),
    };
    match ended {
        None => End::TimedOut,
        Some(Ok(output)) => End::Succeeded { output },
        Some(Err(Failure { error, cause })) => End::Failed { error, cause: cause.unwrap_or_default() },
    }
}

struct Execution<'e, T, H> {
    tasks: &'e T,
    history: RefCell<H>,
    events: HistoryEvents,
    random: RefCell<fastrand::Rng>,
    /// Task tokens given out.
    tokens: Cell<u64>,
    begun: Instant,
    name: String,
    started_at_ms: i64,
    input: Value,
}

/// Where a machine runs.
#[derive(Clone)]
struct Place<'p> {
    /// Before its states' names.
    path: String,
    /// `$states.context.Map.Item`
    map_item: Option<Value>,
    variables: Option<&'p Scope<'p>>,
}

/// The variables of a machine, and of those around it.
struct Scope<'s> {
    own: &'s BTreeMap<String, Value>,
    outer: Option<&'s Scope<'s>>,
}

impl<'s> Scope<'s> {
    fn get(&self, name: &str) -> Option<&'s Value> {
        self.own.get(name).or_else(|| self.outer.and_then(|outer| outer.get(name)))
    }
}

/// A state that is left.
struct Left<'d> {
    assigned: Map<String, Value>,
    output: Value,
    next: Option<&'d str>,
}

/// A state that is under way.
struct Visit<'v> {
    name: &'v str,
    place: &'v Place<'v>,
    scope: &'v Scope<'v>,
    /// `$states`
    states: Value,
}

impl Visit<'_> {
    fn evaluate(&self, template: &Template, field: &str) -> Result<Value, Failure> {
        template.evaluate(field, &|name| if name == "states" { Some(&self.states) } else { self.scope.get(name) })
    }

    fn input(&self) -> Value {
        self.states["input"].clone()
    }

    /// Evaluates Assign and Output side by side: neither sees what the other yields. Without an Output it is the field
    /// `default` of `$states`.
    fn leave<'d>(&mut self, leave: &'d Leave, default: &str) -> Result<Left<'d>, Failure> {
        let assigned = leave.assign.as_ref().map(|template| self.evaluate(template, "Assign")).transpose()?;
        let output = match &leave.output {
            None => self.states[default].take(),
            Some(template) => self.evaluate(template, "Output")?,
        };
        check_size(&output, &format!("The output of the state '{}'", self.name))?;
        let assigned = assigned.unwrap_or_else(|| Value::Object(Map::new()));
        check_size(&assigned, &format!("What the state '{}' assigns", self.name))?;
        let Value::Object(assigned) = assigned else {
            return Err(Failure::new(QUERY, format!("The field 'Assign' is {assigned}, not an object.")));
        };
        Ok(Left { assigned, output, next: leave.next.as_deref() })
    }

    fn seconds(&self, template: &Template, field: &str, minimum: u64) -> Result<Duration, Failure> {
        let value = self.evaluate(template, field)?;
        let whole = value.as_u64().filter(|seconds| (minimum..=MAX_SECONDS).contains(seconds));
        whole.map(Duration::from_secs).ok_or_else(|| {
            let cause = format!("The field '{field}' is {value}, not a whole number from {minimum} to {MAX_SECONDS}.");
            Failure::new(QUERY, cause)
        })
    }

    fn text(&self, template: &Template, field: &str) -> Result<String, Failure> {
        match self.evaluate(template, field)? {
            Value::String(text) => Ok(text),
            other => Err(Failure::new(QUERY, format!("The field '{field}' is {other}, not a string."))),
        }
    }
}

/// Of a Wait state or a timeout; a task that names none has this one.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html>
const MAX_SECONDS: u64 = 99_999_999;

type Running<'r> = Pin<Box<dyn Future<Output = Result<Value, Failure>> + 'r>>;

impl<T: Tasks, H: FnMut(Entered)> Execution<'_, T, H> {
    /// Boxed, since branches and item processors are machines as well.
    fn machine<'r>(&'r self, machine: &'r Machine, input: Value, place: Place<'r>) -> Running<'r> {
        Box::pin(async move {
            let mut variables = BTreeMap::new();
            let mut input = input;
            let mut name = machine.start_at.as_str();
            loop {
                let Some(state) = machine.states.get(name) else {
                    return Err(Failure::new(RUNTIME, format!("There is no state '{name}'.")));
                };
                let left = {
                    let scope = Scope { own: &variables, outer: place.variables };
                    self.visit(name, state, input, &place, &scope).await?
                };
                variables.extend(left.assigned);
                match left.next {
                    None => return Ok(left.output),
                    Some(next) => (name, input) = (next, left.output),
                }
            }
        })
    }

    async fn visit<'d>(
        &self,
        name: &str,
        state: &'d State,
        input: Value,
        place: &Place<'_>,
        scope: &Scope<'_>,
    ) -> Result<Left<'d>, Failure> {
        // Entered and exited.
        self.events.add(2)?;
        let at_ms = self.now_ms();
        let path = format!("{}{name}", place.path);
        (self.history.borrow_mut())(Entered { at_ms, state: name.to_owned(), path });
        // Not by json!, which copies: an input may be large.
        let context = self.context(name, at_ms, place);
        let states = Value::Object(Map::from_iter([("input".to_owned(), input), ("context".to_owned(), context)]));
        let mut visit = Visit { name, place, scope, states };
        match &state.kind {
            Kind::Pass | Kind::Succeed => visit.leave(&state.leave, "input"),
            Kind::Choice { rules } => {
                for rule in rules {
                    match visit.evaluate(&rule.condition, "Condition")? {
                        Value::Bool(true) => return visit.leave(&rule.leave, "input"),
                        Value::Bool(false) => {}
                        other => {
                            let cause = format!("The field 'Condition' is {other}, not a boolean.");
                            return Err(Failure::new(QUERY, cause));
                        }
                    }
                }
                if state.leave.next.is_none() {
                    let cause = format!("No rule of the state '{name}' matched, and it has no Default.");
                    return Err(Failure::new("States.NoChoiceMatched", cause));
                }
                visit.leave(&state.leave, "input")
            }
            Kind::Wait { seconds } => {
                sleep(visit.seconds(seconds, "Seconds", 0)?).await;
                visit.leave(&state.leave, "input")
            }
            Kind::Fail { error, cause } => {
                let error = error.as_ref().map(|error| visit.text(error, "Error")).transpose()?;
                let cause = cause.as_ref().map(|cause| visit.text(cause, "Cause")).transpose()?;
                Err(Failure { error: error.unwrap_or_default(), cause })
            }
            Kind::Work(work) => self.with_retries(work, &state.leave, visit).await,
        }
    }

    async fn with_retries<'d>(
        &self,
        work: &'d Work,
        leave: &'d Leave,
        mut visit: Visit<'_>,
    ) -> Result<Left<'d>, Failure> {
        let mut retries = vec![0; work.retry.len()];
        loop {
            let failure = match self.attempt(&work.kind, leave, &mut visit).await {
                Ok(left) => return Ok(left),
                Err(failure) => failure,
            };
            let first = work.retry.iter().zip(&mut retries).find(|(retrier, _)| matches(&retrier.errors, &failure));
            if let Some((retrier, made)) = first
                && *made < retrier.max_attempts
            {
                let delay = retrier.delay(*made, &mut self.random.borrow_mut());
                *made += 1;
                sleep(delay).await;
                let retry_count = retries.iter().sum::<u64>();
                visit.states["context"]["State"]["RetryCount"] = Value::from(retry_count);
                continue;
            }
            let Some(catcher) = work.catch.iter().find(|catcher| matches(&catcher.errors, &failure)) else {
                return Err(failure);
            };
            visit.states["errorOutput"] = failure.output();
            return visit.leave(&catcher.leave, "errorOutput");
        }
    }

    /// An error of any part of it, the evaluation of Assign and Output included, is the state's.
    async fn attempt<'d>(&self, work: &WorkKind, leave: &'d Leave, visit: &mut Visit<'_>) -> Result<Left<'d>, Failure> {
        let result = match work {
            WorkKind::Task(task) => self.task(task, visit).await?,
            WorkKind::Parallel { arguments, branches } => self.parallel(arguments.as_ref(), branches, visit).await?,
            WorkKind::Map(map) => self.map(map, visit).await?,
        };
        check_size(&result, &format!("The result of the state '{}'", visit.name))?;
        visit.states["result"] = result;
        visit.leave(leave, "result")
    }

    async fn task(&self, task: &TaskState, visit: &mut Visit<'_>) -> Result<Value, Failure> {
        // Scheduled, started, and ended.
        self.events.add(3)?;
        let attempt = self.new_task(task, visit);
        if let Some(token) = &attempt.token {
            // Submitted.
            self.events.add(1)?;
            visit.states["context"]["Task"] = json!({"Token": token});
        }
        let arguments = match &task.arguments {
            None => visit.input(),
            Some(template) => visit.evaluate(template, "Arguments")?,
        };
        check_size(&arguments, &format!("What the state '{}' would send", visit.name))?;
        let timeout = match &task.timeout_seconds {
            None => Duration::from_secs(MAX_SECONDS),
            Some(template) => visit.seconds(template, "TimeoutSeconds", 1)?,
        };
        let heartbeat = match &task.heartbeat_seconds {
            None => timeout,
            Some(template) => visit.seconds(template, "HeartbeatSeconds", 1)?,
        };
        let ends_at = Instant::now() + timeout;
        let mut work = std::pin::pin!(self.tasks.run(&attempt, &task.resource, arguments));
        loop {
            let silent_at = attempt.last_heartbeat.get() + heartbeat;
            tokio::select! {
                // A result that comes at the very end of the time counts, every time: without this it would be drawn by lot.
                biased;
                result = &mut work => return result.map_err(Failure::from),
                () = sleep_until(ends_at.min(silent_at)) => {}
            }
            let now = Instant::now();
            if ends_at <= now {
                return Err(Failure { error: TIMEOUT.to_owned(), cause: None });
            }
            if attempt.last_heartbeat.get() + heartbeat <= now {
                return Err(Failure { error: HEARTBEAT_TIMEOUT.to_owned(), cause: None });
            }
        }
    }

    fn new_task(&self, task: &TaskState, visit: &Visit<'_>) -> Task {
        let token = task.resource.ends_with(".waitForTaskToken").then(|| {
            self.tokens.set(self.tokens.get() + 1);
            format!("{}/{}", self.name, self.tokens.get())
        });
        Task {
            execution: self.name.clone(),
            state: visit.name.to_owned(),
            path: format!("{}{}", visit.place.path, visit.name),
            retry_count: visit.states["context"]["State"]["RetryCount"].as_u64().unwrap_or_default(),
            token,
            last_heartbeat: Rc::new(Cell::new(Instant::now())),
        }
    }

    /// The first branch that fails drops the others.
    async fn parallel(
        &self,
        arguments: Option<&Template>,
        branches: &[Machine],
        visit: &Visit<'_>,
    ) -> Result<Value, Failure> {
        // Started and ended.
        self.events.add(2)?;
        let input = match arguments {
            None => visit.input(),
            Some(template) => visit.evaluate(template, "Arguments")?,
        };
        let running = branches.iter().enumerate().map(|(index, branch)| {
            let place = Place {
                path: format!("{}{}[{index}]/", visit.place.path, visit.name),
                map_item: visit.place.map_item.clone(),
                variables: Some(visit.scope),
            };
            self.machine(branch, input.clone(), place)
        });
        Ok(Value::Array(try_join_all(running).await?))
    }

    /// The first iteration that fails drops the others.
    async fn map(&self, map: &MapState, visit: &mut Visit<'_>) -> Result<Value, Failure> {
        // Started and ended.
        self.events.add(2)?;
        let items = match &map.items {
            None => visit.input(),
            Some(template) => visit.evaluate(template, "Items")?,
        };
        let Value::Array(items) = items else {
            let cause = format!("The field 'Items' is {items}, not an array.");
            return Err(Failure::new(QUERY, cause));
        };
        let mut inputs = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            // Started and ended.
            self.events.add(2)?;
            let map_item = json!({"Index": index, "Value": item});
            let input = match &map.item_selector {
                None => map_item["Value"].clone(),
                Some(selector) => {
                    let outer = visit.states["context"]["Map"].take();
                    visit.states["context"]["Map"] = json!({"Item": map_item});
                    let selected = visit.evaluate(selector, "ItemSelector");
                    visit.states["context"]["Map"] = outer;
                    selected?
                }
            };
            let place = Place {
                path: format!("{}{}[{index}]/", visit.place.path, visit.name),
                map_item: Some(map_item),
                variables: Some(visit.scope),
            };
            inputs.push((index, input, place));
        }
        let mut outputs = vec![Value::Null; inputs.len()];
        let mut running = stream::iter(inputs)
            .map(async |(index, input, place)| (index, self.machine(&map.processor, input, place).await))
            .buffer_unordered(map.max_concurrency);
        while let Some((index, output)) = running.next().await {
            if let Some(slot) = outputs.get_mut(index) {
                *slot = output?;
            }
        }
        Ok(Value::Array(outputs))
    }

    fn context(&self, state: &str, entered_at_ms: i64, place: &Place<'_>) -> Value {
        let mut context = json!({
            "Execution": {
                "Input": self.input,
                "Name": self.name,
                "StartTime": timestamp::to_text(self.started_at_ms),
            },
            "State": {"EnteredTime": timestamp::to_text(entered_at_ms), "Name": state, "RetryCount": 0},
        });
        if let Some(item) = &place.map_item {
            context["Map"] = json!({"Item": item});
        }
        context
    }

    fn now_ms(&self) -> i64 {
        let elapsed = i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.started_at_ms.saturating_add(elapsed)
    }
}
