//! The workloads in their Regions, created by API before the orchestrators are deployed.
//!
//! For each workload an Aurora Global Database with an instance in each Region and ECS services that the standbys run
//! fewer tasks of; for all of them a hosted zone with records and health checks, security groups, the Regions'
//! endpoints, and bystanders: services and records that no failover may touch.

mod create;
mod site;
mod zone;

use std::collections::BTreeMap;

pub use site::{Site, Workload};

use crate::aws::Aws;
use crate::emulator::LocalAws;
use crate::endpoints::{Condition, Endpoint};
use crate::error::Result;
use crate::gateway::Gateway;
use crate::moment::Moment;
use crate::staging::Staging;
use crate::state::{View, WorldState};

/// The ECS services that a failover scales.
pub const WORKLOAD_SERVICES: [&str; 2] = ["orders", "quotes"];
/// An ECS service beside them that it must leave alone.
pub const BYSTANDER_SERVICE: &str = "reports";
/// Tasks of each service in the Region that serves.
pub const FULL_COUNT: i64 = 4;
/// Tasks of each service in a Region that stands by.
pub const STANDBY_COUNT: i64 = 1;
/// The key of the object that takes the traffic to the standby Region.
pub const STANDBY_OBJECT: &str = "serve-from-here";

/// For how long the evidence has to agree in the drill's plan, in seconds.
pub const DECISION_WINDOW_SECONDS: u32 = 4;
/// The replication lag that counts as unhealthy by the drill's plan, in milliseconds.
pub const MAX_LAG_MS: u64 = 30_000;
/// How much an automatic failover may lose by the drill's plan, in milliseconds of writes.
pub const MAX_RPO_MS: u64 = 60_000;
/// When the evidence has not agreed for this long, a run stands down, in seconds.
pub const GIVE_UP_SECONDS: u32 = 3 * DECISION_WINDOW_SECONDS;
/// For how long after a failover alarms start nothing, in seconds.
pub const COOLDOWN_SECONDS: u32 = 600;
/// How long a run may take, in seconds.
pub const MAX_RUN_SECONDS: u32 = 300;

/// The world as it was created.
#[derive(Debug)]
pub struct World {
    /// The variations it was created with.
    pub staging: Staging,
    /// The endpoints that answer `/health`.
    pub endpoints: BTreeMap<Site, Endpoint>,
    /// The hosted zone's id, without a path.
    pub zone_id: String,
    /// The account.
    pub account_id: String,
    security_groups: BTreeMap<Site, SecurityGroups>,
    before: BTreeMap<Workload, WorldState>,
}

/// The security groups of a Region, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityGroups {
    /// What databases serve with.
    pub serving: String,
    /// What lets nobody in.
    pub isolated: String,
}

impl World {
    /// Creates everything past the gateway, so that the gateway records only what the product does.
    ///
    /// # Errors
    /// [`Error::Aws`](crate::Error::Aws) when the emulator refuses something, [`Error::Io`](crate::Error::Io) when an endpoint cannot listen.
    pub async fn create(local: &LocalAws, staging: Staging) -> Result<Self> {
        let aws = local.emulator.aws();
        let account_id = local.emulator.account_id().to_owned();
        let (mut endpoints, mut security_groups) = (BTreeMap::new(), BTreeMap::new());
        for site in &staging.sites {
            endpoints.insert(*site, Endpoint::start(site.region()).await?);
            security_groups.insert(*site, create::security_groups(&aws, *site).await?);
        }
        for workload in staging.workloads() {
            create::database(&aws, workload, &security_groups, &account_id).await?;
            for site in &staging.sites {
                create::services(&aws, workload, *site, local).await?;
            }
            create::traffic(local, workload, &staging).await?;
        }
        let zone_id = zone::create(&aws, &endpoints, &staging).await?;
        let before = BTreeMap::new();
        let mut world = Self { staging, endpoints, zone_id, account_id, security_groups, before };
        for workload in world.staging.workloads() {
            let state = world.read(workload, &aws, &local.gateway).await?;
            world.before.insert(workload, state);
        }
        Ok(world)
    }

    /// The endpoint of a Region.
    ///
    /// # Panics
    /// When the world does not have the Region.
    #[must_use]
    pub fn endpoint(&self, site: Site) -> &Endpoint {
        &self.endpoints[&site]
    }

    /// The security groups of a Region.
    ///
    /// # Panics
    /// When the world does not have the Region.
    #[must_use]
    pub fn security_groups(&self, site: Site) -> &SecurityGroups {
        &self.security_groups[&site]
    }

    /// What a workload was before anything happened.
    ///
    /// # Panics
    /// When the world does not have the workload.
    #[must_use]
    pub fn before(&self, workload: Workload) -> &WorldState {
        &self.before[&workload]
    }

    /// A workload as it is now.
    ///
    /// # Errors
    /// Those of [`WorldState::read`].
    pub async fn read(&self, workload: Workload, aws: &Aws, gateway: &Gateway) -> Result<WorldState> {
        let (staging, zone_id, account_id) = (&self.staging, self.zone_id.as_str(), self.account_id.as_str());
        WorldState::read(aws, gateway, View { workload, staging, zone_id, account_id }).await
    }

    /// The Region that a workload's clients are served from: its endpoint answers, the traffic goes there, its
    /// database writes, and it runs its tasks.
    #[must_use]
    pub fn serves_from(&self, state: &WorldState) -> Option<Site> {
        self.staging.sites.iter().copied().find(|site| {
            self.endpoint(*site).condition() == Condition::Serving
                && self.staging.traffic.iter().all(|way| state.traffic_goes_to(*way, *site))
                && state.writes_at(*site, &self.account_id)
                && state.runs_at(*site, FULL_COUNT)
        })
    }
}

/// Publishes what Aurora would publish: the lag of a workload's cluster at `site`, which replicates from the writer.
///
/// # Errors
/// [`Error::Aws`](crate::Error::Aws) when the emulator refuses it.
pub async fn publish_lag(aws: &Aws, workload: Workload, site: Site, lag_ms: u64) -> Result<Moment> {
    publish_lag_of(aws, site.region(), &workload.cluster_id(site), lag_ms).await
}

/// The same for any cluster.
///
/// # Errors
/// [`Error::Aws`](crate::Error::Aws) when the emulator refuses it.
pub async fn publish_lag_of(aws: &Aws, region: &str, cluster: &str, lag_ms: u64) -> Result<Moment> {
    let value = lag_ms.to_string();
    let datum = |name: &str| format!("MetricData.member.1.{name}");
    let parameters = [
        ("Namespace".to_owned(), "AWS/RDS"),
        (datum("MetricName"), "AuroraGlobalDBReplicationLag"),
        (datum("Dimensions.member.1.Name"), "DBClusterIdentifier"),
        (datum("Dimensions.member.1.Value"), cluster),
        (datum("Value"), &value),
        (datum("Unit"), "Milliseconds"),
    ];
    let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    aws.query("monitoring", region, "PutMetricData", &parameters).await?;
    Ok(Moment::now())
}
