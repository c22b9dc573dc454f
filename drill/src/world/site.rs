//! The Regions, and the workloads that stand in them: what everything is called.

use std::fmt;

use serde::Serialize;

/// One of the Regions of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Site {
    /// Serves when all is well.
    Primary,
    /// Takes over; an orchestrator lives here.
    Standby,
    /// A second standby, for worlds with three Regions.
    Reserve,
}

impl Site {
    /// The Regions of most worlds.
    pub const PAIR: [Self; 2] = [Self::Primary, Self::Standby];
    /// The Regions of a world with a second standby.
    pub const THREE: [Self; 3] = [Self::Primary, Self::Standby, Self::Reserve];

    /// The Region's code.
    #[must_use]
    pub const fn region(self) -> &'static str {
        match self {
            Self::Primary => "eu-central-1",
            Self::Standby => "eu-west-1",
            Self::Reserve => "eu-north-1",
        }
    }

    /// Every name of a resource ends differently in each Region, so that none can pass for another's.
    #[must_use]
    pub const fn city(self) -> &'static str {
        match self {
            Self::Primary => "frankfurt",
            Self::Standby => "ireland",
            Self::Reserve => "stockholm",
        }
    }

    /// The set identifier of the DNS records that point here.
    #[must_use]
    pub const fn set_identifier(self) -> &'static str {
        self.city()
    }

    /// The key of one of this Region's services in a [`WorldState`](crate::state::WorldState).
    #[must_use]
    pub fn service_key(self, service: &str) -> String {
        format!("{}/{service}", self.region())
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.region())
    }
}

/// A workload with a recovery plan of its own. All of them share the Regions' endpoints and the hosted zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// The one of every scenario.
    #[default]
    Trading,
    /// A second one, for scenarios with two plans.
    Settlement,
}

impl Workload {
    /// Its name; its recovery plan and its Aurora Global Database are called so too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trading => "trading",
            Self::Settlement => "settlement",
        }
    }

    /// `ENVIRONMENT_SUFFIX` of its orchestrators.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Trading => "drill",
            Self::Settlement => "drill-2",
        }
    }

    /// The name of its records.
    #[must_use]
    pub const fn record_name(self) -> &'static str {
        match self {
            Self::Trading => "app.trading.example.com",
            Self::Settlement => "settlement.trading.example.com",
        }
    }

    /// The identifier of its Aurora cluster at `site`.
    #[must_use]
    pub fn cluster_id(self, site: Site) -> String {
        format!("{self}-db-{}", site.city())
    }

    /// The ARN of its Aurora cluster at `site`.
    #[must_use]
    pub fn cluster_arn(self, site: Site, account_id: &str) -> String {
        format!("arn:aws:rds:{}:{account_id}:cluster:{}", site.region(), self.cluster_id(site))
    }

    /// The name of its ECS cluster at `site`.
    #[must_use]
    pub fn ecs_cluster(self, site: Site) -> String {
        format!("{self}-{}", site.city())
    }

    /// The bucket in the standby Region whose object takes the traffic there.
    #[must_use]
    pub fn standby_bucket(self, account_id: &str) -> String {
        format!("{self}-traffic-{account_id}")
    }

    /// The ARN of the routing control that sends the traffic to `site`.
    #[must_use]
    pub fn routing_control_arn(self, site: Site, account_id: &str) -> String {
        format!("arn:aws:route53-recovery-control::{account_id}:controlpanel/{self}/routingcontrol/{}", site.city())
    }

    /// The alarm that its recovery plan takes for evidence.
    #[must_use]
    pub fn evidence_alarm_name(self) -> String {
        format!("failover-{}-{self}-region-impaired", self.suffix())
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
