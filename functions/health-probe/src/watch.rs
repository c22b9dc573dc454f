//! `watch`: a scheduled look at the Region where the plan is active, from the orchestrator's point of view.
//!
//! It publishes what the endpoint and Region alarms stand on, and renews the writer lease of a Region that serves (X1).
//! A look that could not be made publishes nothing: missing data is unknown, not unhealthy.

use failover::aws_call::{CallError, Meaning};
use failover::contract::{Region, WatchResponse};
use failover::error::{Error, chain};
use failover::ledger::PlanItem;
use failover::telemetry::metrics::{self, Unit};

use crate::HealthProbe;
use crate::http_probe::{self, Answer, Url};

/// The metric, of each Region: 1 while its endpoint answers 2xx, 0 when it does not.
pub(crate) const ENDPOINT_METRIC: &str = "EndpointHealthy";
/// The metric, of each Region: 1 while its RDS API tells of the plan's cluster there, or, for a plan without Aurora, its
/// DynamoDB API of the workload's table; 0 when it fails or is silent.
pub(crate) const REGION_METRIC: &str = "SourceRegionAnswers";

/// What a Region's API did.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Api {
    /// It told of what it was asked for.
    Answers(&'static str),
    /// It failed, or said nothing.
    Fails(String),
    /// It said no, which tells nothing of the Region; or it was not asked.
    CannotTell(String),
}

impl Api {
    fn answers(&self) -> Option<bool> {
        match self {
            Self::Answers(_) => Some(true),
            Self::Fails(_) => Some(false),
            Self::CannotTell(_) => None,
        }
    }

    fn in_words(&self) -> &str {
        match self {
            Self::Answers(words) => words,
            Self::Fails(why) | Self::CannotTell(why) => why,
        }
    }
}

/// Looks once.
///
/// # Errors
/// Of the ledger, which says where the plan is active, and whose answer proves this side's network when the other one is
/// silent: then no metric is published. [`Error::Config`] when the plan is active in a Region that is not watched.
pub(crate) async fn watch(probe: &HealthProbe) -> Result<WatchResponse, Error> {
    let tools = &probe.tools;
    let item = tools.ledger.plan_item(&tools.config.plan).await?;
    let region = item.active_region.as_ref().unwrap_or(&probe.settings.watched.home).clone();
    let url = endpoint(probe, &region)?;
    let (answer, api) = tokio::join!(http_probe::get(tools, url), api(probe, &region));
    if matches!(answer, Answer::Silence(_)) || matches!(api, Api::Fails(_)) {
        // Again: the first answer says nothing of the network during the look.
        tools.ledger.plan_item(&tools.config.plan).await?;
    }
    let healthy = answer.is_healthy();
    let detail = format!("{region}: {url} {answer}; {}", api.in_words());
    if !healthy || api.answers() != Some(true) {
        tracing::warn!(%region, detail, "the active Region is not all well");
    }
    for (name, well) in readings(&answer, &api) {
        let (now, plan) = (tools.env.now(), tools.config.plan.as_str());
        metrics::publish_of_region(now, plan, &region, name, Unit::Count, u64::from(well));
    }
    let writer_lease = renew(probe, &item, &region, healthy).await?;
    Ok(WatchResponse { region, healthy, region_answers: api.answers(), detail, writer_lease })
}

/// The metrics of a look: none of what it could not see. Pure.
fn readings(answer: &Answer, api: &Api) -> Vec<(&'static str, bool)> {
    let endpoint = (ENDPOINT_METRIC, answer.is_healthy());
    std::iter::once(endpoint).chain(api.answers().map(|answers| (REGION_METRIC, answers))).collect()
}

fn endpoint<'p>(probe: &'p HealthProbe, region: &Region) -> Result<&'p Url, Error> {
    probe.settings.watched.endpoints.get(region).ok_or_else(|| Error::Config {
        variable: "WATCHED_ENDPOINTS".to_owned(),
        problem: format!("has no endpoint for {region}, which by the ledger is to be watched"),
    })
}

/// Asks the Region's own API for the plan's cluster there, or for the workload's table: a second witness, who needs no
/// endpoint. Not in the orchestrator's own Region, of which it could not be a witness.
async fn api(probe: &HealthProbe, region: &Region) -> Api {
    let (tools, watched) = (&probe.tools, &probe.settings.watched);
    if *region == tools.config.dr_region {
        return Api::CannotTell("its API is not asked, since the orchestrator stands there itself".to_owned());
    }
    // Without retries: the next look is a minute away, and the alarm wants two that agree.
    let config = tools.clients.once(region);
    if let Some(cluster) = watched.clusters.get(region) {
        let client = aws_sdk_rds::Client::new(&config);
        let request = client.describe_db_clusters().db_cluster_identifier(cluster.as_str()).send();
        return said("its RDS API answers", tools.calls.call("rds", "DescribeDBClusters", request).await.err());
    }
    if let Some(table) = &watched.table {
        let request = aws_sdk_dynamodb::Client::new(&config).describe_table().table_name(table).send();
        return said("its DynamoDB API answers", tools.calls.call("dynamodb", "DescribeTable", request).await.err());
    }
    Api::CannotTell("its API is not asked, since neither a cluster nor a table is known there".to_owned())
}

fn said(answers: &'static str, error: Option<CallError>) -> Api {
    let Some(error) = error else { return Api::Answers(answers) };
    match error.meaning {
        Meaning::Unreachable | Meaning::Unavailable => Api::Fails(error.to_string()),
        Meaning::Throttled
        | Meaning::Denied
        | Meaning::Forbidden
        | Meaning::Conflict
        | Meaning::NotFound
        | Meaning::Invalid => Api::CannotTell(error.to_string()),
    }
}

/// Renews the lease of the Region whose applications may write, if its endpoint answers. `active` was looked at already.
async fn renew(
    probe: &HealthProbe,
    item: &PlanItem,
    active: &Region,
    active_is_healthy: bool,
) -> Result<Option<String>, Error> {
    let Some(length) = probe.settings.watched.writer_lease else {
        return Ok(None);
    };
    let tools = &probe.tools;
    // Not always the active one: a failover hands the lease over before it has succeeded.
    let region = item.writer_region(&probe.settings.watched.home);
    let healthy = if region == active {
        active_is_healthy
    } else {
        http_probe::get(tools, endpoint(probe, region)?).await.is_healthy()
    };
    if !healthy {
        return Ok(Some(format!("not renewed: {region}'s endpoint is not healthy")));
    }
    match tools.ledger.renew_writer(&tools.config.plan, region, length).await {
        Ok(renewed) => {
            let until = renewed.writer.map(|grant| grant.until.to_string()).unwrap_or_default();
            Ok(Some(format!("applications in {region} may write until {until}")))
        }
        Err(error @ Error::Refused { .. }) => {
            tracing::info!(%region, error = %chain(&error), "the writer lease is not renewed");
            Ok(Some(format!("not renewed: {error}")))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_that_cannot_be_judged_has_no_reading_and_the_endpoints_is_its_own() {
        let served = Answer::Status { status: 200, took_ms: 5 };
        let silent = Answer::Silence("refused".to_owned());
        let no = Api::CannotTell("denied".to_owned());
        assert_eq!(readings(&served, &no), [("EndpointHealthy", true)]);
        assert_eq!(readings(&silent, &Api::Answers("")), [("EndpointHealthy", false), ("SourceRegionAnswers", true)]);
        let fails = Api::Fails("silent".to_owned());
        assert_eq!(readings(&served, &fails), [("EndpointHealthy", true), ("SourceRegionAnswers", false)]);
    }
}
