//! An orchestrator: a stack of `infra/orchestrator.yaml` for one workload, in one Region.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::deployed::Place;
use crate::gateway::Call;
use crate::staging::{PlanSource, Staging, Traffic};
use crate::tools::FUNCTIONS;
use crate::world::{
    COOLDOWN_SECONDS, DECISION_WINDOW_SECONDS, FULL_COUNT, GIVE_UP_SECONDS, MAX_RUN_SECONDS, STANDBY_OBJECT, Site,
    WORKLOAD_SERVICES, Workload, World,
};

/// Which orchestrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Orchestrator {
    /// The workload that it fails over.
    pub workload: Workload,
    /// Where it stands.
    pub site: Site,
    /// Where its ledger is.
    pub ledger: Ledger,
}

/// An orchestrator's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ledger {
    /// A table in its own Region.
    OneRegion,
    /// A strongly consistent global table that it creates, with a replica and a witness elsewhere.
    Strong {
        /// The other replica's Region.
        replica: Site,
        /// The witness's Region.
        witness: Site,
    },
    /// The replica, in its own Region, of another orchestrator's table.
    Shared,
}

impl Default for Orchestrator {
    fn default() -> Self {
        Self { workload: Workload::Trading, site: Site::Standby, ledger: Ledger::OneRegion }
    }
}

impl Orchestrator {
    /// Whether one of its functions made the call. Orchestrators of one workload in two Regions go by the same names.
    #[must_use]
    pub fn made(&self, call: &Call) -> bool {
        named_in(call).is_some_and(|(suffix, _)| suffix == self.workload.suffix())
    }

    /// One for each Region: the emulator names a stack's roles by it, and roles are not Regional.
    fn stack_name(self) -> String {
        match self.site {
            Site::Standby => format!("failover-{}", self.workload),
            Site::Primary | Site::Reserve => format!("failover-{}-{}", self.workload, self.site.region()),
        }
    }

    /// What the plan names for moving traffic beside DNS records.
    fn traffic(self, way: Traffic, staging: &Staging, account_id: &str) -> Vec<(&'static str, String)> {
        match way {
            Traffic::FailoverRecords | Traffic::WeightedRecords => Vec::new(),
            Traffic::StandbyObject => vec![
                ("StandbyBucket", self.workload.standby_bucket(account_id)),
                ("StandbyObjectKey", STANDBY_OBJECT.to_owned()),
            ],
            Traffic::RoutingControl => {
                let arns = staging.sites.iter().map(|site| self.workload.routing_control_arn(*site, account_id));
                vec![("RoutingControlArns", arns.collect::<Vec<_>>().join(","))]
            }
        }
    }

    /// What the plan names in Regions that the template has no parameters of their own for.
    fn more_resources(
        self,
        sites: &[Site],
        account_id: &str,
        url: impl Fn(Site) -> String,
    ) -> Vec<(&'static str, String)> {
        let further = sites.iter().filter(|site| **site != self.site && Some(**site) != first_other(sites, self.site));
        let (mut rds, mut clusters, mut ecs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut endpoints, mut databases) = (Vec::new(), Vec::new());
        for site in further {
            let (region, cluster) = (site.region(), self.workload.ecs_cluster(*site));
            let arn = |service: &str, resource: &str| format!("arn:aws:{service}:{region}:{account_id}:{resource}");
            rds.extend([self.workload.cluster_arn(*site, account_id), arn("rds", "db:*")]);
            endpoints.push(format!("{region}={}", url(*site)));
            databases.push(format!("{region}={}", self.workload.cluster_id(*site)));
            clusters.push(arn("ecs", &format!("cluster/{cluster}")));
            ecs.extend([
                arn("ecs", &format!("service/{cluster}/*")),
                arn("application-autoscaling", "scalable-target/*"),
            ]);
        }
        let lists = [
            ("MoreRdsArns", rds),
            ("MoreEcsClusterArns", clusters),
            ("MoreEcsArns", ecs),
            ("MoreEndpoints", endpoints),
            ("MoreClusters", databases),
        ];
        lists.into_iter().filter(|(_, all)| !all.is_empty()).map(|(name, all)| (name, all.join(","))).collect()
    }

    /// Where it stands and what it is called.
    #[must_use]
    pub fn place(self) -> Place {
        Place {
            region: self.site.region().to_owned(),
            stack_name: self.stack_name(),
            suffix: self.workload.suffix().to_owned(),
            plan: self.workload.name().to_owned(),
        }
    }

    /// The template's parameters.
    #[must_use]
    pub fn parameters(self, staging: &Staging, world: &World) -> BTreeMap<String, String> {
        let (workload, standby) = (self.workload, self.site);
        let primary = first_other(&staging.sites, standby).unwrap_or(standby);
        let parameters = [
            ("EnvironmentSuffix", workload.suffix().to_owned()),
            ("PlanName", workload.name().to_owned()),
            ("PrimaryRegion", primary.region().to_owned()),
            ("GlobalClusterId", workload.name().to_owned()),
            ("PrimaryClusterId", workload.cluster_id(primary)),
            ("DrClusterId", workload.cluster_id(standby)),
            ("PrimaryEcsCluster", workload.ecs_cluster(primary)),
            ("DrEcsCluster", workload.ecs_cluster(standby)),
            ("HostedZoneId", world.zone_id.clone()),
            ("RecordName", workload.record_name().to_owned()),
            ("PrimarySetIdentifier", primary.set_identifier().to_owned()),
            ("DrSetIdentifier", standby.set_identifier().to_owned()),
            ("PrimaryEndpointUrl", world.endpoint(primary).url()),
            ("DrEndpointUrl", world.endpoint(standby).url()),
            ("AwsCallTimeoutSeconds", "2".to_owned()),
            ("StepBudgetSeconds", "5".to_owned()),
        ];
        let plan = match staging.plan {
            PlanSource::Document => vec![("PlanDocument", staging.plan_document(workload, world))],
            PlanSource::Template => composition(),
        };
        let lease = staging.writer_lease_seconds.map(|seconds| ("WriterLeaseSeconds", seconds.to_string()));
        let more = self.more_resources(&staging.sites, &world.account_id, |site| world.endpoint(site).url());
        let traffic = staging.traffic.iter().flat_map(|way| self.traffic(*way, staging, &world.account_id));
        let chosen = plan
            .into_iter()
            .chain(self.ledger.parameters())
            .chain(patience(staging))
            .chain(lease)
            .chain(more)
            .chain(traffic);
        parameters.into_iter().chain(chosen).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The Region that the template of an orchestrator at `own` calls the primary one.
fn first_other(sites: &[Site], own: Site) -> Option<Site> {
    sites.iter().copied().find(|site| *site != own)
}

/// For how long a question stays open; without a heartbeat it may be half as long, which is to make no difference.
fn patience(staging: &Staging) -> Vec<(&'static str, String)> {
    match staging.approval_timeout_seconds {
        Some(seconds) => vec![
            ("ApprovalTimeoutSeconds", seconds.to_string()),
            ("ApprovalHeartbeatSeconds", seconds.saturating_sub(1).to_string()),
        ],
        None => Vec::new(),
    }
}

impl Ledger {
    fn parameters(self) -> Vec<(&'static str, String)> {
        match self {
            Self::OneRegion => Vec::new(),
            Self::Strong { replica, witness } => vec![
                ("LedgerConsistency", "strong".to_owned()),
                ("LedgerReplicaRegion", replica.region().to_owned()),
                ("LedgerWitnessRegion", witness.region().to_owned()),
            ],
            Self::Shared => vec![("LedgerOwner", "other-stack".to_owned())],
        }
    }
}

/// The parameters from which the template composes the recovery plan.
fn composition() -> Vec<(&'static str, String)> {
    vec![
        ("RecordType", "CNAME".to_owned()),
        ("EcsServices", WORKLOAD_SERVICES.join(",")),
        ("EcsDesiredCount", FULL_COUNT.to_string()),
        ("DecisionWindowSeconds", DECISION_WINDOW_SECONDS.to_string()),
        ("DecisionIntervalSeconds", "1".to_owned()),
        ("GiveUpSeconds", GIVE_UP_SECONDS.to_string()),
        ("CooldownSeconds", COOLDOWN_SECONDS.to_string()),
        ("MaxRunSeconds", MAX_RUN_SECONDS.to_string()),
    ]
}

/// The package of the function that made a call, as its SDK's user agent says; none for anybody else.
#[must_use]
pub fn function_of(call: &Call) -> Option<&str> {
    named_in(call).map(|(_, function)| function)
}

/// The environment suffix and the package in the name of the function that made a call.
fn named_in(call: &Call) -> Option<(&str, &str)> {
    let name = call.caller.app.as_deref()?.strip_prefix("failover-")?;
    FUNCTIONS.into_iter().find_map(|function| {
        let suffix = name.strip_suffix(function)?.strip_suffix('-')?;
        Some((suffix, &name[suffix.len() + 1..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Outcome;
    use crate::recorded::call_of;

    #[test]
    fn a_third_region_is_named_beside_the_templates_own_parameters() {
        let orchestrator = Orchestrator::default();
        let more = |sites| orchestrator.more_resources(sites, "1", |site| format!("http://{site}"));
        assert!(more(&Site::PAIR).is_empty());
        let more = more(&Site::THREE);
        let names: Vec<&str> = more.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["MoreRdsArns", "MoreEcsClusterArns", "MoreEcsArns", "MoreEndpoints", "MoreClusters"]);
        let is_there = |entry: &str| entry.contains(":eu-north-1:1:") || entry.starts_with("eu-north-1=");
        assert!(more.iter().all(|(_, all)| all.split(',').all(is_there)), "{more:?}");
    }

    #[test]
    fn a_call_tells_its_function_and_its_orchestrators_suffix() {
        let mut call = call_of("scale-ecs", "ecs", "UpdateService", Outcome::Ok { status: 200 });
        assert_eq!(function_of(&call), Some("scale-ecs"));
        assert!(Orchestrator::default().made(&call));
        call.caller.app = Some("failover-drill-2-scale-ecs".to_owned());
        let settlement = Orchestrator { workload: Workload::Settlement, ..Orchestrator::default() };
        assert_eq!(function_of(&call), Some("scale-ecs"));
        assert!(settlement.made(&call) && !Orchestrator::default().made(&call));
        call.caller.app = Some("drill".to_owned());
        assert_eq!(function_of(&call), None);
    }
}
