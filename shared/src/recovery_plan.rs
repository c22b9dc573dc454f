//! The recovery plan: one JSON document in the Parameter Store says what a failover is made of.
//!
//! Everything is keyed by Region, so the same document serves the failover and the failback (F14).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{self, ClusterArn, ClusterId, FailoverRecord, PlanName, PromotionMode, Region, ServiceSelection};
use crate::error::Error;

/// The longest text a plan may have, in bytes: the Parameter Store's limit for an advanced parameter.
/// Source: <https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html>
pub const MAX_DOCUMENT_BYTES: usize = 8 * 1024;

/// What to do when a Region is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPlan {
    /// The plan's name.
    pub name: PlanName,
    /// The Region that is active when all is well.
    pub home_region: Region,
    /// The Region that takes over.
    pub standby_region: Region,
    /// How the loss of a Region is recognised.
    pub detection: Detection,
    /// The Aurora Global Databases to promote.
    #[serde(default)]
    pub aurora: Vec<AuroraPlan>,
    /// The ECS clusters to scale.
    #[serde(default)]
    pub ecs: Vec<EcsPlan>,
    /// The hosted zones whose failover records to move.
    #[serde(default)]
    pub dns: Vec<DnsPlan>,
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

/// One hosted zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsPlan {
    /// The hosted zone's id.
    pub hosted_zone_id: String,
    /// The record pairs to move.
    pub records: Vec<FailoverRecord>,
}

impl RecoveryPlan {
    /// Reads and checks a plan document.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] that names the field.
    pub fn parse(document: &str) -> Result<Self, Error> {
        if document.len() > MAX_DOCUMENT_BYTES {
            let found = document.len();
            return Err(invalid(
                "plan_document",
                format!("expected at most {MAX_DOCUMENT_BYTES} bytes, found {found}"),
            ));
        }
        let value = serde_json::from_str(document)
            .map_err(|error| invalid("plan_document", format!("is not JSON: {error}")))?;
        let plan: Self = contract::parse_at("plan_document", value)?;
        plan.check()?;
        Ok(plan)
    }

    /// The Regions of the plan, home first.
    #[must_use]
    pub fn regions(&self) -> [&Region; 2] {
        [&self.home_region, &self.standby_region]
    }

    /// The Region that is left when `target` becomes active.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] when `target` is none of the plan's Regions.
    pub fn source_for(&self, target: &Region) -> Result<&Region, Error> {
        match target {
            region if *region == self.home_region => Ok(&self.standby_region),
            region if *region == self.standby_region => Ok(&self.home_region),
            region => Err(invalid(
                "target_region",
                format!(
                    "{region} is not in plan {}, which has {} and {}",
                    self.name, self.home_region, self.standby_region
                ),
            )),
        }
    }

    fn check(&self) -> Result<(), Error> {
        if self.home_region == self.standby_region {
            return Err(invalid(
                "plan_document.standby_region",
                format!("is the home Region too: {}", self.home_region),
            ));
        }
        if self.aurora.is_empty() && self.ecs.is_empty() && self.dns.is_empty() {
            return Err(invalid(
                "plan_document",
                "names nothing to fail over: aurora, ecs and dns are all empty".to_owned(),
            ));
        }
        self.check_detection()?;
        if self.max_run_seconds == 0 {
            return Err(invalid("plan_document.max_run_seconds", "has to be at least 1".to_owned()));
        }
        for (index, aurora) in self.aurora.iter().enumerate() {
            self.check_aurora(index, aurora)?;
        }
        for (index, ecs) in self.ecs.iter().enumerate() {
            self.check_both_regions(&format!("ecs[{index}].clusters"), &ecs.clusters)?;
        }
        for (index, dns) in self.dns.iter().enumerate() {
            self.check_dns(index, dns)?;
        }
        Ok(())
    }

    fn check_detection(&self) -> Result<(), Error> {
        let detection = &self.detection;
        self.check_both_regions("detection.endpoints", &detection.endpoints)?;
        for (region, url) in &detection.endpoints {
            if !(url.starts_with("https://") || url.starts_with("http://")) {
                return Err(invalid(
                    &format!("plan_document.detection.endpoints.{region}"),
                    format!("expected an http or https URL, found {url:?}"),
                ));
            }
        }
        if detection.interval_seconds == 0 {
            return Err(invalid("plan_document.detection.interval_seconds", "has to be at least 1".to_owned()));
        }
        if detection.give_up_seconds < detection.window_seconds {
            return Err(invalid(
                "plan_document.detection.give_up_seconds",
                format!("is shorter than window_seconds ({})", detection.window_seconds),
            ));
        }
        Ok(())
    }

    fn check_aurora(&self, index: usize, aurora: &AuroraPlan) -> Result<(), Error> {
        let field = format!("aurora[{index}].clusters");
        self.check_both_regions(&field, &aurora.clusters)?;
        for (region, arn) in &aurora.clusters {
            if arn.region() != *region {
                return Err(invalid(
                    &format!("plan_document.{field}.{region}"),
                    format!("the cluster stands in another Region: {arn}"),
                ));
            }
        }
        if aurora.unplanned_mode == PromotionMode::Switchover {
            return Err(invalid(
                &format!("plan_document.aurora[{index}].unplanned_mode"),
                "a switchover needs both Regions; use \"failover\" or \"detach\"".to_owned(),
            ));
        }
        Ok(())
    }

    fn check_dns(&self, index: usize, dns: &DnsPlan) -> Result<(), Error> {
        let field = format!("plan_document.dns[{index}]");
        let zone = contract::hosted_zone_id(&format!("{field}.hosted_zone_id"), &dns.hosted_zone_id)?;
        // A zone's records move in one change batch, and a failover has one operation for each zone.
        let same = |other: &DnsPlan| contract::hosted_zone_id("", &other.hosted_zone_id).is_ok_and(|id| id == zone);
        if let Some(first) = self.dns.iter().take(index).position(same) {
            let problem = format!("is the zone of dns[{first}] already; name its records there");
            return Err(invalid(&format!("{field}.hosted_zone_id"), problem));
        }
        contract::check_records(&format!("{field}.records"), &dns.records)?;
        for (record, names) in dns.records.iter().enumerate() {
            let field = format!("dns[{index}].records[{record}].set_identifiers");
            self.check_both_regions(&field, &names.set_identifiers)?;
        }
        Ok(())
    }

    fn check_both_regions<T>(&self, field: &str, map: &BTreeMap<Region, T>) -> Result<(), Error> {
        for region in self.regions() {
            if !map.contains_key(region) {
                return Err(invalid(&format!("plan_document.{field}"), format!("has no entry for {region}")));
            }
        }
        match map.keys().find(|region| !self.regions().contains(region)) {
            Some(stranger) => Err(invalid(
                &format!("plan_document.{field}.{stranger}"),
                "is neither the home Region nor the standby Region".to_owned(),
            )),
            None => Ok(()),
        }
    }
}

fn invalid(field: &str, problem: String) -> Error {
    Error::InvalidRequest { field: field.to_owned(), problem }
}
