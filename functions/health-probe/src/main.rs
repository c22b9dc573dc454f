//! `health-probe` on Lambda: see [`health_probe::handle`].

use failover::error::Error;
use failover::runtime;
use health_probe::{HealthProbe, Settings, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    runtime::serve("health-probe", build, |probe, event, deadline| async move { handle(&probe, event, deadline).await })
        .await
}

fn build(tools: runtime::Toolbox) -> Result<HealthProbe, Error> {
    let settings = Settings::read(&failover::config::ProcessEnvironment, &tools.config)?;
    Ok(HealthProbe { tools, settings })
}
