//! What has to hold whatever happened. Each check is pure.

use std::collections::BTreeMap;

use super::RUNS_END_WITHIN;
use super::course::{Course, LedgerLook, generation, is_held};
use super::schedule::Schedule;
use crate::execution::Execution;
use crate::gateway::Call;
use crate::moment::Moment;
use crate::stage::{Evidence, Run};
use crate::verdict::{self, Check};
use crate::world::{Site, WORKLOAD_SERVICES};

/// Where every run goes.
const TARGET: Site = Site::Standby;
/// What promotes the database.
const PROMOTIONS: [&str; 2] = ["FailoverGlobalCluster", "SwitchoverGlobalCluster"];
/// What moves the traffic.
const SHIFT: &str = "ChangeResourceRecordSets";
/// Changes that are made once in each Region, and those that are made once for each service in each Region.
const ONCE: [&str; 1] = ["ModifyDBCluster"];
const ONCE_FOR_EACH_SERVICE: [&str; 2] = ["RegisterScalableTarget", "UpdateService"];
/// The verbs of operations that delete.
const DELETING: [&str; 2] = ["DeleteItem", "BatchWriteItem"];

/// The verdict on a seed.
#[must_use]
pub fn judge(schedule: &Schedule, course: &Course, evidence: &Evidence) -> Vec<Check> {
    let then = Evidence { after: course.disturbed.clone(), ..evidence.clone() };
    let mut checks = vec![
        changed_once(&evidence.calls),
        promoted_before_shifted(&evidence.calls),
        ledger_only_grew(&course.looks, &evidence.calls),
        one_item_for_each_step(evidence),
        superseded_ones_rested(&evidence.calls),
        started_once(schedule, evidence),
        all_ended(course, evidence),
        people_told_of_each_end(&evidence.runs),
        nothing_held(course, evidence),
        nothing_done_without_generation(course, &then),
        verdict::nothing_scaled_down(evidence, Some(Site::Primary)),
        verdict::other_services_untouched(evidence),
        verdict::other_records_untouched(evidence),
        verdict::nothing_denied(evidence),
        verdict::nothing_undelivered(evidence),
    ];
    if disturbed_run_moved(course, evidence) {
        checks.extend(moved("after the faults", &then));
    }
    checks.extend(brought_to_end(course, evidence));
    checks
}

/// Each change was carried out at most once, whatever its caller learned of it.
fn changed_once(calls: &[Call]) -> Check {
    let mut applied: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.applied) {
        // A promotion is one, whichever way and wherever it is asked for; so is the move of the traffic.
        let what = match call.operation.as_str() {
            operation if PROMOTIONS.contains(&operation) => ("promotion".to_owned(), ""),
            SHIFT => (SHIFT.to_owned(), ""),
            operation if ONCE.contains(&operation) || ONCE_FOR_EACH_SERVICE.contains(&operation) => {
                (operation.to_owned(), call.region.as_str())
            }
            _no_change => continue,
        };
        *applied.entry(what).or_default() += 1;
    }
    let most = |operation: &str| {
        if ONCE_FOR_EACH_SERVICE.contains(&operation) { WORKLOAD_SERVICES.len() } else { 1 }
    };
    let passed = applied.iter().all(|((operation, _), times)| *times <= most(operation));
    let found = applied.iter().map(|((operation, region), times)| format!("{times}×{operation} {region}"));
    let found: Vec<String> = found.map(|text| text.trim_end().to_owned()).collect();
    Check::new("AWS carried out each change at most once", passed, found.join(", "))
}

fn ended(call: &Call) -> Moment {
    Moment::from(call.at).plus(call.duration)
}

/// The traffic was moved only when the promotion was carried out, and seen and written down to be there.
fn promoted_before_shifted(calls: &[Call]) -> Check {
    let claim = "the traffic was moved only after the database was promoted, and seen to be";
    let first_end =
        |is_it: &dyn Fn(&Call) -> bool| calls.iter().filter(|call| call.applied && is_it(call)).map(ended).min();
    let promoted = first_end(&|call| PROMOTIONS.contains(&call.operation.as_str()));
    let completed = first_end(&|call| {
        call.ledger.as_ref().is_some_and(|write| {
            write.operation_id.contains("#promote-aurora#") && write.status.as_deref() == Some("completed")
        })
    });
    // Its arrival: it may be sent to AWS again after that, and is refused then.
    let shifted = calls.iter().filter(|call| call.operation == SHIFT && call.applied);
    let shifted = shifted.map(|call| Moment::from(call.at)).min();
    let passed = shifted.is_none_or(|shifted| {
        promoted.is_some_and(|promoted| promoted <= shifted) && completed.is_some_and(|completed| completed <= shifted)
    });
    let after = |moment: Option<Moment>| match (moment, shifted) {
        (Some(moment), Some(shifted)) if moment <= shifted => {
            format!("{} ms before", shifted.since(moment).as_millis())
        }
        (Some(_), Some(_)) => "later".to_owned(),
        (None, Some(_)) => "never".to_owned(),
        (_, None) => "not moved".to_owned(),
    };
    Check::new(claim, passed, format!("promoted {}, written down {}", after(promoted), after(completed)))
}

/// Generations grow, and no operation is ever deleted.
fn ledger_only_grew(looks: &[LedgerLook], calls: &[Call]) -> Check {
    let claim = "the plan's generation only grew, and no operation left the ledger";
    let mut shrunk = Vec::new();
    for (before, after) in looks.iter().zip(looks.iter().skip(1)) {
        if after.generation < before.generation {
            shrunk.push(format!("generation {} after {}", after.generation, before.generation));
        }
        shrunk.extend(before.operations.difference(&after.operations).map(|id| format!("{id} is gone")));
    }
    let deleted = calls.iter().filter(|call| DELETING.contains(&call.operation.as_str()));
    shrunk.extend(deleted.map(|call| call.iam_action.clone()));
    let found = if shrunk.is_empty() { format!("{} looks", looks.len()) } else { shrunk.join(", ") };
    Check::new(claim, !looks.is_empty() && shrunk.is_empty(), found)
}

/// No failover has two operations of one step; the drill's plan has one resource for each.
fn one_item_for_each_step(evidence: &Evidence) -> Check {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for item in evidence.ledger.iter().filter(|item| !item.is_fence()) {
        if let Some(key) = item.failover_and_step() {
            *counts.entry(key).or_default() += 1;
        }
    }
    let twice = counts.iter().filter(|(_, count)| **count > 1);
    let twice: Vec<String> = twice.map(|((failover, step), count)| format!("{count}×{failover}#{step}")).collect();
    Check::new("the ledger has one operation for each step of a failover", twice.is_empty(), twice.join(", "))
}

/// Once a newer failover was decided, an older one began no change any more. A step by hand belongs to none.
fn superseded_ones_rested(calls: &[Call]) -> Check {
    let write_of = |call: &Call, status: &str| -> Option<(String, String)> {
        let write = call.ledger.as_ref().filter(|write| call.applied && write.status.as_deref() == Some(status))?;
        let (failover, step) = write.operation_id.split_once('#')?;
        Some((failover.to_owned(), step.to_owned()))
    };
    let decided = calls.iter().filter_map(|call| {
        let (failover, step) = write_of(call, "completed")?;
        (step == "decide").then(|| (ended(call), failover))
    });
    let decided: BTreeMap<Moment, String> = decided.collect();
    let late = calls.iter().filter_map(|call| {
        let (failover, step) = write_of(call, "intent")?;
        let (_, newest) = decided.range(..=Moment::from(call.at)).next_back()?;
        let is_run = decided.values().any(|one| *one == failover);
        (is_run && *newest != failover).then(|| format!("{failover}#{step} after {newest} was decided"))
    });
    let late: Vec<String> = late.collect();
    Check::new("a failover that was superseded began no change any more", late.is_empty(), late.join(", "))
}

/// One alarm starts one execution, however often it came.
fn started_once(schedule: &Schedule, evidence: &Evidence) -> Check {
    let expected = usize::from(schedule.incident.by_alarm());
    let by_alarm = evidence.runs.iter().filter(|run| run.by_alarm());
    // A person may go on with it under a name of its own.
    let found = by_alarm.filter(|run| run.execution.name == run.failover_id()).count();
    verdict::exactly(expected, "execution was started by the alarm", found)
}

/// Every execution ended in time.
fn all_ended(course: &Course, evidence: &Evidence) -> Check {
    let late = evidence.executions.iter().filter(|execution| {
        let end_by = execution.started.max(course.ceased).plus(RUNS_END_WITHIN);
        execution.stopped.is_none_or(|stopped| stopped > end_by)
    });
    let late: Vec<String> = late.map(|execution| format!("{}: {}", execution.name, execution.status)).collect();
    let claim = format!("every run ended within {} s after the last fault", RUNS_END_WITHIN.as_secs());
    Check::new(claim, !evidence.executions.is_empty() && late.is_empty(), late.join(", "))
}

/// Of each end people were told.
fn people_told_of_each_end(runs: &[Run]) -> Check {
    let untold = runs.iter().filter_map(|run| {
        let words: &[&str] = match run.execution.status.as_str() {
            "SUCCEEDED" if run.execution.says_moved() => &["succeeded"],
            "SUCCEEDED" => &["stood down"],
            _failed => &["FAILED", "superseded", "not concluded"],
        };
        let told = run.told.iter().any(|message| words.iter().any(|word| message.subject.contains(word)));
        (!told).then(|| format!("{} {}", run.execution.name, run.execution.status))
    });
    let untold: Vec<String> = untold.collect();
    Check::new("people were told how each run ended", untold.is_empty(), untold.join(", "))
}

/// No operation is held any more: leases ran out, or were given back.
fn nothing_held(course: &Course, evidence: &Evidence) -> Check {
    let held = evidence.ledger.iter().filter(|item| is_held(item, course.rested));
    let held: Vec<String> = held.map(|item| format!("{} {}", item.operation_id, item.status)).collect();
    Check::new("nobody holds an operation any more", held.is_empty(), held.join(", "))
}

/// As long as no failover was admitted, nothing was changed.
fn nothing_done_without_generation(course: &Course, then: &Evidence) -> Check {
    let unchanged = verdict::world_unchanged(then);
    let passed = course.disturbed_generation > 0 || unchanged.passed;
    Check::new("nothing was changed before the ledger had admitted a failover", passed, unchanged.found)
}

/// Whether an execution of the disturbed part says that it moved the workload.
fn disturbed_run_moved(course: &Course, evidence: &Evidence) -> bool {
    course.ordered_again.is_none() && evidence.executions.iter().any(Execution::says_moved)
}

/// Database, services and traffic are at the target.
fn moved(when: &str, evidence: &Evidence) -> Vec<Check> {
    let mut checks = vec![
        verdict::writer_at(evidence, TARGET),
        verdict::services_run_at(evidence, TARGET),
        verdict::minimum_raised_at(evidence, TARGET),
    ];
    checks.extend(verdict::traffic_at(evidence, TARGET));
    checks.into_iter().map(|check| Check::new(format!("{when}: {}", check.claim), check.passed, check.found)).collect()
}

/// Whatever became of the disturbed run: at the end the workload is at the target, by a run that says so.
fn brought_to_end(course: &Course, evidence: &Evidence) -> Vec<Check> {
    let last = evidence.executions.last();
    let mut checks = Vec::new();
    if let Some(ordered) = course.ordered_again {
        let succeeded = last.is_some_and(|last| last.started >= ordered && last.says_moved());
        let found = last.map_or_else(String::new, |last| {
            format!("{}: {} {}", last.name, last.status, last.failure.as_deref().unwrap_or_default())
        });
        checks.push(Check::new("the run without faults that followed succeeded", succeeded, found));
    }
    checks.extend(moved("at the end", evidence));
    checks.push(verdict::plan_concluded(evidence, generation(&evidence.ledger), TARGET));
    checks
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gateway::{LedgerWrite, Outcome};
    use crate::listener::Message;
    use crate::recorded::{self, call_of, course};
    use crate::state::LedgerItem;

    const OK: Outcome = Outcome::Ok { status: 200 };

    /// A seed whose incident is an alarm's.
    fn schedule() -> Schedule {
        (0..100).map(Schedule::draw).find(|schedule| schedule.incident.by_alarm()).expect("an alarm")
    }

    fn passes(check: fn(&Course, &Evidence) -> Check, change: impl Fn(&mut Course, &mut Evidence)) -> bool {
        let (mut course, mut evidence) = (course(), recorded::evidence());
        change(&mut course, &mut evidence);
        check(&course, &evidence).passed
    }

    #[test]
    fn a_run_that_went_as_if_nothing_had_happened_holds_every_check() {
        let checks = judge(&schedule(), &course(), &recorded::evidence());
        let failed: Vec<String> = checks.into_iter().filter(|check| !check.passed).map(|check| check.claim).collect();
        assert!(failed.is_empty(), "{failed:?}");
    }

    #[test]
    fn a_change_that_was_carried_out_twice_is_seen_whatever_its_caller_learned() {
        let twice = |operation: &str, applied: bool| {
            let mut calls = recorded::calls();
            let mut again = calls.iter().find(|call| call.operation == operation).expect("a call").clone();
            (again.applied, again.outcome) = (applied, Outcome::AnswerLost);
            calls.push(again);
            changed_once(&calls).passed
        };
        for operation in ["FailoverGlobalCluster", "RegisterScalableTarget", "UpdateService", SHIFT] {
            assert!(!twice(operation, true), "{operation}");
            assert!(twice(operation, false), "{operation} was not carried out");
        }
        let mut calls = recorded::calls();
        calls.push(call_of("promote-aurora", "rds", "SwitchoverGlobalCluster", OK));
        assert!(!changed_once(&calls).passed, "promoted both ways");
    }

    #[test]
    fn traffic_that_was_moved_before_the_promotion_was_seen_and_written_down_is_seen() {
        let completes = |call: &Call| {
            let write = call.ledger.as_ref();
            write.is_some_and(|write| {
                write.operation_id.contains("#promote-aurora#") && write.status.as_deref() == Some("completed")
            })
        };
        let moved_at = |change: &dyn Fn(&mut Vec<Call>)| {
            let mut calls = recorded::calls();
            change(&mut calls);
            promoted_before_shifted(&calls).passed
        };
        assert!(moved_at(&|_| {}));
        assert!(!moved_at(&|calls| calls.retain(|call| !completes(call))));
        assert!(!moved_at(&|calls| calls.retain(|call| call.operation != "FailoverGlobalCluster")));
        assert!(!moved_at(&|calls| {
            let promoted = calls.iter().find(|call| call.operation == "FailoverGlobalCluster").expect("a call").at;
            let shift = calls.iter_mut().find(|call| call.operation == SHIFT).expect("a call");
            shift.at = promoted - Duration::from_millis(1);
        }));
        assert!(moved_at(&|calls| calls.retain(|call| call.operation != SHIFT)), "never moved");
    }

    #[test]
    fn a_ledger_that_lost_something_is_seen() {
        let grown = |change: &dyn Fn(&mut Vec<LedgerLook>)| {
            let mut looks = course().looks;
            change(&mut looks);
            ledger_only_grew(&looks, &recorded::calls()).passed
        };
        assert!(grown(&|_| {}));
        assert!(!grown(&|looks| looks.reverse()));
        assert!(!grown(&|looks| looks.push(LedgerLook { generation: 1, ..LedgerLook::default() })));
        assert!(!grown(&|looks| {
            let last = looks.last().expect("a look").clone();
            looks.push(LedgerLook { generation: 0, ..last });
        }));
        assert!(!grown(&|looks| looks.clear()), "nobody looked");
        let deletes = call_of("health-probe", "dynamodb", "DeleteItem", OK);
        assert!(!ledger_only_grew(&course().looks, &[deletes]).passed);
    }

    #[test]
    fn two_operations_of_one_step_are_seen() {
        assert!(passes(|_, evidence| one_item_for_each_step(evidence), |_, _| {}));
        assert!(!passes(
            |_, evidence| one_item_for_each_step(evidence),
            |_, evidence| {
                let mut second = evidence.ledger[0].clone();
                second.operation_id.push_str("-again");
                evidence.ledger.push(second);
            }
        ));
    }

    #[test]
    fn a_change_of_a_failover_after_a_newer_one_was_decided_is_seen() {
        let write = |at_ms: u64, operation_id: &str, status: &str| {
            let mut call = call_of("promote-aurora", "dynamodb", "UpdateItem", OK);
            call.at = std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(at_ms);
            call.duration = Duration::ZERO;
            call.ledger = Some(LedgerWrite { operation_id: operation_id.to_owned(), status: Some(status.to_owned()) });
            call
        };
        let decided = [write(10, "old#decide", "completed"), write(30, "new#decide", "completed")];
        let rested = |at_ms, operation_id, status| {
            let calls = [decided.to_vec(), vec![write(at_ms, operation_id, status)]].concat();
            superseded_ones_rested(&calls).passed
        };
        assert!(rested(20, "old#shift-dns#z", "intent") && rested(40, "new#shift-dns#z", "intent"));
        assert!(!rested(40, "old#shift-dns#z", "intent"));
        assert!(rested(40, "old#shift-dns#z", "completed"), "it may say what it has seen");
        assert!(rested(40, "request-1#scale-ecs#x", "intent"), "by hand");
        let mut refused = write(40, "old#shift-dns#z", "intent");
        refused.applied = false;
        assert!(superseded_ones_rested(&[decided.to_vec(), vec![refused]].concat()).passed);
    }

    #[test]
    fn an_alarm_that_started_two_executions_or_none_is_seen() {
        let started = |change: &dyn Fn(&mut Evidence)| {
            let mut evidence = recorded::evidence();
            change(&mut evidence);
            started_once(&schedule(), &evidence).passed
        };
        assert!(started(&|_| {}));
        assert!(!started(&|evidence| evidence.runs.clear()));
        assert!(!started(&|evidence| evidence.runs.push(recorded::run())));
        assert!(started(&|evidence| {
            let mut continued = recorded::run();
            continued.execution.name = continued.execution.next_name();
            evidence.runs.push(continued);
        }));
    }

    #[test]
    fn a_run_that_never_ended_or_ended_late_is_seen() {
        let ended = all_ended as fn(&Course, &Evidence) -> Check;
        assert!(passes(ended, |_, _| {}));
        assert!(!passes(ended, |_, evidence| evidence.executions[0].stopped = None));
        assert!(!passes(ended, |course, evidence| {
            let late = course.ceased.plus(RUNS_END_WITHIN + Duration::from_millis(1));
            evidence.executions[0].stopped = Some(late);
        }));
        assert!(!passes(ended, |_, evidence| evidence.executions.clear()));
    }

    #[test]
    fn an_end_that_nobody_was_told_of_is_seen() {
        let told = |status: &str, outcome: &str, subject: &str| {
            let mut run = recorded::run();
            run.execution.status = status.to_owned();
            run.execution.output["outcome"] = outcome.into();
            run.told = vec![Message { subject: subject.to_owned(), text: String::new() }];
            people_told_of_each_end(&[run]).passed
        };
        assert!(told("SUCCEEDED", "succeeded", "Failover of trading succeeded"));
        assert!(!told("SUCCEEDED", "succeeded", "Failover of trading started"));
        assert!(told("SUCCEEDED", "", "Failover of trading stood down"));
        assert!(told("FAILED", "", "Failover of trading FAILED"));
        assert!(told("FAILED", "", "Failover superseded: alarm-1"));
        assert!(!told("FAILED", "", "Failover of trading succeeded"));
    }

    #[test]
    fn an_operation_that_is_still_held_is_seen() {
        let held = |status: &str, after_ms: i64| {
            let (course, mut evidence) = (course(), recorded::evidence());
            let expires = (course.rested.as_millis() + after_ms).to_string();
            evidence.ledger.push(LedgerItem {
                operation_id: "x#scale-ecs#y".to_owned(),
                status: status.to_owned(),
                attributes: [("lease_expires_ms".to_owned(), expires)].into(),
            });
            !nothing_held(&course, &evidence).passed
        };
        assert!(held("claimed", 1) && held("intent", 1) && held("unknown", 1));
        assert!(!held("claimed", 0), "its lease has run out");
        assert!(!held("completed", 1), "it is finished");
    }

    #[test]
    fn a_change_before_any_failover_was_admitted_is_seen() {
        let check = nothing_done_without_generation as fn(&Course, &Evidence) -> Check;
        assert!(passes(check, |_, _| {}));
        assert!(!passes(check, |course, _| course.disturbed_generation = 0));
        assert!(passes(check, |course, evidence| {
            course.disturbed_generation = 0;
            evidence.after = evidence.before.clone();
        }));
    }

    #[test]
    fn a_success_has_to_be_true_when_it_is_said_and_an_end_has_to_come_of_it() {
        let failed = |change: &dyn Fn(&mut Course, &mut Evidence)| {
            let (mut course, mut evidence) = (course(), recorded::evidence());
            change(&mut course, &mut evidence);
            let checks = judge(&schedule(), &course, &evidence);
            checks.into_iter().filter(|check| !check.passed).map(|check| check.claim).collect::<Vec<_>>()
        };
        let lied = failed(&|course, _| course.disturbed = recorded::world_at(Site::Primary, false));
        assert!(!lied.is_empty() && lied.iter().all(|claim| claim.starts_with("after the faults")), "{lied:?}");
        let unmoved = failed(&|_, evidence| evidence.after = recorded::world_at(Site::Primary, false));
        assert!(unmoved.iter().any(|claim| claim.starts_with("at the end")), "{unmoved:?}");
        let healed = |course: &mut Course, evidence: &mut Evidence| {
            course.ordered_again = Some(evidence.executions[0].started);
            course.disturbed = recorded::world_at(Site::Primary, false);
        };
        assert!(failed(&healed).is_empty(), "a later run moved it");
        let unhealed = failed(&|course, evidence| {
            healed(course, evidence);
            evidence.executions[0].status = "FAILED".to_owned();
        });
        assert!(unhealed.contains(&"the run without faults that followed succeeded".to_owned()), "{unhealed:?}");
    }
}
