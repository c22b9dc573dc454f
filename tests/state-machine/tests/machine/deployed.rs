//! The deployed definition, driven through scripted tasks to its documented ends (ARCHITECTURE.md, "The state
//! machine").

use serde_json::{Value, json};
use state_machine::End;

use crate::script::{Answer, Script, after, answered, deployed, drive, failed};

fn notification() -> Value {
    json!({"subject": "a subject", "message": "a message"})
}

/// What health-probe decides, with the fields that it always has.
fn decision(decision: &str, more: Value) -> Value {
    let mut decided = json!({
        "decision": decision,
        "message": "because",
        "history": [{"at": 1}],
        "checks": [],
        "run": null,
        "notification": notification(),
        "ask_again_after_seconds": 5,
    });
    decided.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    decided
}

/// A run of two waves, with one fence, and one way to shift.
fn fail_over() -> Value {
    let fence = json!({"function": "promote-aurora", "request": {"fence": "orders"}});
    decision(
        "fail_over",
        json!({"run": {
            "fences": [fence],
            "waves": [
                {"promotions": [{"promote": "orders"}, {"promote": "users"}], "scalings": [{"scale": "shop"}]},
                {"promotions": [{"promote": "reports"}], "scalings": []},
            ],
            "shifts": [{"shift": "www"}],
        }}),
    )
}

fn step(status: &str, of: &str) -> Value {
    json!({"status": status, "of": of, "message": "seen", "ask_again_after_seconds": 5})
}

fn judgement(verdict: &str) -> Value {
    json!({
        "verdict": verdict,
        "fences": [{"outcome": "confirmed"}],
        "message": "judged",
        "notification": notification(),
        "ask_again_after_seconds": 3,
    })
}

fn conclusion(status: &str) -> Value {
    json!({"status": status, "report": {"rto_ms": 90_000}, "notification": notification(), "ask_again_after_seconds": 2})
}

/// Everything goes well, unless a test scripts it otherwise before.
fn well(script: Script) -> Script {
    script
        .otherwise("Decide", answered(&fail_over()))
        .otherwise("FenceTarget", answered(&step("done", "fence")))
        .otherwise("JudgeFences", answered(&judgement("go_on")))
        .otherwise("Promote", answered(&step("done", "promotion")))
        .otherwise("Scale", answered(&step("done", "scaling")))
        .otherwise("Shift", answered(&step("done", "shift")))
        .otherwise("Conclude", answered(&conclusion("done")))
        .otherwise("ConcludeFailed", answered(&conclusion("done")))
}

/// Branches whose tasks take no time run one after the other.
const BEFORE_THE_WAVES: [&str; 12] = [
    "Begin",
    "LoadPlan",
    "Decide",
    "Decided",
    "Fence",
    "Fence[0]/Fences",
    "Fence[0]/Fences[0]/FenceTarget",
    "Fence[0]/Fences[0]/TargetFenced",
    "Fence[1]/Announce",
    "Fence[1]/Announced",
    "Fenced",
    "JudgeFences",
];

fn top_level(states: &[String]) -> Vec<&str> {
    states.iter().map(String::as_str).filter(|path| !path.contains('/')).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failover_that_succeeds_goes_through_all_waves_and_reports() {
    let script = well(Script::new());
    let (end, states) = drive(&deployed(), &script).await;
    assert_eq!(end, End::Succeeded { output: json!({"rto_ms": 90_000}) });
    assert_eq!(states[..BEFORE_THE_WAVES.len()], BEFORE_THE_WAVES);
    let rest =
        ["FencesJudged", "NextWave", "Act", "Acted", "AllActed", "NextWave", "Act", "Acted", "AllActed", "NextWave"];
    let end = ["Shifts", "Shifted", "Conclude", "Concluded", "NotifyFinished", "Finished"];
    assert_eq!(top_level(&states)[7..], [rest.as_slice(), end.as_slice()].concat());
    for path in ["Act[0]/Promotions[0]/Promote", "Act[0]/Promotions[1]/Promote", "Act[1]/Scalings[0]/ScalingEnded"] {
        assert!(states.iter().any(|state| state == path), "{path} is not in {states:#?}");
    }

    // The conclusion gets what every wave answered, and the run that was decided.
    let payload = &script.arguments("Conclude")[0]["Payload"];
    assert_eq!(payload["failover_id"], "abc");
    assert_eq!(payload["started_at"], "2026-11-21T12:00:00.000Z");
    assert_eq!(payload["run"], fail_over()["run"]);
    assert_eq!(payload["fences"], json!([{"outcome": "confirmed"}]));
    assert_eq!(payload["promotions"], json!(vec![step("done", "promotion"); 3]));
    assert_eq!(payload["scalings"], json!([step("done", "scaling")]));
    assert_eq!(payload["shifts"], json!([step("done", "shift")]));
    let promoted: Vec<Value> = script.arguments("Promote").iter().map(|sent| sent["Payload"].clone()).collect();
    assert_eq!(promoted, [json!({"promote": "orders"}), json!({"promote": "users"}), json!({"promote": "reports"})]);
    let ends = &script.arguments("JudgeFences")[0]["Payload"]["ends"];
    assert_eq!(ends, &json!([{"call": fail_over()["run"]["fences"][0], "response": step("done", "fence")}]));
    assert!(script.arguments("FenceTarget")[0]["FunctionName"].as_str().unwrap().ends_with(":promote-aurora"));
}

#[tokio::test(start_paused = true)]
async fn the_steps_are_checked_before_they_are_decided() {
    let checks =
        json!([{"function": "scale-ecs", "request": {"n": 1}}, {"function": "shift-dns", "request": {"n": 2}}]);
    let script = Script::new()
        .on("Decide", answered(&decision("wait", json!({"checks": checks}))))
        .on("Decide", answered(&decision("checked", json!({"report": 1}))))
        .on("CheckStep", answered(&step("ready", "check")))
        .on("CheckStep", failed("Failover.Refused"));
    let (end, states) = drive(&deployed(), &script).await;
    assert_eq!(end, End::Succeeded { output: decision("checked", json!({"report": 1})) });
    let expected = ["Begin", "LoadPlan", "Decide", "Decided", "Check", "Decide", "Decided", "Checked"];
    assert_eq!(top_level(&states), expected);
    let second = &script.arguments("Decide")[1]["Payload"];
    assert_eq!(second["history"], json!([{"at": 1}]));
    assert_eq!(
        second["checked"],
        json!([
            {"call": checks[0], "response": step("ready", "check")},
            {"call": checks[1], "failure": {"Error": "Failover.Refused", "Cause": "of the script"}},
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_stands_down_tells_people_and_ends_with_the_decision() {
    let decided = decision("stand_down", json!({}));
    let script = Script::new().on("Decide", answered(&decided));
    let (end, states) = drive(&deployed(), &script).await;
    assert_eq!(end, End::Succeeded { output: decided });
    assert_eq!(states, ["Begin", "LoadPlan", "Decide", "Decided", "NotifyStandDown", "StoodDown"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_evidence_takes_as_long_as_the_decision_says() {
    let script = Script::new()
        .on("Decide", answered(&decision("wait", json!({}))))
        .on("Decide", answered(&decision("wait", json!({"ask_again_after_seconds": 7}))))
        .on("Decide", answered(&decision("stand_down", json!({}))));
    let begun = tokio::time::Instant::now();
    let (_, states) = drive(&deployed(), &script).await;
    assert_eq!(begun.elapsed().as_secs(), 12);
    assert_eq!(states.iter().filter(|state| *state == "AwaitNextLook").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_approves_is_followed_and_the_question_says_how_to_answer() {
    let script = well(
        Script::new()
            .on("Decide", answered(&decision("ask", json!({}))))
            .on("Decide", answered(&fail_over()))
            .on("AskPerson", after(60, Answer::Result(json!({"approved": true})))),
    );
    let (end, states) = drive(&deployed(), &script).await;
    assert!(matches!(end, End::Succeeded { .. }), "{end:?}");
    assert_eq!(top_level(&states)[2..7], ["Decide", "Decided", "AskPerson", "Answered", "Decide"]);
    assert_eq!(script.arguments("Decide")[1]["Payload"]["approved"], true);
    let (task, question) = script.attempt("AskPerson");
    let question = question["Message"].as_str().unwrap().to_owned();
    let token = task.token.unwrap();
    assert!(question.contains(&format!("--task-output '{{\"approved\":true}}' --task-token {token}\n")), "{question}");
    assert!(question.contains("Until: 2026-11-21T12:15:00.000Z without such a word"), "{question}");
    assert!(question.contains("at the latest 2026-11-21T13:00:00.000Z, question 1 of 4."), "{question}");
}

#[tokio::test(start_paused = true)]
async fn a_person_who_declines_ends_the_run_as_stood_down() {
    let script = Script::new()
        .on("Decide", answered(&decision("ask", json!({}))))
        .on("AskPerson", Answer::Result(json!({"approved": false})));
    let (end, states) = drive(&deployed(), &script).await;
    let End::Succeeded { output } = end else { panic!("{end:?}") };
    assert_eq!(output["decision"], "stand_down");
    assert_eq!(output["notification"]["message"], "A person declined the failover: because");
    assert_eq!(states[4..], ["AskPerson", "Answered", "NotifyStandDown", "StoodDown"]);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_asked_four_times_and_then_the_run_fails() {
    let script = well(Script::new().on("Decide", answered(&decision("ask", json!({})))).on("AskPerson", Answer::Never));
    let begun = tokio::time::Instant::now();
    let (end, states) = drive(&deployed(), &script).await;
    let cause = "No decision after 5 looks at the evidence and 4 unanswered questions. Last: because";
    assert_eq!(end, End::Failed { error: "States.Timeout".to_owned(), cause: cause.to_owned() });
    assert_eq!(states.iter().filter(|state| *state == "AskPerson").count(), 4);
    assert_eq!(states[states.len() - 3..], ["ConcludeFailed", "NotifyFailed", "Failed"]);
    // Without a heartbeat each question is open for 900 s.
    assert_eq!(begun.elapsed().as_secs(), 4 * 900);
    let failure = &script.arguments("ConcludeFailed")[0]["Payload"]["error"];
    assert_eq!(failure, &json!({"Error": "States.Timeout", "Cause": cause}));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_keep_a_question_open_until_its_timeout() {
    let script = Script::new()
        .on("Decide", answered(&decision("ask", json!({}))))
        .on("Decide", answered(&decision("stand_down", json!({}))))
        .on("AskPerson", Answer::Heartbeats(vec![800, 1600, 2400, 3200, 3500]));
    let begun = tokio::time::Instant::now();
    let (end, _) = drive(&deployed(), &script).await;
    assert!(matches!(end, End::Succeeded { .. }), "{end:?}");
    assert_eq!(begun.elapsed().as_secs(), 3600);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_stops_no_other_and_no_traffic_moves() {
    let script = well(
        Script::new()
            .on("Promote", failed("Failover.Refused"))
            .on("Promote", after(30, answered(&step("done", "promotion")))),
    );
    let (end, states) = drive(&deployed(), &script).await;
    assert_eq!(end, End::Failed { error: "Failover.Refused".to_owned(), cause: "of the script".to_owned() });
    assert!(!states.iter().any(|state| state == "Shifts"), "{states:#?}");
    let ended = |path: &str| states.iter().any(|state| state == path);
    assert!(ended("Act[0]/Promotions[0]/NotifyPromotionFailed"), "{states:#?}");
    assert!(ended("Act[0]/Promotions[1]/PromotionEnded") && ended("Act[1]/Scalings[0]/ScalingEnded"), "{states:#?}");
    let concluded = &script.arguments("ConcludeFailed")[0]["Payload"];
    assert_eq!(concluded["outcome"], "failed");
    assert_eq!(concluded["error"], json!({"Error": "Failover.Refused", "Cause": "of the script"}));
    assert_eq!(concluded["promotions"], json!([step("done", "promotion")]));
    let (_, told) = script.attempt("NotifyPromotionFailed");
    assert_eq!(told["Subject"], "Failover step failed (promotion): abc--2");
}

#[tokio::test(start_paused = true)]
async fn a_superseded_run_concludes_nothing() {
    let script = well(Script::new().on("Scale", failed("Failover.Superseded")));
    let (end, states) = drive(&deployed(), &script).await;
    assert_eq!(end, End::Failed { error: "Failover.Superseded".to_owned(), cause: "of the script".to_owned() });
    assert_eq!(top_level(&states)[9..], ["Act", "Acted", "AllActed", "NotifySuperseded", "Failed"]);
    assert_eq!(script.arguments("ConcludeFailed"), Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_step_in_progress_is_asked_again_until_it_is_done() {
    let script = well(
        Script::new()
            .on("Shift", answered(&step("in_progress", "shift")))
            .on("Shift", answered(&step("in_progress", "shift")))
            .on("Shift", answered(&step("done", "shift"))),
    );
    let begun = tokio::time::Instant::now();
    let (end, states) = drive(&deployed(), &script).await;
    assert!(matches!(end, End::Succeeded { .. }), "{end:?}");
    assert_eq!(begun.elapsed().as_secs(), 10);
    let within: Vec<&str> = states.iter().filter_map(|state| state.strip_prefix("Shifts[0]/")).collect();
    let ask = ["Shift", "ShiftStatus", "AwaitShift"];
    assert_eq!(within, [&ask[..], &ask, &["Shift", "ShiftStatus", "ShiftEnded"]].concat());
}

#[tokio::test(start_paused = true)]
async fn a_step_that_stays_in_progress_is_given_up_after_its_asks() {
    let script = well(Script::new().on("Shift", answered(&step("in_progress", "shift"))));
    let (end, states) = drive(&deployed(), &script).await;
    let cause = "Not done after 30 asks: seen".to_owned();
    assert_eq!(end, End::Failed { error: "Failover.InProgress".to_owned(), cause });
    assert_eq!(states.iter().filter(|state| *state == "Shifts[0]/Shift").count(), 30);
}

#[tokio::test(start_paused = true)]
async fn fences_that_are_required_and_that_nobody_vouches_for_end_the_run_before_any_promotion() {
    let script = well(
        Script::new()
            .on("JudgeFences", answered(&judgement("wait")))
            .on("JudgeFences", answered(&judgement("ask")))
            .on("AskAboutFences", Answer::Never),
    );
    let (end, states) = drive(&deployed(), &script).await;
    let cause = "Nobody answered in time. judged".to_owned();
    assert_eq!(end, End::Failed { error: "Failover.Refused".to_owned(), cause });
    let judged = ["JudgeFences", "FencesJudged", "AwaitLease", "JudgeFences", "FencesJudged", "AskAboutFences"];
    assert_eq!(top_level(&states)[6..12], judged);
    assert_eq!(script.arguments("Promote"), Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again_and_a_lost_plan_fails_the_run() {
    let script = well(Script::new().on("Promote", Answer::Never).on("Promote", answered(&step("done", "promotion"))));
    let begun = tokio::time::Instant::now();
    let (end, _) = drive(&deployed(), &script).await;
    assert!(matches!(end, End::Succeeded { .. }), "{end:?}");
    // The attempt's 60 s, and a jitter of at most one second.
    assert!((60..=61).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());

    let script = well(Script::new().on("LoadPlan", failed("Ssm.ParameterNotFoundException")));
    let (end, states) = drive(&deployed(), &script).await;
    let error = "Ssm.ParameterNotFoundException".to_owned();
    assert_eq!(end, End::Failed { error, cause: "of the script".to_owned() });
    assert_eq!(states, ["Begin", "LoadPlan", "ConcludeFailed", "NotifyFailed", "Failed"]);
    assert_eq!(script.arguments("LoadPlan").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_cannot_be_concluded_is_told_with_both_causes() {
    let script =
        well(Script::new().on("Decide", failed("Failover.Config")).on("ConcludeFailed", failed("Failover.Denied")));
    let (end, states) = drive(&deployed(), &script).await;
    assert_eq!(end, End::Failed { error: "Failover.Config".to_owned(), cause: "of the script".to_owned() });
    assert_eq!(states[2..], ["Decide", "ConcludeFailed", "NotifyUnconcluded", "Failed"]);
    let (_, told) = script.attempt("NotifyUnconcluded");
    let message = told["Message"].as_str().unwrap();
    assert!(message.contains(r#"What failed: {"Cause":"of the script","Error":"Failover.Config"}"#), "{message}");
    assert!(message.contains(r#"concluded: {"Cause":"of the script","Error":"Failover.Denied"}"#), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_run_is_over_after_the_definitions_own_timeout() {
    let script =
        well(Script::new().on("Decide", answered(&decision("wait", json!({"ask_again_after_seconds": 3600})))));
    let begun = tokio::time::Instant::now();
    let (end, _) = drive(&deployed(), &script).await;
    assert_eq!(end, End::TimedOut);
    assert_eq!(begun.elapsed().as_secs(), 14_400);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let script = well(
            Script::new()
                .on("Promote", failed("Failover.Transient"))
                .on("Scale", failed("Failover.InProgress"))
                .on("Promote", failed("Lambda.Unknown"))
                .on("Promote", answered(&step("done", "promotion")))
                .on("Scale", answered(&step("done", "scaling"))),
        );
        let begun = tokio::time::Instant::now();
        let (end, states) = drive(&deployed(), &script).await;
        runs.push((end, states, begun.elapsed()));
    }
    assert_eq!(runs[0], runs[1]);
    assert!(!runs[0].2.is_zero(), "nothing was retried");
}
