//! The decision, state by state.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod pair;

use std::collections::BTreeSet;

use failover::contract::{ClusterArn, PromotionMode, Timestamp};
use failover::step::Plan;
use promote_aurora::plan::{
    Action, Global, JUST_CHANGED, LATER, Lag, LagReport, Member, Observation, OurChange, Promotion, Restoration, SOON,
    SecurityGroup, Source, Takeover, Target, Transition, plan,
};
use promote_aurora::rebuild::is_needed;
use proptest::prelude::*;

use pair::{NOW, arn, frankfurt, in_order, instance, ireland, members, serving, source, target, to_ireland};

const MODES: [PromotionMode; 3] = [PromotionMode::Switchover, PromotionMode::Failover, PromotionMode::Detach];

fn groups(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn has_groups(seen: &mut Observation, ids: &[&str]) {
    target(seen).security_groups =
        ids.iter().map(|id| SecurityGroup { id: (*id).to_owned(), status: "active".to_owned() }).collect();
}

fn taken_over() -> Observation {
    let mut seen = in_order();
    members(&mut seen)[0].is_writer = false;
    members(&mut seen)[1].is_writer = true;
    target(&mut seen).instances = vec![instance("available", true)];
    seen
}

fn taken_out() -> Observation {
    let mut seen = in_order();
    members(&mut seen).truncate(1);
    target(&mut seen).instances = vec![instance("available", true)];
    seen
}

fn pending(status: &str, to: Option<&ClusterArn>) -> Transition {
    let to = to.map(ToString::to_string);
    Transition { status: status.to_owned(), to, data_loss_allowed: Some(true) }
}

fn changed(ms_ago: i64) -> OurChange {
    OurChange { at: Timestamp::from_millis(NOW.as_millis() - ms_ago) }
}

fn refusal(request: &Promotion, seen: &Observation) -> (String, String) {
    let decided = plan(request, seen, NOW);
    let Plan::Refuse { reason, cure } = decided else { panic!("expected a refusal, got {decided:?}") };
    (reason, cure)
}

fn waiting(request: &Promotion, seen: &Observation) -> String {
    let decided = plan(request, seen, NOW);
    let Plan::Wait { reason, .. } = decided else { panic!("expected to wait, got {decided:?}") };
    reason
}

fn proof(request: &Promotion, seen: &Observation) -> String {
    let decided = plan(request, seen, NOW);
    let Plan::AlreadyDone { proof } = decided else { panic!("expected it to be done, got {decided:?}") };
    proof
}

fn action(request: &Promotion, seen: &Observation) -> Takeover {
    let decided = plan(request, seen, NOW);
    let Plan::Act(Action::Takeover(action)) = decided else { panic!("expected a promotion, got {decided:?}") };
    action
}

fn restored(request: &Promotion, seen: &Observation) -> Restoration {
    let decided = plan(request, seen, NOW);
    let Plan::Act(Action::Restoration(action)) = decided else { panic!("expected a restoration, got {decided:?}") };
    *action
}

#[test]
fn a_switchover_is_asked_of_the_present_writers_region_and_loses_nothing() {
    let action = action(&to_ireland(PromotionMode::Switchover), &in_order());
    assert_eq!(action.region, frankfurt().region());
    assert_eq!(action.expected_writer, Some(frankfurt()));
    assert_eq!((action.lag_ms_before, action.data_loss_exposure_ms), (Some(250), Some(0)));
}

#[test]
fn a_failover_is_asked_of_the_targets_region_and_may_lose_the_lag() {
    let action = action(&to_ireland(PromotionMode::Failover), &in_order());
    assert_eq!(action.region, ireland().region());
    assert_eq!((action.lag_ms_before, action.data_loss_exposure_ms), (Some(250), Some(250)));
}

#[test]
fn a_removal_is_asked_of_the_targets_region_and_may_lose_the_lag() {
    let action = action(&to_ireland(PromotionMode::Detach), &in_order());
    assert_eq!(action.region, ireland().region());
    assert_eq!(action.data_loss_exposure_ms, Some(250));
}

#[test]
fn an_unknown_lag_stops_nothing_and_is_reported_as_unknown() {
    let mut seen = in_order();
    seen.lag = None;
    seen.report.lag_ms_before = None;
    let action = action(&to_ireland(PromotionMode::Failover), &seen);
    assert_eq!((action.lag_ms_before, action.data_loss_exposure_ms), (None, None));
}

#[test]
fn the_lag_of_an_earlier_attempt_is_carried_into_the_next() {
    let mut seen = in_order();
    seen.lag = None;
    seen.our_change = Some(changed(60_000));
    assert_eq!(action(&to_ireland(PromotionMode::Failover), &seen).lag_ms_before, Some(250));
}

#[test]
fn a_failover_does_not_need_the_source_region() {
    let mut seen = in_order();
    seen.source = Some(Source::Silent { problem: "timed out".to_owned() });
    for mode in [PromotionMode::Failover, PromotionMode::Detach] {
        assert_eq!(action(&to_ireland(mode), &seen).mode, mode);
    }
}

#[test]
fn a_switchover_without_the_source_region_is_refused_with_the_mode_that_works() {
    let mut seen = in_order();
    seen.source = Some(Source::Silent { problem: "timed out".to_owned() });
    let (reason, cure) = refusal(&to_ireland(PromotionMode::Switchover), &seen);
    assert!(reason.contains("eu-central-1") && reason.contains("timed out"), "{reason}");
    assert!(cure.contains("mode failover"), "{cure}");
}

#[test]
fn a_source_region_that_falls_silent_just_after_the_switchover_was_sent_is_waited_for() {
    let mut seen = in_order();
    seen.source = Some(Source::Silent { problem: "timed out".to_owned() });
    seen.our_change = Some(changed(5_000));
    assert!(waiting(&to_ireland(PromotionMode::Switchover), &seen).contains("eu-central-1"));
    seen.our_change = Some(changed(i64::try_from(JUST_CHANGED.as_millis()).expect("small")));
    refusal(&to_ireland(PromotionMode::Switchover), &seen);
}

#[test]
fn a_switchover_is_not_begun_while_the_present_writer_or_the_target_is_not_available() {
    let mut writer = in_order();
    writer.source = Some(source("modifying", "16.6", "trading"));
    let mut secondary = in_order();
    target(&mut secondary).status = "modifying".to_owned();
    for (mut seen, whose) in [(writer, "the present writer"), (secondary, "take over")] {
        let (reason, cure) = refusal(&to_ireland(PromotionMode::Switchover), &seen);
        assert!(reason.contains("modifying") && reason.contains(whose), "{reason}");
        assert!(cure.contains("start again"), "{cure}");
        // Once it was sent, this is part of it.
        seen.our_change = Some(changed(200_000));
        assert!(waiting(&to_ireland(PromotionMode::Switchover), &seen).contains("modifying"));
    }
}

#[test]
fn an_unplanned_promotion_waits_for_a_target_that_is_not_available() {
    let mut seen = in_order();
    target(&mut seen).status = "modifying".to_owned();
    for mode in [PromotionMode::Failover, PromotionMode::Detach] {
        assert!(waiting(&to_ireland(mode), &seen).contains("modifying"));
    }
}

#[test]
fn a_switchover_between_different_versions_is_refused_with_both() {
    for (of_writer, fits) in [("16.4", false), ("15.6", false), ("16.6.2", true)] {
        let mut seen = in_order();
        seen.source = Some(source("available", of_writer, "trading"));
        if fits {
            action(&to_ireland(PromotionMode::Switchover), &seen);
            continue;
        }
        let (reason, cure) = refusal(&to_ireland(PromotionMode::Switchover), &seen);
        assert!(reason.contains(of_writer) && reason.contains("16.6"), "{reason}");
        assert!(cure.contains("one version"), "{cure}");
    }
}

#[test]
fn a_switchover_needs_a_target_that_is_known_to_be_connected_and_an_unplanned_promotion_does_not() {
    for status in [None, Some("a status of next year".to_owned())] {
        let mut seen = in_order();
        members(&mut seen)[1].synchronization = status;
        let (reason, cure) = refusal(&to_ireland(PromotionMode::Switchover), &seen);
        assert!(reason.contains("synchronisation status"), "{reason}");
        assert!(cure.contains("connected"), "{cure}");
        action(&to_ireland(PromotionMode::Failover), &seen);
    }
}

#[test]
fn a_switchover_to_the_only_member_is_refused_since_the_data_may_be_in_a_detached_cluster() {
    let mut seen = taken_over();
    members(&mut seen).remove(0);
    let (reason, cure) = refusal(&to_ireland(PromotionMode::Switchover), &seen);
    assert!(reason.contains("only member"), "{reason}");
    assert!(cure.contains("remove every member"), "{cure}");
    // Unless this operation made it the writer.
    seen.our_change = Some(changed(5_000));
    proof(&to_ireland(PromotionMode::Switchover), &seen);
    seen.our_change = None;
    proof(&to_ireland(PromotionMode::Failover), &seen);
}

#[test]
fn a_switchover_away_from_a_detached_cluster_is_refused_however_many_members_are_left() {
    let third = ClusterArn::parse("arn:aws:rds:eu-north-1:123456789012:cluster:trading-third").expect("an ARN");
    let home = |mode| Promotion { target: frankfurt(), source: Some(ireland()), ..to_ireland(mode) };
    // Ireland was detached; the old writer and a third Region have stayed.
    let mut seen = in_order();
    members(&mut seen)[1].arn = third;
    let (reason, cure) = refusal(&home(PromotionMode::Switchover), &seen);
    assert!(reason.contains("does not have what it wrote"), "{reason}");
    assert!(cure.contains("remove every member"), "{cure}");
    // Once it is a member again, the same request finds its target writing.
    let mut rebuilt = in_order();
    target(&mut rebuilt).instances = vec![instance("available", true)];
    proof(&home(PromotionMode::Switchover), &rebuilt);
    let to_ireland = Promotion { source: Some(frankfurt()), ..to_ireland(PromotionMode::Switchover) };
    action(&to_ireland, &in_order());
}

#[test]
fn after_a_detach_the_refusal_says_what_to_rebuild_in_which_order_and_what_is_there_of_it() {
    let (_, cure) = refusal(&to_ireland(PromotionMode::Switchover), &taken_out());
    let places: Vec<usize> = [
        "(1) global database trading-global: there, written by arn:aws:rds:eu-central-1",
        "(2) secondary cluster arn:aws:rds:eu-west-1:123456789012:cluster:trading-dr: there, available, but no secondary",
        "(3) DB instance: the present cluster has trading-dr-1",
        "(4) DB cluster parameter group: there: trading",
        "(5) synchronisation: none; wait",
    ]
    .iter()
    .map(|words| cure.find(words).unwrap_or_else(|| panic!("{words:?} in {cure}")))
    .collect();
    assert!(places.is_sorted(), "{cure}");
}

#[test]
fn what_is_to_be_rebuilt_is_said_also_when_nothing_of_it_is_there() {
    let seen = Observation { global: None, target: None, ..in_order() };
    let (_, cure) = refusal(&to_ireland(PromotionMode::Switchover), &seen);
    for words in [
        "(1) global database trading-global: there is none; create trading-global from the cluster that writes now",
        "trading-dr: there is none; create trading-dr in eu-west-1",
        "(3) DB instance: there is none; create at least one in trading-dr",
        "(4) DB cluster parameter group: not known",
    ] {
        assert!(cure.contains(words), "{words:?} in {cure}");
    }
    let mut headless = in_order();
    members(&mut headless).truncate(1);
    members(&mut headless)[0].is_writer = false;
    let (_, cure) = refusal(&to_ireland(PromotionMode::Switchover), &headless);
    assert!(cure.contains("there, without a writer; delete it"), "{cure}");
}

#[test]
fn a_detach_needs_no_global_database_so_nothing_is_to_be_rebuilt_for_it() {
    let mut seen = taken_out();
    seen.lag = None;
    let (_, cure) = refusal(&to_ireland(PromotionMode::Detach), &seen);
    assert!(!cure.contains("rebuild"), "{cure}");
}

#[test]
fn an_isolated_target_gets_its_security_groups_back_before_it_is_promoted() {
    for mode in MODES {
        let mut seen = in_order();
        has_groups(&mut seen, &["sg-0c105ed0"]);
        let action = restored(&serving(mode), &seen);
        assert_eq!((action.region, action.target), (ireland().region(), ireland()));
        assert_eq!(action.restore_security_groups, groups(&["sg-5e5e5e5e"]));
        assert_eq!((action.found_security_groups, action.after), (groups(&["sg-0c105ed0"]), None));
        // Then the promotion.
        has_groups(&mut seen, &["sg-5e5e5e5e"]);
        seen.restored_at = Some(NOW);
        assert_eq!(self::action(&serving(mode), &seen).mode, mode);
    }
}

#[test]
fn security_groups_are_left_alone_when_they_are_right_or_none_are_named() {
    let mut seen = in_order();
    action(&serving(PromotionMode::Failover), &seen);
    has_groups(&mut seen, &["sg-0c105ed0"]);
    action(&to_ireland(PromotionMode::Failover), &seen);
}

#[test]
fn nothing_is_given_back_for_a_promotion_that_is_refused() {
    let mut seen = in_order();
    has_groups(&mut seen, &["sg-0c105ed0"]);
    seen.source = Some(source("available", "15.6", "trading"));
    refusal(&serving(PromotionMode::Switchover), &seen);
    seen.source = Some(Source::Silent { problem: "timed out".to_owned() });
    refusal(&serving(PromotionMode::Switchover), &seen);
}

#[test]
fn a_target_that_writes_already_is_not_promoted_before_it_has_its_security_groups() {
    let mut seen = taken_over();
    has_groups(&mut seen, &["sg-0c105ed0"]);
    assert_eq!(restored(&serving(PromotionMode::Failover), &seen).after, None);
    has_groups(&mut seen, &["sg-5e5e5e5e"]);
    proof(&serving(PromotionMode::Failover), &seen);
}

#[test]
fn a_restoration_after_the_promotion_keeps_what_is_known_of_it() {
    let mut seen = taken_out();
    has_groups(&mut seen, &["sg-0c105ed0"]);
    seen.our_change = Some(changed(30_000));
    let action = restored(&serving(PromotionMode::Detach), &seen);
    let (takeover, at) = action.after.clone().expect("the promotion");
    assert_eq!((takeover.mode, takeover.expected_writer), (PromotionMode::Detach, Some(frankfurt())));
    assert_eq!((takeover.lag_ms_before, at), (Some(250), changed(30_000).at));
    let recorded = Action::Restoration(Box::new(action));
    let read = serde_json::from_value(serde_json::to_value(&recorded).expect("JSON")).expect("an action");
    assert_eq!(recorded, read);
    assert_eq!(read.takeover(NOW).expect("the promotion").1, at);
}

#[test]
fn a_target_that_writes_and_is_available_is_promoted_whoever_did_it() {
    for mode in MODES {
        let proof = proof(&to_ireland(mode), &taken_over());
        assert!(proof.contains(ireland().as_str()) && proof.contains("trading-dr-1"), "{proof}");
    }
}

#[test]
fn a_target_that_writes_is_not_promoted_before_its_cluster_and_writer_instance_are_available() {
    for mode in MODES {
        let mut seen = taken_over();
        target(&mut seen).status = "promoting".to_owned();
        assert!(waiting(&to_ireland(mode), &seen).contains("promoting"));
        let mut seen = taken_over();
        target(&mut seen).instances = vec![instance("rebooting", true)];
        assert!(waiting(&to_ireland(mode), &seen).contains("rebooting"));
        let mut seen = taken_over();
        target(&mut seen).instances = vec![instance("available", false)];
        assert!(waiting(&to_ireland(mode), &seen).contains("none of its instances is a writer"));
    }
}

#[test]
fn a_writer_whose_cluster_is_being_backed_up_is_not_yet_called_promoted_but_a_secondary_in_backup_is_promoted() {
    let mut seen = taken_over();
    target(&mut seen).status = "backing-up".to_owned();
    waiting(&to_ireland(PromotionMode::Failover), &seen);
    let mut seen = in_order();
    target(&mut seen).status = "backing-up".to_owned();
    action(&to_ireland(PromotionMode::Failover), &seen);
}

#[test]
fn what_is_pending_towards_the_target_is_waited_for_in_every_mode() {
    for mode in MODES {
        for status in ["pending", "failing-over", "switching-over", "cancelling"] {
            let mut seen = in_order();
            seen.global.as_mut().expect("there").transition = Some(pending(status, Some(&ireland())));
            assert!(waiting(&to_ireland(mode), &seen).contains(status));
        }
    }
}

#[test]
fn a_writer_is_not_promoted_while_something_is_still_pending() {
    let mut seen = taken_over();
    seen.global.as_mut().expect("there").transition = Some(pending("failing-over", Some(&ireland())));
    waiting(&to_ireland(PromotionMode::Failover), &seen);
}

#[test]
fn what_is_pending_towards_another_cluster_is_refused_with_its_name() {
    let paris = arn("eu-west-3", "trading-fr");
    for mode in MODES {
        let mut seen = in_order();
        seen.global.as_mut().expect("there").transition = Some(pending("switching-over", Some(&paris)));
        let (reason, _) = refusal(&to_ireland(mode), &seen);
        assert!(reason.contains(paris.as_str()), "{reason}");
    }
}

#[test]
fn a_cancellation_and_an_unknown_destination_are_waited_for() {
    let paris = arn("eu-west-3", "trading-fr");
    for transition in [pending("cancelling", Some(&paris)), pending("pending", None)] {
        let mut seen = in_order();
        seen.global.as_mut().expect("there").transition = Some(transition);
        waiting(&to_ireland(PromotionMode::Failover), &seen);
    }
}

#[test]
fn a_cluster_that_is_not_in_the_global_cluster_is_refused_with_its_name_and_the_members() {
    for mode in [PromotionMode::Switchover, PromotionMode::Failover] {
        let (reason, cure) = refusal(&to_ireland(mode), &taken_out());
        for name in [ireland().as_str(), frankfurt().as_str(), "trading-global"] {
            assert!(reason.contains(name), "{name} in {reason}");
        }
        assert!(cure.contains("target_cluster_arn"), "{cure}");
    }
}

#[test]
fn a_cluster_that_never_replicated_is_not_taken_for_a_detached_one() {
    let mut seen = taken_out();
    seen.lag = None;
    let (reason, _) = refusal(&to_ireland(PromotionMode::Detach), &seen);
    assert!(reason.contains(ireland().as_str()), "{reason}");
}

#[test]
fn a_cluster_that_replicated_a_moment_ago_was_detached_by_somebody_else() {
    let proof = proof(&to_ireland(PromotionMode::Detach), &taken_out());
    assert!(proof.contains("by somebody else"), "{proof}");
}

#[test]
fn a_cluster_that_this_operation_removed_is_detached_also_without_a_lag_or_a_global_cluster() {
    let mut seen = taken_out();
    seen.lag = None;
    seen.our_change = Some(changed(5_000));
    assert!(proof(&to_ireland(PromotionMode::Detach), &seen).contains("is detached"));
    seen.global = None;
    proof(&to_ireland(PromotionMode::Detach), &seen);
}

#[test]
fn a_detached_cluster_is_not_done_before_it_can_be_written_to() {
    let mut seen = taken_out();
    seen.our_change = Some(changed(5_000));
    target(&mut seen).status = "promoting".to_owned();
    waiting(&to_ireland(PromotionMode::Detach), &seen);
    target(&mut seen).status = "available".to_owned();
    target(&mut seen).instances = vec![instance("available", false)];
    waiting(&to_ireland(PromotionMode::Detach), &seen);
}

#[test]
fn a_global_cluster_that_does_not_exist_is_refused_with_its_name() {
    let mut seen = in_order();
    seen.global = None;
    for mode in [PromotionMode::Switchover, PromotionMode::Failover] {
        let (reason, _) = refusal(&to_ireland(mode), &seen);
        assert!(reason.contains("there is no global cluster trading-global"), "{reason}");
    }
}

#[test]
fn a_cluster_that_does_not_exist_is_refused_with_its_name() {
    for mode in MODES {
        let mut seen = in_order();
        seen.target = None;
        let (reason, _) = refusal(&to_ireland(mode), &seen);
        assert!(reason.contains(ireland().as_str()), "{reason}");
    }
}

#[test]
fn a_cluster_without_an_instance_is_refused_with_the_cure() {
    for mode in MODES {
        for mut seen in [in_order(), taken_over()] {
            target(&mut seen).instances.clear();
            let (_, cure) = refusal(&to_ireland(mode), &seen);
            assert!(cure.contains("add an instance"), "{cure}");
        }
    }
}

#[test]
fn a_cluster_that_is_being_synchronised_anew_is_refused() {
    for mode in MODES {
        let mut seen = in_order();
        members(&mut seen)[1].synchronization = Some("pending-resync".to_owned());
        let (reason, _) = refusal(&to_ireland(mode), &seen);
        assert!(reason.contains("synchronised anew"), "{reason}");
    }
}

#[test]
fn a_cluster_that_does_not_become_available_by_itself_is_refused_and_one_that_does_is_waited_for() {
    for status in ["deleting", "stopped", "inaccessible-encryption-credentials", "migration-failed"] {
        let mut seen = in_order();
        target(&mut seen).status = status.to_owned();
        let (reason, _) = refusal(&to_ireland(PromotionMode::Failover), &seen);
        assert!(reason.contains(status), "{reason}");
    }
    for status in ["creating", "modifying", "upgrading", "a status of next year"] {
        let mut seen = in_order();
        target(&mut seen).status = status.to_owned();
        assert!(waiting(&to_ireland(PromotionMode::Failover), &seen).contains(status));
    }
}

#[test]
fn a_global_cluster_without_a_writer_can_only_be_left() {
    let mut seen = in_order();
    members(&mut seen)[0].is_writer = false;
    for mode in [PromotionMode::Switchover, PromotionMode::Failover] {
        let (_, cure) = refusal(&to_ireland(mode), &seen);
        assert!(cure.contains("mode detach"), "{cure}");
    }
    assert_eq!(action(&to_ireland(PromotionMode::Detach), &seen).expected_writer, None);
}

#[test]
fn it_looks_again_sooner_just_after_the_change() {
    let mut seen = taken_over();
    target(&mut seen).status = "promoting".to_owned();
    let ask_again = |seen: &Observation| {
        let decided = plan(&to_ireland(PromotionMode::Failover), seen, NOW);
        let Plan::Wait { ask_again, .. } = decided else { panic!("expected to wait, got {decided:?}") };
        ask_again
    };
    assert_eq!(ask_again(&seen), LATER);
    seen.our_change = Some(changed(1_000));
    assert_eq!(ask_again(&seen), SOON);
}

fn statuses() -> impl Strategy<Value = String> {
    let known = ["available", "backing-up", "promoting", "failing-over", "stopped", "rebooting", ""];
    proptest::sample::select(known.map(str::to_owned).to_vec())
}

fn versions() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["16.6".to_owned(), "16.4".to_owned()])
}

fn clusters() -> impl Strategy<Value = ClusterArn> {
    proptest::sample::select(vec![frankfurt(), ireland(), arn("eu-west-3", "trading-fr")])
}

prop_compose! {
    fn any_global()(
        writers in proptest::collection::vec((clusters(), any::<bool>(), any::<bool>()), 0..4),
        transition in proptest::option::of((statuses(), proptest::option::of(clusters()))),
        status in statuses(),
    ) -> Global {
        let mut known = BTreeSet::new();
        let members = writers.into_iter().filter(|(arn, ..)| known.insert(arn.clone())).map(|(arn, is_writer, resync)| {
            let synchronization = Some(if resync { "pending-resync" } else { "connected" }.to_owned());
            Member { arn, is_writer, synchronization }
        });
        let transition = transition.map(|(status, to)| pending(&status, to.as_ref()));
        Global { status, members: members.collect(), transition }
    }
}

prop_compose! {
    fn any_target()(
        status in statuses(),
        instances in proptest::collection::vec((statuses(), any::<bool>()), 0..3),
        version in versions(),
        isolated: bool,
    ) -> Target {
        let instances = instances.iter().map(|(status, is_writer)| instance(status, *is_writer)).collect();
        let id = if isolated { "sg-0c105ed0" } else { "sg-5e5e5e5e" }.to_owned();
        let security_groups = vec![SecurityGroup { id, status: "active".to_owned() }];
        Target { status, engine_version: Some(version), parameter_group: None, security_groups, instances }
    }
}

prop_compose! {
    fn any_observation()(
        global in proptest::option::weighted(0.9, any_global()),
        target in proptest::option::weighted(0.9, any_target()),
        source_is in proptest::option::of((statuses(), versions())),
        source_answers: bool,
        lag in proptest::option::of(0u64..100_000),
        changed_ms_ago in proptest::option::of(0i64..200_000),
    ) -> Observation {
        let source = source_is.map(|(text, version)| {
            if source_answers { source(&text, &version, "trading") } else { Source::Silent { problem: text } }
        });
        Observation {
            global,
            target,
            source,
            lag: lag.map(|ms| Lag { ms, at: NOW }),
            our_change: changed_ms_ago.map(changed),
            restored_at: None,
            write_fencing: None,
            report: LagReport { lag_ms_before: lag, ..LagReport::default() },
        }
    }
}

fn any_mode() -> impl Strategy<Value = PromotionMode> {
    proptest::sample::select(MODES.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn it_is_never_called_done_unless_the_target_can_be_written_to_and_nothing_is_pending(
        seen in any_observation(),
        mode in any_mode(),
    ) {
        if let Plan::AlreadyDone { .. } = plan(&serving(mode), &seen, NOW) {
            let target = seen.target.expect("a target");
            prop_assert_eq!(target.group_ids(), groups(&["sg-5e5e5e5e"]));
            prop_assert_eq!(target.status, "available");
            prop_assert!(target.instances.iter().any(|one| one.is_writer && one.status == "available"));
            let member = seen.global.as_ref().and_then(|global| global.members.iter().find(|one| one.arn == ireland()));
            if let Some(member) = member {
                prop_assert!(member.is_writer);
                prop_assert!(seen.global.expect("there").transition.is_none());
            } else {
                prop_assert_eq!(mode, PromotionMode::Detach);
                prop_assert!(seen.our_change.is_some() || seen.lag.is_some());
            }
        }
    }

    #[test]
    fn it_acts_only_on_a_connected_member_that_is_not_the_writer_with_nothing_pending(
        seen in any_observation(),
        mode in any_mode(),
    ) {
        if let Plan::Act(Action::Takeover(action)) = plan(&serving(mode), &seen, NOW) {
            let global = seen.global.expect("a global cluster");
            prop_assert!(global.transition.is_none());
            let member = global.members.iter().find(|one| one.arn == ireland()).expect("a member");
            prop_assert!(!member.is_writer);
            prop_assert_eq!(member.synchronization.as_deref(), Some("connected"));
            let target = seen.target.expect("a target");
            prop_assert!(!target.instances.is_empty());
            prop_assert_eq!(target.group_ids(), groups(&["sg-5e5e5e5e"]));
            if let (PromotionMode::Switchover, Some(Source::Answers { engine_version, .. })) = (mode, &seen.source) {
                prop_assert_eq!(engine_version, &target.engine_version);
            }
            prop_assert_eq!(&action.expected_writer, &global.writer());
            prop_assert_eq!(action.mode, mode);
            let exposure = if mode == PromotionMode::Switchover { Some(0) } else { seen.report.lag_ms_before };
            prop_assert_eq!(action.data_loss_exposure_ms, exposure);
        }
    }

    #[test]
    fn it_never_waits_longer_than_two_seconds_at_a_time(seen in any_observation(), mode in any_mode()) {
        if let Plan::Wait { ask_again, .. } = plan(&to_ireland(mode), &seen, NOW) {
            prop_assert!(ask_again <= LATER && ask_again >= SOON);
        }
    }
}

#[test]
fn a_target_that_is_not_there_is_named_with_what_was_asked_of_it() {
    let seen = Observation { target: None, ..in_order() };
    let (reason, _) = refusal(&to_ireland(PromotionMode::Failover), &seen);
    assert!(
        reason.contains(ireland().as_str()) && reason.contains("writer of global cluster trading-global"),
        "{reason}"
    );
}

#[test]
fn only_a_switchover_that_was_not_sent_minds_that_the_cluster_that_is_left_was_detached() {
    let detached = Some(arn("eu-central-1", "trading-detached"));
    let with_source = |mode| Promotion { source: detached.clone(), ..to_ireland(mode) };
    let (reason, _) = refusal(&with_source(PromotionMode::Switchover), &in_order());
    assert!(reason.contains("trading-detached"), "{reason}");
    // An unplanned failover goes by what is left, and a switchover that was sent is looked after to its end.
    assert_eq!(action(&with_source(PromotionMode::Failover), &in_order()).mode, PromotionMode::Failover);
    let sent = Observation { our_change: Some(changed(5_000)), ..in_order() };
    assert_eq!(action(&with_source(PromotionMode::Switchover), &sent).mode, PromotionMode::Switchover);
}

#[test]
fn a_target_that_does_not_have_what_a_detached_cluster_wrote_is_to_be_rebuilt_for_a_switchover_alone() {
    let detached = Some(arn("eu-central-1", "trading-detached"));
    let with_source = |mode| Promotion { source: detached.clone(), ..to_ireland(mode) };
    assert!(is_needed(&with_source(PromotionMode::Switchover), &in_order()));
    assert!(!is_needed(&with_source(PromotionMode::Failover), &in_order()));
}

#[test]
fn a_target_that_is_the_only_member_is_to_be_rebuilt_for_a_switchover_alone() {
    let mut alone = in_order();
    members(&mut alone).remove(0);
    assert!(is_needed(&to_ireland(PromotionMode::Switchover), &alone));
    assert!(!is_needed(&to_ireland(PromotionMode::Failover), &alone));
    assert!(!is_needed(&to_ireland(PromotionMode::Switchover), &in_order()));
    assert!(is_needed(&to_ireland(PromotionMode::Failover), &taken_out()), "it is no member at all");
}
