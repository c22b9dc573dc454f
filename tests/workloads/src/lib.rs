//! What CloudFormation would make of a reference workload's template.
//!
//! [`Deployment::expand`] evaluates a workload for one role of the Region: nested stacks with the parameters they are
//! given, conditions, mappings and intrinsic functions. What only AWS can know stays symbolic, as text: a `Ref` to the
//! resource `Vpc` in the nested stack `Network` reads `${Network/Vpc}`, its attribute `CidrBlock`
//! `${Network/Vpc.CidrBlock}`, and a parameter without a value `${CertificateArn}`. So tests look at what a template
//! does, not at how it is written.

mod evaluate;
mod expand;
mod stack;
mod template;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use stack::{Resource, Stack, holds, texts};
pub use text::{Named, resources_with_their_text, template_files};

/// The account in every expansion.
pub const ACCOUNT: &str = "123456789012";

/// The four reference workloads, with their home and their standby Region.
pub const WORKLOADS: [(&str, &str, &str); 4] = [
    ("trading", "eu-central-1", "eu-west-1"),
    ("payments-serverless", "us-east-1", "us-east-2"),
    ("payments-alb", "us-east-1", "us-west-2"),
    ("edge", "us-east-1", "us-east-2"),
];

/// What a Region is to a workload when all is well: the template's parameter `RegionRole`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The Region that serves.
    Primary,
    /// The Region that takes over.
    Standby,
}

impl Role {
    /// Both, in the order of their deployment.
    pub const BOTH: [Self; 2] = [Self::Primary, Self::Standby];

    /// The value of `RegionRole`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Standby => "standby",
        }
    }
}

/// One workload in one Region: which template, which role, which parameters.
#[derive(Clone, Debug)]
pub struct Deployment {
    template: PathBuf,
    region: String,
    parameters: BTreeMap<String, String>,
}

impl Deployment {
    /// A workload of [`WORKLOADS`] in the Region of that role, when both Regions are deployed: `PeerRegion` is the other
    /// one, and what the template's `Handover` says is that output of the other Region's stack, as the symbol
    /// `${peer.Output}`. Other parameters keep their defaults; one without a default is symbolic.
    ///
    /// # Panics
    /// When there is no such workload, or its template cannot be read.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test's helper fails by panicking")]
    pub fn of(workload: &str, role: Role) -> Self {
        let (_, home, standby) = WORKLOADS.into_iter().find(|(name, ..)| *name == workload).expect("a known workload");
        let (region, peer_region, side) = match role {
            Role::Primary => (home, standby, "Primary"),
            Role::Standby => (standby, home, "Standby"),
        };
        let template = workload_template(workload);
        let handed_over =
            template::load(&template).expect("the workload's template")["Metadata"]["Handover"][side].take();
        let mut deployment = Self { template, region: region.to_owned(), parameters: BTreeMap::new() }
            .with("RegionRole", role.name())
            .with("PeerRegion", peer_region);
        for (parameter, output) in handed_over.as_object().into_iter().flatten() {
            deployment = deployment.with(parameter, &format!("${{peer.{}}}", output.as_str().unwrap_or_default()));
        }
        deployment
    }

    /// Any template in any Region, for instance a module alone.
    #[must_use]
    pub fn of_template(template: &Path, region: &str) -> Self {
        Self { template: template.to_path_buf(), region: region.to_owned(), parameters: BTreeMap::new() }
    }

    /// The same with a parameter set.
    #[must_use]
    pub fn with(mut self, parameter: &str, value: &str) -> Self {
        self.parameters.insert(parameter.to_owned(), value.to_owned());
        self
    }

    /// What CloudFormation would create.
    ///
    /// # Errors
    /// The template's file and what is wrong with it: it cannot be read, names what it does not have, gives a nested
    /// stack a parameter that it does not take or leaves out one that it needs, or uses what this crate does not know.
    pub fn expand(&self) -> Result<Stack, String> {
        expand::expand(&self.template, &self.region, &self.parameters)
    }
}

/// A workload's template.
#[must_use]
pub fn workload_template(workload: &str) -> PathBuf {
    project_root().join(format!("infra/workloads/{workload}.yaml"))
}

/// A template as data, in the long form of its functions: `!Ref X` reads as `{"Ref": "X"}`.
///
/// # Errors
/// What is wrong with the file.
pub fn template(file: &Path) -> Result<serde_json::Value, String> {
    template::load(file)
}

/// The project's root folder.
#[must_use]
pub fn project_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_path_buf()
}
