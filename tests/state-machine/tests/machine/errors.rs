//! Retry and Catch: <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>

use serde_json::{Value, json};
use state_machine::End;
use tokio::time::Instant;

use crate::script::{Answer, Script, after, definition, drive, failed, start};

fn retried(retry: Value) -> Value {
    json!({"T": {"Type": "Task", "Resource": "arn:x", "Arguments": {}, "TimeoutSeconds": 60, "Retry": retry, "End": true}})
}

fn caught(errors: Value) -> Value {
    json!({
        "T": {
            "Type": "Task",
            "Resource": "arn:x",
            "Arguments": {},
            "TimeoutSeconds": 60,
            "Catch": [{"ErrorEquals": errors, "Output": "{% $states.errorOutput.Error %}", "Next": "U"}],
            "Next": "U",
        },
        "U": {"Type": "Succeed"},
    })
}

async fn is_caught(errors: Value, answer: Answer) -> bool {
    let (end, _) = drive(&definition(&caught(errors)), &Script::new().on("T", answer)).await;
    matches!(end, End::Succeeded { .. })
}

/// In the history of an execution a task that timed out has an error and no cause.
#[tokio::test(start_paused = true)]
async fn the_error_output_of_a_timeout_has_no_cause() {
    let mut states = caught(json!(["States.Timeout"]));
    states["T"]["Catch"][0]["Output"] = json!("{% $states.errorOutput %}");
    let (end, _) = drive(&definition(&states), &Script::new().on("T", Answer::Never)).await;
    assert_eq!(end, End::Succeeded { output: json!({"Error": "States.Timeout"}) });
}

/// "Retrying after an error": the interval of the n-th retry is IntervalSeconds times BackoffRate to the power n - 1,
/// at most MaxDelaySeconds.
#[tokio::test(start_paused = true)]
async fn retries_back_off_up_to_the_maximum_delay() {
    let states = retried(json!([{
        "ErrorEquals": ["A"], "IntervalSeconds": 2, "BackoffRate": 3.0, "MaxDelaySeconds": 10, "MaxAttempts": 4,
    }]));
    let script = Script::new().on("T", failed("A"));
    let begun = Instant::now();
    let (end, _) = drive(&definition(&states), &script).await;
    assert_eq!(begun.elapsed().as_secs(), 2 + 6 + 10 + 10);
    assert_eq!(end, End::Failed { error: "A".to_owned(), cause: "of the script".to_owned() });
    let counts: Vec<u64> = script.attempts.borrow().iter().map(|(task, ..)| task.retry_count).collect();
    assert_eq!(counts, [0, 1, 2, 3, 4]);
}

/// "Retrying after an error": IntervalSeconds is 1, MaxAttempts 3 and BackoffRate 2.0 by default.
#[tokio::test(start_paused = true)]
async fn a_retrier_without_numbers_retries_three_times_after_one_two_and_four_seconds() {
    let script = Script::new().on("T", failed("A"));
    let begun = Instant::now();
    drive(&definition(&retried(json!([{"ErrorEquals": ["A"]}]))), &script).await;
    assert_eq!(begun.elapsed().as_secs(), 7);
    assert_eq!(script.attempts.borrow().len(), 4);
}

/// "Retrying after an error", JitterStrategy: FULL draws the delay between 0 and the interval.
#[tokio::test(start_paused = true)]
async fn full_jitter_draws_a_delay_within_the_interval_from_the_seed() {
    let states =
        retried(json!([{"ErrorEquals": ["A"], "IntervalSeconds": 100, "MaxAttempts": 1, "JitterStrategy": "FULL"}]));
    let definition = definition(&states);
    let mut delays = Vec::new();
    for seed in [1, 1, 2, 3, 4, 5] {
        let script = Script::new().on("T", failed("A"));
        let begun = Instant::now();
        let with_seed = state_machine::Start { seed, ..start(json!({})) };
        state_machine::run(&definition, with_seed, &script, |_| ()).await;
        delays.push(begun.elapsed().as_millis());
    }
    assert!(delays.iter().all(|delay| *delay <= 100_000), "{delays:?}");
    assert_eq!(delays[0], delays[1]);
    delays.sort_unstable();
    delays.dedup();
    assert_eq!(delays.len(), 5, "{delays:?}");
}

/// States Language, "Errors": retriers are looked through in order, and each counts its own attempts.
#[tokio::test(start_paused = true)]
async fn the_first_retrier_that_matches_counts_and_each_has_attempts_of_its_own() {
    let states = retried(json!([
        {"ErrorEquals": ["A"], "MaxAttempts": 1},
        {"ErrorEquals": ["B"], "MaxAttempts": 0},
        {"ErrorEquals": ["States.ALL"], "MaxAttempts": 2},
    ]));
    let definition = definition(&states);
    for (errors, attempts) in
        [(["A", "A", "A"], 2), (["A", "C", "A"], 3), (["C", "C", "C"], 3), (["C", "A", "C"], 4), (["B", "A", "A"], 1)]
    {
        let script = errors.iter().fold(Script::new(), |script, error| script.on("T", failed(error)));
        drive(&definition, &script).await;
        assert_eq!(script.attempts.borrow().len(), attempts, "{errors:?}");
    }
}

/// States Language, "Errors": a state that is entered again begins with all its attempts.
#[tokio::test(start_paused = true)]
async fn a_state_that_is_entered_again_has_all_its_attempts_again() {
    let definition = definition(&json!({
        "A": {"Type": "Pass", "Assign": {"rounds": 0}, "Next": "T"},
        "T": {
            "Type": "Task",
            "Resource": "arn:x",
            "Retry": [{"ErrorEquals": ["A"], "MaxAttempts": 1}],
            "Assign": {"rounds": "{% $rounds + 1 %}"},
            "Next": "Z",
        },
        "Z": {"Type": "Choice", "Choices": [{"Condition": "{% $rounds < 2 %}", "Next": "T"}], "Default": "End"},
        "End": {"Type": "Succeed"},
    }));
    let answers = [failed("A"), Answer::Result(json!(1)), failed("A"), Answer::Result(json!(2))];
    let script = answers.into_iter().fold(Script::new(), |script, answer| script.on("T", answer));
    let (end, _) = drive(&definition, &script).await;
    assert_eq!(end, End::Succeeded { output: json!(2) });
    assert_eq!(script.attempts.borrow().len(), 4);
}

/// "Error names": States.ALL catches neither States.DataLimitExceeded nor States.Runtime, States.TaskFailed
/// everything but a timeout, and States.Timeout a lost heartbeat as well.
#[tokio::test(start_paused = true)]
async fn error_names_match_as_documented() {
    let too_much = || Answer::Bytes(256 * 1024 + 1);
    assert!(is_caught(json!(["A", "B"]), failed("B")).await);
    assert!(!is_caught(json!(["A"]), failed("a")).await);
    assert!(is_caught(json!(["States.ALL"]), failed("A")).await);
    assert!(is_caught(json!(["States.ALL"]), Answer::Never).await);
    assert!(!is_caught(json!(["States.ALL"]), too_much()).await);
    assert!(is_caught(json!(["States.DataLimitExceeded"]), too_much()).await);
    assert!(!is_caught(json!(["States.ALL"]), failed("States.Runtime")).await);
    assert!(is_caught(json!(["States.TaskFailed"]), failed("A")).await);
    assert!(!is_caught(json!(["States.TaskFailed"]), too_much()).await);
    assert!(!is_caught(json!(["States.TaskFailed"]), Answer::Never).await);
    assert!(is_caught(json!(["States.Timeout"]), Answer::Never).await);
    assert!(!is_caught(json!(["States.HeartbeatTimeout"]), Answer::Never).await);
}

/// "Error names": a task that does not send a heartbeat within HeartbeatSeconds fails with States.HeartbeatTimeout,
/// which States.Timeout matches too.
#[tokio::test(start_paused = true)]
async fn a_lost_heartbeat_is_a_timeout_that_has_its_own_name() {
    let states = |errors: &str| {
        json!({
            "T": {
                "Type": "Task",
                "Resource": "arn:x.waitForTaskToken",
                "TimeoutSeconds": 100,
                "HeartbeatSeconds": "{% 5 + 5 %}",
                "Catch": [{"ErrorEquals": [errors], "Output": "{% $states.errorOutput.Error %}", "Next": "U"}],
                "Next": "U",
            },
            "U": {"Type": "Succeed"},
        })
    };
    for (errors, heartbeats, error, seconds) in [
        ("States.HeartbeatTimeout", vec![], "States.HeartbeatTimeout", 10),
        ("States.Timeout", vec![8, 16], "States.HeartbeatTimeout", 26),
        ("States.Timeout", (1..=20).map(|n| n * 9).collect(), "States.Timeout", 100),
    ] {
        let begun = Instant::now();
        let script = Script::new().on("T", Answer::Heartbeats(heartbeats));
        let (end, _) = drive(&definition(&states(errors)), &script).await;
        assert_eq!(end, End::Succeeded { output: json!(error) });
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
}

/// "Timeouts" of a Task state: TimeoutSeconds counts for each attempt, and takes a number or an expression.
#[tokio::test(start_paused = true)]
async fn a_timeout_counts_for_each_attempt() {
    let states = |timeout: Value| {
        let retry = json!([{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 2}]);
        json!({"T": {"Type": "Task", "Resource": "arn:x", "TimeoutSeconds": timeout, "Retry": retry, "End": true}})
    };
    for timeout in [json!(10), json!("{% $states.input.seconds %}")] {
        let script = Script::new().on("T", Answer::Never).on("T", after(9, Answer::Result(json!("late"))));
        let begun = Instant::now();
        let definition = definition(&states(timeout));
        let (end, _) = crate::script::drive_with(&definition, &script, json!({"seconds": 10})).await;
        assert_eq!(end, End::Succeeded { output: json!("late") });
        assert_eq!(begun.elapsed().as_secs(), 10 + 1 + 9);
        assert_eq!(*script.finished.borrow(), ["T"], "the attempt that timed out was dropped");
    }
    for (timeout, seconds) in [(json!("{% 0 %}"), 0), (json!("{% 1.5 %}"), 0), (json!("{% '10' %}"), 0)] {
        let begun = Instant::now();
        let (end, _) = drive(&definition(&states(timeout)), &Script::new()).await;
        assert!(matches!(end, End::Failed { error, .. } if error == "States.QueryEvaluationError"));
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
}

/// Which of the two happens first at the same moment is nobody's promise; here it is always the result, so that a run
/// is the same each time.
#[tokio::test(start_paused = true)]
async fn a_result_at_the_moment_of_the_timeout_counts_every_time() {
    let states = json!({"T": {"Type": "Task", "Resource": "arn:x", "TimeoutSeconds": 10, "End": true}});
    let definition = definition(&states);
    for _ in 0..20 {
        let script = Script::new().on("T", after(10, Answer::Result(json!("late"))));
        assert_eq!(drive(&definition, &script).await.0, End::Succeeded { output: json!("late") });
    }
}

/// "Fallback states": the catchers are asked when no attempt is left, and the error output is the default output.
#[tokio::test(start_paused = true)]
async fn a_catcher_comes_after_the_last_retry_and_hands_on_the_error() {
    let definition = definition(&json!({
        "A": {"Type": "Pass", "Assign": {"seen": null}, "Next": "T"},
        "T": {
            "Type": "Task",
            "Resource": "arn:x",
            "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}],
            "Catch": [{"ErrorEquals": ["A"], "Assign": {"seen": "{% $states.errorOutput.Cause %}"}, "Next": "U"}],
            "Assign": {"seen": "not on an error"},
            "End": true,
        },
        "U": {"Type": "Succeed", "Output": {"input": "{% $states.input %}", "seen": "{% $seen %}"}},
    }));
    let script = Script::new().on("T", failed("A"));
    let (end, _) = drive(&definition, &script).await;
    let error = json!({"Error": "A", "Cause": "of the script"});
    assert_eq!(end, End::Succeeded { output: json!({"input": error, "seen": "of the script"}) });
    assert_eq!(script.attempts.borrow().len(), 2);
}

/// States Language, "Predefined error codes": a type error, an undefined value and a value of the wrong type are
/// States.QueryEvaluationError, which the state's own retriers and catchers see.
#[tokio::test(start_paused = true)]
async fn an_expression_that_fails_is_an_error_of_its_state() {
    for field in ["Arguments", "Output"] {
        for expression in ["{% 1 + 'x' %}", "{% $states.input.missing %}"] {
            let mut states = caught(json!(["States.QueryEvaluationError"]));
            states["T"][field] = json!({"a": [expression]});
            let (end, _) = drive(&definition(&states), &Script::new()).await;
            assert_eq!(end, End::Succeeded { output: json!("States.QueryEvaluationError") }, "{field} {expression}");
        }
    }
    let pass = json!({"P": {"Type": "Pass", "Output": "{% $states.input.missing %}", "End": true}});
    let (end, _) = drive(&definition(&pass), &Script::new()).await;
    let cause = "The JSONata expression '$states.input.missing' of the field 'Output' returned nothing (undefined).";
    assert_eq!(end, End::Failed { error: "States.QueryEvaluationError".to_owned(), cause: cause.to_owned() });
}

/// States Language, "Parallel State" and "Map State": they take Retry and Catch, and begin anew as a whole.
#[tokio::test(start_paused = true)]
async fn a_parallel_state_is_retried_as_a_whole() {
    let definition = definition(&json!({
        "P": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:x", "End": true}}},
                {"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": "arn:x", "End": true}}},
            ],
            "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": 1}],
            "End": true,
        },
    }));
    let script =
        Script::new().on("A", Answer::Result(json!("a"))).on("B", failed("E")).on("B", Answer::Result(json!("b")));
    let (end, states) = drive(&definition, &script).await;
    assert_eq!(end, End::Succeeded { output: json!(["a", "b"]) });
    assert_eq!(states, ["P", "P[0]/A", "P[1]/B", "P[0]/A", "P[1]/B"]);
}
