//! Recovery plans, as somebody writes them into the Parameter Store.

use failover::contract::{ProbeResponse, StepCall, StepFunction};
use failover::error::{Error, ErrorCode};
use failover::recovery_plan::{MAX_DOCUMENT_BYTES, RecoveryPlan};
use serde_json::{Value, json};

use super::world::{self, Function};

/// A plan's text.
///
/// - What is accepted is written and read again as the same, and has what a failover needs.
/// - What is refused is refused by an error that names the field.
/// - Every order on an accepted plan resolves to requests that the step functions can read, or is refused in words.
pub fn recovery_plan(bytes: &[u8]) {
    let Ok(document) = std::str::from_utf8(bytes) else {
        return;
    };
    let plan = match RecoveryPlan::parse(document) {
        Ok(plan) => plan,
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{error}");
            let named = matches!(&error, Error::InvalidRequest { field, .. } if field.starts_with("plan_document"));
            assert!(named, "{error}");
            return super::check_error(&error);
        }
    };
    check_accepted(&plan);
    for target in plan.regions() {
        for trigger in [
            json!({ "kind": "manual", "mode": "failover", "target_region": target, "reason": "a test" }),
            json!({ "kind": "manual", "mode": "switchover", "target_region": target, "reason": "a test" }),
            json!({ "kind": "preflight", "target_region": target }),
        ] {
            order(document, &plan, &trigger);
        }
    }
}

fn check_accepted(plan: &RecoveryPlan) {
    let written = serde_json::to_string(plan).expect("a plan can be written");
    // Written with its defaults it may be longer than the Parameter Store takes.
    if written.len() <= MAX_DOCUMENT_BYTES {
        assert_eq!(&RecoveryPlan::parse(&written).expect("what was written can be read"), plan);
    }
    assert!(plan.regions().count() >= 2, "there is nowhere to go");
    for source in plan.regions() {
        assert!(plan.targets_from(source).all(|target| target != source && plan.has(target)));
        for aurora in &plan.aurora {
            assert_eq!(&aurora.clusters[source].region(), source);
        }
    }
}

/// Gives the order, and sends what is to be checked to the steps.
fn order(document: &str, plan: &RecoveryPlan, trigger: &Value) {
    let request = json!({
        "command": "decide",
        "failover_id": "f1",
        "started_at": "2026-11-21T03:59:40Z",
        "plan_document": document,
        "input": { "plan": plan.name, "trigger": trigger },
    });
    let answer = world::run(async { world::probe(&world::aws(), request).await });
    match answer {
        Ok(ProbeResponse::Decide(answer)) => answer.checks.iter().for_each(check),
        Ok(other) => panic!("a decision was answered as something else: {other:?}"),
        Err(error) => {
            super::check_error(&error);
            assert!(
                matches!(error.code(), ErrorCode::InvalidRequest | ErrorCode::Refused),
                "an accepted plan fails otherwise than by its content: {error}"
            );
        }
    }
}

/// Sends a check to its function. That it finds something wrong is its purpose, but it has to be able to read it.
fn check(call: &StepCall) {
    let function = match call.function {
        StepFunction::PromoteAurora => Function::PromoteAurora,
        StepFunction::ScaleEcs => Function::ScaleEcs,
        StepFunction::ShiftDns => Function::ShiftDns,
    };
    let request = serde_json::to_value(&call.request).expect("a request can be written");
    world::run(async {
        let aws = world::aws();
        let outcome = world::step(&aws, function, request).await;
        world::check_refused_before_anything(&aws, &outcome);
        assert_eq!(world::written_keys(&aws), Vec::<String>::new(), "a check wrote something");
        if let Err(error) = outcome {
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "a check is answered, whatever it finds: {error}");
        }
    });
}
