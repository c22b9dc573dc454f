//! Branches, iterations and what ends them; quotas.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use state_machine::{Definition, End};
use tokio::time::Instant;

use crate::script::{Answer, Script, after, definition, drive, drive_with, failed};

fn branch(name: &str) -> Value {
    json!({"StartAt": name, "States": {name: {"Type": "Task", "Resource": "arn:x", "End": true}}})
}

/// <https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html>: all branches at once, their outputs in
/// the order of the branches.
#[tokio::test(start_paused = true)]
async fn branches_run_at_once_and_keep_their_order() {
    let states = json!({"P": {"Type": "Parallel", "Branches": [branch("A"), branch("B")], "End": true}});
    let script =
        Script::new().on("A", after(9, Answer::Result(json!("a")))).on("B", after(5, Answer::Result(json!("b"))));
    let begun = Instant::now();
    let (end, _) = drive_with(&definition(&states), &script, json!({"in": 1})).await;
    assert_eq!(end, End::Succeeded { output: json!(["a", "b"]) });
    assert_eq!(begun.elapsed().as_secs(), 9);
    assert_eq!(script.arguments("B"), [json!({"in": 1})]);
}

/// The Parallel state: if a branch fails, the whole state fails and the others are stopped.
#[tokio::test(start_paused = true)]
async fn a_branch_that_fails_stops_the_others() {
    let states = json!({"P": {"Type": "Parallel", "Branches": [branch("A"), branch("B")], "End": true}});
    let script = Script::new().on("A", after(9, Answer::Result(json!(1)))).on("B", after(5, failed("E")));
    let begun = Instant::now();
    let (end, _) = drive(&definition(&states), &script).await;
    assert_eq!(end, End::Failed { error: "E".to_owned(), cause: "of the script".to_owned() });
    assert_eq!(begun.elapsed().as_secs(), 5);
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(*script.finished.borrow(), ["P[1]/B"]);
}

/// The Map state: MaxConcurrency bounds the iterations at a time, at most 40 whatever it says, and one that fails fails
/// the state. <https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html>
#[tokio::test(start_paused = true)]
async fn iterations_are_bounded_and_one_that_fails_stops_the_others() {
    let states =
        |most: u64| json!({"M": {"Type": "Map", "MaxConcurrency": most, "ItemProcessor": branch("T"), "End": true}});
    let items: Vec<u64> = (0..100).collect();
    for (most, seconds) in [(1, 1000), (10, 100), (0, 30), (90, 30)] {
        let script = Script::new().on("T", after(10, Answer::Result(json!(1))));
        let begun = Instant::now();
        let (end, _) = drive_with(&definition(&states(most)), &script, json!(items)).await;
        assert!(matches!(end, End::Succeeded { .. }), "{end:?}");
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
    let script = Script::new()
        .on("T", after(10, Answer::Result(json!(1))))
        .on("T", after(5, failed("E")))
        .on("T", after(10, Answer::Result(json!(1))));
    let (end, states) = drive_with(&definition(&states(3)), &script, json!(items)).await;
    assert_eq!(end, End::Failed { error: "E".to_owned(), cause: "of the script".to_owned() });
    assert_eq!(states, ["M", "M[0]/T", "M[1]/T", "M[2]/T"]);
}

/// <https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html>: the rules are tried in order; without a
/// match and a Default it is States.NoChoiceMatched; a condition is a boolean.
#[tokio::test(start_paused = true)]
async fn a_choice_takes_the_first_rule_that_matches_and_needs_one() {
    let states = json!({
        "C": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $states.input.n > 1 %}", "Next": "Y"},
                {"Condition": "{% $states.input.n > 0 %}", "Next": "Z"},
                {"Condition": "{% $states.input.x %}", "Next": "Z"},
            ],
        },
        "Y": {"Type": "Succeed"},
        "Z": {"Type": "Succeed"},
    });
    let definition = definition(&states);
    for (input, last) in [(json!({"n": 2}), "Y"), (json!({"n": 1}), "Z"), (json!({"n": 0, "x": true}), "Z")] {
        assert_eq!(drive_with(&definition, &Script::new(), input).await.1, ["C", last]);
    }
    for (input, expected) in [
        (json!({"n": 0, "x": false}), "States.NoChoiceMatched"),
        (json!({"n": 0, "x": 1}), "States.QueryEvaluationError"),
        (json!({"n": 0}), "States.QueryEvaluationError"),
    ] {
        let (end, _) = drive_with(&definition, &Script::new(), input).await;
        assert!(matches!(&end, End::Failed { error, .. } if error == expected), "{end:?}");
    }
}

/// "Quotas": 256 KiB for the input or result of a task, state or execution.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
#[tokio::test(start_paused = true)]
async fn payloads_are_limited() {
    let task = json!({"T": {"Type": "Task", "Resource": "arn:x", "Arguments": {}, "End": true}});
    for (bytes, fits) in [(256 * 1024, true), (256 * 1024 + 1, false)] {
        let (end, _) = drive(&definition(&task), &Script::new().on("T", Answer::Bytes(bytes))).await;
        assert_eq!(matches!(end, End::Succeeded { .. }), fits, "{bytes}");
    }
    let twice = "{% $states.input & $states.input %}";
    for state in [
        json!({"Type": "Pass", "Output": twice, "End": true}),
        json!({"Type": "Pass", "Assign": {"a": "{% $states.input %}", "b": "{% $states.input %}"}, "End": true}),
        json!({"Type": "Task", "Resource": "arn:x", "Arguments": twice, "End": true}),
    ] {
        let definition = definition(&json!({"S": state}));
        let (end, _) = drive_with(&definition, &Script::new(), json!("x".repeat(200_000))).await;
        assert!(matches!(&end, End::Failed { error, .. } if error == "States.DataLimitExceeded"), "{end:?}");
    }
    let input = json!("x".repeat(300_000));
    let (end, states) = drive_with(&definition(&task), &Script::new(), input).await;
    assert!(matches!(&end, End::Failed { error, .. } if error == "States.DataLimitExceeded"), "{end:?}");
    assert_eq!(states, Vec::<String>::new());
}

/// "Quotas": 25,000 events in the history of an execution. A task has five: entered, scheduled, started, succeeded and
/// exited; a choice has two.
#[tokio::test(start_paused = true)]
async fn an_execution_that_goes_in_circles_ends_at_the_quota_of_its_history() {
    let definition = definition(&json!({
        "A": {"Type": "Task", "Resource": "arn:x", "Arguments": {}, "Next": "C"},
        "C": {"Type": "Choice", "Choices": [{"Condition": false, "Next": "Z"}], "Default": "A"},
        "Z": {"Type": "Succeed"},
    }));
    let (end, states) = drive(&definition, &Script::new()).await;
    assert!(matches!(&end, End::Failed { error, .. } if error == "States.Runtime"), "{end:?}");
    // 1 + 7 * 3571 + 2 = 25,000: the last task is entered, and no more.
    assert_eq!(states.len(), 2 * 3571 + 1);
}

/// States Language, top-level TimeoutSeconds: an execution that runs longer is over, whatever its states catch.
#[tokio::test(start_paused = true)]
async fn the_whole_has_a_timeout_of_its_own() {
    let text = json!({
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": 100,
        "StartAt": "T",
        "States": {
            "T": {
                "Type": "Task",
                "Resource": "arn:x",
                "Retry": [{"ErrorEquals": ["States.Timeout"]}],
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "U"}],
                "Next": "U",
            },
            "U": {"Type": "Succeed"},
        },
    });
    let definition = Definition::parse(&text.to_string(), &BTreeMap::new()).unwrap();
    let begun = Instant::now();
    let (end, states) = drive(&definition, &Script::new().on("T", Answer::Never)).await;
    assert_eq!(end, End::TimedOut);
    assert_eq!((begun.elapsed().as_secs(), states), (100, vec!["T".to_owned()]));
}
