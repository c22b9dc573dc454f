//! What this function reads from its environment beyond what all functions read (F9).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use failover::config::{self, Config, Variables};
use failover::contract::{ClusterId, Region};
use failover::error::Error;
use failover::recovery_plan::{LONGEST_LEASE_SECONDS, SHORTEST_LEASE_SECONDS};

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
    /// What `watch` looks at.
    pub watched: Watched,
    /// `FUNCTION_ROLES`: each function's role, as `function=arn,function=arn`; a preflight asks what they permit.
    pub function_roles: BTreeMap<String, String>,
}

/// What `watch` looks at. It runs without the plan document, so this repeats what it needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The plan's home Region: the first of `WATCHED_ENDPOINTS`.
    pub home: Region,
    /// `WATCHED_ENDPOINTS`: each Region's health endpoint, as `region=url,region=url`, the home Region first. A comma in
    /// a URL has to be written `%2C`.
    pub endpoints: BTreeMap<Region, Url>,
    /// `WATCHED_CLUSTERS`: each Region's Aurora cluster, as `region=id,region=id`; empty for a plan without Aurora.
    pub clusters: BTreeMap<Region, ClusterId>,
    /// `WATCHED_TABLE`: the workload's DynamoDB global table, of the same name in each Region, for a plan without Aurora;
    /// empty for one without a table.
    pub table: Option<String>,
    /// `WRITER_LEASE_SECONDS`: the plan's `writer_lease_seconds`; none for 0, when applications hold no lease.
    pub writer_lease: Option<Duration>,
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
            watched: Watched::read(variables)?,
            function_roles: config::checked(variables, "FUNCTION_ROLES", function_roles)?,
        })
    }

    /// The partition that everything here stands in: `aws`, `aws-cn` or another.
    #[must_use]
    pub fn partition(&self) -> &str {
        self.state_machine_arn.split(':').nth(1).unwrap_or_default()
    }
}

impl Watched {
    fn read(variables: &impl Variables) -> Result<Self, Error> {
        let endpoints = config::checked(variables, "WATCHED_ENDPOINTS", |text| by_region(text, Url::parse))?;
        let clusters = match variables.get("WATCHED_CLUSTERS").filter(|text| !text.is_empty()) {
            Some(_) => config::checked(variables, "WATCHED_CLUSTERS", |text| by_region(text, ClusterId::parse))?,
            None => Vec::new(),
        };
        let table = match variables.get("WATCHED_TABLE").filter(|text| !text.is_empty()) {
            Some(_) => Some(config::checked(variables, "WATCHED_TABLE", table_name)?),
            None => None,
        };
        let Some((home, _)) = endpoints.first() else {
            let problem = "names no Region".to_owned();
            return Err(Error::Config { variable: "WATCHED_ENDPOINTS".to_owned(), problem });
        };
        Ok(Self {
            home: home.clone(),
            writer_lease: config::checked(variables, "WRITER_LEASE_SECONDS", writer_lease)?,
            clusters: clusters.into_iter().collect(),
            table,
            endpoints: endpoints.into_iter().collect(),
        })
    }
}

/// `region=value,region=value`, in its order, each Region once.
fn by_region<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<(Region, T)>, String> {
    let mut found: Vec<(Region, T)> = Vec::new();
    for entry in text.split(',') {
        let (region, value) =
            entry.split_once('=').ok_or_else(|| format!("expected \"region=value\", found {entry:?}"))?;
        let region = Region::parse(region.trim())?;
        if found.iter().any(|(other, _)| *other == region) {
            return Err(format!("names {region} twice"));
        }
        found.push((region, parse(value.trim())?));
    }
    Ok(found)
}

/// `function=arn,function=arn`, each function once.
fn function_roles(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut roles = BTreeMap::new();
    for entry in text.split(',') {
        let (function, arn) =
            entry.split_once('=').ok_or_else(|| format!("expected \"function=arn\", found {entry:?}"))?;
        let (function, arn) = (function.trim(), arn.trim());
        let fields: Vec<&str> = arn.splitn(6, ':').collect();
        if !matches!(fields.as_slice(), ["arn", _, "iam", "", _, role] if role.starts_with("role/")) {
            return Err(format!("expected the ARN of an IAM role, found {arn:?}"));
        }
        if roles.insert(function.to_owned(), arn.to_owned()).is_some() {
            return Err(format!("names {function} twice"));
        }
    }
    Ok(roles)
}

/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
fn table_name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if (3..=255).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected the name of a DynamoDB table, 3 to 255 letters, digits, '_', '-' or '.', found {text:?}"))
    }
}

fn writer_lease(text: &str) -> Result<Option<Duration>, String> {
    match text.parse() {
        Ok(0) => Ok(None),
        Ok(seconds) if (SHORTEST_LEASE_SECONDS..=LONGEST_LEASE_SECONDS).contains(&seconds) => {
            Ok(Some(Duration::from_secs(seconds.into())))
        }
        _ => Err(format!("expected 0, or {SHORTEST_LEASE_SECONDS} to {LONGEST_LEASE_SECONDS} seconds, found {text:?}")),
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
            (
                "WATCHED_ENDPOINTS",
                "eu-central-1=https://app.eu-central-1.example.com/health?a=b, eu-west-1=https://app.eu-west-1.example.com",
            ),
            ("WATCHED_CLUSTERS", "eu-central-1=trading-primary,eu-west-1=trading-dr"),
            ("WRITER_LEASE_SECONDS", "150"),
            (
                "FUNCTION_ROLES",
                "scale-ecs=arn:aws:iam::123456789012:role/scale, health-probe=arn:aws:iam::123456789012:role/a/probe",
            ),
        ])
    }

    #[test]
    fn a_complete_environment_is_read() {
        let settings = Settings::read(&complete(), &failover::testing::config()).expect("complete");
        assert_eq!(settings.trigger_alarm_arns.len(), 2);
        assert_eq!(settings.function_roles["health-probe"], "arn:aws:iam::123456789012:role/a/probe");
        assert_eq!((settings.function_roles.len(), settings.partition()), (2, "aws"));
        let watched = settings.watched;
        let (home, standby) = (Region::parse("eu-central-1"), Region::parse("eu-west-1"));
        let (home, standby) = (home.expect("valid"), standby.expect("valid"));
        assert_eq!(watched.endpoints[&home].to_string(), "https://app.eu-central-1.example.com/health?a=b");
        assert_eq!(watched.clusters[&standby].as_str(), "trading-dr");
        assert_eq!((watched.home, watched.writer_lease), (home, Some(Duration::from_secs(150))));
    }

    #[test]
    fn the_first_endpoint_is_the_homes_whatever_the_alphabet_says() {
        let mut variables = complete();
        variables.insert("WATCHED_ENDPOINTS", "us-east-1=https://a.example.com,eu-west-1=https://b.example.com");
        let settings = Settings::read(&variables, &failover::testing::config()).expect("complete");
        assert_eq!(settings.watched.home.as_str(), "us-east-1");
    }

    #[test]
    fn a_plan_may_have_no_aurora_and_no_writer_lease() {
        let mut variables = complete();
        variables.insert("WATCHED_CLUSTERS", "");
        variables.insert("WRITER_LEASE_SECONDS", "0");
        let watched = Settings::read(&variables, &failover::testing::config()).expect("complete").watched;
        assert_eq!((watched.clusters.len(), watched.writer_lease), (0, None));
    }

    #[test]
    fn each_missing_variable_is_named() {
        for name in complete().into_keys().filter(|name| *name != "WATCHED_CLUSTERS") {
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
            ("WATCHED_ENDPOINTS", "https://app.example.com"),
            ("WATCHED_ENDPOINTS", "eu-west-1=ftp://app.example.com"),
            ("WATCHED_ENDPOINTS", "Ireland=https://app.example.com"),
            ("WATCHED_ENDPOINTS", "eu-west-1=https://a.example.com,eu-west-1=https://b.example.com"),
            ("WATCHED_CLUSTERS", "eu-west-1=arn:aws:rds:eu-west-1:123456789012:cluster:trading-dr"),
            ("WATCHED_TABLE", "ab"),
            ("WATCHED_TABLE", "arn:aws:dynamodb:eu-west-1:123456789012:table/transactions"),
            ("WRITER_LEASE_SECONDS", "129"),
            ("WRITER_LEASE_SECONDS", "901"),
            ("WRITER_LEASE_SECONDS", "-1"),
            ("FUNCTION_ROLES", "scale-ecs"),
            ("FUNCTION_ROLES", "scale-ecs=arn:aws:lambda:eu-west-1:123456789012:function:scale"),
            ("FUNCTION_ROLES", "a=arn:aws:iam::123456789012:role/a,a=arn:aws:iam::123456789012:role/b"),
        ] {
            let mut variables = complete();
            variables.insert(name, value);
            let message = Settings::read(&variables, &failover::testing::config()).expect_err(value).to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
