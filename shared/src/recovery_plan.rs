//! The recovery plan: one JSON document in the Parameter Store says what a failover is made of.
//!
//! Everything is keyed by Region, so the same document serves the failover and the failback (F14).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    self, ClusterArn, ClusterId, FencingPolicy, PlanName, PromotionMode, Region, ServiceSelection, Traffic,
};
use crate::error::Error;

/// The longest text a plan may have, in bytes: the Parameter Store's limit for an advanced parameter.
/// Source: <https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html>
pub const MAX_DOCUMENT_BYTES: usize = 8 * 1024;

/// How long each fence is tried when the plan does not say, in seconds.
pub const DEFAULT_FENCE_SECONDS: u32 = 10;
/// The longest that a plan may let a fence be tried, in seconds: an invocation has to end before its function's timeout.
pub const LONGEST_FENCE_SECONDS: u32 = 40;
/// The shortest writer lease, in seconds: `watch` renews it once a minute, and may be late once.
pub const SHORTEST_LEASE_SECONDS: u32 = 130;
/// The longest writer lease, in seconds: a failover waits until it has run out.
pub const LONGEST_LEASE_SECONDS: u32 = 900;
/// The most waves.
pub const MOST_WAVES: u32 = 9;

/// What to do when a Region is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPlan {
    /// The plan's name.
    pub name: PlanName,
    /// The Region that is active when all is well.
    pub home_region: Region,
    /// The Regions that take over, the preferred one first.
    pub standby_regions: Vec<Region>,
    /// How the loss of a Region is recognised.
    pub detection: Detection,
    /// The Aurora Global Databases to promote.
    #[serde(default)]
    pub aurora: Vec<AuroraPlan>,
    /// The ECS clusters to scale.
    #[serde(default)]
    pub ecs: Vec<EcsPlan>,
    /// What sends clients to a Region, moved side by side after everything else.
    #[serde(default)]
    pub traffic: Vec<Traffic>,
    /// How the Region that is left is kept from writing.
    #[serde(default)]
    pub fencing: Fencing,
    /// For how long a writer lease is granted, in seconds; left out, applications hold none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer_lease_seconds: Option<u32>,
    /// For how long after a failover alarms start nothing, in seconds.
    pub cooldown_seconds: u32,
    /// How long a run may take, in seconds; after that another failover may start.
    pub max_run_seconds: u32,
}

/// How the loss of a Region is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// The alarms that count as evidence, by name, in the Region the orchestrator runs in.
    pub alarm_names: Vec<String>,
    /// For each Region, the URL that answers 2xx while the workload serves there.
    pub endpoints: BTreeMap<Region, String>,
    /// Replication lag from here on counts as unhealthy, in milliseconds.
    pub max_lag_ms: u64,
    /// With more lag than this, or unknown lag, a person has to approve an automatic failover, in milliseconds.
    pub max_rpo_ms: u64,
    /// For how long the evidence has to agree, in seconds.
    pub window_seconds: u32,
    /// The time between two looks, in seconds.
    pub interval_seconds: u32,
    /// When the evidence has not agreed for this long, the run stands down, in seconds.
    pub give_up_seconds: u32,
}

/// How the Region that is left is kept from writing, in an unplanned failover (X1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fencing {
    /// What a fence that was not confirmed means.
    pub policy: FencingPolicy,
    /// For how long each target is tried, in seconds: the Region may not answer.
    pub timeout_seconds: u32,
}

impl Default for Fencing {
    fn default() -> Self {
        Self { policy: FencingPolicy::BestEffort, timeout_seconds: DEFAULT_FENCE_SECONDS }
    }
}

/// One Aurora Global Database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuroraPlan {
    /// The global cluster.
    pub global_cluster_id: ClusterId,
    /// The member in each Region.
    pub clusters: BTreeMap<Region, ClusterArn>,
    /// How an automatic run promotes: `failover` or `detach`.
    pub unplanned_mode: PromotionMode,
    /// The security groups in each Region, when fencing is to close the database; left out, it is left open.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub security_groups: BTreeMap<Region, SecurityGroups>,
    /// The wave it is promoted in. A wave begins when all of the one before is done.
    #[serde(default = "first_wave")]
    pub wave: u32,
}

/// A cluster's security groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityGroups {
    /// Those it serves with.
    pub serving: Vec<String>,
    /// Those that let nobody in.
    pub isolated: Vec<String>,
}

/// One ECS cluster, present in each Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EcsPlan {
    /// The cluster's name in each Region.
    pub clusters: BTreeMap<Region, String>,
    /// Which services.
    pub services: ServiceSelection,
    /// How many tasks they are to have.
    pub capacity: PlannedCapacity,
    /// Whether these services write, so that fencing scales them to zero in the Region that is left.
    #[serde(default = "yes")]
    pub fence: bool,
    /// The wave they are scaled in. A wave begins when all of the one before is done.
    #[serde(default = "first_wave")]
    pub wave: u32,
}

/// How many tasks services are to have after a failover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PlannedCapacity {
    /// This many tasks each.
    Desired(u32),
    /// A percentage of the left Region's count.
    PercentOfSource {
        /// 1 to 1000.
        percent: u32,
        /// The count to take when the left Region does not answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        desired_if_unknown: Option<u32>,
    },
}

fn first_wave() -> u32 {
    1
}

fn yes() -> bool {
    true
}

impl RecoveryPlan {
    /// Reads and checks a plan document.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] that names the field.
    pub fn parse(document: &str) -> Result<Self, Error> {
        if document.len() > MAX_DOCUMENT_BYTES {
            let found = document.len();
            return Err(Error::invalid(
                "plan_document",
                format!("expected at most {MAX_DOCUMENT_BYTES} bytes, found {found}"),
            ));
        }
        let value = serde_json::from_str(document)
            .map_err(|error| Error::invalid("plan_document", format!("is not JSON: {error}")))?;
        let plan: Self = contract::parse_at("plan_document", value)?;
        plan.check()?;
        Ok(plan)
    }

    /// The Regions of the plan, home first, then the standbys by preference.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        std::iter::once(&self.home_region).chain(&self.standby_regions)
    }

    /// Whether the plan has the Region.
    #[must_use]
    pub fn has(&self, region: &Region) -> bool {
        self.regions().any(|other| other == region)
    }

    /// The Regions that `source` can be left for, the preferred one first.
    pub fn targets_from(&self, source: &Region) -> impl Iterator<Item = &Region> {
        self.regions().filter(move |region| *region != source)
    }

    /// The plan's Regions, for people.
    #[must_use]
    pub fn regions_in_words(&self) -> String {
        self.regions().map(Region::as_str).collect::<Vec<_>>().join(", ")
    }

    fn check(&self) -> Result<(), Error> {
        self.check_regions()?;
        if self.aurora.is_empty() && self.ecs.is_empty() && self.traffic.is_empty() {
            return Err(Error::invalid(
                "plan_document",
                "names nothing to fail over: aurora, ecs and traffic are all empty",
            ));
        }
        self.check_detection()?;
        if self.max_run_seconds == 0 {
            return Err(Error::invalid("plan_document.max_run_seconds", "has to be at least 1"));
        }
        within("plan_document.fencing.timeout_seconds", self.fencing.timeout_seconds, 1..=LONGEST_FENCE_SECONDS)?;
        if let Some(seconds) = self.writer_lease_seconds {
            within("plan_document.writer_lease_seconds", seconds, SHORTEST_LEASE_SECONDS..=LONGEST_LEASE_SECONDS)?;
        }
        for (index, aurora) in self.aurora.iter().enumerate() {
            self.check_aurora(index, aurora)?;
        }
        for (index, ecs) in self.ecs.iter().enumerate() {
            self.check_every_region(&format!("ecs[{index}].clusters"), &ecs.clusters)?;
            within(&format!("plan_document.ecs[{index}].wave"), ecs.wave, 1..=MOST_WAVES)?;
        }
        self.check_traffic()
    }

    fn check_regions(&self) -> Result<(), Error> {
        if self.standby_regions.is_empty() {
            return Err(Error::invalid("plan_document.standby_regions", "is empty: name at least one Region"));
        }
        let regions: Vec<&Region> = self.regions().collect();
        for (index, region) in self.standby_regions.iter().enumerate() {
            if regions[..=index].contains(&region) {
                return Err(Error::invalid(
                    format!("plan_document.standby_regions[{index}]"),
                    format!("{region} is named before, as home or standby Region"),
                ));
            }
        }
        Ok(())
    }

    fn check_detection(&self) -> Result<(), Error> {
        let detection = &self.detection;
        self.check_every_region("detection.endpoints", &detection.endpoints)?;
        for (region, url) in &detection.endpoints {
            if !(url.starts_with("https://") || url.starts_with("http://")) {
                return Err(Error::invalid(
                    format!("plan_document.detection.endpoints.{region}"),
                    format!("expected an http or https URL, found {url:?}"),
                ));
            }
        }
        if detection.interval_seconds == 0 {
            return Err(Error::invalid("plan_document.detection.interval_seconds", "has to be at least 1"));
        }
        if detection.give_up_seconds < detection.window_seconds {
            return Err(Error::invalid(
                "plan_document.detection.give_up_seconds",
                format!("is shorter than window_seconds ({})", detection.window_seconds),
            ));
        }
        Ok(())
    }

    fn check_aurora(&self, index: usize, aurora: &AuroraPlan) -> Result<(), Error> {
        let field = format!("aurora[{index}].clusters");
        self.check_every_region(&field, &aurora.clusters)?;
        for (region, arn) in &aurora.clusters {
            if arn.region() != *region {
                return Err(Error::invalid(
                    format!("plan_document.{field}.{region}"),
                    format!("the cluster stands in another Region: {arn}"),
                ));
            }
        }
        within(&format!("plan_document.aurora[{index}].wave"), aurora.wave, 1..=MOST_WAVES)?;
        if !aurora.security_groups.is_empty() {
            let field = format!("aurora[{index}].security_groups");
            self.check_every_region(&field, &aurora.security_groups)?;
            for (region, groups) in &aurora.security_groups {
                for (kind, ids) in [("serving", &groups.serving), ("isolated", &groups.isolated)] {
                    contract::check_security_groups(&format!("plan_document.{field}.{region}.{kind}"), ids)?;
                }
            }
        }
        if aurora.unplanned_mode == PromotionMode::Switchover {
            return Err(Error::invalid(
                format!("plan_document.aurora[{index}].unplanned_mode"),
                "a switchover needs both Regions; use \"failover\" or \"detach\"",
            ));
        }
        Ok(())
    }

    fn check_traffic(&self) -> Result<(), Error> {
        for (index, traffic) in self.traffic.iter().enumerate() {
            contract::check_traffic(&format!("plan_document.traffic[{index}]"), traffic)?;
            // A failover has one operation for each of them.
            let key = traffic.key();
            if let Some(first) = self.traffic.iter().take(index).position(|other| other.key() == key) {
                return Err(Error::invalid(
                    format!("plan_document.traffic[{index}]"),
                    format!("is {key}, as traffic[{first}] is already: name all of it there"),
                ));
            }
            self.check_traffic_regions(index, traffic)?;
        }
        Ok(())
    }

    /// Every Region of the plan can get the traffic, but of more than two only two by what knows no more: then a run to
    /// another one is refused, and an object cannot tell that it is another one.
    fn check_traffic_regions(&self, index: usize, traffic: &Traffic) -> Result<(), Error> {
        let all_fit = traffic.most_regions().is_none_or(|most| self.regions().count() <= most);
        if let Traffic::StandbyObject(object) = traffic {
            let field = format!("plan_document.traffic[{index}].standby_object");
            if !all_fit {
                let found = self.regions_in_words();
                return Err(Error::invalid(field, format!("moves traffic between two Regions; the plan has {found}")));
            }
            if !self.has(&object.region) {
                let problem = "is neither the home Region nor a standby Region";
                return Err(Error::invalid(format!("{field}.region"), problem));
            }
        }
        for (field, regions) in traffic.regions() {
            let field = format!("traffic[{index}].{field}");
            if all_fit {
                self.check_covers(&field, &regions)?;
            } else {
                self.check_no_stranger(&field, &regions)?;
            }
        }
        Ok(())
    }

    fn check_every_region<T>(&self, field: &str, map: &BTreeMap<Region, T>) -> Result<(), Error> {
        self.check_covers(field, &map.keys().collect::<Vec<_>>())
    }

    fn check_covers(&self, field: &str, named: &[&Region]) -> Result<(), Error> {
        for region in self.regions() {
            if !named.contains(&region) {
                return Err(Error::invalid(format!("plan_document.{field}"), format!("has no entry for {region}")));
            }
        }
        self.check_no_stranger(field, named)
    }

    fn check_no_stranger(&self, field: &str, named: &[&Region]) -> Result<(), Error> {
        match named.iter().find(|region| !self.has(region)) {
            Some(stranger) => Err(Error::invalid(
                format!("plan_document.{field}.{stranger}"),
                "is neither the home Region nor a standby Region",
            )),
            None => Ok(()),
        }
    }
}

fn within(field: &str, value: u32, range: std::ops::RangeInclusive<u32>) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("expected {} to {}, found {value}", range.start(), range.end())))
}
