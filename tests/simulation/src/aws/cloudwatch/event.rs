//! An alarm's change of state as SNS hands it to Lambda.

use failover::contract::Timestamp;
use serde_json::{Value, json};

use super::AlarmChange;
use super::alarm::{self, METRIC_ALARMS};
use crate::aws::ACCOUNT;
use crate::workload;

/// The event with which SNS invokes a function that is subscribed to the topic of this change. A message that is delivered
/// again has the same `message_id`.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>
///
/// # Panics
/// For a change that the alarm tells nobody.
#[must_use]
pub fn sns_event(change: &AlarmChange, message_id: &str) -> Value {
    let topic = change.topic.expect("a change that somebody is told");
    json!({ "Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": format!("{topic}:2bcfbf39-05c3-41de-beaa-fcfcc21c8f55"),
        "Sns": {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": topic,
            "Subject": format!("{}: \"{}\" in EU (Ireland)", change.to.name(), change.name),
            "Message": message(change, topic).to_string(),
            "Timestamp": change.at.to_string(),
            "SignatureVersion": "1",
            "Signature": "EXAMPLE",
            "SigningCertUrl": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-example.pem",
            "UnsubscribeUrl": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
            "MessageAttributes": {}
        }
    }] })
}

fn message(change: &AlarmChange, topic: &str) -> Value {
    let mut message = json!({
        "AlarmName": change.name,
        "AlarmDescription": null,
        "AWSAccountId": ACCOUNT,
        "NewStateValue": change.to.name(),
        "NewStateReason": change.reason,
        "StateChangeTime": moment(change.at),
        "Region": "EU (Ireland)",
        "AlarmArn": alarm::arn(&change.name),
        "OldStateValue": change.from.name(),
        "OKActions": [],
        "AlarmActions": [topic],
        "InsufficientDataActions": [],
    });
    if let Some(alarm) = METRIC_ALARMS.iter().find(|alarm| alarm.name == change.name) {
        message["AlarmDescription"] = json!(alarm.description);
        message["AlarmConfigurationUpdatedTimestamp"] = json!("2026-11-20T09:00:00.000+0000");
        message["Trigger"] = json!({
            "MetricName": alarm.metric,
            "Namespace": alarm.namespace,
            "StatisticType": "Statistic",
            "Statistic": alarm.statistic.to_uppercase(),
            "Unit": null,
            "Period": 60,
            "EvaluationPeriods": alarm::EVALUATION_PERIODS,
            "ComparisonOperator": alarm.comparison,
            "Threshold": alarm.threshold,
            "TreatMissingData": "missing",
            "EvaluateLowSampleCountPercentile": ""
        });
    } else {
        assert_eq!(change.name, workload::COMPOSITE_ALARM, "there is no such alarm");
        message["AlarmRule"] = json!(alarm::composite_rule());
        message["TriggeringChildren"] = json!([]);
    }
    message
}

/// As CloudWatch writes it: milliseconds always, and an offset without its colon.
fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    let text = text.trim_end_matches('Z');
    match text.split_once('.') {
        Some((seconds, fraction)) => format!("{seconds}.{fraction:0<3}+0000"),
        None => format!("{text}.000+0000"),
    }
}
