//! What the plan's item in the ledger says of the next run. Pure.

use failover::contract::{FailoverId, Finding, Timestamp};
use failover::ledger::plan_item::{NewestFailover, Phase};
use failover::ledger::{KillSwitch, PlanItem};
use failover::recovery_plan::RecoveryPlan;

/// The findings on the item, which could be read, or there were no answer at all. `own` is the run that asks: it may be
/// under way itself.
pub(crate) fn of_ledger(plan: &RecoveryPlan, item: &PlanItem, own: &FailoverId, now: Timestamp) -> Vec<Finding> {
    let subject = format!("plan {}", plan.name);
    vec![
        Finding::ok("ledger-answers", &subject, format!("generation {}", item.generation)),
        kill_switch(&subject, item),
        newest(&subject, item.newest.as_ref().filter(|newest| newest.id != *own), now),
        cooldowns(&subject, item, now),
    ]
}

fn kill_switch(subject: &str, item: &PlanItem) -> Finding {
    let check = "kill-switch-off";
    let found = match item.kill_switch {
        KillSwitch::Clear => return Finding::ok(check, subject, "alarms may start a failover"),
        KillSwitch::Set => "the kill switch is set: alarms start nothing",
        KillSwitch::Unreadable => {
            "the kill switch holds what is neither true nor false, which counts as set: alarms start nothing"
        }
    };
    let cure =
        "send health-probe the command \"kill_switch\" with \"set\": false when automatic failovers are wanted again";
    Finding::warning(check, subject, found, cure)
}

/// How the failover before this one ended.
fn newest(subject: &str, newest: Option<&NewestFailover>, now: Timestamp) -> Finding {
    let check = "newest-failover-ended-well";
    let Some(NewestFailover { id, phase, active_until, .. }) = newest else {
        return Finding::ok(check, subject, "no other failover is on record");
    };
    let resume =
        format!("start an execution with the same input under the name {}, which goes on with it", resumed(id));
    match phase {
        Phase::Succeeded => Finding::ok(check, subject, format!("failover {id} succeeded")),
        Phase::Active if *active_until > now => Finding::warning(
            check,
            subject,
            format!("failover {id} is under way, until {active_until} at most: no other one can start"),
            format!("wait for it to end; if its execution is gone, {resume}"),
        ),
        Phase::Active => Finding::warning(
            check,
            subject,
            format!("failover {id} was never concluded: which Region serves is not certain"),
            format!("{resume}; or see to it by hand and send health-probe the command \"acknowledge\""),
        ),
        Phase::Failed => Finding::warning(
            check,
            subject,
            format!("failover {id} ended as failed: it may have changed a part of what it was to change"),
            format!("read its report; {resume}; a newer failover that succeeds ends this warning as well"),
        ),
    }
}

/// The name under which an execution continues a failover: any that no execution has had and that begins with its id.
fn resumed(id: &FailoverId) -> String {
    format!("{id}--2 (or --3, …)")
}

fn cooldowns(subject: &str, item: &PlanItem, now: Timestamp) -> Finding {
    let check = "no-cooldown";
    let running = item.cooldowns.iter().filter(|(_, until)| **until > now);
    let running: Vec<String> =
        running.map(|(way, until)| format!("from {} to {} until {until}", way.source, way.target)).collect();
    if running.is_empty() {
        return Finding::ok(check, subject, "no cooldown holds alarms");
    }
    Finding::warning(
        check,
        subject,
        format!("a cooldown keeps alarms from starting a failover {}", running.join(", ")),
        "send health-probe the command \"acknowledge\" when the incident is understood; people are not held",
    )
}

#[cfg(test)]
mod tests {
    use failover::contract::{Region, Severity};
    use failover::ledger::Direction;

    use super::*;
    use crate::readiness::tests::plan;

    const NOW: Timestamp = Timestamp::from_millis(1_795_233_600_000);

    fn id(text: &str) -> FailoverId {
        FailoverId::parse(text).expect("an id")
    }

    /// How bad a check of the item is, and all of its words.
    fn look(item: &PlanItem, check: &str) -> (Severity, String) {
        let findings = of_ledger(&plan(), item, &id("this-one"), NOW);
        let mut found = findings.iter().filter(|finding| finding.check == check);
        let finding = found.next().expect("the check was made");
        assert!(found.next().is_none(), "{check} once");
        assert_eq!(finding.cure.is_some(), finding.severity != Severity::Ok, "{finding:?}");
        assert_eq!(finding.blocks, None, "a person can always start one: {finding:?}");
        (finding.severity, format!("{} {}", finding.message, finding.cure.clone().unwrap_or_default()))
    }

    fn with_newest(name: &str, phase: Phase, active_until: Timestamp) -> PlanItem {
        let newest = NewestFailover { id: id(name), phase, active_until, direction: None };
        PlanItem { generation: 3, newest: Some(newest), ..PlanItem::default() }
    }

    #[test]
    fn a_plan_that_never_failed_over_has_nothing_in_the_way() {
        let findings = of_ledger(&plan(), &PlanItem::default(), &id("this-one"), NOW);
        assert_eq!(findings.len(), 4);
        assert!(findings.iter().all(|finding| finding.severity == Severity::Ok), "{findings:?}");
    }

    #[test]
    fn a_kill_switch_that_holds_is_a_warning_with_the_command_that_clears_it() {
        for (kill_switch, words) in [(KillSwitch::Set, "is set"), (KillSwitch::Unreadable, "neither true nor false")] {
            let item = PlanItem { kill_switch, ..PlanItem::default() };
            let (severity, text) = look(&item, "kill-switch-off");
            assert_eq!(severity, Severity::Warning);
            assert!(text.contains(words) && text.contains("\"kill_switch\""), "{text}");
        }
    }

    #[test]
    fn each_way_another_failover_stands_in_the_way_has_its_own_cure() {
        let check = "newest-failover-ended-well";
        let later = NOW.plus_millis(1);
        for (phase, until, words) in [
            (Phase::Active, later, ["is under way", "wait for it"]),
            (Phase::Active, NOW, ["never concluded", "\"acknowledge\""]),
            (Phase::Failed, later, ["ended as failed", "report"]),
        ] {
            let (severity, text) = look(&with_newest("another", phase, until), check);
            assert_eq!(severity, Severity::Warning, "{text}");
            assert!(words.iter().all(|word| text.contains(word)) && text.contains("another--2"), "{text}");
        }
        assert_eq!(look(&with_newest("another", Phase::Succeeded, later), check).0, Severity::Ok);
    }

    #[test]
    fn a_run_does_not_stand_in_its_own_way() {
        let own = with_newest("this-one", Phase::Active, NOW.plus_millis(1));
        assert_eq!(look(&own, "newest-failover-ended-well").0, Severity::Ok);
    }

    #[test]
    fn a_cooldown_that_runs_names_its_direction_and_one_that_is_over_counts_no_more() {
        let region = |code: &str| Region::parse(code).expect("a Region");
        let way = Direction::new(region("eu-west-1"), region("eu-central-1"));
        let until = |until| PlanItem { cooldowns: [(way.clone(), until)].into(), ..PlanItem::default() };
        let (severity, text) = look(&until(NOW.plus_millis(1)), "no-cooldown");
        assert_eq!(severity, Severity::Warning);
        assert!(text.contains("from eu-west-1 to eu-central-1") && text.contains("\"acknowledge\""), "{text}");
        assert_eq!(look(&until(NOW), "no-cooldown").0, Severity::Ok);
    }
}
