//! What this function reads from its environment.

use failover::config::{Variables, checked, required};
use failover::contract::Region;
use failover::error::Error;

/// The function's environment, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `DESTINATION_REGION`: the other Region.
    pub destination_region: Region,
    /// `DESTINATION_KMS_KEY_ARN`: what encrypts secure strings there.
    pub destination_key: String,
    /// `PARAMETER_PREFIX`: what the parameters' names begin with, without the last slash.
    pub prefix: String,
    /// `OWN_ROLE_NAME`: who makes the copies there.
    pub own_role: String,
    /// `PEER_ROLE_NAME`: who makes the copies here.
    pub peer_role: String,
    /// `AWS_REGION`, set by Lambda.
    pub region: Region,
}

impl Settings {
    /// Reads and checks it.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable.
    pub fn read(variables: &impl Variables) -> Result<Self, Error> {
        Ok(Self {
            destination_region: checked(variables, "DESTINATION_REGION", Region::parse)?,
            destination_key: required(variables, "DESTINATION_KMS_KEY_ARN")?,
            prefix: checked(variables, "PARAMETER_PREFIX", prefix)?,
            own_role: required(variables, "OWN_ROLE_NAME")?,
            peer_role: required(variables, "PEER_ROLE_NAME")?,
            region: checked(variables, "AWS_REGION", Region::parse)?,
        })
    }

    /// A parameter's name, if it is one of those that are replicated.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] that names it.
    pub fn own(&self, name: &str) -> Result<(), Error> {
        let below = name.strip_prefix(&self.prefix).and_then(|rest| rest.strip_prefix('/'));
        if below.is_some_and(|rest| !rest.is_empty()) {
            return Ok(());
        }
        Err(Error::invalid("detail.name", format!("{name:?} is not under {:?}", self.prefix)))
    }
}

fn prefix(text: &str) -> Result<String, String> {
    if text.len() > 1 && text.starts_with('/') && !text.ends_with('/') {
        return Ok(text.to_owned());
    }
    Err(format!("expected a path that begins and does not end with a slash, found {text:?}"))
}
