//! What happened when: from the history of the execution and the calls that the gateway recorded.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::execution::Event;
use crate::gateway::{Call, Outcome};
use crate::moment::{Moment, whole_millis};
use crate::orchestrator::function_of;
use crate::stage::Run;
use crate::state::is_fence;

/// The function behind alarms, decisions and conclusions.
const PROBE: &str = "health-probe";
/// The step of the ledger operation that starts an execution.
const TRIGGER: &str = "trigger";
/// The operations in which the probe itself writes something down: no steps of their own.
const OF_PROBE: [&str; 3] = [TRIGGER, "decide", "fences"];
/// The step that isolates a database, and the function that does it.
const ISOLATION: &str = "isolate-aurora";
const PROMOTION: &str = "promote-aurora";
/// The state in which every step's request is sent as a preflight.
const CHECK: &str = "Check";
/// DynamoDB's answer to a write whose condition does not hold.
const PRECEDED: &str = "ConditionalCheckFailedException";
/// Traces are telemetry, not part of the work.
const TELEMETRY: &str = "xray";

/// A run, step by step. All times are milliseconds; offsets count from the loss of the Region or the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// In order of their start.
    pub steps: Vec<Step>,
    /// From the incident to the start of the execution.
    pub detection_ms: u64,
    /// From the start of the execution to its decision.
    pub decision_ms: Option<u64>,
    /// From the decision to the end.
    pub execution_ms: Option<u64>,
    /// From the incident to the end.
    pub total_ms: u64,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The state's name, or the function's for steps that the ledger knows.
    pub name: String,
    /// The operation in the ledger.
    pub operation_id: Option<String>,
    /// Start.
    pub start_ms: u64,
    /// Duration.
    pub duration_ms: u64,
    /// How often it was attempted; looks at the evidence, for a decision.
    pub attempts: u32,
    /// What it said last.
    pub message: Option<String>,
    /// The AWS calls it made, by IAM action.
    pub calls: BTreeMap<String, CallCount>,
}

/// Calls of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CallCount {
    /// All of them.
    pub made: u32,
    /// Those that were answered with an error.
    pub failed: u32,
    /// Those that got no answer.
    pub unanswered: u32,
    /// Conditional writes to the ledger that somebody else had preceded: the ledger at work, not a failure.
    pub preceded: u32,
    /// Time spent in them, in milliseconds.
    pub took_ms: u64,
}

impl Step {
    /// How many AWS calls it made.
    #[must_use]
    pub fn calls_made(&self) -> u32 {
        self.calls.values().map(|count| count.made).sum()
    }
}

/// A step while its times are gathered.
#[derive(Clone, Debug)]
struct Span {
    name: String,
    /// The function that works in it alone, where one does.
    function: Option<String>,
    operation_id: Option<String>,
    from: Moment,
    to: Moment,
    attempts: u32,
    message: Option<String>,
    calls: BTreeMap<String, CallCount>,
    /// Whether it invokes a function, whose calls are then its own.
    invokes: bool,
}

impl Span {
    fn new(name: impl Into<String>, from: Moment, to: Moment) -> Self {
        let (name, calls) = (name.into(), BTreeMap::new());
        Self { name, function: None, operation_id: None, from, to, attempts: 0, message: None, calls, invokes: false }
    }

    fn count(&mut self, action: &str, outcome: &Outcome, took_ms: u64) {
        let count = self.calls.entry(action.to_owned()).or_default();
        count.made += 1;
        count.took_ms += took_ms;
        match outcome {
            Outcome::Ok { .. } => {}
            Outcome::Error { code, .. } if code == PRECEDED => count.preceded += 1,
            Outcome::Error { .. } => count.failed += 1,
            Outcome::NoAnswer | Outcome::AnswerLost | Outcome::Killed { .. } | Outcome::EmulatorUnreachable => {
                count.unanswered += 1;
            }
        }
    }
}

/// Puts a run's timeline together from its history and the gateway's record.
#[must_use]
pub fn timeline(run: &Run, calls: &[Call]) -> Timeline {
    let end = run.execution.stopped.unwrap_or(run.execution.started);
    let calls: Vec<&Call> = calls.iter().filter(|call| belongs(call, run, end)).collect();
    let mut spans = vec![Span::new(TRIGGER, run.ordered, run.execution.started)];
    spans.extend(top_level_tasks(&run.history, end));
    spans.extend(operations(run, &calls, end));
    for call in calls {
        if let Some(place) = span_of(call, &spans, run.execution.started) {
            let took_ms = whole_millis(call.duration);
            spans[place].count(&call.iam_action, &call.outcome, took_ms);
        }
    }
    // An order by hand needs no trigger.
    spans.retain(|span| span.name != TRIGGER || !span.calls.is_empty());
    spans.sort_by_key(|span| span.from);
    let decided = decided_at(&run.history);
    let millis = |from: Moment, to: Moment| whole_millis(to.since(from));
    Timeline {
        detection_ms: millis(run.begins, run.execution.started),
        decision_ms: decided.map(|decided| millis(run.execution.started, decided)),
        execution_ms: decided.map(|decided| millis(decided, end)),
        total_ms: millis(run.begins, end),
        steps: spans
            .into_iter()
            .map(|span| Step {
                start_ms: millis(run.begins, span.from),
                duration_ms: millis(span.from, span.to),
                name: span.name,
                operation_id: span.operation_id,
                attempts: span.attempts.max(1),
                message: span.message,
                calls: span.calls,
            })
            .collect(),
    }
}

/// Whether a function made the call, and during this run.
fn belongs(call: &Call, run: &Run, end: Moment) -> bool {
    let at = Moment::from(call.at);
    let of_function = function_of(call).is_some();
    let of_other_run = call.failover_id.as_deref().is_some_and(|id| id != run.failover_id());
    of_function && call.service != TELEMETRY && !of_other_run && at >= run.ordered && at <= end
}

/// The states outside Parallel and Map that do something, and the one of the checks, with all visits to one state as one.
fn top_level_tasks(history: &[Event], end: Moment) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut open: Option<usize> = None;
    for event in history {
        match (event.kind.as_str(), &event.state) {
            (kind, Some(name)) if kind == "TaskStateEntered" || (kind == "MapStateEntered" && name == CHECK) => {
                let known = spans.iter().position(|span| span.name == *name);
                open = Some(known.unwrap_or_else(|| {
                    spans.push(Span::new(name, event.at, end));
                    spans.len() - 1
                }));
            }
            ("TaskStateExited" | "MapStateExited", _) => {
                if let Some(place) = open.take() {
                    spans[place].to = event.at;
                }
            }
            // A state that failed into another one is never exited.
            (kind, Some(_)) if kind.ends_with("StateEntered") => {
                if let Some(place) = open.take() {
                    spans[place].to = event.at;
                }
            }
            (kind, _) => match open.and_then(|place| spans.get_mut(place)) {
                Some(span) => note_task_event(span, kind, event),
                None => note_inner_event(&mut spans, kind, event),
            },
        }
    }
    spans
}

/// A task within a Parallel or Map has no state's name in its events: Step Functions' own calls go by the call's,
/// and invocations are told apart by the ledger (see [`operations`]).
fn note_inner_event(spans: &mut Vec<Span>, kind: &str, event: &Event) {
    let Some(action) = event.resource.as_deref().and_then(integration) else { return };
    match kind {
        "TaskScheduled" => {
            let mut span = Span::new(&action, event.at, event.at);
            span.attempts = 1;
            span.count(&action, &Outcome::Ok { status: 200 }, 0);
            spans.push(span);
        }
        "TaskSucceeded" | "TaskFailed" => {
            if let Some(span) = spans.iter_mut().rev().find(|span| span.name == action) {
                span.to = event.at;
            }
        }
        _other => {}
    }
}

fn note_task_event(span: &mut Span, kind: &str, event: &Event) {
    match kind {
        "TaskScheduled" => {
            span.attempts += 1;
            match event.resource.as_deref().and_then(integration) {
                Some(action) => span.count(&action, &Outcome::Ok { status: 200 }, 0),
                None => span.invokes = true,
            }
        }
        "TaskSucceeded" => {
            let payload = &event.output["Payload"];
            let message = payload["message"].as_str().or_else(|| payload["notification"]["subject"].as_str());
            span.message = message.map(str::to_owned).or_else(|| span.message.take());
        }
        "TaskFailed" => span.message.clone_from(&event.error),
        _other => {}
    }
}

/// The API call that Step Functions itself makes for a task, as an IAM action; none for an invocation.
fn integration(resource: &str) -> Option<String> {
    let (_, call) = resource.split_once(":::")?;
    let call = call.strip_prefix("aws-sdk:").unwrap_or(call);
    let (service, operation) = call.split_once(':')?;
    let operation = operation.split('.').next().unwrap_or(operation);
    let mut letters = operation.chars();
    let first = letters.next()?.to_uppercase();
    (service != "lambda").then(|| format!("{service}:{first}{}", letters.as_str()))
}

/// The steps that the ledger knows: from their claim to their last answer.
fn operations(run: &Run, calls: &[&Call], end: Moment) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for call in calls {
        let Some(write) = &call.ledger else { continue };
        let Some((step, at)) = step_of(&write.operation_id).map(|step| (step, Moment::from(call.at))) else { continue };
        let place = spans.iter().position(|span| span.operation_id.as_ref() == Some(&write.operation_id));
        let place = place.unwrap_or_else(|| {
            let mut span = Span::new(
                if is_fence(&write.operation_id) { format!("fence: {step}") } else { step.to_owned() },
                at,
                end,
            );
            span.function = Some(if step == ISOLATION { PROMOTION } else { step }.to_owned());
            span.operation_id = Some(write.operation_id.clone());
            spans.push(span);
            spans.len() - 1
        });
        let span = &mut spans[place];
        span.attempts += u32::from(write.status.as_deref() == Some("claimed"));
        if matches!(write.status.as_deref(), Some("completed" | "failed")) {
            span.to = at.plus(call.duration);
        }
    }
    for event in &run.history {
        let payload = &event.output["Payload"];
        let Some(id) = payload["operation_id"].as_str() else { continue };
        if let Some(span) = spans.iter_mut().find(|span| span.operation_id.as_deref() == Some(id)) {
            // Step Functions has the answer only now; a completion in the ledger came before.
            span.to = event.at;
            span.message = payload["message"].as_str().map(str::to_owned);
        }
    }
    spans
}

/// The step of an operation, unless it is the probe's own or the item of a plan.
fn step_of(operation_id: &str) -> Option<&str> {
    let mut parts = operation_id.split('#');
    let (failover, step) = (parts.next()?, parts.next()?);
    (failover != "plan" && !OF_PROBE.contains(&step)).then_some(step)
}

/// The step that a call belongs to.
fn span_of(call: &Call, spans: &[Span], started: Moment) -> Option<usize> {
    let at = Moment::from(call.at);
    let function = function_of(call)?;
    if function == PROBE {
        let of_trigger =
            call.ledger.as_ref().is_some_and(|write| write.operation_id.split('#').nth(1) == Some(TRIGGER));
        if of_trigger || at < started || matches!(call.operation.as_str(), "StartExecution" | "Publish") {
            return spans.iter().position(|span| span.name == TRIGGER);
        }
        // The last one that had begun: a call outside all of them is the end of an invocation.
        let begun = |span: &Span| {
            span.operation_id.is_none() && ![TRIGGER, CHECK].contains(&span.name.as_str()) && span.from <= at
        };
        return last_begun(spans, |span| begun(span) && span.invokes);
    }
    let id = call.ledger.as_ref().map(|write| write.operation_id.as_str());
    if let Some(place) = spans.iter().position(|span| id.is_some() && span.operation_id.as_deref() == id) {
        return Some(place);
    }
    let of_function = |span: &Span| span.function.as_deref() == Some(function) && span.from <= at;
    // A fence and the step itself work side by side, in two Regions.
    let here = |span: &Span| span.operation_id.as_ref().is_some_and(|id| id.contains(&call.region));
    last_begun(spans, |span| of_function(span) && here(span))
        .or_else(|| last_begun(spans, of_function))
        .or_else(|| last_begun(spans, |span| span.name == CHECK && span.from <= at))
}

fn last_begun(spans: &[Span], begun: impl Fn(&Span) -> bool) -> Option<usize> {
    let candidates = spans.iter().enumerate().filter(|(_, span)| begun(span));
    candidates.max_by_key(|(_, span)| span.from).map(|(place, _)| place)
}

/// When it was decided to fail over or to stand down.
fn decided_at(history: &[Event]) -> Option<Moment> {
    let decides = |event: &&Event| {
        let decision = &event.output["Payload"]["decision"];
        matches!(decision, Value::String(text) if text == "fail_over" || text == "stand_down")
    };
    history.iter().rev().find(decides).map(|event| event.at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    fn recorded_timeline() -> Timeline {
        timeline(&recorded::run(), &recorded::calls())
    }

    fn step(name: &str) -> Step {
        let steps = recorded_timeline().steps;
        let found = steps.iter().find(|step| step.name == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {:?}", steps.iter().map(|step| &step.name).collect::<Vec<_>>()))
            .clone()
    }

    #[test]
    fn the_steps_stand_in_the_order_in_which_they_began() {
        let names: Vec<String> = recorded_timeline().steps.into_iter().map(|step| step.name).collect();
        let expected = [
            "trigger",
            "LoadPlan",
            "Decide",
            "sns:Publish",
            "promote-aurora",
            "scale-ecs",
            "shift-dns",
            "Conclude",
            "NotifyFinished",
        ];
        let mut sorted = (names.clone(), expected.map(str::to_owned).to_vec());
        // Database and capacity begin side by side.
        sorted.0[3..6].sort();
        sorted.1[3..6].sort();
        assert_eq!(sorted.0, sorted.1, "{names:?}");
    }

    #[test]
    fn a_decision_is_one_step_with_as_many_attempts_as_looks() {
        let decide = step("Decide");
        assert_eq!(decide.attempts, 5);
        assert!(decide.duration_ms >= 4_000, "{decide:?}");
        assert_eq!(
            decide.calls["rds:DescribeDBClusters"],
            CallCount { made: 5, unanswered: 5, ..decide.calls["rds:DescribeDBClusters"] }
        );
        assert!(decide.message.unwrap().starts_with("unhealthy: endpoint, aurora"));
    }

    #[test]
    fn each_change_is_shown_where_it_was_made_and_only_there() {
        let timeline = recorded_timeline();
        for (action, made, name) in [
            ("states:StartExecution", 1, "trigger"),
            ("rds:FailoverGlobalCluster", 1, "promote-aurora"),
            ("ecs:UpdateService", 2, "scale-ecs"),
            ("route53:ChangeResourceRecordSets", 1, "shift-dns"),
            ("ssm:GetParameter", 1, "LoadPlan"),
        ] {
            let made_in: Vec<(&str, u32)> = timeline
                .steps
                .iter()
                .filter_map(|step| Some((step.name.as_str(), step.calls.get(action)?.made)))
                .collect();
            assert_eq!(made_in, [(name, made)], "{action}");
        }
    }

    #[test]
    fn every_call_of_a_function_but_its_traces_belongs_to_one_step() {
        let made: u32 = recorded_timeline().steps.iter().map(Step::calls_made).sum();
        let expected = recorded::calls().iter().filter(|call| call.service != TELEMETRY).count();
        // The calls of Step Functions itself never pass the gateway.
        let own = ["LoadPlan", "sns:Publish", "NotifyFinished"].len();
        assert_eq!(made as usize, expected + own);
    }

    #[test]
    fn the_phases_add_up() {
        let timeline = recorded_timeline();
        let phases = timeline.detection_ms + timeline.decision_ms.unwrap() + timeline.execution_ms.unwrap();
        assert_eq!(phases, timeline.total_ms);
        let run = recorded::run();
        assert!(timeline.decision_ms.unwrap().abs_diff(run.execution.output["decision_ms"].as_u64().unwrap()) < 100);
    }

    #[test]
    fn a_run_by_hand_has_no_trigger() {
        let calls: Vec<Call> = recorded::calls()
            .into_iter()
            .filter(|call| Moment::from(call.at) > recorded::run().execution.started)
            .filter(|call| call.ledger.as_ref().is_none_or(|write| !write.operation_id.contains("#trigger#")))
            .filter(|call| call.operation != "StartExecution" && call.operation != "Publish")
            .collect();
        let steps = timeline(&recorded::run(), &calls).steps;
        assert!(steps.iter().all(|step| step.name != TRIGGER));
    }

    #[test]
    fn a_fence_is_a_step_of_its_own_with_the_calls_to_its_region() {
        let mut calls = recorded::calls();
        let claim = calls.iter().position(|call| call.ledger.is_some() && function_of(call) == Some("scale-ecs"));
        let mut fence = calls[claim.unwrap()].clone();
        let id = format!("{}#scale-ecs#fence/eu-central-1/trading-frankfurt", recorded::run().failover_id());
        fence.ledger.as_mut().unwrap().operation_id = id;
        let mut look = recorded::call_of("scale-ecs", "ecs", "DescribeServices", Outcome::NoAnswer);
        (look.at, look.region) = (fence.at + std::time::Duration::from_millis(1), "eu-central-1".to_owned());
        calls.extend([fence, look]);
        let steps = timeline(&recorded::run(), &calls).steps;
        let made = |name: &str| steps.iter().find(|step| step.name == name).unwrap().calls_made();
        assert_eq!((made("fence: scale-ecs"), made("scale-ecs")), (2, step("scale-ecs").calls_made()));
    }

    #[test]
    fn calls_of_a_step_before_its_operation_belong_to_the_checks() {
        let mut run = recorded::run();
        let place = run.history.iter().position(|event| event.state.as_deref() == Some("Decide")).unwrap();
        let event = |kind: &str| Event {
            at: run.history[place].at,
            kind: kind.to_owned(),
            state: Some(CHECK.to_owned()),
            ..Event::default()
        };
        let events = [event("MapStateEntered"), event("MapStateExited")];
        run.history.splice(place..place, events);
        let mut look = recorded::call_of("shift-dns", "route53", "ListResourceRecordSets", Outcome::Ok { status: 200 });
        look.at = std::time::UNIX_EPOCH
            + std::time::Duration::from_millis(u64::try_from(run.history[place].at.as_millis() + 1).unwrap());
        let mut calls = recorded::calls();
        calls.push(look);
        let steps = timeline(&run, &calls).steps;
        let check = steps.iter().find(|step| step.name == CHECK).unwrap();
        assert_eq!(check.calls_made(), 1, "{check:?}");
    }

    #[test]
    fn a_step_that_never_answered_lasts_to_the_end() {
        let mut run = recorded::run();
        run.history.retain(|event| event.output["Payload"]["operation_id"].is_null());
        let mut calls = recorded::calls();
        calls.retain(|call| call.ledger.as_ref().is_none_or(|write| write.status.as_deref() != Some("completed")));
        let timeline = timeline(&run, &calls);
        let shift = timeline.steps.iter().find(|step| step.name == "shift-dns").unwrap();
        assert_eq!(shift.start_ms + shift.duration_ms, timeline.total_ms);
    }

    #[test]
    fn a_call_of_step_functions_is_named_as_its_iam_action() {
        for (resource, action) in [
            ("arn:aws:states:::aws-sdk:ssm:getParameter", Some("ssm:GetParameter")),
            ("arn:aws:states:::sns:publish.waitForTaskToken", Some("sns:Publish")),
            ("arn:aws:states:::lambda:invoke", None),
            ("arn:aws:lambda:eu-west-1:1:function:f", None),
        ] {
            assert_eq!(integration(resource).as_deref(), action, "{resource}");
        }
    }
}
