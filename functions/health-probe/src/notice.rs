//! What people are told before and while a failover is decided (F11). Pure.
//!
//! Written for somebody who was woken up: what, why, what happens next, what they can do.

use failover::config::Config;
use failover::contract::{
    FailoverId, FenceOutcome, Fenced, Finding, Health, ManualRequest, Notification, PlanName, PromotionMode, RunPlan,
    Sample,
};
use serde_json::json;

use crate::alarm::AlarmChange;
use crate::evidence::Lag;
use crate::{judge, preflight};

/// SNS takes no longer subjects, and only ASCII without line breaks.
/// Source: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
const LONGEST_SUBJECT: usize = 100;

/// Puts a notification together; the subject is made to fit.
pub(crate) fn notification(subject: &str, message: String) -> Notification {
    let fits = |letter: char| if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' };
    Notification { subject: subject.chars().map(fits).take(LONGEST_SUBJECT).collect(), message }
}

/// An alarm has started a look at the evidence.
pub(crate) fn considered(config: &Config, change: &AlarmChange, failover_id: &FailoverId) -> Notification {
    let plan = &config.plan;
    let message = format!(
        "A failover of plan {plan} is being considered. Nothing has been changed.\n\
         \n\
         Why: alarm {} went to ALARM at {}. {}\n\
         Alarm: {}\n\
         Execution: {failover_id}\n\
         \n\
         What happens next: the evidence is gathered and weighed. You are told whether it fails over, stands down or \
         needs your approval.\n\
         To keep alarms from starting failovers, set the plan's kill switch:\n\
         aws lambda invoke --region {} --function-name {} --cli-binary-format raw-in-base64-out --payload '{}' answer.json",
        change.name,
        change.changed_at,
        change.reason,
        change.arn,
        config.dr_region,
        config.access.function_name,
        json!({ "command": "kill_switch", "plan": plan, "set": true, "by": "YOUR NAME", "reason": "WHY" }),
    );
    notification(&format!("Failover of {plan} considered: alarm {}", change.name), message)
}

/// It was decided to fail over.
pub(crate) fn started(run: &RunPlan, why: &str, sample: &Sample, findings: &[Finding]) -> Notification {
    let forced = run.forced.as_ref().map(|reason| format!("FORCED by a person: {reason}\n")).unwrap_or_default();
    let rehearsal = if run.dry_run { "Dry run: nothing will be changed.\n\n" } else { "" };
    let message = format!(
        "{rehearsal}Plan {} moves from {} to {} ({}).\n\
         \n\
         Why: {why}\n\
         {}\n\
         {}\n\
         {forced}Checked beforehand: {}{}\n\
         Execution: {}, generation {}\n\
         \n\
         What happens next: {}Aurora is promoted and ECS is scaled in {}, then the traffic moves there. You are told \
         how it ended.",
        run.plan,
        run.source_region,
        run.target_region,
        mode_in_words(run.mode),
        evidence(sample),
        exposure(run),
        preflight::summary(findings),
        preflight::in_words(findings),
        run.failover_id,
        run.generation,
        fencing_in_words(run),
        run.target_region,
    );
    let what = if run.dry_run { "Dry run of failover" } else { "Failover" };
    notification(&format!("{what} of {} started: {} to {}", run.plan, run.source_region, run.target_region), message)
}

/// An execution takes up a failover that another one left.
pub(crate) fn resumed(run: &RunPlan) -> Notification {
    let message = format!(
        "Failover {} of plan {} from {} to {} goes on where it was left, generation {}.\n\
         \n\
         What was done stays done and is not done again. You are told how it ended.",
        run.failover_id, run.plan, run.source_region, run.target_region, run.generation,
    );
    let subject = format!("Failover of {} resumed: {} to {}", run.plan, run.source_region, run.target_region);
    notification(&subject, message)
}

/// A person has to say that the source Region does not write. The state machine adds the commands.
pub(crate) fn fence_approval(run: &RunPlan, fences: &[FenceOutcome]) -> Notification {
    let message = format!(
        "Failover of plan {} waits for your approval before it promotes anything: {} is not known to be kept from \
         writing, and the plan requires that.\n\
         {}\n\
         Execution: {}, generation {}\n\
         \n\
         What happens next: nothing, until you approve or decline. Approve only if you know that nothing writes in {} \
         any more, or that what it still writes may be lost: two Regions that write cannot be merged afterwards. If you \
         decline, or nobody answers in time, the run ends as failed and nothing is promoted.",
        run.plan,
        run.source_region,
        fences_in_words(fences),
        run.failover_id,
        run.generation,
        run.source_region,
    );
    notification(&format!("Failover of {} needs your approval: fencing", run.plan), message)
}

/// One line for each fence.
pub(crate) fn fences_in_words(fences: &[FenceOutcome]) -> String {
    let lines = fences.iter().map(|fence| {
        let outcome = match fence.outcome {
            Fenced::Confirmed => "confirmed",
            Fenced::TimedOut => "TIMED OUT",
            Fenced::Unknown => "UNKNOWN",
            Fenced::WouldFence => "would be fenced",
        };
        format!("\n- {}: {outcome}. {}", fence.target, fence.detail)
    });
    lines.collect()
}

fn fencing_in_words(run: &RunPlan) -> String {
    if run.fences.is_empty() {
        return String::new();
    }
    format!("what writes in {} is fenced ({} targets), ", run.source_region, run.fences.len())
}

/// A person has to approve. The state machine adds the commands.
pub(crate) fn approval(
    plan: &PlanName,
    failover_id: &FailoverId,
    why: &str,
    lag: &str,
    sample: &Sample,
) -> Notification {
    let message = format!(
        "An automatic failover of plan {plan} waits for your approval. Nothing has been changed.\n\
         \n\
         Why you are asked: {why}\n\
         {}\n\
         {lag}\n\
         Execution: {failover_id}\n\
         \n\
         What happens next: nothing, until you approve or decline, or the question expires and the evidence is looked \
         at anew. Approve only if the Region is lost for longer than you can wait; what was not replicated is lost.",
        evidence(sample),
    );
    notification(&format!("Failover of {plan} needs your approval"), message)
}

/// Nothing is done.
pub(crate) fn stood_down(
    plan: &PlanName,
    failover_id: &FailoverId,
    why: &str,
    sample: Option<&Sample>,
) -> Notification {
    let message = format!(
        "No failover of plan {plan}: it stood down. Nothing has been changed.\n\
         \n\
         Why: {why}\n\
         {}\n\
         Execution: {failover_id}\n\
         \n\
         What you can do: look at the alarm. If a failover is needed all the same, start it by hand; a new alarm looks \
         at the evidence again.",
        sample.map(evidence).unwrap_or_default(),
    );
    notification(&format!("Failover of {plan} stood down"), message)
}

/// Why a person's run goes ahead.
pub(crate) fn ordered(order: &ManualRequest) -> String {
    format!("ordered by a person: {}", order.reason)
}

/// The evidence, one line for each kind.
pub(crate) fn evidence(sample: &Sample) -> String {
    let lines = sample.evidence.iter().map(|evidence| {
        let health = match evidence.health {
            Health::Healthy => "healthy",
            Health::Unhealthy => "UNHEALTHY",
            Health::Unknown => "unknown",
        };
        format!("\n- {}: {health}. {}", judge::name(evidence.kind), evidence.detail)
    });
    format!("Evidence of {}:{}", sample.at, lines.collect::<String>())
}

/// What may be lost, before it is (X3).
pub(crate) fn lag_in_words(lag: &Lag, now: failover::contract::Timestamp) -> String {
    match lag {
        Lag::NotReplicated => "The plan has no Aurora Global Database, so no replication lag.".to_owned(),
        Lag::Unknown(why) => format!("What may be lost is unknown: the replication lag cannot be read ({why})."),
        Lag::Reading { ms, at } => format!(
            "What may be lost: up to {ms} ms of writes, by the replication lag read {} s ago.",
            now.millis_since(*at) / 1000
        ),
    }
}

fn exposure(run: &RunPlan) -> String {
    match (run.mode, run.lag_ms) {
        _ if run.promotions().next().is_none() => "No database is promoted.".to_owned(),
        (PromotionMode::Switchover, _) => "A switchover loses no writes; it waits until all are replicated.".to_owned(),
        (PromotionMode::Failover | PromotionMode::Detach, Some(ms)) => {
            format!("What may be lost: up to {ms} ms of writes, by the newest reading of the replication lag.")
        }
        (PromotionMode::Failover | PromotionMode::Detach, None) => {
            "What may be lost is unknown: the replication lag could not be read.".to_owned()
        }
    }
}

fn mode_in_words(mode: PromotionMode) -> &'static str {
    match mode {
        PromotionMode::Switchover => "planned switchover",
        PromotionMode::Failover => "unplanned failover",
        PromotionMode::Detach => "unplanned, the cluster is detached from its global database",
    }
}

#[cfg(test)]
mod tests {
    use failover::contract::{self, ProbeRequest};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_subject_is_always_one_that_sns_takes(text: String) {
            let subject = notification(&text, String::new()).subject;
            prop_assert!(subject.len() <= LONGEST_SUBJECT);
            prop_assert!(subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{subject}");
        }
    }

    #[test]
    fn the_first_message_has_a_command_that_sets_the_kill_switch() {
        let config = failover::testing::config();
        let change = AlarmChange {
            arn: "arn".to_owned(),
            name: "endpoint".to_owned(),
            state: "ALARM".to_owned(),
            changed_at_text: String::new(),
            changed_at: failover::testing::START,
            reason: String::new(),
        };
        let id = FailoverId::parse("alarm-1").expect("an id");
        let message = considered(&config, &change, &id).message;
        let (_, payload) = message.split_once("--payload '").expect("a payload");
        let (payload, _) = payload.split_once('\'').expect("its end");
        let request: ProbeRequest =
            contract::parse(serde_json::from_str(payload).expect("JSON")).expect("a request of the function's");
        let ProbeRequest::KillSwitch(request) = request else { panic!("another command: {request:?}") };
        assert_eq!((request.plan, request.set), (config.plan, true));
    }

    #[test]
    fn the_exposure_is_stated_for_each_way_to_promote() {
        let mut event: serde_json::Value =
            serde_json::from_str(include_str!("../events/conclude-succeeded.json")).expect("JSON");
        let mut run: RunPlan = serde_json::from_value(event["run"].take()).expect("a run");
        assert!(exposure(&run).contains("up to 800 ms"));
        run.lag_ms = None;
        assert!(exposure(&run).contains("is unknown"));
        run.mode = PromotionMode::Switchover;
        assert!(exposure(&run).contains("loses no writes"));
        run.waves.clear();
        assert!(exposure(&run).contains("No database"));
    }
}
