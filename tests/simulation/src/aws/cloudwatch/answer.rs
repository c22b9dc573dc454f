//! What CloudWatch answers.

use failover::contract::Timestamp;
use failover::testing::wire::Request;
use serde_json::{Value, json};

use super::alarm::{self, METRIC_ALARMS, MetricAlarm, Source};
use super::{CloudWatch, Evaluated, PERIOD_MS};
use crate::aws::aurora::Aurora;
use crate::aws::parameters::only;
use crate::aws::{Answer, Aws};
use crate::workload;

/// Answers a request, in the Region it was sent to.
///
/// # Panics
/// On an operation or a parameter that is not simulated.
pub fn answer(aws: &mut Aws, request: &Request, now: Timestamp) -> Answer {
    match request.operation.as_str() {
        "DescribeAlarms" => describe_alarms(&aws.cloudwatch, request),
        "GetMetricData" => get_metric_data(&aws.aurora, request, now),
        _ => panic!("not simulated: {}", request.name()),
    }
}

fn describe_alarms(cloudwatch: &CloudWatch, request: &Request) -> Answer {
    only(request, &["AlarmNames", "AlarmTypes", "MaxRecords"]);
    let lists = |field: &str, text: &str| {
        let list = request.body[field].as_array();
        list.map(|list| list.iter().any(|item| item.as_str() == Some(text)))
    };
    let is_asked = |name: &str| request.region == workload::STANDBY && lists("AlarmNames", name).unwrap_or(true);
    // Without types, metric alarms only.
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
    let of_metric = lists("AlarmTypes", "MetricAlarm").unwrap_or(true);
    let of_composite = lists("AlarmTypes", "CompositeAlarm").unwrap_or(false);
    let metric = METRIC_ALARMS.iter().zip(&cloudwatch.states).filter(|(alarm, _)| of_metric && is_asked(alarm.name));
    let metric: Vec<Value> = metric.map(|(alarm, evaluated)| metric_alarm(alarm, evaluated)).collect();
    let composite = cloudwatch.states.get(METRIC_ALARMS.len()).filter(|_| of_composite);
    let composite = composite.filter(|_| is_asked(workload::COMPOSITE_ALARM)).map(composite_alarm);
    let composite: Vec<Value> = composite.into_iter().collect();
    Answer::json(json!({ "MetricAlarms": metric, "CompositeAlarms": composite }))
}

/// Without its whole numbers: what is written as JSON goes out as CBOR's floating point, which an SDK takes for none.
fn metric_alarm(alarm: &MetricAlarm, evaluated: &Evaluated) -> Value {
    let dimensions = match alarm.source {
        Source::Endpoint | Source::RegionApi => {
            json!([{ "Name": "Plan", "Value": "trading" }, { "Name": "Region", "Value": workload::HOME }])
        }
        Source::Lag => {
            json!([{ "Name": "DBClusterIdentifier", "Value": workload::db_cluster(workload::STANDBY) }])
        }
    };
    json!({
        "AlarmName": alarm.name,
        "AlarmArn": alarm::arn(alarm.name),
        "AlarmDescription": alarm.description,
        "ActionsEnabled": true,
        "AlarmActions": [alarm::ALARM_TOPIC],
        "OKActions": [],
        "InsufficientDataActions": [],
        "StateValue": evaluated.state.name(),
        "StateReason": evaluated.reason,
        "StateUpdatedTimestamp": { "$seconds": evaluated.since.as_millis() / 1000 },
        "Namespace": alarm.namespace,
        "MetricName": alarm.metric,
        "Statistic": alarm.statistic,
        "Dimensions": dimensions,
        "Threshold": alarm.threshold,
        "ComparisonOperator": alarm.comparison,
        "TreatMissingData": "missing",
    })
}

fn composite_alarm(evaluated: &Evaluated) -> Value {
    json!({
        "AlarmName": workload::COMPOSITE_ALARM,
        "AlarmArn": alarm::arn(workload::COMPOSITE_ALARM),
        "AlarmRule": alarm::composite_rule(),
        "ActionsEnabled": true,
        "AlarmActions": [alarm::NOTIFICATION_TOPIC],
        "OKActions": [alarm::NOTIFICATION_TOPIC],
        "InsufficientDataActions": [],
        "StateValue": evaluated.state.name(),
        "StateReason": evaluated.reason,
        "StateUpdatedTimestamp": { "$seconds": evaluated.since.as_millis() / 1000 },
    })
}

fn get_metric_data(aurora: &Aurora, request: &Request, now: Timestamp) -> Answer {
    let body = &request.body;
    only(request, &["MetricDataQueries", "StartTime", "EndTime", "ScanBy"]);
    let moment = |field: &str| Timestamp::from_millis(body[field].as_i64().expect("a moment, in seconds") * 1000);
    let (from, to) = (moment("StartTime"), moment("EndTime"));
    // The newest first, unless the request says otherwise.
    let ascending = body["ScanBy"].as_str() == Some("TimestampAscending");
    let queries = body["MetricDataQueries"].as_array().expect("a list of queries");
    let results = queries.iter().map(|query| {
        fields(request, query, &["Id", "MetricStat", "ReturnData"]);
        let mut datapoints = lag(aurora, request, &query["MetricStat"], now);
        datapoints.retain(|(start, _)| from <= *start && *start < to);
        if !ascending {
            datapoints.reverse();
        }
        let timestamps = datapoints.iter().map(|(start, _)| json!({ "$seconds": start.as_millis() / 1000 }));
        json!({
            "Id": query["Id"],
            "Label": "AuroraGlobalDBReplicationLag",
            "Timestamps": timestamps.collect::<Vec<_>>(),
            "Values": datapoints.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
            "StatusCode": "Complete",
        })
    });
    Answer::json(json!({ "MetricDataResults": results.collect::<Vec<_>>() }))
}

/// The datapoints of the lag, each with the beginning of its period, the oldest first.
fn lag(aurora: &Aurora, request: &Request, stat: &Value, now: Timestamp) -> Vec<(Timestamp, f64)> {
    fields(request, stat, &["Metric", "Period", "Stat"]);
    let metric = &stat["Metric"];
    let name = (metric["Namespace"].as_str(), metric["MetricName"].as_str());
    assert_eq!(name, (Some("AWS/RDS"), Some("AuroraGlobalDBReplicationLag")), "not simulated: this metric");
    assert_eq!(stat["Period"].as_u64(), Some(PERIOD_MS / 1000), "not simulated: this period");
    let of_cluster = metric["Dimensions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [dimension] = of_cluster else { panic!("not simulated: other dimensions than the cluster") };
    assert_eq!(dimension["Name"], "DBClusterIdentifier", "not simulated: this dimension");
    let maximum = match stat["Stat"].as_str() {
        Some("Maximum") => true,
        Some("Average") => false,
        other => panic!("not simulated: statistic {other:?}"),
    };
    let datapoints =
        aurora.lag_datapoints(&request.region, dimension["Value"].as_str().unwrap_or_default(), now).into_iter();
    datapoints.map(|one| (one.start, if maximum { one.maximum } else { one.average })).collect()
}

/// The same as [`only`] for a part of the body.
fn fields(request: &Request, part: &Value, known: &[&str]) {
    for name in part.as_object().expect("an object").keys() {
        assert!(known.contains(&name.as_str()), "{}: {name} is not simulated: {part}", request.name());
    }
}
