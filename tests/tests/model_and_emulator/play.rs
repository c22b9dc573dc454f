//! Plays a sequence on one of the two AWSes, and writes down what each call was answered.

use std::collections::BTreeMap;

use failover::aws_call::CallError;
use serde_json::Value;

use crate::sequences::{Sequence, Step};
use crate::sides::Side;

/// With what AWS refuses a call that it would take a moment later; the simulation leaves that to chance.
const LATER: [&str; 2] = ["PriorRequestNotComplete", "EndpointTemporarilyUnavailableException"];
/// How long a call that was refused so waits, in seconds of the simulation.
const LATER_SECONDS: u64 = 3;
/// How often a call is sent at most.
const MOST_TRIES: usize = 20;

/// The HTTP status; of an error its code, too, and what the orchestrator takes it for.
pub(crate) const OUTCOME: &str = "outcome";

/// What a call was answered.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The call, by its name in the sequence.
    pub(crate) call: &'static str,
    /// [`OUTCOME`], and of an answer the fields that the orchestrator reads, by their names.
    pub(crate) fields: BTreeMap<String, String>,
}

/// Plays a sequence.
pub(crate) async fn play(side: &Side, sequence: &Sequence) -> Vec<Heard> {
    let mut heard = Vec::new();
    for step in &sequence.steps {
        match step {
            Step::Pass(seconds) => side.pass(*seconds),
            Step::Call(call, asked) => {
                let mut tries = 0;
                let answer = loop {
                    tries += 1;
                    side.take_statuses();
                    match asked.ask(side).await {
                        Err(error) if LATER.contains(&error.code.as_str()) && tries < MOST_TRIES => {
                            side.pass(LATER_SECONDS);
                        }
                        answer => break answer,
                    }
                };
                heard.push(Heard { call, fields: fields(side, answer) });
            }
        }
    }
    heard
}

fn fields(side: &Side, answer: Result<Value, CallError>) -> BTreeMap<String, String> {
    let statuses: Vec<String> = side.take_statuses().iter().map(u16::to_string).collect();
    let statuses = statuses.join(" ");
    match answer {
        Ok(read) => {
            let mut fields = BTreeMap::from([(OUTCOME.to_owned(), statuses)]);
            flatten("", &read, &mut |path, text| {
                fields.insert(path.to_owned(), side.common(&text));
            });
            fields
        }
        Err(CallError { code, meaning, sent, .. }) => {
            BTreeMap::from([(OUTCOME.to_owned(), format!("{statuses} {code} {meaning:?} {sent:?}"))])
        }
    }
}

/// The leaves, by their paths.
fn flatten(path: &str, value: &Value, add: &mut impl FnMut(&str, String)) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&below(name), value, add);
            }
        }
        Value::Array(items) => {
            add(&below("count"), items.len().to_string());
            for (index, item) in items.iter().enumerate() {
                flatten(&below(&index.to_string()), item, add);
            }
        }
        Value::String(text) => add(path, text.clone()),
        Value::Null if path.is_empty() => {}
        Value::Null | Value::Bool(_) | Value::Number(_) => add(path, value.to_string()),
    }
}
