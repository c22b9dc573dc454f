//! Inputs, outputs and variables:
//! <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>,
//! <https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html>

use serde_json::{Value, json};
use state_machine::End;

use crate::script::{Answer, Script, after, definition, drive, drive_with, failed, start};

async fn output(states: Value, input: Value, script: Script) -> Value {
    match drive_with(&definition(&states), &script, input).await {
        (End::Succeeded { output }, _) => output,
        (other, _) => panic!("{other:?}"),
    }
}

/// "Evaluation order in an Assign field": all expressions see the values that the variables had before the state, and
/// so does Output.
#[tokio::test(start_paused = true)]
async fn assign_and_output_see_the_values_from_before_the_state() {
    let states = json!({
        "A": {"Type": "Pass", "Assign": {"x": 1, "y": 2}, "Next": "B"},
        "B": {
            "Type": "Pass",
            "Assign": {"x": "{% $y %}", "y": "{% $x %}"},
            "Output": {"x": "{% $x %}", "y": "{% $y %}"},
            "Next": "C",
        },
        "C": {"Type": "Succeed", "Output": ["{% $states.input %}", "{% $x %}", "{% $y %}"]},
    });
    assert_eq!(output(states, json!({}), Script::new()).await, json!([{"x": 1, "y": 2}, 2, 1]));
}

/// "Transforming data", the default outputs: a task's is its result; that of Pass, Wait, Choice and Succeed their input.
#[tokio::test(start_paused = true)]
async fn without_an_output_a_state_hands_on_its_result_or_input() {
    let states = json!({
        "A": {"Type": "Pass", "Next": "B"},
        "B": {"Type": "Wait", "Seconds": 0, "Next": "C"},
        "C": {"Type": "Choice", "Choices": [{"Condition": true, "Next": "D"}]},
        "D": {"Type": "Succeed"},
    });
    assert_eq!(output(states, json!({"in": 1}), Script::new()).await, json!({"in": 1}));
    let task = json!({"T": {"Type": "Task", "Resource": "arn:x", "End": true}});
    let script = Script::new().on("T", Answer::Result(json!({"out": 1})));
    assert_eq!(output(task, json!({"in": 1}), script).await, json!({"out": 1}));
}

/// "Transforming data": without Arguments a task gets the state's input.
#[tokio::test(start_paused = true)]
async fn a_task_without_arguments_gets_the_input() {
    let states = json!({"T": {"Type": "Task", "Resource": "arn:x", "End": true}});
    let script = Script::new();
    drive_with(&definition(&states), &script, json!({"in": 1})).await;
    assert_eq!(script.arguments("T"), [json!({"in": 1})]);
}

/// The context object: <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html>
#[tokio::test(start_paused = true)]
async fn the_context_tells_execution_state_and_retries() {
    let context = json!({
        "execution": "{% $states.context.Execution.Name %}",
        "input": "{% $states.context.Execution.Input %}",
        "started": "{% $states.context.Execution.StartTime %}",
        "entered": "{% $states.context.State.EnteredTime %}",
        "state": "{% $states.context.State.Name %}",
        "retries": "{% $states.context.State.RetryCount %}",
    });
    let states = json!({
        "A": {"Type": "Wait", "Seconds": 90, "Output": "other", "Next": "T"},
        "T": {
            "Type": "Task",
            "Resource": "arn:x",
            "Arguments": context,
            "Retry": [{"ErrorEquals": ["A"], "IntervalSeconds": 5}],
            "End": true,
        },
    });
    let script = Script::new().on("T", failed("A")).on("T", Answer::Result(json!(1)));
    drive_with(&definition(&states), &script, json!({"in": 1})).await;
    let expected = |retries: u64| {
        json!({
            "execution": "abc--2",
            "input": {"in": 1},
            "started": "2026-11-21T12:00:00.000Z",
            "entered": "2026-11-21T12:01:30.000Z",
            "state": "T",
            "retries": retries,
        })
    };
    assert_eq!(script.arguments("T"), [expected(0), expected(1)]);
}

/// "Wait for a callback with the task token": each attempt has a token of its own, which stands in the context.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html>
#[tokio::test(start_paused = true)]
async fn every_attempt_that_waits_for_a_token_has_its_own() {
    let states = json!({
        "T": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish.waitForTaskToken",
            "Arguments": "{% $states.context.Task.Token %}",
            "Retry": [{"ErrorEquals": ["A"]}],
            "End": true,
        },
    });
    let script = Script::new().on("T", failed("A")).on("T", Answer::Result(json!("told")));
    drive(&definition(&states), &script).await;
    let attempts = script.attempts.borrow();
    let tokens: Vec<String> = attempts.iter().map(|(task, ..)| task.token.clone().unwrap()).collect();
    let sent: Vec<&str> = attempts.iter().map(|(.., sent)| sent.as_str().unwrap()).collect();
    assert_eq!(sent, tokens);
    assert_ne!(tokens[0], tokens[1]);
}

/// "Variable scope": a branch reads the variables around it, and what it assigns ends with it.
#[tokio::test(start_paused = true)]
async fn branches_and_iterations_read_outer_variables_and_keep_their_own() {
    let states = json!({
        "A": {"Type": "Pass", "Assign": {"outer": "o", "results": []}, "Next": "P"},
        "P": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "B", "States": {
                    "B": {"Type": "Pass", "Assign": {"own": "{% $outer & 'b' %}"}, "Next": "M"},
                    "M": {
                        "Type": "Map",
                        "Items": [1, 2],
                        "ItemProcessor": {"StartAt": "N", "States": {
                            "N": {"Type": "Pass", "Assign": {"item": "{% $own & $states.input %}"}, "Next": "O"},
                            "O": {"Type": "Pass", "Output": "{% $outer & $item %}", "End": true},
                        }},
                        "End": true,
                    },
                }},
                {"StartAt": "C", "States": {
                    "C": {"Type": "Pass", "Assign": {"own": "c"}, "Output": "{% $outer %}", "End": true},
                }},
            ],
            "Assign": {"results": "{% $states.result %}"},
            "Output": "{% $count($states.result) %}",
            "Next": "Z",
        },
        "Z": {"Type": "Succeed", "Output": ["{% $results %}", "{% $states.input %}"]},
    });
    let expected = json!([[["oob1", "oob2"], "o"], 2]);
    assert_eq!(output(states, json!({}), Script::new()).await, expected);
}

/// "Assign" of a Choice state: a rule's own counts when it matches, the state's own when none does.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html>
#[tokio::test(start_paused = true)]
async fn the_rule_that_matches_assigns_and_only_the_default_uses_the_states_own_assign() {
    let states = json!({
        "A": {"Type": "Pass", "Assign": {"by": "nobody"}, "Next": "C"},
        "C": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $states.input = 1 %}", "Assign": {"by": "rule"}, "Output": "of the rule", "Next": "Z"},
                {"Condition": "{% $states.input > 1 %}", "Next": "Z"},
            ],
            "Assign": {"by": "default"},
            "Output": "of the default",
            "Default": "Z",
        },
        "Z": {"Type": "Succeed", "Output": ["{% $by %}", "{% $states.input %}"]},
    });
    for (input, expected) in
        [(1, json!(["rule", "of the rule"])), (2, json!(["nobody", 2])), (0, json!(["default", "of the default"]))]
    {
        assert_eq!(output(states.clone(), json!(input), Script::new()).await, expected);
    }
}

/// "Process array data" and the Map state's ItemSelector: `$states.context.Map.Item`, also within the iteration.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemselector.html>
#[tokio::test(start_paused = true)]
async fn a_map_selects_what_each_iteration_gets_and_keeps_the_order_of_its_items() {
    let states = json!({
        "M": {
            "Type": "Map",
            "Items": "{% $states.input.items %}",
            "ItemSelector": {
                "index": "{% $states.context.Map.Item.Index %}",
                "value": "{% $states.context.Map.Item.Value %}",
                "all": "{% $count($states.input.items) %}",
            },
            "MaxConcurrency": 2,
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "T", "States": {
                "T": {
                    "Type": "Task",
                    "Resource": "arn:x",
                    "Output": {"input": "{% $states.input %}", "index": "{% $states.context.Map.Item.Index %}"},
                    "End": true,
                },
            }},
            "End": true,
        },
    });
    // The first item comes last.
    let script = Script::new().on("T", after(9, Answer::Result(json!(1)))).on("T", Answer::Result(json!(1)));
    let result = output(states.clone(), json!({"items": ["a", "b", "c"]}), script).await;
    let item = |index: u64, value: &str| json!({"input": {"index": index, "value": value, "all": 3}, "index": index});
    assert_eq!(result, json!([item(0, "a"), item(1, "b"), item(2, "c")]));
    assert_eq!(output(states.clone(), json!({"items": []}), Script::new()).await, json!([]));

    let (end, _) = drive_with(&definition(&states), &Script::new(), json!({"items": "a"})).await;
    assert!(matches!(end, End::Failed { error, .. } if error == "States.QueryEvaluationError"));
}

/// The context's Map.Item is that of the iteration around a state, also within a branch, and again behind an inner map.
#[tokio::test(start_paused = true)]
async fn the_item_of_an_iteration_is_known_in_its_branches_and_behind_inner_maps() {
    let item = "{% $states.context.Map.Item.Value %}";
    let inner = json!({
        "Type": "Map",
        "Items": [1, 2],
        "ItemSelector": item,
        "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "Output": item, "End": true}}},
        "Output": [item, "{% $states.result %}"],
        "End": true,
    });
    let states = json!({
        "M": {
            "Type": "Map",
            "Items": ["a", "b"],
            "ItemProcessor": {"StartAt": "P", "States": {
                "P": {"Type": "Parallel", "Branches": [{"StartAt": "N", "States": {"N": inner}}], "End": true},
            }},
            "End": true,
        },
    });
    assert_eq!(output(states, json!({}), Script::new()).await, json!([[["a", [1, 2]]], [["b", [1, 2]]]]));
}

/// A Fail state's Error and Cause may be expressions.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/state-fail.html>
#[tokio::test(start_paused = true)]
async fn a_fail_state_says_what_its_expressions_yield() {
    let states = json!({"F": {"Type": "Fail", "Error": "{% $states.input.e %}", "Cause": "as it is"}});
    let (end, _) = drive_with(&definition(&states), &Script::new(), json!({"e": "E"})).await;
    assert_eq!(end, End::Failed { error: "E".to_owned(), cause: "as it is".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn the_history_tells_when_each_state_was_entered() {
    let definition = definition(&json!({
        "A": {"Type": "Wait", "Seconds": "{% $states.input.seconds %}", "Next": "B"},
        "B": {"Type": "Succeed"},
    }));
    let mut entered = Vec::new();
    state_machine::run(&definition, start(json!({"seconds": 3})), &Script::new(), |state| entered.push(state)).await;
    let begun = crate::script::STARTED_AT_MS;
    assert_eq!(entered.iter().map(|state| state.at_ms - begun).collect::<Vec<_>>(), [0, 3000]);
}
