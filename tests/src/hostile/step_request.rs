//! Requests to the step functions.

use failover::contract::{IsolateRequest, PromoteRequest, ScaleRequest, ShiftRequest, StepRequest};
use failover::error::ErrorCode;
use serde_json::Value;

use super::world::{self, Function};

/// A request, given to every step function.
///
/// - It is a request to one function at most: that is how the state machine's types are told apart.
/// - What is accepted is written and read again as the same.
/// - What is refused as invalid asks nothing of AWS, and its error names the field.
/// - A dry run and a preflight write nothing, and no step writes to an item that is not an operation's.
/// - Equal requests are the same operation.
pub fn step_request(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let accepted = accepted_as(&value);
    for function in Function::ALL {
        let keys = [invoke(function, &value), invoke(function, &value)];
        assert_eq!(keys[0], keys[1], "equal requests to {function:?} are two operations");
        let for_it = accepted.as_ref().is_none_or(|request| request.clone().call().function == of(function));
        assert!(for_it || keys[0].is_empty(), "{function:?} takes a request that is for another: {keys:?}");
    }
}

const fn of(function: Function) -> failover::contract::StepFunction {
    match function {
        Function::PromoteAurora => failover::contract::StepFunction::PromoteAurora,
        Function::ScaleEcs => failover::contract::StepFunction::ScaleEcs,
        Function::ShiftDns => failover::contract::StepFunction::ShiftDns,
    }
}

/// The one request that it is, if any.
fn accepted_as(value: &Value) -> Option<StepRequest> {
    let each = [
        super::read::<IsolateRequest>(value).map(StepRequest::Isolate),
        super::read::<PromoteRequest>(value).map(StepRequest::Promote),
        super::read::<ScaleRequest>(value).map(StepRequest::Scale),
        super::read::<ShiftRequest>(value).map(StepRequest::Shift),
    ];
    let accepted: Vec<StepRequest> = each.into_iter().flatten().collect();
    assert!(accepted.len() <= 1, "it is a request to more than one function: {accepted:?}");
    let read = serde_json::from_value::<StepRequest>(value.clone()).ok();
    assert_eq!(accepted.first(), read.as_ref(), "read as one of several it is another");
    read
}

/// The keys of the ledger's items that an invocation writes.
fn invoke(function: Function, value: &Value) -> Vec<String> {
    world::run(async {
        let aws = world::aws();
        let outcome = world::step(&aws, function, value.clone()).await;
        world::check_refused_before_anything(&aws, &outcome);
        if let Ok(response) = &outcome {
            serde_json::to_value(response).expect("an answer can be written");
        }
        let keys = world::written_keys(&aws);
        let writes_nothing = |name: &str| value["run"][name] == true;
        assert!(keys.is_empty() || !(writes_nothing("dry_run") || writes_nothing("preflight")), "it wrote {keys:?}");
        let plan_items = keys.iter().filter(|key| key.starts_with("plan#"));
        assert_eq!(plan_items.count(), 0, "a step wrote to a plan's item: {keys:?}");
        let is_bug = outcome.is_err_and(|error| error.code() == ErrorCode::Bug);
        assert!(!is_bug, "the step calls it a defect of its own: {value}");
        keys
    })
}
