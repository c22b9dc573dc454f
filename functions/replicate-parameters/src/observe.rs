//! Reads events, parameters and their history.

use std::collections::BTreeSet;

use aws_lambda_events::sqs::SqsMessage;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{ParameterHistory, ParameterTier, ParameterType};
use failover::aws_call::{CallError, Calls};
use failover::contract::{Region, Timestamp, parse, parse_at};
use failover::error::Error;
use serde::Deserialize;
use serde_json::Value;

use crate::plan::{Change, Kind, Parameter, Secret, Tier, Version};

/// The Parameter Store keeps 100 versions, in pages of up to 50, which it may leave short.
/// Source: <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameterHistory.html>
const MOST_HISTORY_PAGES: usize = 20;
/// Versions in a page of a history.
const VERSIONS_PER_PAGE: i32 = 50;
/// Parameters in a page of a listing, the most there are.
/// Source: <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html>
const NAMES_PER_PAGE: i32 = 10;
/// A listing ends here: as many parameters as an account can have of the standard tier.
const MOST_NAMES: usize = 10_000;

/// An event of the Parameter Store.
/// Source: <https://docs.aws.amazon.com/systems-manager/latest/userguide/monitoring-systems-manager-event-examples.html>
#[derive(Deserialize)]
struct Event {
    time: Timestamp,
    detail: Detail,
}

#[derive(Deserialize)]
struct Detail {
    name: String,
    operation: String,
}

/// The parameter that an event in a message is about, and what happened to it; none for what changes no value.
pub(crate) fn change(message: &SqsMessage) -> Result<Option<(String, Change)>, Error> {
    let body: Value = serde_json::from_str(message.body.as_deref().unwrap_or_default())
        .map_err(|_| Error::invalid("body", "is no JSON"))?;
    let event: Event = parse_at("body", body)?;
    let change = match event.detail.operation.as_str() {
        "Create" | "Update" => Change::Written,
        "Delete" => Change::Deleted(event.time),
        "LabelParameterVersion" => return Ok(None),
        _ => return Err(Error::invalid("body.detail.operation", "is none that is known")),
    };
    Ok(Some((event.detail.name, change)))
}

/// What a person asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, tag = "command", rename_all = "snake_case")]
pub(crate) enum Command {
    /// Go through all parameters; after that name, to go on where another run ended.
    Sync {
        #[serde(default)]
        after: Option<String>,
    },
}

pub(crate) fn command(event: Value) -> Result<Command, Error> {
    parse(event)
}

/// One Region's Parameter Store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) ssm: Client,
    pub(crate) region: Region,
    /// Whose versions are copies there.
    pub(crate) copier: String,
    pub(crate) calls: Calls,
}

impl Store {
    /// A parameter as it is now, and as people last changed it; none if there is none.
    pub(crate) async fn parameter(&self, name: &str) -> Result<Option<Parameter>, Error> {
        let doing = || format!("reading the history of {name} in {}", self.region);
        let mut newest: Option<ParameterHistory> = None;
        let mut changed: Option<ParameterHistory> = None;
        let mut next = None;
        for _ in 0..MOST_HISTORY_PAGES {
            let read = self.ssm.get_parameter_history().name(name).with_decryption(true);
            let read = read.max_results(VERSIONS_PER_PAGE).set_next_token(next).send();
            let page = match self.calls.call("ssm", "GetParameterHistory", read).await {
                Ok(page) => page,
                Err(error) if is_not_found(&error) => return Ok(None),
                Err(error) => return Err(Error::from_read(doing(), error)),
            };
            for version in page.parameters.unwrap_or_default() {
                let is_newer = |than: &Option<ParameterHistory>| {
                    than.as_ref().is_none_or(|than| version.version() > than.version())
                };
                if !is_of_role(version.last_modified_user().unwrap_or_default(), &self.copier) && is_newer(&changed) {
                    changed = Some(version.clone());
                }
                if is_newer(&newest) {
                    newest = Some(version);
                }
            }
            next = page.next_token;
            if next.is_none() {
                let read = |version: &ParameterHistory| version_of(version).ok_or_else(|| unexpected(doing()));
                let changed = changed.as_ref().map(read).transpose()?;
                return newest.as_ref().map(|newest| Ok(Parameter { newest: read(newest)?, changed })).transpose();
            }
        }
        Err(unexpected(doing()))
    }

    /// The names of the parameters under a path, in order.
    pub(crate) async fn names(&self, path: &str) -> Result<BTreeSet<String>, Error> {
        let mut names = BTreeSet::new();
        let mut next = None;
        loop {
            let read = self.ssm.get_parameters_by_path().path(path).recursive(true).with_decryption(false);
            let read = read.max_results(NAMES_PER_PAGE).set_next_token(next).send();
            let page = self.calls.call("ssm", "GetParametersByPath", read).await;
            let page = page.map_err(|error| Error::from_read(format!("listing the parameters of {path}"), error))?;
            names.extend(page.parameters.unwrap_or_default().into_iter().filter_map(|found| found.name));
            next = page.next_token;
            if next.is_none() || names.len() >= MOST_NAMES {
                return Ok(names);
            }
        }
    }
}

pub(crate) fn is_not_found(error: &CallError) -> bool {
    error.code == "ParameterNotFound"
}

fn unexpected(doing: String) -> Error {
    Error::Bug { doing, problem: "the Parameter Store answered a history that cannot be understood".to_owned() }
}

fn version_of(version: &ParameterHistory) -> Option<Version> {
    let kinds = [
        (ParameterType::String, Kind::Text),
        (ParameterType::StringList, Kind::List),
        (ParameterType::SecureString, Kind::Secure),
    ];
    let (_, kind) = kinds.into_iter().find(|(found, _)| version.r#type() == Some(found))?;
    let advanced = version.tier() == Some(&ParameterTier::Advanced);
    Some(Version {
        at: Timestamp::from_millis(version.last_modified_date()?.to_millis().ok()?),
        kind,
        value: Secret::new(version.value()?),
        tier: if advanced { Tier::Advanced } else { Tier::Standard },
        data_type: version.data_type().map(str::to_owned),
        description: version.description().map(str::to_owned),
        allowed_pattern: version.allowed_pattern().map(str::to_owned),
    })
}

/// Whether an author is a role, whose ARN may be its own or that of one of its sessions:
/// `arn:aws:sts::123456789012:assumed-role/ROLE/SESSION`, `arn:aws:iam::123456789012:role/PATH/ROLE`.
pub(crate) fn is_of_role(author: &str, role: &str) -> bool {
    let resource: Vec<&str> = author.rsplit(':').next().unwrap_or_default().split('/').collect();
    match resource.as_slice() {
        ["assumed-role", of, _] | ["role", .., of] => *of == role,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_known_by_its_name_and_not_by_a_part_of_it() {
        for author in
            ["arn:aws:sts::123456789012:assumed-role/copier/function", "arn:aws:iam::123456789012:role/x/copier"]
        {
            assert!(is_of_role(author, "copier"), "{author}");
            assert!(!is_of_role(author, "copier-2") && !is_of_role(author, "copie"), "{author}");
        }
        for author in ["arn:aws:iam::123456789012:user/copier", "copier", ""] {
            assert!(!is_of_role(author, "copier"), "{author}");
        }
    }
}
