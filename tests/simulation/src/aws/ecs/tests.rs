use failover::contract::{StepStatus, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::aws::lab::{at, code, request};
use crate::aws::steps::Steps;
use crate::workload::ECS_CLUSTER;

const SEEDS: std::ops::Range<u64> = 0..60;
/// Fewer, since the real steps take their time.
const SEEDS_OF_STEPS: std::ops::Range<u64> = 0..20;
const ORDERS: &str = "orders";
/// By then every task runs, whatever chance there was.
const SETTLED_MS: u64 = 120_000;

/// An AWS without scaling policies, time having begun.
fn quiet(seed: u64) -> Aws {
    let mut aws = Aws::new(seed);
    aws.ecs.policies = false;
    aws.advance(at(0));
    aws
}

fn ask(aws: &mut Aws, region: &str, operation: &str, body: Value, now: Timestamp) -> Answer {
    let service = match operation {
        "DescribeScalableTargets" | "RegisterScalableTarget" => "application-autoscaling",
        "GetServiceQuota" => "servicequotas",
        _ => "ecs",
    };
    aws.answer(&request(service, region, operation, body), now)
}

fn set_count(aws: &mut Aws, region: &str, count: u32, now: Timestamp) {
    let body = json!({ "cluster": ECS_CLUSTER, "service": ORDERS, "desiredCount": count });
    assert!(ask(aws, region, "UpdateService", body, now).is_success());
}

fn register(aws: &mut Aws, region: &str, fields: &Value, now: Timestamp) -> Answer {
    let mut body = json!({
        "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount",
        "ResourceId": format!("service/{ECS_CLUSTER}/{ORDERS}"),
    });
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    ask(aws, region, "RegisterScalableTarget", body, now)
}

fn describe(aws: &mut Aws, region: &str, now: Timestamp) -> Value {
    let body = json!({ "cluster": ECS_CLUSTER, "services": [ORDERS] });
    let Answer::Body(answer) = ask(aws, region, "DescribeServices", body, now) else { panic!("a description") };
    answer["services"][0].clone()
}

#[test]
fn tasks_that_are_added_are_pending_and_run_within_seconds_each() {
    for seed in SEEDS {
        let mut aws = quiet(seed);
        set_count(&mut aws, STANDBY, 5, at(1_000));
        assert_eq!((aws.ecs.running(STANDBY, ORDERS), aws.ecs.desired(STANDBY, ORDERS)), (1, 5), "seed {seed}");
        assert_eq!(describe(&mut aws, STANDBY, at(3_000))["desiredCount"], 5, "seed {seed}");
        aws.advance(at(SETTLED_MS));
        let seen = describe(&mut aws, STANDBY, at(SETTLED_MS + 5_000));
        assert_eq!((&seen["runningCount"], &seen["pendingCount"]), (&json!(5), &json!(0)), "seed {seed}");
        assert!(seen["events"][0]["message"].as_str().expect("a text").ends_with("has reached a steady state."));
    }
}

#[test]
fn a_description_lags_by_two_seconds_at_most_and_at_times_by_some() {
    let mut stale = 0;
    for seed in SEEDS {
        let mut aws = quiet(seed);
        set_count(&mut aws, STANDBY, 5, at(10_000));
        stale += u32::from(describe(&mut aws, STANDBY, at(10_001))["desiredCount"] == 1);
        assert_eq!(describe(&mut aws, STANDBY, at(12_000))["desiredCount"], 5, "seed {seed}");
    }
    assert!(stale > 0, "none of {SEEDS:?} was stale");
}

#[test]
fn without_capacity_a_service_says_so_in_words_that_are_known_and_starts_its_tasks_later() {
    let mut failures = 0;
    for seed in SEEDS {
        let mut aws = quiet(seed);
        for round in 0..5 {
            set_count(&mut aws, STANDBY, 2 + round, at(u64::from(round) * SETTLED_MS));
            aws.advance(at(u64::from(round + 1) * SETTLED_MS));
            assert_eq!(aws.ecs.running(STANDBY, ORDERS), 2 + round, "seed {seed}");
        }
        let events = describe(&mut aws, STANDBY, at(5 * SETTLED_MS))["events"].clone();
        let messages = events.as_array().expect("events").iter().filter_map(|event| event["message"].as_str());
        let troubled = messages.filter(|message| !message.contains("steady state")).collect::<Vec<_>>();
        assert!(troubled.iter().all(|message| scale_ecs::plan::is_placement_failure(message)), "{troubled:?}");
        failures += troubled.len();
    }
    assert!(failures > 0, "no failure within {SEEDS:?}");
}

#[test]
fn a_task_that_stops_is_not_counted_within_five_seconds_and_its_process_ends_within_thirty_more() {
    let mut lingering = 0;
    for seed in SEEDS {
        let mut aws = quiet(seed);
        set_count(&mut aws, HOME, 0, at(1_000));
        aws.advance(at(6_000));
        assert_eq!(aws.ecs.running(HOME, ORDERS), 0, "seed {seed}");
        lingering += aws.ecs.processes(HOME, ORDERS);
        aws.advance(at(36_000));
        assert_eq!(aws.ecs.processes(HOME, ORDERS), 0, "seed {seed}");
        assert!(!aws.ecs.serves(HOME) && aws.ecs.serves(STANDBY), "seed {seed}");
    }
    assert!(lingering > 0, "a process outlives its task's count at times");
}

#[test]
fn limits_move_the_count_into_them_and_no_others_are_taken_until_then() {
    for seed in SEEDS {
        let mut aws = quiet(seed);
        assert!(register(&mut aws, STANDBY, &json!({ "MinCapacity": 4, "MaxCapacity": 6 }), at(1_000)).is_success());
        let again = register(&mut aws, STANDBY, &json!({ "MinCapacity": 5 }), at(1_000));
        assert_eq!(code(&again), "ConcurrentUpdateException", "seed {seed}");
        aws.advance(at(4_000));
        assert_eq!(aws.ecs.desired(STANDBY, ORDERS), 4, "seed {seed}");
        assert!(register(&mut aws, STANDBY, &json!({ "MinCapacity": 5 }), at(4_001)).is_success());
        let acts: Vec<Act> = aws.ecs.changes().iter().map(|change| change.act).collect();
        assert_eq!(acts[..2], [Act::Register, Act::Adjust], "seed {seed}");
    }
}

#[test]
fn a_suspension_stays_until_a_request_says_otherwise_and_limits_that_contradict_are_refused() {
    let mut aws = quiet(1);
    let all = json!({ "DynamicScalingInSuspended": true, "DynamicScalingOutSuspended": true,
        "ScheduledScalingSuspended": true });
    let suspended = |aws: &Aws| {
        let limits = aws.ecs.limits(HOME, ORDERS);
        [limits.scale_in_suspended, limits.scale_out_suspended, limits.scheduled_suspended]
    };
    register(&mut aws, HOME, &json!({ "MinCapacity": 0, "SuspendedState": all }), at(1_000));
    register(&mut aws, HOME, &json!({ "MaxCapacity": 9 }), at(2_000));
    assert_eq!((suspended(&aws), aws.ecs.limits(HOME, ORDERS).max), ([true; 3], 9));
    let refused = register(&mut aws, HOME, &json!({ "MinCapacity": 10 }), at(3_000));
    assert_eq!(code(&refused), "ValidationException");
    register(&mut aws, HOME, &json!({ "SuspendedState": { "ScheduledScalingSuspended": true } }), at(4_000));
    assert_eq!((suspended(&aws), aws.ecs.limits(HOME, ORDERS).min), ([false, false, true], 0));
}

#[test]
fn policies_act_at_times_within_the_limits_and_not_where_they_are_suspended() {
    let mut by_policy = 0;
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        aws.advance(at(0));
        let suspended = json!({ "MinCapacity": 0, "SuspendedState": {
            "DynamicScalingInSuspended": true, "DynamicScalingOutSuspended": true,
        } });
        register(&mut aws, STANDBY, &suspended, at(1_000));
        aws.advance(at(3_600_000));
        for change in aws.ecs.changes().iter().filter(|change| change.act == Act::Policy) {
            by_policy += 1;
            assert!((change.limits.min..=change.limits.max).contains(&change.desired), "seed {seed}: {change:?}");
            assert!((change.region, change.service) != (STANDBY, ORDERS), "seed {seed}: {change:?}");
        }
    }
    assert!(by_policy > 0);
}

#[test]
fn a_region_that_is_lost_keeps_its_counts_runs_nothing_and_starts_its_tasks_when_it_is_there_again() {
    for seed in SEEDS {
        let mut aws = quiet(seed);
        aws.advance(at(10_000));
        aws.lost.insert(HOME.to_owned());
        aws.advance(at(60_000));
        assert_eq!((aws.ecs.running(HOME, ORDERS), aws.ecs.desired(HOME, ORDERS)), (0, 4), "seed {seed}");
        assert_eq!(aws.ecs.turns(), [Turn { at: at(10_000), region: HOME, serves: false }], "seed {seed}");
        aws.lost.clear();
        aws.advance(at(60_000 + SETTLED_MS));
        assert_eq!(aws.ecs.running(HOME, ORDERS), 4, "seed {seed}");
        let back = aws.ecs.turns()[1];
        assert!(back.serves && back.at > at(60_000), "seed {seed}: {back:?}");
    }
}

#[test]
fn a_count_that_was_to_be_moved_when_its_region_was_lost_is_moved_when_it_is_there_again() {
    for seed in SEEDS {
        let mut aws = quiet(seed);
        register(&mut aws, HOME, &json!({ "MinCapacity": 6 }), at(1_000));
        if aws.ecs.desired(HOME, ORDERS) == 6 {
            continue;
        }
        aws.lost.insert(HOME.to_owned());
        aws.advance(at(60_000));
        assert_eq!(aws.ecs.desired(HOME, ORDERS), 4, "seed {seed}");
        aws.lost.clear();
        aws.advance(at(60_001));
        let moved = aws.ecs.changes().last().copied().expect("a change");
        assert_eq!((moved.at, moved.act, moved.desired), (at(60_000), Act::Adjust, 6), "seed {seed}");
    }
}

#[test]
fn what_happens_does_not_depend_on_how_often_it_is_looked_at() {
    for seed in SEEDS {
        let (mut often, mut once) = (Aws::new(seed), Aws::new(seed));
        for aws in [&mut often, &mut once] {
            aws.advance(at(0));
            set_count(aws, STANDBY, 6, at(5_000));
        }
        for second in 5..900 {
            often.advance(at(second * 1_000));
        }
        once.advance(at(899_000));
        assert_eq!(often.ecs.changes(), once.ecs.changes(), "seed {seed}");
        assert_eq!(often.ecs.turns(), once.ecs.turns(), "seed {seed}");
        assert_eq!(often.ecs.running(STANDBY, ORDERS), once.ecs.running(STANDBY, ORDERS), "seed {seed}");
    }
}

#[test]
fn what_is_not_there_is_answered_as_ecs_does() {
    let mut aws = quiet(1);
    let mut ask = |operation, body| ask(&mut aws, STANDBY, operation, body, at(1_000));
    let Answer::Body(answer) = ask("DescribeServices", json!({ "cluster": ECS_CLUSTER, "services": [ORDERS, "web"] }))
    else {
        panic!("a description")
    };
    assert_eq!(answer["services"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["failures"][0]["reason"], "MISSING");
    let many: Vec<String> = (0..11).map(|number| format!("s{number}")).collect();
    for (operation, body, expected) in [
        ("DescribeServices", json!({ "cluster": "web", "services": [ORDERS] }), "ClusterNotFoundException"),
        ("DescribeServices", json!({ "cluster": ECS_CLUSTER, "services": many }), "InvalidParameterException"),
        (
            "UpdateService",
            json!({ "cluster": ECS_CLUSTER, "service": "web", "desiredCount": 1 }),
            "ServiceNotFoundException",
        ),
        ("DescribeTaskDefinition", json!({ "taskDefinition": "web:1" }), "ClientException"),
        ("GetServiceQuota", json!({ "ServiceCode": "fargate", "QuotaCode": "L-0" }), "NoSuchResourceException"),
    ] {
        assert_eq!(code(&ask(operation, body)), expected, "{operation}");
    }
}

#[test]
#[should_panic(expected = "ecs:UpdateService: forceNewDeployment is not simulated")]
fn a_parameter_that_is_not_simulated_is_not_ignored() {
    let body = json!({ "cluster": ECS_CLUSTER, "service": ORDERS, "desiredCount": 1, "forceNewDeployment": true });
    ask(&mut quiet(1), HOME, "UpdateService", body, at(0));
}

#[test]
fn a_person_who_changes_a_count_by_hand_is_written_down() {
    let mut aws = quiet(1);
    set_count_by_hand(&mut aws, STANDBY, ORDERS, 3, at(2_000));
    let change = aws.ecs.changes()[0];
    assert_eq!((change.at, change.act, change.desired), (at(2_000), Act::Person, 3));
}

fn scaling(failover: &str, target: &str, capacity: &Value) -> Value {
    json!({
        "run": { "failover_id": failover }, "target_region": target, "cluster": ECS_CLUSTER,
        "services": { "named": SERVICES }, "capacity": capacity,
    })
}

fn percent_of(source: &str) -> Value {
    json!({ "percent_of_source": { "percent": 100, "source_region": source, "source_cluster": ECS_CLUSTER } })
}

#[tokio::test(start_paused = true)]
async fn the_real_step_scales_out_there_fences_home_and_brings_home_back() {
    for seed in SEEDS_OF_STEPS {
        Steps::with(seed, async |steps| {
            let there = scaling("f1", STANDBY, &percent_of(HOME));
            let done = steps.settle("scale-ecs", there).await.expect("scaled out");
            assert_eq!(done.status, StepStatus::Done, "seed {seed}");
            steps.aws(|aws, _| {
                assert!(aws.ecs.serves(STANDBY), "seed {seed}");
                for service in SERVICES {
                    assert!(aws.ecs.limits(STANDBY, service).min >= TASKS_AT_HOME, "seed {seed}");
                }
            });
            steps.settle("scale-ecs", scaling("f1", HOME, &json!("fenced"))).await.expect("fenced");
            steps.aws(|aws, _| {
                for service in SERVICES {
                    assert_eq!(aws.ecs.running(HOME, service), 0, "seed {seed}");
                    let limits = aws.ecs.limits(HOME, service);
                    assert!(limits.min == 0 && limits.scale_out_suspended, "seed {seed}: {limits:?}");
                }
            });
            steps.pass(3_600).await;
            assert!(!steps.aws(|aws, _| aws.ecs.serves(HOME)), "seed {seed}: a fence holds");
            steps.settle("scale-ecs", scaling("f2", HOME, &json!({ "desired": 4 }))).await.expect("back");
            steps.aws(|aws, _| {
                assert!(aws.ecs.serves(HOME) && !aws.ecs.limits(HOME, ORDERS).scale_out_suspended, "seed {seed}");
            });
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_real_preflight_finds_nothing_in_the_way_but_a_maximum_that_will_be_raised() {
    Steps::with(1, async |steps| {
        let findings = steps.check("scale-ecs", scaling("f1", STANDBY, &percent_of(HOME))).await;
        let wrong: Vec<&str> = findings
            .iter()
            .filter(|finding| finding.severity != failover::contract::Severity::Ok)
            .map(|finding| finding.check.as_str())
            .collect();
        assert_eq!(wrong, ["autoscaling-limits"], "{findings:?}");
        assert_eq!(steps.aws(|aws, _| aws.ecs.changes().len()), 0);
    })
    .await;
}
