//! The reference workloads' own game days: `infra/deploy` puts a workload's stacks into the local AWS, the orchestrator
//! gets the workload's own plan, a client pays through real DNS, and the primary Region is lost.
//!
//! [`Estate`] is what is deployed, [`doors`] is where its names lead, [`course`] what happens, [`judge`] what has to
//! come of it.

mod application;
mod clients;
mod course;
mod dials;
mod doors;
mod estate;
mod judge;
mod orders;
mod plan;
mod site;
mod store;

use std::fmt;

pub use clients::Clients;
pub use course::{Course, play};
pub use doors::{Behind, Doors, Plate};
pub use estate::Estate;
pub use judge::judge;
use serde::Serialize;
pub use store::stored;

/// A workload of `infra/workloads`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// ECS behind a load balancer, Aurora (W1).
    Trading,
    /// An HTTP API, a function, DynamoDB (W2).
    PaymentsServerless,
    /// A load balancer, a function, Aurora (W3).
    PaymentsAlb,
    /// Global Accelerator, load balancers, a function, DynamoDB; Aurora beside it (W4).
    Edge,
}

/// Where payments are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// A global table, strongly consistent.
    DynamoDb,
    /// A global database, which replicates asynchronously.
    Aurora,
}

impl Reference {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Trading, Self::PaymentsServerless, Self::PaymentsAlb, Self::Edge];

    /// Its name: the template's in `infra/workloads`, the plan's, and the scenario's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trading => "trading",
            Self::PaymentsServerless => "payments-serverless",
            Self::PaymentsAlb => "payments-alb",
            Self::Edge => "edge",
        }
    }

    /// The workload of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|workload| workload.name() == name)
    }

    /// What the scenario does, in one sentence.
    #[must_use]
    pub const fn does(self) -> &'static str {
        match self {
            Self::Trading => {
                "Deploys the workload trading, lets a client pay every 50 ms, and blacks out the primary Region for good."
            }
            Self::PaymentsServerless => {
                "Deploys the workload payments-serverless, lets a client pay every 50 ms, and blacks out the primary Region for good."
            }
            Self::PaymentsAlb => {
                "Deploys the workload payments-alb, lets a client pay every 50 ms, blacks out the primary Region, brings it back and fails back."
            }
            Self::Edge => {
                "Deploys the workload edge, lets a client pay every 50 ms through the accelerator, and blacks out the primary Region for good."
            }
        }
    }

    /// What it expects, in one sentence.
    #[must_use]
    pub const fn expects(self) -> &'static str {
        "The traffic moves within a minute of the switch, the standby takes the payments, and none is lost or charged twice."
    }

    /// The Region that serves when all is well.
    #[must_use]
    pub const fn primary(self) -> &'static str {
        match self {
            Self::Trading => "eu-central-1",
            Self::PaymentsServerless | Self::PaymentsAlb | Self::Edge => "us-east-1",
        }
    }

    /// The Region that takes over, with the orchestrator in it.
    #[must_use]
    pub const fn standby(self) -> &'static str {
        match self {
            Self::Trading => "eu-west-1",
            Self::PaymentsServerless | Self::Edge => "us-east-2",
            Self::PaymentsAlb => "us-west-2",
        }
    }

    /// Both Regions, the primary first.
    #[must_use]
    pub const fn regions(self) -> [&'static str; 2] {
        [self.primary(), self.standby()]
    }

    /// The name that clients use.
    #[must_use]
    pub const fn record_name(self) -> &'static str {
        match self {
            Self::Trading => "app.example.com",
            Self::PaymentsServerless | Self::PaymentsAlb | Self::Edge => "pay.example.com",
        }
    }

    /// The hosted zone of that name.
    pub(crate) const ZONE: &'static str = "example.com";

    /// The stack's name in both Regions.
    pub(crate) fn stack_name(self) -> String {
        format!("{self}-{SUFFIX}")
    }

    pub(crate) const fn keeps(self) -> Keeps {
        match self {
            Self::Trading | Self::PaymentsAlb => Keeps::Aurora,
            Self::PaymentsServerless | Self::Edge => Keeps::DynamoDb,
        }
    }

    /// The name of its database, as its template has it.
    pub(crate) const fn database(self) -> &'static str {
        match self {
            Self::Trading => "trading",
            Self::PaymentsServerless | Self::PaymentsAlb => "payments",
            Self::Edge => "edge",
        }
    }

    /// Whether clients are led by DNS; otherwise by an accelerator whose addresses stay.
    pub(crate) const fn moves_by_dns(self) -> bool {
        !matches!(self, Self::Edge)
    }

    /// Whether the plan has a global database to promote.
    pub(crate) const fn has_database(self) -> bool {
        !matches!(self, Self::PaymentsServerless)
    }

    /// Whether the scenario goes home again (W3.10).
    pub(crate) const fn fails_back(self) -> bool {
        matches!(self, Self::PaymentsAlb)
    }
}

/// `EnvironmentSuffix` of everything, as in `infra/plans`.
pub(crate) const SUFFIX: &str = "prod";

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_is_found_by_its_name_and_says_what_its_scenario_is() {
        for workload in Reference::ALL {
            assert_eq!(Reference::by_name(workload.name()), Some(workload));
            assert!(workload.does().ends_with('.') && workload.expects().ends_with('.'));
            assert!(workload.does().contains(workload.name()));
        }
    }
}
