//! Writes and deletes in the other Region.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use failover::aws_call::{CallError, Calls};
use failover::contract::Region;
use failover::env::{Deadline, Env};
use failover::error::Error;
use failover::retry;

use crate::observe::is_not_found;
use crate::plan::{Decision, Kind, Tier, Version};

/// Changes the other Region's Parameter Store.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) ssm: Client,
    pub(crate) region: Region,
    pub(crate) key: String,
    pub(crate) calls: Calls,
    pub(crate) env: Env,
}

impl Writer {
    /// Does what was decided.
    ///
    /// # Errors
    /// What went wrong, without the value.
    pub(crate) async fn act(&self, name: &str, decision: &Decision, deadline: Deadline) -> Result<(), Error> {
        match decision {
            Decision::Nothing => Ok(()),
            Decision::Put(version) => self.put(name, version, deadline).await,
            Decision::Replace(version) => {
                self.delete(name, deadline).await?;
                self.put(name, version, deadline).await
            }
            Decision::Delete => self.delete(name, deadline).await,
        }
    }

    async fn put(&self, name: &str, version: &Version, deadline: Deadline) -> Result<(), Error> {
        let (kind, key) = match version.kind {
            Kind::Text => (ParameterType::String, None),
            Kind::List => (ParameterType::StringList, None),
            Kind::Secure => (ParameterType::SecureString, Some(self.key.clone())),
        };
        let tier = match version.tier {
            Tier::Standard => ParameterTier::Standard,
            Tier::Advanced => ParameterTier::Advanced,
        };
        let request = self.ssm.put_parameter().name(name).overwrite(true).r#type(kind).tier(tier).set_key_id(key);
        let request = request
            .value(version.value.reveal())
            .set_data_type(version.data_type.clone())
            .set_description(version.description.clone())
            .set_allowed_pattern(version.allowed_pattern.clone());
        let put = || self.calls.call("ssm", "PutParameter", request.clone().send());
        match retry::change(&self.env, deadline, put).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::from_change(format!("writing {name} in {}", self.region), discreet(error))),
        }
    }

    async fn delete(&self, name: &str, deadline: Deadline) -> Result<(), Error> {
        let delete = || self.calls.call("ssm", "DeleteParameter", self.ssm.delete_parameter().name(name).send());
        match retry::change(&self.env, deadline, delete).await {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(Error::from_change(format!("deleting {name} in {}", self.region), error)),
        }
    }
}

/// The Parameter Store's own text may repeat the value that it did not like.
fn discreet(error: CallError) -> CallError {
    if error.code.is_empty() {
        return error;
    }
    CallError { message: "its message is left out, since it may repeat the value".to_owned(), ..error }
}
