//! Commands to `health-probe`, from the state machine, the schedule and people.

use failover::contract::{
    AcknowledgeRequest, ConcludeRequest, DecideRequest, JudgeFencesRequest, KillSwitchRequest, ProbeResponse,
};
use failover::error::ErrorCode;
use failover::testing::Request;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::world;

/// The operations by which `health-probe` changes something.
const CHANGES: [&str; 3] = ["dynamodb:UpdateItem", "states:StartExecution", "sns:Publish"];

/// A command.
///
/// - What cannot be read as the command that it names asks nothing of AWS.
/// - What is refused as invalid only after the ledger was read changes nothing.
/// - An answer is written and read again as the same.
pub fn probe_command(bytes: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let is_command = event.get("command").is_some() && event.get("Records").is_none();
    if !is_command {
        return;
    }
    let readable = reads_as_its_command(&event);
    world::run(async {
        let aws = world::aws();
        let outcome = world::probe(&aws, event.clone()).await;
        world::written_keys(&aws);
        if !readable {
            let error = outcome.as_ref().expect_err("what cannot be read is refused");
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{error}");
            world::check_refused_before_anything(&aws, &outcome);
        }
        match outcome {
            Ok(answer) => check_answer(&answer),
            Err(error) => {
                super::check_error(&error);
                assert_ne!(error.code(), ErrorCode::Bug, "it calls it a defect of its own: {error}");
                if error.code() == ErrorCode::InvalidRequest {
                    let mut asked = aws.all_requests().into_iter().map(|request: Request| request.name());
                    assert!(asked.all(|name| !CHANGES.contains(&name.as_str())), "{error}, but it changed something");
                }
            }
        }
    });
}

/// Whether the fields beside the command are those of its request. An event of Region switch is none.
fn reads_as_its_command(event: &Value) -> bool {
    let Some(fields) = event.as_object() else {
        return false;
    };
    let mut fields = fields.clone();
    let Some(command) = fields.remove("command") else {
        return false;
    };
    let fields = Value::Object(fields);
    match command.as_str() {
        _ if fields.get("planArn").is_some() || fields.get("executionId").is_some() => false,
        Some("decide") => super::read::<DecideRequest>(&fields).is_some(),
        Some("judge_fences") => super::read::<JudgeFencesRequest>(&fields).is_some(),
        Some("conclude") => super::read::<ConcludeRequest>(&fields).is_some(),
        Some("acknowledge") => super::read::<AcknowledgeRequest>(&fields).is_some(),
        Some("kill_switch") => super::read::<KillSwitchRequest>(&fields).is_some(),
        Some("watch") => fields == json!({}),
        Some(_) | None => false,
    }
}

/// That the state machine can hand the answer on and back.
fn check_answer(answer: &ProbeResponse) {
    match answer {
        ProbeResponse::Decide(answer) => check_written(answer.as_ref()),
        ProbeResponse::JudgeFences(answer) => check_written(answer.as_ref()),
        ProbeResponse::Conclude(answer) => check_written(answer.as_ref()),
        ProbeResponse::Trigger(answer) => check_written(answer),
        ProbeResponse::Watch(answer) => check_written(answer),
        ProbeResponse::Verify(answer) => check_written(answer),
        ProbeResponse::Operator(answer) => check_written(answer),
    }
}

fn check_written<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(answer: &T) {
    let written = serde_json::to_value(answer).expect("an answer can be written");
    let again: T = serde_json::from_value(written).expect("an answer can be read");
    assert_eq!(&again, answer);
}
