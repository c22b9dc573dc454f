//! What this function reads from its environment beyond what all functions read (F9).

use std::collections::BTreeSet;

use failover::config::{self, Config, Variables};
use failover::error::Error;

use crate::http_probe::Url;

/// The function's own environment, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `STATE_MACHINE_ARN`: the state machine that `trigger` starts.
    pub state_machine_arn: String,
    /// `TRIGGER_ALARM_ARNS`: the alarms that may start a failover, by their exact ARNs, separated by commas.
    pub trigger_alarm_arns: BTreeSet<String>,
    /// `NOTIFICATION_TOPIC_ARN`: where people are told that a failover is considered.
    pub notification_topic_arn: String,
    /// `WATCHED_ENDPOINT_URL`: the health endpoint that `watch` probes.
    pub watched_endpoint: Url,
}

impl Settings {
    /// Reads and checks them.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable.
    pub fn read(variables: &impl Variables, config: &Config) -> Result<Self, Error> {
        Ok(Self {
            state_machine_arn: config::checked(variables, "STATE_MACHINE_ARN", |text| {
                arn_here(text, config, &["states", "stateMachine"])
            })?,
            trigger_alarm_arns: config::checked(variables, "TRIGGER_ALARM_ARNS", alarm_arns)?,
            notification_topic_arn: config::checked(variables, "NOTIFICATION_TOPIC_ARN", |text| {
                arn_here(text, config, &["sns"])
            })?,
            watched_endpoint: config::checked(variables, "WATCHED_ENDPOINT_URL", Url::parse)?,
        })
    }
}

/// An ARN of the service (and type) in the orchestrator's own Region and account: everything that a failover needs
/// lives outside the failing Region (F12).
fn arn_here(text: &str, config: &Config, kind: &[&str]) -> Result<String, String> {
    let fields: Vec<&str> = text.splitn(7, ':').collect();
    let is_kind = match (fields.as_slice(), kind) {
        (["arn", _, service, _, _, name], [expected]) => service == expected && !name.is_empty(),
        (["arn", _, service, _, _, resource, name], [expected, resource_type]) => {
            service == expected && resource == resource_type && !name.is_empty()
        }
        _ => false,
    };
    if !is_kind {
        return Err(format!("expected the ARN of {}, found {text:?}", kind.join(":")));
    }
    let (region, account) = (fields[3], fields[4]);
    if region != config.dr_region.as_str() {
        return Err(format!("stands in {region:?}, while DR_REGION is {:?}", config.dr_region.as_str()));
    }
    if account != config.account.as_str() {
        return Err(format!("is of account {account:?}, while AWS_ACCOUNT_ID is {:?}", config.account.as_str()));
    }
    Ok(text.to_owned())
}

fn alarm_arns(text: &str) -> Result<BTreeSet<String>, String> {
    text.split(',').map(str::trim).map(|arn| alarm_arn(arn).map(|_| arn.to_owned())).collect()
}

/// Checks an alarm's ARN and gives its Region, account and name. Names may hold colons.
/// Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html>
pub(crate) fn alarm_arn(text: &str) -> Result<(&str, &str, &str), String> {
    let fields: Vec<&str> = text.splitn(7, ':').collect();
    match fields.as_slice() {
        ["arn", _, "cloudwatch", region, account, "alarm", name]
            if !region.is_empty() && !account.is_empty() && !name.is_empty() =>
        {
            Ok((*region, *account, *name))
        }
        _ => Err(format!("expected the ARN of a CloudWatch alarm, found {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn complete() -> BTreeMap<&'static str, &'static str> {
        BTreeMap::from([
            ("STATE_MACHINE_ARN", "arn:aws:states:eu-west-1:123456789012:stateMachine:failover-dev-trading"),
            (
                "TRIGGER_ALARM_ARNS",
                "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:lag, arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a:b",
            ),
            ("NOTIFICATION_TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:failover-dev"),
            ("WATCHED_ENDPOINT_URL", "https://app.eu-central-1.example.com/health"),
        ])
    }

    #[test]
    fn a_complete_environment_is_read() {
        let settings = Settings::read(&complete(), &failover::testing::config()).expect("complete");
        assert_eq!(settings.trigger_alarm_arns.len(), 2);
    }

    #[test]
    fn each_missing_variable_is_named() {
        for name in complete().into_keys() {
            let mut variables = complete();
            variables.remove(name);
            let error = Settings::read(&variables, &failover::testing::config()).expect_err(name);
            assert_eq!(error.to_string(), format!("environment variable {name}: is not set"));
        }
    }

    #[test]
    fn each_malformed_variable_is_named_with_what_was_found() {
        for (name, value) in [
            ("STATE_MACHINE_ARN", "failover-dev-trading"),
            ("STATE_MACHINE_ARN", "arn:aws:states:eu-west-1:123456789012:stateMachine:"),
            ("STATE_MACHINE_ARN", "arn:aws:states:eu-central-1:123456789012:stateMachine:x"),
            ("STATE_MACHINE_ARN", "arn:aws:states:eu-west-1:999999999999:stateMachine:x"),
            ("TRIGGER_ALARM_ARNS", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:lag,lag"),
            ("TRIGGER_ALARM_ARNS", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:lag,"),
            ("NOTIFICATION_TOPIC_ARN", "arn:aws:sqs:eu-west-1:123456789012:failover-dev"),
            ("WATCHED_ENDPOINT_URL", "ftp://app.example.com"),
        ] {
            let mut variables = complete();
            variables.insert(name, value);
            let message = Settings::read(&variables, &failover::testing::config()).expect_err(value).to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
