//! Whether the Region that was left was kept from writing, and when (X1).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Check, listed};
use crate::gateway::Call;
use crate::listener::Message;
use crate::moment::Moment;
use crate::orchestrator::function_of;
use crate::stage::{Evidence, QUESTION, Run};
use crate::world::{Site, WORKLOAD_SERVICES};

/// What promotes a database unplanned.
pub(super) const PROMOTION: &str = "FailoverGlobalCluster";
/// The functions that fence, with the changes that they do it by and what they look with afterwards.
const FENCES: [(&str, &[&str], &str); 2] = [
    ("scale-ecs", &["UpdateService", "RegisterScalableTarget"], "DescribeServices"),
    ("promote-aurora", &["ModifyDBCluster"], "DescribeDBClusters"),
];

/// Nothing of the workload writes at `site`: no tasks, nothing that would start any, and a database that lets nobody in.
#[must_use]
pub fn fenced(evidence: &Evidence, site: Site) -> Check {
    let after = &evidence.after;
    let mut open: Vec<String> = Vec::new();
    for service in WORKLOAD_SERVICES {
        let key = site.service_key(service);
        match after.services.get(&key) {
            Some(count) if count.desired == 0 && count.running == 0 => {}
            Some(count) => open.push(format!("{service} {} of {}", count.running, count.desired)),
            None => open.push(format!("{service} is missing")),
        }
        if !after.limits.get(&key).is_some_and(|limits| limits.suspended) {
            open.push(format!("{service} is scaled automatically"));
        }
    }
    let (groups, isolated) = (after.security_groups.get(&site), evidence.isolated.get(&site));
    if isolated.is_none() || groups.map(Vec::as_slice) != isolated.map(std::slice::from_ref) {
        open.push(format!("the database has {}", listed(groups.cloned().unwrap_or_default())));
    }
    let claim = format!("in {site} no task runs, nothing starts any, and the database lets nobody in");
    Check::new(claim, open.is_empty(), listed(open))
}

/// Each fence at `site` was seen to hold before the promotion was sent, by the gateway's record.
#[must_use]
pub fn fenced_before_promotion(evidence: &Evidence, site: Site) -> Check {
    let claim = format!("the fences in {site} were seen to hold before the promotion was sent");
    let Some(promoted) = evidence.calls.iter().find(|call| call.operation == PROMOTION) else {
        return Check::new(claim, false, "nothing was promoted");
    };
    let promoted_at = Moment::from(promoted.at);
    let late = FENCES.iter().filter(|(function, changes, look)| {
        let made =
            |call: &&Call| function_of(call) == Some(function) && call.region == site.region() && call.outcome.is_ok();
        let changed = evidence.calls.iter().filter(made).filter(|call| changes.contains(&call.operation.as_str()));
        let Some(changed_at) = changed.map(ended_at).max() else { return true };
        let mut looks = evidence.calls.iter().filter(made).filter(|call| call.operation == *look);
        !looks.any(|call| Moment::from(call.at) >= changed_at && ended_at(call) <= promoted_at)
    });
    let late: Vec<String> = late.map(|(function, ..)| format!("not by {function}")).collect();
    Check::new(claim, late.is_empty(), listed(late))
}

fn ended_at(call: &Call) -> Moment {
    Moment::from(call.at).plus(call.duration)
}

/// Nothing was tried to keep `site` from writing.
#[must_use]
pub fn nothing_fenced(evidence: &Evidence, site: Site) -> Check {
    let tried = evidence.calls.iter().filter(|call| {
        let fences = |(function, changes, _): &(&str, &[&str], &str)| {
            let changes = changes.contains(&call.operation.as_str());
            // What this function looks at is what it is to change.
            function_of(call) == Some(function) && (changes || *function == "scale-ecs")
        };
        call.region == site.region() && FENCES.iter().any(fences)
    });
    let tried: Vec<String> = tried.map(|call| call.iam_action.clone()).collect();
    Check::new(format!("no fence was tried in {site}"), tried.is_empty(), listed(tried))
}

/// The run's report has this outcome for each fence of the plan at `site`; for none, when it is none.
#[must_use]
pub fn fences_reported(evidence: &Evidence, run: &Run, site: Site, outcome: Option<&str>) -> Check {
    let workload = evidence.orchestrator.workload;
    let targets = [
        workload.cluster_arn(site, &evidence.account_id),
        format!("ECS cluster {} in {}", workload.ecs_cluster(site), site.region()),
    ];
    let reported = run.execution.output["fences"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |fence: &Value, name: &str| fence[name].as_str().unwrap_or_default().to_owned();
    let found: BTreeMap<String, String> =
        reported.iter().map(|fence| (text(fence, "target"), text(fence, "outcome"))).collect();
    let passed = targets.iter().all(|target| found.get(target).map(String::as_str) == outcome);
    let claim = format!("the report says of both fences in {site}: {}", outcome.unwrap_or("nothing"));
    let found = found.iter().filter(|(target, _)| targets.contains(target));
    Check::new(claim, passed, listed(found.map(|(target, outcome)| format!("{target} {outcome}"))))
}

/// People were asked once, because the fences at `site` are not known to hold, and for nothing else.
#[must_use]
pub fn asked_for_the_fences(evidence: &Evidence, run: &Run, site: Site) -> Check {
    let workload = evidence.orchestrator.workload;
    let targets = [workload.cluster_arn(site, &evidence.account_id), workload.ecs_cluster(site)];
    let questions: Vec<&Message> = run.told.iter().filter(|message| message.subject.contains(QUESTION)).collect();
    let names_all = |question: &&Message| targets.iter().all(|target| question.text.contains(target));
    let passed = questions.len() == 1 && questions.iter().all(names_all);
    let claim = format!("people were asked once, and told what in {site} is not known to be kept from writing");
    Check::new(claim, passed, listed(questions.into_iter().map(|question| question.text.clone())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::gateway::Outcome;
    use crate::recorded::{self, call_of};

    const OK: Outcome = Outcome::Ok { status: 200 };

    fn fenced_evidence() -> Evidence {
        let mut evidence = recorded::evidence();
        for service in WORKLOAD_SERVICES {
            let key = Site::Primary.service_key(service);
            evidence.after.services.insert(key.clone(), crate::state::ServiceCount::default());
            evidence.after.limits.get_mut(&key).unwrap().suspended = true;
        }
        let isolated = evidence.isolated[&Site::Primary].clone();
        evidence.after.security_groups.insert(Site::Primary, vec![isolated]);
        evidence
    }

    #[test]
    fn a_region_is_fenced_when_nothing_runs_nothing_starts_and_nobody_gets_in() {
        let passes = |change: &dyn Fn(&mut Evidence)| {
            let mut evidence = fenced_evidence();
            change(&mut evidence);
            fenced(&evidence, Site::Primary).passed
        };
        let key = Site::Primary.service_key("orders");
        assert!(passes(&|_| {}));
        assert!(!passes(&|e| e.after.services.get_mut(&key).unwrap().running = 1));
        assert!(!passes(&|e| e.after.services.get_mut(&key).unwrap().desired = 1));
        assert!(!passes(&|e| e.after.limits.get_mut(&key).unwrap().suspended = false));
        assert!(!passes(&|e| e.after.security_groups.get_mut(&Site::Primary).unwrap().push("sg-serving".to_owned())));
        assert!(!passes(&|e| e.isolated.clear()));
    }

    /// The recorded promotion with fences before it, so many milliseconds earlier.
    fn with_fences(looked_before_ms: u64) -> Evidence {
        let mut evidence = recorded::evidence();
        let promoted = evidence.calls.iter().find(|call| call.operation == PROMOTION).unwrap().at;
        let call = |function, service, operation, before_ms| {
            let mut call = call_of(function, service, operation, OK);
            call.region = Site::Primary.region().to_owned();
            (call.at, call.duration) = (promoted - Duration::from_millis(before_ms), Duration::from_millis(1));
            call
        };
        evidence.calls.extend([
            call("scale-ecs", "ecs", "UpdateService", 20),
            call("scale-ecs", "ecs", "DescribeServices", looked_before_ms),
            call("promote-aurora", "rds", "ModifyDBCluster", 20),
            call("promote-aurora", "rds", "DescribeDBClusters", 10),
        ]);
        evidence
    }

    #[test]
    fn a_fence_counts_that_was_looked_at_between_its_change_and_the_promotion() {
        assert!(fenced_before_promotion(&with_fences(10), Site::Primary).passed);
        assert!(!fenced_before_promotion(&with_fences(0), Site::Primary).passed, "seen too late");
        assert!(!fenced_before_promotion(&with_fences(30), Site::Primary).passed, "seen before the change");
        assert!(!fenced_before_promotion(&with_fences(10), Site::Standby).passed, "in another Region");
        assert!(!fenced_before_promotion(&recorded::evidence(), Site::Primary).passed, "never fenced");
        let mut evidence = with_fences(10);
        evidence.calls.retain(|call| call.operation != PROMOTION);
        assert!(!fenced_before_promotion(&evidence, Site::Primary).passed, "never promoted");
    }

    #[test]
    fn a_fence_that_was_tried_is_seen() {
        let mut evidence = recorded::evidence();
        assert!(nothing_fenced(&evidence, Site::Primary).passed);
        let mut look = call_of("scale-ecs", "ecs", "DescribeServices", Outcome::NoAnswer);
        look.region = Site::Primary.region().to_owned();
        evidence.calls.push(look);
        assert!(!nothing_fenced(&evidence, Site::Primary).passed);
        assert!(!nothing_fenced(&with_fences(10), Site::Primary).passed);
    }

    #[test]
    fn the_report_has_to_say_how_each_fence_ended() {
        let evidence = recorded::evidence();
        let mut run = recorded::run();
        let mut passes = |outcomes: [&str; 2], expected| {
            let targets = [
                "arn:aws:rds:eu-central-1:123456789012:cluster:trading-db-frankfurt",
                "ECS cluster trading-frankfurt in eu-central-1",
            ];
            let fences = targets.iter().zip(outcomes);
            let fences = fences.map(|(target, outcome)| json!({ "target": target, "outcome": outcome }));
            run.execution.output["fences"] = fences.collect();
            fences_reported(&evidence, &run, Site::Primary, expected).passed
        };
        assert!(passes(["confirmed", "confirmed"], Some("confirmed")));
        assert!(!passes(["confirmed", "timed_out"], Some("confirmed")));
        assert!(!passes(["timed_out", "timed_out"], None));
        assert!(fences_reported(&evidence, &recorded::run(), Site::Primary, None).passed);
        assert!(!fences_reported(&evidence, &recorded::run(), Site::Primary, Some("timed_out")).passed);
    }

    #[test]
    fn a_question_about_fences_has_to_come_once_and_to_name_them() {
        let (evidence, mut run) = (recorded::evidence(), recorded::run());
        let asked = |run: &Run| asked_for_the_fences(&evidence, run, Site::Primary).passed;
        assert!(!asked(&run));
        let text = "arn:aws:rds:eu-central-1:123456789012:cluster:trading-db-frankfurt, trading-frankfurt".to_owned();
        let question = Message { subject: format!("Failover of trading {QUESTION}"), text };
        run.told.push(question.clone());
        assert!(asked(&run));
        run.told.push(question);
        assert!(!asked(&run));
        run.told.pop();
        run.told.last_mut().unwrap().text.clear();
        assert!(!asked(&run));
    }
}
