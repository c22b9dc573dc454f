//! What a scenario is played on: the variations of world, recovery plan and orchestrators that it chooses.

use serde_json::{Value, json};

use crate::orchestrator::Orchestrator;
use crate::world::{
    COOLDOWN_SECONDS, DECISION_WINDOW_SECONDS, FULL_COUNT, GIVE_UP_SECONDS, MAX_LAG_MS, MAX_RPO_MS, MAX_RUN_SECONDS,
    STANDBY_OBJECT, Site, WORKLOAD_SERVICES, Workload, World,
};

/// The writer lease of a scenario that has one: the shortest that a plan may have.
pub const LEASE_SECONDS: u32 = 130;
/// For how long each fence is tried, in seconds.
pub const FENCE_SECONDS: u32 = 2;
/// The weight of the records that get the traffic.
pub const FULL_WEIGHT: u8 = 100;
/// How long Route 53's checkers take to see the standby object, in seconds: at the least, every 10 s once.
const NOTICE_SECONDS: u32 = 10;
/// The Regions in which an ARC cluster has its five endpoints.
/// Source: <https://docs.aws.amazon.com/r53recovery/latest/dg/introduction-components-routing.html>
const ROUTING_CLUSTER_REGIONS: [&str; 5] = ["us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "ap-southeast-2"];

/// What a scenario is played on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staging {
    /// Where the recovery plans come from.
    pub plan: PlanSource,
    /// The workloads' Regions, the home Region first, then the standbys by preference.
    pub sites: Vec<Site>,
    /// How the Region that is left is kept from writing.
    pub fencing: Fencing,
    /// What sends clients to a Region.
    pub traffic: Vec<Traffic>,
    /// For how long applications are granted the right to write, in seconds; none when they do not ask.
    pub writer_lease_seconds: Option<u32>,
    /// Whether each ECS service has a wave of its own, the database being in the first.
    pub waves: bool,
    /// The orchestrators. Their workloads are what the world has.
    pub orchestrators: Vec<Orchestrator>,
    /// How long a question waits for its answer, in seconds; the template's default when not given.
    pub approval_timeout_seconds: Option<u32>,
}

impl Default for Staging {
    /// Two Regions, failover records, one orchestrator in the standby Region.
    fn default() -> Self {
        Self {
            plan: PlanSource::Document,
            sites: Site::PAIR.to_vec(),
            fencing: Fencing::BestEffort,
            traffic: vec![Traffic::FailoverRecords],
            writer_lease_seconds: None,
            waves: false,
            orchestrators: vec![Orchestrator::default()],
            approval_timeout_seconds: None,
        }
    }
}

/// Where a recovery plan comes from, and with it what there is to fail over in DNS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlanSource {
    /// A document of the drill's own, with an alias pair and a plain pair of records.
    #[default]
    Document,
    /// The one that the template composes from its parameters; it has one pair of records, here a CNAME.
    Template,
}

/// What the plan says of a fence that is not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fencing {
    /// The failover goes on.
    BestEffort,
    /// A person has to say that it may go on.
    Required,
    /// Nothing is fenced.
    Off,
}

impl Fencing {
    const fn policy(self) -> &'static str {
        match self {
            Self::BestEffort => "best_effort",
            Self::Required => "required",
            Self::Off => "off",
        }
    }
}

/// What sends clients to a Region, by the way it is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Pairs of failover records, for two Regions.
    FailoverRecords,
    /// Weighted records, for any number of Regions.
    WeightedRecords,
    /// An object in the standby Region that takes the traffic there while it exists.
    StandbyObject,
    /// ARC routing controls.
    RoutingControl,
}

impl Staging {
    /// The workloads, each once.
    #[must_use]
    pub fn workloads(&self) -> Vec<Workload> {
        let mut workloads: Vec<Workload> = self.orchestrators.iter().map(|one| one.workload).collect();
        workloads.sort();
        workloads.dedup();
        workloads
    }

    /// The Regions that take over, by preference.
    pub fn standbys(&self) -> impl Iterator<Item = Site> + '_ {
        self.sites.iter().copied().filter(|site| *site != Site::Primary)
    }

    /// The recovery plan of a workload. The one that the template composes has a single pair of records; this one has
    /// an alias and a plain pair, and the windows of a drill instead of those of a real incident.
    #[must_use]
    pub fn plan_document(&self, workload: Workload, world: &World) -> String {
        let standbys: Vec<&str> = self.standbys().map(Site::region).collect();
        json!({
            "name": workload.name(),
            "home_region": Site::Primary.region(),
            "standby_regions": standbys,
            "detection": {
                "alarm_names": [workload.evidence_alarm_name()],
                "endpoints": self.each(|site| world.endpoint(site).url().into()),
                "max_lag_ms": MAX_LAG_MS,
                "max_rpo_ms": MAX_RPO_MS,
                "window_seconds": DECISION_WINDOW_SECONDS,
                "interval_seconds": 1,
                "give_up_seconds": GIVE_UP_SECONDS,
            },
            "aurora": [{
                "global_cluster_id": workload.name(),
                "clusters": self.each(|site| workload.cluster_arn(site, &world.account_id).into()),
                "unplanned_mode": "failover",
                "security_groups": self.each(|site| {
                    let groups = world.security_groups(site);
                    json!({ "serving": [groups.serving], "isolated": [groups.isolated] })
                }),
            }],
            "ecs": self.services_by_wave(workload),
            "traffic": self.traffic.iter().map(|way| self.traffic_entry(*way, workload, world)).collect::<Vec<_>>(),
            "fencing": { "policy": self.fencing.policy(), "timeout_seconds": FENCE_SECONDS },
            "writer_lease_seconds": self.writer_lease_seconds,
            "cooldown_seconds": COOLDOWN_SECONDS,
            "max_run_seconds": MAX_RUN_SECONDS,
        })
        .to_string()
    }

    fn services_by_wave(&self, workload: Workload) -> Value {
        let entry = |wave: usize, services: &[&str]| {
            json!({
                "wave": wave,
                "clusters": self.each(|site| workload.ecs_cluster(site).into()),
                "services": { "named": services },
                "capacity": { "desired": FULL_COUNT },
            })
        };
        let services =
            if self.waves { WORKLOAD_SERVICES.chunks(1) } else { WORKLOAD_SERVICES.chunks(WORKLOAD_SERVICES.len()) };
        services.zip(1..).map(|(services, wave)| entry(wave, services)).collect()
    }

    fn traffic_entry(&self, way: Traffic, workload: Workload, world: &World) -> Value {
        let record = |record_type: &str| {
            json!({
                "name": workload.record_name(),
                "type": record_type,
                "set_identifiers": self.each(|site| site.set_identifier().into()),
            })
        };
        let records = [record("A"), record("AAAA")];
        match way {
            Traffic::FailoverRecords => {
                json!({ "failover_records": { "hosted_zone_id": world.zone_id, "records": records } })
            }
            Traffic::WeightedRecords => json!({ "weighted_records": {
                "hosted_zone_id": world.zone_id, "records": records, "weight": FULL_WEIGHT,
            } }),
            Traffic::StandbyObject => json!({ "standby_object": {
                "region": Site::Standby.region(),
                "bucket": workload.standby_bucket(&world.account_id),
                "key": STANDBY_OBJECT,
                "notice_seconds": NOTICE_SECONDS,
            } }),
            Traffic::RoutingControl => {
                // A local AWS has one address for all of them; these say in which Region each stands.
                let endpoint =
                    |region: &str| format!("https://drill.route53-recovery-cluster.{region}.amazonaws.com/v1");
                let endpoints =
                    ROUTING_CLUSTER_REGIONS.map(|region| (region.to_owned(), Value::from(endpoint(region))));
                json!({ "routing_control": {
                    "cluster_endpoints": Value::Object(endpoints.into_iter().collect()),
                    "controls": self.each(|site| workload.routing_control_arn(site, &world.account_id).into()),
                } })
            }
        }
    }

    /// An object with an entry for each Region.
    fn each(&self, of: impl Fn(Site) -> Value) -> Value {
        Value::Object(self.sites.iter().map(|site| (site.region().to_owned(), of(*site))).collect())
    }
}
