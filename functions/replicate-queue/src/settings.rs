//! What this function reads from its environment.

use failover::config::{Variables, checked};
use failover::contract::Region;
use failover::error::Error;

/// The function's environment, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `DESTINATION_REGION`: the other Region.
    pub destination_region: Region,
    /// `DESTINATION_QUEUE_URL`: the other Region's queue.
    pub destination_queue_url: String,
}

impl Settings {
    /// Reads and checks it.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable.
    pub fn read(variables: &impl Variables) -> Result<Self, Error> {
        Ok(Self {
            destination_region: checked(variables, "DESTINATION_REGION", Region::parse)?,
            destination_queue_url: checked(variables, "DESTINATION_QUEUE_URL", url)?,
        })
    }
}

fn url(text: &str) -> Result<String, String> {
    // A local AWS has no TLS.
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty())
        .then(|| text.to_owned())
        .ok_or_else(|| format!("expected a queue's URL, found {text:?}"))
}
