//! The plan's health endpoints: whether the active Region serves, and whether the others do.

use failover::contract::{Finding, Region};
use failover::recovery_plan::RecoveryPlan;
use failover::runtime::Toolbox;
use futures_util::future::join_all;

use crate::http_probe::{self, Answer, Url};

/// The findings on each Region's endpoint, asked once, all side by side.
pub(super) async fn checks(tools: &Toolbox, plan: &RecoveryPlan, active: &Region) -> Vec<Finding> {
    join_all(plan.detection.endpoints.iter().map(async |(region, url)| {
        let answer = match Url::parse(url) {
            Ok(url) => Ok(http_probe::get(tools, &url).await),
            Err(problem) => Err(problem),
        };
        judge(region, region == active, &answer)
    }))
    .await
}

fn judge(region: &Region, active: bool, answer: &Result<Answer, String>) -> Finding {
    let check = "endpoint-serves";
    let subject = format!("endpoint of {region}");
    match answer {
        Err(problem) => {
            Finding::unknown(check, subject, problem, "correct detection.endpoints in the plan: it is evidence as well")
        }
        Ok(answer) if answer.is_healthy() => Finding::ok(check, subject, answer.to_string()),
        Ok(answer) if active => Finding::warning(
            check,
            subject,
            format!("{answer}, and {region} is the active Region: this may be an incident"),
            "see whether the workload serves; if it does, the URL in the plan is wrong, and no evidence can be had from it",
        ),
        Ok(answer) => Finding::warning(
            check,
            subject,
            format!("{answer}: the standby does not serve yet"),
            "none is needed if the standby serves only after a failover; otherwise see why it does not",
        ),
    }
}

#[cfg(test)]
mod tests {
    use failover::contract::Severity;

    use super::*;

    #[test]
    fn an_endpoint_that_does_not_serve_is_never_more_than_a_warning() {
        let region = Region::parse("eu-west-1").expect("a Region");
        let status = |status| Ok(Answer::Status { status, took_ms: 5 });
        let silence = Ok(Answer::Silence("refused".to_owned()));
        for (active, answer, severity, words) in [
            (true, status(204), Severity::Ok, "204"),
            (false, status(200), Severity::Ok, "200"),
            (true, status(503), Severity::Warning, "may be an incident"),
            (true, silence.clone(), Severity::Warning, "may be an incident"),
            (false, status(301), Severity::Warning, "does not serve yet"),
            (false, silence, Severity::Warning, "does not serve yet"),
            (true, Err("expected an http or https URL".to_owned()), Severity::Unknown, "expected"),
        ] {
            let finding = judge(&region, active, &answer);
            assert_eq!(finding.severity, severity, "{finding:?}");
            assert!(finding.message.contains(words) && finding.subject.contains("eu-west-1"), "{finding:?}");
        }
    }
}
