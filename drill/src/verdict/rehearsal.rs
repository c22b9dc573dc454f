//! What a dry run said, and whether the real run did just that (X2).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Check, listed};
use crate::stage::Run;

/// Each of these steps was asked and said what it would do, and the report claims no recovery.
#[must_use]
pub fn rehearsed(run: &Run, steps: &[&str]) -> Check {
    let actions = actions(run, "would_act");
    let would_act = |step: &str| {
        let operation = format!("{step}#");
        actions.iter().any(|(id, action)| id.starts_with(&operation) && action.is_object())
    };
    let found: Vec<&str> = steps.iter().copied().filter(|step| would_act(step)).collect();
    let report = &run.execution.output;
    let no_recovery = report["outcome"] == "succeeded" && report["rto_ms"].is_null() && report["rpo_ms"].is_null();
    let claim = format!("{} said what they would do, and no recovery is reported", steps.join(", "));
    Check::new(claim, found == steps && no_recovery, format!("{}; {}", found.join(", "), report["outcome"]))
}

/// What each step of the rehearsal would have done is what the same step of the real run has done.
#[must_use]
pub fn rehearsal_came_true(rehearsal: &Run, real: &Run) -> Check {
    let (said, done) = (actions(rehearsal, "would_act"), actions(real, "done"));
    let missing = said.iter().filter(|(id, action)| done.get(*id) != Some(*action));
    let surplus = done.iter().filter(|(id, action)| !action.is_null() && !said.contains_key(*id));
    let in_words = |map: &BTreeMap<String, Value>, id: &str| map.get(id).map_or("nothing".to_owned(), Value::to_string);
    let differing: Vec<String> = missing
        .chain(surplus)
        .map(|(id, _)| format!("{id}: said {}, done {}", in_words(&said, id), in_words(&done, id)))
        .collect();
    let passed = !said.is_empty() && differing.is_empty();
    Check::new("the real run did exactly what the dry run had said", passed, listed(differing))
}

/// The preflights of both runs found the same.
#[must_use]
pub fn same_findings(rehearsal: &Run, real: &Run) -> Check {
    let (before, after) = (findings(rehearsal), findings(real));
    let differing: Vec<String> = before
        .iter()
        .filter(|finding| !after.contains(finding))
        .map(|finding| format!("only the dry run: {finding}"))
        .chain(
            after
                .iter()
                .filter(|finding| !before.contains(finding))
                .map(|finding| format!("only the real run: {finding}")),
        )
        .collect();
    let passed = !before.is_empty() && differing.is_empty() && before.len() == after.len();
    let claim = "the preflights of the dry run and of the real run found the same".to_owned();
    let found = if passed { format!("{} findings each", before.len()) } else { listed(differing) };
    Check::new(claim, passed, found)
}

/// The actions of a run's steps by operation, without the failover's id, from their last answers with this status.
fn actions(run: &Run, status: &str) -> BTreeMap<String, Value> {
    let own = format!("{}#", run.failover_id());
    let answers = run.history.iter().map(|event| &event.output["Payload"]).filter(|answer| answer["status"] == status);
    let action = |answer: &Value| {
        let id = answer["operation_id"].as_str()?.strip_prefix(&own)?;
        // A record change's comment names the failover, which differs.
        let text = answer["action"].to_string().replace(run.failover_id(), "this failover");
        Some((id.to_owned(), serde_json::from_str(&text).ok()?))
    };
    answers.filter_map(action).collect()
}

/// What the run's preflight found, sorted: check, subject, severity, what it blocks and its cure. The message may hold
/// what changes from one look to the next.
fn findings(run: &Run) -> Vec<String> {
    let mut answers = run.history.iter().map(|event| &event.output["Payload"]);
    let decided = answers.rfind(|answer| answer["decision"] == "fail_over");
    let found = decided.and_then(|answer| answer["findings"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let in_words = |finding: &Value| {
        let parts =
            ["check", "subject", "severity", "blocks", "cure"].map(|name| finding[name].as_str().unwrap_or("-"));
        parts.join(" | ")
    };
    let mut found: Vec<String> = found.iter().map(in_words).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::execution::Event;
    use crate::recorded;

    fn answer(payload: &Value) -> Event {
        Event { output: json!({ "Payload": payload }), ..Event::default() }
    }

    fn run_of(status: &str, action: &Value, severity: &str) -> Run {
        let mut run = recorded::run();
        let id = format!("{}#promote-aurora#trading", run.execution.name);
        let finding = json!({ "check": "lag", "subject": "trading", "severity": severity, "message": "7 ms" });
        run.history = vec![
            answer(&json!({ "decision": "fail_over", "findings": [finding] })),
            answer(&json!({ "operation_id": id, "status": status, "action": action })),
        ];
        run.execution.output = json!({ "outcome": "succeeded" });
        run
    }

    #[test]
    fn a_rehearsal_has_an_action_of_each_step_and_reports_no_recovery() {
        assert!(!rehearsed(&recorded::run(), &["promote-aurora"]).passed, "it was promoted, not rehearsed");
        let mut run = run_of("would_act", &json!({ "mode": "switchover" }), "ok");
        assert!(rehearsed(&run, &["promote-aurora"]).passed);
        assert!(!rehearsed(&run, &["promote-aurora", "scale-ecs"]).passed);
        run.execution.output["rto_ms"] = 1.into();
        assert!(!rehearsed(&run, &["promote-aurora"]).passed);
        assert!(!rehearsed(&run_of("would_act", &Value::Null, "ok"), &["promote-aurora"]).passed);
    }

    #[test]
    fn a_step_that_did_something_else_more_or_less_is_seen() {
        let switchover = json!({ "mode": "switchover" });
        let said = run_of("would_act", &switchover, "ok");
        let came_true = |real: &Run| rehearsal_came_true(&said, real).passed;
        assert!(came_true(&run_of("done", &switchover, "ok")));
        assert!(!came_true(&run_of("done", &json!({ "mode": "failover" }), "ok")));
        assert!(!came_true(&run_of("done", &Value::Null, "ok")));
        assert!(!came_true(&run_of("in_progress", &switchover, "ok")), "it never got done");
        let mut more = run_of("done", &switchover, "ok");
        let id = format!("{}#scale-ecs#trading", more.execution.name);
        more.history.push(answer(&json!({ "operation_id": id, "status": "done", "action": { "desired": 4 } })));
        assert!(!came_true(&more));
        assert!(!rehearsal_came_true(&run_of("done", &switchover, "ok"), &said).passed, "nothing was rehearsed");
    }

    #[test]
    fn a_preflight_that_found_something_else_is_seen() {
        let (one, other) = (run_of("done", &Value::Null, "ok"), run_of("done", &Value::Null, "warning"));
        assert!(same_findings(&one, &one).passed);
        let check = same_findings(&one, &other);
        assert!(!check.passed && check.found.contains("only the real run: lag | trading | warning"), "{}", check.found);
        let mut none = one.clone();
        none.history.remove(0);
        assert!(!same_findings(&none, &none).passed, "a preflight without findings looked at nothing");
    }
}
