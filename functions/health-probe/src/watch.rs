//! `watch`: a scheduled look at the endpoint from the standby's point of view; the endpoint alarm stands on its metric.

use failover::contract::WatchResponse;
use failover::error::Error;
use failover::telemetry::metrics::{self, Unit};

use crate::HealthProbe;
use crate::http_probe::{self, Answer};

/// The metric: 1 while the endpoint answers 2xx, 0 when it does not.
pub(crate) const METRIC: &str = "EndpointHealthy";

/// Probes the watched endpoint once.
///
/// # Errors
/// Of the call that proves this side's network, when the endpoint is silent. Then no metric is published: a look that
/// could not be made is missing data, not an unhealthy endpoint.
pub(crate) async fn watch(probe: &HealthProbe) -> Result<WatchResponse, Error> {
    let tools = &probe.tools;
    let answer = http_probe::get(tools, &probe.settings.watched_endpoint).await;
    if matches!(answer, Answer::Silence(_)) {
        tools.ledger.plan_item(&tools.config.plan).await?;
    }
    let healthy = answer.is_healthy();
    let detail = format!("{} {answer}", probe.settings.watched_endpoint);
    if !healthy {
        tracing::warn!(detail, "the watched endpoint is not healthy");
    }
    metrics::publish(tools.env.now(), tools.config.plan.as_str(), METRIC, Unit::Count, u64::from(healthy));
    Ok(WatchResponse { healthy, detail })
}
