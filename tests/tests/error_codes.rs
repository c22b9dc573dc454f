//! The state machine's `Retry` and `Catch` against the error codes of the functions, both ways (F2, F4).
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeSet;

use failover::error::{Disposition, ErrorCode};
use failover_tests::template::{all_states, definition, strings};
use serde_json::Value;

/// What only the definition can name: errors of Lambda, of Step Functions and of its integrations.
const FOREIGN_PREFIXES: [&str; 5] = ["Lambda.", "States.", "Sandbox.", "Runtime.", "Ssm."];

fn invocations() -> Vec<(String, Value)> {
    let definition = definition().expect("the definition is readable");
    let states: Vec<_> = all_states(&definition)
        .into_iter()
        .filter(|(_, state)| state["Resource"].as_str().is_some_and(|resource| resource.ends_with("lambda:invoke")))
        .collect();
    assert_eq!(states.len(), 9, "decide, check, fence, judge, promote, scale, shift, and both conclusions");
    states
}

fn named(state: &Value, kind: &str) -> BTreeSet<String> {
    state[kind].as_array().into_iter().flatten().flat_map(|rule| strings(&rule["ErrorEquals"])).collect()
}

#[test]
fn every_error_code_is_handled_at_every_invocation_as_its_disposition_says() {
    for (name, state) in invocations() {
        let (retried, caught) = (named(&state, "Retry"), named(&state, "Catch"));
        for code in ErrorCode::ALL {
            let text = code.as_str();
            match code.disposition() {
                Disposition::Retry | Disposition::AskAgain => {
                    assert!(retried.contains(text), "{name} does not retry {text}");
                }
                Disposition::Stop | Disposition::Yield | Disposition::Fail => {
                    assert!(caught.contains(text), "{name} does not catch {text}");
                    assert!(!retried.contains(text), "{name} retries {text}, which cannot succeed by repeating");
                }
            }
        }
    }
}

#[test]
fn the_definition_names_no_error_code_that_no_function_has() {
    let known: BTreeSet<&str> = ErrorCode::ALL.into_iter().map(ErrorCode::as_str).collect();
    for (name, state) in all_states(&definition().expect("readable")) {
        for error in named(&state, "Retry").union(&named(&state, "Catch")) {
            let foreign = FOREIGN_PREFIXES.iter().any(|prefix| error.starts_with(prefix));
            assert!(foreign || known.contains(error.as_str()), "{name} names {error}");
        }
    }
}

#[test]
fn a_superseded_run_concludes_nothing() {
    for (name, state) in invocations() {
        let rules = state["Catch"].as_array().expect("it catches");
        let rule =
            rules.iter().find(|rule| strings(&rule["ErrorEquals"]).iter().any(|error| error == "Failover.Superseded"));
        let next = rule.expect("it catches Failover.Superseded")["Next"].as_str().expect("a state").to_owned();
        assert!(!next.starts_with("Conclude"), "{name} goes to {next}");
    }
}

#[test]
fn every_task_and_every_retry_is_bounded() {
    let definition = definition().expect("readable");
    assert!(definition["TimeoutSeconds"].is_number(), "the whole run is bounded");
    for (name, state) in all_states(&definition) {
        if state["Type"] == "Task" {
            // A parameter of the stack comes in as an expression, since a number's place cannot hold one.
            let by_parameter = state["TimeoutSeconds"].as_str().is_some_and(|text| text.contains("TimeoutSeconds}"));
            assert!(state["TimeoutSeconds"].is_number() || by_parameter, "{name} has no timeout");
        }
        for retry in state["Retry"].as_array().into_iter().flatten() {
            let attempts = retry["MaxAttempts"].as_u64().expect("a number of attempts");
            let bounded = attempts == 0 || retry["MaxDelaySeconds"].is_number();
            assert!(bounded, "{name} retries {} without a cap on the delay", retry["ErrorEquals"]);
        }
    }
}

#[test]
fn every_failure_ends_in_a_notification() {
    let definition = definition().expect("readable");
    let states = &definition["States"];
    for (name, state) in states.as_object().expect("states") {
        let nexts = state["Catch"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|rule| &rule["Next"])
            .chain([&state["Next"], &state["Default"]]);
        for next in nexts.filter_map(Value::as_str).filter(|next| states[next]["Type"] == "Fail") {
            assert!(name.starts_with("Notify"), "{name} goes to {next} without telling anybody");
        }
    }
}
