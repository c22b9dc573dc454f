//! The decision, state by state.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use failover::contract::{Capacity, Region, RunContext, ServiceSelection, Timestamp};
use failover::step::Plan;
use proptest::prelude::*;
use scale_ecs::Scaling;
use scale_ecs::plan::{
    Absent, Action, Compute, Leaving, Limits, MOST_TASKS, Observation, PlacementFailure, Registration, Service,
    ServiceChange, Source, Suspension, is_placement_failure, plan,
};

fn region(name: &str) -> Region {
    Region::parse(name).expect("a Region")
}

fn to_count(count: u32) -> Scaling {
    Scaling {
        run: RunContext::default(),
        region: region("eu-west-1"),
        cluster: "standby".to_owned(),
        services: ServiceSelection::All,
        capacity: Capacity::Desired(count),
        allow_scale_down: false,
        budget: None,
    }
}

fn fence() -> Scaling {
    Scaling { capacity: Capacity::Fenced, ..to_count(0) }
}

fn to_percent(percent: u32, desired_if_unknown: Option<u32>) -> Scaling {
    let (source_region, source_cluster) = (region("eu-central-1"), "primary".to_owned());
    let capacity = Capacity::PercentOfSource { percent, source_region, source_cluster, desired_if_unknown };
    Scaling { capacity, ..to_count(0) }
}

fn down_to(count: u32) -> Scaling {
    Scaling { allow_scale_down: true, ..to_count(count) }
}

/// A service whose tasks all run.
fn service(name: &str, tasks: u32) -> Service {
    Service {
        name: name.to_owned(),
        desired: tasks,
        running: tasks,
        pending: 0,
        daemon: false,
        limits: None,
        placement_failure: None,
        task_definition: None,
        compute: Compute::Fargate,
    }
}

fn scaled(name: &str, tasks: u32, min: u32, max: u32) -> Service {
    suspended(name, tasks, min, max, Suspension::NONE)
}

fn suspended(name: &str, tasks: u32, min: u32, max: u32, suspended: Suspension) -> Service {
    Service { limits: Some(Limits { min, max, suspended }), ..service(name, tasks) }
}

fn to_register(min: u32, max: u32, suspend: Option<bool>) -> Registration {
    Registration { min, max, suspend }
}

fn seen(services: impl IntoIterator<Item = Service>) -> Observation {
    Observation { services: services.into_iter().collect(), ..Observation::default() }
}

fn with_source(counts: &[(&str, u32)], seen: Observation) -> Observation {
    let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    Observation { source: Some(Source::Counts(counts)), ..seen }
}

fn without_source(seen: Observation) -> Observation {
    Observation { source: Some(Source::Unknown { problem: "timed out".to_owned() }), ..seen }
}

fn decided(counts: &[(&str, u32)], seen: Observation) -> Observation {
    let decided: BTreeMap<String, u32> = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    Observation { decided: Some(decided), ..seen }
}

fn refusal(request: &Scaling, seen: &Observation) -> (String, String) {
    let decided = plan(request, seen);
    let Plan::Refuse { reason, cure } = decided else { panic!("expected a refusal, got {decided:?}") };
    (reason, cure)
}

fn waiting(request: &Scaling, seen: &Observation) -> String {
    let decided = plan(request, seen);
    let Plan::Wait { reason, .. } = decided else { panic!("expected to wait, got {decided:?}") };
    reason
}

fn proof(request: &Scaling, seen: &Observation) -> String {
    let decided = plan(request, seen);
    let Plan::AlreadyDone { proof } = decided else { panic!("expected it to be done, got {decided:?}") };
    proof
}

fn changes(request: &Scaling, seen: &Observation) -> Vec<ServiceChange> {
    let decided = plan(request, seen);
    let Plan::Act(Action { region, cluster, services }) = decided else { panic!("expected to act, got {decided:?}") };
    assert_eq!((region, cluster), (request.region.clone(), request.cluster.clone()));
    services
}

fn only_change(request: &Scaling, seen: &Observation) -> ServiceChange {
    let [change] = &changes(request, seen)[..] else { panic!("expected one service") };
    change.clone()
}

#[test]
fn a_service_with_fewer_tasks_is_scaled_out_to_the_count() {
    let change = only_change(&to_count(3), &seen([service("api", 1)]));
    let expected = ServiceChange { service: "api".to_owned(), target: 3, found: 1, register: None, update: true };
    assert_eq!(change, expected);
}

#[test]
fn a_minimum_below_the_count_is_raised_with_it_so_that_no_policy_undoes_it() {
    let change = only_change(&to_count(3), &seen([scaled("api", 1, 1, 10)]));
    assert_eq!(change.register, Some(to_register(3, 10, None)));
}

#[test]
fn a_maximum_below_the_count_is_raised_too() {
    let change = only_change(&to_count(30), &seen([scaled("api", 1, 1, 10)]));
    assert_eq!(change.register, Some(to_register(30, 30, None)));
}

#[test]
fn a_count_that_is_high_enough_already_still_has_its_minimum_raised() {
    let change = only_change(&to_count(3), &seen([scaled("api", 5, 1, 10)]));
    assert_eq!((change.update, change.register), (false, Some(to_register(3, 10, None))));
}

#[test]
fn a_service_with_more_tasks_is_left_alone() {
    assert!(proof(&to_count(3), &seen([service("api", 5)])).contains("api"));
    proof(&to_count(0), &seen([service("api", 5)]));
}

#[test]
fn a_service_with_more_tasks_is_scaled_in_only_when_the_request_says_so() {
    let change = only_change(&down_to(3), &seen([service("api", 5)]));
    assert_eq!((change.target, change.update), (3, true));
}

#[test]
fn scaling_in_stops_at_the_minimum_which_is_never_lowered() {
    let change = only_change(&down_to(1), &seen([scaled("api", 5, 2, 10)]));
    assert_eq!((change.target, change.register), (2, None));
    proof(&down_to(1), &seen([scaled("api", 2, 2, 10)]));
}

#[test]
fn a_service_below_its_minimum_is_scaled_out_to_it_and_never_in() {
    let change = only_change(&to_count(2), &seen([scaled("api", 1, 4, 10)]));
    assert_eq!((change.target, change.register), (4, None));
    proof(&down_to(1), &seen([scaled("api", 3, 4, 10)]));
}

#[test]
fn a_percentage_is_rounded_up() {
    for (percent, source, expected) in [(50, 3, 2), (1, 1, 1), (100, 7, 7), (150, 3, 5), (1000, 4, 40)] {
        let seen = with_source(&[("api", source)], seen([service("api", 0)]));
        assert_eq!(only_change(&to_percent(percent, None), &seen).target, expected, "{percent} % of {source}");
    }
}

#[test]
fn a_percentage_of_nothing_is_nothing() {
    proof(&to_percent(100, Some(9)), &with_source(&[("api", 0)], seen([service("api", 0)])));
}

#[test]
fn a_percentage_beyond_what_a_service_can_have_is_refused() {
    let seen = with_source(&[("api", MOST_TASKS)], seen([service("api", 1)]));
    let (reason, _) = refusal(&to_percent(101, None), &seen);
    assert!(reason.contains("api") && reason.contains("5050"), "{reason}");
}

#[test]
fn each_service_takes_the_percentage_of_its_own_count() {
    let seen = with_source(&[("api", 10), ("worker", 4)], seen([service("api", 1), service("worker", 1)]));
    let targets: Vec<u32> = changes(&to_percent(50, None), &seen).iter().map(|change| change.target).collect();
    assert_eq!(targets, [5, 2]);
}

#[test]
fn without_the_source_regions_counts_the_count_given_for_that_case_is_taken() {
    let seen = without_source(seen([service("api", 1)]));
    assert_eq!(only_change(&to_percent(100, Some(4)), &seen).target, 4);
}

#[test]
fn without_the_source_regions_counts_and_without_one_for_that_case_it_is_refused_with_the_cure() {
    let (reason, cure) = refusal(&to_percent(100, None), &without_source(seen([service("api", 1)])));
    assert!(reason.contains("eu-central-1") && reason.contains("timed out"), "{reason}");
    assert!(cure.contains("desired_if_unknown"), "{cure}");
}

#[test]
fn a_service_that_the_source_does_not_have_takes_the_count_for_the_unknown_or_is_refused() {
    let seen = with_source(&[("api", 3)], seen([service("worker", 1)]));
    assert_eq!(only_change(&to_percent(100, Some(2)), &seen).target, 2);
    let (reason, _) = refusal(&to_percent(100, None), &seen);
    assert!(reason.contains("worker"), "{reason}");
}

#[test]
fn counts_once_decided_hold_though_the_source_is_gone_or_has_changed() {
    let partly = || decided(&[("api", 7)], seen([service("api", 3)]));
    for seen in [partly(), without_source(partly()), with_source(&[("api", 100)], partly())] {
        assert_eq!(only_change(&to_percent(100, None), &seen).target, 7);
    }
}

#[test]
fn it_is_not_done_before_the_tasks_run() {
    let starting = Service { running: 1, pending: 2, ..service("api", 3) };
    let reason = waiting(&to_count(3), &seen([service("web", 3), starting]));
    assert_eq!(reason, "api: 1 of 3 tasks run");
}

#[test]
fn it_does_not_wait_for_tasks_beyond_the_count_asked_for() {
    let growing = Service { running: 3, ..service("api", 9) };
    proof(&to_count(3), &seen([growing]));
}

#[test]
fn a_placement_failure_is_part_of_the_reason_to_wait() {
    let message = "(service api) was unable to place a task because no container instance met all of its requirements.";
    let failure = PlacementFailure { at: Timestamp::from_millis(0), message: message.to_owned() };
    let stuck = Service { running: 0, placement_failure: Some(failure), ..service("api", 3) };
    assert!(waiting(&to_count(3), &seen([stuck])).contains(message));
}

#[test]
fn a_reason_names_five_services_and_counts_the_rest() {
    let starting = (0..8).map(|n| Service { running: 0, ..service(&format!("s{n}"), 3) });
    let reason = waiting(&to_count(3), &seen(starting));
    assert!(reason.contains("s4") && !reason.contains("s5") && reason.ends_with("and 3 more"), "{reason}");
}

#[test]
fn a_change_carries_the_counts_of_every_service_also_of_those_that_lack_nothing() {
    let changes = changes(&to_count(3), &seen([service("api", 1), service("web", 3)]));
    let needed: Vec<(&str, u32, bool)> =
        changes.iter().map(|change| (change.service.as_str(), change.target, change.is_needed())).collect();
    assert_eq!(needed, [("api", 3, true), ("web", 3, false)]);
}

#[test]
fn a_service_that_is_not_there_is_refused_by_name_before_any_is_changed() {
    let absent = vec![Absent { name: "ghost".to_owned(), reason: "MISSING".to_owned() }];
    let (reason, _) = refusal(&to_count(3), &Observation { absent, ..seen([service("api", 1)]) });
    for name in ["ghost: MISSING", "standby", "eu-west-1"] {
        assert!(reason.contains(name), "{name} in {reason}");
    }
}

#[test]
fn a_cluster_without_a_service_is_refused_since_nothing_would_serve() {
    let (reason, _) = refusal(&to_count(3), &seen([]));
    assert!(reason.contains("standby"), "{reason}");
}

#[test]
fn too_many_services_are_refused() {
    let (_, cure) = refusal(&to_count(3), &Observation { too_many: true, ..seen([]) });
    assert!(cure.contains("name the services"), "{cure}");
}

#[test]
fn a_daemon_service_is_left_out_of_all_and_refused_by_name() {
    let daemon = || Service { daemon: true, ..service("agent", 2) };
    proof(&to_count(3), &seen([daemon(), service("api", 3)]));
    let named = Scaling { services: ServiceSelection::Named(vec!["agent".to_owned()]), ..to_count(3) };
    let (reason, _) = refusal(&named, &seen([daemon()]));
    assert!(reason.contains("agent"), "{reason}");
}

#[test]
fn events_that_tell_of_tasks_that_cannot_be_placed_are_recognised_and_others_are_not() {
    for message in [
        "(service api) was unable to place a task. Reason: Capacity is unavailable at this time.",
        "(service api) was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run.",
        "(service api) operations are being throttled. Will try again later.",
        "(service api) is unable to consistently start tasks successfully.",
    ] {
        assert!(is_placement_failure(message), "{message}");
    }
    for message in
        ["(service api) has reached a steady state.", "(service api) has started 2 tasks: (task 1) (task 2)."]
    {
        assert!(!is_placement_failure(message), "{message}");
    }
}

#[test]
fn a_fence_suspends_automatic_scaling_and_takes_the_minimum_away_before_it_stops_the_tasks() {
    let change = only_change(&fence(), &seen([scaled("api", 5, 2, 10)]));
    assert_eq!((change.target, change.found, change.update), (0, 5, true));
    assert_eq!(change.register, Some(to_register(0, 10, Some(true))));
}

#[test]
fn a_fence_needs_no_leave_to_scale_down_and_a_service_without_limits_only_its_count() {
    let change = only_change(&fence(), &seen([service("api", 5)]));
    assert_eq!((change.target, change.update, change.register), (0, true, None));
}

#[test]
fn a_service_that_has_no_tasks_but_could_be_given_some_is_still_fenced() {
    for open in [
        scaled("api", 0, 0, 10),
        suspended("api", 0, 1, 10, Suspension::ALL),
        suspended("api", 0, 0, 10, Suspension { scale_out: false, ..Suspension::ALL }),
    ] {
        let change = only_change(&fence(), &seen([open]));
        assert_eq!((change.update, change.register), (false, Some(to_register(0, 10, Some(true)))));
    }
}

#[test]
fn a_fence_remembers_the_counts_from_before_its_first_change() {
    let found_before = BTreeMap::from([("api".to_owned(), 5)]);
    let seen = Observation { found_before, ..seen([scaled("api", 0, 2, 10), scaled("web", 3, 2, 10)]) };
    let found: Vec<u32> = changes(&fence(), &seen).iter().map(|change| change.found).collect();
    assert_eq!(found, [5, 3]);
}

#[test]
fn a_fence_is_done_when_no_task_is_left_and_none_is_being_started() {
    let closed = || suspended("api", 0, 0, 10, Suspension::ALL);
    assert!(proof(&fence(), &seen([closed()])).contains("none of 1 services"));
    let stopping = Service { running: 2, ..closed() };
    let starting = Service { pending: 1, ..closed() };
    assert_eq!(waiting(&fence(), &seen([stopping])), "api: 2 tasks left");
    assert_eq!(waiting(&fence(), &seen([starting])), "api: 1 tasks left");
}

#[test]
fn a_fence_waits_for_services_that_are_being_deleted_and_is_done_in_a_cluster_without_services() {
    let leaving = |tasks| Observation { leaving: vec![Leaving { name: "old".to_owned(), tasks }], ..seen([]) };
    assert_eq!(waiting(&fence(), &leaving(3)), "old: 3 tasks left");
    proof(&fence(), &leaving(0));
    proof(&fence(), &seen([]));
}

#[test]
fn a_fence_says_which_daemon_services_it_does_not_reach() {
    let daemon = Service { daemon: true, ..service("agent", 2) };
    assert!(proof(&fence(), &seen([daemon, service("api", 0)])).contains("agent"));
}

#[test]
fn a_region_that_does_not_answer_a_fence_is_waited_for() {
    let silent = Observation { silent: Some("timed out".to_owned()), ..Observation::default() };
    assert_eq!(waiting(&fence(), &silent), "eu-west-1 does not answer: timed out");
}

#[test]
fn a_fence_takes_no_count_that_was_decided_on_before() {
    assert_eq!(only_change(&fence(), &decided(&[("api", 7)], seen([service("api", 3)]))).target, 0);
}

#[test]
fn scaling_a_fenced_service_resumes_its_automatic_scaling_with_the_limits() {
    let change = only_change(&to_count(3), &seen([suspended("api", 0, 0, 10, Suspension::ALL)]));
    assert_eq!((change.update, change.register), (true, Some(to_register(3, 10, Some(false)))));
}

#[test]
fn a_fence_is_taken_away_also_when_nothing_else_is_to_be_done() {
    let change = only_change(&to_count(3), &seen([suspended("api", 3, 3, 10, Suspension::ALL)]));
    assert_eq!((change.update, change.register), (false, Some(to_register(3, 10, Some(false)))));
}

#[test]
fn a_suspension_of_a_part_was_no_fence_and_is_left_alone() {
    let part = Suspension { scale_in: true, ..Suspension::NONE };
    proof(&to_count(3), &seen([suspended("api", 3, 3, 10, part)]));
    let change = only_change(&to_count(3), &seen([suspended("api", 1, 1, 10, part)]));
    assert_eq!(change.register, Some(to_register(3, 10, None)));
}

prop_compose! {
    fn any_limits()(
        min in 0u32..10,
        more in 0u32..20,
        all in proptest::bool::weighted(0.3),
        part in any::<(bool, bool, bool)>(),
    ) -> Limits {
        let (scale_in, scale_out, scheduled) = part;
        let suspended = if all { Suspension::ALL } else { Suspension { scale_in, scale_out, scheduled } };
        Limits { min, max: min + more, suspended }
    }
}

prop_compose! {
    fn any_service(name: &'static str)(
        desired in 0u32..20,
        running in 0u32..20,
        pending in 0u32..3,
        daemon in proptest::bool::weighted(0.1),
        limits in proptest::option::of(any_limits()),
    ) -> Service {
        Service { running, pending, daemon, limits, ..service(name, desired) }
    }
}

prop_compose! {
    fn any_capacity()(
        desired in 0u32..20,
        percent in proptest::option::of(1u32..=1000),
        fallback in proptest::option::of(0u32..20),
    ) -> Capacity {
        percent.map_or(Capacity::Desired(desired), |percent| to_percent(percent, fallback).capacity)
    }
}

prop_compose! {
    fn any_observation()(
        api in any_service("api"),
        web in any_service("web"),
        source in proptest::option::of(proptest::option::of(0u32..20)),
        decided_counts in proptest::option::weighted(0.3, (0u32..20, 0u32..20)),
    ) -> Observation {
        let source = source.map(|count| match count {
            Some(count) => Source::Counts(BTreeMap::from([("api".to_owned(), count), ("web".to_owned(), 2)])),
            None => Source::Unknown { problem: "timed out".to_owned() },
        });
        let seen = Observation { source, ..seen([api, web]) };
        match decided_counts {
            Some((api, web)) => decided(&[("api", api), ("web", web)], seen),
            None => seen,
        }
    }
}

/// AWS after the change: limits and counts as ordered, every task running.
fn after(seen: &Observation, changes: &[ServiceChange]) -> Observation {
    let mut next = seen.clone();
    for service in &mut next.services {
        let Some(change) = changes.iter().find(|change| change.service == service.name) else { continue };
        if let (Some(Registration { min, max, suspend }), Some(limits)) = (change.register, &mut service.limits) {
            let all = |suspend| if suspend { Suspension::ALL } else { Suspension::NONE };
            *limits = Limits { min, max, suspended: suspend.map_or(limits.suspended, all) };
        }
        if change.update {
            service.desired = change.target;
        }
        (service.running, service.pending) = (service.desired, 0);
    }
    let counts: Vec<(&str, u32)> = changes.iter().map(|change| (change.service.as_str(), change.target)).collect();
    decided(&counts, next)
}

/// AWS after what is to be done now, if anything.
fn carried_out(request: &Scaling, seen: &Observation) -> Observation {
    if let Plan::Act(action) = plan(request, seen) { after(seen, &action.services) } else { seen.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn no_count_is_lowered_unless_the_request_says_so_and_no_limit_ever(
        seen in any_observation(),
        capacity in any_capacity(),
        allow_scale_down: bool,
    ) {
        let request = Scaling { capacity, allow_scale_down, ..to_count(0) };
        if let Plan::Act(action) = plan(&request, &seen) {
            for change in &action.services {
                let service = seen.services.iter().find(|one| one.name == change.service).expect("a service");
                prop_assert!(!change.update || allow_scale_down || change.target > service.desired);
                if let (Some(new), Some(old)) = (change.register, service.limits) {
                    prop_assert!(new.min >= old.min && new.max >= old.max && new.min <= new.max);
                }
            }
        }
    }

    #[test]
    fn a_count_that_is_set_lies_within_the_limits(
        seen in any_observation(),
        capacity in any_capacity(),
        allow_scale_down: bool,
    ) {
        let request = Scaling { capacity, allow_scale_down, ..to_count(0) };
        if let Plan::Act(action) = plan(&request, &seen) {
            for change in action.services.iter().filter(|change| change.update) {
                let service = seen.services.iter().find(|one| one.name == change.service).expect("a service");
                let found = service.limits.map(|limits| (limits.min, limits.max));
                let registered = change.register.map(|limits| (limits.min, limits.max));
                if let Some((min, max)) = registered.or(found) {
                    prop_assert!((min..=max).contains(&change.target), "{change:?}");
                }
            }
        }
    }

    #[test]
    fn one_change_is_enough_and_the_same_change_again_would_be_none(
        seen in any_observation(),
        capacity in any_capacity(),
        allow_scale_down: bool,
    ) {
        let request = Scaling { capacity, allow_scale_down, ..to_count(0) };
        if let Plan::Act(action) = plan(&request, &seen) {
            let decided = plan(&request, &after(&seen, &action.services));
            let done = matches!(decided, Plan::AlreadyDone { .. });
            prop_assert!(done, "{decided:?}");
        }
    }

    #[test]
    fn it_is_never_called_done_with_less_than_what_was_asked_for(seen in any_observation(), count in 0u32..20) {
        let seen = Observation { decided: None, ..seen };
        if let Plan::AlreadyDone { .. } = plan(&to_count(count), &seen) {
            for service in seen.services.iter().filter(|service| !service.daemon) {
                prop_assert!(service.desired >= count && service.running >= count);
                prop_assert!(service.limits.is_none_or(|limits| limits.min >= count && limits.max >= count));
                prop_assert!(service.limits.is_none_or(|limits| limits.suspended != Suspension::ALL));
            }
        }
    }

    #[test]
    fn a_scaling_never_suspends_and_resumes_only_what_is_suspended_altogether(
        seen in any_observation(),
        capacity in any_capacity(),
        allow_scale_down: bool,
    ) {
        let request = Scaling { capacity, allow_scale_down, ..to_count(0) };
        if let Plan::Act(action) = plan(&request, &seen) {
            for change in &action.services {
                let service = seen.services.iter().find(|one| one.name == change.service).expect("a service");
                let all = service.limits.is_some_and(|limits| limits.suspended == Suspension::ALL);
                prop_assert_eq!(change.register.and_then(|limits| limits.suspend), all.then_some(false));
            }
        }
    }

    #[test]
    fn a_fence_leaves_no_task_no_minimum_and_nothing_that_scales_and_keeps_the_maximum(
        seen in any_observation(),
    ) {
        let fenced = carried_out(&fence(), &seen);
        let decided = plan(&fence(), &fenced);
        if !matches!(decided, Plan::AlreadyDone { .. }) {
            // Nothing was to be changed, and tasks are still stopping.
            prop_assert!(matches!(decided, Plan::Wait { .. }), "{decided:?}");
            prop_assert!(fenced.services.iter().any(|service| service.running + service.pending > 0));
        }
        for service in fenced.services.iter().filter(|service| !service.daemon) {
            prop_assert_eq!(service.desired, 0);
            let found = seen.services.iter().find(|one| one.name == service.name).and_then(|one| one.limits);
            prop_assert!(service.limits.is_none_or(|limits| limits.min == 0 && limits.suspended == Suspension::ALL));
            prop_assert_eq!(service.limits.map(|limits| limits.max), found.map(|limits| limits.max));
        }
    }

    #[test]
    fn a_fence_is_never_called_done_with_a_task_left(seen in any_observation()) {
        if let Plan::AlreadyDone { .. } = plan(&fence(), &seen) {
            for service in seen.services.iter().filter(|service| !service.daemon) {
                prop_assert_eq!((service.desired, service.running, service.pending), (0, 0, 0));
            }
        }
    }

    #[test]
    fn a_scaling_after_a_fence_brings_the_tasks_back_and_the_automatic_scaling(
        seen in any_observation(),
        count in 0u32..20,
    ) {
        prop_assume!(seen.services.iter().any(|service| !service.daemon));
        let Plan::Act(fencing) = plan(&fence(), &seen) else { return Ok(()) };
        let fenced = Observation { decided: None, ..after(&seen, &fencing.services) };
        let scaled = carried_out(&to_count(count), &fenced);
        let decided = plan(&to_count(count), &scaled);
        prop_assert!(matches!(decided, Plan::AlreadyDone { .. }), "{decided:?}");
        for service in scaled.services.iter().filter(|service| !service.daemon) {
            prop_assert!(service.running >= count);
            prop_assert!(service.limits.is_none_or(|limits| limits.suspended.is_none()));
        }
    }
}

#[test]
fn what_is_suspended_is_told_and_nothing_is_said_of_it_when_nothing_is() {
    let limits = |suspended| serde_json::json!(Limits { min: 1, max: 4, suspended });
    let told = serde_json::json!({ "scale_in": true, "scale_out": true, "scheduled": true });
    assert_eq!(limits(Suspension::ALL)["suspended"], told);
    assert_eq!(limits(Suspension::NONE), serde_json::json!({ "min": 1, "max": 4 }));
}
