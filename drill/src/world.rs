//! The "trading" workload in two Regions, created by API before the orchestrator is deployed.
//!
//! An Aurora Global Database with an instance in each Region, ECS services that the standby runs fewer
//! tasks of, a hosted zone with failover pairs (alias and plain) and health checks, replication lag,
//! and bystanders: services and records that no failover may touch.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::json;

use crate::aws::{Aws, xml_text};
use crate::emulator::LocalAws;
use crate::endpoints::{Condition, Endpoint, Endpoints};
use crate::error::{Error, Result};
use crate::gateway::{Call, ScalableTarget};
use crate::moment::Moment;
use crate::state::WorldState;

/// The Aurora Global Database.
pub const GLOBAL_CLUSTER: &str = "trading";
/// The ECS services that a failover scales.
pub const WORKLOAD_SERVICES: [&str; 2] = ["orders", "quotes"];
/// An ECS service beside them that it must leave alone.
pub const BYSTANDER_SERVICE: &str = "reports";
/// Tasks of each service in the Region that serves.
pub const FULL_COUNT: i64 = 4;
/// Tasks of each service in the Region that stands by.
pub const STANDBY_COUNT: i64 = 1;
/// The failover pairs' name.
pub const APP_NAME: &str = "app.trading.example.com";
/// The recovery plan's name.
pub const PLAN: &str = "trading";
/// `ENVIRONMENT_SUFFIX` of the stack.
pub const SUFFIX: &str = "drill";

/// For how long the evidence has to agree in the drill's plan, in seconds.
pub const DECISION_WINDOW_SECONDS: u32 = 4;
/// How much an automatic failover may lose by the drill's plan, in milliseconds of writes.
pub const MAX_RPO_MS: u64 = 60_000;
const GIVE_UP_SECONDS: u32 = 3 * DECISION_WINDOW_SECONDS;
const COOLDOWN_SECONDS: u32 = 600;
const MAX_RUN_SECONDS: u32 = 300;

/// Route 53's control plane.
const DNS_REGION: &str = "us-east-1";
const ZONE: &str = "trading.example.com";
const ENGINE: &str = "aurora-postgresql";
const INSTANCE_CLASS: &str = "db.r6g.large";
/// Largest counts that autoscaling allows at first; the standby's has to be raised by a failover.
const FULL_MAX: i64 = 8;
const STANDBY_MAX: i64 = 2;
/// The load balancers' own hosted zone; any value does for an emulator that resolves nothing.
const LOAD_BALANCER_ZONE: &str = "Z215JYRZR1TBD5";
/// TTL of the plain failover records, in seconds (F6).
const TTL_SECONDS: u32 = 60;
const BYSTANDER_TTL_SECONDS: u32 = 300;

/// One of the workload's two Regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Site {
    /// Serves when all is well.
    Primary,
    /// Takes over; the orchestrator lives here.
    Standby,
}

impl Site {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Primary, Self::Standby];

    /// The Region's code.
    #[must_use]
    pub const fn region(self) -> &'static str {
        match self {
            Self::Primary => "eu-central-1",
            Self::Standby => "eu-west-1",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Primary => Self::Standby,
            Self::Standby => Self::Primary,
        }
    }

    /// Every name of a resource ends differently in each Region, so that none can pass for the other's.
    const fn city(self) -> &'static str {
        match self {
            Self::Primary => "frankfurt",
            Self::Standby => "ireland",
        }
    }

    /// The Aurora cluster's identifier.
    #[must_use]
    pub fn cluster_id(self) -> String {
        format!("trading-db-{}", self.city())
    }

    /// The Aurora cluster's ARN.
    #[must_use]
    pub fn cluster_arn(self, account_id: &str) -> String {
        format!("arn:aws:rds:{}:{account_id}:cluster:{}", self.region(), self.cluster_id())
    }

    /// The ECS cluster's name.
    #[must_use]
    pub fn ecs_cluster(self) -> String {
        format!("trading-{}", self.city())
    }

    /// The set identifier of the DNS records that point here.
    #[must_use]
    pub const fn set_identifier(self) -> &'static str {
        self.city()
    }

    /// The key of one of this Region's services in a [`WorldState`].
    #[must_use]
    pub fn service_key(self, service: &str) -> String {
        format!("{}/{service}", self.region())
    }

    const fn first_count(self) -> i64 {
        match self {
            Self::Primary => FULL_COUNT,
            Self::Standby => STANDBY_COUNT,
        }
    }

    const fn first_max(self) -> i64 {
        match self {
            Self::Primary => FULL_MAX,
            Self::Standby => STANDBY_MAX,
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.region())
    }
}

/// The package of the function that made a call, as its SDK's user agent says; none for anybody else.
#[must_use]
pub fn function_of(call: &Call) -> Option<&str> {
    let name = call.caller.app.as_deref()?;
    name.strip_prefix("failover-")?.strip_prefix(SUFFIX)?.strip_prefix('-')
}

/// Where the recovery plan comes from, and with it what there is to fail over in DNS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlanSource {
    /// A document of the drill's own, with an alias pair and a plain pair of records.
    #[default]
    Document,
    /// The one that the template composes from its parameters; it has one pair of records, here a CNAME.
    Template,
}

/// The workload as it was created.
#[derive(Debug)]
pub struct World {
    /// Where its recovery plan comes from.
    pub plan: PlanSource,
    /// The endpoints that answer `/health`.
    pub endpoints: Endpoints,
    /// The hosted zone's id, without a path.
    pub zone_id: String,
    /// The account.
    pub account_id: String,
    /// What stood there before anything happened.
    pub before: WorldState,
}

impl World {
    /// Creates everything past the gateway, so that the gateway records only what the product does.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses something.
    pub async fn create(local: &LocalAws, plan: PlanSource) -> Result<Self> {
        let aws = local.emulator.aws();
        let account_id = local.emulator.account_id().to_owned();
        let endpoints = Endpoints {
            primary: Endpoint::start(Site::Primary.region()).await?,
            standby: Endpoint::start(Site::Standby.region()).await?,
        };
        create_database(&aws, &account_id).await?;
        for site in Site::ALL {
            create_services(&aws, site, local).await?;
        }
        let zone_id = create_zone(&aws, &endpoints, plan).await?;
        let before = WorldState::read(&aws, &zone_id, &local.gateway.scalable_targets()).await?;
        Ok(Self { plan, endpoints, zone_id, account_id, before })
    }

    /// The endpoint of a Region.
    #[must_use]
    pub fn endpoint(&self, site: Site) -> &Endpoint {
        match site {
            Site::Primary => &self.endpoints.primary,
            Site::Standby => &self.endpoints.standby,
        }
    }

    /// The world as it is now.
    ///
    /// # Errors
    /// Those of [`WorldState::read`].
    pub async fn read(&self, local: &LocalAws) -> Result<WorldState> {
        WorldState::read(&local.emulator.aws(), &self.zone_id, &local.gateway.scalable_targets()).await
    }

    /// The Region that clients are served from: its endpoint answers, the traffic goes there, its database
    /// writes, and it runs its tasks.
    #[must_use]
    pub fn serves_from(&self, state: &WorldState) -> Option<Site> {
        Site::ALL.into_iter().find(|site| {
            self.endpoint(*site).condition() == Condition::Serving
                && state.traffic_goes_to(*site)
                && state.writes_at(*site, &self.account_id)
                && state.runs_at(*site, FULL_COUNT)
        })
    }

    /// Parameters of `infra/orchestrator.yaml` for this world.
    #[must_use]
    pub fn stack_parameters(&self) -> BTreeMap<String, String> {
        let (primary, standby) = (Site::Primary, Site::Standby);
        let parameters = [
            ("EnvironmentSuffix", SUFFIX.to_owned()),
            ("PlanName", PLAN.to_owned()),
            ("PrimaryRegion", primary.region().to_owned()),
            ("GlobalClusterId", GLOBAL_CLUSTER.to_owned()),
            ("PrimaryClusterId", primary.cluster_id()),
            ("DrClusterId", standby.cluster_id()),
            ("PrimaryEcsCluster", primary.ecs_cluster()),
            ("DrEcsCluster", standby.ecs_cluster()),
            ("HostedZoneId", self.zone_id.clone()),
            ("RecordName", APP_NAME.to_owned()),
            ("PrimarySetIdentifier", primary.set_identifier().to_owned()),
            ("DrSetIdentifier", standby.set_identifier().to_owned()),
            ("PrimaryEndpointUrl", self.endpoints.primary.url()),
            ("DrEndpointUrl", self.endpoints.standby.url()),
            ("AwsCallTimeoutSeconds", "2".to_owned()),
            ("StepBudgetSeconds", "5".to_owned()),
        ];
        let plan = match self.plan {
            PlanSource::Document => vec![("PlanDocument", self.plan_document())],
            PlanSource::Template => composition(),
        };
        parameters.into_iter().chain(plan).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The recovery plan. The one that the template composes has a single pair of records; this one has an
    /// alias and a plain pair, and the windows of a drill instead of those of a real incident.
    fn plan_document(&self) -> String {
        let (primary, standby) = (Site::Primary.region(), Site::Standby.region());
        let each = |of: &dyn Fn(Site) -> String| json!({ primary: of(Site::Primary), standby: of(Site::Standby) });
        let set_identifiers = each(&|site| site.set_identifier().to_owned());
        json!({
            "name": PLAN,
            "home_region": primary,
            "standby_region": standby,
            "detection": {
                "alarm_names": [evidence_alarm_name()],
                "endpoints": each(&|site| self.endpoint(site).url()),
                "max_lag_ms": 30_000,
                "max_rpo_ms": MAX_RPO_MS,
                "window_seconds": DECISION_WINDOW_SECONDS,
                "interval_seconds": 1,
                "give_up_seconds": GIVE_UP_SECONDS,
            },
            "aurora": [{
                "global_cluster_id": GLOBAL_CLUSTER,
                "clusters": each(&|site| site.cluster_arn(&self.account_id)),
                "unplanned_mode": "failover",
            }],
            "ecs": [{
                "clusters": each(&Site::ecs_cluster),
                "services": { "named": WORKLOAD_SERVICES },
                "capacity": { "desired": FULL_COUNT },
            }],
            "dns": [{
                "hosted_zone_id": self.zone_id,
                "records": [
                    { "name": APP_NAME, "type": "A", "set_identifiers": set_identifiers },
                    { "name": APP_NAME, "type": "AAAA", "set_identifiers": set_identifiers },
                ],
            }],
            "cooldown_seconds": COOLDOWN_SECONDS,
            "max_run_seconds": MAX_RUN_SECONDS,
        })
        .to_string()
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

/// The alarm that the plan takes for evidence.
#[must_use]
pub fn evidence_alarm_name() -> String {
    format!("failover-{SUFFIX}-{PLAN}-region-impaired")
}

/// Publishes what Aurora would publish: the lag of the cluster at `site`, which replicates from the other.
///
/// # Errors
/// [`Error::Aws`] when the emulator refuses it.
pub async fn publish_lag(aws: &Aws, site: Site, lag_ms: u64) -> Result<Moment> {
    let (cluster, value) = (site.cluster_id(), lag_ms.to_string());
    let datum = |name: &str| format!("MetricData.member.1.{name}");
    let parameters = [
        ("Namespace".to_owned(), "AWS/RDS"),
        (datum("MetricName"), "AuroraGlobalDBReplicationLag"),
        (datum("Dimensions.member.1.Name"), "DBClusterIdentifier"),
        (datum("Dimensions.member.1.Value"), &cluster),
        (datum("Value"), &value),
        (datum("Unit"), "Milliseconds"),
    ];
    let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    aws.query("monitoring", site.region(), "PutMetricData", &parameters).await?;
    Ok(Moment::now())
}

async fn create_database(aws: &Aws, account_id: &str) -> Result<()> {
    let primary = Site::Primary.region();
    let global = ("GlobalClusterIdentifier", GLOBAL_CLUSTER);
    aws.query("rds", primary, "CreateGlobalCluster", &[global, ("Engine", ENGINE)]).await?;
    for site in Site::ALL {
        let cluster = site.cluster_id();
        let instance = format!("{cluster}-1");
        let cluster_name = ("DBClusterIdentifier", cluster.as_str());
        let mut parameters = vec![global, cluster_name, ("Engine", ENGINE)];
        if site == Site::Primary {
            // Aurora makes up the password and keeps it in Secrets Manager; nobody in the drill needs it.
            parameters.extend([("MasterUsername", "dbadmin"), ("ManageMasterUserPassword", "true")]);
        }
        aws.query("rds", site.region(), "CreateDBCluster", &parameters).await?;
        let instance = [
            cluster_name,
            ("DBInstanceIdentifier", instance.as_str()),
            ("DBInstanceClass", INSTANCE_CLASS),
            ("Engine", ENGINE),
        ];
        aws.query("rds", site.region(), "CreateDBInstance", &instance).await?;
    }
    // The first one that joined has to be the writer, or every scenario would begin with another world.
    let state = aws.query("rds", primary, "DescribeGlobalClusters", &[global]).await?;
    if state.contains(&Site::Primary.cluster_arn(account_id)) {
        Ok(())
    } else {
        Err(Error::Unexpected(format!("the global cluster has no member in {primary}: {state}")))
    }
}

async fn create_services(aws: &Aws, site: Site, local: &LocalAws) -> Result<()> {
    let (region, cluster) = (site.region(), site.ecs_cluster());
    aws.json("ecs", region, "CreateCluster", &json!({ "clusterName": cluster })).await?;
    for service in WORKLOAD_SERVICES.into_iter().chain([BYSTANDER_SERVICE]) {
        let count = if service == BYSTANDER_SERVICE { 1 } else { site.first_count() };
        let container = json!({ "name": service, "image": format!("example.com/{service}:1"), "memory": 128 });
        let task = json!({ "family": service, "containerDefinitions": [container] });
        aws.json("ecs", region, "RegisterTaskDefinition", &task).await?;
        let input =
            json!({ "cluster": cluster, "serviceName": service, "taskDefinition": service, "desiredCount": count });
        aws.json("ecs", region, "CreateService", &input).await?;
        local.gateway.put_scalable_target(ScalableTarget {
            region: region.to_owned(),
            namespace: "ecs".to_owned(),
            resource_id: format!("service/{cluster}/{service}"),
            dimension: "ecs:service:DesiredCount".to_owned(),
            min: count,
            max: site.first_max(),
        });
    }
    Ok(())
}

async fn create_zone(aws: &Aws, endpoints: &Endpoints, plan: PlanSource) -> Result<String> {
    let xml = format!(
        "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Name>{ZONE}</Name>\
         <CallerReference>drill</CallerReference></CreateHostedZoneRequest>"
    );
    let answer = dns(aws, "hostedzone", &xml).await?;
    let zone_id = id_in(&answer, &["HostedZone", "Id"])?.trim_start_matches("/hostedzone/").to_owned();
    let mut records = Vec::new();
    for (site, role) in [(Site::Primary, "PRIMARY"), (Site::Standby, "SECONDARY")] {
        let endpoint = match site {
            Site::Primary => &endpoints.primary,
            Site::Standby => &endpoints.standby,
        };
        let check = create_health_check(aws, site, endpoint).await?;
        records.extend(failover_records(plan, site, role, &check));
    }
    records.extend(bystander_records(plan));
    let changes: Vec<String> = records
        .iter()
        .map(|record| {
            format!("<Change><Action>CREATE</Action><ResourceRecordSet>{record}</ResourceRecordSet></Change>")
        })
        .collect();
    let changes = changes.concat();
    let xml = format!(
        "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch>\
         <Changes>{changes}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
    );
    dns(aws, &format!("hostedzone/{zone_id}/rrset"), &xml).await?;
    Ok(zone_id)
}

async fn create_health_check(aws: &Aws, site: Site, endpoint: &Endpoint) -> Result<String> {
    let address = endpoint.address();
    let xml = format!(
        "<CreateHealthCheckRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
         <CallerReference>drill-{site}</CallerReference><HealthCheckConfig><IPAddress>{ip}</IPAddress>\
         <Port>{port}</Port><Type>HTTP</Type><ResourcePath>/health</ResourcePath>\
         <RequestInterval>10</RequestInterval><FailureThreshold>3</FailureThreshold></HealthCheckConfig>\
         </CreateHealthCheckRequest>",
        ip = address.ip(),
        port = address.port(),
    );
    let answer = dns(aws, "healthcheck", &xml).await?;
    id_in(&answer, &["HealthCheck", "Id"])
}

/// One half of each pair, with its Region's health check.
fn failover_records(plan: PlanSource, site: Site, role: &str, health_check: &str) -> Vec<String> {
    let (city, region) = (site.city(), site.region());
    let address = match site {
        Site::Primary => "2001:db8::c",
        Site::Standby => "2001:db8::1e",
    };
    let load_balancer = format!("trading-{city}.{region}.elb.amazonaws.com");
    let record = |record_type: &str, target: &str| {
        format!(
            "<Name>{APP_NAME}</Name><Type>{record_type}</Type><SetIdentifier>{city}</SetIdentifier>\
             <Failover>{role}</Failover>{target}<HealthCheckId>{health_check}</HealthCheckId>"
        )
    };
    let alias = format!(
        "<AliasTarget><HostedZoneId>{LOAD_BALANCER_ZONE}</HostedZoneId><DNSName>{load_balancer}</DNSName>\
         <EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>"
    );
    match plan {
        PlanSource::Document => vec![record("A", &alias), record("AAAA", &values(TTL_SECONDS, address))],
        PlanSource::Template => vec![record("CNAME", &values(TTL_SECONDS, &load_balancer))],
    }
}

/// Records in the same zone, one of them under the very name of the pairs, where DNS allows one.
fn bystander_records(plan: PlanSource) -> Vec<String> {
    let simple = |name: &str, record_type: &str, value: &str| {
        format!("<Name>{name}</Name><Type>{record_type}</Type>{}", values(BYSTANDER_TTL_SECONDS, value))
    };
    let mut records = vec![
        simple(ZONE, "MX", "10 mx.example.com."),
        simple(&format!("status.{ZONE}"), "CNAME", "status.example.com."),
        simple(&format!("db.{ZONE}"), "A", "192.0.2.10"),
    ];
    if plan == PlanSource::Document {
        records.push(simple(APP_NAME, "TXT", "\"app\""));
    }
    records
}

fn values(ttl_seconds: u32, value: &str) -> String {
    format!(
        "<TTL>{ttl_seconds}</TTL><ResourceRecords><ResourceRecord><Value>{value}</Value></ResourceRecord>\
         </ResourceRecords>"
    )
}

async fn dns(aws: &Aws, path: &str, xml: &str) -> Result<String> {
    let path = format!("/2013-04-01/{path}");
    Ok(aws.rest("route53", DNS_REGION, "POST", &path, "application/xml", xml.as_bytes()).await?)
}

fn id_in(answer: &str, path: &[&str]) -> Result<String> {
    xml_text(answer, path).ok_or_else(|| Error::Unexpected(format!("an answer without an id: {answer}")))
}
