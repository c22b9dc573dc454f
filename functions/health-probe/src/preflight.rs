//! What the checks before a run found (X4). Pure.

use std::fmt::Write as _;

use failover::contract::{Finding, Severity, StepCall, StepEnd};

use crate::report;

/// What was found, the worst first. A check that could not be made is a finding as well.
pub(crate) fn findings(ends: &[StepEnd], own: Vec<Finding>) -> Vec<Finding> {
    let mut findings = own;
    for end in ends {
        match &end.response {
            Some(response) => findings.extend(response.findings.clone()),
            None => findings.push(Finding::unknown(
                "checks-can-be-made",
                end.call.request.subject(),
                report::failure(&end.failure),
                "look at the function's log; the run asks the same of it",
            )),
        }
    }
    sorted(findings)
}

/// The worst first.
pub(crate) fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// Whether these are the ends of just these checks.
pub(crate) fn answers(ends: &[StepEnd], checks: &[StepCall]) -> bool {
    ends.len() == checks.len() && ends.iter().zip(checks).all(|(end, check)| end.call == *check)
}

/// What makes a failover fail.
pub(crate) fn blockers(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.severity == Severity::Blocker).collect()
}

/// How many findings there are of a kind.
pub(crate) fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}

/// One line for each finding that has something to say: how bad it is, what, what it blocks, and the cure.
pub(crate) fn in_words<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> String {
    let mut lines = String::new();
    for finding in findings.into_iter().filter(|finding| finding.severity != Severity::Ok) {
        let severity = match finding.severity {
            Severity::Ok => "ok",
            Severity::Warning => "warning",
            Severity::Unknown => "unknown",
            Severity::Blocker => "BLOCKER",
        };
        // Writing to a String cannot fail.
        let _ = write!(lines, "\n- {severity}: {} ({}): {}.", finding.subject, finding.check, finding.message);
        if let Some(blocks) = &finding.blocks {
            let _ = write!(lines, " Blocks: {blocks}.");
        }
        if let Some(cure) = &finding.cure {
            let _ = write!(lines, " Cure: {cure}.");
        }
    }
    lines
}

/// How it looks, in one sentence.
pub(crate) fn summary(findings: &[Finding]) -> String {
    let of = |severity| count(findings, severity);
    format!(
        "{} checks: {} blockers, {} could not be made, {} warnings",
        findings.len(),
        of(Severity::Blocker),
        of(Severity::Unknown),
        of(Severity::Warning)
    )
}

#[cfg(test)]
mod tests {
    use failover::contract::{StepResponse, StepStatus};
    use serde_json::{Value, json};

    use super::*;

    fn check(cluster: &str) -> StepCall {
        let request = json!({
            "run": { "preflight": true },
            "cluster": cluster,
            "services": "all",
            "capacity": { "desired": 1 }
        });
        serde_json::from_value(json!({ "function": "scale-ecs", "request": request })).expect("a call")
    }

    fn end(cluster: &str, findings: Vec<Finding>) -> StepEnd {
        let response = StepResponse {
            status: StepStatus::Checked,
            operation_id: "x".to_owned(),
            message: String::new(),
            observed: Value::Null,
            action: Value::Null,
            ask_again_after_seconds: 0,
            attempt: 0,
            elapsed_ms: 0,
            from_ledger: false,
            findings,
        };
        StepEnd { call: check(cluster), response: Some(response), failure: Value::Null }
    }

    fn failed(cluster: &str) -> StepEnd {
        let failure = json!({ "Error": "Failover.Transient", "Cause": "throttled" });
        StepEnd { call: check(cluster), response: None, failure }
    }

    #[test]
    fn the_worst_findings_come_first_and_a_check_that_failed_is_one() {
        let good = vec![Finding::ok("a", "one", "fine"), Finding::warning("b", "one", "slow", "hurry")];
        let bad = vec![Finding::blocker("c", "two", "gone", "promotion", "build it")];
        let found = findings(&[end("one", good), failed("broken"), end("two", bad)], Vec::new());
        let severities: Vec<Severity> = found.iter().map(|finding| finding.severity).collect();
        assert_eq!(severities, [Severity::Blocker, Severity::Unknown, Severity::Warning, Severity::Ok]);
        assert!(found[1].subject.contains("broken") && found[1].message.contains("throttled"), "{:?}", found[1]);
        assert_eq!(blockers(&found).len(), 1);
        assert_eq!(summary(&found), "4 checks: 1 blockers, 1 could not be made, 1 warnings");
        let words = in_words(&found);
        assert_eq!(words.lines().filter(|line| !line.is_empty()).count(), 3, "what is fine is not listed: {words}");
        assert!(words.contains("- BLOCKER: two (c): gone. Blocks: promotion. Cure: build it."), "{words}");
    }

    #[test]
    fn ends_answer_just_the_checks_they_were_made_for() {
        let ends = [end("one", Vec::new()), failed("two")];
        assert!(answers(&ends, &[check("one"), check("two")]));
        assert!(!answers(&ends, &[check("two"), check("one")]));
        assert!(!answers(&ends, &[check("one")]));
        assert!(answers(&[], &[]));
    }
}
