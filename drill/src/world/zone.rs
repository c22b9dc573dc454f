//! The hosted zone: each workload's records with their health checks, and bystanders.

use std::collections::BTreeMap;

use super::{Site, Workload};
use crate::aws::Aws;
use crate::dns::control_plane;
use crate::endpoints::Endpoint;
use crate::error::Result;
use crate::staging::{FULL_WEIGHT, PlanSource, Staging, Traffic};

const ZONE: &str = "trading.example.com";
/// The load balancers' own hosted zone; any value does for an emulator that resolves nothing.
const LOAD_BALANCER_ZONE: &str = "Z215JYRZR1TBD5";
/// TTL of the plain records that a failover moves, in seconds (F6).
const TTL_SECONDS: u32 = 60;
const BYSTANDER_TTL_SECONDS: u32 = 300;

/// Creates the zone and answers its id.
pub(super) async fn create(aws: &Aws, endpoints: &BTreeMap<Site, Endpoint>, staging: &Staging) -> Result<String> {
    let zone_id = control_plane::create_zone(aws, ZONE).await?;
    let mut records = bystander_records();
    for (site, endpoint) in endpoints {
        let check = create_health_check(aws, *site, endpoint).await?;
        for workload in staging.workloads() {
            records.extend(records_of(workload, staging, *site, &check));
        }
    }
    if staging.plan == PlanSource::Document {
        // Under the very name of the moved records, where DNS allows one.
        records
            .extend(staging.workloads().into_iter().map(|workload| simple(workload.record_name(), "TXT", "\"app\"")));
    }
    control_plane::change_record_sets(aws, &zone_id, "CREATE", &records).await?;
    Ok(zone_id)
}

async fn create_health_check(aws: &Aws, site: Site, endpoint: &Endpoint) -> Result<String> {
    let address = endpoint.address();
    let content = format!(
        "<CallerReference>drill-{site}</CallerReference><HealthCheckConfig><IPAddress>{ip}</IPAddress>\
         <Port>{port}</Port><Type>HTTP</Type><ResourcePath>/health</ResourcePath>\
         <RequestInterval>10</RequestInterval><FailureThreshold>3</FailureThreshold></HealthCheckConfig>",
        ip = address.ip(),
        port = address.port(),
    );
    let answer = control_plane::post(aws, "healthcheck", "CreateHealthCheckRequest", &content).await?;
    control_plane::id_in(&answer, "HealthCheck")
}

/// A Region's part of each set of a workload's records, with the Region's health check.
fn records_of(workload: Workload, staging: &Staging, site: Site, health_check: &str) -> Vec<String> {
    let (city, region, name) = (site.city(), site.region(), workload.record_name());
    let role = if staging.traffic.contains(&Traffic::WeightedRecords) {
        let weight = if site == Site::Primary { FULL_WEIGHT } else { 0 };
        format!("<Weight>{weight}</Weight>")
    } else {
        format!("<Failover>{}</Failover>", if site == Site::Primary { "PRIMARY" } else { "SECONDARY" })
    };
    let address = match site {
        Site::Primary => "2001:db8::c",
        Site::Standby => "2001:db8::1e",
        Site::Reserve => "2001:db8::5e",
    };
    let load_balancer = format!("{workload}-{city}.{region}.elb.amazonaws.com");
    let record = |record_type: &str, target: &str| {
        format!(
            "<Name>{name}</Name><Type>{record_type}</Type><SetIdentifier>{city}</SetIdentifier>{role}{target}\
             <HealthCheckId>{health_check}</HealthCheckId>"
        )
    };
    let alias = format!(
        "<AliasTarget><HostedZoneId>{LOAD_BALANCER_ZONE}</HostedZoneId><DNSName>{load_balancer}</DNSName>\
         <EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>"
    );
    match staging.plan {
        PlanSource::Document => vec![record("A", &alias), record("AAAA", &values(TTL_SECONDS, address))],
        PlanSource::Template => vec![record("CNAME", &values(TTL_SECONDS, &load_balancer))],
    }
}

/// Records in the same zone that no failover may touch.
fn bystander_records() -> Vec<String> {
    vec![
        simple(ZONE, "MX", "10 mx.example.com."),
        simple(&format!("status.{ZONE}"), "CNAME", "status.example.com."),
        simple(&format!("db.{ZONE}"), "A", "192.0.2.10"),
    ]
}

fn simple(name: &str, record_type: &str, value: &str) -> String {
    format!("<Name>{name}</Name><Type>{record_type}</Type>{}", values(BYSTANDER_TTL_SECONDS, value))
}

fn values(ttl_seconds: u32, value: &str) -> String {
    format!(
        "<TTL>{ttl_seconds}</TTL><ResourceRecords><ResourceRecord><Value>{value}</Value></ResourceRecord>\
         </ResourceRecords>"
    )
}
