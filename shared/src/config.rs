//! The environment, read once at the start and checked (F9). Nothing else reads it.

use std::time::Duration;

use crate::contract::{AccountId, ClusterId, PlanName, Region};
use crate::error::Error;

/// How long an invocation works before it answers `in_progress`, unless `STEP_BUDGET_SECONDS` says otherwise.
pub const DEFAULT_STEP_BUDGET: Duration = Duration::from_secs(20);
/// How long one call to AWS may take with the SDK's retries, unless `AWS_CALL_TIMEOUT_SECONDS` says otherwise.
pub const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a variable's value comes from: the process, or a test.
pub trait Variables {
    /// The variable's value, if it is set.
    fn get(&self, name: &str) -> Option<String>;
}

/// The process's own environment.
#[derive(Clone, Copy, Debug)]
pub struct ProcessEnvironment;

impl Variables for ProcessEnvironment {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

impl Variables for std::collections::BTreeMap<&str, &str> {
    fn get(&self, name: &str) -> Option<String> {
        std::collections::BTreeMap::get(self, name).map(|value| (*value).to_owned())
    }
}

/// What every function is configured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `AWS_ACCOUNT_ID`.
    pub account: AccountId,
    /// `DR_REGION`: the Region the orchestrator and its ledger live in.
    pub dr_region: Region,
    /// `ENVIRONMENT_SUFFIX`: part of every resource's name.
    pub environment_suffix: String,
    /// `PLAN_NAME`: the plan a request belongs to that names none.
    pub plan: PlanName,
    /// `STEP_BUDGET_SECONDS`.
    pub step_budget: Duration,
    /// What is needed to call AWS.
    pub access: Access,
}

/// What a function needs to call AWS, whatever it does there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// `AWS_LAMBDA_FUNCTION_NAME`, set by Lambda; the crate's name elsewhere.
    pub function_name: String,
    /// `AWS_CALL_TIMEOUT_SECONDS`.
    pub call_timeout: Duration,
    /// `AWS_ENDPOINT_URL`: one endpoint for all services, for a local AWS.
    pub endpoint_url: Option<String>,
    /// The credentials Lambda hands to the function.
    pub credentials: Credentials,
}

impl Access {
    /// Reads it. `function` names the crate, for runs outside Lambda.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable.
    pub fn read(variables: &impl Variables, function: &str) -> Result<Self, Error> {
        Ok(Self {
            function_name: variables.get("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| function.to_owned()),
            call_timeout: seconds(variables, "AWS_CALL_TIMEOUT_SECONDS", DEFAULT_CALL_TIMEOUT, 60)?,
            endpoint_url: variables.get("AWS_ENDPOINT_URL").filter(|url| !url.is_empty()),
            credentials: Credentials {
                access_key_id: required(variables, "AWS_ACCESS_KEY_ID")?,
                secret_access_key: required(variables, "AWS_SECRET_ACCESS_KEY")?,
                session_token: variables.get("AWS_SESSION_TOKEN").filter(|token| !token.is_empty()),
            },
        })
    }
}

/// The function's credentials. Lambda renews them by replacing the sandbox, so they are read once.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

impl Config {
    /// Reads what every function needs. `function` names the crate, for runs outside Lambda.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable.
    pub fn read(variables: &impl Variables, function: &str) -> Result<Self, Error> {
        Ok(Self {
            account: checked(variables, "AWS_ACCOUNT_ID", AccountId::parse)?,
            dr_region: checked(variables, "DR_REGION", Region::parse)?,
            environment_suffix: checked(variables, "ENVIRONMENT_SUFFIX", suffix)?,
            plan: checked(variables, "PLAN_NAME", PlanName::parse)?,
            step_budget: seconds(variables, "STEP_BUDGET_SECONDS", DEFAULT_STEP_BUDGET, 600)?,
            access: Access::read(variables, function)?,
        })
    }

    /// The ledger's table, `failover-state-{environmentSuffix}` (F3).
    #[must_use]
    pub fn ledger_table(&self) -> String {
        format!("failover-state-{}", self.environment_suffix)
    }
}

/// A variable that has to be set.
///
/// # Errors
/// [`Error::Config`] when it is missing or empty.
pub fn required(variables: &impl Variables, name: &str) -> Result<String, Error> {
    match variables.get(name) {
        Some(value) if !value.is_empty() => Ok(value),
        Some(_) => Err(config_error(name, "is empty")),
        None => Err(config_error(name, "is not set")),
    }
}

/// A variable that has to be set and to pass a check.
///
/// # Errors
/// [`Error::Config`] with what was expected.
pub fn checked<T>(
    variables: &impl Variables,
    name: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Error> {
    parse(&required(variables, name)?).map_err(|problem| config_error(name, &problem))
}

/// A DB cluster's identifier from the environment.
///
/// # Errors
/// [`Error::Config`] when it is missing or malformed.
pub fn cluster_id(variables: &impl Variables, name: &str) -> Result<ClusterId, Error> {
    checked(variables, name, ClusterId::parse)
}

/// A duration in whole seconds, from 1 to `most`.
///
/// # Errors
/// [`Error::Config`] with what was expected.
pub fn seconds(variables: &impl Variables, name: &str, default: Duration, most: u64) -> Result<Duration, Error> {
    let Some(text) = variables.get(name) else {
        return Ok(default);
    };
    match text.parse() {
        Ok(seconds) if (1..=most).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err(config_error(name, &format!("expected whole seconds from 1 to {most}, found {text:?}"))),
    }
}

/// Part of the names of tables, roles and topics, so only what all of them allow.
fn suffix(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=20).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected 1 to 20 lower-case letters, digits or '-', found {text:?}"))
    }
}

fn config_error(variable: &str, problem: &str) -> Error {
    Error::Config { variable: variable.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn complete() -> BTreeMap<&'static str, &'static str> {
        BTreeMap::from([
            ("AWS_ACCOUNT_ID", "123456789012"),
            ("DR_REGION", "eu-west-1"),
            ("ENVIRONMENT_SUFFIX", "dev"),
            ("PLAN_NAME", "trading"),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
        ])
    }

    #[test]
    fn a_complete_environment_gives_the_table_name_of_f3() {
        let config = Config::read(&complete(), "promote-aurora").expect("complete");
        assert_eq!(config.ledger_table(), "failover-state-dev");
        assert_eq!(config.step_budget, DEFAULT_STEP_BUDGET);
    }

    #[test]
    fn each_missing_variable_is_named() {
        for name in complete().into_keys() {
            let mut variables = complete();
            variables.remove(name);
            let error = Config::read(&variables, "x").expect_err(name);
            assert_eq!(error.to_string(), format!("environment variable {name}: is not set"));
        }
    }

    #[test]
    fn each_malformed_variable_is_named_with_what_was_found() {
        for (name, value) in [
            ("AWS_ACCOUNT_ID", "12"),
            ("DR_REGION", "Ireland"),
            ("ENVIRONMENT_SUFFIX", "Dev_1"),
            ("PLAN_NAME", "a b"),
            ("STEP_BUDGET_SECONDS", "0"),
            ("AWS_CALL_TIMEOUT_SECONDS", "soon"),
        ] {
            let mut variables = complete();
            variables.insert(name, value);
            let message = Config::read(&variables, "x").expect_err(name).to_string();
            assert!(message.contains(name) && message.contains(&format!("{value:?}")), "{message}");
        }
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let config = Config::read(&complete(), "x").expect("complete");
        assert!(!format!("{config:?}").contains("not-a-secret"));
    }
}
