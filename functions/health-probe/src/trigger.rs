//! `trigger`: one execution for each incident, however often its alarm is delivered (F2, F8).
//!
//! SNS delivers at least once, and Lambda tries an asynchronous event up to three times. Three things make that one
//! execution: the execution's name follows from the incident; the ledger lets one delivery work
//! and answers the later ones; and Step Functions refuses a name it has seen.

use std::time::Duration;

use aws_lambda_events::sns::SnsRecord;
use failover::aws_call::{CallError, Meaning};
use failover::contract::{self, ExecutionInput, FailoverId, Trigger, TriggerOutcome, TriggerResponse};
use failover::env::{Deadline, millis};
use failover::error::{Error, chain};
use failover::ledger::{Claim, Claimed, Event};
use failover::retry;
use failover::step::lease_of;
use serde_json::{Value, json};
use tracing::Instrument;

use crate::alarm::AlarmChange;
use crate::{HealthProbe, notice};

/// How long a delivery waits for another one that is at work on the same incident. That takes a second; the wait turns
/// a burst of duplicates into answers from the ledger instead of errors. When it is over, the delivery fails with
/// `Failover.InProgress`, so that Lambda tries it again a minute later: should the other one have died by then, this
/// one takes over. To answer "started" at once would lose the incident with the other delivery's last attempt.
const WAIT_FOR_OTHER: Duration = Duration::from_secs(5);
/// The time between two looks at the other delivery.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Handles each record of an SNS event.
///
/// # Errors
/// The first record's that failed, once all are handled: an alarm in good order is not held up by a broken one, and a
/// repeat of the event is harmless, since the good ones are answered from the ledger.
pub(crate) async fn trigger(
    probe: &HealthProbe,
    records: &Value,
    deadline: Deadline,
) -> Result<TriggerResponse, Error> {
    let Some(records) = records.as_array().filter(|records| !records.is_empty()) else {
        let problem = "expected a list with at least one record".to_owned();
        return Err(Error::invalid("Records", problem));
    };
    let mut outcomes = Vec::new();
    let mut first_error = None;
    for (index, record) in records.iter().enumerate() {
        match one(probe, index, record, deadline).await {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => {
                tracing::error!(record = index, code = %error.code(), error = %chain(&error), "the record failed");
                first_error.get_or_insert(error);
            }
        }
    }
    first_error.map_or(Ok(TriggerResponse { records: outcomes }), Err)
}

async fn one(probe: &HealthProbe, index: usize, record: &Value, deadline: Deadline) -> Result<TriggerOutcome, Error> {
    let at = format!("Records[{index}]");
    let record: SnsRecord = contract::parse_at(&at, record.clone())?;
    let known = &probe.settings.trigger_alarm_arns;
    let change = AlarmChange::parse(&record.sns.message, known, &format!("{at}.Sns.Message"))?;
    if change.state != "ALARM" {
        let reason = format!("alarm {} went to {}, which starts nothing", change.name, change.state);
        tracing::info!(alarm_arn = change.arn, reason, "ignored");
        return Ok(TriggerOutcome::Ignored { reason });
    }
    if !known.contains(&change.arn) {
        // Logged and not notified: whoever set the alarm up is told by its own topic, and an unknown alarm must not be
        // able to send mail in this function's name.
        let reason = format!("alarm {} is not among TRIGGER_ALARM_ARNS", change.arn);
        tracing::warn!(alarm_arn = change.arn, reason, "ignored");
        return Ok(TriggerOutcome::Ignored { reason });
    }
    let failover_id = change.incident()?;
    probe.tools.trace.annotate(failover_id.as_str());
    // An SNS event names no failover; from here on it has one, and every line shows it.
    let span = tracing::info_span!("incident", failover_id = failover_id.as_str(), alarm_arn = change.arn);
    start_once(probe, &change, &failover_id, deadline).instrument(span).await?;
    Ok(TriggerOutcome::Started { failover_id })
}

/// Starts the execution and tells people, unless another delivery has.
async fn start_once(
    probe: &HealthProbe,
    change: &AlarmChange,
    failover_id: &FailoverId,
    deadline: Deadline,
) -> Result<(), Error> {
    let record = match claim(probe, change, failover_id, deadline).await? {
        Claimed::Completed(_) => {
            tracing::info!("started before");
            return Ok(());
        }
        Claimed::Granted(record) => *record,
    };
    let outcome = match start_execution(probe, change, failover_id).await {
        Ok(()) => tell(probe, change, failover_id, deadline).await,
        Err(error) => Err(error),
    };
    let event = match &outcome {
        Ok(()) => Event::Complete { result: json!({ "failover_id": failover_id }) },
        // Whatever it was, Lambda tries again, and each part is safe to repeat.
        Err(error) => Event::Fail { error: chain(error), retryable: true },
    };
    let written = probe.tools.ledger.record(&record, event).await;
    outcome?;
    written.map(drop)
}

async fn claim(
    probe: &HealthProbe,
    change: &AlarmChange,
    failover_id: &FailoverId,
    deadline: Deadline,
) -> Result<Claimed, Error> {
    let tools = &probe.tools;
    let claim = Claim {
        operation_id: format!("{failover_id}#trigger#{}", change.name),
        failover_id: failover_id.to_string(),
        request_hash: change.digest(),
        owner: tools.env.owner_token(),
        lease_expires: lease_of(deadline, tools.config.access.call_timeout),
    };
    let began = tools.env.now();
    loop {
        let waited_ms = tools.env.now().millis_since(began);
        match tools.ledger.claim(&claim).await {
            Err(Error::InProgress { .. }) if waited_ms < millis(WAIT_FOR_OTHER) => tools.env.sleep(LOOK_AGAIN).await,
            outcome => return outcome,
        }
    }
}

async fn start_execution(probe: &HealthProbe, change: &AlarmChange, failover_id: &FailoverId) -> Result<(), Error> {
    let tools = &probe.tools;
    let input = ExecutionInput { plan: tools.config.plan.clone(), trigger: Trigger::Alarm(change.trigger()) };
    let input = serde_json::to_string(&input).map_err(|error| Error::Bug {
        doing: "writing the execution's input".to_owned(),
        problem: error.to_string(),
    })?;
    // With the SDK's retries although it is a change: the name makes it idempotent, also while its outcome is unknown.
    // https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    let client = aws_sdk_sfn::Client::new(&tools.clients.reading(&tools.config.dr_region));
    let request = client
        .start_execution()
        .state_machine_arn(&probe.settings.state_machine_arn)
        .name(failover_id.as_str())
        .input(input)
        .send();
    match tools.calls.call("states", "StartExecution", request).await {
        Ok(_) => tracing::info!("started"),
        // The execution of this name has ended, or was started by hand with another input: it was for this incident.
        Err(error) if error.code == "ExecutionAlreadyExists" => tracing::info!("the execution exists"),
        Err(error) => return Err(broken(error, "starting the execution", "STATE_MACHINE_ARN")),
    }
    Ok(())
}

/// Tells people that a failover is considered (F11).
///
/// SNS cannot be asked what it has sent, so a delivery that takes over from one that died tells them again: rather twice
/// than not at all.
async fn tell(
    probe: &HealthProbe,
    change: &AlarmChange,
    failover_id: &FailoverId,
    deadline: Deadline,
) -> Result<(), Error> {
    let tools = &probe.tools;
    let notification = notice::considered(&tools.config, change, failover_id);
    let client = aws_sdk_sns::Client::new(&tools.clients.once(&tools.config.dr_region));
    let publish = || {
        let request = client
            .publish()
            .topic_arn(&probe.settings.notification_topic_arn)
            .subject(&notification.subject)
            .message(&notification.message);
        tools.calls.call("sns", "Publish", request.send())
    };
    let told = retry::change(&tools.env, deadline, publish).await;
    told.map(drop)
        .map_err(|error| broken(error, "telling people that a failover is considered", "NOTIFICATION_TOPIC_ARN"))
}

/// A call about something that the environment names.
fn broken(error: CallError, doing: &str, variable: &str) -> Error {
    match error.meaning {
        Meaning::NotFound | Meaning::Invalid => {
            Error::Config { variable: variable.to_owned(), problem: format!("AWS cannot use it: {error}") }
        }
        Meaning::Throttled
        | Meaning::Denied
        | Meaning::Conflict
        | Meaning::Forbidden
        | Meaning::Unavailable
        | Meaning::Unreachable => Error::from_read(doing, error),
    }
}
