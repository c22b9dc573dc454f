//! What is needed of an alarm's message, whatever else stands in it (F8).
//!
//! `aws_lambda_events` has types for these messages, but they fail on composite alarms (no `Trigger`), on alarms
//! without description (`null`) and on metric-math alarms without `Threshold`. None of that decides anything here.

use std::collections::BTreeSet;
use std::fmt::Write;

use failover::contract::{self, AlarmTrigger, FailoverId, Timestamp};
use failover::error::Error;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

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
        let invalid = |field: &str, problem: String| Error::InvalidRequest { field: format!("{at}{field}"), problem };
        let value: Value = serde_json::from_str(message)
            .map_err(|error| invalid("", format!("expected a CloudWatch alarm's JSON, which this is not: {error}")))?;
        let message: Message = contract::parse_at(at, value)?;
        let arn = message.alarm_arn.clone().or_else(|| message.alarm_by_name(known));
        let arn = arn.ok_or_else(|| invalid(".AlarmArn", "is missing".to_owned()))?;
        alarm_arn(&arn).map_err(|problem| invalid(".AlarmArn", problem))?;
        let changed_at =
            Timestamp::parse(&message.state_change_time).map_err(|problem| invalid(".StateChangeTime", problem))?;
        let reason = message.new_state_reason.unwrap_or_default().chars().take(LONGEST_REASON).collect();
        Ok(Self {
            arn,
            name: message.alarm_name,
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
        hex(&Sha256::digest(format!("{}|{}", self.arn, self.changed_at_text)))
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        drop(write!(text, "{byte:02x}"));
        text
    })
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
