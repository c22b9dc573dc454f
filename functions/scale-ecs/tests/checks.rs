//! The checks of the preflight: all well, something wrong, cannot tell.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use failover::contract::{Capacity, Finding, Region, RunContext, ServiceSelection, Severity};
use scale_ecs::Scaling;
use scale_ecs::checks::{
    autoscaling_limits, autoscaling_runs, cpu_units, demand, fargate_quota, fence_reaches_all, instance_capacity,
    services_are_active,
};
use scale_ecs::plan::{Absent, Compute, Limits, Observation, Service, ServiceChange, Suspension};

fn request() -> Scaling {
    Scaling {
        run: RunContext::default(),
        region: Region::parse("eu-west-1").expect("a Region"),
        cluster: "standby".to_owned(),
        services: ServiceSelection::All,
        capacity: Capacity::Desired(4),
        allow_scale_down: false,
        budget: None,
    }
}

fn service(name: &str) -> Service {
    Service {
        name: name.to_owned(),
        desired: 1,
        running: 1,
        pending: 0,
        daemon: false,
        limits: None,
        placement_failure: None,
        task_definition: Some(format!("{name}:1")),
        compute: Compute::Fargate,
    }
}

fn scaled(name: &str, max: u32, suspended: Suspension) -> Service {
    Service { limits: Some(Limits { min: 1, max, suspended }), ..service(name) }
}

fn seen(services: impl IntoIterator<Item = Service>) -> Observation {
    Observation { services: services.into_iter().collect(), ..Observation::default() }
}

fn to(counts: &[(&str, u32)]) -> Vec<ServiceChange> {
    let change = |(name, target): &(&str, u32)| ServiceChange {
        service: (*name).to_owned(),
        target: *target,
        found: 1,
        register: None,
        update: true,
    };
    counts.iter().map(change).collect()
}

/// The finding has this severity and these words, and a cure unless all is well.
fn assert_says(finding: &Finding, severity: Severity, words: &str) {
    assert_eq!(finding.severity, severity, "{finding:?}");
    assert!(finding.message.contains(words), "{words:?} in {finding:?}");
    assert_eq!(finding.cure.is_none(), severity == Severity::Ok, "{finding:?}");
    assert_eq!(finding.blocks.is_some(), severity == Severity::Blocker, "{finding:?}");
    assert_eq!(finding.subject, "cluster standby in eu-west-1");
}

#[test]
fn services_are_active_or_the_missing_ones_are_named_or_there_are_too_many_to_tell() {
    assert_says(&services_are_active(&request(), &seen([service("api")])), Severity::Ok, "1 services: api");
    let absent = vec![Absent { name: "ghost".to_owned(), reason: "MISSING".to_owned() }];
    let missing = Observation { absent, ..seen([]) };
    assert_says(&services_are_active(&request(), &missing), Severity::Blocker, "ghost: MISSING");
    assert_says(&services_are_active(&request(), &seen([])), Severity::Blocker, "no service");
    let many = Observation { too_many: true, ..seen([]) };
    assert_says(&services_are_active(&request(), &many), Severity::Unknown, "more services");
}

#[test]
fn a_fence_finds_nothing_wrong_with_a_cluster_without_services() {
    let fence = Scaling { capacity: Capacity::Fenced, ..request() };
    assert_says(&services_are_active(&fence, &seen([])), Severity::Ok, "0 services");
}

#[test]
fn a_maximum_below_the_count_is_a_warning_and_one_that_is_wide_enough_or_not_there_is_none() {
    let wide = seen([scaled("api", 4, Suspension::NONE), service("web")]);
    let changes = to(&[("api", 4), ("web", 4)]);
    assert_says(&autoscaling_limits(&request(), &wide, &changes), Severity::Ok, "no maximum");
    let narrow = seen([scaled("api", 3, Suspension::NONE), service("web")]);
    assert_says(&autoscaling_limits(&request(), &narrow, &changes), Severity::Warning, "api: the maximum 3");
}

#[test]
fn suspended_scaling_is_a_warning_that_says_whether_it_is_resumed() {
    let part = Suspension { scale_in: true, ..Suspension::NONE };
    for (suspended, severity, words) in [
        (Suspension::NONE, Severity::Ok, "every service"),
        (Suspension::ALL, Severity::Warning, "resumes it"),
        (part, Severity::Warning, "stays so"),
    ] {
        let seen = seen([scaled("api", 9, suspended)]);
        assert_says(&autoscaling_runs(&request(), &seen), severity, words);
    }
    assert_says(&autoscaling_runs(&request(), &seen([service("api")])), Severity::Ok, "keep the count");
}

#[test]
fn a_daemon_service_is_not_reached_by_a_fence() {
    let api = || service("api");
    assert_says(&fence_reaches_all(&request(), &seen([api()])), Severity::Ok, "every service");
    let daemon = Service { daemon: true, ..service("agent") };
    assert_says(&fence_reaches_all(&request(), &seen([api(), daemon])), Severity::Warning, "agent");
}

#[test]
fn a_quota_holds_the_tasks_or_does_not_or_is_not_known() {
    let check = |demand, quota| fargate_quota(&request(), Compute::Fargate, &demand, &quota);
    let unknown = || "no answer".to_owned();
    assert_says(&check(Ok(4096), Ok(4.0)), Severity::Ok, "4 vCPUs, the quota is 4");
    assert_says(&check(Ok(4097), Ok(4.0)), Severity::Blocker, "the quota is 4");
    assert_says(&check(Ok(0), Err(unknown())), Severity::Ok, "no task");
    assert_says(&check(Ok(1024), Err(unknown())), Severity::Unknown, "no answer");
    assert_says(&check(Err(unknown()), Ok(4.0)), Severity::Unknown, "no answer");
    let spot = fargate_quota(&request(), Compute::FargateSpot, &Ok(1024), &Ok(4.0));
    assert_eq!(
        (check(Ok(0), Ok(0.0)).check, spot.check),
        ("fargate-quota".to_owned(), "fargate-spot-quota".to_owned())
    );
}

#[test]
fn room_on_instances_cannot_be_told() {
    assert_says(&instance_capacity(&request(), &seen([service("api")])), Severity::Ok, "no service");
    let on_instances = Service { compute: Compute::Instances, ..service("api") };
    assert_says(&instance_capacity(&request(), &seen([on_instances])), Severity::Unknown, "api");
}

#[test]
fn what_is_needed_is_counted_by_what_it_runs_on_and_unknown_when_a_size_is() {
    let spot = Service { compute: Compute::FargateSpot, ..service("batch") };
    let seen = seen([service("api"), service("web"), spot]);
    let changes = to(&[("api", 4), ("web", 2), ("batch", 10)]);
    let mut sizes: BTreeMap<_, _> =
        [("api:1", 512), ("web:1", 1024), ("batch:1", 256)].map(|(name, units)| (name.to_owned(), Ok(units))).into();
    assert_eq!(demand(&seen, &changes, Compute::Fargate, &sizes), Ok(4 * 512 + 2 * 1024));
    assert_eq!(demand(&seen, &changes, Compute::FargateSpot, &sizes), Ok(2560));
    assert_eq!(demand(&seen, &changes, Compute::Instances, &sizes), Ok(0));
    sizes.remove("web:1");
    assert!(demand(&seen, &changes, Compute::Fargate, &sizes).expect_err("unknown").contains("web"));
}

#[test]
fn cpu_is_understood_as_units_and_as_vcpus() {
    for (text, units) in [("256", 256), ("1024", 1024), (".25 vCPU", 256), ("2 vcpu", 2048), ("16vCPU", 16_384)] {
        assert_eq!(cpu_units(Some(text)), Ok(units), "{text}");
    }
    for text in [None, Some(""), Some("much"), Some("vCPU"), Some("-1 vCPU"), Some("NaN vCPU")] {
        cpu_units(text).expect_err("not a size");
    }
}
