//! The verdict: checks of what the emulator's own API says after a scenario, never of what the execution
//! says of itself. Each check is pure, so that it can be tested on recorded evidence.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::gateway::{Call, Outcome};
use crate::listener::Message;
use crate::moment::Moment;
use crate::stage::{Evidence, QUESTION, Run};
use crate::state::RecordSet;
use crate::world::{BYSTANDER_SERVICE, FULL_COUNT, MAX_RPO_MS, Site, WORKLOAD_SERVICES, function_of};

/// Services in which a failover changes something. The ledger and notifications are not the workload.
const WORKLOAD_APIS: [&str; 4] = ["rds", "ecs", "route53", "application-autoscaling"];
/// What the functions send to X-Ray with.
const TRACES: &str = "PutTraceSegments";
/// How an operation that changes nothing begins.
const READING: [&str; 4] = ["Describe", "List", "Get", "Test"];
/// By how much the product's times may differ from the drill's, in milliseconds: the drill looks every
/// 200 ms, and the product counts from the alarm, which it gets a moment after the Region was lost.
const TOLERANCE_MS: u64 = 2_500;

/// One thing that has to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What has to hold, as a sentence.
    pub claim: String,
    /// Whether it does.
    pub passed: bool,
    /// What was found.
    pub found: String,
}

impl Check {
    fn new(claim: impl Into<String>, passed: bool, found: impl Into<String>) -> Self {
        Self { claim: claim.into(), passed, found: found.into() }
    }
}

fn times_told(run: &Run, word: &str) -> usize {
    run.told.iter().filter(|message| message.subject.contains(word)).count()
}

/// However often the alarm came, people were told of it once.
#[must_use]
pub fn considered_once(run: &Run) -> Check {
    let times = times_told(run, "considered");
    Check::new("people were told once that a failover is considered", times == 1, times.to_string())
}

/// Whether a verdict holds: at least one check, and all of them passed.
#[must_use]
pub fn passed(checks: &[Check]) -> bool {
    !checks.is_empty() && checks.iter().all(|check| check.passed)
}

/// There were so many executions, and each ended well.
#[must_use]
pub fn executions_succeeded(evidence: &Evidence, count: usize) -> Check {
    let executions = &evidence.executions;
    let all_well = executions.iter().all(|execution| execution.status == "SUCCEEDED");
    let found = executions.iter().map(|execution| match &execution.failure {
        Some(failure) => format!("{}: {} ({failure})", execution.name, execution.status),
        None => format!("{}: {}", execution.name, execution.status),
    });
    let claim = format!("{} ran, and succeeded", counted(count, "execution"));
    Check::new(claim, all_well && executions.len() == count, listed(found))
}

/// The database's one writer stands at `site`, by DescribeGlobalClusters.
#[must_use]
pub fn writer_at(evidence: &Evidence, site: Site) -> Check {
    let claim = format!("Aurora's only writer is the cluster in {site}");
    let passed = evidence.after.writes_at(site, &evidence.account_id);
    Check::new(claim, passed, listed(evidence.after.writers().map(|arn| short_arn(arn).to_owned())))
}

/// The workload's services run their tasks at `site`, by DescribeServices.
#[must_use]
pub fn services_run_at(evidence: &Evidence, site: Site) -> Check {
    let claim = format!("each service runs {FULL_COUNT} tasks in {site}");
    let found = WORKLOAD_SERVICES.map(|service| match evidence.after.services.get(&site.service_key(service)) {
        Some(count) => format!("{service} {} of {}", count.running, count.desired),
        None => format!("{service} is missing"),
    });
    let exact = WORKLOAD_SERVICES.iter().all(|service| {
        let count = evidence.after.services.get(&site.service_key(service));
        count.is_some_and(|count| count.running == FULL_COUNT && count.desired == FULL_COUNT)
    });
    Check::new(claim, exact, listed(found))
}

/// Automatic scaling at `site` can't undo the scaling.
#[must_use]
pub fn minimum_raised_at(evidence: &Evidence, site: Site) -> Check {
    let claim = format!("automatic scaling keeps at least {FULL_COUNT} tasks in {site}");
    let limits = |service: &str| evidence.after.limits.get(&site.service_key(service));
    let passed = WORKLOAD_SERVICES
        .iter()
        .all(|service| limits(service).is_some_and(|limits| limits.min == FULL_COUNT && limits.max >= FULL_COUNT));
    let found = WORKLOAD_SERVICES.map(|service| match limits(service) {
        Some(limits) => format!("{service} {} to {}", limits.min, limits.max),
        None => format!("{service} is not registered"),
    });
    Check::new(claim, passed, listed(found))
}

/// No failover may take tasks away: what `site` ran before still runs.
#[must_use]
pub fn nothing_scaled_down(evidence: &Evidence) -> Check {
    let fewer = evidence.before.services.iter().filter_map(|(key, before)| {
        let after = evidence.after.services.get(key).copied().unwrap_or_default();
        (after.desired < before.desired).then(|| format!("{key} from {} to {}", before.desired, after.desired))
    });
    let fewer: Vec<String> = fewer.collect();
    Check::new("no service has fewer tasks than before", fewer.is_empty(), listed(fewer))
}

/// Services beside the workload have the tasks and the limits they had.
#[must_use]
pub fn other_services_untouched(evidence: &Evidence) -> Check {
    let (before, after) = (&evidence.before, &evidence.after);
    let keys = Site::ALL.map(|site| site.service_key(BYSTANDER_SERVICE));
    let changed = keys.into_iter().filter(|key| {
        before.services.get(key) != after.services.get(key) || before.limits.get(key) != after.limits.get(key)
    });
    let changed: Vec<String> = changed.collect();
    Check::new("all other services are as they were", changed.is_empty(), listed(changed))
}

/// Every failover pair points to `site` and is otherwise what it was, by ListResourceRecordSets.
#[must_use]
pub fn records_point_to(evidence: &Evidence, site: Site) -> Check {
    let pairs = |records: &[RecordSet]| -> Vec<RecordSet> {
        records.iter().filter(|record| record.failover.is_some()).cloned().collect()
    };
    let expected: Vec<RecordSet> = pairs(&evidence.before.records)
        .into_iter()
        .map(|record| {
            let is_ours = record.set_identifier.as_deref() == Some(site.set_identifier());
            RecordSet { failover: Some(if is_ours { "PRIMARY" } else { "SECONDARY" }.to_owned()), ..record }
        })
        .collect();
    let found = pairs(&evidence.after.records);
    let claim = format!("all failover records point to {site}, otherwise unchanged");
    let passed = same_records(&expected, &found);
    let wrong = found.iter().filter(|record| !expected.contains(record)).map(describe_record);
    let found = if passed { format!("{} records", found.len()) } else { listed(wrong) };
    Check::new(claim, passed, found)
}

/// Every record that is not part of a pair is what it was.
#[must_use]
pub fn other_records_untouched(evidence: &Evidence) -> Check {
    let others = |records: &[RecordSet]| -> Vec<RecordSet> {
        records.iter().filter(|record| record.failover.is_none()).cloned().collect()
    };
    let (before, after) = (others(&evidence.before.records), others(&evidence.after.records));
    let changed = before.iter().filter(|record| !after.contains(record)).map(describe_record);
    let passed = same_records(&before, &after);
    let found = if passed { format!("{} records", after.len()) } else { listed(changed) };
    Check::new("all other records are as they were", passed, found)
}

fn same_records(expected: &[RecordSet], found: &[RecordSet]) -> bool {
    expected.len() == found.len() && expected.iter().all(|record| found.contains(record))
}

fn describe_record(record: &RecordSet) -> String {
    let role = record.failover.as_deref().unwrap_or("plain");
    let set = record.set_identifier.as_deref().unwrap_or("-");
    format!("{} {} {set} {role}: {}", record.name, record.record_type, record.content)
}

/// The ledger has exactly one completed operation for each of `steps` of this run, and no other.
#[must_use]
pub fn ledger_complete(evidence: &Evidence, run: &Run, steps: &[&str]) -> Check {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for item in &evidence.ledger {
        if let Some((failover, step)) = item.failover_and_step()
            && failover == run.execution.name
        {
            found.entry(step).or_default().push(&item.status);
        }
    }
    let expected: BTreeMap<&str, Vec<&str>> = steps.iter().map(|step| (*step, vec!["completed"])).collect();
    let claim = format!("the ledger holds one completed operation for each step of {}", run.execution.name);
    let text = found.iter().map(|(step, statuses)| format!("{step} {}", statuses.join(" + ")));
    Check::new(claim, found == expected, listed(text))
}

/// The ledger has operations of these runs only.
#[must_use]
pub fn ledger_has_nothing_else(evidence: &Evidence) -> Check {
    let known = |failover: &str| evidence.runs.iter().any(|run| run.execution.name == failover);
    let strangers =
        evidence.ledger.iter().filter(|item| item.failover_and_step().is_some_and(|(failover, _)| !known(failover)));
    let strangers: Vec<String> = strangers.map(|item| item.operation_id.clone()).collect();
    Check::new("the ledger holds no operation of any other failover", strangers.is_empty(), listed(strangers))
}

/// The plan's item says that its last failover ended well, and where the workload is active.
#[must_use]
pub fn plan_concluded(evidence: &Evidence, generation: u64, active: Site) -> Check {
    let expected = [
        ("generation", generation.to_string()),
        ("phase", "succeeded".to_owned()),
        ("active_region", active.region().to_owned()),
    ];
    let plan = evidence.ledger.iter().find(|item| item.is_plan());
    let value = |name: &str| plan.and_then(|plan| plan.attributes.get(name)).map_or("-", String::as_str);
    let passed = expected.iter().all(|(name, wanted)| value(name) == wanted);
    let found = expected.iter().map(|(name, _)| format!("{name} {}", value(name)));
    let claim = format!("the plan's item is closed: generation {generation}, active in {active}");
    Check::new(claim, passed, listed(found))
}

/// The plan's item claims no failover: either none ever began, or there is no item.
#[must_use]
pub fn no_generation_claimed(evidence: &Evidence) -> Check {
    let plan = evidence.ledger.iter().find(|item| item.is_plan());
    let generation = plan.and_then(|plan| plan.attributes.get("generation")).map_or("0", String::as_str);
    Check::new("no failover was claimed in the ledger", generation == "0", format!("generation {generation}"))
}

/// The ledger has no item at all.
#[must_use]
pub fn ledger_is_empty(evidence: &Evidence) -> Check {
    let items = evidence.ledger.iter().map(|item| item.operation_id.clone());
    Check::new("the ledger is empty", evidence.ledger.is_empty(), listed(items))
}

/// The plan's kill switch is still set.
#[must_use]
pub fn kill_switch_set(evidence: &Evidence) -> Check {
    let plan = evidence.ledger.iter().find(|item| item.is_plan());
    let value = plan.and_then(|plan| plan.attributes.get("kill_switch")).map_or("-", String::as_str);
    Check::new("the plan's kill switch is still set", value == "true", value)
}

/// The functions' calls that write something, however they ended.
fn writes(evidence: &Evidence) -> impl Iterator<Item = &Call> {
    let reads = |call: &Call| READING.iter().any(|verb| call.operation.starts_with(verb));
    evidence.calls.iter().filter(move |call| function_of(call).is_some() && !reads(call))
}

fn changes_workload(call: &Call) -> bool {
    WORKLOAD_APIS.contains(&call.service.as_str())
}

/// No function wrote anything anywhere, the ledger included; traces are telemetry.
#[must_use]
pub fn nothing_written(evidence: &Evidence) -> Check {
    let written = writes(evidence).filter(|call| call.operation != TRACES).map(|call| call.iam_action.clone());
    let written: Vec<String> = written.collect();
    Check::new("no function wrote anything, not even to the ledger", written.is_empty(), listed(written))
}

/// People were asked, because of the lag that the drill set and for nothing else.
#[must_use]
pub fn asked_for_the_lag(run: &Run) -> Check {
    let reason = format!("The replication lag is {} ms, and the plan lets no more than {MAX_RPO_MS} ms", run.lag_ms);
    let questions: Vec<&Message> = run.told.iter().filter(|message| message.subject.contains(QUESTION)).collect();
    let passed = questions.len() == 1 && questions.iter().all(|question| question.text.contains(&reason));
    let claim = format!("people were asked once, for a lag of {} ms where {MAX_RPO_MS} ms are allowed", run.lag_ms);
    Check::new(claim, passed, listed(questions.into_iter().map(|question| question.text.clone())))
}

/// Until a person answered the run's question, no call changed the workload.
#[must_use]
pub fn nothing_changed_before_the_answer(evidence: &Evidence, run: &Run) -> Check {
    let early = |call: &&Call| run.answered.is_none_or(|answered| Moment::from(call.at) < answered);
    let early = writes(evidence).filter(|call| changes_workload(call)).filter(early);
    let early: Vec<String> = early.map(|call| call.iam_action.clone()).collect();
    let passed = run.answered.is_some() && early.is_empty();
    Check::new("nothing was changed before a person had answered", passed, listed(early))
}

/// The calls that changed the workload are exactly these, however they ended.
#[must_use]
pub fn changes_made(evidence: &Evidence, expected: &[(&str, u32)]) -> Check {
    let mut found: BTreeMap<&str, u32> = BTreeMap::new();
    for call in writes(evidence).filter(|call| changes_workload(call)) {
        *found.entry(&call.iam_action).or_default() += 1;
    }
    let claim = if expected.is_empty() {
        "no call changed anything".to_owned()
    } else {
        format!("the only changes: {}", listed(expected.iter().map(|(action, count)| format!("{count}×{action}"))))
    };
    let passed = found == expected.iter().copied().collect();
    Check::new(claim, passed, listed(found.iter().map(|(action, count)| format!("{count}×{action}"))))
}

/// Nothing at all is different from before.
#[must_use]
pub fn world_unchanged(evidence: &Evidence) -> Check {
    let (before, after) = (&evidence.before, &evidence.after);
    let mut changed = Vec::new();
    let parts = [
        ("database", before.members != after.members),
        ("services", before.services != after.services),
        ("scaling limits", before.limits != after.limits),
        ("records", before.records != after.records),
    ];
    changed.extend(parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part.to_owned()));
    Check::new("database, services and records are as they were", changed.is_empty(), listed(changed))
}

/// No call of a function was refused for want of a permission.
#[must_use]
pub fn nothing_denied(evidence: &Evidence) -> Check {
    let denied = evidence.calls.iter().filter_map(|call| match &call.outcome {
        Outcome::Error { status: 403, code } => {
            Some(format!("{} by {} ({code})", call.iam_action, function_of(call).unwrap_or("?")))
        }
        Outcome::Error { .. }
        | Outcome::Ok { .. }
        | Outcome::NoAnswer
        | Outcome::AnswerLost
        | Outcome::Killed { .. }
        | Outcome::EmulatorUnreachable => None,
    });
    let denied: Vec<String> = denied.collect();
    Check::new("no call was denied by IAM", denied.is_empty(), listed(denied))
}

/// No alarm got lost on the way.
#[must_use]
pub fn nothing_undelivered(evidence: &Evidence) -> Check {
    let count = evidence.dead_letters;
    Check::new("the dead-letter queues are empty", count == 0, counted_u64(count, "message"))
}

/// The endpoint at `site` answers the drill's own request.
#[must_use]
pub fn endpoint_answers(evidence: &Evidence, site: Site) -> Check {
    let answers = evidence.endpoint_answers.get(&site).copied().unwrap_or_default();
    let found = if answers { "200" } else { "no success" };
    Check::new(format!("the endpoint in {site} answers"), answers, found)
}

/// The product's RTO is what the drill measured.
#[must_use]
pub fn rto_is_true(run: &Run) -> Check {
    let measured = run.served_again.map(|at| millis(at.since(run.begins)));
    // The product counts from the alarm; the drill from the loss.
    let known_to_the_drill_only = millis(run.ordered.since(run.begins));
    let reported = run.execution.output["rto_ms"].as_u64();
    let agree = match (measured, reported) {
        (Some(measured), Some(reported)) => measured.abs_diff(reported + known_to_the_drill_only) <= TOLERANCE_MS,
        (None, _) | (_, None) => false,
    };
    let found = format!("{} reported, {} measured", text(reported, "ms"), text(measured, "ms"));
    Check::new(format!("the reported RTO is within {TOLERANCE_MS} ms of the measured one"), agree, found)
}

/// The product's RPO is the lag that the drill set, or zero for a planned move.
#[must_use]
pub fn rpo_is_true(run: &Run) -> Check {
    let expected = if run.unplanned { run.lag_ms } else { 0 };
    let reported = run.execution.output["rpo_ms"].as_u64();
    let claim = format!("the reported RPO is {expected} ms");
    Check::new(claim, reported == Some(expected), format!("{} reported", text(reported, "ms")))
}

/// The execution ended with this decision and went no further.
#[must_use]
pub fn decided(run: &Run, decision: &str) -> Check {
    let found = run.execution.output["decision"].as_str().unwrap_or("none");
    let message = run.execution.output["message"].as_str().unwrap_or_default();
    Check::new(format!("the decision was {decision}"), found == decision, format!("{found}: {message}"))
}

/// The reason of that decision names this.
#[must_use]
pub fn reason_names(run: &Run, words: &str) -> Check {
    let reason = run.execution.output["message"].as_str().unwrap_or_default();
    Check::new(format!("its reason names: {words}"), reason.contains(words), reason)
}

/// Each of these steps was asked and said what it would do, and the report claims no recovery.
#[must_use]
pub fn rehearsed(run: &Run, steps: &[&str]) -> Check {
    let would_act = |step: &str| {
        let operation = format!("{}#{step}#", run.execution.name);
        run.history.iter().map(|event| &event.output["Payload"]).any(|answer| {
            let id = answer["operation_id"].as_str().unwrap_or_default();
            answer["status"] == "would_act" && id.starts_with(&operation) && answer["action"].is_object()
        })
    };
    let found: Vec<&str> = steps.iter().copied().filter(|step| would_act(step)).collect();
    let report = &run.execution.output;
    let no_recovery = report["outcome"] == "succeeded" && report["rto_ms"].is_null() && report["rpo_ms"].is_null();
    let claim = format!("{} said what they would do, and no recovery is reported", steps.join(", "));
    Check::new(claim, found == steps && no_recovery, format!("{}; {}", found.join(", "), report["outcome"]))
}

/// There are at least so many.
#[must_use]
pub fn at_least(claim: impl Into<String>, wanted: usize, found: usize) -> Check {
    Check::new(claim, found >= wanted, found.to_string())
}

/// In every look, exactly this kind of evidence spoke against the Region. It makes sure of the scenario, not of
/// the product: with none or two, the decision would prove nothing.
#[must_use]
pub fn only_unhealthy_evidence(run: &Run, kind: &str) -> Check {
    let looks = run.execution.output["history"].as_array().map(Vec::as_slice).unwrap_or_default();
    let unhealthy: Vec<String> = looks
        .iter()
        .map(|look| {
            let evidence = look["evidence"].as_array().map(Vec::as_slice).unwrap_or_default();
            let kinds = evidence.iter().filter(|evidence| evidence["health"] == "unhealthy");
            listed(kinds.map(|evidence| evidence["kind"].as_str().unwrap_or_default().to_owned()))
        })
        .collect();
    let passed = !unhealthy.is_empty() && unhealthy.iter().all(|found| found == kind);
    Check::new(format!("the evidence of {kind} alone spoke against the Region"), passed, unhealthy.join("; "))
}

/// During this run people were told at least once what each of these words in the subject says (F11).
#[must_use]
pub fn people_told(run: &Run, words: &[&str]) -> Check {
    let passed = words.iter().all(|word| times_told(run, word) > 0);
    let claim = format!("people were told of {}: {}", run.execution.name, words.join(", "));
    Check::new(claim, passed, listed(run.told.iter().map(|message| message.subject.clone())))
}

/// X-Ray has a subsegment for each of the steps of this run, under the failover's id, and for calls that it made (F10).
#[must_use]
pub fn traced(evidence: &Evidence, run: &Run, steps: &[&str]) -> Check {
    let of_run = evidence.traces.iter().map(|segment| &segment.document);
    let of_run = of_run.filter(|document| document["annotations"]["failover_id"] == run.execution.name.as_str());
    let (calls, own): (Vec<_>, Vec<_>) = of_run.partition(|document| document["namespace"] == "aws");
    let missing = steps.iter().filter(|step| !own.iter().any(|document| document["name"] == **step));
    let missing: Vec<String> = missing.map(|step| (*step).to_owned()).collect();
    let claim = format!("X-Ray has each step of {}, and its calls to AWS", run.execution.name);
    let found =
        format!("{} steps and {} calls; without a subsegment: {}", own.len(), calls.len(), listed(missing.clone()));
    Check::new(claim, missing.is_empty() && !calls.is_empty(), found)
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn text(value: Option<u64>, unit: &str) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| format!("{value} {unit}"))
}

fn counted(count: usize, thing: &str) -> String {
    counted_u64(count as u64, thing)
}

fn counted_u64(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

fn listed(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// The part of a cluster's ARN that tells the Regions apart.
fn short_arn(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{self, call_of, world_at};

    const OK: Outcome = Outcome::Ok { status: 200 };

    /// Every check that a good failover passes.
    fn checks(evidence: &Evidence) -> Vec<Check> {
        let run = &evidence.runs[0];
        vec![
            executions_succeeded(evidence, 1),
            writer_at(evidence, Site::Standby),
            services_run_at(evidence, Site::Standby),
            minimum_raised_at(evidence, Site::Standby),
            nothing_scaled_down(evidence),
            other_services_untouched(evidence),
            records_point_to(evidence, Site::Standby),
            other_records_untouched(evidence),
            endpoint_answers(evidence, Site::Standby),
            ledger_complete(evidence, run, &["promote-aurora", "scale-ecs", "shift-dns", "trigger"]),
            ledger_has_nothing_else(evidence),
            plan_concluded(evidence, 1, Site::Standby),
            changes_made(
                evidence,
                &[
                    ("rds:FailoverGlobalCluster", 1),
                    ("ecs:UpdateService", 2),
                    ("application-autoscaling:RegisterScalableTarget", 2),
                    ("route53:ChangeResourceRecordSets", 1),
                ],
            ),
            nothing_denied(evidence),
            nothing_undelivered(evidence),
            people_told(run, &["considered", "started", "succeeded"]),
            traced(evidence, run, &["promote-aurora", "scale-ecs", "shift-dns"]),
            rto_is_true(run),
            rpo_is_true(run),
        ]
    }

    /// The claims that fail once the evidence is changed like this.
    fn failing(change: impl FnOnce(&mut Evidence)) -> Vec<String> {
        let mut evidence = recorded::evidence();
        change(&mut evidence);
        checks(&evidence).into_iter().filter(|check| !check.passed).map(|check| check.claim).collect()
    }

    fn only(failing: &[String], words: &str) {
        assert!(failing.len() == 1 && failing[0].contains(words), "expected only {words:?}, found {failing:?}");
    }

    #[test]
    fn a_good_failover_passes_every_check() {
        assert_eq!(failing(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn a_verdict_without_checks_or_with_a_failed_one_does_not_hold() {
        assert!(!passed(&[]));
        assert!(passed(&[Check::new("a", true, "")]));
        assert!(!passed(&[Check::new("a", true, ""), Check::new("b", false, "")]));
    }

    #[test]
    fn a_database_that_was_not_promoted_is_seen() {
        only(&failing(|e| e.after.members = e.before.members.clone()), "only writer");
    }

    #[test]
    fn a_step_that_left_no_trace_is_seen() {
        only(&failing(|e| e.traces.retain(|segment| segment.document["name"] != "scale-ecs")), "X-Ray");
        only(&failing(|e| e.traces.retain(|segment| segment.document["namespace"] != "aws")), "X-Ray");
    }

    #[test]
    fn tasks_that_are_wanted_but_do_not_run_are_seen() {
        only(
            &failing(|e| e.after.services.get_mut(&Site::Standby.service_key("orders")).unwrap().running = 3),
            "runs 4 tasks",
        );
    }

    #[test]
    fn a_minimum_that_was_not_raised_is_seen() {
        only(
            &failing(|e| e.after.limits.get_mut(&Site::Standby.service_key("orders")).unwrap().min = 1),
            "automatic scaling",
        );
    }

    #[test]
    fn a_service_that_was_scaled_down_is_seen() {
        only(
            &failing(|e| e.after.services.get_mut(&Site::Primary.service_key("orders")).unwrap().desired = 1),
            "fewer tasks",
        );
    }

    #[test]
    fn a_service_beside_the_workload_that_was_scaled_or_whose_limits_changed_is_seen() {
        let key = Site::Standby.service_key(BYSTANDER_SERVICE);
        only(&failing(|e| e.after.services.get_mut(&key).unwrap().running = 4), "all other services");
        only(&failing(|e| e.after.limits.get_mut(&key).unwrap().min = 4), "all other services");
    }

    #[test]
    fn a_record_that_moved_with_another_ttl_is_seen() {
        let change = |e: &mut Evidence| {
            let record = e.after.records.iter_mut().find(|record| record.failover.is_some()).unwrap();
            record.content = record.content.replace("TTL 60", "TTL 61");
        };
        only(&failing(change), "failover records point");
    }

    #[test]
    fn a_pair_that_is_missing_afterwards_is_seen() {
        only(&failing(|e| e.after.records.retain(|record| record.failover.is_none())), "failover records point");
    }

    #[test]
    fn a_bystander_record_that_was_deleted_changed_or_added_is_seen() {
        only(&failing(|e| e.after.records.retain(|record| record.failover.is_some())), "other records");
        let stranger = |e: &mut Evidence| {
            let mut record = e.after.records.iter().find(|record| record.failover.is_none()).unwrap().clone();
            record.record_type = "CAA".to_owned();
            e.after.records.push(record);
        };
        only(&failing(stranger), "other records");
    }

    #[test]
    fn a_second_operation_of_the_same_step_is_seen() {
        let twice = |e: &mut Evidence| {
            let mut item = e.ledger[0].clone();
            item.operation_id.push_str("-again");
            e.ledger.push(item);
        };
        only(&failing(twice), "one completed operation");
    }

    #[test]
    fn an_operation_that_was_left_open_is_seen() {
        only(&failing(|e| e.ledger[0].status = "intent".to_owned()), "one completed operation");
    }

    #[test]
    fn an_operation_of_another_failover_is_seen() {
        let stranger = |e: &mut Evidence| {
            let mut item = e.ledger[0].clone();
            item.operation_id = "alarm-other#promote-aurora#trading".to_owned();
            e.ledger.push(item);
        };
        only(&failing(stranger), "any other failover");
    }

    #[test]
    fn a_generation_that_was_not_closed_is_seen() {
        let open = |e: &mut Evidence| {
            let plan = e.ledger.iter_mut().find(|item| item.is_plan()).unwrap();
            plan.attributes.insert("phase".to_owned(), "active".to_owned());
        };
        only(&failing(open), "plan's item is closed");
    }

    #[test]
    fn a_second_promotion_is_seen_even_if_its_answer_was_lost() {
        for outcome in [OK, Outcome::AnswerLost, Outcome::Error { status: 400, code: "InvalidState".to_owned() }] {
            let call = call_of("promote-aurora", "rds", "FailoverGlobalCluster", outcome);
            only(&failing(|e| e.calls.push(call)), "the only changes");
        }
    }

    #[test]
    fn reads_and_the_drills_own_calls_are_no_changes() {
        let read = call_of("promote-aurora", "rds", "DescribeGlobalClusters", OK);
        let mut own = call_of("x", "rds", "DeleteGlobalCluster", OK);
        own.caller.app = Some("drill".to_owned());
        assert_eq!(failing(|e| e.calls.extend([read, own])), Vec::<String>::new());
    }

    #[test]
    fn a_denied_call_is_seen_and_named() {
        let denied = Outcome::Error { status: 403, code: "AccessDenied".to_owned() };
        let call: Call = call_of("shift-dns", "route53", "ListResourceRecordSets", denied);
        let mut evidence = recorded::evidence();
        evidence.calls.push(call);
        let check = nothing_denied(&evidence);
        assert!(!check.passed);
        assert_eq!(check.found, "route53:ListResourceRecordSets by shift-dns (AccessDenied)");
    }

    #[test]
    fn a_second_execution_or_a_failed_one_is_seen() {
        let twice = |e: &mut Evidence| e.executions.push(e.executions[0].clone());
        only(&failing(twice), "1 execution ran");
        only(&failing(|e| e.executions[0].status = "FAILED".to_owned()), "1 execution ran");
    }

    #[test]
    fn a_message_that_is_missing_or_comes_twice_is_seen() {
        only(&failing(|e| drop(e.runs[0].told.remove(1))), "people were told");
        let mut run = recorded::run();
        assert!(considered_once(&run).passed);
        run.told.push(run.told[0].clone());
        assert!(!considered_once(&run).passed);
    }

    #[test]
    fn figures_that_differ_from_the_drills_own_are_seen() {
        only(&failing(|e| e.runs[0].execution.output["rto_ms"] = 60_000.into()), "RTO");
        only(&failing(|e| e.runs[0].served_again = None), "RTO");
        only(&failing(|e| e.runs[0].execution.output["rpo_ms"] = 0.into()), "RPO");
    }

    #[test]
    fn a_planned_move_has_to_report_that_it_loses_nothing() {
        let mut run = recorded::run();
        run.unplanned = false;
        assert!(!rpo_is_true(&run).passed);
        run.execution.output["rpo_ms"] = 0.into();
        assert!(rpo_is_true(&run).passed);
    }

    #[test]
    fn standing_down_means_that_nothing_at_all_changed() {
        let mut evidence = recorded::evidence();
        evidence.calls.clear();
        evidence.after = world_at(Site::Primary, false);
        assert!(world_unchanged(&evidence).passed && changes_made(&evidence, &[]).passed);
        evidence.after.limits.get_mut(&Site::Standby.service_key("quotes")).unwrap().max += 1;
        let check = world_unchanged(&evidence);
        assert_eq!((check.passed, check.found.as_str()), (false, "scaling limits"));
        assert!(!no_generation_claimed(&evidence).passed, "the recorded plan item has generation 1");
    }

    #[test]
    fn a_dry_run_may_trace_and_read_and_nothing_else() {
        let mut evidence = recorded::evidence();
        assert!(!nothing_written(&evidence).passed && !ledger_is_empty(&evidence).passed);
        evidence.calls =
            vec![call_of("shift-dns", "xray", "PutTraceSegments", OK), call_of("shift-dns", "dynamodb", "GetItem", OK)];
        evidence.ledger.clear();
        assert!(nothing_written(&evidence).passed && ledger_is_empty(&evidence).passed);
        evidence.calls.push(call_of("shift-dns", "dynamodb", "UpdateItem", Outcome::NoAnswer));
        assert_eq!(nothing_written(&evidence).found, "dynamodb:UpdateItem");
    }

    #[test]
    fn a_rehearsal_has_an_action_of_each_step_and_reports_no_recovery() {
        let mut run = recorded::run();
        assert!(!rehearsed(&run, &["promote-aurora"]).passed, "it was promoted, not rehearsed");
        let id = format!("{}#promote-aurora#trading", run.execution.name);
        let answer = |action: serde_json::Value| {
            let payload = serde_json::json!({ "operation_id": id, "status": "would_act", "action": action });
            crate::execution::Event { output: serde_json::json!({ "Payload": payload }), ..Default::default() }
        };
        run.execution.output = serde_json::json!({ "outcome": "succeeded" });
        run.history = vec![answer(serde_json::json!({ "mode": "switchover" }))];
        assert!(rehearsed(&run, &["promote-aurora"]).passed);
        assert!(!rehearsed(&run, &["promote-aurora", "scale-ecs"]).passed);
        run.execution.output["rto_ms"] = 1.into();
        assert!(!rehearsed(&run, &["promote-aurora"]).passed);
        run.execution.output["rto_ms"].take();
        run.history = vec![answer(serde_json::Value::Null)];
        assert!(!rehearsed(&run, &["promote-aurora"]).passed);
    }

    #[test]
    fn a_change_before_the_answer_is_seen_and_so_is_a_question_without_one() {
        let (evidence, mut run) = (recorded::evidence(), recorded::run());
        assert!(!nothing_changed_before_the_answer(&evidence, &run).passed);
        run.answered = run.execution.stopped;
        assert!(!nothing_changed_before_the_answer(&evidence, &run).passed);
        run.answered = Some(run.begins);
        assert!(nothing_changed_before_the_answer(&evidence, &run).passed);
    }

    #[test]
    fn a_question_has_to_come_once_and_to_name_the_lag() {
        let mut run = recorded::run();
        assert!(!asked_for_the_lag(&run).passed);
        let text = format!("The replication lag is {} ms, and the plan lets no more than 60000 ms be lost", run.lag_ms);
        let question = Message { subject: "Failover of trading needs your approval".to_owned(), text };
        run.told.push(question.clone());
        assert!(asked_for_the_lag(&run).passed);
        run.told.push(question);
        assert!(!asked_for_the_lag(&run).passed);
        run.told.pop();
        run.lag_ms += 1;
        assert!(!asked_for_the_lag(&run).passed);
    }

    #[test]
    fn a_kill_switch_that_was_lost_and_another_reason_are_seen() {
        let mut evidence = recorded::evidence();
        assert!(!kill_switch_set(&evidence).passed);
        let plan = evidence.ledger.iter_mut().find(|item| item.is_plan()).unwrap();
        plan.attributes.insert("kill_switch".to_owned(), "true".to_owned());
        assert!(kill_switch_set(&evidence).passed);
        let mut run = recorded::run();
        run.execution.output = serde_json::json!({ "message": "the kill switch of plan trading is set" });
        assert!(reason_names(&run, "kill switch").passed && !reason_names(&run, "cooldown").passed);
    }

    #[test]
    fn a_false_alarm_needs_exactly_one_kind_of_evidence_in_every_look() {
        let look = |kinds: &[&str]| {
            let evidence = ["alarms", "endpoint", "aurora"].map(|kind| {
                let health = if kinds.contains(&kind) { "unhealthy" } else { "healthy" };
                serde_json::json!({ "kind": kind, "health": health })
            });
            serde_json::json!({ "evidence": evidence })
        };
        let mut run = recorded::run();
        let mut passes = |looks: Vec<serde_json::Value>| {
            run.execution.output = serde_json::json!({ "decision": "stand_down", "history": looks });
            only_unhealthy_evidence(&run, "alarms").passed
        };
        assert!(passes(vec![look(&["alarms"]), look(&["alarms"])]));
        assert!(!passes(vec![look(&["alarms"]), look(&[])]));
        assert!(!passes(vec![look(&["alarms", "endpoint"])]));
        assert!(!passes(vec![]));
    }
}
