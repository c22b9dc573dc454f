//! The definition, parsed and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::errors::{Catcher, Retrier, check_wildcards};
use crate::fields::Fields;
use crate::substitute::substitute;
use crate::template::{Readable, Template};

/// A state machine, parsed and checked: every field, type of state and function in it is one that [`crate::run`]
/// knows, every target of a transition exists, and every variable is assigned somewhere.
#[derive(Debug)]
pub struct Definition {
    pub(crate) machine: Machine,
    /// Of a whole execution.
    pub(crate) timeout: Option<Duration>,
}

/// What is wrong with a definition, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct DefinitionError {
    /// The field, as in `States.Decide.Retry[0]`; empty for the whole text.
    pub path: String,
    /// What was found.
    pub message: String,
}

impl DefinitionError {
    pub(crate) fn new(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into() }
    }
}

/// The states of the whole, of a branch, or of an item processor.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) start_at: String,
    pub(crate) states: BTreeMap<String, State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) kind: Kind,
    pub(crate) leave: Leave,
}

/// What happens on the way out of a state, by a rule or by a catcher.
#[derive(Debug)]
pub(crate) struct Leave {
    pub(crate) assign: Option<Template>,
    pub(crate) output: Option<Template>,
    /// `None` where the machine ends.
    pub(crate) next: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Pass,
    Work(Work),
    /// Without a match the state's own way out counts, which leads to the default.
    Choice {
        rules: Vec<Rule>,
    },
    Wait {
        seconds: Template,
    },
    Succeed,
    Fail {
        error: Option<Template>,
        cause: Option<Template>,
    },
}

/// What has a result, and can be retried and caught.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) kind: WorkKind,
    pub(crate) retry: Vec<Retrier>,
    pub(crate) catch: Vec<Catcher>,
}

#[derive(Debug)]
pub(crate) enum WorkKind {
    Task(TaskState),
    Parallel { arguments: Option<Template>, branches: Vec<Machine> },
    Map(MapState),
}

#[derive(Debug)]
pub(crate) struct TaskState {
    pub(crate) resource: String,
    pub(crate) arguments: Option<Template>,
    pub(crate) timeout_seconds: Option<Template>,
    pub(crate) heartbeat_seconds: Option<Template>,
}

#[derive(Debug)]
pub(crate) struct MapState {
    pub(crate) items: Option<Template>,
    pub(crate) item_selector: Option<Template>,
    pub(crate) max_concurrency: usize,
    pub(crate) processor: Machine,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) condition: Template,
    pub(crate) leave: Leave,
}

/// Iterations of an inline map at a time, whatever the definition says.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html>
const MAX_INLINE_CONCURRENCY: usize = 40;

impl Definition {
    /// Reads a definition. `substitutions` replace `${Name}`, as CloudFormation's `DefinitionSubstitutions` do.
    ///
    /// # Errors
    /// The first thing that is wrong with it or not supported, with its path. A substitution that the text needs and
    /// that is missing is an error, and so is one that it does not need.
    pub fn parse(text: &str, substitutions: &BTreeMap<&str, &str>) -> Result<Self, DefinitionError> {
        let text = substitute(text, substitutions)?;
        let value = serde_json::from_str(&text).map_err(|error| DefinitionError::new("", error.to_string()))?;
        let mut fields = Fields::of(value, "")?;
        if fields.text("QueryLanguage")? != "JSONata" {
            return Err(DefinitionError::new("QueryLanguage", "only JSONata is supported"));
        }
        let timeout = fields.number("TimeoutSeconds", 1)?.map(Duration::from_secs);
        let mut reading = Reading { state_names: BTreeSet::new() };
        let machine = reading.machine(fields, &BTreeSet::new())?;
        Ok(Self { machine, timeout })
    }
}

struct Reading {
    /// A name is unique in the whole definition, branches and item processors included.
    state_names: BTreeSet<String>,
}

impl Reading {
    /// `outer` are the variables of the machines around this one.
    fn machine(&mut self, mut fields: Fields, outer: &BTreeSet<String>) -> Result<Machine, DefinitionError> {
        let start_at = fields.text("StartAt")?;
        let path = fields.path("States");
        let Value::Object(definitions) = fields.required("States")? else {
            return Err(DefinitionError::new(&path, "an object was expected"));
        };
        let start_path = fields.path("StartAt");
        fields.finish()?;
        let mut variables = outer.clone();
        for (name, state) in &definitions {
            let path = format!("{path}.{name}");
            for variable in assigned(state) {
                if outer.contains(&variable) {
                    return Err(DefinitionError::new(&path, format!("${variable} belongs to the machine around it")));
                }
                variables.insert(variable);
            }
        }
        let mut states = BTreeMap::new();
        for (name, state) in definitions {
            let path = format!("{path}.{name}");
            if !self.state_names.insert(name.clone()) {
                return Err(DefinitionError::new(&path, "another state has this name"));
            }
            let state = self.state(Fields::of(state, &path)?, &variables)?;
            states.insert(name, state);
        }
        check_transitions(&start_at, &start_path, &path, &states)?;
        Ok(Machine { start_at, states })
    }

    fn state(&mut self, mut fields: Fields, variables: &BTreeSet<String>) -> Result<State, DefinitionError> {
        let readable = Readable { variables, also: None };
        let kind_path = fields.path("Type");
        let kind_name = fields.text("Type")?;
        let kind = match kind_name.as_str() {
            "Pass" => Kind::Pass,
            "Task" => {
                let kind = WorkKind::Task(task(&mut fields, readable)?);
                work(kind, &mut fields, readable)?
            }
            "Parallel" => {
                let kind = self.parallel(&mut fields, readable)?;
                work(kind, &mut fields, readable)?
            }
            "Map" => {
                let kind = self.map(&mut fields, readable)?;
                work(kind, &mut fields, readable)?
            }
            "Choice" => choice(&mut fields, readable)?,
            "Wait" => Kind::Wait {
                seconds: seconds(&mut fields, "Seconds", 0, readable)?
                    .ok_or_else(|| DefinitionError::new(&kind_path, "a Wait state without Seconds is not supported"))?,
            },
            "Succeed" => Kind::Succeed,
            "Fail" => Kind::Fail {
                error: template(&mut fields, "Error", readable)?,
                cause: template(&mut fields, "Cause", readable)?,
            },
            other => return Err(DefinitionError::new(&kind_path, format!("{other} is not supported"))),
        };
        let works = matches!(kind, Kind::Work(_));
        let on_exit = Readable { also: works.then_some("result"), ..readable };
        let output = match kind {
            Kind::Fail { .. } => None,
            _ => template(&mut fields, "Output", on_exit)?,
        };
        let assign = match kind {
            Kind::Fail { .. } | Kind::Succeed => None,
            _ => assign(&mut fields, on_exit)?,
        };
        let next = match kind {
            Kind::Fail { .. } | Kind::Succeed => None,
            Kind::Choice { .. } => fields.optional_text("Default")?,
            _ => next(&mut fields)?,
        };
        fields.finish()?;
        Ok(State { kind, leave: Leave { assign, output, next } })
    }

    fn parallel(&mut self, fields: &mut Fields, readable: Readable<'_>) -> Result<WorkKind, DefinitionError> {
        let arguments = template(fields, "Arguments", readable)?;
        let branches: Vec<Machine> = fields
            .list("Branches")?
            .into_iter()
            .map(|(path, branch)| self.machine(Fields::of(branch, &path)?, readable.variables))
            .collect::<Result<_, _>>()?;
        if branches.is_empty() {
            return Err(DefinitionError::new(&fields.path("Branches"), "at least one branch was expected"));
        }
        Ok(WorkKind::Parallel { arguments, branches })
    }

    fn map(&mut self, fields: &mut Fields, readable: Readable<'_>) -> Result<WorkKind, DefinitionError> {
        let items = template(fields, "Items", readable)?;
        let item_selector = template(fields, "ItemSelector", readable)?;
        // 0 places no limit of its own.
        let max_concurrency = match fields.number("MaxConcurrency", 0)?.map(usize::try_from) {
            None | Some(Ok(0) | Err(_)) => MAX_INLINE_CONCURRENCY,
            Some(Ok(most)) => most.min(MAX_INLINE_CONCURRENCY),
        };
        let path = fields.path("ItemProcessor");
        let mut processor = Fields::of(fields.required("ItemProcessor")?, &path)?;
        if let Some(config) = processor.take("ProcessorConfig") {
            let mut config = Fields::of(config, &processor.path("ProcessorConfig"))?;
            if config.text("Mode")? != "INLINE" {
                return Err(DefinitionError::new(&config.path("Mode"), "only INLINE is supported"));
            }
            config.finish()?;
        }
        let processor = self.machine(processor, readable.variables)?;
        Ok(WorkKind::Map(MapState { items, item_selector, max_concurrency, processor }))
    }
}

fn work(kind: WorkKind, fields: &mut Fields, readable: Readable<'_>) -> Result<Kind, DefinitionError> {
    let catch = catchers(fields, Readable { also: Some("errorOutput"), ..readable })?;
    Ok(Kind::Work(Work { kind, retry: retriers(fields)?, catch }))
}

fn task(fields: &mut Fields, readable: Readable<'_>) -> Result<TaskState, DefinitionError> {
    let resource = fields.text("Resource")?;
    // A nested execution or job that is waited for would need polling, which nothing here does.
    if !resource.starts_with("arn:") || resource.contains(".sync") {
        return Err(DefinitionError::new(&fields.path("Resource"), format!("{resource} is not supported")));
    }
    let timeout_seconds = seconds(fields, "TimeoutSeconds", 1, readable)?;
    let heartbeat_seconds = seconds(fields, "HeartbeatSeconds", 1, readable)?;
    if let (Some(Template::Literal(timeout)), Some(Template::Literal(heartbeat))) =
        (&timeout_seconds, &heartbeat_seconds)
        && heartbeat.as_u64() >= timeout.as_u64()
    {
        return Err(DefinitionError::new(&fields.path("HeartbeatSeconds"), "less than TimeoutSeconds was expected"));
    }
    Ok(TaskState { resource, arguments: template(fields, "Arguments", readable)?, timeout_seconds, heartbeat_seconds })
}

fn choice(fields: &mut Fields, readable: Readable<'_>) -> Result<Kind, DefinitionError> {
    let mut rules = Vec::new();
    for (path, rule) in fields.list("Choices")? {
        let mut rule = Fields::of(rule, &path)?;
        let condition_path = rule.path("Condition");
        let condition = Template::parse(rule.required("Condition")?, &condition_path, readable)?;
        if !matches!(condition, Template::Expression(_) | Template::Literal(Value::Bool(_))) {
            return Err(DefinitionError::new(&condition_path, "an expression was expected"));
        }
        rules.push(Rule { condition, leave: leave(&mut rule, readable)? });
        rule.finish()?;
    }
    if rules.is_empty() {
        return Err(DefinitionError::new(&fields.path("Choices"), "at least one rule was expected"));
    }
    Ok(Kind::Choice { rules })
}

fn retriers(fields: &mut Fields) -> Result<Vec<Retrier>, DefinitionError> {
    let path = fields.path("Retry");
    let retriers: Vec<Retrier> = fields
        .list("Retry")?
        .into_iter()
        .map(|(path, entry)| Retrier::parse(entry, &path))
        .collect::<Result<_, _>>()?;
    check_wildcards(retriers.iter().map(|retrier| &retrier.errors), &path)?;
    Ok(retriers)
}

fn catchers(fields: &mut Fields, readable: Readable<'_>) -> Result<Vec<Catcher>, DefinitionError> {
    let path = fields.path("Catch");
    let mut catchers = Vec::new();
    for (path, entry) in fields.list("Catch")? {
        let mut entry = Fields::of(entry, &path)?;
        let errors = crate::errors::names(&mut entry)?;
        catchers.push(Catcher { errors, leave: leave(&mut entry, readable)? });
        entry.finish()?;
    }
    check_wildcards(catchers.iter().map(|catcher| &catcher.errors), &path)?;
    Ok(catchers)
}

/// The way out by a rule or a catcher, which always leads to a state.
fn leave(fields: &mut Fields, readable: Readable<'_>) -> Result<Leave, DefinitionError> {
    Ok(Leave {
        assign: assign(fields, readable)?,
        output: template(fields, "Output", readable)?,
        next: Some(fields.text("Next")?),
    })
}

fn next(fields: &mut Fields) -> Result<Option<String>, DefinitionError> {
    let next = fields.optional_text("Next")?;
    match (fields.take("End"), next) {
        (None, Some(next)) => Ok(Some(next)),
        (Some(Value::Bool(true)), None) => Ok(None),
        _ => Err(DefinitionError::new(&fields.path("Next"), "either Next or \"End\": true was expected")),
    }
}

fn template(fields: &mut Fields, name: &str, readable: Readable<'_>) -> Result<Option<Template>, DefinitionError> {
    let path = fields.path(name);
    fields.take(name).map(|value| Template::parse(value, &path, readable)).transpose()
}

fn assign(fields: &mut Fields, readable: Readable<'_>) -> Result<Option<Template>, DefinitionError> {
    match template(fields, "Assign", readable)? {
        Some(Template::Object(assigned)) if assigned.iter().any(|(name, _)| name == "states") => {
            Err(DefinitionError::new(&fields.path("Assign"), "$states can't be assigned"))
        }
        None => Ok(None),
        Some(object @ Template::Object(_)) => Ok(Some(object)),
        Some(_) => Err(DefinitionError::new(&fields.path("Assign"), "an object was expected")),
    }
}

/// Whole seconds, or an expression that yields them.
fn seconds(
    fields: &mut Fields,
    name: &str,
    minimum: u64,
    readable: Readable<'_>,
) -> Result<Option<Template>, DefinitionError> {
    let path = fields.path(name);
    match template(fields, name, readable)? {
        Some(Template::Literal(value)) if value.as_u64().is_none_or(|seconds| seconds < minimum) => {
            Err(DefinitionError::new(&path, format!("a whole number from {minimum} or an expression was expected")))
        }
        Some(Template::List(_) | Template::Object(_)) => {
            Err(DefinitionError::new(&path, "a number or an expression was expected"))
        }
        other => Ok(other),
    }
}

/// The variables that a state assigns, without those of the machines in it.
fn assigned(state: &Value) -> BTreeSet<String> {
    let ways = ["Choices", "Catch"].iter().filter_map(|name| state[name].as_array()).flatten();
    std::iter::once(state)
        .chain(ways)
        .filter_map(|way| way["Assign"].as_object())
        .flat_map(|assign| assign.keys().cloned())
        .collect()
}

fn check_transitions(
    start_at: &str,
    start_path: &str,
    path: &str,
    states: &BTreeMap<String, State>,
) -> Result<(), DefinitionError> {
    let mut targets = vec![(start_path.to_owned(), start_at)];
    for (name, state) in states {
        let ways: Vec<&Leave> = match &state.kind {
            Kind::Choice { rules } => rules.iter().map(|rule| &rule.leave).collect(),
            Kind::Work(work) => work.catch.iter().map(|catcher| &catcher.leave).collect(),
            _ => Vec::new(),
        };
        let next = ways.into_iter().chain([&state.leave]).filter_map(|leave| leave.next.as_deref());
        targets.extend(next.map(|next| (format!("{path}.{name}"), next)));
    }
    match targets.iter().find(|(_, target)| !states.contains_key(*target)) {
        Some((from, target)) => Err(DefinitionError::new(from, format!("there is no state {target} beside it"))),
        None => match states.keys().find(|name| !targets.iter().any(|(_, target)| target == name)) {
            Some(lost) => Err(DefinitionError::new(&format!("{path}.{lost}"), "no state leads here")),
            None => Ok(()),
        },
    }
}
