//! What an event of ARC Region switch becomes (X9): the failover it belongs to, and each function's own request.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::collections::{BTreeMap, BTreeSet};

use failover::contract::{Capacity, Initiator, PromotionMode, StepResponse, StepStatus};
use failover::error::{Error, ErrorCode};
use failover::region_switch::{Event, Mode, RegionSwitch, VARIABLE, finished};
use serde_json::{Value, json};

const HOME: &str = "eu-central-1";
const STANDBY: &str = "eu-west-1";

fn payload() -> Value {
    json!({
        "planArn": "arn:aws:arc-region-switch::123456789012:plan/trading:a1b2c3",
        "executionId": "eu-west-1/1b9d6bcd", "targetRegion": STANDBY, "action": "activate", "mode": "graceful",
    })
}

/// The event with these fields changed.
fn event(changes: &[(&str, &str)]) -> Event {
    let mut payload = payload();
    for (field, value) in changes {
        payload[field] = json!(value);
    }
    Event::of(&payload).expect("well-formed").expect("of Region switch")
}

fn template() -> Value {
    let cluster = |region: &str| format!("arn:aws:rds:{region}:123456789012:cluster:trading-{region}");
    json!({
        "aurora": {
            "global_cluster_id": "trading", "unplanned_mode": "detach",
            "clusters": { HOME: cluster(HOME), STANDBY: cluster(STANDBY) },
            "security_groups": {
                HOME: { "serving": ["sg-00000001"], "isolated": ["sg-00000002"] },
                STANDBY: { "serving": ["sg-00000003"], "isolated": ["sg-00000004"] },
            },
        },
        "ecs": {
            "clusters": { HOME: "frankfurt", STANDBY: "ireland" },
            "services": "all", "capacity": { "percent_of_source": { "percent": 100, "desired_if_unknown": 4 } },
        },
        "fence_timeout_seconds": 12,
        "traffic": { "failover_records": { "hosted_zone_id": "Z1", "records": [{
            "name": "app.example.com", "type": "A", "set_identifiers": { HOME: "frankfurt", STANDBY: "ireland" },
        }] } },
    })
}

fn read(template: &Value) -> Result<Option<RegionSwitch>, Error> {
    RegionSwitch::read(&BTreeMap::from([(VARIABLE, template.to_string().as_str())]))
}

fn configured() -> RegionSwitch {
    read(&template()).expect("well-formed").expect("set")
}

#[test]
fn requests_and_other_events_are_not_taken_for_region_switch() {
    for other in [
        json!(null),
        json!({}),
        json!({ "mode": "failover", "run": { "failover_id": "f-1" } }),
        json!({ "command": "watch" }),
        json!({ "Records": [] }),
    ] {
        assert_eq!(Event::of(&other).expect("no error"), None, "{other}");
    }
}

#[test]
fn fields_that_are_not_known_are_allowed_and_the_mode_may_be_missing() {
    let mut payload = payload();
    payload["stepName"] = json!("promote");
    payload.as_object_mut().expect("an object").remove("mode");
    let event = Event::of(&payload).expect("well-formed").expect("of Region switch");
    assert_eq!(event.mode, Mode::Graceful);
}

#[test]
fn each_field_that_is_missing_is_named_with_those_that_are_there() {
    for field in ["planArn", "executionId", "targetRegion", "action"] {
        let mut payload = payload();
        payload.as_object_mut().expect("an object").remove(field);
        let error = Event::of(&payload).expect_err(field);
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        let message = error.to_string();
        let there = payload.as_object().expect("an object").keys().cloned().collect::<Vec<_>>().join(", ");
        assert!(message.contains(&format!("missing field `{field}`")) && message.ends_with(&there), "{message}");
    }
}

#[test]
fn each_field_that_is_malformed_is_named_with_what_was_found() {
    for (field, value) in [
        ("planArn", "trading"),
        ("planArn", "arn:aws:arc-region-switch::12:plan/trading:a1b2c3"),
        ("planArn", "arn:aws:arc-region-switch::123456789012:plan/:a1b2c3"),
        ("executionId", ""),
        ("targetRegion", "Ireland"),
        ("action", "promote"),
        ("mode", "practice"),
    ] {
        let mut payload = payload();
        payload[field] = json!(value);
        let message = Event::of(&payload).expect_err(value).to_string();
        assert!(message.starts_with(&format!("{field}: ")) && message.contains(value), "{message}");
    }
}

#[test]
fn a_retry_is_the_same_failover_and_all_that_asks_for_something_else_is_another_one() {
    let others = [
        vec![],
        vec![("executionId", "eu-west-1/other")],
        vec![("planArn", "arn:aws:arc-region-switch::123456789012:plan/other:a1b2c3")],
        vec![("action", "deactivate")],
        vec![("mode", "ungraceful")],
    ];
    let ids: BTreeSet<String> = others.iter().map(|changes| event(changes).failover_id()).collect();
    assert_eq!(ids.len(), others.len());
    assert_eq!(event(&[]).failover_id(), event(&[("stepName", "again")]).failover_id());
}

#[test]
fn a_graceful_execution_switches_over_and_an_ungraceful_one_promotes_as_the_plan_says() {
    for (mode, expected) in [("graceful", PromotionMode::Switchover), ("ungraceful", PromotionMode::Detach)] {
        let event = event(&[("mode", mode)]);
        let request = configured().promotion(&event).expect("a request");
        assert_eq!(request.mode, expected);
        let cluster = request.target_cluster_arn.expect("named");
        assert_eq!(cluster.as_str(), "arn:aws:rds:eu-west-1:123456789012:cluster:trading-eu-west-1");
        assert_eq!(request.security_group_ids, Some(vec!["sg-00000003".to_owned()]));
        assert_eq!(request.run.failover_id.expect("derived").as_str(), event.failover_id());
        assert_eq!((request.run.generation, request.run.initiator), (None, Initiator::Alarm));
    }
}

#[test]
fn a_graceful_execution_promotes_otherwise_where_the_variable_says_so() {
    let mut template = template();
    template["graceful_mode"] = json!("failover");
    let configured = read(&template).expect("well-formed").expect("set");
    assert_eq!(configured.promotion(&event(&[])).expect("a request").mode, PromotionMode::Failover);
}

#[test]
fn services_are_scaled_in_the_region_that_is_activated_by_the_other_ones_count() {
    let request = configured().scaling(&event(&[("targetRegion", HOME)])).expect("a request");
    assert_eq!((request.cluster.as_str(), request.allow_scale_down), ("frankfurt", false));
    assert_eq!(request.timeout_seconds, None);
    let Capacity::PercentOfSource { source_region, source_cluster, .. } = request.capacity else {
        panic!("{:?}", request.capacity);
    };
    assert_eq!((source_region.as_str(), source_cluster.as_str()), (STANDBY, "ireland"));
}

#[test]
fn services_are_fenced_in_the_region_that_is_deactivated_unless_they_write_nothing() {
    let deactivate = event(&[("targetRegion", HOME), ("action", "deactivate")]);
    let request = configured().scaling(&deactivate).expect("a request");
    assert_eq!((request.cluster.as_str(), request.capacity), ("frankfurt", Capacity::Fenced));
    assert_eq!((request.allow_scale_down, request.timeout_seconds), (true, Some(12)));

    let mut template = template();
    template["ecs"]["fence"] = json!(false);
    let harmless = read(&template).expect("well-formed").expect("set");
    let error = harmless.scaling(&deactivate).expect_err("not to be fenced");
    assert!(error.to_string().contains("\"fence\": false"), "{error}");
}

#[test]
fn traffic_goes_to_the_region_that_is_activated() {
    let request = configured().shift(&event(&[("targetRegion", HOME)])).expect("a request");
    assert_eq!(request.target_region.expect("named").as_str(), HOME);
    assert_eq!(request.traffic.key(), "Z1");
}

#[test]
fn what_a_function_does_nothing_for_is_an_error_and_never_a_success() {
    let configured = configured();
    for action in ["deactivate", "postRecovery"] {
        let event = event(&[("action", action)]);
        let errors = [configured.promotion(&event).expect_err(action), configured.shift(&event).expect_err(action)];
        for error in errors {
            let message = error.to_string();
            assert!(message.starts_with("action: ") && message.contains(action), "{message}");
        }
    }
    let error = configured.scaling(&event(&[("action", "postRecovery")])).expect_err("nothing to do");
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
}

#[test]
fn a_region_that_the_variable_does_not_have_is_named_with_those_it_has() {
    let event = event(&[("targetRegion", "us-east-1")]);
    let configured = configured();
    let errors = [configured.promotion(&event).expect_err("no cluster"), configured.scaling(&event).expect_err("none")];
    for error in errors {
        let message = error.to_string();
        assert!(
            message.starts_with("targetRegion: us-east-1") && message.contains("eu-central-1, eu-west-1"),
            "{message}"
        );
    }
}

#[test]
fn without_the_variable_or_the_functions_part_of_it_the_error_names_it() {
    for unset in [BTreeMap::new(), BTreeMap::from([(VARIABLE, "")])] {
        let none = RegionSwitch::read(&unset).expect("optional");
        let error = RegionSwitch::needed(none.as_ref()).expect_err("not set");
        assert!(error.to_string().starts_with("environment variable REGION_SWITCH_REQUEST: is not set"), "{error}");
    }
    let empty = read(&json!({})).expect("well-formed").expect("set");
    for (part, error) in [
        ("aurora", empty.promotion(&event(&[])).expect_err("no part")),
        ("ecs", empty.scaling(&event(&[])).expect_err("no part")),
        ("traffic", empty.shift(&event(&[])).expect_err("no part")),
    ] {
        assert_eq!(error.code(), ErrorCode::Config);
        assert!(error.to_string().contains(&format!("REGION_SWITCH_REQUEST: has no {part:?}")), "{error}");
    }
}

#[test]
fn a_malformed_variable_is_an_error_at_the_start_that_names_the_field_in_it() {
    let with = |pointer: &str, value: Value| {
        let mut template = template();
        *template.pointer_mut(pointer).expect("there") = value;
        template
    };
    let arn = "arn:aws:rds:us-east-1:123456789012:cluster:trading";
    for (template, words) in [
        (with("/aurora/clusters/eu-west-1", json!(arn)), "aurora.clusters.eu-west-1: "),
        (with("/aurora/unplanned_mode", json!("switchover")), "aurora.unplanned_mode: "),
        (with("/ecs/clusters", json!({ HOME: "frankfurt" })), "ecs.capacity.percent_of_source: "),
        (with("/fence_timeout_seconds", json!(41)), "fence_timeout_seconds: "),
        (with("/traffic/failover_records/hosted_zone_id", json!("")), "traffic.failover_records.hosted_zone_id: "),
        (json!({ "auroa": {} }), "auroa"),
    ] {
        let error = read(&template).expect_err(words);
        assert_eq!(error.code(), ErrorCode::Config);
        let message = error.to_string();
        assert!(message.starts_with("environment variable REGION_SWITCH_REQUEST: "), "{message}");
        assert!(message.contains(words), "{message}");
    }
    let error = RegionSwitch::read(&BTreeMap::from([(VARIABLE, "{")])).expect_err("half of it");
    assert!(error.to_string().contains("is not JSON"), "{error}");
}

#[test]
fn done_is_a_success_and_what_is_under_way_an_error_that_has_region_switch_ask_again() {
    let response = |status: StepStatus| StepResponse {
        status,
        operation_id: "f-1#x".to_owned(),
        message: "the target is promoting".to_owned(),
        observed: Value::Null,
        action: Value::Null,
        ask_again_after_seconds: 5,
        attempt: 1,
        elapsed_ms: 1,
        from_ledger: false,
        findings: Vec::new(),
    };
    assert_eq!(finished(response(StepStatus::Done)).expect("done").operation_id, "f-1#x");
    let error = finished(response(StepStatus::InProgress)).expect_err("under way");
    assert_eq!(error.code(), ErrorCode::InProgress);
    assert!(error.to_string().contains("f-1#x") && error.to_string().contains("is promoting"), "{error}");
}
