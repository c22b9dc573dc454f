//! The request of `scale-ecs` (F7, X1).

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Region, RunContext};
use crate::error::Error;
use crate::recovery_plan::LONGEST_FENCE_SECONDS;

/// Bring ECS services in the target Region to their capacity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaleRequest {
    /// The failover this belongs to.
    #[serde(default)]
    pub run: RunContext,
    /// The Region to scale in. Left out, `DR_REGION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_region: Option<Region>,
    /// The ECS cluster's name in the target Region.
    pub cluster: String,
    /// Which services.
    pub services: ServiceSelection,
    /// How many tasks each service is to have.
    pub capacity: Capacity,
    /// Only with `true` may a service end with fewer tasks than it has; `fenced` needs no such word.
    #[serde(default)]
    pub allow_scale_down: bool,
    /// For how long to try, in seconds; a Region that is left may not answer. Left out, the function's step budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
}

/// Which services of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceSelection {
    /// Every service of the cluster.
    All,
    /// These services, by name.
    Named(Vec<String>),
}

/// How many tasks a service is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Capacity {
    /// This many tasks.
    Desired(u32),
    /// No tasks, and automatic scaling suspended: the Region is kept from writing (X1). Scaling the services again, to
    /// whatever count, resumes it. Daemon services and tasks outside services are not reached.
    Fenced,
    /// A percentage of what the service of the same name has in the source Region, rounded up.
    PercentOfSource {
        /// 1 to 1000.
        percent: u32,
        /// The Region to compare with.
        source_region: Region,
        /// The ECS cluster's name there.
        source_cluster: String,
        /// The count to take when the source Region does not answer, as in its loss.
        /// Without it the step refuses then, instead of guessing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        desired_if_unknown: Option<u32>,
    },
}

/// Checks the time for which a step may be tried.
///
/// # Errors
/// [`Error::InvalidRequest`] that names `timeout_seconds`, unless it is 1 to [`LONGEST_FENCE_SECONDS`].
pub fn check_timeout(seconds: u32) -> Result<Duration, Error> {
    if (1..=LONGEST_FENCE_SECONDS).contains(&seconds) {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let problem = format!("expected 1 to {LONGEST_FENCE_SECONDS} seconds, found {seconds}");
    Err(Error::invalid("timeout_seconds", problem))
}
