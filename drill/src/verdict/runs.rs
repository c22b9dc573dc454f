//! How the runs went: decisions, messages to people, figures.

use super::{Check, counted, listed, text};
use crate::listener::Message;
use crate::moment::whole_millis;
use crate::stage::{Evidence, QUESTION, Run};
use crate::world::MAX_RPO_MS;

/// How a gate's no begins.
const REFUSED: &str = "Failover.Refused";
/// How the failure of a run begins that waited for too long.
const TIMED_OUT: &str = "States.Timeout";
/// How often a run may ask the same thing.
const MOST_QUESTIONS: usize = 4;
/// By how much the product's times may differ from the drill's, in milliseconds: the drill looks every
/// 200 ms, and the product counts from the alarm, which it gets a moment after the Region was lost.
const TOLERANCE_MS: u64 = 2_500;

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

/// The execution was refused by a gate, as a person's order is: it failed, and says which gate.
#[must_use]
pub fn refused(run: &Run, words: &str) -> Check {
    let failure = run.execution.failure.as_deref().unwrap_or_default();
    let passed = run.execution.status == "FAILED" && failure.starts_with(REFUSED) && failure.contains(words);
    let found = format!("{}: {failure}", run.execution.status);
    Check::new(format!("the order was refused, and it says why: {words}"), passed, found)
}

/// The execution came to no decision: it failed, and says why.
#[must_use]
pub fn gave_up(run: &Run, words: &str) -> Check {
    let failure = run.execution.failure.as_deref().unwrap_or_default();
    let passed = run.execution.status == "FAILED" && failure.starts_with(TIMED_OUT) && failure.contains(words);
    let found = format!("{}: {failure}", run.execution.status);
    Check::new(format!("the run gave up, and says why: {words}"), passed, found)
}

/// People were asked, more than once and no more often than a person would put up with.
#[must_use]
pub fn asked_repeatedly(run: &Run) -> Check {
    let times = times_told(run, QUESTION);
    let claim = format!("people were asked 2 to {MOST_QUESTIONS} times");
    Check::new(claim, (2..=MOST_QUESTIONS).contains(&times), times.to_string())
}

/// The runs of all orchestrators were under way at the same time.
#[must_use]
pub fn ran_side_by_side(evidence: &Evidence) -> Check {
    let executions = || std::iter::once(evidence).chain(&evidence.beside).flat_map(|one| &one.executions);
    let last_start = executions().map(|execution| execution.started).max();
    let first_end = executions().filter_map(|execution| execution.stopped).min();
    let found = executions().map(|execution| {
        let lasted = execution.stopped.map_or(0, |stopped| whole_millis(stopped.since(execution.started)));
        format!("{} for {lasted} ms", execution.name)
    });
    let passed = !evidence.beside.is_empty() && last_start < first_end;
    Check::new("the runs were under way at the same time", passed, listed(found))
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
    let claim = format!("people were told of {}: {}", run.failover_id(), words.join(", "));
    Check::new(claim, passed, listed(run.told.iter().map(|message| message.subject.clone())))
}

/// However often the alarm came, people were told of it once.
#[must_use]
pub fn considered_once(run: &Run) -> Check {
    let times = times_told(run, "considered");
    Check::new("people were told once that a failover is considered", times == 1, times.to_string())
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

/// The product's RTO is what the drill measured.
#[must_use]
pub fn rto_is_true(run: &Run) -> Check {
    let measured = run.served_again.map(|at| whole_millis(at.since(run.begins)));
    // The product counts from the alarm; the drill from the loss.
    let known_to_the_drill_only = whole_millis(run.ordered.since(run.begins));
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

fn times_told(run: &Run, word: &str) -> usize {
    run.told.iter().filter(|message| message.subject.contains(word)).count()
}
