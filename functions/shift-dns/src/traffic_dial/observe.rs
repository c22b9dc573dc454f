//! Reads dials, and whether the accelerator has what was changed everywhere.

use std::collections::BTreeMap;

use aws_sdk_globalaccelerator::types::AcceleratorStatus;
use failover::aws_call::{CallError, Meaning};
use failover::error::Error;

use super::Dials;
use super::plan::{Accelerator, DialShift, FIELD, FULL, Observation};

impl Dials<'_> {
    /// Looks at everything the plan needs.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for an endpoint group that does not exist, and errors of the calls.
    pub(super) async fn look(&self, request: &DialShift) -> Result<Observation, Error> {
        let mut dials = BTreeMap::new();
        for (region, group) in &request.endpoint_groups {
            let dial = self.dial(group).await;
            let field = format!("{FIELD}.endpoint_groups.{region}");
            dials.insert(region.clone(), dial.map_err(|error| unreadable(&field, error))?);
        }
        // After the dials: deployed then is deployed with them.
        let accelerator = self.accelerator(&request.accelerator).await;
        let accelerator = accelerator.map_err(|error| unreadable(&format!("{FIELD}.endpoint_groups"), error))?;
        Ok(Observation { dials, accelerator })
    }

    /// An endpoint group's dial, in percent.
    pub(super) async fn dial(&self, group: &str) -> Result<f32, CallError> {
        let question = self.reading.describe_endpoint_group().endpoint_group_arn(group).send();
        let answer = self.tools.calls.call("globalaccelerator", "DescribeEndpointGroup", question).await?;
        Ok(answer.endpoint_group.and_then(|group| group.traffic_dial_percentage).unwrap_or(FULL))
    }

    /// The accelerator.
    pub(super) async fn accelerator(&self, arn: &str) -> Result<Accelerator, CallError> {
        let question = self.reading.describe_accelerator().accelerator_arn(arn).send();
        let answer = self.tools.calls.call("globalaccelerator", "DescribeAccelerator", question).await?;
        let found = answer.accelerator;
        let deployed = found.as_ref().and_then(|found| found.status()) == Some(&AcceleratorStatus::Deployed);
        Ok(Accelerator { deployed, enabled: found.and_then(|found| found.enabled).unwrap_or(true) })
    }
}

fn unreadable(field: &str, error: CallError) -> Error {
    match error.meaning {
        Meaning::NotFound | Meaning::Invalid => Error::invalid(field, error.to_string()),
        Meaning::Throttled
        | Meaning::Denied
        | Meaning::Conflict
        | Meaning::Forbidden
        | Meaning::Unavailable
        | Meaning::Unreachable => Error::from_read("reading traffic dials", error),
    }
}
