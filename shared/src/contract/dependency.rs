//! What of AWS a change depends on: a control plane or a data plane, and the Regions it stands in.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Region;

/// A plane of an AWS service that has to work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// The service.
    pub service: String,
    /// Which part of it.
    pub plane: Plane,
    /// Where it stands. Of several Regions any one will do.
    pub regions: Vec<Region>,
}

/// The parts of an AWS service, by how much has to work for them.
/// Source: <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/control-planes-and-data-planes.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Plane {
    /// Creates and changes resources.
    Control,
    /// Does what the resources are there for, and is built to go on without the control plane.
    Data,
}

impl Dependency {
    /// Route 53's control plane, which changes records. Answering queries and checking health do without it.
    /// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/disaster-recovery-resiliency.html>
    #[must_use]
    pub fn route53() -> Self {
        Self { service: "route53".to_owned(), plane: Plane::Control, regions: vec![Region::us_east_1()] }
    }

    /// S3's data plane in a bucket's Region.
    #[must_use]
    pub fn s3(region: &Region) -> Self {
        Self { service: "s3".to_owned(), plane: Plane::Data, regions: vec![region.clone()] }
    }

    /// The data plane of ARC routing control: a cluster's endpoints, of which any one will do.
    /// Source: <https://docs.aws.amazon.com/r53recovery/latest/dg/data-and-control-planes.html>
    #[must_use]
    pub fn routing_control<'a>(endpoints: impl IntoIterator<Item = &'a Region>) -> Self {
        let regions = endpoints.into_iter().cloned().collect();
        Self { service: "arc routing control".to_owned(), plane: Plane::Data, regions }
    }

    /// The control plane of Global Accelerator, which turns traffic dials.
    /// Source: <https://docs.aws.amazon.com/global-accelerator/latest/dg/introduction-components.html>
    #[must_use]
    pub fn global_accelerator() -> Self {
        Self { service: "global accelerator".to_owned(), plane: Plane::Control, regions: vec![Region::us_west_2()] }
    }

    /// Whether it cannot work without this Region.
    #[must_use]
    pub fn needs(&self, region: &Region) -> bool {
        self.regions.iter().all(|other| other == region)
    }
}

/// For people: `route53 control plane, us-east-1`, or `arc routing control data plane, any of 5 Regions`.
impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plane = match self.plane {
            Plane::Control => "control",
            Plane::Data => "data",
        };
        write!(f, "{} {plane} plane, ", self.service)?;
        match self.regions.as_slice() {
            [region] => write!(f, "{region}"),
            several => write!(f, "any of {} Regions", several.len()),
        }
    }
}
