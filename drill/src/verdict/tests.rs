//! The verdict on recorded evidence: it holds, and each change of it makes one check fail.

use std::time::{Duration, SystemTime};

use super::*;
use crate::gateway::{Call, LedgerWrite, Outcome};
use crate::listener::Message;
use crate::recorded::{self, call_of, world_at};
use crate::stage::Evidence;
use crate::staging::Traffic;
use crate::world::{BYSTANDER_SERVICE, Site};

const OK: Outcome = Outcome::Ok { status: 200 };

/// Every check that a good failover passes.
fn checks(evidence: &Evidence) -> Vec<Check> {
    let run = &evidence.runs[0];
    let mut checks = traffic_at(evidence, Site::Standby);
    checks.extend([
        executions_succeeded(evidence, 1),
        writer_at(evidence, Site::Standby),
        services_run_at(evidence, Site::Standby),
        minimum_raised_at(evidence, Site::Standby),
        nothing_scaled_down(evidence, None),
        other_services_untouched(evidence),
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
    ]);
    checks
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
        let record = e.after.records.iter_mut().find(|record| record.role.is_some()).unwrap();
        record.content = record.content.replace("TTL 60", "TTL 61");
    };
    only(&failing(change), "records of the workload point");
}

#[test]
fn a_pair_that_is_missing_afterwards_is_seen() {
    only(&failing(|e| e.after.records.retain(|record| record.role.is_none())), "records of the workload point");
}

#[test]
fn a_bystander_record_that_was_deleted_changed_or_added_is_seen() {
    only(&failing(|e| e.after.records.retain(|record| record.role.is_some())), "other records");
    let stranger = |e: &mut Evidence| {
        let mut record = e.after.records.iter().find(|record| record.role.is_none()).unwrap().clone();
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
fn a_later_wave_that_begins_too_early_is_seen() {
    let write = |step: &str, status: &str, at_ms: u64| {
        let mut call = call_of("scale-ecs", "dynamodb", "UpdateItem", Outcome::Ok { status: 200 });
        call.at = SystemTime::UNIX_EPOCH + Duration::from_millis(at_ms);
        let (operation_id, status) = (format!("one#{step}"), Some(status.to_owned()));
        call.ledger = Some(LedgerWrite { operation_id, status });
        call
    };
    let passes = |calls: &[Call]| {
        let evidence = Evidence { calls: calls.to_vec(), ..recorded::evidence() };
        begun_after(&evidence, "quotes", "/orders").passed
    };
    let (here, there) = ("scale-ecs#eu-west-1/a", "scale-ecs#fence/eu-central-1/a");
    let (orders, quotes) = (format!("{here}/orders"), format!("{here}/quotes"));
    let fence = write(&format!("{there}/quotes"), "in_progress", 1);
    let done = write(&orders, "completed", 5);
    assert!(passes(&[fence.clone(), write(&orders, "in_progress", 2), done.clone(), write(&quotes, "in_progress", 6)]));
    assert!(!passes(&[done.clone(), write(&quotes, "in_progress", 4)]), "begun before the first was done");
    assert!(!passes(&[write(&orders, "in_progress", 2), write(&quotes, "in_progress", 6)]), "never done");
    assert!(!passes(&[done, fence]), "never begun");
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
    let after = evidence.runs[0].execution.stopped.unwrap().plus(std::time::Duration::from_secs(1));
    assert!(!nothing_written_before(&evidence, after).passed);
    assert!(nothing_written_before(&evidence, evidence.runs[0].begins).passed, "all of it came later");
    evidence.calls =
        vec![call_of("shift-dns", "xray", "PutTraceSegments", OK), call_of("shift-dns", "dynamodb", "GetItem", OK)];
    assert!(nothing_written_before(&evidence, after).passed);
    evidence.calls.push(call_of("shift-dns", "dynamodb", "UpdateItem", Outcome::NoAnswer));
    assert_eq!(nothing_written_before(&evidence, after).found, "dynamodb:UpdateItem");
}

#[test]
fn an_answer_of_a_service_that_should_be_silent_is_seen() {
    let mut evidence = recorded::evidence();
    assert!(!unanswered(&evidence, "route53").passed);
    evidence.calls.retain(|call| call.service != "route53");
    evidence.calls.push(call_of("shift-dns", "route53", "GetChange", Outcome::NoAnswer));
    assert!(unanswered(&evidence, "route53").passed);
}

#[test]
fn an_order_is_refused_when_the_execution_fails_by_a_gate() {
    let mut run = recorded::run();
    assert!(!refused(&run, "").passed);
    run.execution.status = "FAILED".to_owned();
    run.execution.failure = Some("Failover.Refused: another failover is under way".to_owned());
    assert!(refused(&run, "under way").passed && !refused(&run, "cooldown").passed);
    run.execution.failure = Some("Failover.Bug: another failover is under way".to_owned());
    assert!(!refused(&run, "under way").passed);
}

#[test]
fn traffic_that_goes_nowhere_else_is_seen_for_each_way_of_moving_it() {
    let failing = |way, change: &dyn Fn(&mut Evidence)| {
        let mut evidence = recorded::evidence();
        (evidence.traffic, evidence.after.standby_object) = (vec![way], true);
        evidence.after.routing_controls = [(Site::Primary, false), (Site::Standby, true)].into();
        change(&mut evidence);
        let checks = traffic_at(&evidence, Site::Standby);
        assert_eq!(checks.len(), 1);
        !checks[0].passed
    };
    assert!(!failing(Traffic::StandbyObject, &|_| {}));
    assert!(failing(Traffic::StandbyObject, &|e| e.after.standby_object = false));
    assert!(!failing(Traffic::RoutingControl, &|_| {}));
    assert!(failing(Traffic::RoutingControl, &|e| e.after.routing_controls = e.before.routing_controls.clone()));
    assert!(failing(Traffic::WeightedRecords, &|_| {}), "the recorded ones have roles, not weights");
    let weighted = |e: &mut Evidence| {
        for (records, serving) in [(&mut e.before.records, "frankfurt"), (&mut e.after.records, "ireland")] {
            for record in records.iter_mut().filter(|record| record.role.is_some()) {
                let chosen = record.set_identifier.as_deref() == Some(serving);
                record.role = Some(if chosen { "100" } else { "0" }.to_owned());
            }
        }
    };
    assert!(!failing(Traffic::WeightedRecords, &weighted));
}

#[test]
fn records_that_another_way_of_moving_traffic_has_no_business_with_have_to_stay() {
    let mut evidence = recorded::evidence();
    assert!(other_records_untouched(&evidence).passed);
    evidence.traffic = vec![Traffic::StandbyObject];
    assert!(!other_records_untouched(&evidence).passed, "the pair was swapped");
}

#[test]
fn tasks_may_be_missing_where_they_were_fenced_and_nowhere_else() {
    let mut evidence = recorded::evidence();
    evidence.after.services.get_mut(&Site::Primary.service_key("orders")).unwrap().desired = 0;
    assert!(nothing_scaled_down(&evidence, Some(Site::Primary)).passed);
    assert!(!nothing_scaled_down(&evidence, Some(Site::Standby)).passed);
    evidence.after.services.get_mut(&Site::Primary.service_key(BYSTANDER_SERVICE)).unwrap().desired = 0;
    assert!(!nothing_scaled_down(&evidence, Some(Site::Primary)).passed, "a fence is about the workload");
}

#[test]
fn a_fences_operation_may_be_left_open_and_the_targets_may_not() {
    let with = |resource: &str| {
        let mut evidence = recorded::evidence();
        let mut item = evidence.ledger[0].clone();
        item.operation_id = format!("{}#scale-ecs#{resource}", evidence.runs[0].failover_id());
        item.status = "claimed".to_owned();
        evidence.ledger.push(item);
        ledger_complete(&evidence, &evidence.runs[0], &["promote-aurora", "scale-ecs", "shift-dns", "trigger"]).passed
    };
    assert!(with("fence/eu-central-1/trading-frankfurt"));
    assert!(!with("eu-west-1/trading-ireland"));
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

#[test]
fn two_runs_that_only_followed_each_other_are_told_apart() {
    let mut evidence = recorded::evidence();
    assert!(!ran_side_by_side(&evidence).passed, "there is no other");
    evidence.beside = vec![recorded::evidence()];
    assert!(ran_side_by_side(&evidence).passed);
    let stopped = evidence.executions[0].stopped.unwrap();
    evidence.beside[0].executions[0].started = stopped;
    assert!(!ran_side_by_side(&evidence).passed);
}

#[test]
fn a_ledger_that_differs_between_two_regions_is_seen() {
    let mut evidence = recorded::evidence();
    assert!(!one_ledger(&evidence).passed, "there is no other");
    evidence.beside = vec![recorded::evidence()];
    assert!(one_ledger(&evidence).passed);
    evidence.beside[0].ledger[0].status = "intent".to_owned();
    assert!(!one_ledger(&evidence).passed);
}

#[test]
fn a_run_gives_up_by_a_timeout_and_after_a_bounded_number_of_questions() {
    let mut run = recorded::run();
    assert!(!gave_up(&run, "").passed && !asked_repeatedly(&run).passed);
    run.execution.status = "FAILED".to_owned();
    run.execution.failure = Some("States.Timeout: No decision after 4 unanswered questions".to_owned());
    assert!(gave_up(&run, "unanswered questions").passed && !gave_up(&run, "lag").passed);
    let question = Message { subject: "Failover of trading needs your approval".to_owned(), text: String::new() };
    run.told = vec![question.clone(); 4];
    assert!(asked_repeatedly(&run).passed);
    run.told.push(question.clone());
    assert!(!asked_repeatedly(&run).passed);
    run.told = vec![question];
    assert!(!asked_repeatedly(&run).passed);
}

#[test]
fn a_region_that_should_have_been_left_alone_and_was_not_is_seen() {
    let mut evidence = recorded::evidence();
    assert!(site_unchanged(&evidence, Site::Primary).passed, "{:?}", site_unchanged(&evidence, Site::Primary));
    assert!(!site_unchanged(&evidence, Site::Standby).passed, "it was scaled");
    assert!(!site_unchanged(&evidence, Site::Reserve).passed, "nothing stands there");
    evidence.after.security_groups.clear();
    assert!(!site_unchanged(&evidence, Site::Primary).passed);
}
