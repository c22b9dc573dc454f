//! As a custom action block of ARC Region switch (X9): does the Region serve that a plan's execution has activated?
//!
//! The block belongs behind the steps that move the workload. It changes nothing, and nothing of the ledger stands in
//! its way: looking is allowed always.

use std::time::Duration;

use failover::contract::VerifyResponse;
use failover::env::Deadline;
use failover::error::Error;
use failover::region_switch::Event;

use crate::HealthProbe;
use crate::http_probe::{self, PROBE_TIMEOUT};

/// The time between two probes of one invocation.
const PROBE_AGAIN: Duration = Duration::from_secs(1);

/// Probes the target's endpoint until it answers 2xx or the invocation's time is up.
///
/// # Errors
/// [`Error::Refused`] when it does not: Region switch then asks again, until the block's timeout.
/// [`Error::InvalidRequest`] for another action than `activate`, or a Region without an endpoint.
pub(crate) async fn verify(probe: &HealthProbe, event: &Event, deadline: Deadline) -> Result<VerifyResponse, Error> {
    event.must_activate("it verifies that a Region serves; put it last into the workflow of \"activate\"")?;
    let (tools, region) = (&probe.tools, &event.target_region);
    let url = probe
        .settings
        .watched
        .endpoints
        .get(region)
        .ok_or_else(|| Error::invalid("targetRegion", format!("WATCHED_ENDPOINTS has no endpoint for {region}")))?;
    loop {
        let answer = http_probe::get(tools, url).await;
        tracing::info!(%url, %answer, "probed the target for Region switch");
        if answer.is_healthy() {
            let detail = format!("{url} {answer}");
            return Ok(VerifyResponse { region: region.clone(), healthy: true, detail });
        }
        if deadline.left(tools.env.now()) < PROBE_AGAIN + PROBE_TIMEOUT {
            return Err(Error::Refused {
                reason: format!("{region} does not serve yet: {url} {answer}"),
                cure: format!("look at the workload in {region}; Region switch asks again until the step's timeout"),
            });
        }
        tools.env.sleep(PROBE_AGAIN).await;
    }
}
