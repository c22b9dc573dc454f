//! `health-probe`: starts failovers from alarms, decides them on evidence, verifies and measures their outcome (F8).
//!
//! One function with a few commands. An SNS event is [`trigger`]; everything else names its command: [`decide`],
//! [`mod@judge_fences`], [`conclude`] and [`watch`]; those that people give by hand are in [`operator`]. An event of ARC
//! Region switch is [`mod@verify`] (X9).

mod alarm;
mod conclude;
mod decide;
mod decision_record;
mod evidence;
mod http_probe;
mod judge;
mod judge_fences;
mod look;
mod notice;
mod once;
mod operator;
mod preflight;
mod readiness;
mod report;
mod route;
mod run_plan;
mod settings;
mod trigger;
mod verify;
mod watch;
mod writer;

use failover::contract::{self, ProbeResponse};
use failover::env::Deadline;
use failover::error::Error;
use failover::region_switch::Event;
use failover::runtime::Toolbox;
use serde_json::{Map, Value};

pub use readiness::{NEEDS, Need};
pub use settings::Settings;

/// The commands, for people.
const COMMANDS: &str = "\"decide\", \"judge_fences\", \"conclude\", \"watch\", \"acknowledge\" or \"kill_switch\"";

/// What every command works with.
#[derive(Clone, Debug)]
pub struct HealthProbe {
    /// What all functions have.
    pub tools: Toolbox,
    /// This function's own environment.
    pub settings: Settings,
}

/// Answers one event. The requests and answers are those of [`contract::ProbeRequest`] and [`ProbeResponse`].
///
/// # Errors
/// [`Error::InvalidRequest`] that names the field, and the errors of the command.
pub async fn handle(probe: &HealthProbe, event: Value, deadline: Deadline) -> Result<ProbeResponse, Error> {
    if let Some(asked) = Event::of(&event)? {
        return verify::verify(probe, &asked, deadline).await.map(ProbeResponse::Verify);
    }
    let Value::Object(mut fields) = event else {
        return Err(Error::invalid("request", "expected an object"));
    };
    if let Some(records) = fields.remove("Records") {
        return trigger::trigger(probe, &records, deadline).await.map(ProbeResponse::Trigger);
    }
    // Taken apart by hand: reading the tagged enum would lose the path of a malformed field.
    let Some(command) = fields.remove("command") else {
        return Err(Error::invalid("command", format!("is missing; expected {COMMANDS}, or an SNS event")));
    };
    match command.as_str() {
        Some("decide") => {
            let request = contract::parse(Value::Object(fields))?;
            decide::decide(probe, request).await.map(|answer| ProbeResponse::Decide(Box::new(answer)))
        }
        Some("judge_fences") => {
            let request = contract::parse(Value::Object(fields))?;
            let answer = judge_fences::judge_fences(probe, request).await?;
            Ok(ProbeResponse::JudgeFences(Box::new(answer)))
        }
        Some("conclude") => {
            let request = contract::parse(Value::Object(fields))?;
            let answer = conclude::conclude(probe, request, deadline).await?;
            Ok(ProbeResponse::Conclude(Box::new(answer)))
        }
        Some("watch") => {
            nothing_else(&fields)?;
            watch::watch(probe).await.map(ProbeResponse::Watch)
        }
        Some("acknowledge") => {
            let request = contract::parse(Value::Object(fields))?;
            operator::acknowledge(probe, &request).await.map(ProbeResponse::Operator)
        }
        Some("kill_switch") => {
            let request = contract::parse(Value::Object(fields))?;
            operator::kill_switch(probe, &request).await.map(ProbeResponse::Operator)
        }
        _ => Err(Error::invalid("command", format!("expected {COMMANDS}, found {command}"))),
    }
}

fn nothing_else(fields: &Map<String, Value>) -> Result<(), Error> {
    match fields.keys().next() {
        Some(unknown) => Err(Error::invalid(unknown, "is not a field of this command, which has none")),
        None => Ok(()),
    }
}
