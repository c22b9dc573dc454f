//! The alarms over time, what the API says of them, and what health-probe makes of both.

use std::collections::{BTreeMap, BTreeSet};

use failover::testing;
use health_probe::{HealthProbe, Settings, handle};
use serde_json::{Value, json};

use super::{AlarmState, METRIC_ALARMS, alarms_since, answer, sns_event};
use crate::aws::lab::{Lab, at, code, request};
use crate::aws::{Answer, Aws, sns};
use crate::workload::{self, COMPOSITE_ALARM, HOME, STANDBY};

const ENDPOINT: &str = METRIC_ALARMS[0].name;
const REGION_API: &str = METRIC_ALARMS[1].name;
const LAG: &str = METRIC_ALARMS[2].name;
const SEEDS: std::ops::Range<u64> = 0..20;

/// Lets time pass, in steps of a second.
fn pass(aws: &mut Aws, from: u64, to: u64) {
    for ms in (from..=to).step_by(1_000) {
        aws.advance(at(ms));
    }
}

/// When an alarm first went to ALARM, in milliseconds after `since`.
fn fired(aws: &Aws, name: &str, since: u64) -> Option<u64> {
    let mut changes = aws.cloudwatch.changes().iter();
    let fired = changes.find(|change| change.name == name && change.to == AlarmState::Alarm)?;
    Some(fired.at.millis_since(at(since)))
}

#[test]
fn while_all_is_well_every_alarm_stays_ok() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        pass(&mut aws, 0, 900_000);
        assert_eq!(aws.cloudwatch.changes(), [], "seed {seed}");
    }
}

#[test]
fn a_lost_region_fires_the_alarms_on_endpoint_and_api_within_minutes_and_then_the_composite_one() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        pass(&mut aws, 0, 200_000);
        aws.lost.insert(HOME.to_owned());
        pass(&mut aws, 200_000, 500_000);
        let (endpoint, api) = (fired(&aws, ENDPOINT, 200_000), fired(&aws, REGION_API, 200_000));
        for fired in [endpoint, api] {
            assert!(fired.is_some_and(|ms| (60_000..=240_000).contains(&ms)), "seed {seed}: {fired:?}");
        }
        let composite = fired(&aws, COMPOSITE_ALARM, 200_000).expect("both fired");
        // The lag's alarm may be the second one, too.
        let second = [api, fired(&aws, LAG, 200_000)].into_iter().flatten().min();
        let both = endpoint.max(second).expect("both");
        assert!((both..=both + 10_000).contains(&composite), "seed {seed}: {composite} after {both}");
        let events = alarms_since(&aws, at(200_000));
        let trigger = aws.cloudwatch.changes().iter().filter(|change| change.topic == Some(sns::ALARM_TOPIC)).count();
        assert_eq!(events.len(), trigger, "seed {seed}: the composite one starts nothing");
        assert!(alarms_since(&aws, at(500_000)).is_empty());
    }
}

#[test]
fn alarms_return_to_ok_when_the_region_is_back() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        pass(&mut aws, 0, 200_000);
        aws.lost.insert(HOME.to_owned());
        pass(&mut aws, 200_000, 500_000);
        aws.lost.remove(HOME);
        pass(&mut aws, 500_000, 1_100_000);
        for name in [ENDPOINT, REGION_API, LAG, COMPOSITE_ALARM] {
            assert_eq!(aws.cloudwatch.state(name), AlarmState::Ok, "seed {seed} {name}");
        }
    }
}

#[test]
fn an_endpoint_that_fails_alone_fires_its_own_alarm_only() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        pass(&mut aws, 0, 200_000);
        aws.endpoint_down = true;
        pass(&mut aws, 200_000, 500_000);
        assert_eq!(aws.cloudwatch.state(ENDPOINT), AlarmState::Alarm, "seed {seed}");
        for name in [REGION_API, LAG, COMPOSITE_ALARM] {
            assert_eq!(aws.cloudwatch.state(name), AlarmState::Ok, "seed {seed} {name}");
        }
    }
}

#[test]
fn a_failure_of_a_few_seconds_fires_nothing() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        pass(&mut aws, 0, 200_000);
        aws.endpoint_down = true;
        pass(&mut aws, 200_000, 230_000);
        aws.endpoint_down = false;
        pass(&mut aws, 230_000, 600_000);
        assert_eq!(aws.cloudwatch.changes(), [], "seed {seed}");
    }
}

#[test]
fn a_replication_that_is_held_up_fires_the_alarm_on_the_lag() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        pass(&mut aws, 0, 60_000);
        aws.aurora.hold_replication(STANDBY, true);
        pass(&mut aws, 60_000, 600_000);
        assert_eq!(aws.cloudwatch.state(LAG), AlarmState::Alarm, "seed {seed}");
        assert_eq!(aws.cloudwatch.state(COMPOSITE_ALARM), AlarmState::Ok, "seed {seed}");
    }
}

#[test]
fn while_the_plan_is_active_elsewhere_the_alarms_on_home_have_no_data() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        pass(&mut aws, 0, 60_000);
        aws.dynamodb.table.put(json!({
            "operation_id": { "S": "plan#trading" }, "active_region": { "S": STANDBY }
        }));
        pass(&mut aws, 60_000, 600_000);
        for name in [ENDPOINT, REGION_API] {
            assert_eq!(aws.cloudwatch.state(name), AlarmState::InsufficientData, "seed {seed} {name}");
        }
        assert_eq!(aws.cloudwatch.state(COMPOSITE_ALARM), AlarmState::Ok, "seed {seed}");
        assert!(alarms_since(&aws, at(0)).is_empty(), "seed {seed}: that starts nothing");
    }
}

#[test]
fn what_a_real_watch_says_counts_instead_of_the_world_and_silence_is_no_data() {
    let mut aws = Aws::new(4);
    pass(&mut aws, 0, 60_000);
    for minute in 1..8 {
        aws.cloudwatch.publish_watch(HOME, false, None, at(minute * 60_000 + 5_000));
        aws.cloudwatch.publish_watch(STANDBY, true, None, at(minute * 60_000 + 5_000));
        pass(&mut aws, minute * 60_000, minute * 60_000 + 59_000);
    }
    assert_eq!(aws.cloudwatch.state(ENDPOINT), AlarmState::Alarm);
    assert_eq!(aws.cloudwatch.state(REGION_API), AlarmState::InsufficientData);
}

#[test]
fn a_state_that_was_set_by_hand_is_delivered_and_stands_until_the_next_evaluation() {
    let mut aws = Aws::new(4);
    pass(&mut aws, 0, 60_000);
    aws.cloudwatch.set_alarm_state(ENDPOINT, AlarmState::Alarm, at(60_500));
    assert_eq!(alarms_since(&aws, at(60_000)).len(), 1);
    pass(&mut aws, 61_000, 130_000);
    assert_eq!(aws.cloudwatch.state(ENDPOINT), AlarmState::Ok);
}

fn described(aws: &mut Aws, region: &str, body: Value) -> Value {
    let answer = answer(aws, &request("cloudwatch", region, "DescribeAlarms", body), at(0));
    let Answer::Body(body) = answer else { panic!("{answer:?}") };
    body
}

#[test]
fn alarms_are_described_by_name_and_type_in_their_region_only() {
    let mut aws = Aws::new(1);
    aws.advance(at(0));
    let names = |answer: &Value, list: &str| -> Vec<String> {
        let alarms = answer[list].as_array().expect("a list").iter();
        alarms.map(|alarm| alarm["AlarmName"].as_str().expect("a name").to_owned()).collect()
    };
    let both = json!({ "AlarmNames": [COMPOSITE_ALARM, LAG], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"] });
    let found = described(&mut aws, STANDBY, both.clone());
    assert_eq!(names(&found, "MetricAlarms"), [LAG]);
    assert_eq!(names(&found, "CompositeAlarms"), [COMPOSITE_ALARM]);
    let metric = described(&mut aws, STANDBY, json!({ "AlarmNames": [COMPOSITE_ALARM] }));
    assert_eq!(names(&metric, "CompositeAlarms"), [""; 0], "left out without their type");
    assert_eq!(names(&described(&mut aws, HOME, both), "MetricAlarms"), [""; 0]);
}

#[test]
fn the_lags_datapoints_are_those_of_the_window_the_newest_first_unless_asked_otherwise() {
    let mut aws = Aws::new(1);
    pass(&mut aws, 0, 600_000);
    let mut read = |statistic: &str, scan: Option<&str>| -> (Vec<i64>, Vec<f64>) {
        let start = at(0).as_millis() / 1000;
        let mut body = json!({
            "MetricDataQueries": [{ "Id": "lag", "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBReplicationLag",
                    "Dimensions": [{ "Name": "DBClusterIdentifier", "Value": workload::db_cluster(STANDBY) }]
                },
                "Period": 60, "Stat": statistic,
            } }],
            "StartTime": start + 120, "EndTime": start + 300,
        });
        if let Some(scan) = scan {
            body["ScanBy"] = json!(scan);
        }
        let answer = answer(&mut aws, &request("cloudwatch", STANDBY, "GetMetricData", body), at(600_000));
        let Answer::Body(body) = answer else { panic!("{answer:?}") };
        let result = &body["MetricDataResults"][0];
        assert_eq!(result["Id"], "lag");
        let times = result["Timestamps"].as_array().expect("a list").iter();
        let values = result["Values"].as_array().expect("a list").iter();
        let times = times.map(|time| time["$seconds"].as_i64().expect("seconds") - start);
        (times.collect(), values.map(|value| value.as_f64().expect("a number")).collect())
    };
    let (times, maxima) = read("Maximum", None);
    assert_eq!(times, [240, 180, 120], "from the start on, before the end");
    let (times, averages) = read("Average", Some("TimestampAscending"));
    assert_eq!(times, [120, 180, 240]);
    assert!(averages.iter().rev().zip(&maxima).all(|(average, maximum)| average <= maximum && *average > 0.0));
}

#[test]
fn the_alarms_are_those_of_the_template() {
    let template = include_str!("../../../../../infra/orchestrator.yaml").replace("${EnvironmentSuffix}", "prod");
    let template = template.replace("${PlanName}", "trading");
    let rule: String = super::alarm::composite_rule();
    let rule = rule.replace(ENDPOINT, "${EndpointAlarm}").replace(REGION_API, "${RegionApiAlarm}");
    assert!(template.contains(&rule.replace(LAG, "${ReplicationLagAlarm}")), "{rule}");
    for alarm in &METRIC_ALARMS {
        let (_, after) = template.split_once(&format!("AlarmName: !Sub {}\n", alarm.name)).expect(alarm.name);
        let of_alarm = after.split("AlarmActions").next().expect("its properties");
        for property in [
            format!("Namespace: {}\n", alarm.namespace),
            format!("MetricName: {}\n", alarm.metric),
            format!("Statistic: {}", alarm.statistic),
            format!("ComparisonOperator: {}\n", alarm.comparison),
            "Period: 60\n".to_owned(),
            format!("EvaluationPeriods: {}\n", super::alarm::EVALUATION_PERIODS),
            "TreatMissingData: missing\n".to_owned(),
        ] {
            assert!(of_alarm.contains(&property), "{}: {property}", alarm.name);
        }
    }
}

#[test]
fn an_event_has_the_fields_of_the_sample_events() {
    let mut aws = Aws::new(1);
    pass(&mut aws, 0, 200_000);
    aws.lost.insert(HOME.to_owned());
    pass(&mut aws, 200_000, 500_000);
    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().expect("an object").keys().cloned().collect() };
    for (name, sample) in [
        (ENDPOINT, include_str!("../../../../../functions/health-probe/events/trigger-metric-alarm.json")),
        (COMPOSITE_ALARM, include_str!("../../../../../functions/health-probe/events/trigger-composite-alarm.json")),
    ] {
        let change = aws.cloudwatch.changes().iter().find(|change| change.name == name).expect("it fired");
        let event = sns_event(change, "95df01b4-ee98-5cb9-9903-4c221d41eb01");
        let sample: Value = serde_json::from_str(sample).expect("JSON");
        assert_eq!(keys(&event["Records"][0]), keys(&sample["Records"][0]));
        let (sns, of_sample) = (&event["Records"][0]["Sns"], &sample["Records"][0]["Sns"]);
        assert_eq!(keys(sns), keys(of_sample));
        let message =
            |sns: &Value| -> Value { serde_json::from_str(sns["Message"].as_str().expect("text")).expect("JSON") };
        assert_eq!(keys(&message(sns)), keys(&message(of_sample)), "{name}");
    }
}

#[test]
fn a_message_is_published_and_kept_and_an_unknown_topic_refused() {
    let mut aws = Aws::new(1);
    let publish = |aws: &mut Aws, topic: &str| {
        let fields = [("TopicArn", topic), ("Subject", "a subject"), ("Message", "a message")];
        sns::answer(aws, &crate::aws::lab::form("sns", STANDBY, "Publish", &fields), at(7))
    };
    assert_eq!(code(&publish(&mut aws, "arn:aws:sns:eu-west-1:123456789012:other")), "NotFound");
    assert_eq!(code(&publish(&mut aws, workload::TOPIC_ARN)), "");
    let [message] = aws.sns.published() else { panic!("one message") };
    let found = (message.at, message.topic.as_str(), message.subject.as_str(), message.message.as_str());
    assert_eq!(found, (at(7), workload::TOPIC_ARN, "a subject", "a message"));
}

fn probe(lab: &Lab) -> HealthProbe {
    let tools = lab.toolbox("health-probe");
    let alarms = METRIC_ALARMS.map(|alarm| super::alarm::arn(alarm.name)).join(",");
    let role = |function: &str| format!("{function}=arn:aws:iam::123456789012:role/failover-prod-{function}");
    let roles = ["promote-aurora", "scale-ecs", "shift-dns", "health-probe"].map(role).join(",");
    let endpoints =
        "eu-central-1=https://primary.example.com/health,eu-west-1=https://standby.example.com/health".to_owned();
    let variables = BTreeMap::from([
        ("STATE_MACHINE_ARN", "arn:aws:states:eu-west-1:123456789012:stateMachine:failover-prod-trading"),
        ("TRIGGER_ALARM_ARNS", &alarms),
        ("NOTIFICATION_TOPIC_ARN", workload::TOPIC_ARN),
        ("WATCHED_ENDPOINTS", &endpoints),
        ("WATCHED_CLUSTERS", "eu-central-1=trading-primary,eu-west-1=trading-standby"),
        ("WRITER_LEASE_SECONDS", "0"),
        ("FUNCTION_ROLES", &roles),
    ]);
    let settings = Settings::read(&variables, &tools.config).expect("complete");
    HealthProbe { tools, settings }
}

async fn ask(probe: &HealthProbe, event: Value) -> Value {
    let deadline = testing::deadline(&probe.tools.env, &probe.tools.config);
    let answer = handle(probe, event, deadline).await.expect("an answer");
    serde_json::to_value(answer).expect("JSON")
}

fn preflight() -> Value {
    json!({
        "command": "decide",
        "failover_id": "check",
        "started_at": at(0).to_string(),
        "plan_document": workload::PLAN.to_string(),
        "input": { "plan": "trading", "trigger": { "kind": "preflight" } },
        "history": [],
        "approved": false,
    })
}

#[tokio::test(start_paused = true)]
async fn the_real_preflight_finds_nothing_wrong_in_the_world_as_it_begins() {
    let lab = Lab::new(1);
    let probe = probe(&lab);
    lab.pass(90).await;
    let mut event = preflight();
    let first = ask(&probe, event.clone()).await;
    let ends = first["checks"].as_array().expect("a list").iter().map(|call| {
        json!({ "call": call, "response": {
            "status": "checked", "operation_id": "x", "message": "checked", "observed": null, "action": null,
            "ask_again_after_seconds": 0, "attempt": 0, "elapsed_ms": 1, "from_ledger": false, "findings": []
        } })
    });
    event["checked"] = ends.collect();
    let found = ask(&probe, event).await;
    assert_eq!(found["decision"], "checked", "{found}");
    let findings = found["findings"].as_array().expect("a list");
    let of = |check: &str| -> Vec<&Value> {
        findings.iter().filter(|finding| finding["check"] == check).map(|finding| &finding["severity"]).collect()
    };
    for (check, times) in [
        ("evidence-alarm-exists", 1),
        ("trigger-alarm-starts-a-run", 3),
        ("trigger-alarm-has-data", 3),
        ("role-permits-the-run", 4),
        ("lag-within-the-objective", 1),
        ("endpoint-serves", 2),
    ] {
        assert_eq!(of(check), vec!["ok"; times], "{check}: {findings:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_real_look_takes_a_lost_region_for_unhealthy_by_two_kinds_of_evidence() {
    for seed in 0..5 {
        let lab = Lab::new(seed);
        let probe = probe(&lab);
        lab.pass(90).await;
        lab.aws().lost.insert(HOME.to_owned());
        lab.pass(300).await;
        let mut event = preflight();
        event["input"]["trigger"] = json!({
            "kind": "alarm", "alarm_arn": super::alarm::arn(ENDPOINT), "alarm_name": ENDPOINT,
            "state_changed_at": at(100_000).to_string(), "reason": "as simulated"
        });
        let answer = ask(&probe, event).await;
        let evidence = answer["history"].as_array().and_then(|history| history.last()).expect("a look");
        let unhealthy: BTreeSet<&str> = evidence["evidence"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|one| one["health"] == "unhealthy")
            .filter_map(|one| one["kind"].as_str())
            .collect();
        assert_eq!(unhealthy, BTreeSet::from(["alarms", "aurora", "endpoint"]), "seed {seed}: {answer}");
    }
}
