//! What is needed of an alarm's message, whatever else stands in it (F8).
//!
//! `aws_lambda_events` has types for these messages, but they fail on composite alarms (no `Trigger`), on alarms
//! without description (`null`) and on metric-math alarms without `Threshold`. None of that decides anything here.

use std::collections::BTreeSet;

use failover::contract::{self, AlarmTrigger, FailoverId, Timestamp};
use failover::digest::sha256_hex;
use failover::error::Error;
use serde::Deserialize;
use serde_json::Value;

use crate::settings::alarm_arn;

/// The longest reason that is passed on, in characters: it goes into the execution's input and into messages.
const LONGEST_REASON: usize = 500;

/// An alarm's change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AlarmChange {
    /// Its ARN. Region and account are read from here: the message's `Region` is a display name.
    pub(crate) arn: String,
    /// Its name.
    pub(crate) name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub(crate) state: String,
    /// When it changed, as the message has it.
    pub(crate) changed_at_text: String,
    /// When it changed.
    pub(crate) changed_at: Timestamp,
    /// CloudWatch's reason, shortened.
    pub(crate) reason: String,
}

/// The message's fields that matter.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    alarm_arn: Option<String>,
    alarm_name: String,
    #[serde(rename = "AWSAccountId")]
    account: Option<String>,
    new_state_value: String,
    new_state_reason: Option<String>,
    state_change_time: String,
}

impl AlarmChange {
    /// Reads `Sns.Message`. `known` are the alarms that may start a failover.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] whose field begins with `at`.
    pub(crate) fn parse(message: &str, known: &BTreeSet<String>, at: &str) -> Result<Self, Error> {
        let invalid = |field: &str, problem: String| Error::invalid(format!("{at}{field}"), problem);
        let value: Value = serde_json::from_str(message)
            .map_err(|error| invalid("", format!("expected a CloudWatch alarm's JSON, which this is not: {error}")))?;
        let message: Message = contract::parse_at(at, value)?;
        let arn = message.alarm_arn.clone().or_else(|| message.alarm_by_name(known));
        let arn = arn.ok_or_else(|| invalid(".AlarmArn", "is missing".to_owned()))?;
        let (_, _, name) = alarm_arn(&arn).map_err(|problem| invalid(".AlarmArn", problem))?;
        // The ARN's own: the name beside it is part of no check, and becomes part of a key of the ledger.
        let name = name.to_owned();
        let changed_at =
            Timestamp::parse(&message.state_change_time).map_err(|problem| invalid(".StateChangeTime", problem))?;
        let reason = message.new_state_reason.unwrap_or_default().chars().take(LONGEST_REASON).collect();
        Ok(Self {
            arn,
            name,
            state: message.new_state_value,
            changed_at_text: message.state_change_time,
            changed_at,
            reason,
        })
    }

    /// The name of the failover of this incident: the same however often and by whatever way the change is delivered.
    pub(crate) fn incident(&self) -> Result<FailoverId, Error> {
        let digest = self.digest();
        FailoverId::parse(&format!("alarm-{}", &digest[..24]))
            .map_err(|problem| Error::Bug { doing: "naming the incident".to_owned(), problem })
    }

    /// The SHA-256 of ARN and moment, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        sha256_hex(&format!("{}|{}", self.arn, self.changed_at_text))
    }

    /// What the execution is told.
    pub(crate) fn trigger(&self) -> AlarmTrigger {
        AlarmTrigger {
            alarm_arn: self.arn.clone(),
            alarm_name: self.name.clone(),
            state_changed_at: self.changed_at,
            reason: self.reason.clone(),
        }
    }
}

impl Message {
    /// The one known alarm of this name and account. Emulators, and CloudWatch in former years, leave the ARN out.
    fn alarm_by_name(&self, known: &BTreeSet<String>) -> Option<String> {
        let account = self.account.as_deref()?;
        let mut same = known.iter().filter(|arn| {
            alarm_arn(arn).is_ok_and(|(_, of_account, name)| of_account == account && name == self.alarm_name)
        });
        match (same.next(), same.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use failover::error::ErrorCode;
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:failover-dev-trading-endpoint";

    fn known() -> BTreeSet<String> {
        BTreeSet::from([ARN.to_owned()])
    }

    fn parse(message: &Value) -> Result<AlarmChange, Error> {
        AlarmChange::parse(&message.to_string(), &known(), "Records[0].Sns.Message")
    }

    /// A metric alarm's message as CloudWatch writes it.
    fn metric() -> Value {
        json!({
            "AlarmName": "failover-dev-trading-endpoint",
            "AlarmDescription": null,
            "AWSAccountId": "123456789012",
            "AlarmConfigurationUpdatedTimestamp": "2026-11-20T09:00:00.000+0000",
            "NewStateValue": "ALARM",
            "NewStateReason": "Threshold Crossed: 2 datapoints were less than the threshold (1.0).",
            "StateChangeTime": "2026-11-21T03:59:30.123+0000",
            "Region": "EU (Ireland)",
            "AlarmArn": ARN,
            "OldStateValue": "OK",
            "OKActions": [],
            "AlarmActions": ["arn:aws:sns:eu-west-1:123456789012:failover-dev-alarms"],
            "InsufficientDataActions": [],
            "Trigger": { "MetricName": "EndpointHealthy", "Namespace": "Failover", "Threshold": 1.0 }
        })
    }

    #[test]
    fn a_metric_alarm_without_description_is_read() {
        let change = parse(&metric()).expect("as CloudWatch writes it");
        assert_eq!((change.arn.as_str(), change.state.as_str()), (ARN, "ALARM"));
        assert_eq!(change.changed_at, Timestamp::parse("2026-11-21T03:59:30.123Z").expect("a time"));
        assert!(change.reason.starts_with("Threshold Crossed"));
    }

    #[test]
    fn a_composite_alarm_has_no_trigger_and_is_read() {
        let composite = json!({
            "AlarmName": "failover-dev-trading-region-impaired",
            "AlarmDescription": "Both signals",
            "AWSAccountId": "123456789012",
            "NewStateValue": "ALARM",
            "NewStateReason": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:x transitioned to ALARM",
            "StateChangeTime": "2026-11-21T03:59:30.123+0000",
            "Region": "EU (Ireland)",
            "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:failover-dev-trading-region-impaired",
            "OldStateValue": "OK",
            "AlarmRule": "ALARM(\"a\") AND ALARM(\"b\")",
            "TriggeringChildren": [{ "Arn": ARN, "State": { "Value": "ALARM", "Timestamp": "2026-11-21T03:59:29Z" } }]
        });
        assert_eq!(parse(&composite).expect("as CloudWatch writes it").name, "failover-dev-trading-region-impaired");
    }

    #[test]
    fn a_missing_or_malformed_field_is_named_with_its_record() {
        let without = |field: &str| {
            let mut message = metric();
            message.as_object_mut().expect("an object").remove(field);
            message
        };
        let with = |field: &str, value: Value| {
            let mut message = metric();
            message[field] = value;
            message
        };
        for (message, expected) in [
            (without("AlarmName"), "missing field `AlarmName`"),
            (without("NewStateValue"), "missing field `NewStateValue`"),
            (without("StateChangeTime"), "missing field `StateChangeTime`"),
            (with("NewStateValue", json!(7)), "Records[0].Sns.Message.NewStateValue: "),
            (with("StateChangeTime", json!("yesterday")), "Records[0].Sns.Message.StateChangeTime: "),
            (with("AlarmArn", json!("endpoint")), "Records[0].Sns.Message.AlarmArn: "),
            (json!("hello"), "Records[0].Sns.Message: "),
        ] {
            let error = parse(&message).expect_err(expected);
            assert_eq!(error.code(), ErrorCode::InvalidRequest);
            let text = error.to_string();
            assert!(text.contains(expected) && text.starts_with("Records[0].Sns.Message"), "{text}");
        }
        let error = AlarmChange::parse("hello", &known(), "Records[2].Sns.Message").expect_err("not JSON");
        assert!(error.to_string().starts_with("Records[2].Sns.Message: expected a CloudWatch alarm's JSON"), "{error}");
    }

    #[test]
    fn without_an_arn_name_and_account_have_to_single_out_a_known_alarm() {
        let mut message = metric();
        message.as_object_mut().expect("an object").remove("AlarmArn");
        assert_eq!(parse(&message).expect("the only one of this name").arn, ARN);
        message["AWSAccountId"] = json!("999999999999");
        assert!(parse(&message).expect_err("another account").to_string().contains("AlarmArn: is missing"));
        message["AWSAccountId"] = json!("123456789012");
        let twins = BTreeSet::from([ARN.to_owned(), ARN.replace("eu-west-1", "eu-central-1")]);
        assert!(AlarmChange::parse(&message.to_string(), &twins, "x").is_err(), "two alarms of this name are known");
    }

    #[test]
    fn the_name_is_the_one_in_the_arn_whatever_stands_beside_it() {
        let mut message = metric();
        message["AlarmName"] = json!("x".repeat(5000));
        assert_eq!(parse(&message).expect("good").name, "failover-dev-trading-endpoint");
    }

    #[test]
    fn an_incident_has_one_name_and_another_incident_another() {
        let first = parse(&metric()).expect("good").incident().expect("a name");
        assert_eq!(first, parse(&metric()).expect("good").incident().expect("a name"));
        let mut later = metric();
        later["StateChangeTime"] = json!("2026-11-21T05:00:00.000+0000");
        assert_ne!(first, parse(&later).expect("good").incident().expect("a name"));
        let hex = first.as_str().strip_prefix("alarm-").expect("the prefix");
        assert!(hex.len() == 24 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    }

    #[test]
    fn a_reason_of_any_length_fits_into_the_executions_input() {
        let mut message = metric();
        message["NewStateReason"] = json!("é".repeat(5000));
        assert_eq!(parse(&message).expect("good").reason.chars().count(), LONGEST_REASON);
    }
}
