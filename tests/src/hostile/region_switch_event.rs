//! Events of ARC Region switch, which every function understands.

use failover::contract::FailoverId;
use failover::error::ErrorCode;
use failover::region_switch::Event;
use serde_json::Value;

use super::world::{self, Function};

/// An event.
///
/// - What is taken for an event of Region switch and cannot be read is refused by every function before anything else.
/// - The failover that it belongs to has a name that Step Functions takes, and is the same whatever else the event has
///   and wherever its workload goes.
/// - Repeated, it is the same operation.
pub fn region_switch_event(bytes: &[u8]) {
    let Ok(payload) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let read = Event::of(&payload);
    let event = match &read {
        Ok(None) => return,
        Ok(Some(event)) => Some(event),
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{error}");
            super::check_error(error);
            None
        }
    };
    if let Some(event) = event {
        check_identity(event, &payload);
    }
    for function in Function::ALL {
        let (first, second) = (invoke(function, &payload, event), invoke(function, &payload, event));
        assert_eq!(first, second, "a repeat is another operation of {function:?}");
    }
    world::run(async {
        let aws = world::aws();
        let outcome = world::probe(&aws, payload.clone()).await;
        world::check_refused_before_anything(&aws, &outcome);
        assert!(event.is_some() || outcome.is_err(), "health-probe took what cannot be read");
        assert_eq!(world::written_keys(&aws), Vec::<String>::new(), "looking writes nothing");
    });
}

fn check_identity(event: &Event, payload: &Value) {
    let id = event.failover_id();
    assert!(FailoverId::parse(&id).is_ok(), "no name of a failover: {id:?}");
    let mut other = payload.clone();
    other["targetRegion"] = "eu-north-1".into();
    other["somethingNew"] = "x".into();
    let other = Event::of(&other).expect("readable").expect("of Region switch");
    assert_eq!(other.failover_id(), id, "the execution, the action and the mode alone say which failover it is");
    let mut another = payload.clone();
    another["executionId"] = format!("{}-2", event.execution_id).into();
    let another = Event::of(&another).expect("readable").expect("of Region switch");
    assert_ne!(another.failover_id(), id, "another execution is the same failover");
}

/// The keys of the ledger's items that an invocation writes.
fn invoke(function: Function, payload: &Value, event: Option<&Event>) -> Vec<String> {
    world::run(async {
        let aws = world::aws();
        let outcome = world::step(&aws, function, payload.clone()).await;
        world::check_refused_before_anything(&aws, &outcome);
        let keys = world::written_keys(&aws);
        match (event, outcome) {
            (None, outcome) => {
                let error = outcome.expect_err("what cannot be read is refused");
                assert_eq!(error.code(), ErrorCode::InvalidRequest, "{error}");
            }
            (Some(event), _) => {
                let own = format!("{}#", event.failover_id());
                assert!(keys.iter().all(|key| key.starts_with(&own)), "{keys:?} of {own}");
            }
        }
        keys
    })
}
